//! What the repair ladder did: attempts, time and tokens of every level.

use serde::{Deserialize, Serialize};

/// A level of the ladder, from cheap to dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Decoding among what is there and possible now. It helped where the planner would have said something else.
    Mask,
    /// Other grasps, places and ways for the same step.
    Geometry,
    /// A missing step put before the one that was meant, or what stands in the way put aside.
    Symbolic,
    /// The verdict told, and the same step asked for again.
    Resample,
    /// Back to the world before an earlier step.
    Backtrack,
    /// Refused, with the check that says no.
    Refuse,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 6] =
        [Self::Mask, Self::Geometry, Self::Symbolic, Self::Resample, Self::Backtrack, Self::Refuse];
}

/// What a level did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelCount {
    /// Which one.
    pub level: Level,
    /// How often it was tried.
    pub attempts: usize,
    /// How often a step was accepted because of it.
    pub helped: usize,
    /// Time it took, seconds.
    pub secs: f64,
    /// Text tokens it took.
    pub tokens: usize,
}

/// The ladder's book.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// How often the planner was asked.
    pub asked: usize,
    /// Time that the planner took to answer, seconds.
    pub answer_secs: f64,
    /// Text tokens of all answers.
    pub tokens: usize,
    /// Key-frames that were drawn, all behind steps that had passed their checks.
    pub key_frames: usize,
    /// Picture tokens of the key-frames.
    pub picture_tokens: usize,
    /// Key-frames that were not drawn because their step was rejected first.
    pub pictures_spared: usize,
    /// Executed steps after which the world was as the step says.
    pub came_true: usize,
    /// Did the planner itself refuse the task? Otherwise a refusal is the ladder's.
    pub planner_refused: bool,
    /// Levels that did something.
    pub levels: Vec<LevelCount>,
}

impl Account {
    /// The count of a level.
    pub(super) fn at(&mut self, level: Level) -> &mut LevelCount {
        let place = match self.levels.iter().position(|l| l.level >= level) {
            Some(at) if self.levels[at].level == level => at,
            other => {
                let at = other.unwrap_or(self.levels.len());
                self.levels.insert(at, LevelCount { level, attempts: 0, helped: 0, secs: 0.0, tokens: 0 });
                at
            }
        };
        &mut self.levels[place]
    }
}

//! What a planner is asked at every step, and what it answers.

use rhea_picture::Rgbd;

use super::words::{Answer, Told};
use crate::error::PhysicsError;
use crate::world::World;

/// What a planner knows when it is asked for the next step.
pub struct Ask<'a> {
    /// The task and what stood where at the beginning, in words.
    pub words: &'a str,
    /// Steps so far, rejected ones included.
    pub told: &'a [Told],
    /// The world as it is, for those who look at it.
    pub world: &'a World,
    /// The only answers that count; `None` where anything may be said.
    pub allowed: Option<&'a [Answer]>,
    /// How often the same step was asked for before.
    pub again: u32,
}

/// What a planner said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The answer in words; one of [`Ask::allowed`] where that was given.
    pub text: String,
    /// Tokens that were decoded.
    pub tokens: usize,
    /// Did the list of allowed answers keep the planner from what it would have said?
    pub steered: bool,
}

/// A key-frame: the view behind a step as a planner expects it.
pub struct KeyFrame {
    /// The picture.
    pub picture: Rgbd,
    /// Picture tokens that were decoded.
    pub tokens: usize,
}

/// Who answers step by step.
pub trait StepPlanner {
    /// Who it is, for reports.
    fn name(&self) -> String;

    /// A new task begins. Who draws lots begins anew with its seed, so that answers do not depend on what was planned before.
    fn begin(&mut self, _seed: u64) {}

    /// The next step, or the end of the plan.
    ///
    /// # Errors
    /// [`PhysicsError::Planner`] when it cannot answer.
    fn answer(&mut self, ask: &Ask<'_>) -> Result<Said, PhysicsError>;

    /// The view behind an answer that passed its checks; `None` for planners that draw nothing.
    ///
    /// # Errors
    /// As [`Self::answer`].
    fn key_frame(&mut self, _ask: &Ask<'_>, _answer: &str) -> Result<Option<KeyFrame>, PhysicsError> {
        Ok(None)
    }
}

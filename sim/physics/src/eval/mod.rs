//! What the crate can do, in numbers: kinematics, the oracle on tasks, grounding of paraphrases, time of checks.
//!
//! Planted faults are counted by [`crate::faults::table`]. Clocks are handed in; nothing else here depends on time.

pub mod laws;
pub mod paraphrase;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::checks::thresholds::{REACH_M, REACH_RAD, SETTLE_SECS};
use crate::checks::{Claim, Course, Step, Verdict, check_step, settle};
use crate::error::PhysicsError;
use crate::ground::{Grounding, Memory, ground};
use crate::kinematics::{IkOptions, solve};
use crate::math::{Pose, unit};
use crate::motion::{ProposeOptions, propose};
use crate::robot::RobotModel;
use crate::run::run_goals;
use crate::skill::{Relation, Skill};
use crate::tasks::{Family, Task, task};
use crate::world::World;
use crate::world::stage::{RobotShelf, Stage};

/// First seed of evaluations; training must stay below it.
pub const EVALUATION_SEEDS: u64 = 1_000_000;
/// Seconds that a scene rests before a task begins.
const REST_SECS: f64 = 0.5;

/// A clock: seconds since any fixed moment.
pub type Clock<'a> = &'a dyn Fn() -> f64;

/// Figures of inverse kinematics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IkFigures {
    /// Poses that were tried, all of them reachable.
    pub poses: usize,
    /// Solved within 1 mm and 0.5 degrees, inside the limits.
    pub solved: usize,
    /// Median time, milliseconds.
    pub median_ms: f64,
    /// Mean number of starts.
    pub mean_starts: f64,
}

/// Random postures inside the limits give poses; each must be found again from the middle of the ranges.
#[must_use]
pub fn inverse_kinematics(robot: &RobotModel, poses: usize, seed: u64, clock: Clock<'_>) -> IkFigures {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let middle = robot.middle();
    let (mut solved, mut starts, mut times) = (0, 0, Vec::with_capacity(poses));
    for _ in 0..poses {
        let q = robot.posture(|_| unit(&mut rng));
        let goal = robot.frames(Pose::IDENTITY, &q).tcp;
        let begin = clock();
        let found = solve(robot, Pose::IDENTITY, goal, &middle, &IkOptions::default());
        times.push((clock() - begin) * 1e3);
        // Judged by forward kinematics, not by what the solver says about itself.
        let tcp = robot.frames(Pose::IDENTITY, &found.q).tcp;
        let there = tcp.p.distance(goal.p) <= REACH_M && (tcp.r.inv() * goal.r).angle() <= REACH_RAD;
        solved += usize::from(there && robot.is_inside(&found.q, 0.0));
        starts += found.starts;
    }
    IkFigures { poses, solved, median_ms: quantile(&mut times, 0.5), mean_starts: starts as f64 / poses.max(1) as f64 }
}

/// The value below which a share of the values lies; 0 for none.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or(0.0)
}

/// How one task went with the search planner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The family.
    pub family: Family,
    /// The seed.
    pub seed: u64,
    /// Can it be done?
    pub feasible: bool,
    /// Goal reached with all executed steps accepted, or, for an infeasible one, refused with a right code.
    pub right: bool,
    /// Steps that were executed.
    pub steps: usize,
    /// Steps that were rejected and planned around.
    pub rescued: usize,
    /// Why it was refused, or which goal failed.
    pub says: String,
}

/// The world of a task, at rest.
///
/// # Errors
/// A robot file that cannot be read.
pub fn world_of(task: &Task, robots: &Path, shelf: &mut RobotShelf) -> Result<World, PhysicsError> {
    let stage = Arc::new(Stage::new(task.scene.clone(), robots, shelf)?);
    let mut world = World::new(stage)?;
    world.run(REST_SECS);
    Ok(world)
}

/// Runs one task with the search planner.
///
/// # Errors
/// A robot file that cannot be read.
pub fn run_task(family: Family, seed: u64, robots: &Path, shelf: &mut RobotShelf) -> Result<TaskResult, PhysicsError> {
    let task = task(family, seed);
    let mut world = world_of(&task, robots, shelf)?;
    let outcome = run_goals(&mut world, &task.goals, &ProposeOptions::default())?;
    let feasible = task.refuse.is_empty();
    let right = if feasible {
        outcome.reached()
    } else {
        outcome.refused.as_ref().and_then(|r| r.code).is_some_and(|c| task.refuse.contains(&c))
    };
    let failed = outcome.goals.iter().find(|c| c.verdict == Verdict::Reject).map(|c| c.note.clone());
    let says = outcome.refused.map(|r| r.says).or(failed).unwrap_or_default();
    Ok(TaskResult { family, seed, feasible, right, steps: outcome.executed.len(), rescued: outcome.rescued, says })
}

/// Figures of grounding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundingFigures {
    /// Sentences.
    pub sentences: usize,
    /// Read as exactly the skill that was meant.
    pub exact: usize,
    /// Read as a skill with another thing: the worst kind of mistake.
    pub wrong_object: usize,
    /// Read as another skill with the same things.
    pub wrong_skill: usize,
    /// Answered with a question or "unknown".
    pub asked: usize,
    /// Sentences that were not read right.
    pub examples: Vec<String>,
}

impl GroundingFigures {
    /// Counts one sentence.
    pub fn count(&mut self, text: &str, meant: &Skill, read: &Grounding) {
        self.sentences += 1;
        match read {
            Grounding::Skill { skill, .. } if skill.means(meant) => {
                self.exact += 1;
                return;
            }
            Grounding::Skill { skill, .. } if skill.thing() == meant.thing() && skill.target() == meant.target() => {
                self.wrong_skill += 1
            }
            Grounding::Skill { .. } => self.wrong_object += 1,
            _ => self.asked += 1,
        }
        if self.examples.len() < 40 {
            self.examples.push(format!("{text} | meant {meant:?} | read {read:?}"));
        }
    }
}

/// Reads paraphrases in the scenes of tasks: `per_scene` sentences for each seed of each family.
///
/// # Errors
/// A robot file that cannot be read.
pub fn grounding(
    families: &[(Family, Range<u64>)],
    per_scene: usize,
    robots: &Path,
) -> Result<GroundingFigures, PhysicsError> {
    let mut shelf = RobotShelf::default();
    let mut figures = GroundingFigures::default();
    for (family, seeds) in families {
        for seed in seeds.clone() {
            let world = world_of(&task(*family, seed), robots, &mut shelf)?;
            for (text, meant) in paraphrase::sentences(&world, seed, per_scene) {
                figures.count(&text, &meant, &ground(&world, &text, &Memory::default()));
            }
        }
    }
    Ok(figures)
}

/// Cubes of the tower whose settling is timed.
const SETTLING_CUBES: usize = 10;

/// Median time, milliseconds, that a tower of ten cubes takes to settle from the moment it was built: up to 2 s, or until
/// everything rests. The second figure steps through the whole 2 s, at rest or not.
///
/// # Errors
/// A robot file that cannot be read.
pub fn settle_times(samples: usize, robots: &Path, clock: Clock<'_>) -> Result<(f64, f64), PhysicsError> {
    let mut shelf = RobotShelf::default();
    let (mut rested, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let mut world = laws::tower(SETTLING_CUBES, 0.0, robots, &mut shelf)?;
        let mut other = world.fork()?;
        let begin = clock();
        settle(&mut world, SETTLING_CUBES - 1);
        let middle = clock();
        other.run(SETTLE_SECS);
        rested.push((middle - begin) * 1e3);
        whole.push((clock() - middle) * 1e3);
    }
    Ok((quantile(&mut rested, 0.5), quantile(&mut whole, 0.5)))
}

/// Times of all checks of pick-and-place steps, milliseconds: (median, 95th percentile).
///
/// # Errors
/// A robot file that cannot be read.
pub fn check_times(seeds: Range<u64>, robots: &Path, clock: Clock<'_>) -> Result<(f64, f64), PhysicsError> {
    let mut shelf = RobotShelf::default();
    let mut times = Vec::new();
    for seed in seeds {
        let task = task(Family::F1, seed);
        let world = world_of(&task, robots, &mut shelf)?;
        let Some(crate::world::facts::Goal::On { thing, target }) = task.goals.first().cloned() else { continue };
        let skill = Skill::Place { thing, relation: Relation::On, target };
        let motion = propose(&world, &skill, &ProposeOptions::default());
        let claim = Some(Claim::meant(&world, &motion));
        let step = Step { skill: Some(skill), claim, duration_secs: Some(motion.duration_secs()), ..Step::default() };
        let begin = clock();
        check_step(&world, 1, &step, &motion, &Course::default())?;
        times.push((clock() - begin) * 1e3);
    }
    Ok((quantile(&mut times, 0.5), quantile(&mut times, 0.95)))
}

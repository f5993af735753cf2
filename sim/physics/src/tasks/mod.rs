//! Tasks by seed: scenes with goals in eleven families, some of them infeasible on purpose.
//!
//! Invariant: one (family, seed) gives one task, on every machine.

mod build;
mod families;

use serde::{Deserialize, Serialize};

use crate::checks::Code;
use crate::scene::TaskScene;
use crate::world::facts::Goal;

pub use families::task;

/// A family of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// Pick and place.
    F1,
    /// Stack two to five blocks.
    F2,
    /// Sort by colour into bins.
    F3,
    /// Pour beads from a cup into a bowl.
    F4,
    /// Open a drawer, put in, close.
    F5,
    /// Push what is too wide to grasp.
    F6,
    /// Hand over between two arms.
    F7,
    /// Tidy up.
    F8,
    /// Something is in the way first.
    F9,
    /// A kitchen with several jobs.
    F10,
    /// Cannot be done, with the check that has to say so.
    F11,
}

impl Family {
    /// All families with the number of tasks each has in the benchmark of 400.
    pub const ALL: [(Self, u64); 11] = [
        (Self::F1, 40),
        (Self::F2, 40),
        (Self::F3, 40),
        (Self::F4, 30),
        (Self::F5, 40),
        (Self::F6, 30),
        (Self::F7, 30),
        (Self::F8, 40),
        (Self::F9, 40),
        (Self::F10, 40),
        (Self::F11, 30),
    ];
}

/// A scene, what is asked, and for infeasible tasks the check that must refuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The family.
    pub family: Family,
    /// The seed.
    pub seed: u64,
    /// The scene; its robots lie in `scenes/robots`.
    pub scene: TaskScene,
    /// What has to hold at the end.
    pub goals: Vec<Goal>,
    /// Codes that may refuse it; empty for a feasible task.
    pub refuse: Vec<Code>,
}

//! A world as a file: what is remembered of it, with who drew it and how, to be taken up again, forked, merged and compared.

mod chunks;
mod diff;
mod file;
mod merge;

pub use diff::{Difference, diff};
pub use file::{Damage, Loaded};
pub use merge::Merged;

use std::path::PathBuf;

use rhea_scene::Camera;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::memory::Memory;

/// Version of the layout.
pub const WORLD_VERSION: u32 = 2;

/// Who drew a world and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Version of Rhea that wrote the file.
    pub rhea: String,
    /// Name of the model.
    pub model: String,
    /// Hash of the model's weights, when it was known.
    pub model_hash: Option<String>,
    /// The camera of all views.
    pub camera: Camera,
    /// How the world began, in words.
    pub start: String,
    /// A sentence about the world; empty when there is none.
    pub world: String,
    /// Seed of the walk.
    pub seed: u64,
    /// Views drawn so far, taken back or not: the counter of the seeds.
    pub drawn: u64,
}

/// A world that can be taken up again.
#[derive(Clone, Debug)]
pub struct World {
    /// Who drew it and how.
    pub about: About,
    /// What is remembered of it; the walker stands at its latest view.
    pub memory: Memory,
}

impl World {
    /// The world as it was when it had `views` views: a fork to go on from there. All views when it has no more.
    #[must_use]
    pub fn forked(&self, views: usize) -> Self {
        let mut fork = self.clone();
        while fork.memory.len() > views.max(1) {
            fork.memory.undo();
        }
        fork
    }
}

/// What can go wrong with a world file.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The file could not be read.
    #[error("cannot read the world: {source} ({path})")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("cannot write the world: {source}; choose another place ({path})")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// This is no world.
    #[error("not a Rhea world: {what} ({path}); expected a file written by `rhea explore`")]
    Foreign {
        /// What was found instead.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A world of a later layout.
    #[error("the world has format {found}; this Rhea reads formats 1 to {WORLD_VERSION} ({path})")]
    Version {
        /// The file's format.
        found: u32,
        /// The file.
        path: PathBuf,
    },
    /// Something cannot be stored.
    #[error("view {index} cannot be stored: {what}")]
    View {
        /// The view.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Two worlds that share no view.
    #[error(
        "the worlds have no view in common, so nobody knows how they lie to each other; only forks of one world can be merged"
    )]
    NothingInCommon,
    /// Two worlds of different cameras.
    #[error("the worlds have views of {ours} and {theirs} px; they must be equal")]
    Cameras {
        /// Side of the views of the first.
        ours: usize,
        /// Side of the views of the second.
        theirs: usize,
    },
}

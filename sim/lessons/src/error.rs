//! Errors of the lessons.

use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong while making lessons or scoring walks.
#[derive(Debug, Error)]
pub enum LessonError {
    /// Scene seeds outside the range that is allowed for this use.
    #[error("scene seeds {first} to {last} are not allowed here; allowed are {} to {}", allowed.start, allowed.end - 1)]
    Seeds {
        /// First seed asked for.
        first: u64,
        /// One past the last.
        last: u64,
        /// The allowed range.
        allowed: Range<u64>,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A frame cache that does not fit.
    #[error("frame cache {path}: {what}; remove the folder or name another")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The networks failed.
    #[error(transparent)]
    Network(#[from] rhea_nn::NnError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] rhea_engine::EngineError),
    /// A task could not be made or carried out.
    #[error(transparent)]
    Physics(#[from] rhea_physics::PhysicsError),
    /// Tokens or text failed.
    #[error("{0}")]
    Text(String),
}

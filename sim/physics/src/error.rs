//! What can be wrong with scenes, robots, scripts and the files they come from.

use std::path::PathBuf;

use thiserror::Error;

/// Any failure of this crate that bad input can cause. Paths stand last or first, where editors look for them.
#[derive(Debug, Error)]
pub enum PhysicsError {
    /// A file could not be read.
    #[error("cannot read {what}: {source} ({path})")]
    Read {
        /// What was to be read.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than allowed.
    #[error("{what} has {found} bytes; allowed are at most {allowed} ({path})")]
    FileTooLong {
        /// What was to be read.
        what: &'static str,
        /// Its bytes.
        found: u64,
        /// Most bytes.
        allowed: u64,
        /// The file.
        path: PathBuf,
    },
    /// The text does not follow the format, or a value in it is not allowed.
    #[error("{path}:{line}:{column}: {what}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// A number is outside its range.
    #[error("{place}: {field} is {got}; allowed is {low} to {high}")]
    Range {
        /// Where.
        place: String,
        /// Which field.
        field: &'static str,
        /// What it is.
        got: f64,
        /// Smallest allowed.
        low: f64,
        /// Largest allowed.
        high: f64,
    },
    /// There is more of something than allowed.
    #[error("{place}: {got} {what}; allowed are at most {max}")]
    TooMany {
        /// Where.
        place: String,
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// How many may be.
        max: usize,
    },
    /// A name that nothing in the scene has.
    #[error("{place}: there is no {what} `{name}`; there are: {known}")]
    Unknown {
        /// Where.
        place: String,
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Something else that a scene or robot must not be.
    #[error("{place}: {what}")]
    Invalid {
        /// Where.
        place: String,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// A snapshot that is none, or of another scene.
    #[error("the snapshot cannot be restored: {0}")]
    Snapshot(String),
    /// A planner that cannot answer.
    #[error("the planner cannot answer: {0}")]
    Planner(String),
}

impl PhysicsError {
    /// An [`PhysicsError::Invalid`].
    pub(crate) fn invalid(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), what: what.into() }
    }
}

/// A number within a range; NaN is within none.
pub(crate) fn in_range(place: &str, field: &'static str, got: f64, [low, high]: [f64; 2]) -> Result<(), PhysicsError> {
    if got >= low && got <= high {
        Ok(())
    } else {
        Err(PhysicsError::Range { place: place.to_owned(), field, got, low, high })
    }
}

//! What can go wrong between two processes.

use std::path::PathBuf;

use rhea_engine::EngineError;
use thiserror::Error;

use crate::limits;

/// Errors of an engine in a process of its own.
#[derive(Debug, Error)]
pub enum ChildError {
    /// The program cannot be started.
    #[error("the engine's process cannot be started: {source} ({program})")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was started does not greet as an engine does.
    #[error("the other end of the pipe is no engine of Rhea: it began with {said:?} instead of a greeting")]
    NotAnEngine {
        /// The first it said.
        said: String,
    },
    /// The other end is of another version.
    #[error("the engine's process speaks version {theirs} of the protocol; this program speaks version {ours}")]
    Version {
        /// Version of this program.
        ours: u32,
        /// Version of the other.
        theirs: u32,
    },
    /// The process ended.
    #[error("the engine's process {how} while {doing}; it is started again for the next request{}", quoted(said))]
    Died {
        /// How it ended.
        how: String,
        /// What it was at.
        doing: &'static str,
        /// The last it wrote to its standard error.
        said: String,
    },
    /// The process lives, but the device of its model does not.
    #[error("the engine's process gave up while {doing}: {told}; it is started again for the next request")]
    Device {
        /// What it was at.
        doing: &'static str,
        /// What it said.
        told: String,
    },
    /// The process says nothing any more.
    #[error(
        "the engine's process has said nothing for {secs:.1} s while {doing}, so it was ended; it is started again for the next request"
    )]
    Silent {
        /// How long, seconds.
        secs: f64,
        /// What it was at.
        doing: &'static str,
    },
    /// The process lives but gets no further.
    #[error(
        "the engine's process has got no further for {secs:.1} s while {doing}, so it was ended; it is started again for the next request"
    )]
    Stuck {
        /// How long, seconds.
        secs: f64,
        /// What it was at.
        doing: &'static str,
    },
    /// A message over the limit.
    #[error("a message of {bytes} bytes to or from the engine's process; allowed are up to {}", limits::MESSAGE_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A message that cannot be read.
    #[error("a message of the engine's process cannot be read: {0}")]
    Damaged(String),
    /// An answer to something else.
    #[error("the engine's process answered {got} to a request for {asked}")]
    Answer {
        /// What was asked for.
        asked: &'static str,
        /// What came.
        got: &'static str,
    },
    /// The model's files are others than before.
    #[error(
        "the engine's process was started again, but the model folder has changed since this walk began ({was} then, {is} now); what it \
         draws would not fit. Put the old files back, or start Rhea again"
    )]
    OtherModel {
        /// Fingerprint and name before.
        was: String,
        /// Fingerprint and name now.
        is: String,
    },
    /// The pipe broke.
    #[error("the pipe to the engine's process: {0}")]
    Pipe(std::io::Error),
    /// An error of the model itself, as the process told it.
    #[error("{0}")]
    Told(String),
}

impl From<ChildError> for EngineError {
    fn from(error: ChildError) -> Self {
        Self::Elsewhere(Box::new(error))
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

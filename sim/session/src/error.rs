//! What can go wrong in a session.

use std::path::PathBuf;

use rhea_engine::EngineError;
use rhea_memory::{MemoryError, WorldError};
use rhea_picture::PictureError;
use rhea_scene::SceneError;
use thiserror::Error;

use crate::command::CommandError;
use crate::replay::ReplayError;
use crate::script::ScriptError;

/// Errors of sessions. After any of them the session is where it was before the call.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The step was cancelled; nothing changed.
    #[error("cancelled")]
    Cancelled,
    /// The command is not understood.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is no step to take back.
    #[error("nothing to undo: this is the first view")]
    NothingToUndo,
    /// Nothing of that name is remembered.
    #[error("memory knows no {name}; it knows {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What it knows.
        known: String,
    },
    /// There is no such step to go back to.
    #[error("there is no step {step} on this walk; it has steps 0 to {last}")]
    NoStep {
        /// What was asked for.
        step: u64,
        /// The current step.
        last: u64,
    },
    /// A change to memory was refused.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A saved world where only a new walk can begin.
    #[error("a new walk begins with a scene, a caption or a picture, not with a saved world ({path})")]
    NoStart {
        /// The world.
        path: PathBuf,
    },
    /// A world file cannot be read or written.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A world that another model drew.
    #[error(
        "this world was drawn by {theirs}, and the model here is {ours}: its codes mean something else; choose the model that drew it, or adopt its pictures"
    )]
    OtherModel {
        /// The world's model.
        theirs: String,
        /// The model at hand.
        ours: String,
    },
    /// The model could not draw the view.
    #[error("the model could not draw this view: {0}")]
    Engine(EngineError),
    /// A text is empty or too long.
    #[error("{what} of {bytes} bytes: allowed are 1 to {max}")]
    Text {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The model gave a view of the wrong size.
    #[error("the model drew a view of {width} x {height} px with {codes} codes; expected {side} x {side} px")]
    View {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Number of codes.
        codes: usize,
        /// Expected side in pixels.
        side: usize,
    },
    /// A file could not be read.
    #[error("cannot read {what}: {source} ({path})")]
    Read {
        /// What was to be read.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A scene file has an error.
    #[error("{path}: {source}")]
    Scene {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        source: SceneError,
    },
    /// A picture cannot be used.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A walk script has an error.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The replay could not be created or read back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A folder cannot be written.
    #[error("cannot write to the output folder: {source}; choose another one ({path})")]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<EngineError> for SessionError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Self::Cancelled,
            error => Self::Engine(error),
        }
    }
}

//! What the session thread tells the window, and the trait through which it drives a walk.
//!
//! Plain values: no threads, no Bevy, no egui.

use std::path::PathBuf;

use rhea_session::{ScriptStart, SessionEvent, StepControl, StepReport};

/// Something that happened in a walk.
#[derive(Clone, Debug)]
pub enum WalkEvent {
    /// What the session thread is busy with, for the status line.
    Doing(String),
    /// A world is open; its first view follows.
    Opened {
        /// Name of the model.
        model: String,
        /// The caption or the scene's name.
        world: String,
        /// The recording.
        replay: Option<PathBuf>,
    },
    /// An event of the session.
    Session(SessionEvent),
}

/// Something that did not work, with what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, one sentence.
    pub what: String,
    /// What to do, one sentence; empty when there is nothing to do.
    pub hint: String,
}

impl Failure {
    /// A failure from its two sentences.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// Why a command did not end in a step. The walk is as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was cancelled before its view was finished.
    Cancelled,
    /// It did not work.
    Failed(Failure),
}

/// What the session thread sends to the window.
#[derive(Clone, Debug)]
pub enum Report {
    /// The thread took up a command.
    Began {
        /// The command.
        command: String,
    },
    /// Something happened in the walk.
    Event {
        /// What.
        event: WalkEvent,
        /// Seconds since the running command was taken up.
        after_secs: f32,
    },
    /// A step is finished.
    Acknowledged(StepReport),
    /// A command was cancelled; nothing changed.
    Cancelled,
    /// The thread has nothing to do.
    Idle,
    /// Something did not work; the walk goes on from where it was, if there is one.
    Failed(Failure),
}

/// What remains of a walk when it is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Finished steps, without first views.
    pub steps: u64,
    /// The recordings that were written, oldest first.
    pub replays: Vec<PathBuf>,
    /// What went wrong at the very end; empty when nothing did.
    pub problems: Vec<String>,
}

/// A walk in an open world: the session, or in tests a stand-in.
pub trait Walker {
    /// Runs one command of the walking language, "undo" among them.
    ///
    /// # Errors
    /// [`Ended`] when it is cancelled, not understood, or the model fails.
    fn step(
        &mut self,
        command: &str,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<StepReport, Ended>;

    /// Saves the world as it was after a step as a file, to begin another walk with, and says where it is.
    ///
    /// # Errors
    /// When there is no such step, or the file cannot be written.
    fn fork(&mut self, step: u64) -> Result<PathBuf, Failure> {
        Err(Failure::new(crate::words::no_branch(step), crate::words::NO_MEMORY))
    }

    /// Closes the recording and says where it is.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    fn finish(self: Box<Self>) -> Result<Option<PathBuf>, Failure>;
}

/// Opens worlds; keeps the loaded model between them.
pub trait Opener: Send {
    /// Makes ready what every world needs, such as the model. What fails is told when a world is opened.
    fn prepare(&mut self) {}

    /// Opens a world and tells its first view.
    ///
    /// # Errors
    /// When the model or the world cannot be used, with what to do about it.
    fn open(
        &mut self,
        start: &ScriptStart,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<Box<dyn Walker>, Ended>;
}

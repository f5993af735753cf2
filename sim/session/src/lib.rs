//! Walks as sessions: the join of memory, model and replay, and everything that runs a walk without a window.
//!
//! * [`ExploreSession`] is the walk itself: one command in, one view out, everything recorded before it returns;
//! * [`replay`] is the file it leaves behind, and how to read that however it ended;
//! * [`plans`] are robot plans as recordings;
//! * [`Script`] is a walk written down, [`run_script`] walks it.
//!
//! This crate has no threads, no window and no clock of its own. It knows the model only as
//! [`rhea_engine::Imagine`].
//!
//! Invariant: a step that was acknowledged is in the replay, and a step that failed or was cancelled changed nothing.

mod beginning;
mod check;
mod clip;
mod clock;
mod command;
mod error;
mod event;
mod explore;
mod headless;
mod landmarks;
pub mod limits;
mod narrate;
mod options;
mod planner;
pub mod plans;
mod recorder;
pub mod replay;
pub mod review;
mod script;
mod start;
mod wander;
mod words;

pub use beginning::{Beginning, SavedWorld, damage_in_words};
pub use check::Rules;
pub use clock::{Clock, FixedClock, SystemClock};
pub use command::{Command, CommandError};
pub use error::SessionError;
pub use event::{Clip, Origins, SessionEvent, StepControl, StepReport, ViewReady};
pub use explore::{ExploreSession, REMINDER};
pub use headless::{HeadlessOptions, Progress, Summary, run_script};
pub use landmarks::{Landmark, Landmarks, Whereabouts, is_grounded};
pub use options::{Options, Setup};
pub use planner::ModelPlanner;
pub use rhea_memory::Verdict;
pub use script::{Actions, Script, ScriptError, ScriptStart};
pub use start::{FAR_FROM_TRAINING_DB, Start};
pub use words::{Bearing, Mention, mentions};

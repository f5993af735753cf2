//! The replay of a session: an MCAP file that grows step by step and can be read however it ended.
//!
//! Channels are `/session` (once), `/command`, `/pose`, `/recall`, `/check`, `/tokens`, `/view`, `/depth`, `/narration` and `/step`,
//! all JSON with JSON schemas; the pictures use Foxglove's `CompressedImage`, so that any MCAP viewer shows them. Each record
//! of a walk is one chunk without compression, closed by its `/step` message, and the file is synced after it.
//!
//! A robot plan is recorded in the same way, step by step; its records have `/report`, `/motion`, `/imagined`, `/world` and `/end` besides.
//!
//! This is a log, not a database: nothing is ever changed in place, an undo is one more record.
//!
//! Invariant: what was acknowledged can be read back, byte for byte, after any crash.

mod channel;
mod error;
mod message;
mod parse;
mod reader;
mod recording;
mod remember;
mod review;
mod state;
mod storage;
mod writer;

pub use error::ReplayError;
pub use message::{
    CandidateKind, CandidateNote, CheckNote, Codes, EndNote, FORMAT_VERSION, Header, NarrationNote, PlanNote,
    RecallNote, RecordKind, ReportNote, Timings, WALK_FORMAT,
};
pub use reader::{ReplayReader, ReplaySource};
pub use recording::{Replay, StepRecord, Torn};
pub use remember::{remembered, world_of};
pub use review::{MAX_SHEET_VIEWS, evenly, frames, list, sheet};
pub use storage::{FileStorage, Storage};
pub use writer::{NewRecord, PlanPart, ReplayWriter};

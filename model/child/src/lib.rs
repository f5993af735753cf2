//! A model in a process of its own: what happens to that process is one request that failed, and no more.
//!
//! * [`ChildEngine`] starts the process and asks it: to a walk or a plan it is one more [`rhea_engine::Imagine`] and
//!   [`rhea_engine::Speak`];
//! * [`ChildGenerator`] does the same for questions: it [`Answers`](rhea_engine::generate::Answers);
//! * [`serve`] is the other end, in the process itself;
//! * `wire.rs` has the frames between them, `message.rs` what stands in them.
//!
//! The two talk over the process's standard input and output. Each begins with a greeting that names the protocol's version; then
//! come frames of a length, a checksum and a message, of at most [`limits::MESSAGE_BYTES`]. While the process works it says so
//! several times a second, with a number that grows while the model gets on. A process that dies, that says nothing more or that gets
//! no further is ended, its request fails with an error that says why, and the process is started again at once.
//!
//! It is not a server for several callers, and it knows nothing of walks.
//!
//! Invariant: a request is answered as the model inside would answer it, or fails with [`rhea_engine::EngineError::Elsewhere`] and
//! leaves an engine that serves the next one.

mod answers;
mod client;
mod error;
mod fingerprint;
mod generator;
mod link;
mod message;
mod process;
mod serve;
mod watch;
mod wire;

pub use client::ChildEngine;
pub use error::ChildError;
pub use fingerprint::fingerprint;
pub use generator::ChildGenerator;
pub use link::Restart;
pub use process::Launch;
pub use serve::{Model, Served, serve};
pub use watch::Patience;

/// Limits of the talk between two processes.
pub mod limits {
    use std::time::Duration;

    /// Version of the protocol. Both ends have to have the same.
    pub const PROTOCOL: u32 = 3;
    /// Bytes of one message at most; looked at before anything is reserved for it. A view of 1024 x 1024 px with its memory has 15 MiB.
    pub const MESSAGE_BYTES: usize = 64 << 20;
    /// Messages that wait to be looked at.
    pub const QUEUE: usize = 64;
    /// Bytes that are kept of what a process writes to its standard error.
    pub const COMPLAINT_BYTES: usize = 4096;
    /// How often a process that works says so.
    pub const BEAT: Duration = Duration::from_millis(200);
    /// How often the caller's wish to cancel is looked at.
    pub const TICK: Duration = Duration::from_millis(5);
    /// Restarts that are remembered.
    pub const RESTARTS: usize = 256;
    /// Bytes of each part of a file that go into a folder's fingerprint.
    pub const FINGERPRINT_PART: u64 = 1 << 20;
    /// Files of a model folder that go into its fingerprint.
    pub const FINGERPRINT_FILES: usize = 1024;
}

//! Many sessions at once: job lists, a queue on a NATS server with workers that come and go, and shares of a list without any server.
//!
//! It does not know what a plan or a walk is: a job is a command line of the program, the files that it needs, and the files that
//! come of it. A worker starts the program anew for each job, so that no job can take a worker down with it.
//!
//! Invariant: every job ends with exactly one result, or set aside with exactly one reason.
#![cfg_attr(not(feature = "nats"), allow(dead_code, reason = "what the queue would use"))]

mod bundle;
mod error;
mod folder;
mod job;
pub mod limits;
mod list;
mod name;
#[cfg(feature = "nats")]
mod queue;
mod result;
mod runner;
mod shard;
mod stop;

pub use error::BatchError;
pub use folder::{Aside, OutFolder, Row, SUMMARY, Summary, local_name};
pub use job::{Job, JobFile, JobId, Planner, Work};
pub use list::{JobList, LIMIT_SECS, TRIES};
pub use name::BatchName;
#[cfg(feature = "nats")]
pub use queue::{
    Batch, CREDENTIALS, Collected, Credentials, LOST_AFTER, SERVER, Settings, Status, Submitted, Worked, WorkerEvent,
    WorkerOptions, again, check_address, collect, status, submit, work,
};
pub use result::{RECORD, Record, Stored, verify};
pub use runner::{Program, end_with_parent, sweep, tied, workplace};
pub use shard::{Shard, ShardEvent, run_shard};
pub use stop::Stop;

/// Runs asynchronous work on this thread to its end.
///
/// # Errors
/// When the system has no means for it, such as too many open files.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, BatchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(BatchError::file("begin to wait for the network", std::path::Path::new("this process")))?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, work))
}

//! What is known of a batch.

use futures_util::StreamExt as _;
use serde::Serialize;

use super::{Batch, Entry, whole};
use crate::error::BatchError;
use crate::folder::Aside;
use crate::limits::MAX_NOTE_BYTES;

/// How far a batch is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub batch: String,
    /// All jobs.
    pub jobs: usize,
    /// Those with a result.
    pub done: usize,
    /// Those in the queue that no worker has had.
    pub waiting: usize,
    /// Those that a worker has, or that wait for another try after one failed or was given back: the server does not tell them apart.
    pub handed_out: usize,
    /// Tries that failed, of jobs that were not set aside since.
    pub failed_tries: usize,
    /// Jobs that were set aside, with the reason.
    pub aside: Vec<Aside>,
    /// Workers that wait for a job.
    pub idle_workers: usize,
    /// Bytes of all results.
    pub result_bytes: u64,
}

/// Asks for the state of a batch.
///
/// # Errors
/// When the server does not answer.
pub async fn status(batch: &Batch) -> Result<Status, BatchError> {
    let mut sum = Status { batch: batch.name.to_string(), ..Status::default() };
    sum.jobs = batch.entries(Entry::Job).await?.len();
    sum.failed_tries = batch.entries(Entry::Failed).await?.iter().map(|(_, count)| count).sum();
    for (id, _) in batch.entries(Entry::Aside).await? {
        if let Some(bytes) = batch.entry(&id, Entry::Aside).await? {
            sum.aside.push(aside(&bytes)?);
        }
    }
    let mut results = results(batch).await?;
    while let Some(info) = results.next().await {
        let info = info.map_err(|e| BatchError::Server { what: "list the results", said: whole(&e) })?;
        sum.done += 1;
        sum.result_bytes += info.size as u64;
    }
    let mut consumer = batch.consumer().await?;
    let info =
        consumer.info().await.map_err(|e| BatchError::Server { what: "tell about the queue", said: whole(&e) })?;
    sum.handed_out = info.num_ack_pending;
    sum.idle_workers = info.num_waiting;
    let mut queue = batch.queue.clone();
    let info = queue.info().await.map_err(|e| BatchError::Server { what: "tell about the queue", said: whole(&e) })?;
    sum.waiting = usize::try_from(info.state.messages).unwrap_or(usize::MAX).saturating_sub(sum.handed_out);
    Ok(sum)
}

/// Why a job was set aside, as it stands in the book.
pub(super) fn aside(bytes: &[u8]) -> Result<Aside, BatchError> {
    BatchError::at_most("a note", "bytes", bytes.len() as u64, MAX_NOTE_BYTES as u64)?;
    serde_json::from_slice(bytes).map_err(|e| BatchError::invalid("a note of a job that was set aside", e.to_string()))
}

/// The results in the store.
pub(super) async fn results(batch: &Batch) -> Result<async_nats::jetstream::object_store::List, BatchError> {
    batch.store.list().await.map_err(|e| BatchError::Server { what: "list the results", said: whole(&e) })
}

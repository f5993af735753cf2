//! Putting jobs into the queue: each of them once, however often it is submitted.

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;

use super::{Batch, Entry, whole};
use crate::error::BatchError;
use crate::job::{Job, JobId};
use crate::limits::MAX_JOBS;

/// What became of jobs that were submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Put into the queue.
    pub queued: usize,
    /// Waiting or being done already.
    pub waiting: usize,
    /// Done before.
    pub done: usize,
    /// Set aside before; they stay there until they are submitted again on purpose.
    pub aside: usize,
}

/// Puts jobs into the queue. Those that wait, are done, or were set aside are left alone.
///
/// # Errors
/// When the server does not take a job; calling again goes on.
pub async fn submit(batch: &Batch, jobs: &[Job]) -> Result<Submitted, BatchError> {
    let known = batch.entries(Entry::Job).await?;
    let new = jobs.iter().filter(|job| known.binary_search_by(|(id, _)| id.cmp(&job.id)).is_err()).count();
    BatchError::at_most(format!("batch {}", batch.name), "jobs", (known.len() + new) as u64, MAX_JOBS as u64)?;
    let aside: Vec<JobId> = batch.entries(Entry::Aside).await?.into_iter().map(|(id, _)| id).collect();
    let mut sum = Submitted::default();
    for job in jobs {
        let bytes = job.encode()?;
        // The book takes a job only where it has none of that name, so two submits at once book it once.
        let booked = PublishMessage::build()
            .payload(bytes.clone().into())
            .expected_last_subject_sequence(0)
            .message_id(format!("book-{}", job.id));
        match send(batch, batch.booked(&job.id, Entry::Job), booked).await? {
            Sent::Taken | Sent::Known => {}
        }
        if aside.binary_search(&job.id).is_ok() {
            sum.aside += 1;
        } else if batch.has_result(&job.id).await? {
            sum.done += 1;
        } else {
            match send(batch, batch.queued(&job.id), message(&job.id, bytes, "first")).await? {
                Sent::Taken => sum.queued += 1,
                Sent::Known => sum.waiting += 1,
            }
        }
    }
    Ok(sum)
}

/// Puts the jobs back that were set aside; their failed tries are forgotten. Returns how many.
///
/// # Errors
/// As [`submit`].
pub async fn again(batch: &Batch) -> Result<usize, BatchError> {
    let aside = batch.entries(Entry::Aside).await?;
    for (id, times) in &aside {
        let Some(bytes) = batch.entry(id, Entry::Job).await? else { continue };
        // Read again here: it may have been booked by another version.
        Job::decode(&bytes)?;
        for entry in [Entry::Failed, Entry::Aside] {
            let purged = batch.book.purge().filter(batch.booked(id, entry)).await;
            purged.map_err(|e| BatchError::Server { what: "forget the failed tries", said: whole(&e) })?;
        }
        let round = format!("again-{times}-{}", batch.book.cached_info().state.last_sequence);
        send(batch, batch.queued(id), message(id, bytes, &round)).await?;
    }
    Ok(aside.len())
}

fn message(id: &JobId, bytes: Vec<u8>, round: &str) -> PublishMessage {
    PublishMessage::build().payload(bytes.into()).message_id(format!("{id}-{round}"))
}

/// What the server did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    /// It has one of that subject or number already.
    Known,
}

/// Publishes a message and waits until the server has stored it.
pub(super) async fn send(batch: &Batch, subject: String, message: PublishMessage) -> Result<Sent, BatchError> {
    let refused = |error: &dyn std::error::Error| BatchError::Server { what: "take a message", said: whole(error) };
    let waiting = batch.context.send_publish(subject, message).await.map_err(|e| refused(&e))?;
    match waiting.await {
        Ok(ack) if ack.duplicate => Ok(Sent::Known),
        Ok(_) => Ok(Sent::Taken),
        Err(error) => match error.kind() {
            PublishErrorKind::WrongLastSequence => Ok(Sent::Known),
            _ if whole(&error).contains("maximum messages per subject exceeded") => Ok(Sent::Known),
            _ => Err(refused(&error)),
        },
    }
}

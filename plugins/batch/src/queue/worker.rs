//! A worker: takes a job, does it while telling the server that it lives, stores the result, and only then lets go of the job.
//!
//! Everything that is asked of the server is asked again while the server is away, so workers outlive its restarts.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::object_store::ObjectMetadata;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;

use super::submit::send;
use super::{Batch, Entry, Failure, LOST_AFTER, whole};
use crate::error::BatchError;
use crate::folder::Aside;
use crate::job::{Job, JobId};
use crate::limits::{MAX_DELIVERIES, VERSION};
use crate::result::pack;
use crate::runner::{Program, Tried, run};
use crate::stop::Stop;

/// How long one question for a job stays open at the server.
const ASK: Duration = Duration::from_secs(5);
/// First and longest wait before the server is asked again after it did not answer.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A server that is away for so long will not come back by itself.
const OUTAGE: Duration = Duration::from_secs(15 * 60);
/// Wait before a job that failed is tried again, times the number of its failed tries.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// What does the jobs.
    pub program: Program,
    /// Ends when no job is left, instead of waiting for more.
    pub until_done: bool,
    /// Ends after so many jobs.
    pub most_jobs: Option<u64>,
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// Results stored.
    pub done: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Jobs set aside.
    pub aside: u64,
    /// Was it told to stop?
    pub stopped: bool,
}

/// Something happened to a worker.
#[derive(Clone, Copy, Debug)]
pub enum WorkerEvent<'a> {
    /// A job begins; it is handed out for the n-th time.
    Begun(&'a JobId, i64),
    /// Its result is stored; did its expectations come true, and how many seconds did it take?
    Done(&'a JobId, bool, f64),
    /// Somebody else had stored its result.
    Known(&'a JobId),
    /// A try failed.
    Failed(&'a JobId, &'a str),
    /// The job was set aside.
    Aside(&'a JobId, &'a str),
    /// The job was given back.
    GivenBack(&'a JobId),
    /// The server does not answer; it is asked again.
    Waiting(&'a str),
}

/// Who hears of it.
pub type Tell<'a> = &'a mut dyn FnMut(WorkerEvent<'_>);

/// Works until it is told to stop, or as the options say.
///
/// # Errors
/// What is no fault of a job: a server that stays away or refuses us, a folder or program that cannot be used, a job of a newer
/// version.
pub async fn work(batch: &Batch, options: &WorkerOptions, stop: &Stop, tell: Tell<'_>) -> Result<Worked, BatchError> {
    let mut worker = Worker { batch, options, stop, worked: Worked::default(), beat: LOST_AFTER / 3 };
    let consumer = worker.patiently(&mut *tell, async || batch.consumer().await).await?;
    worker.beat = consumer.cached_info().config.ack_wait / 3;
    loop {
        let enough = options.most_jobs.is_some_and(|most| worker.worked.done + worker.worked.aside >= most);
        if stop.wanted() || enough {
            worker.worked.stopped = stop.wanted();
            return Ok(worker.worked);
        }
        let asked = tokio::select! {
            asked = worker.ask(&consumer) => asked,
            () = stop.soon() => continue,
        };
        match asked {
            Ok(Some(message)) => worker.take(&message, tell).await?,
            Ok(None) if options.until_done && worker.nothing_left(tell).await? => return Ok(worker.worked),
            Ok(None) => {}
            Err(said) => worker.wait_for_server(&said, tell).await?,
        }
    }
}

struct Worker<'a> {
    batch: &'a Batch,
    options: &'a WorkerOptions,
    stop: &'a Stop,
    worked: Worked,
    /// How often the server is told that the job is being done.
    beat: Duration,
}

impl Worker<'_> {
    /// A job, if there is one now or in the next seconds.
    async fn ask(&self, consumer: &PullConsumer) -> Result<Option<Message>, String> {
        // When others have all that is left, looking often tells sooner that everything is done.
        let expires = if self.options.until_done { ASK / 5 } else { ASK };
        let asked = consumer.batch().max_messages(1).expires(expires).messages().await;
        let mut messages = asked.map_err(|e| whole(&e))?;
        match tokio::time::timeout(expires + ASK, messages.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(message))) => Ok(Some(message)),
            Ok(Some(Err(error))) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Is the queue empty, with nothing in the hands of others?
    async fn nothing_left(&self, tell: Tell<'_>) -> Result<bool, BatchError> {
        let left = self.patiently(tell, async || {
            let mut queue = self.batch.queue.clone();
            let info = queue.info().await.map(|info| info.state.messages);
            info.map_err(|e| BatchError::Server { what: "say what is left", said: whole(&e) })
        });
        Ok(left.await? == 0)
    }

    /// Takes care of a job that was handed out.
    async fn take(&mut self, message: &Message, tell: Tell<'_>) -> Result<(), BatchError> {
        let said = |e: &dyn std::fmt::Display| BatchError::Server {
            what: "say how often a job was handed out",
            said: e.to_string(),
        };
        let (delivered, sequence) =
            message.info().map(|info| (info.delivered, info.stream_sequence)).map_err(|e| said(&e))?;
        let job = match Job::decode(&message.payload) {
            Ok(job) => job,
            Err(error) => {
                // It may be of a newer program: another worker may know what to do.
                self.give_back(message, TRY_AGAIN).await;
                return Err(error);
            }
        };
        let id = &job.id;
        let batch = self.batch;
        let known = self.patiently(&mut *tell, async || {
            Ok(batch.has_result(id).await? || batch.entry(id, Entry::Aside).await?.is_some())
        });
        if known.await? {
            self.let_go(message, &mut *tell).await?;
            tell(WorkerEvent::Known(id));
            return Ok(());
        }
        let failed = self.patiently(&mut *tell, async || failures(batch, id).await).await?;
        if delivered > MAX_DELIVERIES {
            let reason = format!("it was handed out {MAX_DELIVERIES} times, and no worker came to its end");
            return self.set_aside(message, &job, failed, reason, tell).await;
        }
        tell(WorkerEvent::Begun(id, delivered));
        let tried = self.alive(message, run(&job, failed, &self.options.program, self.stop.now())).await;
        let tried = match tried {
            Ok(tried) => tried,
            Err(error) => {
                self.give_back(message, TRY_AGAIN).await;
                return Err(error);
            }
        };
        match tried {
            Tried::Stopped => {
                self.give_back(message, Duration::ZERO).await;
                tell(WorkerEvent::GivenBack(id));
            }
            Tried::Failed(reason) => {
                tell(WorkerEvent::Failed(id, &reason));
                self.worked.failed += 1;
                let note =
                    Failure { version: VERSION, worker: self.options.program.worker.clone(), reason: reason.clone() };
                self.note(&job, Entry::Failed, &note, format!("failed-{id}-{sequence}-{delivered}"), &mut *tell)
                    .await?;
                if failed + 1 >= job.tries {
                    return self.set_aside(message, &job, failed + 1, reason, tell).await;
                }
                self.give_back(message, TRY_AGAIN * (failed + 1)).await;
            }
            Tried::Done { scratch, record } => {
                let packed = scratch.packed();
                if let Err(error) = pack(&record, &scratch.out(), &packed) {
                    self.give_back(message, TRY_AGAIN).await;
                    return Err(error);
                }
                let store = self.patiently(&mut *tell, async || {
                    // Another worker may have been faster while this one was thought dead.
                    if batch.has_result(id).await? {
                        return Ok(());
                    }
                    let file = tokio::fs::File::open(&packed).await;
                    let mut file = file.map_err(BatchError::file("read the result", &packed))?;
                    let name = ObjectMetadata { name: id.to_string(), ..Default::default() };
                    let put = batch.store.put(name, &mut file).await;
                    put.map(|_| ()).map_err(|e| BatchError::Server { what: "take the result", said: whole(&e) })
                });
                self.alive(message, store).await?;
                self.let_go(message, &mut *tell).await?;
                self.worked.done += 1;
                tell(WorkerEvent::Done(id, record.passed, record.secs));
            }
        }
        Ok(())
    }

    /// Does something while the server hears that the job is being done.
    async fn alive<T>(&self, message: &Message, what: impl Future<Output = T>) -> T {
        let mut beats = tokio::time::interval(self.beat.max(Duration::from_millis(100)));
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                _ = beats.tick() => {
                    // A beat that is lost is followed by others; a job that is lost all the same is done twice and has one result.
                    message.ack_with(AckKind::Progress).await.ok();
                }
            }
        }
    }

    /// The job is done with: it leaves the queue.
    async fn let_go(&self, message: &Message, tell: Tell<'_>) -> Result<(), BatchError> {
        let acked = self.patiently(tell, async || {
            message.double_ack().await.map_err(|e| BatchError::Server { what: "let go of a job", said: e.to_string() })
        });
        acked.await
    }

    /// Gives a job back for another try. If the server does not hear it, it finds out by itself later.
    async fn give_back(&self, message: &Message, after: Duration) {
        let nak = AckKind::Nak(Some(after).filter(|after| !after.is_zero()));
        message.ack_with(nak).await.ok();
        // What was just written must leave the process, which may be about to end.
        message.context.client().flush().await.ok();
    }

    /// Writes into the book.
    async fn note(
        &self,
        job: &Job,
        entry: Entry,
        note: &impl serde::Serialize,
        number: String,
        tell: Tell<'_>,
    ) -> Result<(), BatchError> {
        let bytes = serde_json::to_vec(note).map_err(|e| BatchError::invalid("a note", e.to_string()))?;
        let sent = self.patiently(tell, async || {
            let message = PublishMessage::build().payload(bytes.clone().into()).message_id(&number);
            send(self.batch, self.batch.booked(&job.id, entry), message).await.map(|_| ())
        });
        sent.await
    }

    async fn set_aside(
        &mut self,
        message: &Message,
        job: &Job,
        tries: u32,
        reason: String,
        tell: Tell<'_>,
    ) -> Result<(), BatchError> {
        let sequence = message.info().map_or(0, |info| info.stream_sequence);
        let note = Aside { version: VERSION, job: job.id.clone(), tries, reason };
        self.note(job, Entry::Aside, &note, format!("aside-{}-{sequence}", job.id), &mut *tell).await?;
        self.let_go(message, &mut *tell).await?;
        self.worked.aside += 1;
        tell(WorkerEvent::Aside(&job.id, &note.reason));
        Ok(())
    }

    /// Asks the server until it answers.
    async fn patiently<T>(
        &self,
        tell: Tell<'_>,
        ask: impl AsyncFn() -> Result<T, BatchError>,
    ) -> Result<T, BatchError> {
        let began = tokio::time::Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let error = match ask().await {
                Err(error @ BatchError::Server { .. }) => error,
                other => return other,
            };
            self.refused()?;
            if began.elapsed() > OUTAGE || self.stop.everything() {
                return Err(error);
            }
            tell(WorkerEvent::Waiting(&error.to_string()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.now() => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn wait_for_server(&self, said: &str, tell: Tell<'_>) -> Result<(), BatchError> {
        self.refused()?;
        tell(WorkerEvent::Waiting(said));
        tokio::select! {
            () = tokio::time::sleep(PAUSES.0 * 5) => {}
            () = self.stop.soon() => {}
        }
        Ok(())
    }

    /// Credentials that the server does not take any more are no reason to wait for it.
    fn refused(&self) -> Result<(), BatchError> {
        match self.batch.trouble.refusal() {
            Some(what) => Err(BatchError::Refused { server: "of this batch".to_owned(), what }),
            None => Ok(()),
        }
    }
}

/// Failed tries in the book.
async fn failures(batch: &Batch, job: &JobId) -> Result<u32, BatchError> {
    use futures_util::TryStreamExt as _;
    let failed = |said: String| BatchError::Server { what: "count the failed tries", said };
    let subjects = batch.book.info_with_subjects(batch.booked(job, Entry::Failed)).await;
    let mut subjects = subjects.map_err(|e| failed(whole(&e)))?;
    let mut sum = 0;
    while let Some((_, count)) = subjects.try_next().await.map_err(|e| failed(whole(&e)))? {
        sum += u32::try_from(count).unwrap_or(u32::MAX);
    }
    Ok(sum)
}

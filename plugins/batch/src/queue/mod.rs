//! The queue on a NATS server: three things for each batch, all of them kept in files by the server.
//!
//! | what | NATS | holds |
//! |---|---|---|
//! | queue | a stream with work-queue retention, one message a job | jobs that are not done; a job leaves it when it is acknowledged |
//! | book | a stream, subjects `rhea.book.BATCH.JOB.{job,failed,aside}` | every job as submitted, failed tries, why a job was set aside |
//! | store | an object store | one object a job: its result |
//!
//! A job is in the queue once because a subject holds one message only; it has one result because its result has one name. A
//! worker that gives no sign for [`LOST_AFTER`] loses its job to another.
//!
//! Invariant: a job leaves the queue only after its result, or the reason why it has none, is stored.

mod collect;
mod server;
mod status;
mod submit;
mod worker;

pub use collect::{Collected, collect};
pub use server::{CREDENTIALS, Credentials, SERVER, Settings, check_address};
pub use status::{Status, status};
pub use submit::{Submitted, again, submit};
pub use worker::{Worked, WorkerEvent, WorkerOptions, work};

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context, context, object_store};
use serde::{Deserialize, Serialize};

use crate::error::BatchError;
use crate::job::JobId;
use crate::limits::{MAX_JOB_BYTES, MAX_JOBS, MAX_TRIES};
use crate::name::BatchName;
use crate::stop::Stop;
use server::{Trouble, connect, whole};

/// How long a worker may give no sign before its job goes to another, unless a batch is told otherwise.
pub const LOST_AFTER: Duration = Duration::from_secs(60);
/// Name of the consumer that all workers share.
const WORKERS: &str = "workers";
/// How long a worker waits for a server to be there when it begins, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(60);
/// See [`PATIENCE`].
const RETRY: Duration = Duration::from_millis(500);
/// How long the server remembers which messages it has taken.
const REMEMBER: Duration = Duration::from_secs(120);

/// A failed try, in the book.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    version: u16,
    worker: String,
    reason: String,
}

/// A batch on a server.
pub struct Batch {
    name: BatchName,
    context: Context,
    trouble: Trouble,
    queue: Stream,
    book: Stream,
    store: ObjectStore,
}

impl Batch {
    /// Opens a batch that was submitted before.
    ///
    /// # Errors
    /// No server, no batch of that name.
    pub async fn open(settings: &Settings, name: &BatchName) -> Result<Self, BatchError> {
        let (context, trouble) = context_of(settings).await?;
        let missing = |error: context::GetStreamError| match error.kind() {
            context::GetStreamErrorKind::JetStream(error) if error.code() == 404 => {
                BatchError::NoBatch(name.to_string())
            }
            _ => unusable(&error),
        };
        let queue = context.get_stream(queue_name(name)).await.map_err(missing)?;
        let book = context.get_stream(book_name(name)).await.map_err(missing)?;
        let store = context.get_object_store(store_name(name)).await.map_err(|e| unusable(&e))?;
        Ok(Self { name: name.clone(), context, trouble, queue, book, store })
    }

    /// Opens a batch as a worker does: a server that is being started, or started again, is waited for.
    ///
    /// # Errors
    /// As [`Batch::open`], after a while.
    pub async fn open_patiently(
        settings: &Settings,
        name: &BatchName,
        stop: &Stop,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, BatchError> {
        let began = tokio::time::Instant::now();
        loop {
            let error = match Self::open(settings, name).await {
                Err(error @ (BatchError::Connect { .. } | BatchError::Server { .. })) => error,
                other => return other,
            };
            if stop.wanted() || began.elapsed() > PATIENCE {
                return Err(error);
            }
            tell(&error.to_string());
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stop.soon() => {}
            }
        }
    }

    /// Opens a batch, or makes it. `lost_after` counts for a new one.
    ///
    /// # Errors
    /// No server, or one that cannot keep streams.
    pub async fn make(settings: &Settings, name: &BatchName, lost_after: Duration) -> Result<Self, BatchError> {
        match Self::open(settings, name).await {
            Err(BatchError::NoBatch(_)) => {}
            other => return other,
        }
        let (context, trouble) = context_of(settings).await?;
        let made = |e: context::CreateStreamError| unusable(&e);
        let common = || stream::Config { storage: StorageType::File, duplicate_window: REMEMBER, ..Default::default() };
        let book = stream::Config {
            name: book_name(name),
            subjects: vec![format!("rhea.book.{name}.>")],
            max_messages_per_subject: i64::from(MAX_TRIES),
            allow_direct: true,
            ..common()
        };
        let book = context.get_or_create_stream(book).await.map_err(made)?;
        let store = object_store::Config { bucket: store_name(name), ..Default::default() };
        let store = match context.create_object_store(store).await {
            Ok(store) => store,
            // Another submit may have been faster.
            Err(error) => context.get_object_store(store_name(name)).await.map_err(|_| unusable(&error))?,
        };
        // The queue comes last: who finds it finds the others too.
        let queue = stream::Config {
            name: queue_name(name),
            subjects: vec![format!("rhea.queue.{name}.*")],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            max_messages_per_subject: 1,
            max_messages: MAX_JOBS as i64,
            max_message_size: (MAX_JOB_BYTES + 4096) as i32,
            ..common()
        };
        let queue = context.get_or_create_stream(queue).await.map_err(made)?;
        let batch = Self { name: name.clone(), context, trouble, queue, book, store };
        let workers = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: lost_after,
            max_ack_pending: MAX_JOBS as i64,
            // Workers count, so that a job that is handed out too often is set aside with a reason instead of being forgotten.
            max_deliver: -1,
            ..Default::default()
        };
        batch.queue.get_or_create_consumer(WORKERS, workers).await.map_err(BatchError::server("make the consumer"))?;
        Ok(batch)
    }

    async fn consumer(&self) -> Result<PullConsumer, BatchError> {
        self.queue
            .get_consumer(WORKERS)
            .await
            .map_err(|e| BatchError::Server { what: "open the queue", said: e.to_string() })
    }

    fn queued(&self, job: &JobId) -> String {
        format!("rhea.queue.{}.{job}", self.name)
    }

    fn booked(&self, job: &JobId, what: Entry) -> String {
        format!("rhea.book.{}.{job}.{}", self.name, what.word())
    }

    /// Has the job a result?
    async fn has_result(&self, job: &JobId) -> Result<bool, BatchError> {
        match self.store.info(job.as_str()).await {
            Ok(info) => Ok(!info.deleted),
            Err(error) if error.kind() == object_store::InfoErrorKind::NotFound => Ok(false),
            Err(error) => Err(BatchError::Server { what: "look for a result", said: whole(&error) }),
        }
    }

    /// Entries of one kind, as the jobs that have them and how many there are of each, in the order of their ids.
    async fn entries(&self, what: Entry) -> Result<Vec<(JobId, usize)>, BatchError> {
        use futures_util::TryStreamExt as _;
        let failed = BatchError::server::<String>;
        let filter = format!("rhea.book.{}.*.{}", self.name, what.word());
        let subjects = self.book.info_with_subjects(filter).await.map_err(|e| failed("list the jobs")(whole(&e)))?;
        let subjects: Vec<(String, usize)> =
            subjects.try_collect().await.map_err(|e| failed("list the jobs")(whole(&e)))?;
        let id = |subject: &str| JobId::try_from(subject.split('.').nth(3).unwrap_or_default().to_owned());
        let mut jobs = Vec::with_capacity(subjects.len());
        for (subject, count) in subjects {
            jobs.push((id(&subject)?, count));
        }
        jobs.sort();
        Ok(jobs)
    }

    /// The newest entry of a kind.
    async fn entry(&self, job: &JobId, what: Entry) -> Result<Option<Vec<u8>>, BatchError> {
        use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
        match self.book.get_last_raw_message_by_subject(&self.booked(job, what)).await {
            Ok(message) => Ok(Some(message.payload.to_vec())),
            Err(error) if error.kind() == Kind::NoMessageFound => Ok(None),
            Err(error) => Err(BatchError::Server { what: "read the book", said: whole(&error) }),
        }
    }
}

/// What the book says of a job.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Job,
    Failed,
    Aside,
}

impl Entry {
    fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Failed => "failed",
            Self::Aside => "aside",
        }
    }
}

fn queue_name(name: &BatchName) -> String {
    format!("RHEA_QUEUE_{name}")
}

fn book_name(name: &BatchName) -> String {
    format!("RHEA_BOOK_{name}")
}

fn store_name(name: &BatchName) -> String {
    format!("RHEA_{name}")
}

async fn context_of(settings: &Settings) -> Result<(Context, Trouble), BatchError> {
    let (client, trouble) = connect(settings).await?;
    let mut context = jetstream::new(client);
    context.set_timeout(settings.timeout);
    Ok((context, trouble))
}

fn unusable(error: &dyn std::error::Error) -> BatchError {
    let said = whole(error);
    let hint = "; is JetStream switched on (nats-server -js)?";
    BatchError::Server { what: "open the batch", said: format!("{said}{hint}") }
}

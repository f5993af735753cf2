//! `rhea batch`: many sessions, on many machines or in shares of a list.
#![cfg_attr(not(feature = "nats"), allow(dead_code, reason = "what the queue would use"))]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser as _, Subcommand};
use rhea_batch::{
    BatchError, BatchName, Job, JobList, OutFolder, Program, Shard, ShardEvent, Stop, Summary, Work, block_on,
    local_name, run_shard,
};

#[cfg(feature = "nats")]
use crate::batch_queue as queue;
use crate::cli::{Cli, ModelArgs};
use crate::engine::{ENGINE_VARIABLE, EngineArgs};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::say::{complain, say};
use crate::spread::{DEVICE_VARIABLE, PARALLEL_VARIABLE, SpreadArgs};

/// Reasons that are printed in full; the others are in the summary.
pub const SHOWN: usize = 20;

/// What `rhea batch` does.
#[derive(Clone, Debug, Subcommand)]
pub enum BatchWhat {
    /// Put jobs into the queue of a batch, each of them once.
    Submit(SubmitArgs),
    /// Do jobs of a batch, one after the other; start as many workers as you like, anywhere.
    #[command(after_help = "Ctrl+C ends after the job in hand, twice gives it back; so does SIGTERM at once.")]
    Worker(WorkerArgs),
    /// How far a batch is, and what was set aside.
    Status(StatusArgs),
    /// Fetch results into a folder, check them, and sum them up; without --name, check and sum up what the folder has.
    #[command(after_help = "Exit codes: 0 every job has its result, 1 some have none yet or were set aside.")]
    Collect(CollectArgs),
    /// Do a share of a job list without any server, such as one task of a Slurm array.
    #[command(
        after_help = "Slurm: rhea batch run JOBS.ron --out DIR --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT with --array=1-N. \
        All shares may write to one folder; what has its result is not done again.\n\
        Exit codes: 0 every job of the share has its result, 1 some were set aside."
    )]
    Run(RunArgs),
}

/// Where the queue is.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// The NATS server, nats://host:port or tls://host:port [default: $RHEA_NATS].
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// File with a signed key of NATS's tools, or one line with user:password or a token [default: $RHEA_NATS_CREDENTIALS, else
    /// $RHEA_NATS_TOKEN, else $RHEA_NATS_USER and $RHEA_NATS_PASSWORD].
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Seconds that connecting, and any answer, may take.
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// A job list; its form stands in the guide.
    #[arg(value_name = "JOBS.ron")]
    pub list: Option<PathBuf>,
    /// Plan scripts.
    #[arg(long, value_name = "FILE.ron", num_args = 1..)]
    pub plan: Vec<PathBuf>,
    /// Walk scripts.
    #[arg(long, value_name = "FILE.ron", num_args = 1..)]
    pub walk: Vec<PathBuf>,
}

/// `rhea batch submit`.
#[derive(Clone, Debug, Args)]
pub struct SubmitArgs {
    /// What is to be done.
    #[command(flatten)]
    pub jobs: JobArgs,
    /// Name of the batch; a new one is made.
    #[arg(long, value_name = "BATCH")]
    pub name: BatchName,
    /// Seconds without a sign after which a worker's job goes to another; counts when the batch is made.
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub lost_after: Option<u64>,
    /// Put back what was set aside.
    #[arg(long)]
    pub again: bool,
    /// Where the queue is.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rhea batch worker`.
#[derive(Clone, Debug, Args)]
pub struct WorkerArgs {
    /// Name of the batch.
    #[arg(long, value_name = "BATCH")]
    pub name: BatchName,
    /// End when no job is left, instead of waiting for more.
    #[arg(long)]
    pub until_done: bool,
    /// End after so many jobs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub jobs: Option<u64>,
    /// The model of the jobs.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where it works; all jobs are told the same.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Where the queue is.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rhea batch status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Name of the batch.
    #[arg(long, value_name = "BATCH")]
    pub name: BatchName,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the queue is.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rhea batch collect`.
#[derive(Clone, Debug, Args)]
pub struct CollectArgs {
    /// Folder of the results: a new or empty one, or that of an earlier call.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the batch.
    #[arg(long, value_name = "BATCH")]
    pub name: Option<BatchName>,
    /// Where the queue is.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rhea batch run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What is to be done.
    #[command(flatten)]
    pub jobs: JobArgs,
    /// Folder of the results: a new or empty one, or that of the same job list.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Which share: every n-th job, from the i-th on.
    #[arg(long, value_name = "i/n", default_value_t = Shard::WHOLE)]
    pub shard: Shard,
    /// Try what was set aside once more.
    #[arg(long)]
    pub again: bool,
    /// The model of the jobs.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where it works; all jobs are told the same.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Does what the arguments say.
///
/// # Errors
/// A list, server or folder that cannot be used.
pub fn run(what: &BatchWhat) -> Result<ExitCode> {
    match what {
        BatchWhat::Submit(args) => queue::submit_jobs(args),
        BatchWhat::Worker(args) => queue::worker(args),
        BatchWhat::Status(args) => queue::tell_status(args),
        BatchWhat::Collect(args) => collected(args),
        BatchWhat::Run(args) => shard(args),
    }
}

/// What to do about an error, by its kind.
fn hint(error: &BatchError) -> &'static str {
    match error {
        BatchError::Connect { .. } => "Start one with `nats-server -js -sd FOLDER`, or name another with --server.",
        BatchError::Refused { .. } => {
            "Look at --credentials FILE and at RHEA_NATS_TOKEN, RHEA_NATS_USER, RHEA_NATS_PASSWORD."
        }
        BatchError::NoBatch(_) => "`rhea batch submit` makes one.",
        BatchError::Foreign { .. } => "Choose another folder with --out DIR; nothing there was changed.",
        BatchError::Digest { .. } => "Remove that result's folder and collect again.",
        BatchError::Version { .. } => "Use the same version of Rhea everywhere.",
        BatchError::Server { .. } => "Call again; what was done so far is kept.",
        _ => "`rhea batch --help` says more.",
    }
}

/// An error with what to do about it.
pub fn with_hint<T>(result: Result<T, BatchError>) -> Result<T> {
    result.map_err(|error| Fault::new(error.to_string(), hint(&error)).into())
}

/// Runs asynchronous work to its end.
pub fn wait<T>(work: impl Future<Output = Result<T, BatchError>>) -> Result<T> {
    with_hint(block_on(work).and_then(|done| done))
}

/// The jobs that the arguments name.
pub fn jobs(args: &JobArgs) -> Result<Vec<Job>> {
    let list = with_hint(JobList::load(args.list.as_deref(), &args.plan, &args.walk, &place::repository()))?;
    if list.doubles > 0 {
        say!("{} jobs are the same as others of the list and are done once", list.doubles);
    }
    list.jobs.iter().try_for_each(check)?;
    Ok(list.jobs)
}

/// A job whose command line would not be understood is refused here and not by every worker.
fn check(job: &Job) -> Result<()> {
    // Scripts were read when they were taken along.
    if matches!(job.work, Work::Plan { .. } | Work::Walk { .. }) {
        return Ok(());
    }
    let words = job.work.words(Path::new("out"));
    match Cli::try_parse_from(std::iter::once("rhea".to_owned()).chain(words)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Err(Fault::new(format!("job {}: {said}", job.id), "Mend the job list.").into())
        }
    }
}

/// This program with the repository and model that jobs use, by their full paths: jobs are done in folders of their own.
pub fn program(model: &ModelArgs, engine: &EngineArgs) -> Result<Program> {
    rhea_batch::sweep();
    let mut program = with_hint(Program::this(env!("CARGO_PKG_VERSION")))?;
    let full = |path: &Path| std::fs::canonicalize(path).hint("Start workers inside the repository.");
    program.environment.push((place::HOME_VARIABLE.to_owned(), full(&place::repository())?.into_os_string()));
    match place::model_folder(model.model.as_deref()) {
        Ok(folder) => program.environment.push((place::MODEL_VARIABLE.to_owned(), full(&folder)?.into_os_string())),
        // Most jobs need no model; those that do will say so.
        Err(_) if model.model.is_none() && std::env::var_os(place::MODEL_VARIABLE).is_none() => {}
        Err(error) => return Err(error),
    }
    let EngineArgs { engine, spread: SpreadArgs { device, parallel } } = engine;
    for (name, value) in [
        (ENGINE_VARIABLE, engine.as_ref().map(ToString::to_string)),
        (DEVICE_VARIABLE, device.as_ref().map(ToString::to_string)),
        (PARALLEL_VARIABLE, parallel.as_ref().map(ToString::to_string)),
    ] {
        program.environment.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    Ok(program)
}

/// Text without line breaks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Says why a job was set aside.
pub fn print_aside(aside: &rhea_batch::Aside) {
    say!("aside {} after {} failed tries: {}", aside.job, aside.tries, one_line(&aside.reason));
}

fn collected(args: &CollectArgs) -> Result<ExitCode> {
    let summary = match &args.name {
        None => with_hint(OutFolder::open(&args.out).and_then(|folder| folder.sum_up()))?,
        Some(name) => queue::fetch(&args.server, name, &args.out)?,
    };
    print(&summary, &args.out);
    Ok(if summary.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(summary: &Summary, out: &Path) {
    say!("{:<8} {:>6} {:>8} {:>10} {:>10} {:>10}", "kind", "done", "passed", "failed", "s/job", "MiB");
    for kind in ["plan", "walk", "eval", "frames"] {
        let of_kind = |id: &rhea_batch::JobId| id.as_str().split('-').next() == Some(kind);
        let rows: Vec<_> = summary.results.iter().filter(|row| of_kind(&row.job)).collect();
        if rows.is_empty() {
            continue;
        }
        let passed = rows.iter().filter(|row| row.passed).count();
        let failed: u32 = rows.iter().map(|row| row.failed_tries).sum();
        let secs = rows.iter().map(|row| row.secs).sum::<f64>() / rows.len() as f64;
        let mib = rows.iter().map(|row| row.bytes).sum::<u64>() as f64 / f64::from(1 << 20);
        say!("{kind:<8} {:>6} {passed:>8} {failed:>10} {secs:>10.2} {mib:>10.1}", rows.len());
    }
    let Summary { batch, jobs, done, passed, missing, aside, .. } = summary;
    say!(
        "batch {batch}: {done} of {jobs} jobs done, {passed} passed, {} not done yet, {} set aside",
        missing.len(),
        aside.len()
    );
    aside.iter().take(SHOWN).for_each(print_aside);
    say!("summary {}", out.join(rhea_batch::SUMMARY).display());
}

fn shard(args: &RunArgs) -> Result<ExitCode> {
    let jobs = jobs(&args.jobs)?;
    let program = program(&args.model, &args.engine)?;
    let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
    let folder = with_hint(OutFolder::take(&args.out, &local_name(&jobs), &ids))?;
    let mine = || ids.iter().enumerate().filter(|(index, _)| args.shard.has(*index)).map(|(_, id)| id);
    if args.again {
        with_hint(mine().try_for_each(|id| folder.take_back(id)))?;
    }
    let (mut done, mut skipped, mut aside) = (0_u32, 0_u32, 0_u32);
    let ended = wait(async {
        let stop = Stop::listen(|what| complain!("{what}"))?;
        let mut tell = |event: ShardEvent<'_>| match event {
            ShardEvent::Skipped(_) => skipped += 1,
            ShardEvent::Done(job, passed, secs) => {
                done += 1;
                let more = if passed { "" } else { ": its expectations did not come true" };
                say!("done  {job} in {secs:.1} s{more}");
            }
            ShardEvent::Failed(job, reason) => complain!("failed {job}: {}", one_line(reason)),
            ShardEvent::Aside(job, reason) => {
                aside += 1;
                complain!("aside {job}: {}", one_line(reason));
            }
        };
        run_shard(&jobs, args.shard, &folder, &program, &stop, &mut tell).await
    })?;
    let why = if ended { "done" } else { "stopped" };
    say!("share {} {why}: {done} results, {skipped} were there, {aside} jobs set aside", args.shard);
    say!("results in {}; `rhea batch collect --out DIR` checks and sums them up", args.out.display());
    let without = mine().filter(|id| folder.aside(id).ok().flatten().is_some()).count();
    Ok(if ended && without == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Without the queue's client, the commands that need it say so.
#[cfg(not(feature = "nats"))]
mod queue {
    use std::path::Path;
    use std::process::ExitCode;

    use anyhow::Result;
    use rhea_batch::{BatchName, Summary};

    use super::{ServerArgs, StatusArgs, SubmitArgs, WorkerArgs};
    use crate::fault::Fault;

    fn missing<T>() -> Result<T> {
        let hint = "Build with `--features nats`, or take `rhea batch run`, which needs no server.";
        Err(Fault::new("this program was built without the client of NATS servers", hint).into())
    }

    pub fn submit_jobs(_: &SubmitArgs) -> Result<ExitCode> {
        missing()
    }

    pub fn worker(_: &WorkerArgs) -> Result<ExitCode> {
        missing()
    }

    pub fn tell_status(_: &StatusArgs) -> Result<ExitCode> {
        missing()
    }

    pub fn fetch(_: &ServerArgs, _: &BatchName, _: &Path) -> Result<Summary> {
        missing()
    }
}

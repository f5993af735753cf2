//! `rhea batch` with a server: submitting, working, asking, collecting.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use rhea_batch::{
    Batch, BatchName, Credentials, LOST_AFTER, SERVER, Settings, Stop, Summary, WorkerEvent, WorkerOptions, again,
    collect, status, submit, work,
};

use crate::batch::{
    SHOWN, ServerArgs, StatusArgs, SubmitArgs, WorkerArgs, jobs, one_line, print_aside, program, wait, with_hint,
};
use crate::fault::Fault;
use crate::progress::Progress;
use crate::say::{complain, say};

fn settings(args: &ServerArgs) -> Result<Settings> {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(server) = args.server.clone().or_else(|| variable(SERVER)) else {
        let what = "no server is named";
        return Err(Fault::new(what, format!("Name one with --server nats://host:port, or set {SERVER}.")).into());
    };
    let credentials = with_hint(Credentials::find(args.credentials.as_deref(), &variable))?;
    Ok(Settings { server, credentials, timeout: Duration::from_secs(args.timeout) })
}

/// Puts jobs into the queue.
///
/// # Errors
/// A list or server that cannot be used.
pub fn submit_jobs(args: &SubmitArgs) -> Result<ExitCode> {
    let nothing_else = args.jobs.list.is_none() && args.jobs.plan.is_empty() && args.jobs.walk.is_empty();
    let jobs = if args.again && nothing_else { Vec::new() } else { jobs(&args.jobs)? };
    let settings = settings(&args.server)?;
    let lost_after = args.lost_after.map_or(LOST_AFTER, Duration::from_secs);
    let (back, sum) = wait(async {
        let batch = match args.again && nothing_else {
            true => Batch::open(&settings, &args.name).await?,
            false => Batch::make(&settings, &args.name, lost_after).await?,
        };
        let back = if args.again { again(&batch).await? } else { 0 };
        Ok((back, submit(&batch, &jobs).await?))
    })?;
    if args.again {
        say!("{back} jobs that were set aside are in the queue again");
    }
    if !jobs.is_empty() {
        let name = &args.name;
        say!("batch {name}: {} jobs queued, {} waiting already, {} done already", sum.queued, sum.waiting, sum.done);
    }
    if sum.aside > 0 {
        say!("{} were set aside before; `rhea batch submit --again` puts them back", sum.aside);
    }
    Ok(ExitCode::SUCCESS)
}

/// Does jobs until told to stop.
///
/// # Errors
/// What is no fault of a job.
pub fn worker(args: &WorkerArgs) -> Result<ExitCode> {
    let settings = settings(&args.server)?;
    let options = WorkerOptions {
        program: program(&args.model, &args.engine)?,
        until_done: args.until_done,
        most_jobs: args.jobs,
    };
    let mut away = false;
    let mut tell = |event: WorkerEvent<'_>| {
        let back = std::mem::take(&mut away);
        match event {
            WorkerEvent::Begun(job, 1) => say!("begin {job}"),
            WorkerEvent::Begun(job, times) => say!("begin {job}, handed out for the {times}. time"),
            WorkerEvent::Done(job, true, secs) => say!("done  {job} in {secs:.1} s"),
            WorkerEvent::Done(job, false, secs) => {
                say!("done  {job} in {secs:.1} s: its expectations did not come true")
            }
            WorkerEvent::Known(job) => say!("known {job}: somebody else has done it"),
            WorkerEvent::Failed(job, reason) => complain!("failed {job}: {}", one_line(reason)),
            WorkerEvent::Aside(job, reason) => complain!("aside {job}: {}", one_line(reason)),
            WorkerEvent::GivenBack(job) => say!("given back {job}"),
            WorkerEvent::Waiting(said) => {
                if !back {
                    complain!("waiting for the server: {}", one_line(said));
                }
                away = true;
            }
        }
    };
    let worked = wait(async {
        let stop = Stop::listen(|what| complain!("{what}"))?;
        let mut waiting = |said: &str| tell(WorkerEvent::Waiting(said));
        let batch = Batch::open_patiently(&settings, &args.name, &stop, &mut waiting).await?;
        work(&batch, &options, &stop, &mut tell).await
    })?;
    let why = if worked.stopped { "stopped" } else { "nothing left" };
    say!("{why}: {} results, {} failed tries, {} jobs set aside", worked.done, worked.failed, worked.aside);
    Ok(ExitCode::SUCCESS)
}

/// Says how far a batch is.
///
/// # Errors
/// A server that cannot be used.
pub fn tell_status(args: &StatusArgs) -> Result<ExitCode> {
    let settings = settings(&args.server)?;
    let status = wait(async { status(&Batch::open(&settings, &args.name).await?).await })?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mib = status.result_bytes as f64 / f64::from(1 << 20);
    say!("batch {}: {} of {} jobs done, {mib:.1} MiB of results", status.batch, status.done, status.jobs);
    say!(
        "{} waiting, {} with a worker or to be tried again, {} set aside",
        status.waiting,
        status.handed_out,
        status.aside.len()
    );
    say!("{} failed tries; {} workers wait for a job", status.failed_tries, status.idle_workers);
    status.aside.iter().take(SHOWN).for_each(print_aside);
    Ok(ExitCode::SUCCESS)
}

/// Fetches what a folder does not have yet.
///
/// # Errors
/// A server or folder that cannot be used.
pub fn fetch(server: &ServerArgs, name: &BatchName, out: &Path) -> Result<Summary> {
    let settings = settings(server)?;
    let mut bar = None;
    let got = wait(async {
        let batch = Batch::open(&settings, name).await?;
        collect(&batch, out, &mut |done, of| {
            bar.get_or_insert_with(|| Progress::new(of as u64)).step(done as u64, "results", "");
        })
        .await
    });
    bar.iter().for_each(Progress::finish);
    let got = got?;
    say!("{} results fetched, {} were there", got.fetched, got.summary.done - got.fetched);
    Ok(got.summary)
}

//! The program `rhea`: command line, jobs, exit codes.
//!
//! It decides which plugins a window has and what a headless run does; what a walk is stands in `rhea-session`.
//!
//! Invariant: every error ends in one line that says what is wrong and one that says what to do, never in a panic.

mod batch;
#[cfg(feature = "nats")]
mod batch_queue;
mod bench;
mod bench_device;
mod bench_kernels;
mod bench_list;
mod capacity;
mod cli;
mod config;
mod doctor;
mod engine;
mod engine_child;
mod eval;
mod eval_planners;
mod eval_plans;
mod eval_returns;
mod eval_share;
mod eval_table;
mod eval_workers;
mod explore;
mod export;
mod fault;
mod headless;
mod hub;
mod imagine;
mod log;
mod machine;
mod manual;
mod models;
mod opener;
mod place;
mod plan;
mod progress;
mod review;
mod say;
mod spread;
mod train;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{BenchArgs, BenchWhat, Cli, Job};
use fault::WithHint as _;

/// Cores that measurements keep to, so that figures of different machines can be compared.
const BENCH_CORES: usize = 2;

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    rhea_batch::end_with_parent();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else exits with 2, as clap does by itself.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::from(2) };
        }
    };
    let everywhere = cli.everywhere;
    let begun = check_kernels().and_then(|()| match config::log_file(&everywhere)? {
        Some(file) => log::begin(&file),
        None => Ok(()),
    });
    let done = begun.and_then(|()| match cli.job.unwrap_or(Job::Explore(cli.explore)) {
        Job::Explore(args) => explore::run(&args),
        Job::Imagine(args) => imagine::run(&args),
        Job::Export(args) => export::run(&args),
        Job::Plan(args) => plan::run(&args),
        Job::Review(args) => review::run(&args),
        Job::Bench(args) => run_bench(&args),
        Job::Eval { what } => eval::run(&what),
        Job::Batch { what } => batch::run(&what),
        Job::Train { stage } => train::run(&stage),
        Job::Models { what } => models::run(&what),
        Job::World { what } => world::run(&what),
        Job::Completions { shell } => manual::completions(shell),
        Job::Man { out } => manual::pages(&out),
        Job::Config { what } => config::run(&what, &everywhere),
        Job::Doctor(args) => doctor::run(&args),
        Job::EngineChild(args) => engine_child::run(&args),
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            for line in fault::lines(&error) {
                tracing::info!(target: "rhea", "{line}");
                say::complain!("{line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run_bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    machine::keep_to_cores(BENCH_CORES);
    match &args.what {
        None => bench_list::run(&args.list),
        Some(BenchWhat::Explore(args)) => bench::run(args),
        Some(BenchWhat::Kernels(args)) => bench_kernels::run(args),
    }
}

/// A setting for the kernels that cannot be followed ends the program before anything is loaded.
fn check_kernels() -> anyhow::Result<()> {
    rhea_nn::kernels::check().map(|_| ()).hint("Set it to one of these, or unset it to let Rhea choose.")
}

//! `rhea eval plans --workers N`: the program again, once for each share. A share whose process dies is measured again.

use std::fs::File;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum as _;
use rhea_batch::{tied, workplace};

use crate::engine::EngineArgs;
use crate::eval_planners::Row;
use crate::eval_plans::EvalPlansArgs;
use crate::eval_share::Found;
use crate::fault::{Fault, WithHint as _};
use crate::say::{complain, say};
use crate::spread::SpreadArgs;

/// How often a share may die.
const TRIES: u32 = 3;
const HINT: &str = "Try --workers 1, which says more.";

/// Measures with several processes; returns what each of them found.
///
/// # Errors
/// A share that died again and again, with what it said last.
pub fn run(args: &EvalPlansArgs, workers: u32, threads: usize) -> Result<Vec<Found>> {
    let folder = workplace().hint(HINT)?;
    let threads = (threads / workers as usize).max(1);
    std::thread::scope(|scope| {
        let folder = &folder;
        let share = |number: u32| scope.spawn(move || share(args, (number, workers), threads, folder));
        let begun: Vec<_> = (1..=workers).map(share).collect();
        let end = |thread: std::thread::ScopedJoinHandle<'_, Result<Found>>| match thread.join() {
            Ok(found) => found,
            Err(_) => Err(Fault::new("a share failed", "This is a fault in Rhea.").into()),
        };
        begun.into_iter().map(end).collect()
    })
}

fn share(args: &EvalPlansArgs, (number, of): (u32, u32), threads: usize, folder: &tempfile::TempDir) -> Result<Found> {
    let figures = folder.path().join(format!("share-{number}.json"));
    let said = folder.path().join(format!("share-{number}.txt"));
    let words = words(args, &format!("{number}/{of}"), threads, &figures);
    let mut tries = 1;
    loop {
        let mut command = tied(&words, folder).hint(HINT)?;
        let errors = File::create(&said).hint(HINT)?;
        let mut child = command.stdout(std::process::Stdio::null()).stderr(errors).spawn().hint(HINT)?;
        // Waiting would close the pipe, and the child would take us for gone.
        let pipe = child.stdin.take();
        let status = child.wait().hint(HINT)?;
        drop(pipe);
        if status.success() {
            let found = Found::load(&figures)?;
            say!("share {number} of {of} is measured: {} tasks", found.oracle.len());
            return Ok(found);
        }
        let last = std::fs::read_to_string(&said).unwrap_or_default();
        let last = last.lines().find(|line| line.starts_with("error:")).unwrap_or("it said nothing").to_owned();
        // A process that says what is wrong would say so again.
        if status.code() == Some(1) || tries == TRIES {
            return Err(Fault::new(format!("share {number} of {of} ended with {status}: {last}"), HINT).into());
        }
        complain!("warning: share {number} of {of} ended with {status} and is measured again");
        tries += 1;
    }
}

/// The command line of a share: what this process was asked, less what it does itself.
fn words(args: &EvalPlansArgs, share: &str, threads: usize, figures: &Path) -> Vec<String> {
    let mut words: Vec<String> = ["eval", "plans", "--share", share].map(str::to_owned).to_vec();
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
    add("--figures", figures.display().to_string());
    add("--threads", threads.to_string());
    add("--ablation-tasks", args.ablation_tasks.to_string());
    add("--faults", args.faults.to_string());
    if !args.families.is_empty() {
        add("--families", args.families.join(","));
    }
    if let Some(tasks) = args.tasks {
        add("--tasks", tasks.to_string());
    }
    if let Some(seeds) = &args.seeds {
        add("--seeds", format!("{}..{}", seeds.start, seeds.end - 1));
    }
    if let Some(model) = &args.model.model {
        add("--model", model.display().to_string());
    }
    let EngineArgs { engine, spread: SpreadArgs { device, parallel } } = &args.engine;
    let shown = [
        ("--engine", engine.as_ref().map(ToString::to_string)),
        ("--device", device.as_ref().map(ToString::to_string)),
        ("--parallel", parallel.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in shown {
        value.into_iter().for_each(|value| add(name, value));
    }
    if args.instructions.is_some() {
        words.push("--no-paraphrases".to_owned());
    }
    let planners = args.planners.iter().map(|row| row.name()).collect::<Vec<_>>();
    // All of them are the default; none is an empty list.
    if planners.len() != Row::value_variants().len() {
        words.push("--planners".to_owned());
        words.extend(planners);
    }
    words
}

//! `rhea plan`: a task as a script, judged by physics step by step.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use crossbeam::channel::bounded;
use rhea_explore::display;
use rhea_physics::checks::Verdict;
use rhea_physics::film::{Filming, Still};
use rhea_physics::script::{PlanReport, PlanScript};
use rhea_physics::view::scene_camera;
use rhea_physics::world::World;
use rhea_physics::world::facts::Goal;
use rhea_physics::world::stage::RobotShelf;
use rhea_watch::{FILM_QUEUE, Reel, Show, run_window};

use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::say::say;

/// Where the robots of generated scenes lie in the repository.
pub const ROBOTS: &str = "scenes/robots";

/// What to do about a run that ended with an error.
const FAULT_HINT: &str =
    "Plant the fault in a step that has what it spoils; `rhea plan` without faults lists the steps.";

/// `rhea plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// The script: scene, sentences or goals, and what is expected.
    #[arg(value_name = "SCRIPT.ron")]
    pub script: PathBuf,
    /// Show the scene, the arm and every check in a window while the task runs.
    #[arg(long)]
    pub watch: bool,
    /// Write every check of every step.
    #[arg(long, value_name = "FILE.ron")]
    pub report: Option<PathBuf>,
}

/// Runs a script; the exit code says whether its expectations came true.
///
/// # Errors
/// A script, scene or robot that cannot be read; a report that cannot be written.
pub fn run(args: &PlanArgs) -> Result<ExitCode> {
    let hint = "See scenes/tasks for scripts that run.";
    let script = PlanScript::load(&args.script).hint(hint)?;
    let robots = place::shipped(ROBOTS)?;
    let (world, goals) = script.world(&args.script, &robots, &mut RobotShelf::default()).hint(hint)?;
    let report = match args.watch.then(display::check) {
        Some(Ok(())) => watched(script, world, goals)?,
        Some(Err(why)) => {
            say!("No window: {why}.");
            unwatched(&script, world, &goals)?
        }
        None => unwatched(&script, world, &goals)?,
    };
    print(&report);
    if let Some(path) = &args.report {
        let pretty = ron::ser::PrettyConfig::new().depth_limit(4);
        let text = ron::ser::to_string_pretty(&report, pretty).hint("This is a fault in Rhea.")?;
        std::fs::write(path, text).hint(format!("Choose another file than {}.", path.display()))?;
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unwatched(script: &PlanScript, mut world: World, goals: &[Goal]) -> Result<PlanReport> {
    script.run_in(&mut world, goals, None).hint(FAULT_HINT)
}

/// Runs the task on a thread of its own while the window shows it. When the window is closed early, the task goes on to its end.
fn watched(script: PlanScript, mut world: World, goals: Vec<Goal>) -> Result<PlanReport> {
    let (reels, film) = bounded(FILM_QUEUE);
    let show = Show { stage: world.stage.clone(), first: Still::of(&world), camera: scene_camera(&world), film };
    let thread = std::thread::Builder::new().name("plan".to_owned());
    let task = thread.spawn(move || {
        // A window that was closed takes no more; the report is made all the same.
        let send = |reel| reels.send(reel).is_ok();
        let mut sink = |step| {
            send(Reel::Step(Box::new(step)));
        };
        let report = script.run_in(&mut world, &goals, Some(&mut Filming::new(&mut sink)));
        let (says, good) = match &report {
            Ok(report) => (ending(report), report.failed.is_empty()),
            Err(error) => (error.to_string(), false),
        };
        send(Reel::Over { says, good });
        report
    });
    let task = task.hint("Close other programs and try again.")?;
    let shown = run_window(show);
    let report = task.join().map_err(|_| Fault::new("the task failed", "This is a fault in Rhea."))?;
    if let Err(why) = shown {
        say!("No window: {why}.");
    }
    report.hint(FAULT_HINT)
}

/// How a run ended, in one line.
fn ending(report: &PlanReport) -> String {
    match (&report.refused, report.failed.first()) {
        (_, Some(failed)) => failed.clone(),
        (Some((code, says)), None) => format!("refused as expected [{}] {says}", code.map_or("no code", |c| c.name())),
        (None, None) => "all expectations came true".to_owned(),
    }
}

fn print(report: &PlanReport) {
    say!("scene: {}", report.scene);
    say!("planner: {} (no model took part)", report.planner);
    for (index, step) in report.steps.iter().enumerate() {
        let mark = match step.verdict {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Reject => "REJECT",
            Verdict::Unknown => "unknown",
        };
        say!("{:>3}. [{mark}] {}: {}", index + 1, step.text, step.says);
    }
    for goal in &report.goals {
        say!("goal [{}] {}", if goal.verdict == Verdict::Reject { "NOT MET" } else { "met" }, goal.note);
    }
    if let Some((code, says)) = &report.refused {
        say!("refused [{}] {says}", code.map_or("no code", |c| c.name()));
    }
    for failed in &report.failed {
        say!("expectation failed: {failed}");
    }
    if report.failed.is_empty() {
        say!("all expectations came true");
    }
}

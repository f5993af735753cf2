//! `rhea plan`: a task as a script, judged by physics step by step.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rhea_physics::checks::Verdict;
use rhea_physics::script::{PlanReport, PlanScript};
use rhea_physics::world::stage::RobotShelf;

use crate::fault::WithHint as _;
use crate::place;
use crate::say::say;

/// Where the robots of generated scenes lie in the repository.
pub const ROBOTS: &str = "scenes/robots";

/// `rhea plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// The script: scene, sentences or goals, and what is expected.
    #[arg(value_name = "SCRIPT.ron")]
    pub script: PathBuf,
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
    let report = script.run(&args.script, &robots, &mut RobotShelf::default()).hint(hint)?;
    print(&report);
    if let Some(path) = &args.report {
        let pretty = ron::ser::PrettyConfig::new().depth_limit(4);
        let text = ron::ser::to_string_pretty(&report, pretty).hint("This is a fault in Rhea.")?;
        std::fs::write(path, text).hint(format!("Choose another file than {}.", path.display()))?;
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

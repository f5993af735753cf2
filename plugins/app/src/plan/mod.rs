//! `rhea plan`: a task as a script, judged by physics step by step.

mod desk;
mod recording;

pub(crate) use desk::Desk;
use recording::Recording;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};
use crossbeam::channel::bounded;
use rhea_explore::display;
use rhea_physics::PhysicsError;
use rhea_physics::checks::Verdict;
use rhea_physics::film::{FilmStep, Filming, Still};
use rhea_physics::plan::{Account, Rules, StepPlanner as _};
use rhea_physics::script::{By, PlanReport, PlanScript};
use rhea_physics::view::scene_camera;
use rhea_physics::world::World;
use rhea_physics::world::facts::Goal;
use rhea_physics::world::stage::RobotShelf;
use rhea_picture::{PictureError, save_picture};
use rhea_session::ModelPlanner;
use rhea_session::plans::PlanStart;
use rhea_session::replay::{EndNote, ReplayError, ReplayReader};
use rhea_session::review::Labels;
use rhea_watch::{DESK_QUEUE, FILM_QUEUE, Reel, Show, run_window};

use crate::cli::ModelArgs;
use crate::engine::{self, EngineArgs};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::say::say;

/// Where the robots of generated scenes lie in the repository.
pub const ROBOTS: &str = "scenes/robots";

/// What to do about a run that ended with an error.
const FAULT_HINT: &str =
    "Plant the fault in a step that has what it spoils; `rhea plan` without faults lists the steps.";

/// Who makes the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Planner {
    /// The model, step by step, with repairs.
    Model,
    /// The symbolic search: the oracle that the model is measured against.
    Search,
    /// The sentences of the script.
    Sentences,
}

/// Which repairs the model's steps get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Repairs {
    /// All of them.
    All,
    /// Answers are chosen among what is possible, and that is all.
    Mask,
    /// All but choosing among what is possible.
    NoMask,
    /// None: what the model says, as it says it.
    None,
}

impl Repairs {
    /// As rules of the ladder.
    #[must_use]
    pub fn rules(self) -> Rules {
        match self {
            Self::All => Rules::FULL,
            Self::Mask => Rules::MASK_ONLY,
            Self::NoMask => Rules::NO_MASK,
            Self::None => Rules::BARE,
        }
    }
}

/// `rhea plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// The script: scene, sentences or goals, and what is expected.
    #[arg(value_name = "SCRIPT.ron")]
    pub script: PathBuf,
    /// Who makes the steps. When left out: the sentences of the script, or else the model.
    #[arg(long, value_enum)]
    pub planner: Option<Planner>,
    /// Which repairs the model's steps get.
    #[arg(long, value_enum, default_value_t = Repairs::All)]
    pub repairs: Repairs,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Draw the view that the model expects behind every accepted step, and write it beside the simulated one.
    #[arg(long, value_name = "DIR")]
    pub key_frames: Option<PathBuf>,
    /// Show the scene, the arm, every check and the model's key-frames in a window while the task runs.
    #[arg(long)]
    pub watch: bool,
    /// Write every check of every step.
    #[arg(long, value_name = "FILE.ron")]
    pub report: Option<PathBuf>,
    /// Record the plan in this folder, for `rhea review` and `rhea export` [with --watch: a new folder in rhea-out].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Runs a script; the exit code says whether its expectations came true.
///
/// # Errors
/// A script, scene, robot or model that cannot be read; a report that cannot be written.
pub fn run(args: &PlanArgs) -> Result<ExitCode> {
    let hint = "See scenes/tasks for scripts that run.";
    let script = PlanScript::load(&args.script).hint(hint)?;
    let planner = args.planner.unwrap_or(if script.say.is_empty() { Planner::Model } else { Planner::Sentences });
    if planner == Planner::Sentences && script.say.is_empty() {
        let what = format!("{} has no sentences", args.script.display());
        return Err(Fault::new(what, "Give it `say: [..]`, or take --planner model or search.").into());
    }
    let robots = place::shipped(ROBOTS)?;
    let (world, goals) = script.world(&args.script, &robots, &mut RobotShelf::default()).hint(hint)?;
    let display = args.watch.then(display::check);
    let frames = args.key_frames.as_deref();
    if let Some(folder) = frames {
        std::fs::create_dir_all(folder).hint("Choose a folder that you may write to with --key-frames DIR.")?;
    }
    let model = match planner {
        Planner::Model => Some(opened(args, script.seed)?),
        _ => None,
    };
    let recorded = args.out.is_some() || matches!(display, Some(Ok(())));
    let draws = frames.is_some() || recorded;
    let rules = Rules { key_frames: draws, ..args.repairs.rules() };
    let folder = script.robots_folder(&args.script, &robots);
    let task = Task { script, world, goals, planner, model, rules };
    let mut keeping = Keeping { folder: frames, failed: None, recording: None };
    if recorded {
        let out = place::plan_folder(args.out.as_deref())?;
        let folder = folder.canonicalize().unwrap_or(folder);
        keeping.recording = Some(task.record(&out, &folder).hint("Choose another folder with --out DIR.")?);
    }
    let report = match display {
        Some(Ok(())) => watched(task, &mut keeping, robots)?,
        other => {
            if let Some(Err(why)) = other {
                say!("No window: {why}.");
            }
            let mut keep = |step: FilmStep| keeping.keep(&step);
            let report = task.run(draws.then_some(&mut keep)).hint(FAULT_HINT)?;
            keeping.over(&report);
            report
        }
    };
    keeping.end()?;
    print(&report);
    if let Some(path) = &args.report {
        let pretty = ron::ser::PrettyConfig::new().depth_limit(4);
        let text = ron::ser::to_string_pretty(&report, pretty).hint("This is a fault in Rhea.")?;
        std::fs::write(path, text).hint(format!("Choose another file than {}.", path.display()))?;
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn opened(args: &PlanArgs, seed: u64) -> Result<ModelPlanner> {
    let folder = place::model_folder(args.model.model.as_deref())?;
    Ok(ModelPlanner::of(engine::open(&folder, &args.engine.local(&folder)?)?, seed))
}

/// Everything that a run needs.
struct Task {
    script: PlanScript,
    world: World,
    goals: Vec<Goal>,
    planner: Planner,
    model: Option<ModelPlanner>,
    rules: Rules,
}

impl Task {
    /// Begins to record it.
    fn record(&self, out: &Path, robots: &Path) -> Result<Recording, ReplayError> {
        let planner = match (&self.model, self.planner) {
            (Some(model), _) => model.name().trim_start_matches("the model ").to_owned(),
            (None, Planner::Sentences) => "sentences".to_owned(),
            (None, _) => "symbolic search".to_owned(),
        };
        let words = self.script.say.join(", ");
        let start = PlanStart {
            world: &self.world,
            robots,
            goals: self.script.wanted(&self.goals),
            words: &words,
            planner: &planner,
            model_hash: None,
            seed: self.script.seed,
        };
        Recording::new(out, &start)
    }

    /// Runs it; finished steps go to `sink`.
    fn run(mut self, sink: Option<&mut dyn FnMut(FilmStep)>) -> Result<PlanReport, PhysicsError> {
        let start = Instant::now();
        let clock = || start.elapsed().as_secs_f64();
        let by = match (&mut self.model, self.planner) {
            (Some(model), _) => By::Steps { planner: model, rules: self.rules, clock: &clock },
            (None, Planner::Sentences) => By::Sentences,
            (None, _) => By::Search,
        };
        match sink {
            Some(sink) => self.script.run_in(&mut self.world, &self.goals, by, Some(&mut Filming::new(sink))),
            None => self.script.run_in(&mut self.world, &self.goals, by, None),
        }
    }
}

/// Writes key-frames beside what was simulated, and records.
struct Keeping<'a> {
    folder: Option<&'a Path>,
    failed: Option<PictureError>,
    recording: Option<Recording>,
}

impl Keeping<'_> {
    fn keep(&mut self, step: &FilmStep) {
        if let Some(recording) = &mut self.recording {
            recording.step(step);
        }
        let (Some(folder), Some(imagined), None) = (self.folder, &step.imagined, &self.failed) else { return };
        let save = |what: &str, view: &rhea_picture::Rgbd| {
            save_picture(&folder.join(format!("step-{:02}-{what}.png", step.report.step)), &view.picture())
        };
        self.failed = save("imagined", imagined).and_then(|()| save("simulated", &step.truth)).err();
    }

    /// Closes the recording.
    fn over(&mut self, report: &PlanReport) {
        if let Some(recording) = &mut self.recording {
            let good = report.failed.is_empty();
            recording
                .end(&ending(report), &EndNote { good, goals: report.goals.clone(), account: report.account.clone() });
            say!("recorded: {}", recording.path().display());
        }
    }

    fn end(self) -> Result<()> {
        self.failed.map_or(Ok(()), Err).hint("Choose a folder that you may write to with --key-frames DIR.")
    }
}

/// Runs the task on a thread of its own while the window shows it. When the window is closed early, the task goes on to its end.
fn watched(task: Task, keeping: &mut Keeping<'_>, robots: PathBuf) -> Result<PlanReport> {
    let (reels, film) = bounded(FILM_QUEUE);
    let (desk, asks) = bounded(DESK_QUEUE);
    let world = &task.world;
    let (stage, first, camera) = (world.stage.clone(), Still::of(world), scene_camera(world));
    let show = Show { stage, first, camera, film, desk: Some(desk) };
    let (ended, shown) = std::thread::scope(|scope| {
        let run = move || {
            // A window that was closed takes no more; the report is made all the same.
            let send = |reel| reels.send(reel).is_ok();
            let mut sink = |step: FilmStep| {
                keeping.keep(&step);
                send(Reel::Step(Box::new(step)));
            };
            let report = task.run(Some(&mut sink));
            let (says, good, account) = match &report {
                Ok(report) => (ending(report), report.failed.is_empty(), report.account.clone()),
                Err(error) => (error.to_string(), false, None),
            };
            report.iter().for_each(|report| keeping.over(report));
            send(Reel::Over { says, good, account });
            if let Some(recording) = keeping.recording.take() {
                let path = recording.path().to_path_buf();
                let labels = ReplayReader::open(&path).map(|replay| Labels::none_of(&replay));
                let desk = Desk::new(path, robots, reels.clone(), asks);
                if labels.is_ok_and(|labels| desk.introduce(labels)) {
                    desk.serve();
                }
            }
            report
        };
        let thread = std::thread::Builder::new().name("plan".to_owned()).spawn_scoped(scope, run);
        let thread = thread.hint("Close other programs and try again.")?;
        let shown = run_window(show);
        let report = thread.join().map_err(|_| Fault::new("the task failed", "This is a fault in Rhea."))?;
        anyhow::Ok((report, shown))
    })?;
    if let Err(why) = shown {
        say!("No window: {why}.");
    }
    ended.hint(FAULT_HINT)
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
    let part = if report.account.is_some() { "" } else { " (no model took part)" };
    say!("planner: {}{part}", report.planner);
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
    report.account.iter().for_each(print_account);
    for failed in &report.failed {
        say!("expectation failed: {failed}");
    }
    if report.failed.is_empty() {
        say!("all expectations came true");
    }
}

fn print_account(account: &Account) {
    say!(
        "answers: {} of {} tokens in {:.2} s; {} key-frames of {} picture tokens, {} spared because the step was rejected first",
        account.asked,
        account.tokens,
        account.answer_secs,
        account.key_frames,
        account.picture_tokens,
        account.pictures_spared
    );
    for level in &account.levels {
        say!(
            "  {:?}: tried {} times, helped {} times, {:.2} s, {} tokens",
            level.level,
            level.attempts,
            level.helped,
            level.secs,
            level.tokens
        );
    }
}

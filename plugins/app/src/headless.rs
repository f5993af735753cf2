//! A walk without a window: along a script, with a progress bar, leaving replay, contact sheet and narration.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use rhea_explore::actions::ActionId;
use rhea_session::{Command, HeadlessOptions, Script, SessionError, SessionEvent, Summary, SystemClock, run_script};

use crate::cli::ExploreArgs;
use crate::engine::{self, EngineChoice};
use crate::explore::{SAMPLE_WALK, check_save, named_start};
use crate::fault::WithHint as _;
use crate::place;
use crate::progress::Progress;
use crate::say::say;

/// Walks the script of the arguments, or the sample walk.
///
/// # Errors
/// When the script, the model or the output folder cannot be used, or the model fails on the way.
pub fn run(args: &ExploreArgs) -> Result<ExitCode> {
    check_save(args)?;
    let path = match &args.script {
        Some(path) => path.clone(),
        None => place::shipped(SAMPLE_WALK)?,
    };
    let mut script = Script::load_with(&path, &place::repository(), &|name| ActionId::named(name)?.command())
        .hint("Mend the script, or name another with --script.")?;
    if let Some(steps) = args.free {
        // One command a step, so that each is told and can be stopped by itself.
        script.steps = vec![Command::Explore(1); steps as usize];
    }
    if let Some(start) = named_start(args) {
        script.start = start;
    }
    script.seed = args.seed.unwrap_or(script.seed);
    let folder = place::model_folder(args.model.model.as_deref())?;
    let engine = args.engine.local(&folder)?;
    let out = place::output_folder(args.out.as_deref())?;
    let began = Instant::now();
    let mut model = engine::open(&folder, &engine)?;
    let process = if *engine.choice() == EngineChoice::Process { " in a process of its own" } else { "" };
    say!("Model {} opened in {:.1} s{process}.", folder.display(), began.elapsed().as_secs_f32());

    let progress = Progress::new(script.steps.len() as u64);
    let mut step = Telling::default();
    let save_world = args.save_world.clone();
    let tries_again = engine::TRIES_AGAIN;
    let options = HeadlessOptions { save_world, adopt: args.adopt, tries_again, ..HeadlessOptions::default() };
    let clock = Box::new(SystemClock::new());
    let walked = run_script(&script, model.as_mut(), &out, &options, clock, &mut |at| step.tell(&at, &progress));
    progress.finish();
    let summary = walked.map_err(|error| {
        let hint = hint_for(&error);
        crate::fault::Fault::new(error.to_string(), hint)
    })?;
    print_summary(&summary);
    Ok(ExitCode::SUCCESS)
}

fn hint_for(error: &SessionError) -> &'static str {
    match error {
        SessionError::Output { .. } | SessionError::Replay(_) => {
            "Choose a folder that you may write to with --out DIR."
        }
        SessionError::Scene { .. }
        | SessionError::Read { .. }
        | SessionError::Picture(_)
        | SessionError::Text { .. } => {
            "Begin with something else: --world FILE.ron, --caption TEXT or --picture FILE.png."
        }
        SessionError::OtherModel { .. } => {
            "Name the model that drew it with --model DIR, or keep its pictures with --adopt."
        }
        SessionError::World(_) => {
            "Name another with --world FILE; `rhea world rebuild` makes one from the recording of a walk."
        }
        SessionError::Engine(_) | SessionError::View { .. } => {
            "What was walked up to here is in the output folder; `rhea doctor` checks the model."
        }
        _ => "",
    }
}

/// Gathers what belongs to one line of progress.
#[derive(Default)]
struct Telling {
    command: String,
    words: String,
}

impl Telling {
    fn tell(&mut self, at: &rhea_session::Progress<'_>, progress: &Progress) {
        match at.event {
            SessionEvent::StepStarted { command, .. } => {
                self.command.clone_from(command);
                self.words.clear();
            }
            SessionEvent::Clipped(clip) => {
                self.words = format!("something is in the way, walked {:.2} of {:.2} m. ", clip.walked_m, clip.asked_m);
            }
            SessionEvent::NarrationDone(note) => self.words.push_str(note.text.trim()),
            SessionEvent::Undone { .. } => "undo".clone_into(&mut self.command),
            SessionEvent::Warning(text) => progress.say(&format!("warning: {text}")),
            // The start is saved before any step is done; it has a line of its own.
            SessionEvent::Saved { records: 1, .. } => progress.say(&format!("start: {}: {}", self.command, self.words)),
            SessionEvent::Saved { .. } => progress.step(at.done as u64 + 1, &self.command, &self.words),
            SessionEvent::ViewReady(_) | SessionEvent::NarrationText(_) | SessionEvent::Mapped(_) => {}
        }
    }
}

fn print_summary(summary: &Summary) {
    say!(
        "{} steps, {} views, {:.1} views/s with narration, first view {:.2} s after the model was open",
        summary.steps,
        summary.views,
        summary.views_per_s,
        summary.first_view_s
    );
    if summary.clipped > 0 {
        say!("{} moves were cut short by something in the way", summary.clipped);
    }
    if summary.unrecorded > 0 {
        say!("warning: {} steps could not be recorded", summary.unrecorded);
    }
    if let Some((times, mean_db, least_db)) = summary.revisits {
        say!(
            "{times} revisits agreed with memory: {mean_db:.1} dB on average, {least_db:.1} dB at least; {} loops closed",
            summary.loops
        );
    }
    let kib = |bytes: u64, views: usize| bytes as f64 / 1024.0 / views.max(1) as f64;
    let (world, replay) = (kib(summary.world_bytes, summary.world_views), kib(summary.replay_bytes, summary.views));
    say!("on disk: world {world:.1} KiB a view, replay {replay:.1} KiB a view");
    say!("world          {}", summary.world.display());
    say!("map            {}", summary.map.display());
    say!("contact sheet  {}", summary.sheet.display());
    say!("narration      {}", summary.narration.display());
    say!("replay         {}", summary.replay.display());
}

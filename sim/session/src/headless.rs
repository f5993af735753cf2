//! A walk without a window, along a script or by itself: replay, world, map, contact sheet, narration and pictures in a folder.
//!
//! Invariant: what was walked is written out however the walk ended.

use std::path::{Path, PathBuf};

use rhea_engine::{Cancel, EngineError, Imagine};
use rhea_memory::{Ground, Verdict, map_picture};
use rhea_picture::save_picture;

use crate::beginning::Beginning;
use crate::clock::Clock;
use crate::error::SessionError;
use crate::event::{SessionEvent, StepControl};
use crate::explore::ExploreSession;
use crate::options::{Options, Setup};
use crate::replay::{FileStorage, Replay, ReplayReader, frames, sheet};
use crate::script::Script;

/// How a scripted walk is run.
#[derive(Clone, Debug, Default)]
pub struct HeadlessOptions {
    /// The settings of the session; the seed is the script's.
    pub session: Options,
    /// Write every view as a PNG too?
    pub frames: bool,
    /// Where the world goes besides `walk.world` in the output folder.
    pub save_world: Option<PathBuf>,
    /// Take up a world that another model drew by its pictures alone?
    pub adopt: bool,
    /// How often a step is tried again when the engine that draws it was lost; each time is warned of. 0 ends the walk there.
    pub tries_again: u32,
    /// Ends the walk early, with everything so far written; before the first view that is [`SessionError::Cancelled`].
    pub stop: Cancel,
}

/// Something happened on the walk.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Steps of the script that are done.
    pub done: usize,
    /// Steps of the script.
    pub steps: usize,
    /// What happened.
    pub event: &'a SessionEvent,
}

/// What a scripted walk left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Steps of the script that were done.
    pub steps: usize,
    /// Views drawn, the first one included.
    pub views: usize,
    /// Moves that were shortened or had no room at all.
    pub clipped: usize,
    /// Was the walk ended early?
    pub stopped: bool,
    /// Steps that could not be recorded.
    pub unrecorded: usize,
    /// From the start to the first view, seconds, without loading the model.
    pub first_view_s: f64,
    /// Views a second after the first, narration and recording included; 0 when there was only the first.
    pub views_per_s: f64,
    /// Views that agreed with what memory knew nearly all of: how often, and the mean and the least agreement, dB.
    pub revisits: Option<(usize, f32, f32)>,
    /// Loops that were closed in the whole world.
    pub loops: usize,
    /// Length of the replay's file, bytes.
    pub replay_bytes: u64,
    /// The replay.
    pub replay: PathBuf,
    /// The world, to be taken up again.
    pub world: PathBuf,
    /// Its length, bytes.
    pub world_bytes: u64,
    /// The views in it.
    pub world_views: usize,
    /// The map.
    pub map: PathBuf,
    /// The contact sheet.
    pub sheet: PathBuf,
    /// The narration.
    pub narration: PathBuf,
    /// The folder of the pictures, when they were asked for.
    pub frames: Option<PathBuf>,
    /// What was warned of.
    pub warnings: Vec<String>,
}

/// Walks a script and writes `walk.mcap`, `walk.world`, `map.png`, `sheet.png`, `narration.txt` and, when asked, `frames/` into `out`,
/// which is created when it is missing. Files of an earlier walk are replaced.
///
/// # Errors
/// Before any work when the beginning cannot be loaded or `out` cannot be written; later when the model fails or a result cannot be
/// written. Replay and world hold all steps up to there.
pub fn run_script(
    script: &Script,
    model: &mut dyn Imagine,
    out: &Path,
    options: &HeadlessOptions,
    clock: Box<dyn Clock>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, SessionError> {
    let beginning = Beginning::of_script(&script.start, options.adopt)?;
    std::fs::create_dir_all(out).map_err(|source| SessionError::Output { path: out.to_path_buf(), source })?;
    let replay_path = out.join("walk.mcap");
    let storage = FileStorage::create(&replay_path)?;

    let session = Options { seed: script.seed, ..options.session.clone() };
    let setup = Setup { options: session, storage: Some(Box::new(storage)), clock };
    let mut walk = Walk { steps: script.steps.len(), ..Walk::default() };
    let (session, outcome) = match walk.begin(&beginning, setup, model, options, progress) {
        Ok(mut session) => {
            let outcome = walk.go(script, &mut session, model, options, progress);
            (Some(session), outcome)
        }
        Err(error) => (None, Err(error)),
    };
    // What was walked is written out even when the walk broke off; why it broke off is the error to report.
    let saved = session.as_ref().map(|session| save(session, out, options.save_world.as_deref())).transpose();
    let written = write_results(&replay_path, out, options.frames);
    outcome?;
    let Results { sheet, narration, frames } = written?;
    let Saved { world, world_bytes, map, views: world_views, loops } = saved?.ok_or(SessionError::Cancelled)?;
    let mean_db = walk.agreements_db.iter().sum::<f32>() / walk.agreements_db.len() as f32;
    let least_db = walk.agreements_db.iter().copied().fold(f32::INFINITY, f32::min);
    Ok(Summary {
        steps: walk.done,
        views: walk.views,
        clipped: walk.clipped,
        stopped: walk.done < walk.steps,
        unrecorded: walk.unrecorded,
        first_view_s: walk.first_view_secs,
        views_per_s: if walk.later_secs > 0.0 { walk.views.saturating_sub(1) as f64 / walk.later_secs } else { 0.0 },
        revisits: (!walk.agreements_db.is_empty()).then_some((walk.agreements_db.len(), mean_db, least_db)),
        loops,
        replay_bytes: std::fs::metadata(&replay_path).map_or(0, |about| about.len()),
        replay: replay_path,
        world,
        world_bytes,
        world_views,
        map,
        sheet,
        narration,
        frames,
        warnings: walk.warnings,
    })
}

/// What is kept of the world.
struct Saved {
    world: PathBuf,
    world_bytes: u64,
    map: PathBuf,
    views: usize,
    loops: usize,
}

/// Writes the world and its map.
fn save(session: &ExploreSession, out: &Path, elsewhere: Option<&Path>) -> Result<Saved, SessionError> {
    let saved = session.to_world();
    let world = out.join("walk.world");
    let world_bytes = saved.save(&world)?;
    if let Some(path) = elsewhere {
        saved.save(path)?;
    }
    let facts = session.map(&mut Ground::default());
    let map = out.join("map.png");
    save_picture(&map, &map_picture(&facts, session.world()))?;
    Ok(Saved { world, world_bytes, map, views: facts.views.len(), loops: facts.loops() })
}

/// Counts of a walk in progress.
#[derive(Default)]
struct Walk {
    steps: usize,
    done: usize,
    views: usize,
    clipped: usize,
    unrecorded: usize,
    first_view_secs: f64,
    later_secs: f64,
    warnings: Vec<String>,
    /// Of revisits, dB.
    agreements_db: Vec<f32>,
}

impl Walk {
    fn begin(
        &mut self,
        beginning: &Beginning,
        setup: Setup,
        model: &mut dyn Imagine,
        options: &HeadlessOptions,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<ExploreSession, SessionError> {
        let control = StepControl { cancel: options.stop.clone(), ..StepControl::default() };
        let (session, report) = beginning.begin(setup, model, &control, &mut |event| self.tell(&event, progress))?;
        self.first_view_secs = report.timings.total_secs() - report.timings.narrate_secs;
        self.unrecorded += usize::from(!report.recorded);
        Ok(session)
    }

    fn go(
        &mut self,
        script: &Script,
        session: &mut ExploreSession,
        model: &mut dyn Imagine,
        options: &HeadlessOptions,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), SessionError> {
        let began_secs = session.now_secs();
        for command in &script.steps {
            if options.stop.cancelled() {
                break;
            }
            let mut again = 0;
            let step = loop {
                let control = StepControl { cancel: options.stop.clone(), ..StepControl::default() };
                let step = session.step(command.clone(), model, &control, &mut |event| self.tell(&event, progress));
                match &step {
                    // Nothing has changed, so the same step is asked for.
                    Err(error @ SessionError::Engine(EngineError::Elsewhere(_))) if again < options.tries_again => {
                        again += 1;
                        self.tell(&SessionEvent::Warning(format!("{error}. Trying again")), progress);
                    }
                    _ => break step,
                }
            };
            match step {
                Ok(report) => self.unrecorded += usize::from(!report.recorded),
                Err(SessionError::Cancelled) => break,
                Err(
                    error @ (SessionError::NothingToUndo | SessionError::Unknown { .. } | SessionError::NoStep { .. }),
                ) => {
                    self.tell(&SessionEvent::Warning(error.to_string()), progress);
                }
                Err(error) => {
                    // The model's error is the one to report.
                    session.finish().ok();
                    return Err(error);
                }
            }
            self.done += 1;
        }
        self.later_secs = session.now_secs() - began_secs;
        session.finish()
    }

    fn tell(&mut self, event: &SessionEvent, progress: &mut dyn FnMut(Progress<'_>)) {
        match event {
            SessionEvent::ViewReady(ready) => {
                self.views += 1;
                if matches!(ready.verdict, Verdict::Revisited | Verdict::Repaired) {
                    self.agreements_db.extend(ready.recall.agreement_db);
                }
            }
            SessionEvent::Clipped(_) => self.clipped += 1,
            SessionEvent::Warning(text) => self.warnings.push(text.clone()),
            _ => {}
        }
        progress(Progress { done: self.done, steps: self.steps, event });
    }
}

/// The files made from a replay.
struct Results {
    sheet: PathBuf,
    narration: PathBuf,
    frames: Option<PathBuf>,
}

fn write_results(replay: &Path, out: &Path, with_frames: bool) -> Result<Results, SessionError> {
    let replay = ReplayReader::open(replay)?;
    let (sheet_path, narration_path) = (out.join("sheet.png"), out.join("narration.txt"));
    std::fs::write(&narration_path, narration(&replay))
        .map_err(|source| SessionError::Output { path: narration_path.clone(), source })?;
    sheet(&replay, &sheet_path)?;
    let frames_path = with_frames.then(|| out.join("frames"));
    if let Some(folder) = &frames_path {
        frames(&replay, folder)?;
    }
    Ok(Results { sheet: sheet_path, narration: narration_path, frames: frames_path })
}

/// The words of a walk, one line for each view.
fn narration(replay: &Replay) -> String {
    let mut text = String::new();
    for index in replay.kept() {
        if let Some(step) = replay.steps.get(index) {
            let words = step.narration.as_ref().map_or("", |narration| narration.text.trim());
            text.push_str(&format!("{:>5}  {}: {words}\n", step.step, step.command));
        }
    }
    text
}

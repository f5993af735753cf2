//! Joins a session with a model folder, for the window's session thread.
//!
//! Invariant: the model is loaded once and kept between worlds; after an internal error it is loaded afresh.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rhea_engine::{EngineError, Imagine};
use rhea_explore::{Ended, Failure, Opener, WalkEvent, Walker};
use rhea_session::replay::FileStorage;
use rhea_session::{
    Beginning, Command, ExploreSession, Options, ScriptStart, SessionError, SessionEvent, Setup, StepControl,
    StepReport,
};

use crate::engine::{self, WalkEngine};

/// Recordings in one output folder.
const MAX_REPLAYS: u32 = 9999;

type SharedModel = Arc<Mutex<Box<dyn Imagine>>>;

/// Opens worlds with the model of one folder, and records them in one output folder.
pub struct SessionOpener {
    folder: PathBuf,
    engine: WalkEngine,
    out: PathBuf,
    seed: u64,
    saving: Saving,
    model: Option<SharedModel>,
}

/// What is done with worlds as files.
#[derive(Clone, Debug, Default)]
pub struct Saving {
    /// Where a world goes besides the file beside its recording.
    pub also: Option<PathBuf>,
    /// Take worlds of other models up by their pictures alone?
    pub adopt: bool,
}

impl SessionOpener {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(folder: PathBuf, engine: WalkEngine, out: PathBuf, seed: u64, saving: Saving) -> Self {
        Self { folder, engine, out, seed, saving, model: None }
    }

    fn model(&mut self, tell: &mut dyn FnMut(WalkEvent)) -> Result<SharedModel, Failure> {
        if let Some(model) = self.model.as_ref().filter(|model| !model.is_poisoned()) {
            return Ok(Arc::clone(model));
        }
        tell(WalkEvent::Doing("loading the model".to_owned()));
        let model: Box<dyn Imagine> = engine::open(&self.folder, &self.engine).map_err(|error| {
            Failure::new(error.to_string(), "Name a model folder with --model DIR, or run: rhea doctor")
        })?;
        let model: SharedModel = Arc::new(Mutex::new(model));
        self.model = Some(Arc::clone(&model));
        Ok(model)
    }
}

impl Opener for SessionOpener {
    fn prepare(&mut self) {
        self.model(&mut |_| ()).ok();
    }

    fn open(
        &mut self,
        start: &ScriptStart,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<Box<dyn Walker>, Ended> {
        // A wrong file is reported before the model is loaded for it.
        let beginning = Beginning::of_script(start, self.saving.adopt).map_err(ended)?;
        let model = self.model(tell).map_err(Ended::Failed)?;
        let mut locked = lock(&model)?;
        let world = match beginning.world() {
            world if world.is_empty() => beginning.words(),
            world => world,
        };
        let recording = next_replay(&self.out);
        let replay = recording.as_ref().ok().map(|(_, path)| path.clone());
        tracing::info!(target: "rhea", model = locked.name(), world, recording = ?replay, "opened");
        tell(WalkEvent::Opened { model: locked.name().to_owned(), world, replay: replay.clone() });
        if let Err(why) = &recording {
            let warning = format!("{why}. This walk is not recorded; choose another folder with --out.");
            tell(WalkEvent::Session(SessionEvent::Warning(warning)));
        }
        let options = Options { seed: self.seed, ..Options::default() };
        let setup = Setup::new(options, recording.ok().map(|(storage, _)| Box::new(storage) as _));
        let on_event = &mut |event| tell(WalkEvent::Session(event));
        let started = beginning.begin(setup, locked.as_mut(), control, on_event);
        drop(locked);
        match started {
            Ok((mut session, _)) => {
                session.tell_maps(&mut |event| tell(WalkEvent::Session(event)));
                Ok(Box::new(SessionWalker { session, model, replay, also: self.saving.also.clone() }))
            }
            Err(error) => {
                // A recording of a walk that never began is of no use to anybody.
                if let Some(path) = replay {
                    std::fs::remove_file(path).ok();
                }
                Err(ended(error))
            }
        }
    }
}

struct SessionWalker {
    session: ExploreSession,
    model: SharedModel,
    replay: Option<PathBuf>,
    also: Option<PathBuf>,
}

impl SessionWalker {
    /// Writes the world beside its recording, and where else it was asked for.
    fn save(&self) -> Result<(), Failure> {
        let world = self.session.to_world();
        let beside = self.replay.as_ref().map(|replay| replay.with_extension("world"));
        for path in beside.iter().chain(&self.also) {
            world.save(path).map_err(|error| {
                Failure::new(error.to_string(), "The recording is whole: `rhea world rebuild` makes the world from it.")
            })?;
        }
        Ok(())
    }
}

impl Walker for SessionWalker {
    fn step(
        &mut self,
        command: &str,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<StepReport, Ended> {
        let mut model = lock(&self.model)?;
        let asked = Command::Text(command.to_owned());
        let done = self.session.step(asked, model.as_mut(), control, &mut |event| tell(WalkEvent::Session(event)));
        match &done {
            Ok(StepReport { step, timings, .. }) => {
                tracing::info!(target: "rhea", step, command, recall = timings.recall_secs, imagine = timings.imagine_secs, "walked");
            }
            Err(why) => tracing::info!(target: "rhea", command, "not walked: {why}"),
        }
        done.map_err(ended)
    }

    fn fork(&mut self, step: u64) -> Result<PathBuf, Failure> {
        let world = self.session.to_world();
        let views = usize::try_from(step).map_or(usize::MAX, |step| step.saturating_add(1));
        if views > world.memory.len() {
            let last = world.memory.len().saturating_sub(1);
            return Err(Failure::new(format!("There is no step {step}."), format!("The last step is {last}.")));
        }
        let hint = "Choose another output folder with --out.";
        let folder = self.replay.as_ref().and_then(|replay| replay.parent());
        let folder = folder.ok_or_else(|| Failure::new("This walk is not recorded, so it has no folder.", hint))?;
        let free = |number: &u32| !folder.join(branch_name(step, *number)).exists();
        let number = (1..=MAX_REPLAYS).find(free).unwrap_or(MAX_REPLAYS);
        let file = folder.join(branch_name(step, number));
        world.forked(views).save(&file).map_err(|error| Failure::new(error.to_string(), hint))?;
        Ok(file)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<PathBuf>, Failure> {
        self.session.finish().map_err(|error| Failure::new(error.to_string(), ""))?;
        self.save()?;
        Ok(self.replay.take())
    }
}

fn branch_name(step: u64, number: u32) -> String {
    if number == 1 { format!("step-{step}.world") } else { format!("step-{step}-{number}.world") }
}

fn lock(model: &SharedModel) -> Result<std::sync::MutexGuard<'_, Box<dyn Imagine>>, Ended> {
    model.lock().map_err(|_| {
        Ended::Failed(Failure::new(
            "The model stopped in the middle of an earlier view.",
            "Press Enter and start a new world; the model is then loaded afresh.",
        ))
    })
}

/// A session's error as the window shows it.
fn ended(error: SessionError) -> Ended {
    let hint = match &error {
        SessionError::Cancelled => return Ended::Cancelled,
        SessionError::Command(_) => "To begin a new world with these words, type them again and press Ctrl+Enter.",
        SessionError::Engine(EngineError::Elsewhere(_)) => "Nothing changed, and the walk goes on: do the same again.",
        SessionError::OtherModel { .. } => "Start Rhea with the model that drew it, or with --adopt.",
        SessionError::Engine(_) | SessionError::View { .. } => {
            "Nothing changed; try again, or check the model folder with: rhea doctor"
        }
        SessionError::Scene { .. } | SessionError::Read { .. } | SessionError::Picture(_) => {
            "Choose another file, or press Enter and write a caption."
        }
        _ => "",
    };
    Ended::Failed(Failure::new(error.to_string(), hint))
}

/// A new recording in the output folder: `walk.mcap`, then `walk-2.mcap` and so on.
fn next_replay(out: &Path) -> Result<(FileStorage, PathBuf), String> {
    for number in 1..=MAX_REPLAYS {
        let name = if number == 1 { "walk.mcap".to_owned() } else { format!("walk-{number}.mcap") };
        let path = out.join(name);
        if !path.exists() {
            return FileStorage::create_new(&path).map(|storage| (storage, path)).map_err(|error| error.to_string());
        }
    }
    Err(format!("{} holds {MAX_REPLAYS} walks already", out.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
mod tests {
    use std::time::{Duration, Instant};

    use rhea_explore::{Report, SessionLink, SessionThread};

    use super::*;

    /// Waits until nothing is done any more; says how long that took.
    fn settled(link: &SessionLink) -> Duration {
        let began = Instant::now();
        while !link.idle() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never ends");
            link.reports().for_each(drop);
            std::thread::sleep(Duration::from_micros(200));
        }
        began.elapsed()
    }

    /// Waits until a recording is there and its world is open.
    fn comes(recording: &Path, link: &SessionLink) {
        let began = Instant::now();
        while !recording.is_file() {
            let failed = |report| if let Report::Failed(failure) = report { Some(failure) } else { None };
            assert_eq!(link.reports().find_map(failed), None, "no {}", recording.display());
            assert!(began.elapsed() < Duration::from_secs(60), "no {} after a minute", recording.display());
            std::thread::sleep(Duration::from_millis(1));
        }
        settled(link);
    }

    /// Opens a world and lets it be walked.
    fn walk(out: &Path, walk: impl FnOnce(&SessionLink)) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let opener = SessionOpener::new(
            repository.join("model/nano"),
            WalkEngine::inside(),
            out.to_path_buf(),
            1,
            Saving::default(),
        );
        let start = ScriptStart::Scene(repository.join("scenes/worlds/room.ron"));
        let (thread, link) = SessionThread::start(Box::new(opener), Some(start)).unwrap();
        comes(&out.join("walk.mcap"), &link);
        walk(&link);
        thread.finish(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn whatever_is_being_drawn_stops_soon() {
        let out = tempfile::tempdir().unwrap();
        walk(out.path(), |link| {
            let mut took: Vec<Duration> = (0..100)
                .map(|n| {
                    link.submit(if n % 2 == 0 { "turn right 25 degrees" } else { "go forward 0.3 m" }.to_owned())
                        .unwrap();
                    std::thread::sleep(Duration::from_millis(n * 7 % 60));
                    link.stop();
                    settled(link)
                })
                .collect();
            took.sort_unstable();
            println!("from stop to rest: median {:?}, 99 % within {:?}", took[50], took[98]);
            // 100 ms where nothing else runs; other tests and builds beside this one may cost several times that.
            assert!(took[98] < Duration::from_secs(1), "{:?}", took[98]);
        });
    }

    #[test]
    fn a_walk_branches_at_any_of_its_steps() {
        let out = tempfile::tempdir().unwrap();
        walk(out.path(), |link| {
            for _ in 0..3 {
                link.submit("turn right 15 degrees".to_owned()).unwrap();
                settled(link);
            }
            link.branch(1).unwrap();
            comes(&out.path().join("walk-2.mcap"), link);
            link.submit("turn left 15 degrees".to_owned()).unwrap();
            settled(link);
        });
        let world = |name: &str| rhea_memory::World::load(&out.path().join(name)).unwrap().world;
        let [whole, fork, other] = ["walk.world", "step-1.world", "walk-2.world"].map(world);
        assert_eq!([whole.memory.len(), fork.memory.len(), other.memory.len()], [4, 2, 3]);
        let common = rhea_memory::diff(&whole, &other);
        assert_eq!((common.same, common.only_first.len(), common.only_second.len()), (2, 2, 1));
    }
}

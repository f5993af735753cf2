//! Recordings of plans: where they go, and a recorder that never stops a plan.

use std::path::{Path, PathBuf};

use rhea_physics::film::FilmStep;
use rhea_session::SystemClock;
use rhea_session::plans::{PlanRecorder, PlanStart};
use rhea_session::replay::{EndNote, FileStorage, ReplayError};

use crate::say::say;

/// Recordings in one folder.
const MAX_RECORDINGS: u32 = 9999;

/// A plan that is being recorded. What goes wrong is said once, and the plan goes on.
pub(super) struct Recording {
    recorder: Option<PlanRecorder>,
    path: PathBuf,
    failed: bool,
}

impl Recording {
    /// A new recording `plan.mcap` in a folder, or `plan-2.mcap` and so on.
    pub fn new(folder: &Path, start: &PlanStart<'_>) -> Result<Self, ReplayError> {
        let (storage, path) = next(&folder.join("plan.mcap"))?;
        let recorder = PlanRecorder::new(Box::new(storage), Box::new(SystemClock::new()), start)?;
        Ok(Self { recorder: Some(recorder), path, failed: false })
    }

    /// Goes on with a recorder.
    pub fn with(recorder: PlanRecorder, path: PathBuf) -> Self {
        Self { recorder: Some(recorder), path, failed: false }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a step.
    pub fn step(&mut self, step: &FilmStep) {
        let done = self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.step(step));
        self.told(done);
    }

    /// Adds the end.
    pub fn end(&mut self, says: &str, end: &EndNote) {
        let done = self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.end(says, end));
        self.told(done);
    }

    fn told(&mut self, done: Result<(), ReplayError>) {
        let Err(why) = done else { return };
        if matches!(why, ReplayError::GivenUp { .. }) {
            self.recorder = None;
        }
        if !std::mem::replace(&mut self.failed, true) {
            say!("{}: {why}", self.path.display());
        }
    }
}

/// A new file beside `first`: that one, or the same name with a number.
pub(super) fn next(first: &Path) -> Result<(FileStorage, PathBuf), ReplayError> {
    let stem = first.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = |number: u32| match number {
        1 => first.to_path_buf(),
        _ => first.with_file_name(format!("{stem}-{number}.mcap")),
    };
    let path = (1..MAX_RECORDINGS).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(MAX_RECORDINGS));
    FileStorage::create_new(&path).map(|storage| (storage, path))
}

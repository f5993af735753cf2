//! Robot plans as recordings: written step by step while they run, read back as a film, and changed from any step on.
//!
//! A recording holds its scene, the judgements, how everything moved, the key-frames, and the simulated world before each step. It
//! needs the robots' files, and nothing else, to be shown; a change runs in a copy of a recorded world.
//!
//! Invariant: a recording is never changed; a change makes a new one, whose steps before the change are those of the old one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhea_physics::PhysicsError;
use rhea_physics::film::{FilmStep, KEY_FRAME_PX, Still};
use rhea_physics::plan::task_text;
use rhea_physics::recheck::Was;
use rhea_physics::view::{look, scene_camera};
use rhea_physics::world::World;
use rhea_physics::world::facts::Goal;
use rhea_physics::world::stage::{RobotShelf, Stage};
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};
use thiserror::Error;

use crate::clock::Clock;
use crate::replay::{
    Codes, EndNote, FORMAT_VERSION, Header, NarrationNote, NewRecord, PlanNote, PlanPart, RecordKind, Replay,
    ReplayError, ReplayWriter, Storage, Timings,
};

/// Why a recorded plan cannot be shown or changed.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The recording is one of a walk.
    #[error("{0} is a walk, not a robot plan")]
    Walk(PathBuf),
    /// The recording has no beginning.
    #[error("{0} ends before the plan begins")]
    Empty(PathBuf),
    /// The robots' files are not those that it was recorded with.
    #[error("{0}: the robots that were found have other joints than those of the recording")]
    OtherRobots(PathBuf),
    /// It cannot be read or written.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Scene, robot or world cannot be used.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
}

/// What a plan is, before its first step.
#[derive(Clone)]
pub struct PlanStart<'a> {
    /// The world at the beginning.
    pub world: &'a World,
    /// Where the robots of its scene lie.
    pub robots: &'a Path,
    /// What has to hold at the end.
    pub goals: &'a [Goal],
    /// What was asked for, in words; the goals when it is empty.
    pub words: &'a str,
    /// Who makes the steps.
    pub planner: &'a str,
    /// Hash of the model's weights, when a model takes part.
    pub model_hash: Option<String>,
    /// Seed of path search.
    pub seed: u64,
}

/// Writes a plan while it runs.
pub struct PlanRecorder {
    writer: ReplayWriter<Box<dyn Storage>>,
    clock: Box<dyn Clock>,
    executed: u64,
}

impl PlanRecorder {
    /// A recording with its first record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(
        storage: Box<dyn Storage>,
        mut clock: Box<dyn Clock>,
        start: &PlanStart<'_>,
    ) -> Result<Self, ReplayError> {
        let stage = &start.world.stage;
        let camera = scene_camera(start.world);
        let words = if start.words.is_empty() { task_text(start.goals, 0) } else { start.words.to_owned() };
        let header = Header {
            rhea: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT_VERSION,
            model: start.planner.to_owned(),
            model_hash: start.model_hash.clone(),
            camera: Camera { fov_x_rad: (camera.fov_deg as f32).to_radians(), ..Camera::square(KEY_FRAME_PX) },
            seed: start.seed,
            start: words,
            world: stage.scene.name.clone(),
            plan: Some(PlanNote {
                scene: stage.scene.clone(),
                robots: start.robots.display().to_string(),
                goals: start.goals.to_vec(),
                branch_of: None,
            }),
        };
        let view = look(start.world, &camera, KEY_FRAME_PX).rgbd;
        Self::begin(storage, clock.now_secs(), clock, &header, &Still::of(start.world), &view)
    }

    /// A recording that begins as another one did, up to step `at`, which is then to be different.
    ///
    /// # Errors
    /// When the other one cannot be read, or this one cannot be written.
    pub fn branch(
        storage: Box<dyn Storage>,
        mut clock: Box<dyn Clock>,
        of: &RecordedPlan,
        at: usize,
    ) -> Result<Self, PlanError> {
        let mut header = of.replay.header.clone();
        let name = of.replay.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(plan) = &mut header.plan {
            plan.branch_of = Some((name, at));
        }
        let view = of.replay.view(0)?;
        let mut recorder = Self::begin(storage, clock.now_secs(), clock, &header, &of.first, &view)?;
        for step in of.film(0)?.iter().take(at) {
            recorder.step(step)?;
        }
        Ok(recorder)
    }

    fn begin(
        storage: Box<dyn Storage>,
        now_secs: f64,
        clock: Box<dyn Clock>,
        header: &Header,
        first: &Still,
        view: &Rgbd,
    ) -> Result<Self, ReplayError> {
        let writer = ReplayWriter::new(storage, header, now_secs)?;
        let mut recorder = Self { writer, clock, executed: 0 };
        recorder.append(RecordKind::Start, &header.start, "", Some(view), PlanPart::Start(first))?;
        Ok(recorder)
    }

    /// Adds a step.
    ///
    /// # Errors
    /// As [`ReplayWriter::append`]: what a full disk refuses is tried again with the next step.
    pub fn step(&mut self, film: &FilmStep) -> Result<(), ReplayError> {
        self.executed += u64::from(film.executed);
        let kind = if film.executed { RecordKind::Step } else { RecordKind::Failed };
        let skill = film.report.skill.as_ref().map(|skill| skill.to_string());
        let words = if film.report.text.is_empty() { skill.unwrap_or_default() } else { film.report.text.clone() };
        let view = film.executed.then_some(&film.truth);
        self.append(kind, &words, &film.report.says, view, PlanPart::Step(film))
    }

    /// Adds the end and closes the recording.
    ///
    /// # Errors
    /// As [`ReplayWriter::append`].
    pub fn end(&mut self, says: &str, end: &EndNote) -> Result<(), ReplayError> {
        self.append(RecordKind::Note, "the end", says, None, PlanPart::End(end))?;
        self.writer.finish()
    }

    fn append(
        &mut self,
        kind: RecordKind,
        command: &str,
        says: &str,
        view: Option<&Rgbd>,
        plan: PlanPart<'_>,
    ) -> Result<(), ReplayError> {
        let codes = Codes::default();
        let narration = NarrationNote { text: says.to_owned(), cut: false };
        let record = NewRecord {
            kind,
            step: self.executed,
            command,
            note: None,
            pose: Pose { position_m: [0.0; 3], yaw_rad: 0.0, pitch_rad: 0.0 },
            recall: None,
            check: None,
            view: view.map(|view| (view, &codes)),
            narration: (!says.is_empty()).then_some(&narration),
            plan,
            timings: Timings::default(),
        };
        let now_secs = self.clock.now_secs();
        self.writer.append(&record, now_secs)
    }
}

/// A plan that was recorded.
pub struct RecordedPlan {
    /// The recording.
    pub replay: Replay,
    /// What stands on the table.
    pub stage: Arc<Stage>,
    /// How it stood at the beginning.
    pub first: Still,
}

impl RecordedPlan {
    /// Takes a recording for a plan. Robots are looked for where they were, then by their file names in `robots`.
    ///
    /// # Errors
    /// A recording of a walk or without a beginning; robots that are not there.
    pub fn new(replay: Replay, robots: &Path) -> Result<Self, PlanError> {
        let path = || replay.path().to_owned();
        let plan = replay.header.plan.as_ref().ok_or_else(|| PlanError::Walk(path()))?;
        let first = replay.stills(0).ok().and_then(|stills| stills.into_iter().next());
        let first = first.ok_or_else(|| PlanError::Empty(path()))?;
        let mut scene = plan.scene.clone();
        scene.check()?;
        let mut folder = PathBuf::from(&plan.robots);
        if !scene.robots.iter().all(|robot| folder.join(&robot.model).is_file()) {
            robots.clone_into(&mut folder);
            for robot in &mut scene.robots {
                let name = Path::new(&robot.model).file_name().unwrap_or_default();
                robot.model = name.to_string_lossy().into_owned();
            }
        }
        let stage = Arc::new(Stage::new(scene, &folder, &mut RobotShelf::default())?);
        let fits = first.q.len() == stage.arms.len()
            && first.things.len() == stage.scene.things.len()
            && first.q.iter().zip(&stage.arms).all(|(q, arm)| q.len() == arm.robot.dof());
        if !fits {
            return Err(PlanError::OtherRobots(path()));
        }
        Ok(Self { replay, stage, first })
    }

    /// What had to hold at the end.
    #[must_use]
    pub fn goals(&self) -> &[Goal] {
        self.replay.header.plan.as_ref().map_or(&[], |plan| &plan.goals)
    }

    /// How it ended, in words, if it did.
    #[must_use]
    pub fn end(&self) -> Option<(String, &EndNote)> {
        let step = self.replay.steps.iter().rev().find(|step| step.end.is_some())?;
        let says = step.narration.as_ref().map_or_else(String::new, |told| told.text.clone());
        step.end.as_ref().map(|end| (says, end))
    }

    /// The records of its steps.
    #[must_use]
    pub fn records(&self) -> Vec<usize> {
        let steps = self.replay.steps.iter().enumerate();
        steps.filter(|(_, step)| step.report.is_some()).map(|(record, _)| record).collect()
    }

    /// The steps from the one with number `from` (counted from 0) on.
    ///
    /// # Errors
    /// When a part of the recording is damaged.
    pub fn film(&self, from: usize) -> Result<Vec<FilmStep>, ReplayError> {
        let mut seen = self.replay.view(0)?;
        let mut film = Vec::new();
        for (number, record) in self.records().into_iter().enumerate() {
            let step = &self.replay.steps[record];
            if step.has_view() {
                seen = self.replay.view(record)?;
            }
            let Some(note) = step.report.as_ref().filter(|_| number >= from) else { continue };
            let stills = self.replay.stills(record)?;
            let stills = if stills.is_empty() { vec![self.first.clone()] } else { stills };
            film.push(FilmStep {
                report: note.report.clone(),
                executed: note.executed,
                way: FilmStep::way(&self.stage, &stills),
                stills,
                truth: seen.clone(),
                imagined: self.replay.imagined(record)?,
                before: self.replay.world(record)?,
            });
        }
        Ok(film)
    }
}

/// The steps as the plan had them, for a change. A step that a planner took back later does not count as carried out.
#[must_use]
pub fn as_they_were(film: &[FilmStep]) -> Vec<Was<'_>> {
    // Time goes on with every step that is carried out: a world that is judged in again was gone back to.
    let snapshots: Vec<&str> = film.iter().map(|step| step.report.snapshot.as_str()).collect();
    let taken_back = |at: usize| snapshots[at + 1..].iter().any(|later| snapshots[..=at].contains(later));
    let steps = film.iter().enumerate();
    steps
        .map(|(at, step)| {
            let executed = step.executed && !taken_back(at);
            Was { skill: step.report.skill.as_ref(), text: &step.report.text, executed }
        })
        .collect()
}

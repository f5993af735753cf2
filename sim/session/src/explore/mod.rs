//! A walk through an imagined world: the join of memory, model and replay.
//!
//! A session is a plain state machine: it has no thread and no clock of its own, and every call either does all of a step
//! or nothing. One step is: clip the move by what is known, recall what memory sees from the new pose, let the model draw the
//! view until it agrees with that, store it as first drawn, let the model talk about it, record everything, and only then return.
//!
//! Invariant: after every call the pose, the memory and the replay tell the same walk.

mod asked;
mod shown;
mod step;

use std::sync::Arc;

use rhea_engine::Imagine;
use rhea_memory::{About, Ground, MapFacts, Memory, PixelSet, Warper, World};
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Move, Pose};

use crate::clock::Clock;
use crate::command::Command;
use crate::error::SessionError;
use crate::event::{SessionEvent, StepControl, StepReport};
use crate::landmarks::Landmarks;
use crate::options::{Options, Setup};
use crate::recorder::Recorder;
use crate::replay::{Header, NewRecord, PlanPart, RecallNote, RecordKind, Timings, WALK_FORMAT};
use crate::start::{FirstView, Start, check_text};
use crate::wander::Wanderer;
pub use asked::REMINDER;
use step::{NewView, Told};

/// A walk in progress.
pub struct ExploreSession {
    camera: Camera,
    options: Options,
    world: String,
    /// One view for each step of the walk, view 0 the first; never empty once the session began.
    memory: Memory,
    landmarks: Landmarks,
    wanderer: Wanderer,
    warper: Warper,
    /// Who draws this world, and how it began.
    header: Header,
    /// Views drawn so far, taken back or not: the counter of the seeds.
    drawn: u64,
    recorder: Recorder,
    clock: Box<dyn Clock>,
    /// Kept from map to map, where maps are told.
    mapping: Option<Ground>,
}

impl ExploreSession {
    /// Begins a walk: makes the first view, stores and records it.
    ///
    /// # Errors
    /// When the start cannot be used, the model fails or is cancelled. A disk that refuses the replay is only a warning.
    pub fn start(
        start: &Start,
        setup: Setup,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<(Self, StepReport), SessionError> {
        let Setup { options, storage, mut clock } = setup;
        let words = start.words();
        let world = start.world();
        if !world.is_empty() {
            check_text("the sentence about the world", &world)?;
        }
        on_event(SessionEvent::StepStarted { step: 0, command: words.clone() });
        let began_secs = clock.now_secs();
        let first = FirstView::make(start, model, &options, &control.cancel)?;
        let timings = Timings { imagine_secs: clock.now_secs() - began_secs, ..Timings::default() };
        if let Some(warning) = first.warning(model.name()) {
            on_event(SessionEvent::Warning(warning));
        }
        let camera = Camera::square(model.side_px());
        let header = Header {
            rhea: env!("CARGO_PKG_VERSION").to_owned(),
            format: WALK_FORMAT,
            model: model.name().to_owned(),
            model_hash: options.model_hash.clone(),
            camera,
            seed: options.seed,
            start: words.clone(),
            world: world.clone(),
            plan: None,
        };
        let recorder = Recorder::new(storage, &header, clock.now_secs())?;
        let mut session = Self {
            camera,
            options,
            world,
            memory: Memory::new(),
            landmarks: Landmarks::default(),
            wanderer: Wanderer::default(),
            warper: Warper::default(),
            header,
            drawn: 0,
            recorder,
            clock,
            mapping: None,
        };
        let note = first.round_trip_db.map(|score| format!("round trip {score:.1} dB"));
        let own = match start {
            Start::Caption(_) => PixelSet::new(std::iter::repeat_n(true, first.imagined.view.depth_m.len())),
            _ => PixelSet::default(),
        };
        let recall = RecallNote { own, ..RecallNote::default() };
        let new = NewView {
            pose: first.pose,
            imagined: first.imagined,
            recall,
            check: None,
            motion: None,
            closing: None,
            origins: None,
            timings,
        };
        let told = Told { kind: RecordKind::Start, command: words, prompt: Move::default().command(), note };
        let report = session.take_in(new, told, model, control, on_event);
        Ok((session, report))
    }

    /// Takes a world up again where its walker stands. The replay of the new walk begins with that view.
    ///
    /// With `adopt`, a world that another model drew is taken up by its pictures alone: its codes are dropped.
    ///
    /// # Errors
    /// When the world has no view, its views have another size than the model's, or another model drew it and it is not adopted.
    pub fn resume(
        world: World,
        adopt: bool,
        setup: Setup,
        model: &mut dyn Imagine,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<(Self, StepReport), SessionError> {
        let Setup { mut options, storage, mut clock } = setup;
        let World { about, mut memory } = world;
        let side = model.side_px();
        let (width, height) = (about.camera.width, about.camera.height);
        let latest = memory.latest().filter(|view| (view.rgbd.width, view.rgbd.height) == (side, side));
        let Some(latest) = latest.filter(|_| (width, height) == (side, side)).cloned() else {
            return Err(SessionError::View { width, height, codes: 0, side });
        };
        let same_weights =
            about.model_hash.is_none() || options.model_hash.is_none() || about.model_hash == options.model_hash;
        if (about.model != model.name() || !same_weights) && !adopt {
            let named = |name: &str, hash: &Option<String>| {
                hash.as_ref().map_or_else(|| name.to_owned(), |h| format!("{name} {h}"))
            };
            let theirs = named(&about.model, &about.model_hash);
            return Err(SessionError::OtherModel { theirs, ours: named(model.name(), &options.model_hash) });
        }
        if about.model != model.name() || !same_weights {
            memory.drop_codes();
        }
        options.seed = about.seed;
        let header = Header {
            rhea: env!("CARGO_PKG_VERSION").to_owned(),
            format: WALK_FORMAT,
            model: model.name().to_owned(),
            model_hash: options.model_hash.clone(),
            camera: about.camera,
            seed: about.seed,
            start: about.start,
            world: about.world.clone(),
            plan: None,
        };
        let recorder = Recorder::new(storage, &header, clock.now_secs())?;
        let mut session = Self {
            camera: about.camera,
            options,
            world: about.world,
            landmarks: Landmarks::of(&memory),
            memory,
            wanderer: Wanderer::default(),
            warper: Warper::default(),
            header,
            drawn: about.drawn,
            recorder,
            clock,
            mapping: None,
        };
        let report = session.taken_up(&latest, on_event);
        Ok((session, report))
    }

    /// All that is remembered, to be saved as a file.
    #[must_use]
    pub fn to_world(&self) -> World {
        let Header { rhea, model, model_hash, camera, seed, start, world, .. } = self.header.clone();
        let about = About { rhea, model, model_hash, camera, start, world, seed, drawn: self.drawn };
        World { about, memory: self.memory.clone() }
    }

    /// The map of all that is remembered; `ground` is kept by the caller from map to map and brought up to date here.
    #[must_use]
    pub fn map(&self, ground: &mut Ground) -> MapFacts {
        ground.update(&self.memory);
        MapFacts::of(&self.memory, ground, self.landmarks.on_the_map())
    }

    /// Tells the map now, and from now on after everything that changes it.
    pub fn tell_maps(&mut self, on_event: &mut dyn FnMut(SessionEvent)) {
        self.mapping = Some(Ground::default());
        self.tell_map(on_event);
    }

    fn tell_map(&mut self, on_event: &mut dyn FnMut(SessionEvent)) {
        if let Some(mut ground) = self.mapping.take() {
            on_event(SessionEvent::Mapped(Arc::new(self.map(&mut ground))));
            self.mapping = Some(ground);
        }
    }

    /// The things with names that are remembered, and where they stand.
    #[must_use]
    pub fn landmarks(&self) -> &Landmarks {
        &self.landmarks
    }

    /// Does one command. A command of several steps ("go to the red door", "explore 10 steps") does and records each of them by
    /// itself, and reports the last.
    ///
    /// `control.cancel` drops the step while its view is being drawn; once the view is there the step stays, and cancelling
    /// or hushing only cuts its narration.
    ///
    /// # Errors
    /// When the command is not understood (the message lists what is allowed), there is nothing to undo, the model fails, or
    /// the step is cancelled. After any error the session is where it was.
    pub fn step(
        &mut self,
        command: Command,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<StepReport, SessionError> {
        match command.resolve()? {
            Command::Move(step) => self.walk(&step, model, control, on_event),
            Command::Undo | Command::Text(_) => self.undo(on_event),
            Command::GoTo(name) => self.go_to(&name, model, control, on_event),
            Command::Return(step) => self.go_back_to(step, model, control, on_event),
            Command::WhereIs(name) => self.where_is(&name, on_event),
            Command::Pin(pinned) => self.pin(pinned, on_event),
            Command::Forget => Ok(self.forget(on_event)),
            Command::Edit(name) => self.edit(&name, model, control, on_event),
            Command::Explore(steps) => self.explore(steps, model, control, on_event),
        }
    }

    /// Writes the end of the replay. A session that is dropped does the same, but cannot say whether it worked.
    ///
    /// # Errors
    /// When the disk refuses; the steps that were recorded are safe.
    pub fn finish(&mut self) -> Result<(), SessionError> {
        Ok(self.recorder.finish()?)
    }

    /// Where the walker is.
    #[must_use]
    pub fn pose(&self) -> Pose {
        let nowhere = Pose { position_m: [0.0; 3], yaw_rad: 0.0, pitch_rad: 0.0 };
        self.memory.latest().map_or(nowhere, |view| view.pose)
    }

    /// Number of the current view: 0 for the first.
    #[must_use]
    pub fn step_number(&self) -> u64 {
        self.memory.len().saturating_sub(1) as u64
    }

    /// The current view.
    #[must_use]
    pub fn view(&self) -> Option<&Arc<Rgbd>> {
        self.memory.latest().map(|view| &view.rgbd)
    }

    /// The sentence about the world; empty when there is none.
    #[must_use]
    pub fn world(&self) -> &str {
        &self.world
    }

    /// The camera of all views.
    #[must_use]
    pub fn camera(&self) -> Camera {
        self.camera
    }

    /// All that is remembered: the walk's views with their poses, oldest first.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The time on the session's clock, seconds since the Unix epoch.
    pub fn now_secs(&mut self) -> f64 {
        self.clock.now_secs()
    }

    /// Switches narration on or off for the steps to come.
    pub fn set_narrate(&mut self, narrate: bool) {
        self.options.narrate = narrate;
    }

    /// Records something that drew no view.
    fn note(
        &mut self,
        kind: RecordKind,
        command: &str,
        note: Option<&str>,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> bool {
        let record = NewRecord {
            kind,
            step: self.step_number(),
            command,
            note,
            pose: self.pose(),
            recall: None,
            check: None,
            view: None,
            narration: None,
            plan: PlanPart::None,
            timings: Timings::default(),
        };
        let recorded = self.recorder.append(&record, self.clock.now_secs(), on_event);
        self.tell_map(on_event);
        recorded
    }

    /// The report of a step that drew no view.
    fn still(&self, command: String, recorded: bool) -> StepReport {
        StepReport {
            step: self.step_number(),
            command,
            pose: self.pose(),
            clip: None,
            recall: None,
            narration: None,
            timings: Timings::default(),
            recorded,
        }
    }

    /// The seed of the view that is being drawn. An undo does not turn the counter back: drawing again gives another view.
    fn seed(&self) -> u64 {
        self.options.seed.wrapping_add(self.drawn)
    }
}

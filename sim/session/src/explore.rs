//! A walk through an imagined world: the join of memory, model and replay.
//!
//! A session is a plain state machine: it has no thread and no clock of its own, and every call either does all of a step
//! or nothing. One step is: clip the move by what is known, recall what memory sees from the new pose, let the model draw the
//! view, store it as first drawn, let the model talk about it, record everything, and only then return.
//!
//! Invariant: after every call the pose, the memory and the replay tell the same walk.

use std::sync::Arc;

use rhea_engine::{Imagine, Imagined, NarrationRequest, ViewRequest, ViewTask};
use rhea_memory::{Memory, View, Warper};
use rhea_picture::{Rgbd, psnr};
use rhea_scene::{Camera, Move, Pose};

use crate::clip::clip;
use crate::clock::Clock;
use crate::command::Command;
use crate::error::SessionError;
use crate::event::{SessionEvent, StepControl, StepReport, Verdict, ViewReady};
use crate::narrate::narrate;
use crate::options::{Options, Setup};
use crate::recorder::Recorder;
use crate::replay::{Codes, FORMAT_VERSION, Header, NewRecord, RecallNote, RecordKind, Timings};
use crate::start::{FirstView, Start, check_size, check_text, decibels};

/// A walk in progress.
pub struct ExploreSession {
    camera: Camera,
    options: Options,
    world: String,
    /// One view for each step of the walk, view 0 the first; never empty once the session began.
    memory: Memory,
    warper: Warper,
    /// Views drawn so far, taken back or not: the counter of the seeds.
    drawn: u64,
    recorder: Recorder,
    clock: Box<dyn Clock>,
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
            format: FORMAT_VERSION,
            model: model.name().to_owned(),
            model_hash: options.model_hash.clone(),
            camera,
            seed: options.seed,
            start: words.clone(),
            world: world.clone(),
        };
        let recorder = Recorder::new(storage, &header, clock.now_secs())?;
        let mut session = Self {
            camera,
            options,
            world,
            memory: Memory::new(),
            warper: Warper::default(),
            drawn: 0,
            recorder,
            clock,
        };
        let note = first.round_trip_db.map(|score| format!("round trip {score:.1} dB"));
        let new = NewView { pose: first.pose, imagined: first.imagined, recall: RecallNote::default(), timings };
        let told = Told { kind: RecordKind::Start, command: words, prompt: Move::default().command(), note };
        let report = session.take_in(new, told, model, control, on_event);
        Ok((session, report))
    }

    /// Does one command.
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

    fn walk(
        &mut self,
        asked: &Move,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<StepReport, SessionError> {
        let began_secs = self.clock.now_secs();
        let from = self.pose();
        let clipped = clip(&self.memory, &mut self.warper, &self.camera, &from, asked);
        let command = clipped.step.command();
        on_event(SessionEvent::StepStarted { step: self.step_number() + 1, command: command.clone() });
        let note = clipped.clip.map(|clip| {
            on_event(SessionEvent::Clipped(clip));
            format!("clipped from {:.2} m to {:.2} m", clip.asked_m, clip.walked_m)
        });
        if clipped.clip.is_some() && clipped.step == Move::default() {
            let recorded = self.note(RecordKind::Blocked, &asked.command(), note.as_deref(), on_event);
            return Ok(StepReport { clip: clipped.clip, ..self.still(asked.command(), recorded) });
        }
        let pose = from.apply(&clipped.step);
        let recall = self.memory.recall_with(&mut self.warper, &self.camera, &pose, self.options.recall_views);
        let recalled_secs = self.clock.now_secs();

        let request = ViewRequest {
            task: ViewTask::Explore,
            world: self.world.clone(),
            prompt: command.clone(),
            decoding: self.options.decoding_for(model.canvas_form(), recall.warp.coverage()),
            picture: self.options.picture,
            guidance: self.options.guidance,
            seed: self.seed(),
            memory: Some(recall.warp),
        };
        let drawn = model.imagine(&request, &control.cancel).map_err(SessionError::from);
        let imagined = match drawn.and_then(|imagined| check_size(&imagined, self.camera.width).map(|()| imagined)) {
            Ok(imagined) => imagined,
            Err(error) => {
                let kind = match error {
                    SessionError::Cancelled => RecordKind::Cancelled,
                    _ => RecordKind::Failed,
                };
                self.note(kind, &command, Some(&error.to_string()), on_event);
                return Err(error);
            }
        };
        let imagined_secs = self.clock.now_secs();
        let agreement = request.memory.as_ref().and_then(|warp| agreement_db(&imagined.view, &warp.view, &warp.valid));
        let new = NewView {
            pose,
            recall: RecallNote {
                sources: recall.used.iter().map(|index| *index as u64).collect(),
                coverage: request.memory.as_ref().map_or(0.0, rhea_picture::Warp::coverage),
                lineage: recall.lineage,
                agreement_db: agreement,
            },
            imagined,
            timings: Timings {
                recall_secs: recalled_secs - began_secs,
                imagine_secs: imagined_secs - recalled_secs,
                narrate_secs: 0.0,
            },
        };
        let told = Told { kind: RecordKind::Step, prompt: command.clone(), command, note };
        let report = self.take_in(new, told, model, control, on_event);
        Ok(StepReport { clip: clipped.clip, ..report })
    }

    /// Stores, shows, tells and records a view that was drawn. Nothing in here can fail any more.
    fn take_in(
        &mut self,
        new: NewView,
        told: Told,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> StepReport {
        let NewView { pose, imagined, recall, mut timings } = new;
        let Imagined { view, codes, rows, cols, .. } = imagined;
        let codes = Codes { rows, cols, codes };
        let view = Arc::new(view);
        let step = self.memory.len() as u64;
        on_event(SessionEvent::ViewReady(Box::new(ViewReady {
            step,
            pose,
            view: Arc::clone(&view),
            verdict: Verdict::of(&recall),
            recall: recall.clone(),
            timings,
        })));
        let narration = self.options.narrate.then(|| {
            let began_secs = self.clock.now_secs();
            let request = NarrationRequest {
                world: self.world.clone(),
                prompt: told.prompt,
                codes: codes.codes.clone(),
                text: self.options.text,
                seed: self.seed(),
            };
            let note = narrate(&request, self.options.least_sure, model, control, on_event);
            timings.narrate_secs = self.clock.now_secs() - began_secs;
            note
        });
        let record = NewRecord {
            kind: told.kind,
            step,
            command: &told.command,
            note: told.note.as_deref(),
            pose,
            recall: Some(&recall),
            view: Some((&view, &codes)),
            narration: narration.as_ref(),
            timings,
        };
        let recorded = self.recorder.append(&record, self.clock.now_secs(), on_event);
        self.memory.insert(View {
            rgbd: view,
            pose,
            codes: codes.codes,
            step: u32::try_from(step).unwrap_or(u32::MAX),
            lineage: recall.lineage,
            narration: narration.as_ref().map_or_else(String::new, |note| note.text.clone()),
        });
        self.drawn += 1;
        StepReport { step, command: told.command, pose, clip: None, recall: Some(recall), narration, timings, recorded }
    }

    fn undo(&mut self, on_event: &mut dyn FnMut(SessionEvent)) -> Result<StepReport, SessionError> {
        if self.memory.len() < 2 {
            return Err(SessionError::NothingToUndo);
        }
        self.memory.undo();
        if let Some(view) = self.view().map(Arc::clone) {
            on_event(SessionEvent::Undone { step: self.step_number(), pose: self.pose(), view });
        }
        let command = Command::Undo.to_string();
        let recorded = self.note(RecordKind::Undo, &command, None, on_event);
        Ok(self.still(command, recorded))
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
            view: None,
            narration: None,
            timings: Timings::default(),
        };
        self.recorder.append(&record, self.clock.now_secs(), on_event)
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

/// A view that was drawn and what is known about it.
struct NewView {
    pose: Pose,
    imagined: Imagined,
    recall: RecallNote,
    timings: Timings,
}

/// What a record says about a view.
struct Told {
    kind: RecordKind,
    command: String,
    /// The command as the model reads it for the narration.
    prompt: String,
    note: Option<String>,
}

/// PSNR where memory knows, when it knows anything.
fn agreement_db(view: &Rgbd, memory: &Rgbd, valid: &[bool]) -> Option<f32> {
    psnr(view, memory, Some(valid)).ok().map(decibels)
}

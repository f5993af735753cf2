//! One step: recall, draw until it agrees, store, talk, record.

use std::sync::Arc;

use rhea_engine::{Imagine, Imagined, NarrationRequest, ViewRequest, ViewTask};
use rhea_memory::{Insight, PlanMotion, Policy, Region, Spread, Travel, Verdict, View, pictures};
use rhea_scene::{Move, Pose};

use super::ExploreSession;
use super::shown::{Executed, Showing};
use crate::check::draw_checked;
use crate::clip::{Clipped, clip};
use crate::command::Command;
use crate::error::SessionError;
use crate::event::{Origins, SessionEvent, StepControl, StepReport, ViewReady};
use crate::narrate::{Telling, narrate};
use crate::replay::{CheckNote, Codes, NewRecord, PlanPart, RecallNote, RecordKind, Timings};

/// A view that was drawn and what is known about it.
pub(super) struct NewView {
    pub(super) pose: Pose,
    pub(super) imagined: Imagined,
    pub(super) recall: RecallNote,
    pub(super) check: Option<CheckNote>,
    pub(super) motion: Option<Travel>,
    /// Where it stands seen from an older view, as the pictures say.
    pub(super) closing: Option<(usize, PlanMotion, Spread)>,
    /// Which earlier view each pixel was recalled from.
    pub(super) origins: Option<Arc<Origins>>,
    pub(super) timings: Timings,
}

/// What a record says about a view.
pub(super) struct Told {
    pub(super) kind: RecordKind,
    pub(super) command: String,
    /// The command as the model reads it for the narration.
    pub(super) prompt: String,
    pub(super) note: Option<String>,
}

/// A view that is to be drawn.
pub(super) struct Plan {
    pub(super) pose: Pose,
    /// The command, as the walker gave it.
    pub(super) command: String,
    /// The way there as a move: what the model reads.
    pub(super) step: Move,
    pub(super) note: Option<String>,
    /// A part of the world that looks different from now on.
    pub(super) edit: Option<Region>,
    /// When the step began, seconds.
    pub(super) began_secs: f64,
}

impl ExploreSession {
    pub(super) fn walk(
        &mut self,
        asked: &Move,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<StepReport, SessionError> {
        let began_secs = self.clock.now_secs();
        let from = self.pose();
        let clipped = match self.options.clip_moves {
            true => clip(&self.memory, &mut self.warper, &self.camera, &from, asked),
            false => Clipped { step: *asked, clip: None },
        };
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
        let plan = Plan { pose, command, step: clipped.step, note, edit: None, began_secs };
        let report = self.draw(plan, model, control, on_event)?;
        Ok(StepReport { clip: clipped.clip, ..report })
    }

    /// Draws the view of a plan and takes it in.
    pub(super) fn draw(
        &mut self,
        plan: Plan,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<StepReport, SessionError> {
        let Plan { pose, command, step, note, edit, began_secs } = plan;
        let policy = self.options.policy.unwrap_or(match self.options.recall_views {
            1 => Policy::Last(1),
            views => Policy::Graph(views),
        });
        let showing = model.reads_views().map(|room| self.showing(&pose, room));
        let (recall, shown, turned_from) = match showing {
            Some(Showing { recall, shown, turned_from }) => (recall, Some(shown), turned_from),
            None => (self.memory.recall_by(policy, &mut self.warper, &self.camera, &pose), None, None),
        };
        let reads_views = shown.is_some();
        let recalled_secs = self.clock.now_secs();
        let prompt = step.command();
        let coverage = recall.warp.coverage();
        let request = ViewRequest {
            task: ViewTask::Explore,
            world: self.world.clone(),
            prompt: prompt.clone(),
            decoding: self.options.decoding_for(model.canvas_form(), coverage),
            picture: self.options.picture,
            guidance: self.options.guidance,
            shown,
            seed: self.seed(),
            memory: None,
        };
        let mut note_on_recall = RecallNote {
            sources: recall.used.iter().map(|index| *index as u64).collect(),
            coverage,
            lineage: recall.lineage,
            agreement_db: None,
            own: recall.own.clone(),
        };
        let origins = Some(Arc::new(Origins::of(&recall)));
        let place = (&self.camera, &pose);
        let checked = draw_checked(request, recall, place, &self.options.rules, model, &control.cancel);
        model.mended().into_iter().for_each(|told| on_event(SessionEvent::Warning(told)));
        let checked = match checked {
            Ok(checked) => checked,
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
        let mut check = checked.note;
        let ball = |region: Region| {
            let [x, y, z] = region.centre_m;
            [x, y, z, region.radius_m]
        };
        check.reopened_m = check.reopened_m.or(edit.map(ball));
        if check.verdict == Verdict::Reopened {
            let told = "the drawings agree with each other and not with memory: a new epoch begins here".to_owned();
            on_event(SessionEvent::Warning(told));
        }
        note_on_recall.agreement_db = checked.agreement_db;
        let exact = Executed { pose, travel: Travel { commanded: step, measured: None }, closing: None };
        let Executed { pose, travel, closing } = match reads_views {
            true => self.executed(&checked.imagined.view, &step, pose, turned_from),
            false => exact,
        };
        let new = NewView {
            pose,
            closing,
            origins,
            recall: note_on_recall,
            check: Some(check),
            motion: Some(travel),
            imagined: checked.imagined,
            timings: Timings {
                recall_secs: recalled_secs - began_secs,
                imagine_secs: imagined_secs - recalled_secs,
                narrate_secs: 0.0,
            },
        };
        let told = Told { kind: RecordKind::Step, prompt, command, note };
        Ok(self.take_in(new, told, model, control, on_event))
    }

    /// Stores, shows, tells and records a view that was drawn. Nothing in here can fail any more.
    pub(super) fn take_in(
        &mut self,
        new: NewView,
        told: Told,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> StepReport {
        let NewView { pose, imagined, recall, check, motion, closing, origins, mut timings } = new;
        let Imagined { mut view, codes, rows, cols, .. } = imagined;
        // As a file holds it, so that a walk from a file goes on as if it had never stopped.
        pictures::round_depth(&mut view);
        let codes = Codes { rows, cols, codes };
        let view = Arc::new(view);
        let step = self.memory.len() as u64;
        let verdict = check.as_ref().map_or_else(|| Verdict::of(recall.coverage, recall.agreement_db), |c| c.verdict);
        on_event(SessionEvent::ViewReady(Box::new(ViewReady {
            step,
            pose,
            view: Arc::clone(&view),
            verdict,
            recall: recall.clone(),
            origins,
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
            let reminder = if self.options.recount { self.reminder(&pose) } else { None };
            let telling = Telling { least: self.options.least_sure, view: &view, reminder };
            let note = narrate(&request, &telling, model, control, on_event);
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
            check: check.as_ref(),
            view: Some((&view, &codes)),
            narration: narration.as_ref(),
            plan: PlanPart::None,
            timings,
        };
        let recorded = self.recorder.append(&record, self.clock.now_secs(), on_event);
        let narrated = narration.as_ref().map_or_else(String::new, |note| note.text.clone());
        self.landmarks.see(self.memory.len(), &narrated, &view, &pose);
        if let Some([x, y, z, radius_m]) = check.as_ref().and_then(|check| check.reopened_m) {
            // Finite and small: both ways to get here make sure of it.
            self.memory.edit(Region { centre_m: [x, y, z], radius_m }).ok();
        }
        let insight = Insight {
            verdict,
            sources: recall.sources.iter().filter_map(|i| usize::try_from(*i).ok()).collect(),
            fresh_share: check.as_ref().map_or(1.0, |check| check.fresh_share),
            own: recall.own.clone(),
            motion,
        };
        let step_number = u32::try_from(step).unwrap_or(u32::MAX);
        let lineage = recall.lineage;
        let stored = View { rgbd: view, pose, codes: codes.codes, step: step_number, lineage, narration: narrated };
        self.memory.add(stored, &insight);
        if matches!(verdict, Verdict::Revisited | Verdict::Repaired) {
            self.close_loop(closing);
        }
        self.drawn += 1;
        self.tell_map(on_event);
        StepReport { step, command: told.command, pose, clip: None, recall: Some(recall), narration, timings, recorded }
    }

    /// Links a revisit to the older view. Where the pictures say how they stand to each other, all poses give way a little.
    fn close_loop(&mut self, measured: Option<(usize, PlanMotion, Spread)>) {
        let closed = self.memory.close_loop(measured).is_some();
        if closed && measured.is_some() {
            self.memory.relax();
        }
    }

    /// Shows and records the view at which a world is taken up again.
    pub(super) fn taken_up(&mut self, latest: &View, on_event: &mut dyn FnMut(SessionEvent)) -> StepReport {
        let step = self.step_number();
        let command = format!("taken up at step {step}: {}", self.header.start);
        on_event(SessionEvent::StepStarted { step, command: command.clone() });
        let recall = RecallNote { lineage: latest.lineage, ..RecallNote::default() };
        on_event(SessionEvent::ViewReady(Box::new(ViewReady {
            step,
            pose: latest.pose,
            view: Arc::clone(&latest.rgbd),
            verdict: Verdict::Revisited,
            recall: recall.clone(),
            origins: None,
            timings: Timings::default(),
        })));
        let codes = Codes { rows: 1, cols: latest.codes.len(), codes: latest.codes.clone() };
        let record = NewRecord {
            kind: RecordKind::Start,
            step,
            command: &command,
            note: Some("the views before are in the world file"),
            pose: latest.pose,
            recall: Some(&recall),
            check: None,
            view: Some((&latest.rgbd, &codes)),
            narration: None,
            plan: PlanPart::None,
            timings: Timings::default(),
        };
        let recorded = self.recorder.append(&record, self.clock.now_secs(), on_event);
        let timings = Timings::default();
        StepReport { step, command, pose: latest.pose, clip: None, recall: None, narration: None, timings, recorded }
    }

    pub(super) fn undo(&mut self, on_event: &mut dyn FnMut(SessionEvent)) -> Result<StepReport, SessionError> {
        if self.memory.len() < 2 {
            return Err(SessionError::NothingToUndo);
        }
        self.memory.undo();
        self.landmarks.cut(self.memory.len());
        if let Some(view) = self.view().map(Arc::clone) {
            on_event(SessionEvent::Undone { step: self.step_number(), pose: self.pose(), view });
        }
        let command = Command::Undo.to_string();
        let recorded = self.note(RecordKind::Undo, &command, None, on_event);
        Ok(self.still(command, recorded))
    }
}

//! What memory is asked and told: where things are, going to them, pinning, forgetting, edits, walking by itself.

use rhea_engine::Imagine;
use rhea_memory::{Place, PlanMotion, Region};
use rhea_scene::{Move, Pose};

use super::ExploreSession;
use super::step::Plan;
use crate::error::SessionError;
use crate::event::{SessionEvent, StepControl, StepReport};
use crate::landmarks::{FIRM_SIGHTINGS, Landmark, Whereabouts};
use crate::replay::{NarrationNote, RecordKind};

/// Steps of going to a thing at most.
const MOST_STEPS: usize = 40;
/// A thing is reached at this distance, metres.
const REACHED_M: f32 = 1.0;
/// A step on the way, metres.
const STEP_M: f32 = 0.5;
/// A turn on the way, degrees.
const TURN_DEG: f32 = 30.0;
/// Headings off by less than this are good enough, degrees.
const FACING_DEG: f32 = 8.0;
/// An edit without a name changes a ball of this radius in the middle of the view, metres.
const EDIT_RADIUS_M: f32 = 0.6;
/// An edit of a thing changes a ball of this radius around it, metres.
const THING_RADIUS_M: f32 = 0.9;
/// A thing is worth a reminder when it was last named at least so many steps ago.
const REMIND_AFTER: usize = 4;
/// Landmarks are listed up to this many when a name is not known.
const LISTED: usize = 8;

type Outcome = Result<StepReport, SessionError>;

impl ExploreSession {
    pub(super) fn where_is(&mut self, name: &str, on_event: &mut dyn FnMut(SessionEvent)) -> Outcome {
        let thing = self.landmark(name)?;
        let there = Whereabouts::of(thing.position_m, &self.pose());
        let seen = thing.views.last().copied().unwrap_or(0);
        let text = format!(
            "The {} is {}, {:.1} m away, seen at step {seen}.",
            thing.phrase(),
            there.words(),
            there.distance_m
        );
        let note = NarrationNote { text: text.clone(), cut: false };
        on_event(SessionEvent::NarrationText(text));
        on_event(SessionEvent::NarrationDone(note.clone()));
        let command = format!("where is the {name}");
        let recorded = self.note(RecordKind::Note, &command, Some(&note.text), on_event);
        Ok(StepReport { narration: Some(note), ..self.still(command, recorded) })
    }

    pub(super) fn go_to(
        &mut self,
        name: &str,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Outcome {
        let target = self.landmark(name)?.position_m;
        let mut last: Option<StepReport> = None;
        for _ in 0..MOST_STEPS {
            let Some(step) = way_to(&self.pose(), target) else { break };
            let report = match self.walk(&step, model, control, on_event) {
                Err(SessionError::Cancelled) if last.is_some() => break,
                outcome => outcome?,
            };
            let stuck = report.clip.is_some_and(|clip| clip.walked_m < 0.1);
            last = Some(report);
            if stuck {
                break;
            }
        }
        let command = format!("go to the {name}");
        Ok(match last {
            Some(report) => StepReport { command, ..report },
            None => {
                let recorded = self.note(RecordKind::Note, &command, Some("already there"), on_event);
                self.still(command, recorded)
            }
        })
    }

    /// Stands at an earlier step's pose again; the view is drawn anew and checked like any other.
    pub(super) fn go_back_to(
        &mut self,
        step: u64,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Outcome {
        let last = self.step_number();
        let index = usize::try_from(step).unwrap_or(usize::MAX);
        let Some(pose) = self.memory.views().get(index).map(|view| view.pose) else {
            return Err(SessionError::NoStep { step, last });
        };
        let command = format!("go back to step {step}");
        on_event(SessionEvent::StepStarted { step: last + 1, command: command.clone() });
        let began_secs = self.clock.now_secs();
        let plan = Plan { pose, step: way(&self.pose(), &pose), command, note: None, edit: None, began_secs };
        self.draw(plan, model, control, on_event)
    }

    pub(super) fn pin(&mut self, pinned: bool, on_event: &mut dyn FnMut(SessionEvent)) -> Outcome {
        let latest = self.memory.len().saturating_sub(1);
        self.memory.pin(latest, pinned)?;
        let command = if pinned { "pin" } else { "unpin" };
        let recorded = self.note(RecordKind::Note, command, None, on_event);
        Ok(self.still(command.to_owned(), recorded))
    }

    pub(super) fn forget(&mut self, on_event: &mut dyn FnMut(SessionEvent)) -> StepReport {
        let forgotten = self.memory.forget_place(&Place::of(&self.pose()));
        let note = format!("{forgotten} views forgotten");
        let recorded = self.note(RecordKind::Note, "forget this place", Some(&note), on_event);
        self.still("forget this place".to_owned(), recorded)
    }

    /// Opens a new epoch around a thing, or in the middle of the view, and draws the view anew.
    pub(super) fn edit(
        &mut self,
        name: &str,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Outcome {
        let (region, command) = if name.is_empty() {
            (self.middle_of_the_view(), "edit".to_owned())
        } else {
            let centre_m = self.landmark(name)?.position_m;
            (Region { centre_m, radius_m: THING_RADIUS_M }, format!("edit the {name}"))
        };
        self.edit_region(region, command, model, control, on_event)
    }

    /// Opens a new epoch in a region and draws the current view anew. When that fails or is cancelled, there is no edit either.
    ///
    /// # Errors
    /// When the region is impossible, or as [`ExploreSession::step`].
    pub fn edit_region(
        &mut self,
        region: Region,
        command: String,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Outcome {
        on_event(SessionEvent::StepStarted { step: self.step_number() + 1, command: command.clone() });
        let began_secs = self.clock.now_secs();
        let before = self.memory.edits().len();
        self.memory.edit(region)?;
        let plan =
            Plan { pose: self.pose(), step: Move::default(), command, note: None, edit: Some(region), began_secs };
        let outcome = self.draw(plan, model, control, on_event);
        // The edit was needed for the drawing; storing the view made it again, together with the view.
        self.memory.drop_edit(before);
        outcome
    }

    pub(super) fn explore(
        &mut self,
        steps: u32,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Outcome {
        let mut last: Option<StepReport> = None;
        for _ in 0..steps {
            let pose = self.pose();
            let (step, _) = self.wanderer.next(&self.memory, &mut self.warper, &self.camera, &pose);
            match self.walk(&step, model, control, on_event) {
                Err(SessionError::Cancelled) if last.is_some() => break,
                outcome => last = Some(outcome?),
            }
        }
        let command = format!("explore {steps} steps");
        Ok(last.unwrap_or_else(|| self.still(command, false)))
    }

    /// A sentence about a thing that is not in view, for the end of a narration.
    pub(super) fn reminder(&self, pose: &Pose) -> Option<String> {
        let now = self.memory.len();
        let out_of_view = |thing: &Landmark| {
            let there = Whereabouts::of(thing.position_m, pose);
            there.angle_rad.abs() > 0.7 * std::f32::consts::FRAC_PI_2 && there.distance_m > 0.5
        };
        let due = |thing: &Landmark| {
            thing.views.len() >= FIRM_SIGHTINGS && thing.views.last().is_some_and(|view| view + REMIND_AFTER <= now)
        };
        let mut things = self.landmarks.all();
        things.retain(|thing| due(thing) && out_of_view(thing));
        // Take turns, so that not the same thing is told at every step.
        let thing = things.get(now % things.len().max(1))?;
        let there = Whereabouts::of(thing.position_m, pose);
        let seen = thing.views.last().copied().unwrap_or(0);
        Some(format!("{REMINDER}the {} is {}, seen at step {seen}.", thing.phrase(), there.short()))
    }

    fn landmark(&self, name: &str) -> Result<Landmark, SessionError> {
        self.landmarks.find(name).ok_or_else(|| {
            let known: Vec<String> = self.landmarks.all().iter().take(LISTED).map(Landmark::phrase).collect();
            let known = if known.is_empty() { "nothing by name yet".to_owned() } else { known.join(", ") };
            SessionError::Unknown { name: name.to_owned(), known }
        })
    }

    /// A ball around what the middle of the view shows.
    fn middle_of_the_view(&self) -> Region {
        let pose = self.pose();
        let depth_m =
            self.view().and_then(|view| view.depth_m.get(view.height / 2 * view.width + view.width / 2).copied());
        let depth_m = depth_m.unwrap_or(1.0).min(20.0);
        let forward = pose.forward();
        let centre_m = std::array::from_fn(|k| pose.position_m[k] + forward[k] * depth_m);
        Region { centre_m, radius_m: EDIT_RADIUS_M }
    }
}

/// How reminders begin; what follows is no sighting.
pub const REMINDER: &str = "Remember: ";

/// The move that leads from one pose to another in one step.
fn way(from: &Pose, to: &Pose) -> Move {
    let turn_rad = PlanMotion::between(from, to).turn_rad;
    let turned = Pose { yaw_rad: to.yaw_rad, ..*from };
    let way = PlanMotion::between(&turned, to);
    Move { forward_m: way.ahead_m, right_m: way.right_m, turn_rad, look_rad: to.pitch_rad - from.pitch_rad }
}

/// The next step towards a point; `None` when it is reached and faced.
fn way_to(pose: &Pose, target_m: [f32; 3]) -> Option<Move> {
    let there = Whereabouts::of(target_m, pose);
    let turn_deg = there.angle_rad.to_degrees().clamp(-TURN_DEG, TURN_DEG).round();
    let off = there.angle_rad.to_degrees().abs();
    let left_m = there.distance_m - REACHED_M;
    let step = match (off > TURN_DEG, left_m > 0.05) {
        (true, _) => Move::turn_deg(turn_deg),
        (false, true) => Move { forward_m: (left_m.min(STEP_M) * 100.0).round() / 100.0, ..Move::turn_deg(turn_deg) },
        (false, false) if off > FACING_DEG => Move::turn_deg(turn_deg),
        (false, false) => return None,
    };
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_small_steps_reaches_and_faces_its_thing() {
        let target = [3.0, 0.5, 2.0];
        let mut pose = Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 1.0, pitch_rad: 0.0 };
        let mut steps = 0;
        while let Some(step) = way_to(&pose, target) {
            pose = pose.apply(&step);
            steps += 1;
            assert!(steps < 30);
        }
        let there = Whereabouts::of(target, &pose);
        assert!((there.distance_m - REACHED_M).abs() < 0.1 && there.angle_rad.abs() < 0.15, "{there:?}");
    }

    #[test]
    fn one_move_leads_from_any_pose_to_any_other() {
        let from = Pose { position_m: [1.0, 1.5, -2.0], yaw_rad: 2.5, pitch_rad: 0.1 };
        let to = Pose { position_m: [-1.0, 1.5, 0.5], yaw_rad: -2.0, pitch_rad: -0.2 };
        let there = from.apply(&way(&from, &to));
        let apart: f32 = (0..3).map(|k| (there.position_m[k] - to.position_m[k]).abs()).sum();
        assert!(
            apart < 1e-4 && (there.yaw_rad - to.yaw_rad).abs() < 1e-5 && (there.pitch_rad - to.pitch_rad).abs() < 1e-6
        );
    }
}

//! Stage E: time, progress, what has to be kept, and the goal.

use super::thresholds::HAND_AWAY_M;
use super::{Check, Code, Course, Step, Verdict};
use crate::math::PI;
use crate::motion::{Motion, REST_SECS, largest_tilt};
use crate::skill::Skill;
use crate::symbolic::Symbols;
use crate::world::World;
use crate::world::facts::Goal;

pub(super) fn check(
    world: &World,
    step: &Step,
    skill: &Skill,
    motion: &Motion,
    course: &Course,
    checks: &mut Vec<Check>,
) {
    checks.push(match step.duration_secs {
        None => Check::unknown(Code::Time, "no duration was given"),
        Some(secs) => Check::at_least(Code::Time, secs, "s", motion.duration_secs().max(1e-3)).warn_free(),
    });
    checks.push(progress(world, skill, course));
    checks.extend(keep(world, skill, motion));
    if course.goals.is_empty() {
        checks.push(Check::unknown(Code::Goal, "no goal was given"));
    }
}

impl Check {
    /// A bound that is meant to be met exactly: no warning for being close to it.
    fn warn_free(mut self) -> Self {
        if self.verdict == Verdict::Warn {
            self.verdict = Verdict::Pass;
        }
        self
    }
}

/// A step must not lead back to where the plan was before, and should not undo a goal.
fn progress(world: &World, skill: &Skill, course: &Course) -> Check {
    let stage = &world.stage;
    let now = Symbols::of(world);
    let next = now.after(stage, skill);
    if let Some(earlier) = course.earlier.iter().rev().position(|e| *e == next) {
        let note = format!("leads back to the state of {} steps before", earlier + 1);
        return Check::truth(Code::Progress, false).note(note);
    }
    let undone = course.goals.iter().find(|g| now.holds(stage, g) == Some(true) && next.holds(stage, g) == Some(false));
    match undone {
        Some(goal) => {
            let mut check = Check::truth(Code::Progress, true).note(format!("undoes a goal: {goal}"));
            check.verdict = Verdict::Warn;
            check.margin = 0.0;
            check
        }
        None => Check::truth(Code::Progress, true),
    }
}

/// Vessels stay upright while they are carried, except while they are poured out.
fn keep(world: &World, skill: &Skill, motion: &Motion) -> Option<Check> {
    let pours = matches!(skill, Skill::Pour { .. });
    let kept = motion.legs.iter().filter(|l| !(pours && (l.label == "pour" || l.label == "upright")));
    let tilts = kept.filter_map(|leg| {
        let held = leg.before.held[leg.arm]?;
        let thing = world.stage.thing(held.thing);
        let most = thing.upright_deg? * PI / 180.0;
        let tilt = largest_tilt(&world.stage.arms[leg.arm], &leg.timed, held.tcp_from_thing);
        let check = Check::at_most(Code::Keep, tilt, "rad", most);
        Some(check.at(leg.label).blame([thing.name.clone()]).note("tilts"))
    });
    Check::tightest(tilts)
}

/// Does the goal hold after everything came to rest: in contact, let go, the hand away, and still so half a second later?
pub fn check_goals(world: &mut World, goals: &[Goal]) -> Vec<Check> {
    world.run(REST_SECS);
    let first: Vec<Option<bool>> = goals.iter().map(|g| world.holds(g)).collect();
    world.run(REST_SECS);
    goals
        .iter()
        .zip(first)
        .map(|(goal, first)| {
            let (Some(first), Some(second)) = (first, world.holds(goal)) else {
                return Check::truth(Code::Goal, false).note(format!("names something that is not there: {goal}"));
            };
            let mut check = Check::truth(Code::Goal, first && second).note(format!("{goal}"));
            if let Some(thing) = rests(goal).and_then(|t| world.stage.scene.find(t)) {
                let away = (0..world.stage.arms.len())
                    .map(|a| world.frames(a).tcp.p.distance(world.centre(thing)))
                    .fold(f64::MAX, f64::min);
                let held = matches!(world.place(thing), crate::world::facts::Place::Held(_));
                if check.verdict != Verdict::Reject && (held || away < HAND_AWAY_M) {
                    check = Check::at_least(Code::Goal, away, "m", HAND_AWAY_M).note("the hand has not let go");
                    check.verdict = Verdict::Reject;
                }
                check = check.blame([world.stage.thing(thing).name.clone()]);
            }
            check
        })
        .collect()
}

/// The thing that must have been let go.
fn rests(goal: &Goal) -> Option<&str> {
    match goal {
        Goal::On { thing, .. } | Goal::In { thing, .. } | Goal::Beside { thing, .. } | Goal::Near { thing, .. } => {
            Some(thing)
        }
        _ => None,
    }
}

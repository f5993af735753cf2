//! Running a task with the search planner: plan, propose, check, execute, look again.

use crate::checks::{Check, Claim, Code, Course, Step, StepReport, Verdict, check_goals, check_step};
use crate::error::PhysicsError;
use crate::execute::execute;
use crate::ground::{Grounding, ground};
use crate::motion::{ProposeOptions, propose};
use crate::planner::{NoPlan, plan};
use crate::skill::{Relation, Skill};
use crate::symbolic::Symbols;
use crate::world::World;
use crate::world::facts::Goal;

/// Times that a rejected step may be planned around before the task is given up.
const RESCUES: usize = 5;

/// Missing steps that may be put before one sentence.
const REMEDIES: usize = 4;

/// How a task went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A report for every step that was judged, rejected ones included.
    pub steps: Vec<StepReport>,
    /// Steps that were executed.
    pub executed: Vec<Skill>,
    /// Steps that were rejected and planned around.
    pub rescued: usize,
    /// The goals after everything came to rest; empty when the plan was refused.
    pub goals: Vec<Check>,
    /// Why the task was refused.
    pub refused: Option<Refusal>,
    /// Hash of the world after every executed step.
    pub hashes: Vec<String>,
}

/// Why a task was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The check that says no; `None` when no plan exists on paper.
    pub code: Option<Code>,
    /// In words.
    pub says: String,
}

impl Outcome {
    /// Was everything done, and does every goal hold?
    #[must_use]
    pub fn reached(&self) -> bool {
        self.refused.is_none() && self.goals.iter().all(|c| c.verdict != Verdict::Reject)
    }
}

/// Runs a task to its end; the world is changed.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn run_goals(world: &mut World, goals: &[Goal], options: &ProposeOptions) -> Result<Outcome, PhysicsError> {
    watch_goals(world, goals, options, &mut |_, _| ())
}

/// As [`run_goals`]; `on_step` sees the world behind every judged step.
///
/// # Errors
/// As [`run_goals`].
pub fn watch_goals(
    world: &mut World,
    goals: &[Goal],
    options: &ProposeOptions,
    on_step: &mut dyn FnMut(&World, &StepReport),
) -> Result<Outcome, PhysicsError> {
    let mut outcome = empty();
    let mut forbidden: Vec<Skill> = Vec::new();
    let mut course = Course { goals: goals.to_vec(), ..Course::default() };
    loop {
        let steps = match plan(world, goals, &forbidden) {
            Ok(steps) => steps,
            Err(no_plan) => {
                outcome.refused = Some(refusal(&outcome, &no_plan));
                return Ok(outcome);
            }
        };
        let Some(skill) = steps.into_iter().next() else {
            outcome.goals = check_goals(world, goals);
            return Ok(outcome);
        };
        let report = step(world, &skill, "", &mut course, &mut outcome, options)?;
        on_step(world, &report);
        if report.verdict != Verdict::Reject {
            if outcome.executed.len() >= crate::limits::MAX_STEPS {
                outcome.refused = Some(Refusal { code: None, says: "the plan does not end".to_owned() });
                return Ok(outcome);
            }
            continue;
        }
        outcome.rescued += 1;
        if outcome.rescued > RESCUES {
            outcome.refused = Some(Refusal { code: report.first_code, says: report.says });
            return Ok(outcome);
        }
        // What is in the way and can be moved is moved; otherwise the step is planned around.
        match clear_way(world, &report, &skill, &mut course, &mut outcome, options)? {
            Some(moved) => {
                on_step(world, &moved);
                if moved.verdict == Verdict::Reject {
                    forbidden.push(skill);
                }
            }
            None => forbidden.push(skill),
        }
    }
}

/// Runs skills in order; stops at the first that is rejected.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn run_skills(
    world: &mut World,
    skills: &[Skill],
    goals: &[Goal],
    options: &ProposeOptions,
) -> Result<Outcome, PhysicsError> {
    let mut outcome = empty();
    let mut course = Course { goals: goals.to_vec(), ..Course::default() };
    for skill in skills {
        let report = step(world, skill, "", &mut course, &mut outcome, options)?;
        if report.verdict == Verdict::Reject {
            outcome.refused = Some(Refusal { code: report.first_code, says: report.says });
            return Ok(outcome);
        }
    }
    outcome.goals = check_goals(world, goals);
    Ok(outcome)
}

/// Runs sentences in order. A step whose precondition fails gets the missing step put before it, up to `REMEDIES` deep;
/// words that are not understood, or can mean several things, refuse the task.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn run_text(
    world: &mut World,
    sentences: &[String],
    goals: &[Goal],
    options: &ProposeOptions,
) -> Result<Outcome, PhysicsError> {
    let mut outcome = empty();
    let mut course = Course { goals: goals.to_vec(), ..Course::default() };
    for text in sentences {
        let skill = match ground(world, text, &course.memory) {
            Grounding::Skill { skill, .. } => skill,
            Grounding::Ambiguous { what, candidates } => {
                outcome.refused = Some(Refusal {
                    code: Some(Code::Ground),
                    says: format!("`{what}` can mean: {}", candidates.join(", ")),
                });
                return Ok(outcome);
            }
            Grounding::Unknown { word, known } => {
                let says = if word.is_empty() {
                    known.join(", ")
                } else {
                    format!("`{word}` means nothing here; there are: {}", known.join(", "))
                };
                outcome.refused = Some(Refusal { code: Some(Code::Ground), says });
                return Ok(outcome);
            }
        };
        let mut wanted = vec![skill.clone()];
        while let Some(next) = wanted.last().cloned() {
            let remedy = Symbols::of(world).check(&world.stage, &next).err().and_then(|u| u.remedy);
            match remedy.filter(|r| wanted.len() <= REMEDIES && !wanted.contains(r)) {
                Some(remedy) => wanted.push(remedy),
                None => {
                    // What was put in has no words of its own.
                    let words = if wanted.len() == 1 { text } else { "" };
                    let report = step(world, &next, words, &mut course, &mut outcome, options)?;
                    if report.verdict == Verdict::Reject {
                        outcome.refused = Some(Refusal { code: report.first_code, says: report.says });
                        return Ok(outcome);
                    }
                    wanted.pop();
                }
            }
        }
        course.memory.note(&skill);
    }
    outcome.goals = check_goals(world, goals);
    Ok(outcome)
}

fn empty() -> Outcome {
    Outcome {
        steps: Vec::new(),
        executed: Vec::new(),
        rescued: 0,
        goals: Vec::new(),
        refused: None,
        hashes: Vec::new(),
    }
}

/// Judges one step and executes it if it is accepted.
fn step(
    world: &mut World,
    skill: &Skill,
    text: &str,
    course: &mut Course,
    outcome: &mut Outcome,
    options: &ProposeOptions,
) -> Result<StepReport, PhysicsError> {
    let motion = propose(world, skill, options);
    let claim = Some(Claim::meant(world, &motion));
    let judged = Step {
        text: text.to_owned(),
        skill: Some(skill.clone()),
        claim,
        duration_secs: Some(motion.duration_secs()),
        ..Step::default()
    };
    let report = check_step(world, outcome.steps.len() + 1, &judged, &motion, course)?;
    outcome.steps.push(report.clone());
    if report.verdict != Verdict::Reject {
        course.earlier.push(Symbols::of(world));
        execute(world, &motion);
        outcome.executed.push(skill.clone());
        outcome.hashes.push(blake3::Hash::from(world.hash()).to_hex().to_string());
    }
    Ok(report)
}

/// Moves the movable thing that a rejected step names as its culprit out of the way; `None` when there is none to move.
fn clear_way(
    world: &mut World,
    report: &StepReport,
    skill: &Skill,
    course: &mut Course,
    outcome: &mut Outcome,
    options: &ProposeOptions,
) -> Result<Option<StepReport>, PhysicsError> {
    let first = report.checks.iter().find(|c| c.verdict == Verdict::Reject);
    let blocker = first.into_iter().flat_map(|c| &c.culprit).find(|name| {
        let is_own = skill.thing() == Some(name) || skill.target() == Some(name);
        // What stands where it is wanted stays there.
        let is_done = course.goals.iter().any(|g| subject(g) == Some(name) && world.holds(g) == Some(true));
        !is_own && !is_done && world.stage.scene.find(name).is_some_and(|i| world.stage.thing(i).is_movable())
    });
    let Some(blocker) = blocker.cloned() else { return Ok(None) };
    let away = Skill::Place { thing: blocker, relation: Relation::On, target: "table".to_owned() };
    if Symbols::of(world).check(&world.stage, &away).is_err() {
        return Ok(None);
    }
    // Aside on the table looks like no progress in symbols; it is.
    let earlier = std::mem::take(&mut course.earlier);
    let moved = step(world, &away, "", course, outcome, options)?;
    course.earlier = earlier;
    Ok(Some(moved))
}

/// The thing that a goal wants somewhere.
fn subject(goal: &Goal) -> Option<&str> {
    match goal {
        Goal::On { thing, .. } | Goal::In { thing, .. } | Goal::Beside { thing, .. } | Goal::Near { thing, .. } => {
            Some(thing)
        }
        _ => None,
    }
}

fn refusal(outcome: &Outcome, no_plan: &NoPlan) -> Refusal {
    // The last rejected step says why there is no way round it.
    let rejected = outcome.steps.iter().rev().find(|s| s.verdict == Verdict::Reject);
    if let Some(step) = rejected {
        return Refusal { code: step.first_code, says: step.says.clone() };
    }
    let (code, says) = match no_plan {
        NoPlan::Unknown(goal) => (Code::Ground, format!("a goal names something that is not there: {goal}")),
        NoPlan::Impossible(why) => {
            (Code::Pre, format!("no order of skills leads to the goal; not true: {}", why.join("; ")))
        }
        NoPlan::TooLarge(states) => {
            return Refusal { code: None, says: format!("the search was given up after {states} states") };
        }
    };
    Refusal { code: Some(code), says }
}

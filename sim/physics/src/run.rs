//! Running a task with the search planner: plan, propose, check, execute, look again.

use rhea_picture::Rgbd;
use serde::{Deserialize, Serialize};

use crate::checks::{Check, Claim, Code, Course, Step, StepReport, Verdict, check_goals, check_step};
use crate::error::PhysicsError;
use crate::execute::execute_watched;
use crate::faults::Wrong;
use crate::ground::{Memory, meant};
use crate::limits::MAX_REMEDIES;
use crate::motion::{Motion, ProposeOptions, propose};
use crate::planner::{NoPlan, plan};
use crate::skill::{Relation, Skill};
use crate::symbolic::Symbols;
use crate::world::World;
use crate::world::facts::Goal;

/// Times that a rejected step may be planned around before the task is given up.
const RESCUES: usize = 5;

/// How a task went.
#[derive(Clone, Debug, Default)]
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

/// Who looks on while a task runs.
pub trait Onlooker {
    /// A model drew the key-frame of the step that is judged next.
    fn imagined(&mut self, _picture: Rgbd) {}
    /// A step was judged. The world is as it was before; `motion` is what was judged.
    fn judged(&mut self, world: &World, motion: &Motion, report: &StepReport);
    /// An accepted step is being executed; called after every step of 1/240 s.
    fn moved(&mut self, world: &World);
    /// An accepted step is over.
    fn done(&mut self, world: &World);
}

/// A fault that is planted into the n-th step that is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantedFault {
    /// Number of the step, from 1, rejected ones counted.
    pub step: usize,
    /// What is made wrong with it.
    pub wrong: Wrong,
}

/// Runs a task to its end; the world is changed.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn run_goals(world: &mut World, goals: &[Goal], options: &ProposeOptions) -> Result<Outcome, PhysicsError> {
    Run::new(world, goals, *options).goals()
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
    let mut behind = Behind { on_step, judged: None };
    Run::new(world, goals, *options).watched_by(&mut behind).goals()
}

/// Sees only the end of each step.
struct Behind<'a> {
    on_step: &'a mut dyn FnMut(&World, &StepReport),
    judged: Option<StepReport>,
}

impl Onlooker for Behind<'_> {
    fn judged(&mut self, world: &World, _: &Motion, report: &StepReport) {
        // What is rejected changes nothing: the world behind it is the world before it.
        if report.verdict == Verdict::Reject {
            (self.on_step)(world, report);
        } else {
            self.judged = Some(report.clone());
        }
    }

    fn moved(&mut self, _: &World) {}

    fn done(&mut self, world: &World) {
        if let Some(report) = self.judged.take() {
            (self.on_step)(world, &report);
        }
    }
}

/// A step that is asked for by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// A skill, with the words that it was said in.
    Skill(Skill, String),
    /// Words that are read when their turn comes.
    Words(String),
}

/// A step that was judged, with the motion that was.
pub(crate) struct Judged {
    /// The motion, planted faults included.
    pub motion: Motion,
    /// The judgement.
    pub report: StepReport,
}

/// A task on its way: the world, what came before, and what came out so far.
pub struct Run<'a> {
    world: &'a mut World,
    options: ProposeOptions,
    faults: Vec<PlantedFault>,
    onlooker: Option<&'a mut dyn Onlooker>,
    course: Course,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    /// A task at its beginning.
    #[must_use]
    pub fn new(world: &'a mut World, goals: &[Goal], options: ProposeOptions) -> Self {
        let course = Course { goals: goals.to_vec(), ..Course::default() };
        Self { world, options, faults: Vec::new(), onlooker: None, course, outcome: Outcome::default() }
    }

    /// Plants faults on the way.
    #[must_use]
    pub fn with_faults(self, faults: &[PlantedFault]) -> Self {
        Self { faults: faults.to_vec(), ..self }
    }

    /// Lets someone look on.
    #[must_use]
    pub fn watched_by(self, onlooker: &'a mut dyn Onlooker) -> Self {
        Self { onlooker: Some(onlooker), ..self }
    }

    /// The search planner works on the goals. A rejected step is cleared the way for, or planned around; one that was
    /// rejected for a planted fault is tried again.
    ///
    /// # Errors
    /// The world cannot be copied, or a fault cannot be planted where it is meant to be.
    pub fn goals(mut self) -> Result<Outcome, PhysicsError> {
        let goals = self.course.goals.clone();
        let mut forbidden: Vec<Skill> = Vec::new();
        loop {
            let steps = match plan(self.world, &goals, &forbidden) {
                Ok(steps) => steps,
                Err(no_plan) => {
                    self.outcome.refused = Some(refusal(&self.outcome, &no_plan));
                    return Ok(self.outcome);
                }
            };
            let Some(skill) = steps.into_iter().next() else { return Ok(self.finished()) };
            let report = self.step(&skill, "")?;
            if report.verdict != Verdict::Reject {
                if self.outcome.executed.len() >= crate::limits::MAX_STEPS {
                    return Ok(self.refused(None, "the plan does not end"));
                }
                continue;
            }
            self.outcome.rescued += 1;
            if self.outcome.rescued > RESCUES {
                return Ok(self.refused(report.first_code, report.says));
            }
            let was_planted = self.faults.iter().any(|f| f.step == report.step);
            // What is in the way and can be moved is moved; otherwise the step is planned around.
            if !was_planted && !self.clear_way(&report, &skill)? {
                forbidden.push(skill);
            }
        }
    }

    /// Sentences in order. A step whose precondition fails gets the missing step put before it, up to [`MAX_REMEDIES`] deep;
    /// words that are not understood, or can mean several things, refuse the task.
    ///
    /// # Errors
    /// See [`Self::goals`].
    pub fn text(mut self, sentences: &[String]) -> Result<Outcome, PhysicsError> {
        for text in sentences {
            let skill = match meant(self.world, text, &self.course.memory) {
                Ok(skill) => skill,
                Err(says) => return Ok(self.refused(Some(Code::Ground), says)),
            };
            let mut wanted = vec![skill.clone()];
            while let Some(next) = wanted.last().cloned() {
                let remedy = Symbols::of(self.world).check(&self.world.stage, &next).err().and_then(|u| u.remedy);
                match remedy.filter(|r| wanted.len() <= MAX_REMEDIES && !wanted.contains(r)) {
                    Some(remedy) => wanted.push(remedy),
                    None => {
                        // What was put in has no words of its own.
                        let words = if wanted.len() == 1 { text } else { "" };
                        let report = self.step(&next, words)?;
                        if report.verdict == Verdict::Reject {
                            return Ok(self.refused(report.first_code, report.says));
                        }
                        wanted.pop();
                    }
                }
            }
            self.course.memory.note(&skill);
        }
        Ok(self.finished())
    }

    /// Steps one after the other, none put in and none left out: what is rejected is passed over, and the next one is judged in
    /// the world as it is then. Words that are not understood refuse the rest.
    ///
    /// # Errors
    /// See [`Self::goals`].
    pub fn steps(mut self, earlier: &[Skill], asked: &[Asked]) -> Result<Outcome, PhysicsError> {
        earlier.iter().for_each(|skill| self.course.memory.note(skill));
        for step in asked {
            let (skill, text) = match step {
                Asked::Skill(skill, text) => (skill.clone(), text.as_str()),
                Asked::Words(text) => match meant(self.world, text, &self.course.memory) {
                    Ok(skill) => (skill, text.as_str()),
                    Err(says) => return Ok(self.refused(Some(Code::Ground), says)),
                },
            };
            self.step(&skill, text)?;
            self.course.memory.note(&skill);
        }
        Ok(self.finished())
    }

    fn refused(self, code: Option<Code>, says: impl Into<String>) -> Outcome {
        Outcome { refused: Some(Refusal { code, says: says.into() }), ..self.outcome }
    }

    fn finished(self) -> Outcome {
        Outcome { goals: check_goals(self.world, &self.course.goals), ..self.outcome }
    }

    /// Judges one step and executes it if it is accepted.
    fn step(&mut self, skill: &Skill, text: &str) -> Result<StepReport, PhysicsError> {
        let motion = propose(self.world, skill, &self.options);
        let judged = self.judge(skill, text, motion)?;
        self.conclude(skill, &judged, None);
        Ok(judged.report)
    }

    /// Judges a motion for a step, with the faults that are planted into it; nothing is carried out.
    pub(crate) fn judge(&mut self, skill: &Skill, text: &str, mut motion: Motion) -> Result<Judged, PhysicsError> {
        let number = self.outcome.steps.len() + 1;
        let mut judged = Step {
            text: text.to_owned(),
            skill: Some(skill.clone()),
            claim: Some(Claim::meant(self.world, &motion)),
            duration_secs: Some(motion.duration_secs()),
            ..Step::default()
        };
        for fault in self.faults.iter().filter(|f| f.step == number) {
            fault.wrong.plant(self.world, &mut judged, &mut motion)?;
        }
        let report = check_step(self.world, number, &judged, &motion, &self.course)?;
        Ok(Judged { motion, report })
    }

    /// Writes a judged step down, shows it, and executes it if it was accepted.
    pub(crate) fn conclude(&mut self, skill: &Skill, judged: &Judged, key_frame: Option<Rgbd>) {
        let Judged { motion, report } = judged;
        self.outcome.steps.push(report.clone());
        if let Some(onlooker) = &mut self.onlooker {
            if let Some(picture) = key_frame {
                onlooker.imagined(picture);
            }
            onlooker.judged(self.world, motion, report);
        }
        if report.verdict == Verdict::Reject {
            return;
        }
        self.course.earlier.push(Symbols::of(self.world));
        match &mut self.onlooker {
            Some(onlooker) => {
                execute_watched(self.world, motion, &mut |world| onlooker.moved(world));
                onlooker.done(self.world);
            }
            None => {
                execute_watched(self.world, motion, &mut |_| ());
            }
        }
        self.outcome.executed.push(skill.clone());
        self.outcome.hashes.push(blake3::Hash::from(self.world.hash()).to_hex().to_string());
    }

    /// The world as it is.
    pub(crate) fn world(&self) -> &World {
        self.world
    }

    /// The goals.
    pub(crate) fn wanted(&self) -> &[Goal] {
        &self.course.goals
    }

    /// What was talked about.
    pub(crate) fn memory(&self) -> &Memory {
        &self.course.memory
    }

    /// How hard motions are looked for.
    pub(crate) fn options(&self) -> &ProposeOptions {
        &self.options
    }

    /// Every judged step so far.
    pub(crate) fn judged_steps(&self) -> &[StepReport] {
        &self.outcome.steps
    }

    /// Executed steps, and states before.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.outcome.executed.len(), self.course.earlier.len())
    }

    /// Takes executed steps back: the world is again as it was before them. Their reports stay.
    pub(crate) fn go_back(&mut self, world: World, executed: usize, earlier: usize) {
        *self.world = world;
        self.outcome.executed.truncate(executed);
        self.outcome.hashes.truncate(executed);
        self.course.earlier.truncate(earlier);
    }

    /// Ends the task here with its goals judged.
    pub(crate) fn finished_here(&mut self) -> Outcome {
        let goals = check_goals(self.world, &self.course.goals);
        Outcome { goals, ..std::mem::take(&mut self.outcome) }
    }

    /// Ends the task here, refused.
    pub(crate) fn refused_here(&mut self, code: Option<Code>, says: String) -> Outcome {
        Outcome { refused: Some(Refusal { code, says }), ..std::mem::take(&mut self.outcome) }
    }

    /// Moves what the last rejected step names as its culprit out of the way; `None` where there is nothing to move.
    pub(crate) fn clear_way_of_last(&mut self, skill: &Skill) -> Result<Option<bool>, PhysicsError> {
        let Some(report) = self.outcome.steps.last().cloned() else { return Ok(None) };
        let before = self.outcome.steps.len();
        let cleared = self.clear_way(&report, skill)?;
        Ok((self.outcome.steps.len() > before).then_some(cleared))
    }

    /// Moves the movable thing that a rejected step names as its culprit out of the way.
    fn clear_way(&mut self, report: &StepReport, skill: &Skill) -> Result<bool, PhysicsError> {
        let (world, goals) = (&*self.world, &self.course.goals);
        let first = report.checks.iter().find(|c| c.verdict == Verdict::Reject);
        let blocker = first.into_iter().flat_map(|c| &c.culprit).find(|name| {
            let is_own = skill.thing() == Some(name) || skill.target() == Some(name);
            // What stands where it is wanted stays there.
            let is_done = goals.iter().any(|g| subject(g) == Some(name) && world.holds(g) == Some(true));
            !is_own && !is_done && world.stage.scene.find(name).is_some_and(|i| world.stage.thing(i).is_movable())
        });
        let Some(blocker) = blocker.cloned() else { return Ok(false) };
        let away = Skill::Place { thing: blocker, relation: Relation::On, target: "table".to_owned() };
        if Symbols::of(world).check(&world.stage, &away).is_err() {
            return Ok(false);
        }
        // Aside on the table looks like no progress in symbols; it is.
        let earlier = std::mem::take(&mut self.course.earlier);
        let moved = self.step(&away, "")?;
        self.course.earlier = earlier;
        Ok(moved.verdict != Verdict::Reject)
    }
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

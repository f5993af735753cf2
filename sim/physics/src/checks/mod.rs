//! Is a step plausible? 21 checks in five stages, each with a value, a threshold and a margin.
//!
//! A: grounding, preconditions. B: reach, limits, speed, self, path, grasp, torque. C: support, settling, containment.
//! D: what a key-frame claims: jumps, count, background, agreement, floating. E: time, progress, goal, keep.
//! All checks of a stage run before a reject stops the next one, so that a report has every reason. A check that lacks its
//! input says [`Verdict::Unknown`], which is never shown as a pass.
//!
//! Invariant: [`check_step`] does not change the world it is given.

mod course;
mod frames;
mod grip;
mod reach;
mod statics;
pub mod thresholds;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::PhysicsError;
use crate::ground::{Grounding, Memory, ground};
use crate::math::Pose;
use crate::motion::{Motion, Stuck};
use crate::skill::Skill;
use crate::symbolic::Symbols;
use crate::world::World;
use crate::world::facts::Goal;

pub use course::check_goals;
pub use frames::{Agreement, Background, Claim, FrameFacts, Seen};
pub use grip::try_grasps;
pub use statics::{Support, settle, support_of};

/// Which check. The grasp has four of its own: width, antipodal, force, hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the module lists them; the names say the rest")]
pub enum Code {
    Ground,
    Pre,
    Reach,
    Limit,
    Speed,
    #[serde(rename = "SELF")]
    SelfHit,
    Path,
    Width,
    Antipodal,
    Force,
    Hold,
    Torque,
    Support,
    Settle,
    Inside,
    Jump,
    Count,
    Background,
    Agree,
    Float,
    Time,
    Progress,
    Goal,
    Keep,
    /// The engine met something that is no number.
    Engine,
}

/// The stages of checks, in their order: a stage is looked at when those before it let a step through.
pub const STAGES: [&str; 5] =
    ["words and preconditions", "motion and grasp", "statics", "claimed and drawn end", "course of the task"];

impl Code {
    /// All codes, in the order of the checks.
    pub const ALL: [Self; 25] = [
        Self::Ground,
        Self::Pre,
        Self::Reach,
        Self::Limit,
        Self::Speed,
        Self::SelfHit,
        Self::Path,
        Self::Width,
        Self::Antipodal,
        Self::Force,
        Self::Hold,
        Self::Torque,
        Self::Support,
        Self::Settle,
        Self::Inside,
        Self::Jump,
        Self::Count,
        Self::Background,
        Self::Agree,
        Self::Float,
        Self::Time,
        Self::Progress,
        Self::Goal,
        Self::Keep,
        Self::Engine,
    ];

    /// Its name in reports and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ground => "GROUND",
            Self::Pre => "PRE",
            Self::Reach => "REACH",
            Self::Limit => "LIMIT",
            Self::Speed => "SPEED",
            Self::SelfHit => "SELF",
            Self::Path => "PATH",
            Self::Width => "WIDTH",
            Self::Antipodal => "ANTIPODAL",
            Self::Force => "FORCE",
            Self::Hold => "HOLD",
            Self::Torque => "TORQUE",
            Self::Support => "SUPPORT",
            Self::Settle => "SETTLE",
            Self::Inside => "INSIDE",
            Self::Jump => "JUMP",
            Self::Count => "COUNT",
            Self::Background => "BACKGROUND",
            Self::Agree => "AGREE",
            Self::Float => "FLOAT",
            Self::Time => "TIME",
            Self::Progress => "PROGRESS",
            Self::Goal => "GOAL",
            Self::Keep => "KEEP",
            Self::Engine => "ENGINE",
        }
    }

    /// The stage it belongs to, an index into [`STAGES`].
    #[must_use]
    pub fn stage(self) -> usize {
        match self {
            Self::Ground | Self::Pre => 0,
            Self::Support | Self::Settle | Self::Inside | Self::Engine => 2,
            Self::Jump | Self::Count | Self::Background | Self::Agree | Self::Float => 3,
            Self::Time | Self::Progress | Self::Goal | Self::Keep => 4,
            _ => 1,
        }
    }
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Fine.
    Pass,
    /// There was nothing to judge by.
    Unknown,
    /// Fine, but close: the margin is below a fifth.
    Warn,
    /// Not plausible.
    Reject,
}

/// One measured judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which check.
    pub code: Code,
    /// What it says.
    pub verdict: Verdict,
    /// What was measured.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What it is compared with.
    pub threshold: f64,
    /// Relative distance from the threshold; positive is good.
    pub margin: f64,
    /// Where in the step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// Who is to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub culprit: Vec<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Check {
    fn new(code: Code, value: f64, unit: &str, threshold: f64, margin: f64) -> Self {
        // A margin that is no number comes from a measurement that is none: never a pass.
        let verdict = match margin {
            m if m.is_nan() => Verdict::Unknown,
            m if m < 0.0 => Verdict::Reject,
            m if m < 0.2 => Verdict::Warn,
            _ => Verdict::Pass,
        };
        Self {
            code,
            verdict,
            value,
            unit: unit.to_owned(),
            threshold,
            margin,
            at: String::new(),
            culprit: Vec::new(),
            note: String::new(),
        }
    }

    /// Good while the value is at most a threshold above zero.
    #[must_use]
    pub fn at_most(code: Code, value: f64, unit: &str, threshold: f64) -> Self {
        Self::new(code, value, unit, threshold, (threshold - value) / threshold)
    }

    /// Good while the value is at least a threshold above zero.
    #[must_use]
    pub fn at_least(code: Code, value: f64, unit: &str, threshold: f64) -> Self {
        Self::new(code, value, unit, threshold, (value - threshold) / threshold)
    }

    /// A yes or no.
    #[must_use]
    pub fn truth(code: Code, holds: bool) -> Self {
        let mut check = Self::new(code, f64::from(u8::from(holds)), "", 1.0, if holds { 1.0 } else { -1.0 });
        check.unit = "holds".to_owned();
        check
    }

    /// Nothing to judge by.
    #[must_use]
    pub fn unknown(code: Code, note: &str) -> Self {
        let mut check = Self::new(code, 0.0, "", 0.0, 0.0);
        check.verdict = Verdict::Unknown;
        check.note = note.to_owned();
        check
    }

    fn at(mut self, at: impl Into<String>) -> Self {
        self.at = at.into();
        self
    }

    fn blame(mut self, culprit: impl IntoIterator<Item = String>) -> Self {
        self.culprit = culprit.into_iter().collect();
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The one with the least margin; the first of equals. One that measured no number is worse than all that did.
    fn tightest(checks: impl IntoIterator<Item = Self>) -> Option<Self> {
        let rank = |c: &Self| if c.margin.is_nan() { f64::NEG_INFINITY } else { c.margin };
        checks.into_iter().min_by(|a, b| rank(a).total_cmp(&rank(b)))
    }

    /// Softens a reject: what is measured does not decide alone.
    fn warn_at_most(mut self) -> Self {
        if self.verdict == Verdict::Reject {
            self.verdict = Verdict::Warn;
        }
        self
    }
}

/// One step of a plan, as it is judged.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was said; empty when the plan has no words.
    pub text: String,
    /// The skill.
    pub skill: Option<Skill>,
    /// What the planner believes about the end of the step.
    pub claim: Option<Claim>,
    /// What was measured in the key-frame.
    pub frame: Option<FrameFacts>,
    /// How long the step is meant to take, seconds.
    pub duration_secs: Option<f64>,
}

/// What came before.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Symbols before each earlier step, the oldest first.
    pub earlier: Vec<Symbols>,
    /// The goals of the task.
    pub goals: Vec<Goal>,
    /// What pronouns refer to.
    pub memory: Memory,
}

/// The judgement of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// What was said.
    pub text: String,
    /// The skill.
    pub skill: Option<Skill>,
    /// The worst verdict.
    pub verdict: Verdict,
    /// The check that rejects first.
    pub first_code: Option<Code>,
    /// The snapshot it was judged on.
    pub snapshot: String,
    /// The engine.
    pub engine: String,
    /// All checks that ran.
    pub checks: Vec<Check>,
    /// One line.
    pub says: String,
}

/// Name and version of the engine, for reports.
pub const ENGINE: &str = "rapier3d 0.36.1 enhanced-determinism";

/// Judges a step and the motion that is meant to carry it out.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn check_step(
    world: &World,
    number: usize,
    step: &Step,
    motion: &Motion,
    course: &Course,
) -> Result<StepReport, PhysicsError> {
    check_stages(world, number, step, motion, course, 0..STAGES.len())
}

/// As [`check_step`], by some of [`STAGES`] only: the baselines of the benchmark.
///
/// # Errors
/// Only if the world cannot be copied.
pub fn check_stages(
    world: &World,
    number: usize,
    step: &Step,
    motion: &Motion,
    course: &Course,
    stages: Range<usize>,
) -> Result<StepReport, PhysicsError> {
    let mut checks: Vec<Check> = Vec::new();
    for stage in stages {
        if checks.iter().any(|c| c.verdict == Verdict::Reject) {
            break;
        }
        match (stage, &step.skill) {
            (0, _) => stage_a(world, step, course, &mut checks),
            (1, Some(_)) => {
                checks.extend(stuck_check(motion.stuck.as_ref()));
                reach::check(world, motion, &mut checks);
                grip::check(world, motion, &mut checks)?;
            }
            (2, Some(_)) => statics::check(world, motion, &mut checks)?,
            (3, Some(skill)) => frames::check(world, step, skill, motion, &mut checks),
            (4, Some(skill)) => course::check(world, step, skill, motion, course, &mut checks),
            _ => {}
        }
    }
    Ok(report(number, step, world.snapshot()?.short_hash(), checks))
}

/// Do the checks of stage C let a motion's placement through?
pub(crate) fn stays(world: &World, motion: &Motion) -> bool {
    let mut checks = Vec::new();
    statics::check(world, motion, &mut checks).is_ok() && checks.iter().all(|c| c.verdict != Verdict::Reject)
}

fn stage_a(world: &World, step: &Step, course: &Course, checks: &mut Vec<Check>) {
    let Some(skill) = &step.skill else {
        checks.push(Check::truth(Code::Ground, false).note("no skill"));
        return;
    };
    if step.text.is_empty() {
        checks.push(Check::unknown(Code::Ground, "no words to compare with"));
    } else {
        checks.push(ground_check(&ground(world, &step.text, &course.memory), skill));
    }
    match Symbols::of(world).check(&world.stage, skill) {
        Ok(()) => checks.push(Check::truth(Code::Pre, true)),
        Err(unmet) => {
            let hint = unmet.remedy.map(|r| format!("; first {r}")).unwrap_or_default();
            checks.push(
                Check::truth(Code::Pre, false)
                    .blame(unmet.culprit)
                    .note(format!("does not hold: {}{hint}", unmet.condition)),
            );
        }
    }
}

fn ground_check(grounding: &Grounding, skill: &Skill) -> Check {
    match grounding {
        Grounding::Skill { skill: said, score } if said.means(skill) => {
            // Scores end at 1: what is accepted at all is fine.
            let mut check = Check::at_least(Code::Ground, *score, "score", crate::ground::ACCEPTED);
            check.verdict = if check.margin >= 0.0 { Verdict::Pass } else { Verdict::Reject };
            check
        }
        Grounding::Skill { skill: said, .. } => Check::truth(Code::Ground, false)
            .blame(said.thing().map(str::to_owned).into_iter().chain(said.target().map(str::to_owned)))
            .note(format!("the words say: {said}")),
        Grounding::Ambiguous { what, candidates } => Check::truth(Code::Ground, false)
            .blame(candidates.clone())
            .note(format!("`{what}` can mean several things")),
        Grounding::Unknown { word, known } => Check::truth(Code::Ground, false)
            .blame([word.clone()])
            .note(format!("`{word}` means nothing here; there are: {}", known.join(", "))),
    }
}

fn stuck_check(stuck: Option<&Stuck>) -> Option<Check> {
    let stuck = stuck?;
    let unit = match stuck.code {
        Code::Reach | Code::Path | Code::SelfHit | Code::Width => "m",
        _ => "",
    };
    let scale = stuck.threshold.abs().max(1e-9);
    let margin = -((stuck.value - stuck.threshold).abs() / scale).clamp(1e-3, 1e6);
    let check = Check::new(stuck.code, stuck.value, unit, stuck.threshold, margin);
    Some(check.at(stuck.at.clone()).blame(stuck.culprit.clone()).note(stuck.note.clone()))
}

fn report(number: usize, step: &Step, snapshot: String, mut checks: Vec<Check>) -> StepReport {
    checks.sort_by_key(|c| c.code.stage());
    let verdict = checks.iter().map(|c| c.verdict).filter(|v| *v != Verdict::Unknown).max().unwrap_or(Verdict::Unknown);
    let first = checks.iter().find(|c| c.verdict == Verdict::Reject);
    let tightest = checks.iter().filter(|c| c.verdict == Verdict::Warn).min_by(|a, b| a.margin.total_cmp(&b.margin));
    let says = match (first, tightest) {
        (Some(c), _) => format!("REJECT {}", line(c)),
        (None, Some(c)) => format!("ok, close: {}", line(c)),
        (None, None) => "ok".to_owned(),
    };
    StepReport {
        step: number,
        text: if step.text.is_empty() {
            step.skill.as_ref().map(ToString::to_string).unwrap_or_default()
        } else {
            step.text.clone()
        },
        skill: step.skill.clone(),
        verdict,
        first_code: first.map(|c| c.code),
        snapshot,
        engine: ENGINE.to_owned(),
        says,
        checks,
    }
}

/// A check as one readable line.
#[must_use]
pub fn line(check: &Check) -> String {
    let mut facts = check.culprit.join(", ");
    let mut add = |separator: &str, fact: &str| {
        if !facts.is_empty() {
            facts.push_str(separator);
        }
        facts.push_str(fact);
    };
    if !check.at.is_empty() {
        add(" ", &format!("at {}", check.at));
    }
    if check.unit != "holds" && !check.unit.is_empty() {
        add(" ", &format!("is {:.4} {} (allowed {:.4})", check.value, check.unit, check.threshold));
    }
    if !check.note.is_empty() {
        add(": ", &check.note);
    }
    format!("{}: {facts}", check.code.name())
}

/// A pose with the name of its thing.
pub type NamedPose = (String, Pose);

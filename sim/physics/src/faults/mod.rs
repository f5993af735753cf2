//! Planted faults: does the checker find them, with the right code, and leave clean plans alone?
//!
//! Each kind is planted at 0.8, 1.2 and 2 times its threshold in scenes by seed, next to a clean twin. Below the threshold it
//! is no fault and must pass. Kinds without a scale (something vanished or not) are planted whole at 1.2 and 2, and their 0.8
//! is the clean step.
//!
//! Invariant: planting changes the scene, the motion or the claim, never the checks.

mod claims;
mod course;
mod motions;
mod scenes;
mod wrong;

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checks::{Claim, Code, Course, STAGES, Step, StepReport, Verdict, check_stages};
use crate::error::PhysicsError;
use crate::motion::{Motion, ProposeOptions, propose};
use crate::skill::{Relation, Skill};
use crate::world::World;
use crate::world::stage::{Contacts, RobotShelf};

pub use wrong::Wrong;

/// A planted step; `None` where the seed's scene offers no place for the fault.
type Made = Result<Option<Planted>, PhysicsError>;

fn pick(thing: &str) -> Skill {
    Skill::Pick { thing: thing.to_owned() }
}

fn place(thing: &str, relation: Relation, target: &str) -> Skill {
    Skill::Place { thing: thing.to_owned(), relation, target: target.to_owned() }
}

/// The scales at which faults are planted.
pub const SCALES: [f64; 3] = [0.8, 1.2, 2.0];

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; the planting functions say how")]
pub enum Kind {
    ReachTooFar,
    JointLimit,
    OverSpeed,
    ArmSceneHit,
    SelfHit,
    HeldHit,
    GraspTooWide,
    NotAntipodal,
    TooHeavyForce,
    TooHeavyTorque,
    OffEdge,
    UnstableStack,
    TiltedPlace,
    Overfull,
    DoesNotFit,
    ClosedContainer,
    OccupiedPlace,
    HandFull,
    TeleportedBystander,
    Vanished,
    Duplicated,
    SizeOrColour,
    BackgroundDrift,
    Floating,
    WrongReferent,
    WrongOrder,
    MissingStep,
    Loop,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 28] = [
        Self::ReachTooFar,
        Self::JointLimit,
        Self::OverSpeed,
        Self::ArmSceneHit,
        Self::SelfHit,
        Self::HeldHit,
        Self::GraspTooWide,
        Self::NotAntipodal,
        Self::TooHeavyForce,
        Self::TooHeavyTorque,
        Self::OffEdge,
        Self::UnstableStack,
        Self::TiltedPlace,
        Self::Overfull,
        Self::DoesNotFit,
        Self::ClosedContainer,
        Self::OccupiedPlace,
        Self::HandFull,
        Self::TeleportedBystander,
        Self::Vanished,
        Self::Duplicated,
        Self::SizeOrColour,
        Self::BackgroundDrift,
        Self::Floating,
        Self::WrongReferent,
        Self::WrongOrder,
        Self::MissingStep,
        Self::Loop,
    ];

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(c.to_lowercase());
        }
        name
    }

    /// Codes that name this fault rightly.
    #[must_use]
    pub fn codes(self) -> &'static [Code] {
        match self {
            Self::ReachTooFar => &[Code::Reach],
            Self::JointLimit => &[Code::Limit],
            Self::OverSpeed => &[Code::Speed],
            Self::ArmSceneHit | Self::HeldHit => &[Code::Path],
            Self::SelfHit => &[Code::SelfHit],
            Self::GraspTooWide => &[Code::Width],
            Self::NotAntipodal => &[Code::Antipodal],
            Self::TooHeavyForce => &[Code::Force],
            Self::TooHeavyTorque => &[Code::Torque],
            Self::OffEdge | Self::UnstableStack => &[Code::Support, Code::Settle],
            Self::TiltedPlace => &[Code::Settle, Code::Support],
            Self::Overfull | Self::DoesNotFit => &[Code::Inside],
            Self::ClosedContainer | Self::OccupiedPlace | Self::HandFull | Self::WrongOrder | Self::MissingStep => {
                &[Code::Pre]
            }
            Self::TeleportedBystander => &[Code::Jump],
            Self::Vanished | Self::Duplicated | Self::SizeOrColour => &[Code::Count],
            Self::BackgroundDrift => &[Code::Background],
            Self::Floating => &[Code::Float],
            Self::WrongReferent => &[Code::Ground],
            Self::Loop => &[Code::Progress],
        }
    }
}

/// A step ready to be judged.
pub struct Planted {
    /// The world before it.
    pub world: World,
    /// The step.
    pub step: Step,
    /// Its motion.
    pub motion: Motion,
    /// What came before.
    pub course: Course,
}

impl Planted {
    /// A step of a skill, as it is meant, with a complete claim and key-frame.
    fn clean(world: World, skill: Skill) -> Self {
        let motion = propose(&world, &skill, &ProposeOptions::default());
        let text = skill.to_string();
        let mut planted = Self {
            world,
            step: Step { text, skill: Some(skill), ..Step::default() },
            motion,
            course: Course::default(),
        };
        planted.reclaim();
        planted
    }

    /// Claims what the motion is meant to do.
    fn reclaim(&mut self) {
        self.step.claim = Some(Claim::meant(&self.world, &self.motion));
        self.step.frame = Some(claims::good_frame(&self.world));
        self.step.duration_secs = Some(self.motion.duration_secs());
    }

    /// The same step with one thing made wrong.
    fn spoiled(mut self, wrong: &Wrong) -> Result<Self, PhysicsError> {
        wrong.plant(&mut self.world, &mut self.step, &mut self.motion)?;
        Ok(self)
    }

    /// Judges it.
    ///
    /// # Errors
    /// Only if the world cannot be copied.
    pub fn judge(&self) -> Result<StepReport, PhysicsError> {
        self.judge_by(0..STAGES.len())
    }

    /// What some of the [`STAGES`] say.
    ///
    /// # Errors
    /// Only if the world cannot be copied.
    pub fn judge_by(&self, stages: Range<usize>) -> Result<StepReport, PhysicsError> {
        check_stages(&self.world, 1, &self.step, &self.motion, &self.course, stages)
    }
}

/// Plants a fault; scale 0 gives the clean twin. `None` where the seed's scene offers no place for it.
///
/// # Errors
/// A robot file that cannot be read.
pub fn plant(
    kind: Kind,
    scale: f64,
    seed: u64,
    robots: &Path,
    shelf: &mut RobotShelf,
) -> Result<Option<Planted>, PhysicsError> {
    let mut setting = scenes::Setting { seed, robots, shelf };
    match kind {
        Kind::ReachTooFar => motions::reach_too_far(&mut setting, scale),
        Kind::JointLimit => motions::joint_limit(&mut setting, scale),
        Kind::OverSpeed => motions::over_speed(&mut setting, scale),
        Kind::ArmSceneHit => motions::arm_scene_hit(&mut setting, scale),
        Kind::SelfHit => motions::self_hit(&mut setting, scale),
        Kind::HeldHit => motions::held_hit(&mut setting, scale),
        Kind::GraspTooWide => motions::too_wide(&mut setting, scale),
        Kind::NotAntipodal => motions::not_antipodal(&mut setting, scale),
        Kind::TooHeavyForce => motions::too_heavy(&mut setting, scale, Code::Force),
        Kind::TooHeavyTorque => motions::too_heavy(&mut setting, scale, Code::Torque),
        Kind::OffEdge => motions::off_edge(&mut setting, scale),
        Kind::UnstableStack => motions::unstable_stack(&mut setting, scale),
        Kind::TiltedPlace => motions::tilted_place(&mut setting, scale),
        Kind::Overfull => motions::overfull(&mut setting, scale),
        Kind::DoesNotFit => motions::does_not_fit(&mut setting, scale),
        Kind::TeleportedBystander => claims::teleported(&mut setting, scale),
        Kind::Vanished => claims::vanished(&mut setting, scale),
        Kind::Duplicated => claims::duplicated(&mut setting, scale),
        Kind::SizeOrColour => claims::size_or_colour(&mut setting, scale),
        Kind::BackgroundDrift => claims::background(&mut setting, scale),
        Kind::Floating => claims::floating(&mut setting, scale),
        Kind::ClosedContainer => course::closed_container(&mut setting, scale),
        Kind::OccupiedPlace => course::occupied(&mut setting, scale),
        Kind::HandFull => course::hand_full(&mut setting, scale),
        Kind::WrongReferent => course::wrong_referent(&mut setting, scale),
        Kind::WrongOrder => course::wrong_order(&mut setting, scale),
        Kind::MissingStep => course::missing_step(&mut setting, scale),
        Kind::Loop => course::loop_back(&mut setting, scale),
    }
}

/// Figures of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindFigures {
    /// Faults at 1.2 and 2 that were rejected, of all planted.
    pub found: usize,
    /// Faults planted at 1.2 and 2.
    pub planted: usize,
    /// Of those found, with a right code first.
    pub right_code: usize,
    /// Of those found, how many the checks of each stage found, the first that says no; see [`Code::stage`].
    pub by_stage: [usize; STAGES.len()],
    /// Plans at 0.8 that passed.
    pub below_passed: usize,
    /// Plans at 0.8.
    pub below: usize,
    /// Clean twins that passed.
    pub clean_passed: usize,
    /// Clean twins.
    pub clean: usize,
    /// What went wrong, a few examples.
    pub examples: Vec<String>,
}

impl KindFigures {
    /// Share of the faults that were found.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.found, self.planted)
    }

    /// Share of the found ones with a right code.
    #[must_use]
    pub fn right(&self) -> f64 {
        share(self.right_code, self.found)
    }

    /// Of everything rejected, the share that was faulty.
    #[must_use]
    pub fn precision(&self) -> f64 {
        let wrongly = (self.below - self.below_passed) + (self.clean - self.clean_passed);
        share(self.found, self.found + wrongly)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Plants every kind in the scenes of some seeds and counts what some of the [`STAGES`] find. `contacts` are
/// [`Contacts::Tuned`] but for a comparison.
///
/// # Errors
/// A robot file that cannot be read.
pub fn table(
    seeds: std::ops::Range<u64>,
    (stages, contacts): (Range<usize>, Contacts),
    robots: &Path,
) -> Result<Vec<(Kind, KindFigures)>, PhysicsError> {
    let mut shelf = RobotShelf::with(contacts);
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let mut figures = KindFigures::default();
        for seed in seeds.clone() {
            for scale in [0.0].into_iter().chain(SCALES) {
                let Some(planted) = plant(kind, scale, seed, robots, &mut shelf)? else { continue };
                let report = planted.judge_by(stages.clone())?;
                count(&mut figures, kind, scale, seed, &report);
            }
        }
        rows.push((kind, figures));
    }
    Ok(rows)
}

fn count(figures: &mut KindFigures, kind: Kind, scale: f64, seed: u64, report: &StepReport) {
    let rejected = report.verdict == Verdict::Reject;
    let right = report.first_code.is_some_and(|c| kind.codes().contains(&c));
    let as_wanted = if scale > 1.0 { rejected && right } else { !rejected };
    if scale == 0.0 {
        figures.clean += 1;
        figures.clean_passed += usize::from(!rejected);
    } else if scale < 1.0 {
        figures.below += 1;
        figures.below_passed += usize::from(!rejected);
    } else {
        figures.planted += 1;
        figures.found += usize::from(rejected);
        figures.right_code += usize::from(rejected && right);
        if let Some(code) = report.first_code.filter(|_| rejected) {
            figures.by_stage[code.stage()] += 1;
        }
    }
    if !as_wanted && figures.examples.len() < 5 {
        figures.examples.push(format!("seed {seed} at {scale}: {}", report.says));
    }
}

//! From a skill to joint motion: which grasp, which place, which way.
//!
//! [`propose`] tries candidates in a fixed order and returns the first motion that its own tests let through. What it returns
//! is a proposal: whether it is accepted is for [`crate::checks`], which measure it again. Where nothing works, the motion says
//! where it got stuck and by how much.
//!
//! Invariant: equal worlds, skills and seeds give equal motions.

mod draft;
mod skills;
mod spots;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checks::Code;
use crate::grasp::Grasp;
use crate::kinematics::{Obstacles, Owner, Timed};
use crate::math::{Pose, V3};
use crate::scene::form::Prim;
use crate::scene::spec::ZoneRule;
use crate::world::stage::{Arm, Stage};
use crate::world::{InHand, World};

pub use skills::{ProposeOptions, propose};
pub use spots::DROP_M;

/// Seconds that closing or opening a gripper takes.
pub const GRIP_SECS: f64 = 0.3;
/// Seconds of rest after a thing was let go.
pub const REST_SECS: f64 = 0.5;

/// A pose that the tool has to reach, and the joint values that are meant to do it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Which one: grasp, lift, place ...
    pub label: &'static str,
    /// Which arm.
    pub arm: usize,
    /// The pose.
    pub world_from_tcp: Pose,
    /// The joint values.
    pub q: Vec<f64>,
}

/// What happens at the end of a leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// Nothing.
    Go,
    /// Close on a thing and weld it.
    Grip(usize),
    /// Close on the handle of a drawer.
    GripHandle(usize),
    /// Let go.
    Release,
    /// A button is down.
    Press(usize),
    /// A thing is wiped.
    Wipe(usize),
    /// Wait, seconds.
    Wait(f64),
}

/// How the world is believed to be when a leg begins, as far as the motion itself changed it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// Joint values of all arms.
    pub q: Vec<Vec<f64>>,
    /// Distance between the pads of all arms.
    pub opening_m: Vec<f64>,
    /// What is in the hands.
    pub held: Vec<Option<InHand>>,
    /// How far drawers are out.
    pub tray_m: Vec<f64>,
    /// Things that the motion put elsewhere.
    pub moved: BTreeMap<usize, Pose>,
    /// Things that ride on or in what is held.
    pub riding: Vec<usize>,
}

impl Moment {
    /// The world as it is now.
    #[must_use]
    pub fn now(world: &World) -> Self {
        let arms = &world.logic.arms;
        let mut riding = Vec::new();
        for held in arms.iter().filter_map(|a| a.held) {
            riding.extend(world.loads(held.thing));
        }
        Self {
            q: arms.iter().map(|a| a.q.clone()).collect(),
            opening_m: arms.iter().map(|a| a.opening_m).collect(),
            held: arms.iter().map(|a| a.held).collect(),
            tray_m: world.logic.tray_m.clone(),
            moved: BTreeMap::new(),
            riding,
        }
    }

    /// Where a thing is believed to be.
    #[must_use]
    pub fn pose(&self, world: &World, thing: usize) -> Pose {
        for (arm, held) in self.held.iter().enumerate() {
            if let Some(held) = held.filter(|h| h.thing == thing) {
                let place = &world.stage.arms[arm];
                return place.robot.frames(place.world_from_base, &self.q[arm]).tcp * held.tcp_from_thing;
            }
        }
        // What rides on or in what is held stays where it is on it.
        if self.riding.contains(&thing)
            && let Some(held) = self.held.iter().flatten().find(|h| h.thing != thing)
        {
            return self.pose(world, held.thing) * (world.pose(held.thing).inv() * world.pose(thing));
        }
        self.moved.get(&thing).copied().unwrap_or_else(|| world.pose(thing))
    }

    /// What stands around an arm, zones to keep out of included.
    #[must_use]
    pub fn around(&self, world: &World, arm: usize) -> Obstacles {
        let stage = &world.stage;
        let mut around = Obstacles::default();
        around.add(Owner::Table, Pose::IDENTITY, &[stage.table_solid()]);
        for (zone, solid) in stage.zones(ZoneRule::KeepOut) {
            around.add(Owner::Zone(zone), Pose::IDENTITY, &[solid]);
        }
        let held = self.held[arm].map(|h| h.thing);
        for thing in (0..stage.solids.len()).filter(|t| Some(*t) != held && !self.riding.contains(t)) {
            let pose = self.pose(world, thing);
            around.add(Owner::Thing(thing), pose, &stage.solids[thing]);
            let out = Pose::at(V3(-self.tray_m[thing], 0.0, 0.0));
            around.add(Owner::Tray(thing), pose * out, &stage.sliding[thing]);
        }
        for other in (0..stage.arms.len()).filter(|a| *a != arm) {
            let place = &stage.arms[other];
            let frames = place.robot.frames(place.world_from_base, &self.q[other]);
            for (_, frame, solids) in place.robot.parts(&frames, self.opening_m[other]) {
                around.add(Owner::Arm(other), frame, &solids);
            }
        }
        around
    }
}

/// A stretch of motion of one arm.
#[derive(Clone, Debug)]
pub struct Leg {
    /// What it is for.
    pub label: &'static str,
    /// Which arm.
    pub arm: usize,
    /// The path with its time.
    pub timed: Timed,
    /// How the world is when it begins.
    pub before: Moment,
    /// Whom the fingers may touch.
    pub finger_touch: Vec<Owner>,
    /// Whom the held thing may touch.
    pub held_touch: Vec<Owner>,
    /// A drawer that follows the hand: (drawer, out at the end).
    pub pulls: Option<(usize, f64)>,
    /// What happens at its end.
    pub then: Then,
}

/// Why no motion was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// The check that says no.
    pub code: Code,
    /// Where in the motion.
    pub at: String,
    /// The measured value, SI units.
    pub value: f64,
    /// What it had to be at most (or at least, for widths and clearances).
    pub threshold: f64,
    /// Who is in the way.
    pub culprit: Vec<String>,
    /// In words.
    pub note: String,
}

/// A whole skill as motion.
#[derive(Clone, Debug, Default)]
pub struct Motion {
    /// The poses that matter.
    pub targets: Vec<Target>,
    /// The legs, in order.
    pub legs: Vec<Leg>,
    /// Grasps: (arm, thing, grasp).
    pub grasps: Vec<(usize, usize, Grasp)>,
    /// Where a thing is let go.
    pub placed: Option<Placement>,
    /// Drawers whose handle is pulled.
    pub handle: Option<(usize, Grasp)>,
    /// Why it ends early.
    pub stuck: Option<Stuck>,
}

/// Where a thing is let go, and what is to carry it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The thing.
    pub thing: usize,
    /// Its pose when let go.
    pub pose: Pose,
    /// What it is to stand on.
    pub on: Owner,
    /// The container it is to be inside of.
    pub into: Option<usize>,
}

/// Times between two looks at the tilt of what is carried, seconds.
const TILT_STEP_SECS: f64 = 0.05;

/// The largest tilt of what an arm holds on a way, radians. Straight joint motion bows between the ends of a path, so its inside
/// is looked at too.
#[must_use]
pub fn largest_tilt(arm: &Arm, timed: &Timed, tcp_from_thing: Pose) -> f64 {
    let tilt = |q: &Vec<f64>| (arm.robot.frames(arm.world_from_base, q).tcp * tcp_from_thing).r.tilt();
    timed.samples(&arm.robot, TILT_STEP_SECS).iter().map(tilt).fold(0.0, f64::max)
}

/// The largest speed of an arm's tool point inside of the zones in which people are near, m/s, measured `step_secs` apart.
#[must_use]
pub fn speed_near_people(stage: &Stage, arm: usize, timed: &Timed, step_secs: f64) -> f64 {
    let zones: Vec<_> = stage.zones(ZoneRule::Slow).collect();
    if zones.is_empty() || timed.duration_secs <= 0.0 {
        return 0.0;
    }
    let place = &stage.arms[arm];
    let samples = timed.samples(&place.robot, step_secs);
    let step = timed.duration_secs / (samples.len().max(2) - 1) as f64;
    let points: Vec<V3> = samples.iter().map(|q| place.robot.frames(place.world_from_base, q).tcp.p).collect();
    let near = |p: V3| {
        zones.iter().any(|(_, solid)| {
            let Prim::Box(half) = solid.prim else { return false };
            let q = solid.owner_from_solid.inv().point(p);
            q.0.abs() <= half.0 && q.1.abs() <= half.1 && q.2.abs() <= half.2
        })
    };
    let pairs = points.windows(2).filter(|p| near(p[0]) || near(p[1]));
    pairs.map(|p| p[0].distance(p[1]) / step).fold(0.0, f64::max)
}

impl Motion {
    /// Shortest duration of all legs, gripping and resting included, seconds.
    #[must_use]
    pub fn duration_secs(&self) -> f64 {
        let rest = |then: &Then| match then {
            Then::Go | Then::Press(_) | Then::Wipe(_) => 0.0,
            Then::Grip(_) | Then::GripHandle(_) => GRIP_SECS,
            Then::Release => GRIP_SECS + REST_SECS,
            Then::Wait(secs) => *secs,
        };
        self.legs.iter().map(|l| l.timed.duration_secs + rest(&l.then)).sum()
    }
}

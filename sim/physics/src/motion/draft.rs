//! A motion in the making: postures, ways and lines, with the world's changes kept along.

use std::cell::Cell;
use std::rc::Rc;

use super::{Leg, Moment, Motion, Stuck, Target, Then, largest_tilt, speed_near_people};
use crate::checks::Code;
use crate::checks::thresholds::NEAR_PEOPLE_MPS;
use crate::grasp::Grasp;
use crate::kinematics::{
    ArmShape, Clearance, Held, IkOptions, Obstacles, Owner, PathSearch, Timed, USED_SHARE, find_path, solve,
};
use crate::math::{Pose, V3, golden};
use crate::world::{InHand, World};

/// Distance between two poses of a straight line of the tool, metres.
const LINE_STEP_M: f64 = 0.02;
/// Largest joint motion between two of them, radians; more means the arm flipped.
const LINE_JUMP: f64 = 0.6;
/// Exactness along a line: a third of what the reach check asks for.
const LINE_IK: IkOptions = IkOptions { position_m: 3e-4, rotation_rad: 2.5e-3, starts: 1 };
/// Overlap that counts as touching only, metres.
pub const TOUCH_M: f64 = 0.002;
/// Nodes of one path search.
const NODES_A_SEARCH: usize = 1_000;
/// Times between two measurements of the tool's speed, seconds.
const SPEED_STEP_SECS: f64 = 0.01;
/// Postures of one pose that are looked at when the first ones collide.
const POSTURES: usize = 6;

/// Whom fingers and held thing may touch on a leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    pub fingers: Vec<Owner>,
    pub held: Vec<Owner>,
}

#[derive(Clone)]
pub(super) struct Draft<'a> {
    pub world: &'a World,
    pub moment: Moment,
    pub motion: Motion,
    pub seed: u64,
    /// Nodes that path searches may still use, shared by all drafts of one skill.
    pub rrt_nodes: Rc<Cell<usize>>,
}

impl<'a> Draft<'a> {
    pub fn new(world: &'a World, seed: u64, rrt_nodes: Rc<Cell<usize>>) -> Self {
        Self { world, moment: Moment::now(world), motion: Motion::default(), seed, rrt_nodes }
    }

    pub fn tcp(&self, arm: usize) -> Pose {
        let place = &self.world.stage.arms[arm];
        place.robot.frames(place.world_from_base, &self.moment.q[arm]).tcp
    }

    /// A first guess for a pose: the resting posture, turned to face it.
    pub fn facing(&self, arm: usize, p: V3) -> Vec<f64> {
        let place = &self.world.stage.arms[arm];
        let mut q = place.home.clone();
        let tool = place.robot.frames(Pose::IDENTITY, &q).tcp.p;
        let local = place.world_from_base.inv().point(p);
        if let (Some(first), Some(q)) = (place.robot.segments.first(), q.first_mut())
            && first.joint.axis.2.abs() > 0.99
        {
            let turn = libm::atan2(local.1, local.0) - libm::atan2(tool.1, tool.0);
            *q = (*q + turn * first.joint.axis.2.signum()).clamp(first.joint.lower, first.joint.upper);
        }
        q
    }

    fn held(&self, arm: usize) -> Option<Held> {
        let held = self.moment.held[arm]?;
        Some(Held::new(Owner::Thing(held.thing), held.tcp_from_thing, &self.world.stage.solids[held.thing]))
    }

    fn nearest(&self, arm: usize, q: &[f64], around: &Obstacles, allowed: &Allowed) -> Clearance {
        let place = &self.world.stage.arms[arm];
        let held = self.held(arm);
        let mut shape = ArmShape::new(&place.robot, self.moment.opening_m[arm], held.as_ref());
        shape.finger_touch.clone_from(&allowed.fingers);
        shape.held_touch.clone_from(&allowed.held);
        let frames = place.robot.frames(place.world_from_base, q);
        let scene = shape.to_scene(&frames, around, 0.02);
        let own = shape.to_self(&frames, 0.02);
        if own.distance_m < scene.distance_m { own } else { scene }
    }

    /// A posture for a pose that touches nothing it may not touch.
    pub fn reach(
        &self,
        label: &'static str,
        arm: usize,
        goal: Pose,
        near: &[f64],
        around: &Obstacles,
        allowed: &Allowed,
    ) -> Result<Vec<f64>, Stuck> {
        let place = &self.world.stage.arms[arm];
        let mut near = near.to_vec();
        let mut blocked: Option<Clearance> = None;
        for posture in 0..POSTURES {
            let starts = if posture == 0 { IkOptions::default().starts } else { 4 };
            let found =
                solve(&place.robot, place.world_from_base, goal, &near, &IkOptions { starts, ..IkOptions::default() });
            if !found.solved && posture == 0 {
                return Err(Stuck {
                    code: Code::Reach,
                    at: label.to_owned(),
                    value: found.position_m,
                    threshold: 1e-3,
                    culprit: vec![place.name.clone()],
                    note: format!(
                        "best of {} starts is off by {:.1} mm and {:.1} degrees",
                        found.starts,
                        found.position_m * 1e3,
                        found.rotation_rad.to_degrees()
                    ),
                });
            }
            if found.solved {
                let clearance = self.nearest(arm, &found.q, around, allowed);
                if clearance.distance_m >= 0.003 {
                    return Ok(found.q);
                }
                if blocked.as_ref().is_none_or(|b| clearance.distance_m > b.distance_m) {
                    blocked = Some(clearance);
                }
            }
            // Other postures: turn the redundant joints by golden-ratio shares of their ranges.
            near = place.robot.posture(|joint| golden((posture + 1) * (joint + 1), 0.0));
        }
        Err(self.hit(label, &blocked.unwrap_or_else(|| Clearance::none(0.0))))
    }

    fn hit(&self, label: &str, clearance: &Clearance) -> Stuck {
        let other = clearance.other.map(|o| self.world.stage.owner_name(o));
        Stuck {
            code: match clearance.other {
                Some(Owner::Zone(_)) => Code::Keep,
                Some(_) => Code::Path,
                None => Code::SelfHit,
            },
            at: label.to_owned(),
            value: clearance.distance_m,
            threshold: -TOUCH_M,
            culprit: std::iter::once(clearance.part.clone()).chain(other).collect(),
            note: "no free posture or way".to_owned(),
        }
    }

    /// Moves to a posture on a free way.
    pub fn travel(&mut self, label: &'static str, arm: usize, q: &[f64], around: &Obstacles) -> Result<(), Stuck> {
        let place = &self.world.stage.arms[arm];
        let held = self.held(arm);
        let shape = ArmShape::new(&place.robot, self.moment.opening_m[arm], held.as_ref());
        let search = PathSearch {
            robot: &place.robot,
            base: place.world_from_base,
            shape: &shape,
            obstacles: around,
            seed: self.seed,
            nodes: self.rrt_nodes.get().min(NODES_A_SEARCH),
            used: Cell::new(0),
        };
        let from = self.moment.q[arm].clone();
        let path = find_path(&search, &from, q);
        self.rrt_nodes.set(self.rrt_nodes.get().saturating_sub(search.used.get()));
        let path = path.ok_or_else(|| {
            let (scene, own) = shape.sweep(place.world_from_base, &from, q, around, f64::NEG_INFINITY);
            self.hit(label, if own.distance_m < scene.distance_m { &own } else { &scene })
        })?;
        self.upright(label, arm, &path)?;
        self.push(label, arm, path, Allowed::default(), None);
        Ok(())
    }

    /// Does what is held stay as upright as it has to along a path?
    fn upright(&self, label: &'static str, arm: usize, path: &[Vec<f64>]) -> Result<(), Stuck> {
        let Some(held) = self.moment.held[arm] else { return Ok(()) };
        let thing = self.world.stage.thing(held.thing);
        let Some(most) = thing.upright_deg.map(f64::to_radians) else { return Ok(()) };
        let place = &self.world.stage.arms[arm];
        let tilt = largest_tilt(place, &Timed::new(&place.robot, path.to_vec()), held.tcp_from_thing);
        if tilt <= most {
            return Ok(());
        }
        Err(Stuck {
            code: Code::Keep,
            at: label.to_owned(),
            value: tilt,
            threshold: most,
            culprit: vec![thing.name.clone()],
            note: "no way keeps it upright".to_owned(),
        })
    }

    /// Carries what is held to a pose: in a straight line if it has to stay upright, else on any free way.
    pub fn carry(
        &mut self,
        label: &'static str,
        arm: usize,
        to: Pose,
        q: &[f64],
        around: &Obstacles,
    ) -> Result<(), Stuck> {
        let upright = self.moment.held[arm].is_some_and(|h| self.world.stage.thing(h.thing).upright_deg.is_some());
        let riders = self.moment.riding.iter().copied().map(Owner::Thing).collect();
        if upright && self.line(label, arm, to, Allowed { held: riders, ..Allowed::default() }).is_ok() {
            return Ok(());
        }
        self.travel(label, arm, q, around)
    }

    /// Postures along poses, each reached from the one before; the first is `from`.
    pub fn trace(&self, label: &'static str, arm: usize, from: &[f64], poses: &[Pose]) -> Result<Vec<Vec<f64>>, Stuck> {
        let place = &self.world.stage.arms[arm];
        let mut path = vec![from.to_vec()];
        for pose in poses {
            let near = path.last().cloned().unwrap_or_default();
            let found = solve(&place.robot, place.world_from_base, *pose, &near, &LINE_IK);
            let jump = near.iter().zip(&found.q).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if !found.solved || jump > LINE_JUMP {
                let note = if found.solved {
                    "the straight way needs another posture half way"
                } else {
                    "the straight way leaves what the arm reaches"
                };
                return Err(Stuck {
                    code: Code::Reach,
                    at: label.to_owned(),
                    value: found.position_m,
                    threshold: 1e-3,
                    culprit: vec![place.name.clone()],
                    note: note.to_owned(),
                });
            }
            path.push(found.q);
        }
        Ok(path)
    }

    /// Moves the tool along poses, each reached from the one before.
    pub fn follow(
        &mut self,
        label: &'static str,
        arm: usize,
        poses: &[Pose],
        allowed: Allowed,
        pulls: Option<(usize, f64)>,
    ) -> Result<(), Stuck> {
        let from = self.moment.q[arm].clone();
        let path = self.trace(label, arm, &from, poses)?;
        self.go(label, arm, path, allowed, pulls)
    }

    /// Moves along postures if nothing is in the way.
    pub fn go(
        &mut self,
        label: &'static str,
        arm: usize,
        path: Vec<Vec<f64>>,
        allowed: Allowed,
        pulls: Option<(usize, f64)>,
    ) -> Result<(), Stuck> {
        let place = &self.world.stage.arms[arm];
        let mut around = self.moment.around(self.world, arm);
        if let Some((drawer, _)) = pulls {
            // It moves with the hand.
            around.retain(|o| o != Owner::Tray(drawer));
        }
        let held = self.held(arm);
        let mut shape = ArmShape::new(&place.robot, self.moment.opening_m[arm], held.as_ref());
        shape.finger_touch.clone_from(&allowed.fingers);
        shape.held_touch.clone_from(&allowed.held);
        let (scene, own) = shape.sweep_path(place.world_from_base, &path, &around, -TOUCH_M);
        let worst = if own.distance_m < scene.distance_m { own } else { scene };
        if worst.distance_m < -TOUCH_M * 0.5 {
            return Err(self.hit(label, &worst));
        }
        self.push(label, arm, path, allowed, pulls);
        Ok(())
    }

    /// Moves the tool straight to a pose.
    pub fn line(&mut self, label: &'static str, arm: usize, to: Pose, allowed: Allowed) -> Result<(), Stuck> {
        let from = self.tcp(arm);
        let steps = (from.p.distance(to.p) / LINE_STEP_M).ceil().max(1.0) as usize;
        let poses: Vec<Pose> = (1..=steps).map(|i| from.towards(to, i as f64 / steps as f64)).collect();
        self.follow(label, arm, &poses, allowed, None)
    }

    fn push(
        &mut self,
        label: &'static str,
        arm: usize,
        path: Vec<Vec<f64>>,
        allowed: Allowed,
        pulls: Option<(usize, f64)>,
    ) {
        let place = &self.world.stage.arms[arm];
        let end = path.last().cloned().unwrap_or_else(|| self.moment.q[arm].clone());
        let mut timed = Timed::new(&place.robot, path);
        let fast = speed_near_people(&self.world.stage, arm, &timed, SPEED_STEP_SECS);
        timed.duration_secs *= (fast / (USED_SHARE * NEAR_PEOPLE_MPS)).max(1.0);
        let before = self.moment.clone();
        self.motion.legs.push(Leg {
            label,
            arm,
            timed,
            before,
            finger_touch: allowed.fingers,
            held_touch: allowed.held,
            pulls,
            then: Then::Go,
        });
        self.moment.q[arm].clone_from(&end);
        if let Some((drawer, out)) = pulls {
            self.moment.tray_m[drawer] = out;
        }
        self.motion.targets.push(Target { label, arm, world_from_tcp: self.tcp(arm), q: end });
    }

    /// Says what pose the last leg was meant to reach.
    pub fn meant(&mut self, pose: Pose) {
        if let Some(target) = self.motion.targets.last_mut() {
            target.world_from_tcp = pose;
        }
    }

    pub fn then(&mut self, then: Then) {
        if let Some(leg) = self.motion.legs.last_mut() {
            leg.then = then;
        }
    }

    pub fn set_opening(&mut self, arm: usize, opening_m: f64) {
        self.moment.opening_m[arm] = opening_m;
    }

    pub fn grip(&mut self, arm: usize, thing: usize, grasp: Grasp) {
        self.then(Then::Grip(thing));
        let tcp_from_thing = self.tcp(arm).inv() * self.moment.pose(self.world, thing);
        for held in &mut self.moment.held {
            if held.is_some_and(|h| h.thing == thing) {
                *held = None;
            }
        }
        self.moment.held[arm] = Some(InHand { thing, tcp_from_thing });
        self.moment.opening_m[arm] = grasp.width_m;
        self.moment.moved.remove(&thing);
        self.moment.riding = self.world.loads(thing);
        self.motion.grasps.push((arm, thing, grasp));
    }

    pub fn release(&mut self, arm: usize, opening_m: f64) {
        self.then(Then::Release);
        if let Some(held) = self.moment.held[arm].take() {
            let pose = self.tcp(arm) * held.tcp_from_thing;
            self.moment.moved.insert(held.thing, pose);
            // What rode along is believed to stay on or in it.
            for rider in std::mem::take(&mut self.moment.riding) {
                let before = self.world.pose(held.thing);
                self.moment.moved.insert(rider, pose * (before.inv() * self.world.pose(rider)));
            }
        }
        self.moment.opening_m[arm] = opening_m;
    }
}

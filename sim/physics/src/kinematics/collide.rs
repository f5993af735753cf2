//! Distances between an arm, what it holds and what stands around, and sweeps of them along a path without gaps.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rapier3d::math::Pose as RapierPose;
use rapier3d::parry::bounding_volume::Aabb;
use rapier3d::parry::query;
use rapier3d::parry::shape::SharedShape;
use serde::{Deserialize, Serialize};

use crate::convert;
use crate::math::{Pose, V3, unit};
use crate::robot::{Frames, RobotModel};
use crate::scene::form::Solid;

/// Random postures from which pairs that always touch are found, and the share that counts as always.
const SELF_SAMPLES: usize = 1_000;
const ALWAYS: usize = 950;
/// Sweeps stop halving where nothing moves farther than this between samples, metres.
const FINEST_M: f64 = 1e-3;
/// Clearance below which a sweep looks closer; everything above it is free for every check, metres.
pub const CLEAR_M: f64 = 0.012;

/// Overlap up to which an allowed contact is a touch, metres.
const SINK_M: f64 = 2.5e-3;

/// Whose a solid is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// The table.
    Table,
    /// A thing, by index.
    Thing(usize),
    /// The sliding part of a drawer, by the drawer's index.
    Tray(usize),
    /// An arm, by index.
    Arm(usize),
    /// A zone that has to be kept out of, by index.
    Zone(usize),
}

/// A solid that stands around.
#[derive(Clone)]
pub struct Obstacle {
    /// Whose it is.
    pub owner: Owner,
    pose: RapierPose,
    shape: SharedShape,
    aabb: Aabb,
}

/// Everything that stands around.
#[derive(Clone, Default)]
pub struct Obstacles(Vec<Obstacle>);

impl Obstacles {
    /// Keeps the solids of some owners and removes the others.
    pub fn retain(&mut self, keep: impl Fn(Owner) -> bool) {
        self.0.retain(|o| keep(o.owner));
    }

    /// Adds the solids of an owner.
    pub fn add(&mut self, owner: Owner, world_from_owner: Pose, solids: &[Solid]) {
        for solid in solids {
            let (local, shape) = convert::shape(solid);
            let pose = convert::pose(world_from_owner * local);
            let aabb = shape.compute_aabb(&pose);
            self.0.push(Obstacle { owner, pose, shape, aabb });
        }
    }
}

/// What hangs in the hand.
#[derive(Clone)]
pub struct Held {
    /// Whose solids they are.
    pub owner: Owner,
    shapes: Vec<(Pose, SharedShape)>,
    /// Largest distance of its solids from the tool point.
    pub extent_m: f64,
}

impl Held {
    /// Solids in the frame of the thing, and where the thing is in the hand.
    #[must_use]
    pub fn new(owner: Owner, tcp_from_thing: Pose, solids: &[Solid]) -> Self {
        let extent = |s: &Solid| crate::robot::extent_m(s) + tcp_from_thing.p.norm();
        let place = |s: &Solid| {
            let (local, shape) = convert::shape(s);
            (tcp_from_thing * local, shape)
        };
        Self {
            owner,
            shapes: solids.iter().map(place).collect(),
            extent_m: solids.iter().map(extent).fold(0.0, f64::max),
        }
    }
}

/// Which part of an arm a solid belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A segment; 0 is the base.
    Link(usize),
    Fingers,
    Held,
}

struct Body {
    part: Part,
    pose: RapierPose,
    shape: SharedShape,
    centre: V3,
    radius: f64,
}

/// A smallest distance and between whom; negative where they overlap.
#[derive(Clone, Debug, PartialEq)]
pub struct Clearance {
    /// Metres.
    pub distance_m: f64,
    /// The arm's part.
    pub part: String,
    /// The other one; `None` is the arm itself.
    pub other: Option<Owner>,
}

impl Clearance {
    /// Nothing is nearer than this.
    #[must_use]
    pub fn none(distance_m: f64) -> Self {
        Self { distance_m, part: String::new(), other: None }
    }
}

/// An arm's solids, ready for distances.
#[derive(Clone)]
pub struct ArmShape<'a> {
    robot: &'a RobotModel,
    links: Vec<(usize, Pose, SharedShape, f64)>,
    fingers: Vec<(Pose, SharedShape, f64)>,
    held: Option<&'a Held>,
    /// Whom the fingers may touch.
    pub finger_touch: Vec<Owner>,
    /// Whom the held thing may touch.
    pub held_touch: Vec<Owner>,
}

impl<'a> ArmShape<'a> {
    /// An arm with the gripper at an opening and something in the hand.
    #[must_use]
    pub fn new(robot: &'a RobotModel, opening_m: f64, held: Option<&'a Held>) -> Self {
        let radius = |shape: &SharedShape| f64::from(shape.compute_local_bounding_sphere().radius);
        let mut links = Vec::new();
        let bodies = std::iter::once(&robot.base_solids).chain(robot.segments.iter().map(|s| &s.solids));
        for (index, solids) in bodies.enumerate() {
            for solid in solids {
                let (local, shape) = convert::shape(solid);
                let r = radius(&shape);
                links.push((index, local, shape, r));
            }
        }
        let finger = |solid: &Solid| {
            let (local, shape) = convert::shape(solid);
            let r = radius(&shape);
            (local, shape, r)
        };
        let fingers = robot.finger_solids(opening_m).iter().map(finger).collect();
        Self { robot, links, fingers, held, finger_touch: Vec::new(), held_touch: Vec::new() }
    }

    fn bodies(&self, frames: &Frames) -> Vec<Body> {
        let frame = |index: usize| if index == 0 { frames.base } else { frames.segments[index - 1] };
        let body = |part, world: Pose, shape: &SharedShape, radius| Body {
            part,
            pose: convert::pose(world),
            shape: shape.clone(),
            centre: world.p,
            radius,
        };
        let hand = frame(self.robot.dof());
        let mut bodies: Vec<Body> =
            self.links.iter().map(|(i, local, shape, r)| body(Part::Link(*i), frame(*i) * *local, shape, *r)).collect();
        bodies.extend(self.fingers.iter().map(|(local, shape, r)| body(Part::Fingers, hand * *local, shape, *r)));
        if let Some(held) = self.held {
            let radius = |s: &SharedShape| f64::from(s.compute_local_bounding_sphere().radius);
            bodies.extend(held.shapes.iter().map(|(local, s)| body(Part::Held, frames.tcp * *local, s, radius(s))));
        }
        bodies
    }

    fn part_name(&self, part: Part) -> String {
        match part {
            Part::Link(0) => "base".to_owned(),
            Part::Link(i) => self.robot.segments[i - 1].name.clone(),
            Part::Fingers => "fingers".to_owned(),
            Part::Held => "held thing".to_owned(),
        }
    }

    fn may_touch(&self, part: Part, owner: Owner) -> bool {
        match part {
            // The base is mounted on the table, and stays where it is.
            Part::Link(i) => i == 0 && matches!(owner, Owner::Table | Owner::Zone(_)),
            Part::Fingers => self.finger_touch.contains(&owner),
            Part::Held => self.held_touch.contains(&owner),
        }
    }

    /// The smallest distance to anything that may not be touched, up to `cap_m`.
    #[must_use]
    pub fn to_scene(&self, frames: &Frames, obstacles: &Obstacles, cap_m: f64) -> Clearance {
        let mut best = Clearance::none(cap_m);
        let mut part = None;
        for body in &self.bodies(frames) {
            for obstacle in &obstacles.0 {
                if self.held.is_some_and(|h| h.owner == obstacle.owner) {
                    continue;
                }
                // Touching is allowed, sinking in is not.
                let touches = self.may_touch(body.part, obstacle.owner);
                if touches && matches!(body.part, Part::Link(_)) {
                    continue;
                }
                if box_distance(body.centre, &obstacle.aabb) - body.radius >= best.distance_m {
                    continue;
                }
                let d = distance(&body.pose, &body.shape, &obstacle.pose, &obstacle.shape);
                if touches && d > -SINK_M {
                    continue;
                }
                if d < best.distance_m {
                    best.distance_m = d;
                    best.other = Some(obstacle.owner);
                    part = Some(body.part);
                }
            }
        }
        best.part = part.map(|p| self.part_name(p)).unwrap_or_default();
        best
    }

    /// The smallest distance between parts of the arm that can collide, up to `cap_m`.
    #[must_use]
    pub fn to_self(&self, frames: &Frames, cap_m: f64) -> Clearance {
        let bodies = self.bodies(frames);
        let last = self.robot.dof();
        let mut best = Clearance::none(cap_m);
        let mut pair = None;
        for (k, a) in bodies.iter().enumerate() {
            for b in &bodies[k + 1..] {
                let index = |p: Part| if let Part::Link(i) = p { i } else { last };
                let (i, j) = (index(a.part), index(b.part));
                // What hangs in the hand is not tested against the hand and the wrist that carry it.
                let tested = match (a.part, b.part) {
                    (Part::Link(_), Part::Link(_)) => self.robot.self_pairs.contains(&(i.min(j), i.max(j))),
                    (Part::Link(i), Part::Fingers | Part::Held) => {
                        i + 2 <= last
                            && self.robot.self_pairs.contains(&(i, last))
                            && !(i + 2 == last && b.part == Part::Held)
                    }
                    _ => false,
                };
                if !tested || a.centre.distance(b.centre) - a.radius - b.radius >= best.distance_m {
                    continue;
                }
                let d = distance(&a.pose, &a.shape, &b.pose, &b.shape);
                if d < best.distance_m {
                    best.distance_m = d;
                    pair = Some((a.part, b.part));
                }
            }
        }
        best.part = pair.map(|(a, b)| format!("{} and {}", self.part_name(a), self.part_name(b))).unwrap_or_default();
        best
    }

    /// The smallest distances along the straight joint motion from `a` to `b`: (to the scene, to itself), up to [`CLEAR_M`].
    ///
    /// Between two samples nothing moves farther than the distance that the samples keep, so nothing is jumped over; down to
    /// samples 2 mm apart. Stops early once something is nearer than `give_up_m`.
    #[must_use]
    pub fn sweep(
        &self,
        base: Pose,
        a: &[f64],
        b: &[f64],
        obstacles: &Obstacles,
        give_up_m: f64,
    ) -> (Clearance, Clearance) {
        let extra = self.held.map_or(0.0, |h| h.extent_m);
        let half: f64 =
            0.5 * a.iter().zip(b).zip(&self.robot.lever_m).map(|((a, b), l)| (b - a).abs() * (l + extra)).sum::<f64>();
        let middle: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
        let frames = self.robot.frames(base, &middle);
        // Two parts of the arm can approach each other from both sides.
        let scene = self.to_scene(&frames, obstacles, half + CLEAR_M);
        let own = self.to_self(&frames, 2.0 * half + CLEAR_M);
        let clear = scene.distance_m >= half + CLEAR_M && own.distance_m >= 2.0 * half + CLEAR_M;
        if clear || half < FINEST_M || scene.distance_m.min(own.distance_m) < give_up_m {
            let capped = |c: Clearance| if c.distance_m > CLEAR_M { Clearance { distance_m: CLEAR_M, ..c } } else { c };
            return (capped(scene), capped(own));
        }
        let first = self.sweep(base, a, &middle, obstacles, give_up_m);
        if first.0.distance_m.min(first.1.distance_m) < give_up_m {
            return first;
        }
        let second = self.sweep(base, &middle, b, obstacles, give_up_m);
        let nearer = |x: Clearance, y: Clearance| if y.distance_m < x.distance_m { y } else { x };
        (nearer(first.0, second.0), nearer(first.1, second.1))
    }

    /// The smallest distances along a path; see [`Self::sweep`].
    #[must_use]
    pub fn sweep_path(
        &self,
        base: Pose,
        path: &[Vec<f64>],
        obstacles: &Obstacles,
        give_up_m: f64,
    ) -> (Clearance, Clearance) {
        let mut worst = (Clearance::none(CLEAR_M), Clearance::none(CLEAR_M));
        let pieces = path.windows(2).map(|pair| (&pair[0], &pair[1]));
        // Ends are looked at exactly; sweeps look between them.
        for (a, b) in path.iter().map(|q| (q, q)).chain(pieces) {
            let (scene, own) = self.sweep(base, a, b, obstacles, give_up_m);
            if scene.distance_m < worst.0.distance_m {
                worst.0 = scene;
            }
            if own.distance_m < worst.1.distance_m {
                worst.1 = own;
            }
            if worst.0.distance_m.min(worst.1.distance_m) < give_up_m {
                break;
            }
        }
        worst
    }
}

fn box_distance(p: V3, aabb: &Aabb) -> f64 {
    let (low, high) = (convert::from_vector(aabb.mins), convert::from_vector(aabb.maxs));
    let out = |p: f64, low: f64, high: f64| (low - p).max(p - high).max(0.0);
    V3(out(p.0, low.0, high.0), out(p.1, low.1, high.1), out(p.2, low.2, high.2)).norm()
}

/// Signed distance of two convex shapes; for an overlap the depth, negative. A pair parry cannot compare counts as overlapping.
fn distance(pose_a: &RapierPose, a: &SharedShape, pose_b: &RapierPose, b: &SharedShape) -> f64 {
    match query::distance(pose_a, &**a, pose_b, &**b) {
        Ok(d) if d.distance > 0.0 => f64::from(d.distance),
        Ok(_) => match query::contact(pose_a, &**a, pose_b, &**b, 0.0) {
            Ok(Some(contact)) => f64::from(contact.dist.min(0.0)),
            _ => 0.0,
        },
        Err(_) => f64::NEG_INFINITY,
    }
}

/// Pairs of segments (0 is the base) that are not neighbours and do not touch in nearly all of 1,000 random postures.
#[must_use]
pub fn self_pairs(robot: &RobotModel) -> Vec<(usize, usize)> {
    let n = robot.dof();
    let candidates: Vec<(usize, usize)> = (0..=n).flat_map(|i| (i + 2..=n).map(move |j| (i, j))).collect();
    let shape = ArmShape::new(robot, 0.0, None);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut touching = vec![0_usize; candidates.len()];
    for _ in 0..SELF_SAMPLES {
        let q = robot.posture(|_| unit(&mut rng));
        let bodies = shape.bodies(&robot.frames(Pose::IDENTITY, &q));
        for (count, (i, j)) in touching.iter_mut().zip(&candidates) {
            let of = |k: usize| bodies.iter().filter(move |b| b.part == Part::Link(k));
            let touches = of(*i).any(|a| {
                of(*j).any(|b| {
                    a.centre.distance(b.centre) < a.radius + b.radius
                        && distance(&a.pose, &a.shape, &b.pose, &b.shape) <= 0.0
                })
            });
            *count += usize::from(touches);
        }
    }
    candidates.into_iter().zip(touching).filter(|(_, count)| *count < ALWAYS).map(|(pair, _)| pair).collect()
}

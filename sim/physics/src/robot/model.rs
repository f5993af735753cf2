//! One arm: a serial chain from base to hand, in f64.

use super::tree::{RawJoint, RawLink, Tree};
use crate::error::PhysicsError;
use crate::limits::MAX_JOINTS;
use crate::math::{Pose, V3};
use crate::scene::form::{Prim, Solid};

/// Speed of joints whose file does not say one, rad/s or m/s.
const DEFAULT_VELOCITY: f64 = 1.5;
/// Seconds a joint needs to its full speed where the file gives no acceleration.
const RAMP_SECS: f64 = 0.35;
/// Holding torque of joints whose file does not say one, Nm.
const DEFAULT_EFFORT: f64 = 50.0;
/// Standard gravity, m/s^2.
pub const GRAVITY: f64 = 9.81;

/// How a joint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointKind {
    /// About its axis, radians.
    Revolute,
    /// Along its axis, metres.
    Prismatic,
}

/// A joint of the chain, SI units.
#[derive(Clone, Debug)]
pub struct Joint {
    /// Its name in the file.
    pub name: String,
    /// How it moves.
    pub kind: JointKind,
    /// Axis of length one in the frame of the moved segment.
    pub axis: V3,
    /// Lower limit.
    pub lower: f64,
    /// Upper limit.
    pub upper: f64,
    /// Largest speed.
    pub velocity: f64,
    /// Largest acceleration.
    pub acceleration: f64,
    /// Largest torque or force.
    pub effort: f64,
}

/// A joint and all links that move rigidly with it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Name of the link at the joint.
    pub name: String,
    /// The joint that moves it.
    pub joint: Joint,
    /// Where the joint sits in the segment before (or in the base).
    pub previous_from_joint: Pose,
    /// Solids in the segment's frame.
    pub solids: Vec<Solid>,
    /// Mass.
    pub mass_kg: f64,
    /// Centre of mass in the segment's frame.
    pub com: V3,
}

/// One finger.
#[derive(Clone, Debug)]
pub struct Finger {
    /// Where it is with the gripper closed, in the frame of the hand's segment.
    pub hand_from_finger: Pose,
    /// Direction in which it opens, in the frame of the hand's segment.
    pub axis: V3,
    /// Solids in its own frame.
    pub solids: Vec<Solid>,
    /// Mass.
    pub mass_kg: f64,
    /// Centre of mass in its own frame.
    pub com: V3,
}

/// Two parallel fingers.
#[derive(Clone, Debug)]
pub struct Gripper {
    /// The fingers.
    pub fingers: [Finger; 2],
    /// Largest distance between the pads.
    pub max_opening_m: f64,
    /// Force of each finger.
    pub force_n: f64,
    /// Half sides of a pad: across the fingers, along the tool's z.
    pub pad_half_m: [f64; 2],
    /// How far the fingers reach beyond the tool point.
    pub tip_beyond_tcp_m: f64,
}

/// An arm.
#[derive(Clone, Debug)]
pub struct RobotModel {
    /// Its name.
    pub name: String,
    /// Solids of the base.
    pub base_solids: Vec<Solid>,
    /// The chain.
    pub segments: Vec<Segment>,
    /// The tool point in the last segment: z out of the hand, y along the closing fingers.
    pub hand_from_tcp: Pose,
    /// The gripper, if the robot has one.
    pub gripper: Option<Gripper>,
    /// Farthest that anything beyond each joint can be from its axis, metres: bounds motion.
    pub lever_m: Vec<f64>,
    /// Pairs of segments (0 is the base, i + 1 is segment i) that can collide.
    pub self_pairs: Vec<(usize, usize)>,
}

/// Where all frames of an arm are, in the world.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The base.
    pub base: Pose,
    /// The segments.
    pub segments: Vec<Pose>,
    /// The tool point.
    pub tcp: Pose,
}

impl RobotModel {
    /// Number of joints.
    #[must_use]
    pub fn dof(&self) -> usize {
        self.segments.len()
    }

    /// The gripper, or an error that says which robot has none.
    ///
    /// # Errors
    /// See above.
    pub fn needs_gripper(&self) -> Result<&Gripper, PhysicsError> {
        let what = "it has no gripper: two prismatic joints with opposite axes on the last link; this skill needs one";
        self.gripper.as_ref().ok_or_else(|| PhysicsError::invalid(format!("robot `{}`", self.name), what))
    }

    /// Are all joints inside their limits, widened by `slack`?
    #[must_use]
    pub fn is_inside(&self, q: &[f64], slack: f64) -> bool {
        self.segments.iter().zip(q).all(|(s, q)| *q >= s.joint.lower - slack && *q <= s.joint.upper + slack)
    }

    /// The middle of all ranges.
    #[must_use]
    pub fn middle(&self) -> Vec<f64> {
        self.segments.iter().map(|s| 0.5 * (s.joint.lower + s.joint.upper)).collect()
    }

    /// Joint values at a share of each range: 0 is the lower limit, 1 the upper one. `share` gets the number of the joint.
    #[must_use]
    pub fn posture(&self, mut share: impl FnMut(usize) -> f64) -> Vec<f64> {
        let value = |(i, s): (usize, &Segment)| s.joint.lower + (s.joint.upper - s.joint.lower) * share(i);
        self.segments.iter().enumerate().map(value).collect()
    }

    /// Forward kinematics. Joints that `q` does not name stay at 0.
    #[must_use]
    pub fn frames(&self, world_from_base: Pose, q: &[f64]) -> Frames {
        let mut at = world_from_base;
        let mut segments = Vec::with_capacity(self.segments.len());
        for (segment, q) in self.segments.iter().zip(q.iter().copied().chain(std::iter::repeat(0.0))) {
            let joint = &segment.joint;
            let moved = match joint.kind {
                JointKind::Revolute => Pose::new(V3::ZERO, crate::math::Rot::about(joint.axis, q)),
                JointKind::Prismatic => Pose::at(joint.axis * q),
            };
            at = at * segment.previous_from_joint * moved;
            segments.push(at);
        }
        Frames { base: world_from_base, tcp: at * self.hand_from_tcp, segments }
    }

    /// The Jacobian of the tool point: one column a joint, (linear, angular) in the world.
    #[must_use]
    pub fn jacobian(&self, frames: &Frames) -> Vec<(V3, V3)> {
        self.columns(frames, frames.tcp.p).collect()
    }

    fn columns<'a>(&'a self, frames: &'a Frames, point: V3) -> impl Iterator<Item = (V3, V3)> + 'a {
        self.segments.iter().zip(&frames.segments).map(move |(segment, frame)| {
            let axis = frame.r.turn(segment.joint.axis);
            match segment.joint.kind {
                JointKind::Revolute => (axis.cross(point - frame.p), axis),
                JointKind::Prismatic => (axis, V3::ZERO),
            }
        })
    }

    /// Torque or force of each joint that holds the arm still with a load, Nm or N.
    ///
    /// By virtual work: the joint carries, for every mass beyond it, weight times the vertical speed per joint speed.
    #[must_use]
    pub fn holding_torque(&self, frames: &Frames, load_kg: f64, load_at: V3) -> Vec<f64> {
        (0..self.dof())
            .map(|i| {
                let (segment, frame) = (&self.segments[i], &frames.segments[i]);
                let axis = frame.r.turn(segment.joint.axis);
                let lift = |p: V3| match segment.joint.kind {
                    JointKind::Revolute => axis.cross(p - frame.p).2,
                    JointKind::Prismatic => axis.2,
                };
                let own: f64 = (i..self.dof())
                    .map(|j| self.segments[j].mass_kg * GRAVITY * lift(frames.segments[j].point(self.segments[j].com)))
                    .sum();
                own + load_kg * GRAVITY * lift(load_at)
            })
            .collect()
    }

    /// Solids of the fingers at an opening, in the frame of the hand's segment.
    #[must_use]
    pub fn finger_solids(&self, opening_m: f64) -> Vec<Solid> {
        let Some(gripper) = &self.gripper else { return Vec::new() };
        let mut solids = Vec::new();
        for finger in &gripper.fingers {
            let out = Pose::at(finger.axis * (opening_m / 2.0));
            for solid in &finger.solids {
                solids
                    .push(Solid { owner_from_solid: out * finger.hand_from_finger * solid.owner_from_solid, ..*solid });
            }
        }
        solids
    }

    /// All solids of an arm, part by part: base, segments in order, fingers; with each part's name and where its frame is.
    pub fn parts<'a>(
        &'a self,
        frames: &'a Frames,
        opening_m: f64,
    ) -> impl Iterator<Item = (&'a str, Pose, std::borrow::Cow<'a, [Solid]>)> {
        let base = std::iter::once(("base", frames.base, (&self.base_solids[..]).into()));
        let segments = self.segments.iter().zip(&frames.segments);
        let segments = segments.map(|(s, frame)| (s.name.as_str(), *frame, (&s.solids[..]).into()));
        let hand = frames.segments.last().copied().unwrap_or(frames.base);
        let fingers = std::iter::once(("fingers", hand, self.finger_solids(opening_m).into()));
        base.chain(segments).chain(fingers)
    }

    /// The chain to the hand, and what is mounted on it, from a tree of links.
    pub(super) fn from_tree(tree: Tree) -> Result<Self, PhysicsError> {
        let place = format!("robot `{}`", tree.name);
        let fault = |what: String| PhysicsError::invalid(place.clone(), what);
        for joint in &tree.joints {
            let finite = [joint.lower, joint.upper, joint.velocity, joint.effort].iter().all(|v| v.is_finite());
            let placed = joint.parent_from_joint.p.is_finite() && joint.parent_from_joint.r.v.is_finite();
            let unit = joint.axis.unit().filter(|a| a.is_finite());
            let moves = joint.kind.is_some();
            if !placed || (moves && (!finite || unit.is_none() || joint.lower > joint.upper)) {
                let what = "limits, origin and axis must be finite, the axis longer than 0, lower at most upper";
                return Err(PhysicsError::invalid(format!("{place}, joint `{}`", joint.name), what));
            }
        }
        for link in &tree.links {
            let sized = |s: &Solid| match s.prim {
                Prim::Box(h) => h.is_finite() && h.0 > 0.0 && h.1 > 0.0 && h.2 > 0.0,
                Prim::Cylinder(h, r) | Prim::Capsule(h, r) => h.is_finite() && r.is_finite() && h > 0.0 && r > 0.0,
                Prim::Ball(r) => r.is_finite() && r > 0.0,
            };
            if !(link.mass_kg.is_finite()
                && link.mass_kg >= 0.0
                && link.com.is_finite()
                && link.solids.iter().all(sized))
            {
                let what = "masses must be finite and at least 0, shapes larger than 0";
                return Err(PhysicsError::invalid(format!("{place}, link `{}`", link.name), what));
            }
        }
        let Some(root) = (0..tree.links.len()).find(|l| tree.joints.iter().all(|j| j.child != *l)) else {
            return Err(fault("no link is the base; the links form a circle".to_owned()));
        };
        let chain = chain(&tree, root).map_err(fault)?;
        if chain.moving.is_empty() || chain.moving.len() > MAX_JOINTS {
            return Err(fault(format!(
                "{} joints between base and hand; allowed are 1 to {MAX_JOINTS}",
                chain.moving.len()
            )));
        }
        let mut model = Self {
            name: tree.name.clone(),
            base_solids: Vec::new(),
            segments: Vec::new(),
            hand_from_tcp: chain.hand_from_tcp,
            gripper: None,
            lever_m: Vec::new(),
            self_pairs: Vec::new(),
        };
        let base = merged(&tree, root, Pose::IDENTITY);
        model.base_solids = base.solids;
        for (joint, previous_from_joint) in &chain.moving {
            let body = merged(&tree, joint.child, Pose::IDENTITY);
            model.segments.push(Segment {
                name: tree.links[joint.child].name.clone(),
                joint: finished(joint),
                previous_from_joint: *previous_from_joint,
                solids: body.solids,
                mass_kg: body.mass_kg,
                com: body.com,
            });
        }
        model.gripper = gripper(&tree, chain.moving.last().map_or(root, |(j, _)| j.child), chain.hand_from_tcp);
        if let (Some(gripper), Some(last)) = (&model.gripper, model.segments.last_mut()) {
            // Closed: while they open, their common centre stays where it is.
            for finger in gripper.fingers.iter().filter(|f| f.mass_kg > 0.0) {
                let total = last.mass_kg + finger.mass_kg;
                let finger_com = finger.hand_from_finger.point(finger.com);
                last.com = (last.com * last.mass_kg + finger_com * finger.mass_kg) * (1.0 / total);
                last.mass_kg = total;
            }
        }
        model.lever_m = levers(&model);
        model.self_pairs = crate::kinematics::self_pairs(&model);
        Ok(model)
    }
}

struct Chain<'a> {
    moving: Vec<(&'a RawJoint, Pose)>,
    hand_from_tcp: Pose,
}

/// The path from the root to the tool: a link called tcp, tool or the like, else the parent of the fingers, else the longest path.
fn chain(tree: &Tree, root: usize) -> Result<Chain<'_>, String> {
    let path_to = |link: usize| -> Option<Vec<&RawJoint>> {
        let (mut at, mut path) = (link, Vec::new());
        while at != root {
            let joint = tree.joints.iter().find(|j| j.child == at)?;
            path.push(joint);
            at = joint.parent;
            if path.len() > tree.links.len() {
                return None;
            }
        }
        path.reverse();
        Some(path)
    };
    let named = tree.links.iter().position(|l| {
        let name = l.name.to_lowercase();
        ["tcp", "tool0", "tool", "ee", "grasp_center", "attachment_site", "pinch"].contains(&name.as_str())
            || name.ends_with("_tcp")
    });
    let of_fingers = || {
        let finger = tree
            .joints
            .iter()
            .find(|j| j.kind == Some(JointKind::Prismatic) && tree.joints.iter().any(|o| sibling(j, o)))?;
        Some(finger.parent)
    };
    let longest = || (0..tree.links.len()).filter_map(|l| path_to(l).map(|p| (p.len(), l))).max().map(|(_, l)| l);
    let tool = named.or_else(of_fingers).or_else(longest).ok_or("there is no link")?;
    let path = path_to(tool).ok_or_else(|| format!("link `{}` is not connected to the base", tree.links[tool].name))?;
    let mut moving = Vec::new();
    let mut before = Pose::IDENTITY;
    for joint in path {
        before = before * joint.parent_from_joint;
        if joint.kind.is_some() {
            moving.push((joint, before));
            before = Pose::IDENTITY;
        }
    }
    Ok(Chain { moving, hand_from_tcp: before })
}

fn sibling(a: &RawJoint, b: &RawJoint) -> bool {
    a.child != b.child && a.parent == b.parent && a.kind == Some(JointKind::Prismatic) && b.kind == a.kind
}

/// A link with everything rigidly mounted on it, in its own frame.
fn merged(tree: &Tree, link: usize, own_from_link: Pose) -> RawLink {
    let mut body = tree.links[link].clone();
    body.com = own_from_link.point(body.com);
    for solid in &mut body.solids {
        solid.owner_from_solid = own_from_link * solid.owner_from_solid;
    }
    for joint in tree.joints.iter().filter(|j| j.parent == link && j.kind.is_none()) {
        let part = merged(tree, joint.child, own_from_link * joint.parent_from_joint);
        let total = body.mass_kg + part.mass_kg;
        if total > 0.0 {
            body.com = body.com * (body.mass_kg / total) + part.com * (part.mass_kg / total);
        }
        body.mass_kg = total;
        body.solids.extend(part.solids);
    }
    body
}

fn finished(joint: &RawJoint) -> Joint {
    let velocity = if joint.velocity > 0.0 { joint.velocity } else { DEFAULT_VELOCITY };
    let given = joint.acceleration.is_finite() && joint.acceleration > 0.0;
    Joint {
        name: joint.name.clone(),
        kind: joint.kind.unwrap_or(JointKind::Revolute),
        axis: joint.axis.unit().unwrap_or(V3::UP),
        lower: joint.lower,
        upper: joint.upper,
        velocity,
        acceleration: if given { joint.acceleration } else { velocity / RAMP_SECS },
        effort: if joint.effort > 0.0 { joint.effort } else { DEFAULT_EFFORT },
    }
}

/// Two sliding fingers somewhere on the rigid body of the hand.
fn gripper(tree: &Tree, hand: usize, hand_from_tcp: Pose) -> Option<Gripper> {
    let mut mounts = vec![(hand, Pose::IDENTITY)];
    let mut fingers = Vec::new();
    while let Some((link, at)) = mounts.pop() {
        for joint in tree.joints.iter().filter(|j| j.parent == link) {
            let pose = at * joint.parent_from_joint;
            match joint.kind {
                None => mounts.push((joint.child, pose)),
                Some(JointKind::Prismatic) => fingers.push((joint, pose)),
                Some(JointKind::Revolute) => {}
            }
        }
    }
    let [(a, pose_a), (b, pose_b)] = fingers.get(..2)?.try_into().ok()?;
    let axis = |j: &RawJoint, p: Pose| p.r.turn(j.axis.unit().unwrap_or(V3::UP));
    let finger = |joint: &RawJoint, pose: Pose| {
        let body = merged(tree, joint.child, Pose::IDENTITY);
        // A joint that closes at its upper end is turned round: openings are counted from closed.
        let (sign, closed) =
            if joint.upper.abs() < joint.lower.abs() { (-1.0, joint.upper) } else { (1.0, joint.lower) };
        let shift = Pose::at(axis(joint, pose) * closed);
        Finger {
            hand_from_finger: shift * pose,
            axis: axis(joint, pose) * sign,
            solids: body.solids,
            mass_kg: body.mass_kg,
            com: body.com,
        }
    };
    let fingers = [finger(a, pose_a), finger(b, pose_b)];
    if fingers[0].axis.dot(fingers[1].axis) > -0.99 {
        return None;
    }
    let force = [a.effort, b.effort].into_iter().filter(|e| *e > 0.0).fold(f64::INFINITY, f64::min);
    let (mut pad, mut beyond) = ([0.01, 0.01], 0.01);
    if let Some(solid) = fingers[0].solids.first() {
        let pose = hand_from_tcp.inv() * fingers[0].hand_from_finger * solid.owner_from_solid;
        if let Prim::Box(half) = solid.prim {
            let reach = |axis: V3| {
                [V3(half.0, 0.0, 0.0), V3(0.0, half.1, 0.0), V3(0.0, 0.0, half.2)]
                    .iter()
                    .map(|e| pose.r.turn(*e).dot(axis).abs())
                    .sum::<f64>()
            };
            beyond = (pose.p.2 + reach(V3::UP)).max(0.0);
            pad = [reach(V3(1.0, 0.0, 0.0)), beyond.max(0.005)];
        }
    }
    let stroke = (a.upper - a.lower).min(b.upper - b.lower);
    Some(Gripper {
        fingers,
        max_opening_m: 2.0 * stroke,
        force_n: if force.is_finite() { force } else { 20.0 },
        pad_half_m: pad,
        tip_beyond_tcp_m: beyond,
    })
}

/// Radius of the ball about the frame that holds a solid.
pub(crate) fn extent_m(solid: &Solid) -> f64 {
    let own = match solid.prim {
        Prim::Box(h) => h.norm(),
        Prim::Cylinder(h, r) => (h * h + r * r).sqrt(),
        Prim::Capsule(h, r) => h + r,
        Prim::Ball(r) => r,
    };
    solid.owner_from_solid.p.norm() + own
}

fn levers(model: &RobotModel) -> Vec<f64> {
    let n = model.dof();
    let open = model.gripper.as_ref().map_or(0.0, |g| g.max_opening_m);
    (0..n)
        .map(|i| {
            let (mut way, mut most): (f64, f64) = (0.0, 0.0);
            for k in i..n {
                let segment = &model.segments[k];
                if k > i {
                    way += segment.previous_from_joint.p.norm();
                    if segment.joint.kind == JointKind::Prismatic {
                        way += segment.joint.lower.abs().max(segment.joint.upper.abs());
                    }
                }
                let fingers = if k + 1 == n { model.finger_solids(open) } else { Vec::new() };
                let extent = segment.solids.iter().chain(&fingers).map(extent_m).fold(0.0, f64::max);
                most = most.max(way + extent);
            }
            most.max(way + model.hand_from_tcp.p.norm())
        })
        .collect()
}

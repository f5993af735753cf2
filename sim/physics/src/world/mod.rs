//! The simulated world: rapier for everything that falls, slides and tips, own kinematics for the arms.
//!
//! Arms are kinematic: they follow joint values exactly and push what they touch. A thing in the hand is welded to it, and
//! only a grasp that passed its checks may weld (see [`fingers`] for the test with real fingers). Steps are 1/240 s, contacts
//! are stiff (120 Hz; rapier's default of 30 Hz lets a tower of ten cubes sink by 22 mm), everything is single-threaded.
//!
//! Invariant: equal scenes and equal calls give equal bytes, and a restored [`Snapshot`] continues as if nothing had happened.

pub mod facts;
pub mod fingers;
pub mod stage;

use std::sync::Arc;

use rapier3d::prelude::{
    CoefficientCombineRule, ColliderBuilder, ColliderHandle, Group, InteractionGroups, InteractionTestMode,
    PhysicsWorld, RigidBodyBuilder, RigidBodyHandle, RigidBodyType, SpringCoefficients, Vector,
};
use serde::{Deserialize, Serialize};

use crate::convert;
use crate::error::PhysicsError;
use crate::math::{Pose, V3};
use crate::robot::{Frames, GRAVITY};
use crate::scene::form::Solid;
use stage::{Contacts, Stage};

/// Length of a step, seconds.
pub const STEP_SECS: f64 = 1.0 / 240.0;
/// Natural frequency of contacts, Hz; at most half of the step rate.
pub const CONTACT_HZ: f32 = 120.0;

/// What is in a hand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InHand {
    /// The thing.
    pub thing: usize,
    /// Where it is in the hand.
    pub tcp_from_thing: Pose,
}

/// The state of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmState {
    /// Joint values.
    pub q: Vec<f64>,
    /// Distance between the pads, metres.
    pub opening_m: f64,
    /// What is in the hand.
    pub held: Option<InHand>,
    /// The drawer whose handle is in the hand.
    pub pulls: Option<usize>,
}

/// What rapier does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logic {
    /// The arms.
    pub arms: Vec<ArmState>,
    /// How far each drawer is out, metres; 0 for everything else.
    pub tray_m: Vec<f64>,
    /// Buttons that were pressed.
    pub pressed: Vec<bool>,
    /// Things that were wiped.
    pub wiped: Vec<bool>,
    /// Steps since the beginning.
    pub step: u64,
}

/// Handles into rapier, in the order of the scene.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Handles {
    table: ColliderHandle,
    things: Vec<Option<RigidBodyHandle>>,
    trays: Vec<Option<RigidBodyHandle>>,
    arms: Vec<Vec<RigidBodyHandle>>,
    fingers: Vec<Vec<RigidBodyHandle>>,
}

/// A world in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(Vec<u8>);

impl Snapshot {
    /// Bytes that were a snapshot's; [`World::restore`] says whether they are one.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first eight bytes of their BLAKE3 hash, as hexadecimal digits.
    #[must_use]
    pub fn short_hash(&self) -> String {
        blake3::hash(&self.0).to_hex().chars().take(16).collect()
    }
}

/// A running world.
pub struct World {
    /// What does not change.
    pub stage: Arc<Stage>,
    /// What rapier does not know.
    pub logic: Logic,
    physics: PhysicsWorld,
    handles: Handles,
}

const FIXED: Group = Group::GROUP_1;
const THING: Group = Group::GROUP_2;
const ARM: Group = Group::GROUP_3;

fn groups(member: Group, meets: Group) -> InteractionGroups {
    InteractionGroups::new(member, meets, InteractionTestMode::And)
}

/// Colliders for the solids of one owner; the mass is shared out by volume, the smaller friction of two counts.
fn colliders(solids: &[Solid], mass_kg: f64, friction: f64) -> Vec<ColliderBuilder> {
    let volume: f64 = solids.iter().map(Solid::volume_m3).sum();
    solids
        .iter()
        .map(|solid| {
            let (local, shape) = convert::shape(solid);
            ColliderBuilder::new(shape)
                .position(convert::pose(local))
                .mass((mass_kg * solid.volume_m3() / volume.max(1e-12)) as f32)
                .friction(friction as f32)
                .friction_combine_rule(CoefficientCombineRule::Min)
        })
        .collect()
}

impl World {
    /// A world at its beginning: everything in place, arms at rest, grippers open.
    ///
    /// # Errors
    /// Supports that make no sense.
    pub fn new(stage: Arc<Stage>) -> Result<Self, PhysicsError> {
        let mut physics = PhysicsWorld { gravity: Vector::new(0.0, 0.0, -GRAVITY as f32), ..PhysicsWorld::default() };
        tune(&mut physics, STEP_SECS, CONTACT_HZ, stage.contacts);
        let scene = &stage.scene;
        let fixed = groups(FIXED, Group::ALL);
        let table = colliders(&[stage.table_solid()], 1.0, scene.table.friction).remove(0).collision_groups(fixed);
        let table = physics.insert(RigidBodyBuilder::fixed(), table).1;
        let mut handles =
            Handles { table, things: Vec::new(), trays: Vec::new(), arms: Vec::new(), fingers: Vec::new() };
        for (index, (thing, pose)) in scene.things.iter().zip(stage.first_poses()?).enumerate() {
            let insert = |physics: &mut PhysicsWorld, body: RigidBodyBuilder, solids: &[Solid], group| {
                if solids.is_empty() {
                    return None;
                }
                let handle = physics.insert_body(body.pose(convert::pose(pose)));
                for collider in colliders(solids, thing.mass_kg, thing.friction) {
                    physics.insert_collider(collider.collision_groups(group), Some(handle));
                }
                Some(handle)
            };
            let (kind, group) = if thing.is_movable() {
                let small = thing.form.size_m().array().into_iter().fold(f64::MAX, f64::min) < 0.02;
                let body = RigidBodyBuilder::dynamic().soft_ccd_prediction(if small { 0.005 } else { 0.0 });
                (body, groups(THING, Group::ALL))
            } else {
                (RigidBodyBuilder::fixed(), fixed)
            };
            handles.things.push(insert(&mut physics, kind, &stage.solids[index], group));
            let tray = RigidBodyBuilder::kinematic_position_based();
            handles.trays.push(insert(&mut physics, tray, &stage.sliding[index], groups(FIXED, THING)));
        }
        let mut arms = Vec::new();
        for arm in &stage.arms {
            let opening_m = arm.robot.gripper.as_ref().map_or(0.0, |g| g.max_opening_m);
            let group = groups(ARM, THING);
            let mut body = |solids: &[Solid], movable: bool| {
                let kind =
                    if movable { RigidBodyBuilder::kinematic_position_based() } else { RigidBodyBuilder::fixed() };
                let handle = physics.insert_body(kind);
                for collider in colliders(solids, 1.0, 1.0) {
                    physics.insert_collider(collider.collision_groups(group), Some(handle));
                }
                handle
            };
            let mut links = vec![body(&arm.robot.base_solids, false)];
            links.extend(arm.robot.segments.iter().map(|s| body(&s.solids, true)));
            let fingers = arm.robot.gripper.iter().flat_map(|g| &g.fingers).map(|f| body(&f.solids, true)).collect();
            handles.arms.push(links);
            handles.fingers.push(fingers);
            arms.push(ArmState { q: arm.home.clone(), opening_m, held: None, pulls: None });
        }
        let count = scene.things.len();
        let logic =
            Logic { arms, tray_m: vec![0.0; count], pressed: vec![false; count], wiped: vec![false; count], step: 0 };
        let mut world = Self { stage, logic, physics, handles };
        world.place_arms(true);
        Ok(world)
    }

    /// Where an arm's frames are.
    #[must_use]
    pub fn frames(&self, arm: usize) -> Frames {
        let place = &self.stage.arms[arm];
        place.robot.frames(place.world_from_base, &self.logic.arms[arm].q)
    }

    /// Where a thing is.
    #[must_use]
    pub fn pose(&self, thing: usize) -> Pose {
        match self.handles.things[thing].and_then(|h| self.physics.bodies.get(h)) {
            Some(body) => convert::from_pose(body.position()),
            None => {
                let t = self.stage.thing(thing);
                Pose::new(V3(t.at_m[0], t.at_m[1], 0.0), crate::math::Rot::yaw(t.yaw_rad()))
            }
        }
    }

    /// Where the room inside a thing is: a drawer's moves with its sliding part.
    #[must_use]
    pub fn cavity_pose(&self, thing: usize) -> Pose {
        self.pose(thing) * Pose::at(V3(-self.logic.tray_m[thing], 0.0, 0.0))
    }

    /// Linear and angular speed of a thing, m/s and rad/s.
    #[must_use]
    pub fn speed(&self, thing: usize) -> (f64, f64) {
        self.handles.things[thing]
            .and_then(|h| self.physics.bodies.get(h))
            .map_or((0.0, 0.0), |body| (f64::from(body.linvel().length()), f64::from(body.angvel().length())))
    }

    /// Puts a thing somewhere at rest.
    pub fn put(&mut self, thing: usize, pose: Pose) {
        if let Some(body) = self.handles.things[thing].and_then(|h| self.physics.bodies.get_mut(h)) {
            body.set_position(convert::pose(pose), true);
            body.set_linvel(Vector::new(0.0, 0.0, 0.0), true);
            body.set_angvel(Vector::new(0.0, 0.0, 0.0), true);
        }
    }

    /// Moves an arm to joint values; takes effect with the next step.
    pub fn drive(&mut self, arm: usize, q: &[f64]) {
        self.logic.arms[arm].q = q.to_vec();
    }

    /// Opens or closes a gripper; takes effect with the next step.
    pub fn set_opening(&mut self, arm: usize, opening_m: f64) {
        self.logic.arms[arm].opening_m = opening_m;
    }

    /// Welds a thing to a hand where it is now.
    pub fn weld(&mut self, arm: usize, thing: usize) {
        let tcp_from_thing = self.frames(arm).tcp.inv() * self.pose(thing);
        for other in &mut self.logic.arms {
            if other.held.is_some_and(|h| h.thing == thing) {
                other.held = None;
            }
        }
        self.logic.arms[arm].held = Some(InHand { thing, tcp_from_thing });
        self.set_kind(thing, RigidBodyType::KinematicPositionBased);
    }

    /// Lets go of what a hand holds.
    pub fn release(&mut self, arm: usize) {
        if let Some(held) = self.logic.arms[arm].held.take() {
            self.set_kind(held.thing, RigidBodyType::Dynamic);
        }
        self.logic.arms[arm].pulls = None;
    }

    fn set_kind(&mut self, thing: usize, kind: RigidBodyType) {
        if let Some(body) = self.handles.things[thing].and_then(|h| self.physics.bodies.get_mut(h)) {
            body.set_body_type(kind, true);
            body.set_linvel(Vector::new(0.0, 0.0, 0.0), true);
            body.set_angvel(Vector::new(0.0, 0.0, 0.0), true);
        }
    }

    fn place_arms(&mut self, at_once: bool) {
        for arm in 0..self.logic.arms.len() {
            let frames = self.frames(arm);
            let state = self.logic.arms[arm].clone();
            let mut moves = vec![(self.handles.arms[arm][0], frames.base)];
            moves.extend(self.handles.arms[arm][1..].iter().copied().zip(frames.segments.iter().copied()));
            let hand = frames.segments.last().copied().unwrap_or(frames.base);
            if let Some(gripper) = &self.stage.arms[arm].robot.gripper {
                for (handle, finger) in self.handles.fingers[arm].iter().zip(&gripper.fingers) {
                    let out = Pose::at(finger.axis * (state.opening_m / 2.0));
                    moves.push((*handle, hand * out * finger.hand_from_finger));
                }
            }
            if let Some(held) = state.held {
                moves.extend(self.handles.things[held.thing].map(|h| (h, frames.tcp * held.tcp_from_thing)));
            }
            for (handle, pose) in moves {
                if let Some(body) = self.physics.bodies.get_mut(handle) {
                    let pose = convert::pose(pose);
                    if at_once || body.is_fixed() {
                        body.set_position(pose, false);
                    } else if *body.position() != pose {
                        body.set_next_kinematic_position(pose);
                    }
                }
            }
        }
        for thing in 0..self.handles.trays.len() {
            let pose = convert::pose(self.cavity_pose(thing));
            if let Some(body) = self.handles.trays[thing].and_then(|h| self.physics.bodies.get_mut(h))
                && *body.position() != pose
            {
                body.set_next_kinematic_position(pose);
            }
        }
    }

    /// One step of 1/240 s.
    pub fn step(&mut self) {
        self.place_arms(false);
        self.physics.step();
        self.logic.step += 1;
    }

    /// Steps for a time.
    pub fn run(&mut self, secs: f64) {
        for _ in 0..steps_of(secs) {
            self.step();
        }
    }

    /// Did a pose or speed stop being a number?
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let lost =
            |h: &Option<RigidBodyHandle>| h.and_then(|h| self.physics.bodies.get(h)).is_some_and(|b| !b.is_enabled());
        !self.physics.quarantine().bodies().is_empty() || self.handles.things.iter().any(lost)
    }

    /// The world in bytes.
    ///
    /// # Errors
    /// Never in practice; the encoder's own failure is passed on.
    pub fn snapshot(&self) -> Result<Snapshot, PhysicsError> {
        let fault = |e: postcard::Error| PhysicsError::Snapshot(e.to_string());
        postcard::to_stdvec(&(&self.logic, &self.handles, &self.physics)).map(Snapshot).map_err(fault)
    }

    /// A world from its bytes.
    ///
    /// # Errors
    /// Bytes that are no snapshot of this stage.
    pub fn restore(stage: Arc<Stage>, snapshot: &Snapshot) -> Result<Self, PhysicsError> {
        let (logic, handles, physics): (Logic, Handles, PhysicsWorld) =
            postcard::from_bytes(&snapshot.0).map_err(|e| PhysicsError::Snapshot(e.to_string()))?;
        let same = handles.things.len() == stage.scene.things.len() && handles.arms.len() == stage.arms.len();
        let same = same && logic.arms.iter().zip(&stage.arms).all(|(s, a)| s.q.len() == a.robot.dof());
        if !same {
            return Err(PhysicsError::Snapshot("it belongs to another scene".to_owned()));
        }
        Ok(Self { stage, logic, physics, handles })
    }

    /// A copy that can be tried out.
    ///
    /// # Errors
    /// See [`Self::snapshot`].
    pub fn fork(&self) -> Result<Self, PhysicsError> {
        Self::restore(self.stage.clone(), &self.snapshot()?)
    }

    /// BLAKE3 over every pose and speed and all that rapier does not know.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (_, body) in self.physics.bodies.iter() {
            let p = body.position();
            let (t, r, v, w) = (p.translation, p.rotation, body.linvel(), body.angvel());
            for value in [t.x, t.y, t.z, r.x, r.y, r.z, r.w, v.x, v.y, v.z, w.x, w.y, w.z] {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
        for arm in &self.logic.arms {
            for value in arm.q.iter().chain([&arm.opening_m]).chain(&self.logic.tray_m) {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
        hasher.update(&self.logic.step.to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// Steps that a time takes, the last one whole.
#[must_use]
pub fn steps_of(secs: f64) -> usize {
    (secs / STEP_SECS).ceil() as usize
}

/// Step length and, unless they are to be rapier's own, the settings of contacts.
pub(crate) fn tune(physics: &mut PhysicsWorld, step_secs: f64, contact_hz: f32, contacts: Contacts) {
    let parameters = &mut physics.integration_parameters;
    parameters.dt = step_secs as f32;
    if contacts == Contacts::Rapier {
        return;
    }
    let stiff = |s: SpringCoefficients<f32>| SpringCoefficients { natural_frequency: contact_hz, ..s };
    parameters.contact_softness = stiff(parameters.contact_softness);
    parameters.static_contact_softness = stiff(parameters.static_contact_softness);
    // A table of small things: contacts begin within half a millimetre, resting depth is a tenth of one.
    parameters.normalized_allowed_linear_error = 0.0005;
    parameters.normalized_prediction_distance = 0.004;
    // Recycled contacts keep the distance at which they were found; facts and support need the present one.
    parameters.contact_recycling = false;
}

//! The grasp test with real fingers: two rapier bodies squeeze the thing, gravity is switched on, and slip is measured.
//!
//! The test runs in a small world of its own, in the frame of the tool, at 1 kHz. Weight may be increased by what lifting
//! adds. Only a grasp that passes is welded.

use rapier3d::prelude::{LockedAxes, PhysicsWorld, RigidBodyBuilder, Vector};

use super::stage::Contacts;
use super::{colliders, tune};
use crate::convert;
use crate::math::{Pose, V3};
use crate::robot::{GRAVITY, Gripper};
use crate::scene::form::{Prim, Solid};

/// Step of the test, seconds.
const STEP_SECS: f64 = 1e-3;
/// Natural frequency of contacts in the test, Hz: pads sink by less than a tenth of a millimetre.
const CONTACT_HZ: f32 = 480.0;
/// Mass of a finger with its drive, kilograms; light fingers sink in.
pub const FINGER_KG: f64 = 0.3;
/// How long the fingers squeeze before weight comes on, and how long they hold, seconds.
pub const SQUEEZE_SECS: f64 = 0.1;
/// See [`SQUEEZE_SECS`].
pub const HOLD_SECS: f64 = 0.4;
/// Half thickness of a pad, and its distance from the thing at first, metres.
const PAD_M: [f64; 2] = [0.005, 2e-4];

/// What the fingers hold.
#[derive(Clone, Copy, Debug)]
pub struct GripTest<'a> {
    /// Solids of the thing in its own frame.
    pub solids: &'a [Solid],
    /// Where the thing is in the hand.
    pub tcp_from_thing: Pose,
    /// Its mass.
    pub mass_kg: f64,
    /// Coefficient of friction between pads and thing.
    pub friction: f64,
    /// Force of each finger.
    pub force_n: f64,
    /// Half sides of the pads: across, along the tool.
    pub pad_half_m: [f64; 2],
    /// Distance between the pads when they touch.
    pub width_m: f64,
    /// Direction of weight in the frame of the tool, of length one.
    pub down_in_tcp: V3,
    /// Acceleration that is added to gravity, m/s^2.
    pub lift_mps2: f64,
    /// How contacts are simulated.
    pub contacts: Contacts,
}

/// What the test measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GripResult {
    /// How far the thing moved against the fingers while held, metres.
    pub slip_m: f64,
    /// How far it turned, radians.
    pub tilt_rad: f64,
    /// How deep the pads sank in, metres.
    pub sink_m: f64,
}

/// Half height of the pads of a gripper, as the test uses them.
#[must_use]
pub fn pads(gripper: &Gripper) -> [f64; 2] {
    [gripper.pad_half_m[0], gripper.pad_half_m[1].min(0.01)]
}

/// Where the pad at a side (1 or -1) of the tool's y begins, and its solid.
#[must_use]
pub fn pad_solids(test: &GripTest<'_>, side: f64) -> (V3, Solid) {
    let half = V3(test.pad_half_m[0], PAD_M[0], test.pad_half_m[1]);
    let at = V3(0.0, side * (test.width_m / 2.0 + half.1 + PAD_M[1]), 0.0);
    (at, Solid { owner_from_solid: Pose::IDENTITY, prim: Prim::Box(half) })
}

/// Runs the test.
#[must_use]
pub fn try_grip(test: &GripTest<'_>) -> GripResult {
    let mut world = PhysicsWorld { gravity: Vector::new(0.0, 0.0, 0.0), ..PhysicsWorld::default() };
    tune(&mut world, STEP_SECS, CONTACT_HZ, test.contacts);
    let body = RigidBodyBuilder::dynamic().pose(convert::pose(test.tcp_from_thing)).can_sleep(false);
    let thing = world.insert_body(body);
    for collider in colliders(test.solids, test.mass_kg, test.friction) {
        world.insert_collider(collider, Some(thing));
    }
    let mut fingers = Vec::new();
    for side in [1.0, -1.0] {
        let (at, pad) = pad_solids(test, side);
        // A finger slides along the tool's y and does nothing else.
        let locked = LockedAxes::all() & !LockedAxes::TRANSLATION_LOCKED_Y;
        let body = RigidBodyBuilder::dynamic().translation(convert::vector(at)).locked_axes(locked).can_sleep(false);
        let handle = world.insert_body(body);
        for collider in colliders(&[pad], FINGER_KG, test.friction.max(1.0)) {
            world.insert_collider(collider, Some(handle));
        }
        if let Some(finger) = world.bodies.get_mut(handle) {
            finger.set_gravity_scale(0.0, false);
            finger.add_force(Vector::new(0.0, (-side * test.force_n) as f32, 0.0), true);
        }
        fingers.push(handle);
    }
    let steps = |secs: f64| (secs / STEP_SECS).round() as usize;
    for _ in 0..steps(SQUEEZE_SECS) {
        world.step();
    }
    let pose =
        |world: &PhysicsWorld| world.bodies.get(thing).map_or(Pose::IDENTITY, |b| convert::from_pose(b.position()));
    let gripped = pose(&world);
    let apart = |world: &PhysicsWorld| {
        let y =
            |i: usize| fingers.get(i).and_then(|h| world.bodies.get(*h)).map_or(0.0, |b| f64::from(b.translation().y));
        y(0) - y(1) - 2.0 * PAD_M[0]
    };
    let sink_m = ((test.width_m - apart(&world)) / 2.0).max(0.0);
    world.gravity = convert::vector(test.down_in_tcp * (GRAVITY + test.lift_mps2));
    for _ in 0..steps(HOLD_SECS) {
        world.step();
    }
    let held = pose(&world);
    GripResult { slip_m: held.p.distance(gripped.p), tilt_rad: (gripped.r.inv() * held.r).angle(), sink_m }
}

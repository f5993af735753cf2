//! The grasp test with real fingers: two rapier bodies squeeze the thing, gravity is switched on, and slip is measured.
//!
//! The test runs in a small world of its own, in the frame of the tool, at 1 kHz. Weight may be increased by what lifting
//! adds. Only a grasp that passes is welded.

use rapier3d::prelude::{CoefficientCombineRule, ColliderBuilder, LockedAxes, PhysicsWorld, RigidBodyBuilder, Vector};

use super::tune;
use crate::convert;
use crate::math::{Pose, V3};
use crate::robot::{GRAVITY, Gripper};
use crate::scene::form::Solid;

/// Step of the test, seconds.
const STEP_SECS: f64 = 1e-3;
/// Natural frequency of contacts in the test, Hz: pads sink by less than a tenth of a millimetre.
const CONTACT_HZ: f32 = 480.0;
/// Mass of a finger with its drive; light fingers sink in.
const FINGER_KG: f32 = 0.3;
/// How long the fingers squeeze before weight comes on, and how long they hold, seconds.
const SQUEEZE_SECS: f64 = 0.1;
/// See [`SQUEEZE_SECS`].
const HOLD_SECS: f64 = 0.4;

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

/// Runs the test.
#[must_use]
pub fn try_grip(test: &GripTest<'_>) -> GripResult {
    let mut world = PhysicsWorld { gravity: Vector::new(0.0, 0.0, 0.0), ..PhysicsWorld::default() };
    tune(&mut world, STEP_SECS, CONTACT_HZ);
    let volume: f64 = test.solids.iter().map(Solid::volume_m3).sum();
    let body = RigidBodyBuilder::dynamic().pose(convert::pose(test.tcp_from_thing)).can_sleep(false);
    let thing = world.insert_body(body);
    for solid in test.solids {
        let (local, shape) = convert::shape(solid);
        let collider = ColliderBuilder::new(shape)
            .position(convert::pose(local))
            .mass((test.mass_kg * solid.volume_m3() / volume.max(1e-12)) as f32)
            .friction(test.friction as f32)
            .friction_combine_rule(CoefficientCombineRule::Min);
        world.insert_collider(collider, Some(thing));
    }
    let half = V3(test.pad_half_m[0], 0.005, test.pad_half_m[1]);
    let mut fingers = Vec::new();
    for side in [1.0, -1.0] {
        let at = V3(0.0, side * (test.width_m / 2.0 + half.1 + 2e-4), 0.0);
        // A finger slides along the tool's y and does nothing else.
        let locked = LockedAxes::all() & !LockedAxes::TRANSLATION_LOCKED_Y;
        let body = RigidBodyBuilder::dynamic().translation(convert::vector(at)).locked_axes(locked).can_sleep(false);
        let pad = ColliderBuilder::cuboid(half.0 as f32, half.1 as f32, half.2 as f32)
            .mass(FINGER_KG)
            .friction(test.friction.max(1.0) as f32)
            .friction_combine_rule(CoefficientCombineRule::Min);
        let (handle, _) = world.insert(body, pad);
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
        y(0) - y(1) - 2.0 * half.1
    };
    let sink_m = ((test.width_m - apart(&world)) / 2.0).max(0.0);
    world.gravity = convert::vector(test.down_in_tcp * (GRAVITY + test.lift_mps2));
    for _ in 0..steps(HOLD_SECS) {
        world.step();
    }
    let held = pose(&world);
    GripResult { slip_m: held.p.distance(gripped.p), tilt_rad: (gripped.r.inv() * held.r).angle(), sink_m }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::form::Prim;

    /// A 5 cm cube between two fingers: hold or drop against `F >= m g / (2 mu)`.
    fn holds(force_over_need: f64, mass_kg: f64, friction: f64) -> bool {
        let solids = [Solid { owner_from_solid: Pose::IDENTITY, prim: Prim::Box(V3(0.025, 0.025, 0.025)) }];
        let need = mass_kg * GRAVITY / (2.0 * friction);
        let result = try_grip(&GripTest {
            solids: &solids,
            tcp_from_thing: Pose::IDENTITY,
            mass_kg,
            friction,
            force_n: need * force_over_need,
            pad_half_m: [0.01, 0.01],
            width_m: 0.05,
            down_in_tcp: V3(0.0, 0.0, 1.0),
            lift_mps2: 0.0,
        });
        result.slip_m < 0.002
    }

    #[test]
    fn grips_hold_and_drop_as_the_law_of_friction_says_outside_a_band_of_a_tenth() {
        let mut cases = 0;
        for (mass, friction) in [(0.1, 0.3), (0.1, 0.8), (0.5, 0.5), (1.0, 0.3), (1.0, 0.9), (2.0, 0.6)] {
            for (ratio, expected) in [(0.6, false), (0.9, false), (1.1, true), (1.5, true)] {
                assert_eq!(
                    holds(ratio, mass, friction),
                    expected,
                    "{mass} kg, friction {friction}, force {ratio} of what is needed"
                );
                cases += 1;
            }
        }
        assert_eq!(cases, 24);
    }
}

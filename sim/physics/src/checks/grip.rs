//! Stage B, the hand: width, antipodal contact, force, the grasp test, and what the joints carry.

use super::thresholds::{
    FORCE_SAFETY, HOLD_TILT_RAD, LIFT_MPS2, PAD_OVERLAP_M, SINK_M, SLIP_M, SPARE_WIDTH_M, TORQUE_SAMPLES, TORQUE_SHARE,
};
use super::{Check, Code, Verdict};
use crate::error::PhysicsError;
use crate::grasp::{Grasp, pad_contact};
use crate::math::{Pose, V3};
use crate::motion::Motion;
use crate::robot::{GRAVITY, Gripper};
use crate::world::World;
use crate::world::fingers::{GripTest, pads, try_grip};

pub(super) fn check(world: &World, motion: &Motion, checks: &mut Vec<Check>) -> Result<(), PhysicsError> {
    for (arm, thing, grasp) in &motion.grasps {
        let gripper = world.stage.arms[*arm].robot.needs_gripper()?;
        let load = load_kg(world, *thing);
        geometry(world, *thing, grasp, gripper, checks);
        checks.push(force(world, *thing, grasp, gripper, load));
        if checks.iter().all(|c| c.verdict != Verdict::Reject) {
            checks.push(hold(world, *thing, grasp, gripper, load));
        }
    }
    if let Some((drawer, grasp)) = &motion.handle {
        let name = world.stage.thing(*drawer).name.clone();
        if let Some(arm) = motion.legs.first().map(|l| l.arm) {
            let gripper = world.stage.arms[arm].robot.needs_gripper()?;
            checks.push(
                Check::at_most(Code::Width, grasp.width_m + SPARE_WIDTH_M, "m", gripper.max_opening_m)
                    .blame([name.clone()]),
            );
        }
    }
    checks.push(torque(world, motion));
    Ok(())
}

/// What the grasp test with real fingers says of every grasp of a motion, whatever the other checks say.
///
/// # Errors
/// An arm that has no gripper.
pub fn try_grasps(world: &World, motion: &Motion) -> Result<Vec<Check>, PhysicsError> {
    let test = |(arm, thing, grasp): &(usize, usize, Grasp)| {
        let gripper = world.stage.arms[*arm].robot.needs_gripper()?;
        Ok(hold(world, *thing, grasp, gripper, load_kg(world, *thing)))
    };
    motion.grasps.iter().map(test).collect()
}

/// Mass of a thing with everything on and in it.
pub(crate) fn load_kg(world: &World, thing: usize) -> f64 {
    world.stage.thing(thing).mass_kg + world.loads(thing).into_iter().map(|l| load_kg(world, l)).sum::<f64>()
}

fn geometry(world: &World, thing: usize, grasp: &Grasp, gripper: &Gripper, checks: &mut Vec<Check>) {
    let name = world.stage.thing(thing).name.clone();
    // Rays start outside of what could be between the pads.
    let opening = grasp.open_m(gripper).max(grasp.width_m) + 0.04;
    let Some(contact) = pad_contact(&world.stage.solids[thing], grasp.thing_from_tcp, opening, pads(gripper)) else {
        checks.push(
            Check::at_least(Code::Antipodal, 0.0, "m", PAD_OVERLAP_M).blame([name]).note("the pads meet nothing"),
        );
        return;
    };
    checks.push(
        Check::at_most(Code::Width, contact.width_m + SPARE_WIDTH_M, "m", gripper.max_opening_m).blame([name.clone()]),
    );
    let friction_angle = libm::atan(friction(world, thing));
    let worse = Check::tightest([
        Check::at_most(Code::Antipodal, contact.angle_rad, "rad", friction_angle),
        Check::at_least(Code::Antipodal, contact.overlap_m, "m", PAD_OVERLAP_M),
    ]);
    checks.extend(worse.map(|c| c.blame([name]).at("grasp")));
}

/// Friction between pads and a thing; pads are rubber (1.0) and the smaller one counts.
fn friction(world: &World, thing: usize) -> f64 {
    world.stage.thing(thing).friction.min(1.0)
}

/// Needed is 1.5 times what friction must carry while lifting: `F >= 1.5 m (g + a) / (2 mu)`; a centre of mass beside the
/// pads also needs `m g d <= 2 mu F (2/3) r`, with r the radius of a pad.
fn force(world: &World, thing: usize, grasp: &Grasp, gripper: &Gripper, load: f64) -> Check {
    let mu = friction(world, thing);
    let carry = FORCE_SAFETY * load * (GRAVITY + LIFT_MPS2) / (2.0 * mu);
    let com = grasp.thing_from_tcp.inv().point(centre_of_mass(world, thing));
    // Off the closing axis, horizontally: the tool looks down.
    let twist =
        FORCE_SAFETY * load * GRAVITY * com.0.abs() / (2.0 * mu * pads(gripper)[0].max(pads(gripper)[1]) * 2.0 / 3.0);
    let need = carry.max(twist);
    let mut check =
        Check::at_most(Code::Force, need, "N", gripper.force_n).blame([world.stage.thing(thing).name.clone()]);
    check.note = format!("with {load:.3} kg and friction {mu:.2}{}", if twist > carry { ", twisting" } else { "" });
    if let Some(most) = world.stage.thing(thing).fragile_n
        && carry > most
    {
        return Check::at_most(Code::Keep, carry, "N", most)
            .blame(check.culprit)
            .note("it breaks under the force that holds it");
    }
    check
}

/// Centre of mass of a thing's solids, in its own frame.
pub(crate) fn centre_of_mass(world: &World, thing: usize) -> V3 {
    let solids = &world.stage.solids[thing];
    let volume: f64 = solids.iter().map(crate::scene::form::Solid::volume_m3).sum();
    solids.iter().fold(V3::ZERO, |sum, s| sum + s.owner_from_solid.p * (s.volume_m3() / volume.max(1e-12)))
}

/// Real fingers, with friction as told and with 0.7 of it: a grip that needs the last third is only warned about.
fn hold(world: &World, thing: usize, grasp: &Grasp, gripper: &Gripper, load: f64) -> Check {
    let tcp_from_thing = grasp.thing_from_tcp.inv();
    // The hand squeezes no harder than needed where a thing breaks, else with what it has.
    let force_n = world.stage.thing(thing).fragile_n.map_or(gripper.force_n, |f| f.min(gripper.force_n));
    let run = |share: f64| {
        try_grip(&GripTest {
            solids: &world.stage.solids[thing],
            tcp_from_thing,
            mass_kg: load,
            friction: friction(world, thing) * share,
            force_n,
            pad_half_m: pads(gripper),
            width_m: grasp.width_m,
            down_in_tcp: tool_down(grasp),
            lift_mps2: LIFT_MPS2,
            contacts: world.stage.contacts,
        })
    };
    let judge = |result: crate::world::fingers::GripResult| {
        let measured = [
            Check::at_most(Code::Hold, result.slip_m, "m", SLIP_M).note("slip"),
            Check::at_most(Code::Hold, result.tilt_rad, "rad", HOLD_TILT_RAD).note("tilt"),
            Check::at_most(Code::Hold, result.sink_m, "m", SINK_M).note("pads sink in"),
        ];
        let worst = Check::tightest(measured).unwrap_or_else(|| Check::unknown(Code::Hold, ""));
        worst.blame([world.stage.thing(thing).name.clone()]).at("hold")
    };
    let check = judge(run(1.0));
    if check.verdict == Verdict::Reject {
        return check;
    }
    // The law with its safety already promises that 0.7 of the friction is enough: no need to try.
    let need = FORCE_SAFETY * load * (GRAVITY + LIFT_MPS2) / (2.0 * friction(world, thing));
    if need / 0.7 <= force_n {
        return check;
    }
    let slippery = judge(run(0.7));
    if slippery.verdict == Verdict::Reject {
        let mut warned = check;
        warned.verdict = Verdict::Warn;
        warned.note = "depends on friction: with 0.7 of it the grip fails".to_owned();
        return warned;
    }
    check
}

/// Down in the frame of the tool, for a thing that stands upright.
fn tool_down(grasp: &Grasp) -> V3 {
    grasp.thing_from_tcp.r.inv().turn(V3(0.0, 0.0, -1.0))
}

/// The largest share of a joint's torque over the motion, with the load in the hand.
fn torque(world: &World, motion: &Motion) -> Check {
    let mut worst = (0.0_f64, String::new(), "");
    let total: usize = motion.legs.iter().map(|l| l.timed.path.len()).sum();
    let stride = (total / TORQUE_SAMPLES).max(1);
    for (index, (leg, q)) in motion.legs.iter().flat_map(|l| l.timed.path.iter().map(move |q| (l, q))).enumerate() {
        // Ends of legs always count: that is where arms are stretched.
        let is_end = leg.timed.path.last().is_some_and(|last| std::ptr::eq(last, q));
        if index % stride != 0 && !is_end {
            continue;
        }
        let place = &world.stage.arms[leg.arm];
        let frames = place.robot.frames(place.world_from_base, q);
        let (load, at) = match leg.before.held[leg.arm] {
            Some(held) => (
                load_kg(world, held.thing),
                (frames.tcp * held.tcp_from_thing).point(centre_of_mass(world, held.thing)),
            ),
            None => (0.0, Pose::IDENTITY.p),
        };
        for (segment, torque) in place.robot.segments.iter().zip(place.robot.holding_torque(&frames, load, at)) {
            let share = torque.abs() / segment.joint.effort;
            if share > worst.0 {
                worst = (share, segment.joint.name.clone(), leg.label);
            }
        }
    }
    Check::at_most(Code::Torque, worst.0, "of the joint's torque", TORQUE_SHARE).at(worst.2).blame([worst.1])
}

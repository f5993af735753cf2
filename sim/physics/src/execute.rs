//! Carrying a motion out in the simulated world.

use crate::kinematics::Owner;
use crate::math::{Pose, V3};
use crate::motion::{GRIP_SECS, Leg, Motion, REST_SECS, Then};
use crate::world::{STEP_SECS, World, steps_of};

/// Distance between finger tips and a button that counts as pressed, metres.
const PRESSED_M: f64 = 0.002;
/// How far the pads stay from a welded thing, so that they do not push it while they let go, metres.
const PAD_GAP_M: f64 = 5e-4;

/// What happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// The world's hash after every leg.
    pub hashes: Vec<[u8; 32]>,
    /// Did anything stop being a number?
    pub broken: bool,
    /// Did the motion end early, and why.
    pub stopped: Option<String>,
}

/// Runs a motion to its end; the world is changed.
pub fn execute(world: &mut World, motion: &Motion) -> Execution {
    execute_watched(world, motion, &mut |_| ())
}

/// As [`execute`]; `watch` sees the world after every step of 1/240 s.
pub fn execute_watched(world: &mut World, motion: &Motion, watch: &mut dyn FnMut(&World)) -> Execution {
    let mut done = Execution::default();
    if let Some(stuck) = &motion.stuck {
        done.stopped = Some(stuck.note.clone());
        return done;
    }
    for leg in &motion.legs {
        run_leg(world, leg, watch);
        if let Err(why) = finish(world, leg, watch) {
            done.stopped = Some(why);
        }
        done.hashes.push(world.hash());
        done.broken |= world.is_broken();
        if done.stopped.is_some() || done.broken {
            return done;
        }
    }
    done
}

fn run_leg(world: &mut World, leg: &Leg, watch: &mut dyn FnMut(&World)) {
    let robot = world.stage.arms[leg.arm].robot.clone();
    if world.logic.arms[leg.arm].held.is_none() && world.logic.arms[leg.arm].pulls.is_none() {
        world.set_opening(leg.arm, leg.before.opening_m[leg.arm]);
    }
    let start_out = leg.pulls.map(|(drawer, _)| (drawer, world.logic.tray_m[drawer]));
    let start = world.frames(leg.arm).tcp.p;
    for q in leg.timed.samples(&robot, STEP_SECS) {
        world.drive(leg.arm, &q);
        if let Some((drawer, out)) = start_out {
            // The drawer follows the hand along its own axis.
            let pull = world.pose(drawer).r.turn(V3(-1.0, 0.0, 0.0));
            world.logic.tray_m[drawer] = (out + (world.frames(leg.arm).tcp.p - start).dot(pull)).max(0.0);
        }
        world.step();
        watch(world);
    }
}

/// What happens at the end of a leg.
fn finish(world: &mut World, leg: &Leg, watch: &mut dyn FnMut(&World)) -> Result<(), String> {
    let arm = leg.arm;
    let mut rest = |world: &mut World, secs: f64| {
        for _ in 0..steps_of(secs) {
            world.step();
            watch(world);
        }
    };
    match leg.then {
        Then::Go => {}
        Then::Wait(secs) => rest(world, secs),
        Then::Grip(thing) => {
            let tcp = world.frames(arm).tcp;
            let name = world.stage.thing(thing).name.clone();
            // A hand closes on what is between its fingers, not on what was meant to be there.
            let local = tcp.inv().point(world.pose(thing).p);
            let size = world.stage.thing(thing).form.size_m();
            if local.norm() > size.norm() + 0.03 {
                return Err(format!("{name} is not where the hand closed"));
            }
            world.weld(arm, thing);
            let width = closed_width(world, thing, tcp, leg);
            world.set_opening(arm, width);
            rest(world, GRIP_SECS);
        }
        Then::GripHandle(drawer) => {
            world.logic.arms[arm].pulls = Some(drawer);
            rest(world, GRIP_SECS);
        }
        Then::Release => {
            let opening = world.logic.arms[arm].opening_m + 2.0 * crate::grasp::APPROACH_GAP_M;
            let most = world.stage.arms[arm].robot.gripper.as_ref().map_or(0.0, |g| g.max_opening_m);
            world.release(arm);
            world.set_opening(arm, opening.min(most));
            rest(world, GRIP_SECS + REST_SECS);
        }
        Then::Press(button) => {
            let beyond = world.stage.arms[arm].robot.gripper.as_ref().map_or(0.0, |g| g.tip_beyond_tcp_m);
            let tip = world.frames(arm).tcp.point(V3(0.0, 0.0, beyond));
            let top = world.pose(button).point(V3(0.0, 0.0, world.stage.thing(button).form.size_m().2));
            if tip.distance(top) > PRESSED_M {
                return Err("the fingers did not reach the button".to_owned());
            }
            world.logic.pressed[button] = true;
        }
        Then::Wipe(thing) => world.logic.wiped[thing] = true,
    }
    Ok(())
}

/// Distance between the pads once they are closed on a thing.
fn closed_width(world: &World, thing: usize, tcp: Pose, leg: &Leg) -> f64 {
    let open = leg.before.opening_m[leg.arm];
    let pads = world.stage.arms[leg.arm].robot.gripper.as_ref().map_or([0.01, 0.01], crate::world::fingers::pads);
    let contact = crate::grasp::pad_contact(&world.stage.solids[thing], world.pose(thing).inv() * tcp, open, pads);
    contact.map_or(open, |c| (c.width_m + 2.0 * (PAD_GAP_M + c.off_m.abs())).min(open))
}

/// Names of things that moved farther than a limit between two states, without those named.
#[must_use]
pub fn disturbed(before: &[Pose], world: &World, but: &[usize], limit_m: f64) -> Vec<(Owner, f64)> {
    (0..before.len())
        .filter(|i| !but.contains(i))
        .map(|i| (Owner::Thing(i), before[i].p.distance(world.pose(i).p)))
        .filter(|(_, moved)| *moved > limit_m)
        .collect()
}

//! Stage B, the arm: reach, joint limits, speed, collisions with itself and with the scene.

use super::thresholds::{CLEARANCE_M, LIMIT_RAD, NEAR_PEOPLE_MPS, OVERLAP_M, REACH_M, REACH_RAD, SELF_M};
use super::{Check, Code, Verdict};
use crate::kinematics::{ArmShape, Clearance, Held, Owner, least_secs};
use crate::motion::{Leg, Motion, speed_near_people};
use crate::scene::spec::ZoneRule;
use crate::world::World;

/// Samples of a leg's motion for speeds, seconds apart.
const SAMPLE_SECS: f64 = 0.01;

pub(super) fn check(world: &World, motion: &Motion, checks: &mut Vec<Check>) {
    if motion.legs.is_empty() {
        return;
    }
    checks.push(reach(world, motion));
    checks.push(limits(world, motion));
    checks.push(speed(world, motion));
    let (own, scene) = clearances(world, motion);
    checks.push(own);
    checks.push(scene);
    checks.extend(near_people(world, motion));
    checks.extend(keep_out(world, motion));
}

/// The speed of the tool point where people are near; nothing in scenes without such zones.
fn near_people(world: &World, motion: &Motion) -> Option<Check> {
    world.stage.zones(ZoneRule::Slow).next()?;
    let speed = |leg: &Leg| speed_near_people(&world.stage, leg.arm, &leg.timed, SAMPLE_SECS);
    let (speed, label) = motion.legs.iter().map(|l| (speed(l), l.label)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(Check::at_most(Code::Speed, speed, "m/s", NEAR_PEOPLE_MPS).at(label).note("people are near"))
}

/// How near arms and what they hold come to zones they have to keep out of; nothing in scenes without such zones.
fn keep_out(world: &World, motion: &Motion) -> Option<Check> {
    world.stage.zones(ZoneRule::KeepOut).next()?;
    let sweep = |leg: &Leg| leg_clearance(world, leg, |o| matches!(o, Owner::Zone(_))).0;
    let nearest = motion.legs.iter().map(|l| (sweep(l), l.label));
    let (clearance, label) = nearest.min_by(|a, b| a.0.distance_m.total_cmp(&b.0.distance_m))?;
    Some(
        graded(Code::Keep, clearance.distance_m, "m", 0.0, CLEARANCE_M)
            .at(label)
            .blame(names(world, clearance))
            .note("distance to what it keeps out of"),
    )
}

/// The two that are nearest to each other.
fn names(world: &World, nearest: Clearance) -> impl Iterator<Item = String> + '_ {
    let part = (!nearest.part.is_empty()).then_some(nearest.part);
    nearest.other.map(|o| world.stage.owner_name(o)).into_iter().chain(part)
}

/// How far the joint values are from the poses they are meant for.
fn reach(world: &World, motion: &Motion) -> Check {
    let measured = motion.targets.iter().flat_map(|target| {
        let place = &world.stage.arms[target.arm];
        let tcp = place.robot.frames(place.world_from_base, &target.q).tcp;
        let off = tcp.p.distance(target.world_from_tcp.p);
        let turned = (tcp.r.inv() * target.world_from_tcp.r).angle();
        [Check::at_most(Code::Reach, off, "m", REACH_M), Check::at_most(Code::Reach, turned, "rad", REACH_RAD)]
            .map(|check| check.at(target.label).blame([place.name.clone()]))
    });
    Check::tightest(measured).unwrap_or_else(|| Check::unknown(Code::Reach, "no pose to reach"))
}

/// The smallest distance of a joint from its limits. Reject beyond them, warn within 0.05 rad.
fn limits(world: &World, motion: &Motion) -> Check {
    let mut worst = (f64::MAX, String::new(), "");
    for leg in &motion.legs {
        let robot = &world.stage.arms[leg.arm].robot;
        for q in &leg.timed.path {
            for (segment, q) in robot.segments.iter().zip(q) {
                let left = (q - segment.joint.lower).min(segment.joint.upper - q);
                if left.is_nan() || left < worst.0 {
                    worst = (left, segment.joint.name.clone(), leg.label);
                }
            }
        }
    }
    graded(Code::Limit, worst.0, "rad", 0.0, LIMIT_RAD).at(worst.2).blame([worst.1])
}

/// A value that is rejected below one bound and warned about below another one above it.
pub(super) fn graded(code: Code, value: f64, unit: &str, reject: f64, warn: f64) -> Check {
    let mut check = Check::new(code, value, unit, reject, (value - reject) / (warn - reject));
    check.verdict = match value {
        v if v.is_nan() => Verdict::Unknown,
        v if v < reject => Verdict::Reject,
        v if v < warn => Verdict::Warn,
        _ => Verdict::Pass,
    };
    check
}

/// The largest share of a joint's speed limit, and of the shortest possible time. 1 is the limit.
fn speed(world: &World, motion: &Motion) -> Check {
    let mut worst = (0.0_f64, String::new(), "");
    for leg in &motion.legs {
        let robot = &world.stage.arms[leg.arm].robot;
        let least = least_secs(robot, &leg.timed.path);
        let hurry = if leg.timed.duration_secs > 0.0 {
            least / leg.timed.duration_secs
        } else if least > 1e-6 {
            f64::MAX
        } else {
            0.0
        };
        if hurry.is_nan() || hurry > worst.0 {
            worst = (hurry, "acceleration".to_owned(), leg.label);
        }
        // Measured, not derived: the samples say how fast each joint really goes.
        let samples = leg.timed.samples(robot, SAMPLE_SECS);
        let step = leg.timed.duration_secs / (samples.len().max(2) - 1) as f64;
        for pair in samples.windows(2) {
            for (segment, (a, b)) in robot.segments.iter().zip(pair[0].iter().zip(&pair[1])) {
                let share = if step > 0.0 { (b - a).abs() / step / segment.joint.velocity } else { 0.0 };
                if share.is_nan() || share > worst.0 {
                    worst = (share, segment.joint.name.clone(), leg.label);
                }
            }
        }
    }
    Check::at_most(Code::Speed, worst.0, "of the limit", 1.0 + 1e-9).at(worst.2).blame([worst.1])
}

fn clearances(world: &World, motion: &Motion) -> (Check, Check) {
    let far = Clearance::none(crate::kinematics::CLEAR_M);
    let mut own = (far.clone(), "");
    let mut scene = (far, "");
    for leg in &motion.legs {
        let (to_scene, to_self) = leg_clearance(world, leg, |o| !matches!(o, Owner::Zone(_)));
        if to_scene.distance_m < scene.0.distance_m {
            scene = (to_scene, leg.label);
        }
        if to_self.distance_m < own.0.distance_m {
            own = (to_self, leg.label);
        }
    }
    let own = graded(Code::SelfHit, own.0.distance_m, "m", 0.0, SELF_M)
        .at(own.1)
        .blame((!own.0.part.is_empty()).then_some(own.0.part));
    let scene =
        graded(Code::Path, scene.0.distance_m, "m", -OVERLAP_M, CLEARANCE_M).at(scene.1).blame(names(world, scene.0));
    (own, scene)
}

/// Sweeps one leg: (to those around it that `counts` names, to itself).
fn leg_clearance(world: &World, leg: &Leg, counts: impl Fn(Owner) -> bool) -> (Clearance, Clearance) {
    let place = &world.stage.arms[leg.arm];
    let held = leg.before.held[leg.arm]
        .map(|h| Held::new(Owner::Thing(h.thing), h.tcp_from_thing, &world.stage.solids[h.thing]));
    let mut shape = ArmShape::new(&place.robot, leg.before.opening_m[leg.arm], held.as_ref());
    shape.finger_touch.clone_from(&leg.finger_touch);
    shape.held_touch.clone_from(&leg.held_touch);
    let mut around = leg.before.around(world, leg.arm);
    // A drawer that follows the hand is not where it was; the hand may touch it anyway.
    let pulled = leg.pulls.map(|(drawer, _)| Owner::Tray(drawer));
    around.retain(|o| counts(o) && Some(o) != pulled);
    shape.sweep_path(place.world_from_base, &leg.timed.path, &around, -0.05)
}

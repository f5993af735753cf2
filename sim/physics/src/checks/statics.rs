//! Stage C: does what is put down stay? Support polygon, settling in a copy of the world, containment.

use super::reach::graded;
use super::thresholds::{FILL_SHARE, INSIDE_SHARE, SETTLE_M, SETTLE_RAD, SETTLE_SECS, SETTLE_SPEED, SUPPORT_M};
use super::{Check, Code};
use crate::error::PhysicsError;
use crate::execute::disturbed;
use crate::kinematics::Owner;
use crate::math::{Pose, V3};
use crate::motion::{Motion, Placement};
use crate::scene::form::{Form, Solid};
use crate::world::facts::CARRY_COS;
use crate::world::{STEP_SECS, World};

/// Steps after which a thing that was put down, perhaps a little tilted, has come to lie on what carries it.
const CONTACT_STEPS: usize = 24;
/// Steps between two looks at whether everything is at rest, and how many of them must agree.
const REST_STEPS: usize = 12;
const REST_LOOKS: usize = 4;

pub(super) fn check(world: &World, motion: &Motion, checks: &mut Vec<Check>) -> Result<(), PhysicsError> {
    let Some(placement) = &motion.placed else { return Ok(()) };
    let fork = placed(world, placement)?;
    if placement.into.is_none() {
        let mut fork = placed(
            world,
            &Placement {
                pose: Pose::new(placement.pose.p - V3(0.0, 0.0, crate::motion::DROP_M), placement.pose.r),
                ..*placement
            },
        )?;
        for _ in 0..CONTACT_STEPS {
            fork.step();
        }
        checks.push(support(&fork, placement.thing));
    }
    let (mut check, settled) = settle_check(fork, placement)?;
    if let Some(container) = placement.into {
        checks.push(inside(&settled, placement, container));
    }
    if settled.is_broken() {
        check = Check::truth(Code::Engine, false).note("a pose or speed stopped being a number");
    }
    checks.push(check);
    Ok(())
}

/// A copy of the world in which a thing, with what is on and in it, was let go at its place.
fn placed(world: &World, placement: &Placement) -> Result<World, PhysicsError> {
    let mut fork = world.fork()?;
    let thing = placement.thing;
    if let Some(arm) = fork.logic.arms.iter().position(|a| a.held.is_some_and(|h| h.thing == thing)) {
        fork.release(arm);
    }
    let back = world.pose(thing).inv();
    for rider in world.loads(thing) {
        fork.put(rider, placement.pose * (back * world.pose(rider)));
    }
    fork.put(thing, placement.pose);
    Ok(fork)
}

/// How well a thing stands: signed distance of the centre of mass from the edge of the support, at the worst level of its stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Support {
    /// Metres; positive is inside.
    pub margin_m: f64,
    /// The thing whose support that is.
    pub thing: usize,
}

/// Looks down from a thing to the table: at each level, the centre of mass of everything above must be over the contacts.
#[must_use]
pub fn support_of(world: &World, thing: usize) -> Support {
    let mut worst = Support { margin_m: f64::MAX, thing };
    let mut group = above(world, thing);
    let mut at = thing;
    for _ in 0..world.stage.scene.things.len() {
        let touches: Vec<_> = world.touches(at).into_iter().filter(|t| t.normal.2 >= CARRY_COS).collect();
        let carried: Vec<_> =
            touches.iter().filter(|t| !matches!(t.with, Owner::Thing(i) if group.contains(&i))).collect();
        let points: Vec<[f64; 2]> = carried.iter().map(|t| [t.point.0, t.point.1]).collect();
        let margin_m = inside_hull(&points, mass_centre(world, &group));
        if margin_m < worst.margin_m {
            worst = Support { margin_m, thing: at };
        }
        let below = carried.iter().find_map(|t| match t.with {
            Owner::Thing(i) if world.stage.thing(i).is_movable() => Some(i),
            _ => None,
        });
        let Some(below) = below else { break };
        at = below;
        for i in above(world, below) {
            if !group.contains(&i) {
                group.push(i);
            }
        }
    }
    worst
}

/// A thing and everything that stands on or in it.
fn above(world: &World, thing: usize) -> Vec<usize> {
    let mut group = vec![thing];
    let mut next = 0;
    while let Some(at) = group.get(next).copied() {
        next += 1;
        for load in world.loads(at) {
            if !group.contains(&load) {
                group.push(load);
            }
        }
    }
    group
}

fn mass_centre(world: &World, group: &[usize]) -> [f64; 2] {
    let mut sum = V3::ZERO;
    let mut total = 0.0;
    for i in group {
        let mass = world.stage.thing(*i).mass_kg;
        sum = sum + world.pose(*i).point(super::grip::centre_of_mass(world, *i)) * mass;
        total += mass;
    }
    [sum.0 / total, sum.1 / total]
}

/// Signed distance of a point from the edge of the convex hull of others; positive inside. Fewer than three points carry nothing.
fn inside_hull(points: &[[f64; 2]], p: [f64; 2]) -> f64 {
    let hull = hull(points);
    if hull.len() < 3 {
        let nearest =
            points.iter().map(|q| ((q[0] - p[0]).powi(2) + (q[1] - p[1]).powi(2)).sqrt()).fold(f64::MAX, f64::min);
        return if nearest == f64::MAX { -1.0 } else { -nearest.max(1e-6) };
    }
    let mut margin = f64::MAX;
    for (i, a) in hull.iter().enumerate() {
        let b = hull[(i + 1) % hull.len()];
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = (dx * dx + dy * dy).sqrt();
        if length > 1e-9 {
            margin = margin.min((dx * (p[1] - a[1]) - dy * (p[0] - a[0])) / length);
        }
    }
    margin
}

/// Convex hull, anticlockwise (Andrew's monotone chain).
fn hull(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    sorted.dedup_by(|a, b| (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6);
    let left =
        |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 1e-12;
    let chain = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for p in points {
            while chain.len() > 1 && !left(chain[chain.len() - 2], chain[chain.len() - 1], p) {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut hull = chain(&mut sorted.iter().copied());
    hull.extend(chain(&mut sorted.iter().rev().copied()));
    hull
}

fn support(world: &World, thing: usize) -> Check {
    let name = |i: usize| world.stage.thing(i).name.clone();
    let support = support_of(world, thing);
    let check = graded(Code::Support, support.margin_m, "m", 0.0, SUPPORT_M).blame([name(support.thing)]).at("place");
    match world.stage.thing(thing).form {
        // A ball touches in one point: it may roll, which settling sees.
        Form::Ball { .. } => check.warn_at_most().note("a ball may roll"),
        _ => check,
    }
}

/// What settling did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// How far the thing moved, metres.
    pub moved_m: f64,
    /// How far it turned, radians.
    pub tilted_rad: f64,
    /// Its speeds at the end, m/s and rad/s.
    pub speed: (f64, f64),
}

/// Lets a world run for up to 2 s, or until everything rests.
pub fn settle(world: &mut World, thing: usize) -> Settled {
    let start = world.pose(thing);
    let things = world.stage.scene.things.len();
    let mut rested = 0;
    for step in 1..=(SETTLE_SECS / STEP_SECS) as usize {
        world.step();
        if step % REST_STEPS == 0 {
            let at_rest = (0..things).all(|i| {
                let (v, w) = world.speed(i);
                v < 0.1 * SETTLE_SPEED.0 && w < 0.2 * SETTLE_SPEED.1
            });
            rested = if at_rest { rested + 1 } else { 0 };
            if rested >= REST_LOOKS {
                break;
            }
        }
    }
    let end = world.pose(thing);
    Settled { moved_m: start.p.distance(end.p), tilted_rad: (start.r.inv() * end.r).angle(), speed: world.speed(thing) }
}

fn settle_check(mut fork: World, placement: &Placement) -> Result<(Check, World), PhysicsError> {
    let before: Vec<Pose> = (0..fork.stage.scene.things.len()).map(|i| fork.pose(i)).collect();
    let thing = placement.thing;
    let mut riders = above(&fork, thing);
    let settled = settle(&mut fork, thing);
    let name = fork.stage.thing(thing).name.clone();
    // In a container a thing may come to rest where it likes, and so may its neighbours there.
    let loose = placement.into.is_some();
    if let Some(container) = placement.into {
        riders.extend(fork.loads(container));
    }
    let mut candidates = vec![
        Check::at_most(Code::Settle, settled.speed.0, "m/s", SETTLE_SPEED.0).blame([name.clone()]).note("still moves"),
        Check::at_most(Code::Settle, settled.speed.1, "rad/s", SETTLE_SPEED.1)
            .blame([name.clone()])
            .note("still turns"),
    ];
    if !loose {
        candidates.push(
            Check::at_most(Code::Settle, settled.moved_m, "m", SETTLE_M)
                .blame([name.clone()])
                .note("moves while settling"),
        );
        candidates.push(Check::at_most(Code::Settle, settled.tilted_rad, "rad", SETTLE_RAD).blame([name]).note("tips"));
    }
    for (owner, moved) in disturbed(&before, &fork, &riders, SETTLE_M) {
        let check = Check::at_most(Code::Settle, moved, "m", SETTLE_M).blame([fork.stage.owner_name(owner)]);
        candidates.push(check.note("is disturbed"));
    }
    let worst = Check::tightest(candidates).unwrap_or_else(|| Check::unknown(Code::Settle, ""));
    Ok((worst.at("settle"), fork))
}

fn inside(settled: &World, placement: &Placement, container: usize) -> Check {
    let stage = &settled.stage;
    let name = |i: usize| stage.thing(i).name.clone();
    let share = settled.share_inside(placement.thing, container);
    let mut check =
        Check::at_least(Code::Inside, share, "share", INSIDE_SHARE).blame([name(placement.thing), name(container)]);
    // 0.95 to 1 leaves little room for a fifth: all points inside is simply fine.
    if check.margin >= 0.0 {
        check.verdict = super::Verdict::Pass;
    }
    let Some(room) = stage.cavity(container) else { return check };
    let volume = |i: usize| stage.solids[i].iter().map(Solid::volume_m3).sum::<f64>();
    let mut contents = settled.loads(container);
    if !contents.contains(&placement.thing) {
        contents.push(placement.thing);
    }
    let filled: f64 = contents.iter().map(|i| volume(*i)).sum::<f64>() / room.volume_m3();
    let fill =
        Check::at_most(Code::Inside, filled, "of the volume", FILL_SHARE).blame([name(container)]).note("overfull");
    let mut worst = if fill.margin < check.margin { fill } else { check };
    if let Form::Drawer { .. } = stage.thing(container).form {
        // What sticks out of a drawer stops it from closing.
        let at = settled.cavity_pose(container).inv();
        let top = contents.iter().map(|i| {
            let size = stage.thing(*i).form.size_m();
            let pose = at * settled.pose(*i);
            let up = [
                pose.r.turn(V3(size.0 / 2.0, 0.0, 0.0)).2,
                pose.r.turn(V3(0.0, size.1 / 2.0, 0.0)).2,
                pose.r.turn(V3(0.0, 0.0, size.2 / 2.0)).2,
            ];
            pose.point(V3(0.0, 0.0, size.2 / 2.0)).2 + up.iter().map(|v| v.abs()).sum::<f64>() - room.floor.2
        });
        let high = Check::at_most(Code::Inside, top.fold(0.0, f64::max), "m", room.depth_m + 0.01)
            .note("the drawer cannot close");
        if high.verdict == super::Verdict::Reject {
            worst = high.blame([name(placement.thing)]);
        }
    }
    worst.at("settle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_the_distance_to_the_nearest_edge() {
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]];
        assert!((inside_hull(&square, [0.5, 0.25]) - 0.25).abs() < 1e-12);
        assert!((inside_hull(&square, [1.2, 0.5]) + 0.2).abs() < 1e-12);
        assert!(inside_hull(&square[..1], [0.0, 0.0]) < 0.0 && inside_hull(&[], [0.0, 0.0]) < 0.0);
    }
}

//! Candidate poses for putting things down.

use crate::kinematics::Owner;
use crate::math::{PI, Pose, Rot, V3};
use crate::scene::form::Form;
use crate::skill::Relation;
use crate::world::World;

/// Height from which a thing is let go above what carries it, metres.
pub const DROP_M: f64 = 0.001;
/// Distance that things keep from an edge they could fall over, metres.
const EDGE_M: f64 = 0.012;
/// Distance between things put beside each other, metres.
const BESIDE_M: [f64; 3] = [0.04, 0.07, 0.11];
/// Heights above the floor of a container to try, metres: things may lie on each other.
const RISE_M: [f64; 6] = [DROP_M, 0.012, 0.03, 0.05, 0.075, 0.1];
/// Distances to keep from the walls of a container, metres: first with room for fingers.
const WALL_M: [f64; 2] = [0.024, 0.004];
/// Most candidates.
const MOST: usize = 120;

/// A pose for a thing and what will carry it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub pose: Pose,
    pub on: Owner,
    pub into: Option<usize>,
}

/// Half sides of a thing's footprint along the axes of a frame that is turned against it by `yaw`.
fn footprint(form: &Form, yaw: f64) -> [f64; 2] {
    let size = form.size_m();
    if matches!(form, Form::Cylinder { .. } | Form::Ball { .. } | Form::Cup { .. }) {
        return [size.0 / 2.0; 2];
    }
    let (c, s) = (libm::cos(yaw).abs(), libm::sin(yaw).abs());
    [0.5 * (size.0 * c + size.1 * s), 0.5 * (size.0 * s + size.1 * c)]
}

/// Points of a grid around 0 within half sides, the middle first, then outwards.
fn grid(half: [f64; 2], steps: i32) -> Vec<[f64; 2]> {
    let n = f64::from(steps.max(1));
    let mut points: Vec<[f64; 2]> = (-steps..=steps)
        .flat_map(|i| (-steps..=steps).map(move |j| [f64::from(i) / n * half[0], f64::from(j) / n * half[1]]))
        .collect();
    points.sort_by(|a, b| (a[0].abs() + a[1].abs()).total_cmp(&(b[0].abs() + b[1].abs())));
    points.dedup_by(|a, b| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-4);
    points
}

/// Poses for a thing relative to a target; `target` is `None` for the table.
pub(super) fn spots(world: &World, thing: usize, now: Pose, relation: Relation, target: Option<usize>) -> Vec<Spot> {
    let form = world.stage.thing(thing).form;
    let heading = now.r.heading();
    let Some(target) = target else { return on_table(world, thing, now) };
    let base = world.pose(target);
    let other = world.stage.thing(target).form;
    let yaws: Vec<f64> =
        [0.0, PI / 2.0].iter().map(|y| heading + y).chain([base.r.heading(), base.r.heading() + PI / 2.0]).collect();
    let mut spots = Vec::new();
    let mut add = |p: V3, yaw: f64, on: Owner, into: Option<usize>| {
        if spots.len() < MOST {
            spots.push(Spot { pose: Pose::new(p, Rot::yaw(yaw)), on, into });
        }
    };
    if let Some(side) = relation.side() {
        let d = side.direction();
        for gap in BESIDE_M {
            for yaw in &yaws[..2] {
                let own = footprint(&form, *yaw);
                let theirs = footprint(&other, base.r.heading());
                let reach = |f: [f64; 2]| f[0] * d.0.abs() + f[1] * d.1.abs();
                let p = base.p + d * (reach(own) + reach(theirs) + gap);
                add(V3(p.0, p.1, DROP_M), *yaw, Owner::Table, None);
            }
        }
        return spots;
    }
    if relation == Relation::In {
        let Some(room) = other.cavity() else { return spots };
        let at = world.cavity_pose(target);
        let on = if matches!(other, Form::Drawer { .. }) { Owner::Tray(target) } else { Owner::Thing(target) };
        let taken: Vec<V3> = world.loads(target).iter().filter(|l| **l != thing).map(|l| world.centre(*l)).collect();
        for rise in RISE_M {
            if rise > room.depth_m {
                break;
            }
            let mut places = Vec::new();
            for margin in WALL_M {
                for yaw in [heading, at.r.heading()] {
                    let own = footprint(&form, yaw - at.r.heading());
                    let mut free = [room.half_m[0] - own[0] - margin, room.half_m[1] - own[1] - margin];
                    if room.round {
                        free = [(room.half_m[0] - (own[0] * own[0] + own[1] * own[1]).sqrt()) * 0.7; 2];
                    }
                    if free[0] < 0.0 || free[1] < 0.0 {
                        continue;
                    }
                    for [x, y] in grid(free, if free[0].max(free[1]) > 0.015 { 1 } else { 0 }) {
                        places.push((at.point(room.floor + V3(x, y, rise)), yaw));
                    }
                }
            }
            // Away from what is there already; in an empty container into the corners, which leaves room.
            let room_to = |p: &V3| {
                let flat = |q: &V3| V3(p.0 - q.0, p.1 - q.1, 0.0).norm();
                if taken.is_empty() { flat(&at.p) } else { taken.iter().map(flat).fold(f64::MAX, f64::min) }
            };
            places.sort_by(|a, b| room_to(&b.0).total_cmp(&room_to(&a.0)));
            for (p, yaw) in places {
                add(p, yaw, on, Some(target));
            }
        }
        return spots;
    }
    let rim = other.cavity().filter(|_| matches!(form, Form::Lid { .. })).map(|_| other.size_m().2);
    let Some(top) = other.top_m().or(rim) else { return spots };
    let on = if matches!(other, Form::Mat { .. }) { Owner::Table } else { Owner::Thing(target) };
    for yaw in &yaws {
        let own = footprint(&form, yaw - base.r.heading());
        let theirs = footprint(&other, 0.0);
        // On something movable the middle is the only sensible place; on a shelf or mat there is room.
        let roomy = !other.is_movable();
        let free = [0, 1].map(|i| if roomy { (theirs[i] - own[i] - EDGE_M).max(0.0) } else { 0.0 });
        for [x, y] in grid(free, if roomy { 2 } else { 0 }) {
            let z = base.point(V3(0.0, 0.0, top)).2 + DROP_M;
            let p = base.point(V3(x, y, 0.0));
            add(V3(p.0, p.1, z), *yaw, on, None);
        }
    }
    spots
}

/// Free places on the table, the nearest to where the thing is first.
fn on_table(world: &World, thing: usize, now: Pose) -> Vec<Spot> {
    let form = world.stage.thing(thing).form;
    let half = footprint(&form, now.r.heading()).into_iter().fold(0.0, f64::max);
    let mut spots = Vec::new();
    for arm in &world.stage.arms {
        let reach = arm.robot.lever_m.first().copied().unwrap_or(0.6);
        for i in 0..7 {
            for j in -6..=6 {
                let (r, a) = (reach * (0.27 + 0.055 * f64::from(i)), f64::from(j) * 0.2);
                let p = arm.world_from_base.point(V3(r * libm::cos(a), r * libm::sin(a), 0.0));
                let table = &world.stage.scene.table;
                let inside = |k: usize, v: f64| (v - table.centre_m[k]).abs() < table.size_m[k] / 2.0 - half - EDGE_M;
                let free = (0..world.stage.scene.things.len()).filter(|t| *t != thing).all(|t| {
                    let other = world.stage.thing(t).form;
                    let room = footprint(&other, 0.0).into_iter().fold(0.0, f64::max) * 1.3 + half * 1.2 + 0.02;
                    let c = world.centre(t);
                    V3(c.0 - p.0, c.1 - p.1, 0.0).norm() > room
                });
                if inside(0, p.0) && inside(1, p.1) && free {
                    spots.push(Spot {
                        pose: Pose::new(V3(p.0, p.1, DROP_M), Rot::yaw(now.r.heading())),
                        on: Owner::Table,
                        into: None,
                    });
                }
            }
        }
    }
    spots.sort_by(|a, b| a.pose.p.distance(now.p).total_cmp(&b.pose.p.distance(now.p)));
    spots.truncate(MOST);
    spots
}

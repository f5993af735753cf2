//! What a camera of a task scene sees: the simulated world ray by ray, with depth and with whose surface every pixel is.
//!
//! It is the truth that key-frames are compared with. Task cameras look down at a table and their pictures hold arms that
//! lie at any angle, which the walker's renderer does not draw; colours and light are kept like its rooms.
//!
//! Invariant: equal worlds give equal bytes.

mod cast;

use rhea_picture::{FARTHEST_M, Rgbd};

use crate::kinematics::Owner;
use crate::math::{PI, V3};
use crate::scene::spec::CameraSpec;
use crate::world::World;
use cast::{Body, Ray};

/// Paint of the table, sRGB.
const TABLE: [u8; 3] = [222, 202, 168];
/// Paint of an arm's links, in turn.
const LINKS: [[u8; 3]; 2] = [[70, 78, 96], [232, 232, 230]];
/// Paint of the gripper.
const FINGERS: [u8; 3] = [52, 52, 58];
/// Paint of the floor and the walls behind the table.
const ROOM: [[u8; 3]; 2] = [[178, 184, 190], [206, 222, 230]];
/// Height of the floor under the table's top, and half of the room's width, metres.
const ROOM_M: [f64; 2] = [0.75, 3.2];
/// Direction to the light; of length one below.
const LIGHT: V3 = V3(0.35, -0.45, 1.0);
/// Share of the light that comes from everywhere.
const AMBIENT: f64 = 0.45;
/// A camera nearer to an arm's base than this, seen from above, would look into the arm.
const NEAR_BASE_M: f64 = 0.4;
/// Three more rays for pixels at edges.
const MORE: [[f64; 2]; 3] = [[-0.31, -0.25], [0.32, -0.09], [-0.01, 0.34]];

/// A picture with whose surface each pixel shows; `None` is the room.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Colour and depth.
    pub rgbd: Rgbd,
    /// Whose surface, row by row.
    pub owners: Vec<Option<Owner>>,
}

/// The camera that a scene is seen through: its first that stands clear of the arms, or a usual place in front.
#[must_use]
pub fn scene_camera(world: &World) -> CameraSpec {
    let clear = |camera: &&CameraSpec| {
        world.stage.arms.iter().all(|arm| {
            let (dx, dy) = (arm.world_from_base.p.0 - camera.eye_m[0], arm.world_from_base.p.1 - camera.eye_m[1]);
            (dx * dx + dy * dy).sqrt() > NEAR_BASE_M
        })
    };
    world.stage.scene.cameras.iter().find(clear).cloned().unwrap_or_else(|| CameraSpec {
        name: "front".to_owned(),
        eye_m: [1.35, 0.0, 0.8],
        at_m: [0.4, 0.0, 0.05],
        fov_deg: 50.0,
    })
}

/// The square view of a camera, `side_px` wide.
#[must_use]
pub fn look(world: &World, camera: &CameraSpec, side_px: usize) -> View {
    let painted = bodies(world);
    let eye = V3::of(camera.eye_m);
    let forward = (V3::of(camera.at_m) - eye).unit().unwrap_or(V3(0.0, 0.0, -1.0));
    // Straight down there is no horizon; any direction is as good as another.
    let right = forward.cross(V3::UP).unit().unwrap_or(V3(0.0, -1.0, 0.0));
    let up = right.cross(forward);
    let focal = side_px as f64 / 2.0 / libm::tan(camera.fov_deg * PI / 360.0);
    let half = side_px as f64 / 2.0;
    let sample = |x: f64, y: f64| {
        let along = forward + right * ((x - half) / focal) + up * ((half - y) / focal);
        shade(&painted, Ray { from: eye, along })
    };
    let middle = |i: usize| ((i % side_px) as f64 + 0.5, (i / side_px) as f64 + 0.5);
    let count = side_px * side_px;
    let mut samples: Vec<Sample> = (0..count).map(|i| sample(middle(i).0, middle(i).1)).collect();
    let edges: Vec<usize> = (0..count).filter(|i| is_edge(&samples, *i, side_px)).collect();
    for i in edges {
        let (x, y) = middle(i);
        let more = MORE.map(|[dx, dy]| sample(x + dx, y + dy).light);
        let sum = more.into_iter().fold(samples[i].light, |sum, l| std::array::from_fn(|c| sum[c] + l[c]));
        samples[i].light = sum.map(|c| c / 4.0);
    }
    let rgb = samples.iter().flat_map(|s| s.light.map(to_srgb)).collect();
    let depth_m = samples.iter().map(|s| (s.depth_m as f32).min(FARTHEST_M)).collect();
    let owners = samples.iter().map(|s| s.owner).collect();
    View { rgbd: Rgbd { width: side_px, height: side_px, rgb, depth_m }, owners }
}

#[derive(Clone, Copy)]
struct Sample {
    /// Linear light.
    light: [f64; 3],
    depth_m: f64,
    owner: Option<Owner>,
    /// Which body, for edges.
    body: usize,
}

struct Painted {
    body: Body,
    owner: Owner,
    linear: [f64; 3],
}

fn is_edge(samples: &[Sample], i: usize, side: usize) -> bool {
    let differs = |j: usize| {
        let (a, b) = (&samples[i], &samples[j]);
        let step = (0..3).map(|c| (a.light[c] - b.light[c]).abs()).fold(0.0, f64::max);
        a.body != b.body || step > 0.06
    };
    (i % side + 1 < side && differs(i + 1)) || (i + side < samples.len() && differs(i + side))
}

/// Everything that can be seen.
fn bodies(world: &World) -> Vec<Painted> {
    let stage = &world.stage;
    let mut list = Vec::new();
    let mut add = |frame: crate::math::Pose, solids: &[crate::scene::form::Solid], owner, paint: [u8; 3]| {
        let linear = paint.map(|c| to_linear(f64::from(c) / 255.0));
        list.extend(solids.iter().map(|s| Painted { body: Body::new(frame * s.owner_from_solid, s.prim), owner, linear }));
    };
    add(crate::math::Pose::IDENTITY, &[stage.table_solid()], Owner::Table, TABLE);
    for (i, thing) in stage.scene.things.iter().enumerate() {
        let paint = thing.colour.paint();
        add(world.pose(i), &stage.solids[i], Owner::Thing(i), paint.0);
        add(world.cavity_pose(i), &stage.sliding[i], Owner::Tray(i), paint.darker(0.15).0);
    }
    for (i, arm) in stage.arms.iter().enumerate() {
        let frames = world.frames(i);
        add(frames.base, &arm.robot.base_solids, Owner::Arm(i), LINKS[0]);
        for (j, (segment, frame)) in arm.robot.segments.iter().zip(&frames.segments).enumerate() {
            add(*frame, &segment.solids, Owner::Arm(i), LINKS[(j + 1) % LINKS.len()]);
        }
        let hand = frames.segments.last().copied().unwrap_or(frames.base);
        add(hand, &arm.robot.finger_solids(world.logic.arms[i].opening_m), Owner::Arm(i), FINGERS);
    }
    list
}

fn shade(painted: &[Painted], ray: Ray) -> Sample {
    let mut best: Option<(f64, V3, usize)> = None;
    for (i, p) in painted.iter().enumerate() {
        if let Some((t, normal)) = p.body.hit(ray, best.map_or(f64::MAX, |b| b.0)) {
            best = Some((t, normal, i));
        }
    }
    // The view direction has length one along the camera's axis, so the parameter is the planar depth.
    let Some((t, normal, i)) = best else { return room(ray) };
    let light = LIGHT.unit().unwrap_or(V3::UP);
    let towards = normal.dot(light);
    let shadow = Ray { from: ray.from + ray.along * t + normal * 1e-5, along: light };
    let lit = towards > 0.0 && !painted.iter().any(|p| p.body.hit(shadow, f64::MAX).is_some());
    let share = AMBIENT + if lit { (1.0 - AMBIENT) * towards } else { 0.0 };
    Sample { light: painted[i].linear.map(|c| c * share), depth_m: t, owner: Some(painted[i].owner), body: i }
}

/// Floor and walls around the table.
fn room(ray: Ray) -> Sample {
    let [below, half] = ROOM_M;
    let floor = (-below - ray.from.2) / ray.along.2;
    let wall = |from: f64, along: f64| if along.abs() < 1e-9 { f64::MAX } else { (half * along.signum() - from) / along };
    let side = wall(ray.from.0, ray.along.0).min(wall(ray.from.1, ray.along.1));
    let down = ray.along.2 < 0.0 && floor < side;
    let (depth_m, paint) = if down { (floor, ROOM[0]) } else { (side, ROOM[1]) };
    let light = paint.map(|c| 0.8 * to_linear(f64::from(c) / 255.0));
    Sample { light, depth_m, owner: None, body: usize::MAX - usize::from(down) }
}

/// sRGB to linear light by the standard's curve.
fn to_linear(x: f64) -> f64 {
    if x <= 0.040_45 { x / 12.92 } else { libm::pow((x + 0.055) / 1.055, 2.4) }
}

fn to_srgb(x: f64) -> u8 {
    let y = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * libm::pow(x, 1.0 / 2.4) - 0.055 };
    (y * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

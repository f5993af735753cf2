//! What a camera of a task scene sees: the simulated world ray by ray, with depth and with whose surface every pixel is.
//!
//! It is the truth that key-frames are compared with. Task cameras look down at a table and their pictures hold arms that
//! lie at any angle, which the walker's renderer does not draw; colours and light are kept like its rooms.
//!
//! Invariant: equal worlds give equal bytes.

mod cast;

use rhea_picture::{FARTHEST_M, Rgbd};

use crate::film::Still;
use crate::kinematics::Owner;
use crate::math::{PI, Pose, V3};
use crate::scene::form::{Prim, Solid};
use crate::scene::spec::{CameraSpec, ZoneRule};
use crate::world::World;
use crate::world::stage::Stage;
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
/// Side of the square of pixels that share one list of bodies.
const TILE_PX: usize = 16;
/// Most threads of one drawing.
const MAX_THREADS: usize = 16;
/// Widens the cone around a tile against rounding, radians.
const CONE_SLACK_RAD: f64 = 1e-9;
/// How much of a zone's colour covers what is behind it.
const GLASS: f64 = 0.22;
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
    camera_of(&world.stage)
}

/// As [`scene_camera`], for a scene without a world.
#[must_use]
pub fn camera_of(stage: &Stage) -> CameraSpec {
    let clear = |camera: &&CameraSpec| {
        stage.arms.iter().all(|arm| {
            let (dx, dy) = (arm.world_from_base.p.0 - camera.eye_m[0], arm.world_from_base.p.1 - camera.eye_m[1]);
            (dx * dx + dy * dy).sqrt() > NEAR_BASE_M
        })
    };
    stage.scene.cameras.iter().find(clear).cloned().unwrap_or_else(|| CameraSpec {
        name: "front".to_owned(),
        eye_m: [1.35, 0.0, 0.8],
        at_m: [0.4, 0.0, 0.05],
        fov_deg: 50.0,
    })
}

/// The square view of a camera, `side_px` wide.
#[must_use]
pub fn look(world: &World, camera: &CameraSpec, side_px: usize) -> View {
    Drawing::new(&world.stage, &Still::of(world)).draw(camera, [side_px; 2], 1)
}

/// Where a camera stands, and the direction of a point of its picture, pixels from the left and from the top; the direction has
/// length one along the camera's axis.
#[must_use]
pub fn sight(camera: &CameraSpec, size_px: [usize; 2], at_px: [f64; 2]) -> (V3, V3) {
    let ray = Lens::new(camera, size_px).ray(at_px[0], at_px[1]);
    (ray.from, ray.along)
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
    /// What reports call it: the name of a thing or of an arm's part.
    name: String,
    linear: [f64; 3],
}

/// Everything that can be seen at one moment, and what is drawn into it for whoever looks on.
pub struct Drawing {
    painted: Vec<Painted>,
    /// What shines through: zones.
    glass: Vec<(Body, [f64; 3])>,
}

impl Drawing {
    /// Table, things and arms as they stand at a moment.
    #[must_use]
    pub fn new(stage: &Stage, still: &Still) -> Self {
        let mut drawing = Self { painted: Vec::new(), glass: Vec::new() };
        drawing.add("table", Pose::IDENTITY, &[stage.table_solid()], Owner::Table, TABLE);
        for (i, (thing, pose)) in stage.scene.things.iter().zip(&still.things).enumerate() {
            let paint = thing.colour.paint();
            drawing.add(&thing.name, *pose, &stage.solids[i], Owner::Thing(i), paint.0);
            let out = *pose * Pose::at(V3(-still.tray_m.get(i).copied().unwrap_or(0.0), 0.0, 0.0));
            let name = stage.owner_name(Owner::Tray(i));
            drawing.add(&name, out, &stage.sliding[i], Owner::Tray(i), paint.darker(0.15).0);
        }
        for (i, (arm, q)) in stage.arms.iter().zip(&still.q).enumerate() {
            let frames = arm.robot.frames(arm.world_from_base, q);
            let opening_m = still.opening_m.get(i).copied().unwrap_or(0.0);
            for (j, (name, frame, solids)) in arm.robot.parts(&frames, opening_m).enumerate() {
                // The last part are the fingers.
                let paint = if j > arm.robot.dof() { FINGERS } else { LINKS[j % LINKS.len()] };
                drawing.add(name, frame, &solids, Owner::Arm(i), paint);
            }
        }
        drawing
    }

    fn add(&mut self, name: &str, frame: Pose, solids: &[Solid], owner: Owner, paint: [u8; 3]) {
        let linear = linear(paint);
        self.painted.extend(solids.iter().map(|s| Painted {
            body: Body::new(frame * s.owner_from_solid, s.prim),
            owner,
            name: name.to_owned(),
            linear,
        }));
    }

    /// Paints everything of some names: things, drawers, parts and joints of arms, whole arms.
    pub fn mark(&mut self, stage: &Stage, names: &[String], paint: [u8; 3]) {
        let of_joint = |part: &str| {
            let segments = stage.arms.iter().flat_map(|a| &a.robot.segments);
            segments.filter(|s| s.name == part).any(|s| names.contains(&s.joint.name))
        };
        for painted in &mut self.painted {
            let whole = matches!(painted.owner, Owner::Arm(_)) && names.contains(&stage.owner_name(painted.owner));
            if names.contains(&painted.name) || whole || of_joint(&painted.name) {
                painted.linear = linear(paint);
            }
        }
    }

    /// Draws a dot at every point.
    pub fn dot(&mut self, points: &[V3], radius_m: f64, paint: [u8; 3]) {
        for point in points {
            let solid = Solid { owner_from_solid: Pose::IDENTITY, prim: Prim::Ball(radius_m) };
            self.add("", Pose::at(*point), &[solid], Owner::Table, paint);
        }
    }

    /// Draws the zones of a rule as coloured glass.
    pub fn glaze(&mut self, stage: &Stage, rule: ZoneRule, paint: [u8; 3]) {
        let zones = stage.zones(rule).map(|(_, s)| (Body::new(s.owner_from_solid, s.prim), linear(paint)));
        self.glass.extend(zones);
    }

    /// The view of a camera, width times height pixels, drawn by so many threads. The bytes are the same whatever their number.
    #[must_use]
    pub fn draw(&self, camera: &CameraSpec, size_px: [usize; 2], threads: usize) -> View {
        let lens = Lens::new(camera, size_px);
        let [width, height] = size_px;
        let rows: Vec<usize> = (0..height.div_ceil(TILE_PX)).collect();
        // Rows of tiles go to the threads in turn: the table below costs more than the wall above.
        let strips = share_out(&rows, threads, |row| self.strip(&lens, *row));
        let samples: Vec<Sample> = strips.into_iter().flatten().collect();
        let lines: Vec<usize> = (0..height).collect();
        let lights = share_out(&lines, threads, |y| self.line(&lens, &samples, *y));
        let rgb = lights.into_iter().flatten().flat_map(|light| light.map(to_srgb)).collect();
        let depth_m = samples.iter().map(|s| (s.depth_m as f32).min(FARTHEST_M)).collect();
        let owners = samples.iter().map(|s| s.owner).collect();
        View { rgbd: Rgbd { width, height, rgb, depth_m }, owners }
    }

    /// One sample for each pixel of a row of tiles.
    fn strip(&self, lens: &Lens, row: usize) -> Vec<Sample> {
        let (width, top) = (lens.width, row * TILE_PX);
        let bottom = (top + TILE_PX).min(lens.height);
        let tiles: Vec<Vec<usize>> = (0..width.div_ceil(TILE_PX)).map(|x| self.seen(lens, x, row)).collect();
        let pixels = (top..bottom).flat_map(|y| (0..width).map(move |x| (x, y)));
        pixels.map(|(x, y)| self.shade(&tiles[x / TILE_PX], lens.ray(x as f64 + 0.5, y as f64 + 0.5))).collect()
    }

    /// The light of a line of pixels; those at edges are looked at again.
    fn line(&self, lens: &Lens, samples: &[Sample], y: usize) -> Vec<[f64; 3]> {
        let at = |x: usize| {
            let i = y * lens.width + x;
            if !is_edge(samples, i, lens.width) {
                return samples[i].light;
            }
            let seen = self.seen(lens, x / TILE_PX, y / TILE_PX);
            let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
            let more = MORE.map(|[dx, dy]| self.shade(&seen, lens.ray(px + dx, py + dy)).light);
            more.into_iter().fold(samples[i].light, |sum, l| std::array::from_fn(|c| sum[c] + l[c])).map(|c| c / 4.0)
        };
        (0..lens.width).map(at).collect()
    }

    /// Bodies whose spheres meet the cone around a tile.
    fn seen(&self, lens: &Lens, tile_x: usize, tile_y: usize) -> Vec<usize> {
        let (x, y) = ((tile_x * TILE_PX) as f64, (tile_y * TILE_PX) as f64);
        let side = TILE_PX as f64;
        let unit = |x: f64, y: f64| lens.ray(x, y).along.unit().unwrap_or(V3::UP);
        let axis = unit(x + side / 2.0, y + side / 2.0);
        let corners = [[0.0, 0.0], [side, 0.0], [0.0, side], [side, side]];
        let least = corners.iter().map(|[dx, dy]| axis.dot(unit(x + dx, y + dy))).fold(1.0, f64::min);
        let cone = libm::acos(least.clamp(-1.0, 1.0)) + CONE_SLACK_RAD;
        let meets = |body: &Body| {
            let way = body.world_from_solid.p - lens.eye;
            let far = way.norm();
            far <= body.radius_m
                || libm::acos((way.dot(axis) / far).clamp(-1.0, 1.0)) <= cone + libm::asin(body.radius_m / far)
        };
        (0..self.painted.len()).filter(|i| meets(&self.painted[*i].body)).collect()
    }

    fn shade(&self, seen: &[usize], ray: Ray) -> Sample {
        let mut sample = self.surface(seen, ray);
        for (body, linear) in &self.glass {
            if body.hit(ray, sample.depth_m).is_some() {
                sample.light = std::array::from_fn(|c| sample.light[c] * (1.0 - GLASS) + linear[c] * GLASS);
            }
        }
        sample
    }

    fn surface(&self, seen: &[usize], ray: Ray) -> Sample {
        let mut best: Option<(f64, V3, usize)> = None;
        for i in seen.iter().copied() {
            if let Some((t, normal)) = self.painted[i].body.hit(ray, best.map_or(f64::MAX, |b| b.0)) {
                best = Some((t, normal, i));
            }
        }
        // The view direction has length one along the camera's axis, so the parameter is the planar depth.
        let Some((t, normal, i)) = best else { return room(ray) };
        let light = LIGHT.unit().unwrap_or(V3::UP);
        let towards = normal.dot(light);
        let shadow = Ray { from: ray.from + ray.along * t + normal * 1e-5, along: light };
        let lit = towards > 0.0 && !self.painted.iter().any(|p| p.body.hit(shadow, f64::MAX).is_some());
        let share = AMBIENT + if lit { (1.0 - AMBIENT) * towards } else { 0.0 };
        let painted = &self.painted[i];
        Sample { light: painted.linear.map(|c| c * share), depth_m: t, owner: Some(painted.owner), body: i }
    }
}

/// Where rays start and how pixels become directions.
struct Lens {
    eye: V3,
    forward: V3,
    right: V3,
    up: V3,
    focal: f64,
    width: usize,
    height: usize,
}

impl Lens {
    fn new(camera: &CameraSpec, [width, height]: [usize; 2]) -> Self {
        let eye = V3::of(camera.eye_m);
        let forward = (V3::of(camera.at_m) - eye).unit().unwrap_or(V3(0.0, 0.0, -1.0));
        // Straight down there is no horizon; any direction is as good as another.
        let right = forward.cross(V3::UP).unit().unwrap_or(V3(0.0, -1.0, 0.0));
        let up = right.cross(forward);
        let focal = height as f64 / 2.0 / libm::tan(camera.fov_deg * PI / 360.0);
        Self { eye, forward, right, up, focal, width, height }
    }

    fn ray(&self, x: f64, y: f64) -> Ray {
        let (a, b) = ((x - self.width as f64 / 2.0) / self.focal, (self.height as f64 / 2.0 - y) / self.focal);
        Ray { from: self.eye, along: self.forward + self.right * a + self.up * b }
    }
}

/// Works through items on several threads; results come back in order.
fn share_out<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.clamp(1, MAX_THREADS);
    if threads == 1 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    let mut parts: Vec<std::vec::IntoIter<R>> = std::thread::scope(|scope| {
        let part =
            |first: usize| scope.spawn(move || items.iter().skip(first).step_by(threads).map(work).collect::<Vec<R>>());
        let running: Vec<_> = (0..threads).map(part).collect();
        let joined = running.into_iter().map(|r| r.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.map(Vec::into_iter).collect()
    });
    (0..items.len()).filter_map(|i| parts[i % threads].next()).collect()
}

fn is_edge(samples: &[Sample], i: usize, width: usize) -> bool {
    let differs = |j: usize| {
        let (a, b) = (&samples[i], &samples[j]);
        let step = (0..3).map(|c| (a.light[c] - b.light[c]).abs()).fold(0.0, f64::max);
        a.body != b.body || step > 0.06
    };
    (i % width + 1 < width && differs(i + 1)) || (i + width < samples.len() && differs(i + width))
}

/// Floor and walls around the table.
fn room(ray: Ray) -> Sample {
    let [below, half] = ROOM_M;
    let floor = (-below - ray.from.2) / ray.along.2;
    let wall =
        |from: f64, along: f64| if along.abs() < 1e-9 { f64::MAX } else { (half * along.signum() - from) / along };
    let side = wall(ray.from.0, ray.along.0).min(wall(ray.from.1, ray.along.1));
    let down = ray.along.2 < 0.0 && floor < side;
    let (depth_m, paint) = if down { (floor, ROOM[0]) } else { (side, ROOM[1]) };
    let light = linear(paint).map(|c| 0.8 * c);
    Sample { light, depth_m, owner: None, body: usize::MAX - usize::from(down) }
}

fn linear(paint: [u8; 3]) -> [f64; 3] {
    paint.map(|c| to_linear(f64::from(c) / 255.0))
}

/// sRGB to linear light by the standard's curve.
fn to_linear(x: f64) -> f64 {
    if x <= 0.040_45 { x / 12.92 } else { libm::pow((x + 0.055) / 1.055, 2.4) }
}

fn to_srgb(x: f64) -> u8 {
    let y = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * libm::pow(x, 1.0 / 2.4) - 0.055 };
    (y * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

//! Where walks begin: on free floor that most of the place can be reached from, with something to look at.

use crate::built::Built;
use crate::limits::{EYE_HEIGHT_M, START_CLEARANCE_M, WALKER_RADIUS_M};
use crate::object::Object;
use crate::spec::{SceneSpec, Start};
use parry3d::math::Vec3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Start poses of a generated scene.
const STARTS: usize = 4;
/// Places looked at.
const PLACES: usize = 60;
/// Headings looked at from each place.
const HEADINGS: usize = 12;
/// Starts keep this distance from each other, metres.
const APART_M: f32 = 1.2;
/// Side of a cell of the reachability grid, metres.
const CELL_M: f32 = 0.25;
/// Share of the free floor that must hang together.
const CONNECTED: f32 = 0.8;
/// Half of the field of view that counts as seen well, as a cosine (34 degrees).
const SEEN: f32 = 0.829;

/// Start poses, best first; none when the place is too crowded.
pub(super) fn find(spec: &SceneSpec, rng: &mut ChaCha8Rng) -> Option<Vec<Start>> {
    let built = Built::new(spec).ok()?;
    let floor = Floor::new(&built)?;
    let mut found: Vec<(f32, Start)> = Vec::new();
    for _ in 0..PLACES {
        let cell = floor.cells[rng.random_range(0..floor.cells.len())];
        let [x, z] = floor.centre(cell);
        if built.nearest_obstacle(x, z, START_CLEARANCE_M + 0.05).0 < START_CLEARANCE_M {
            continue;
        }
        let best = (0..HEADINGS).map(|i| {
            let yaw_deg = i as f32 * (360.0 / HEADINGS as f32) - 180.0;
            let start = Start { x_m: x, z_m: z, yaw_deg };
            (score(&built, &spec.objects, &start), start)
        });
        found.extend(best.max_by(|a, b| a.0.total_cmp(&b.0)));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut starts: Vec<Start> = Vec::new();
    for (_, start) in found {
        if starts.len() < STARTS && starts.iter().all(|other| apart(other, &start) > APART_M) {
            starts.push(start);
        }
    }
    (!starts.is_empty()).then_some(starts)
}

/// Distance between two starts, metres.
fn apart(a: &Start, b: &Start) -> f32 {
    let (x, z) = (a.x_m - b.x_m, a.z_m - b.z_m);
    (x * x + z * z).sqrt()
}

/// How good the view is: things in sight, and room to walk ahead.
fn score(built: &Built, objects: &[Object], start: &Start) -> f32 {
    let origin = Vec3::new(start.x_m, EYE_HEIGHT_M, start.z_m);
    let ahead = Vec3::from_array(start.pose().forward());
    let free = built.first_hit(origin, ahead, 6.0).map_or(6.0, |(t, _)| t);
    let mut sum = 0.5 * free.min(5.0);
    if free < 1.6 {
        sum -= 4.0;
    }
    for object in objects {
        let to = Vec3::from_array(object.centre_m()) - origin;
        let distance = to.length();
        if !(1.0..12.0).contains(&distance) || to.dot(ahead) < distance * SEEN {
            continue;
        }
        let dir = to / distance;
        if built.first_hit(origin, dir, distance + 1.0).is_some_and(|(_, solid)| built.solids[solid].id == object.id) {
            sum += 1.0 / (1.0 + (distance - 3.5).abs() * 0.25);
        }
    }
    sum
}

/// The largest connected piece of free floor.
struct Floor {
    low: [f32; 2],
    /// Cells of the piece, `(x, z)`.
    cells: Vec<[usize; 2]>,
}

impl Floor {
    fn new(built: &Built) -> Option<Self> {
        let (mins, maxs) = (built.room.mins, built.room.maxs);
        let count = [((maxs.x - mins.x) / CELL_M) as usize + 1, ((maxs.z - mins.z) / CELL_M) as usize + 1];
        let mut floor = Self { low: [mins.x, mins.z], cells: Vec::new() };
        let mut open = vec![false; count[0] * count[1]];
        for z in 0..count[1] {
            for x in 0..count[0] {
                let [px, pz] = floor.centre([x, z]);
                let need = WALKER_RADIUS_M + 0.05;
                open[z * count[0] + x] = built.inside(px, pz) && built.nearest_obstacle(px, pz, need).0 >= need;
            }
        }
        let all = open.iter().filter(|cell| **cell).count();
        for first in 0..open.len() {
            let mut piece = Vec::new();
            let mut next = vec![first];
            while let Some(index) = next.pop() {
                if !std::mem::take(&mut open[index]) {
                    continue;
                }
                let (x, z) = (index % count[0], index / count[0]);
                piece.push([x, z]);
                if x > 0 {
                    next.push(index - 1);
                }
                if x + 1 < count[0] {
                    next.push(index + 1);
                }
                if z > 0 {
                    next.push(index - count[0]);
                }
                if z + 1 < count[1] {
                    next.push(index + count[0]);
                }
            }
            if piece.len() > floor.cells.len() {
                floor.cells = piece;
            }
        }
        (all > 0 && floor.cells.len() as f32 >= CONNECTED * all as f32).then_some(floor)
    }

    fn centre(&self, [x, z]: [usize; 2]) -> [f32; 2] {
        let at = |low: f32, i: usize| ((low + (i as f32 + 0.5) * CELL_M) * 1000.0).round() / 1000.0;
        [at(self.low[0], x), at(self.low[1], z)]
    }
}

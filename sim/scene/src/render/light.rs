//! Lamps and the sun with soft shadows.
//!
//! Each light keeps, for every direction cell, the short list of shapes that can stand between it and a point there (a
//! light buffer). A point in a cell without shapes needs no shadow ray at all.

use super::cull::Bundle;
use crate::built::Built;
use crate::solid::Ray;
use crate::spec::{Lamp, Sky};
use parry3d::math::Vec3;

/// Cells along one side of one face of a lamp's cube.
const LAMP_CELLS: usize = 16;
/// Most cells along one side of the sun's grid.
const SUN_CELLS: usize = 96;
/// Smallest cell of the sun's grid, metres.
const SUN_CELL_M: f32 = 0.25;
/// Radius of a lamp's disc, metres.
const LAMP_RADIUS_M: f32 = 0.28;
/// Sunlight against a full light of 1.
const SUN_STRENGTH: f32 = 0.82;
/// Radius of the sun as a tangent; larger than the real one (0.0047) for soft edges.
const SUN_RADIUS: f32 = 0.022;
/// Shadow samples on the unit disc. The first four are spread wide: where they agree, the rest is skipped.
const SAMPLES: [[f32; 2]; 8] =
    [[0.92, 0.0], [-0.92, 0.0], [0.0, 0.92], [0.0, -0.92], [0.46, 0.46], [-0.46, -0.46], [0.46, -0.46], [-0.46, 0.46]];
/// Share of a lamp's light that is too little to see.
const FAINT: f32 = 0.004;
/// Shadow rays start this far above the surface, metres.
const LIFT_M: f32 = 0.006;

/// Lists of shapes, one per cell.
#[derive(Default)]
struct Cells {
    /// Start of each cell's list in `leaves`; one more than there are cells.
    starts: Vec<u32>,
    /// Shapes with their nearest distance from the light, ascending.
    leaves: Vec<(f32, u32)>,
}

impl Cells {
    fn push(&mut self, mut list: Vec<(f32, u32)>) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.leaves.append(&mut list);
        self.starts.push(self.leaves.len() as u32);
    }

    fn list(&self, cell: usize) -> &[(f32, u32)] {
        &self.leaves[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }
}

/// A lamp ready to shine.
pub(super) struct Shining {
    position: Vec3,
    colour: Vec3,
    reach: f32,
    cells: Cells,
}

/// Axes of the six cube faces: outward, right, up.
const FACES: [[Vec3; 3]; 6] = [
    [Vec3::X, Vec3::Z, Vec3::Y],
    [Vec3::NEG_X, Vec3::Z, Vec3::Y],
    [Vec3::Y, Vec3::X, Vec3::Z],
    [Vec3::NEG_Y, Vec3::X, Vec3::Z],
    [Vec3::Z, Vec3::X, Vec3::Y],
    [Vec3::NEG_Z, Vec3::X, Vec3::Y],
];

impl Shining {
    pub(super) fn new(lamp: &Lamp, built: &Built) -> Self {
        let position = Vec3::from_array(lamp.position_m);
        let mut cells = Cells::default();
        let mut found = Vec::new();
        let at = |i: usize| i as f32 / LAMP_CELLS as f32 * 2.0 - 1.0;
        for [out, right, up] in FACES {
            for y in 0..LAMP_CELLS {
                for x in 0..LAMP_CELLS {
                    let corner = |x: usize, y: usize| out + right * at(x) + up * at(y);
                    let corners = [corner(x, y), corner(x + 1, y), corner(x + 1, y + 1), corner(x, y + 1)];
                    found.clear();
                    let bundle = Bundle::pyramid(position, corners, LAMP_RADIUS_M);
                    bundle.collect(&built.bvh, |leaf, _, _| found.push(leaf));
                    let list = found.iter().filter_map(|&leaf| {
                        let solid = &built.solids[leaf as usize];
                        let distance = (solid.distance(position) - LAMP_RADIUS_M).max(0.0);
                        (solid.casts && distance < lamp.reach_m).then_some((distance, leaf))
                    });
                    cells.push(list.collect());
                }
            }
        }
        Self { position, colour: lamp.paint.linear() * lamp.strength, reach: lamp.reach_m, cells }
    }

    fn cell(dir: Vec3) -> usize {
        let a = dir.abs();
        let (face, major, u, v) = if a.x >= a.y && a.x >= a.z {
            (usize::from(dir.x < 0.0), a.x, dir.z, dir.y)
        } else if a.y >= a.z {
            (2 + usize::from(dir.y < 0.0), a.y, dir.x, dir.z)
        } else {
            (4 + usize::from(dir.z < 0.0), a.z, dir.x, dir.y)
        };
        let index =
            |w: f32| (((w / major) * 0.5 + 0.5) * LAMP_CELLS as f32).clamp(0.0, LAMP_CELLS as f32 - 1.0) as usize;
        (face * LAMP_CELLS + index(v)) * LAMP_CELLS + index(u)
    }

    /// Light that arrives at a surface point, linear.
    pub(super) fn at(&self, built: &Built, point: Vec3, normal: Vec3) -> Vec3 {
        let to_light = self.position - point;
        let square = to_light.dot(to_light);
        if square >= self.reach * self.reach {
            return Vec3::ZERO;
        }
        let distance = square.sqrt().max(1e-3);
        let facing = (normal.dot(to_light) / distance + 0.12) / 1.12;
        if facing <= 0.0 {
            return Vec3::ZERO;
        }
        let fade = 1.0 - square / (self.reach * self.reach);
        let share = facing * fade * fade;
        if share < FAINT {
            return Vec3::ZERO;
        }
        let light = self.colour * share;
        let list = self.cells.list(Self::cell(-to_light));
        let start = point + normal * LIFT_M;
        let seen = visible(built, list, distance, |[u, v]| {
            let target = self.position + Vec3::new(u, 0.0, v) * LAMP_RADIUS_M;
            (start, target - start, 1.0)
        });
        light * seen
    }
}

/// The sun ready to shine.
pub(super) struct Sun {
    /// Towards the sun.
    pub(super) dir: Vec3,
    pub(super) colour: Vec3,
    across: [Vec3; 2],
    low: [f32; 2],
    cell_m: f32,
    count: [usize; 2],
    cells: Cells,
}

impl Sun {
    pub(super) fn new(sky: &Sky, built: &Built) -> Self {
        let (sin, cos) = sky.sun_height_deg.to_radians().sin_cos();
        let (sy, cy) = sky.sun_yaw_deg.to_radians().sin_cos();
        let dir = Vec3::new(-sy * cos, sin, -cy * cos);
        let across = [Vec3::new(cy, 0.0, -sy), Vec3::new(cy, 0.0, -sy).cross(dir)];
        let (mut low, mut high, mut top) = ([f32::MAX; 2], [f32::MIN; 2], 0.0_f32);
        for solid in built.solids.iter().filter(|solid| solid.casts) {
            let aabb = solid.aabb();
            top = top.max(aabb.maxs.y);
            for axis in 0..2 {
                let middle = aabb.center().dot(across[axis]);
                let reach = aabb.half_extents().dot(across[axis].abs());
                low[axis] = low[axis].min(middle - reach);
                high[axis] = high[axis].max(middle + reach);
            }
        }
        // The penumbra is widest on the floor below the highest thing.
        let margin = top / sin.max(0.1) * SUN_RADIUS + 0.02;
        let mut sun = Self {
            dir,
            colour: sky.sun.linear() * SUN_STRENGTH,
            across,
            low: low.map(|v| v - margin),
            cell_m: SUN_CELL_M,
            count: [0; 2],
            cells: Cells::default(),
        };
        if low[0] > high[0] {
            return sun;
        }
        let size = [high[0] - low[0] + 2.0 * margin, high[1] - low[1] + 2.0 * margin];
        sun.cell_m = SUN_CELL_M.max(size[0].max(size[1]) / SUN_CELLS as f32);
        sun.count = size.map(|s| (s / sun.cell_m).ceil() as usize);
        let mut found = Vec::new();
        for y in 0..sun.count[1] {
            for x in 0..sun.count[0] {
                let corner = [sun.low[0] + x as f32 * sun.cell_m, sun.low[1] + y as f32 * sun.cell_m];
                found.clear();
                let (low, high) = (corner.map(|v| v - margin), corner.map(|v| v + sun.cell_m + margin));
                Bundle::column(across, low, high).collect(&built.bvh, |leaf, _, _| found.push(leaf));
                let list = found.iter().filter(|leaf| built.solids[**leaf as usize].casts);
                sun.cells.push(list.map(|leaf| (0.0, *leaf)).collect());
            }
        }
        sun
    }

    /// Light that arrives at a surface point, linear.
    pub(super) fn at(&self, built: &Built, point: Vec3, normal: Vec3) -> Vec3 {
        let facing = normal.dot(self.dir);
        if facing <= 0.0 {
            return Vec3::ZERO;
        }
        let light = self.colour * facing;
        let cell = [0, 1].map(|axis| (point.dot(self.across[axis]) - self.low[axis]) / self.cell_m);
        if cell[0] < 0.0 || cell[1] < 0.0 || cell[0] >= self.count[0] as f32 || cell[1] >= self.count[1] as f32 {
            return light;
        }
        let list = self.cells.list(cell[1] as usize * self.count[0] + cell[0] as usize);
        let start = point + normal * LIFT_M;
        light
            * visible(built, list, f32::MAX, |[u, v]| {
                (start, self.dir + (self.across[0] * u + self.across[1] * v) * SUN_RADIUS, f32::MAX)
            })
    }
}

/// Share of a light that a point sees, 0 to 1. `ray` gives origin, direction and length for a place on the light's disc.
fn visible(built: &Built, list: &[(f32, u32)], reach: f32, ray: impl Fn([f32; 2]) -> (Vec3, Vec3, f32)) -> f32 {
    if list.is_empty() {
        return 1.0;
    }
    let mut open = 0.0;
    // What blocked the last sample often blocks the next one too.
    let mut last = list[0].1;
    for (index, sample) in SAMPLES.into_iter().enumerate() {
        let (origin, dir, max) = ray(sample);
        let ray = Ray::new(origin, dir);
        let blocks = |leaf: u32| built.solids[leaf as usize].hit(&ray, max).is_some();
        let mut near = list.iter().take_while(|(distance, _)| *distance < reach);
        if !blocks(last) {
            match near.find(|(_, leaf)| blocks(*leaf)) {
                Some((_, leaf)) => last = *leaf,
                None => open += 1.0,
            }
        }
        if index == 3 && (open == 0.0 || open == 4.0) {
            return open * 0.25;
        }
    }
    open / SAMPLES.len() as f32
}

//! Ambient occlusion from distances: corners, edges and the floor under things are a little darker.

use crate::built::Built;
use parry3d::bounding_volume::Aabb;
use parry3d::math::Vec3;

/// Probes along the normal: height above the surface in metres, and how much each darkens.
/// The highest comes first: where it is clear, the lower one is too.
const PROBES: [(f32, f32); 2] = [(0.45, 0.3), (0.14, 0.22)];
/// Side of a grid cell, metres.
const CELL_M: f32 = 0.5;
/// Most cells of the grid.
const MAX_CELLS: usize = 60_000;

/// A grid over the scene with the shapes near each cell.
pub(super) struct Nooks {
    low: Vec3,
    cell_m: f32,
    count: [usize; 3],
    starts: Vec<u32>,
    leaves: Vec<u32>,
}

impl Nooks {
    pub(super) fn new(built: &Built) -> Self {
        let mut bounds = built.room;
        for solid in built.solids.iter().filter(|solid| solid.id != 0) {
            let aabb = solid.aabb();
            bounds.mins = bounds.mins.min(aabb.mins);
            bounds.maxs = bounds.maxs.max(aabb.maxs);
        }
        let low = bounds.mins - Vec3::splat(0.3);
        let size = bounds.maxs + Vec3::splat(0.3) - low;
        let mut cell_m = CELL_M;
        let count_of = |cell_m: f32| size.to_array().map(|s| (s / cell_m).ceil().max(1.0) as usize);
        while count_of(cell_m).iter().product::<usize>() > MAX_CELLS {
            cell_m *= 1.25;
        }
        let count = count_of(cell_m);
        let reach = Vec3::splat(2.0 * PROBES[0].0);
        let mut nooks = Self { low, cell_m, count, starts: vec![0], leaves: Vec::new() };
        for y in 0..count[1] {
            for z in 0..count[2] {
                for x in 0..count[0] {
                    let corner = low + Vec3::new(x as f32, y as f32, z as f32) * cell_m;
                    let query = Aabb::new(corner - reach, corner + Vec3::splat(cell_m) + reach);
                    let middle = corner + Vec3::splat(cell_m * 0.5);
                    // A shape matters when a probe from somewhere in the cell can come nearer to it than the probe is high.
                    let far = cell_m * 0.867 + reach.x;
                    let near = built.bvh.intersect_aabb(&query);
                    nooks.leaves.extend(near.filter(|leaf| built.solids[*leaf as usize].distance(middle) < far));
                    nooks.starts.push(nooks.leaves.len() as u32);
                }
            }
        }
        nooks
    }

    /// How open a surface point is: 1 in the open, about 0.5 deep in a corner.
    pub(super) fn open(&self, built: &Built, point: Vec3, normal: Vec3) -> f32 {
        let cell = (point - self.low) / self.cell_m;
        let count = Vec3::new(self.count[0] as f32, self.count[1] as f32, self.count[2] as f32);
        if cell.min_element() < 0.0 || cell.x >= count.x || cell.y >= count.y || cell.z >= count.z {
            return 1.0;
        }
        let index = (cell.y as usize * self.count[2] + cell.z as usize) * self.count[0] + cell.x as usize;
        let near = &self.leaves[self.starts[index] as usize..self.starts[index + 1] as usize];
        let mut open = 1.0;
        for (height, weight) in PROBES {
            let probe = point + normal * height;
            let gap = near.iter().fold(height, |gap, leaf| {
                let distance = built.solids[*leaf as usize].distance(probe);
                if distance < gap { distance } else { gap }
            });
            if gap >= height - 1e-3 {
                break;
            }
            let closed = 1.0 - gap.max(0.0) / height;
            open -= weight * closed * (0.4 + 0.6 * closed);
        }
        open
    }
}

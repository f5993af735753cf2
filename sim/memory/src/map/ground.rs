//! What the views have seen of the world, from above: their own pixels, put down where their own depth says.

use std::sync::Arc;

use rhea_scene::{Camera, Pose};

use crate::memory::Memory;
use crate::placement::Lens;
use crate::view::View;

/// Side of a painted cell, metres.
const CELL_M: f32 = 0.1;
/// Cells along a side of the painted area, which is centred on the first view.
pub const GROUND_CELLS: usize = 400;
/// Side of the painted area, metres.
pub const GROUND_SIDE_M: f32 = GROUND_CELLS as f32 * CELL_M;
/// Eye height of the walker above the floor, metres.
const EYE_M: f32 = 1.5;
/// What is higher than this above the floor is left out, or ceilings would hide everything, metres.
const ROOF_M: f32 = 1.9;
/// Up to here a point is floor and is painted darker, metres above the floor.
const FLOOR_M: f32 = 0.12;
/// Farther points are left out: their cells would be sparse, metres.
const REACH_M: f32 = 10.0;

#[derive(Clone, Copy)]
struct Cell {
    rgb: [u8; 3],
    height_m: f32,
    /// The view that painted it.
    view: u32,
}

/// The painted ground of one memory.
#[derive(Clone, Default)]
pub struct Ground {
    cells: Vec<Option<Cell>>,
    /// World x and z of the middle.
    middle_m: [f32; 2],
    /// Ids and poses of the views that are painted.
    painted: Vec<(u64, Pose)>,
}

impl Ground {
    /// Brings the ground up to date: paints what is new, and wipes what views saw that are gone or moved.
    pub fn update(&mut self, memory: &Memory) {
        let now = memory.nodes().iter().zip(memory.views()).map(|(node, view)| (node.id, view.pose));
        let same = self.painted.iter().zip(now).take_while(|(old, new)| **old == *new).count();
        if same == 0 {
            self.cells = vec![None; GROUND_CELLS * GROUND_CELLS];
            self.middle_m =
                memory.views().first().map_or([0.0; 2], |view| [view.pose.position_m[0], view.pose.position_m[2]]);
        } else if same < self.painted.len() {
            for cell in &mut self.cells {
                *cell = cell.filter(|cell| (cell.view as usize) < same);
            }
        }
        self.painted.truncate(same);
        for (index, (view, node)) in memory.views().iter().zip(memory.nodes()).enumerate().skip(same) {
            self.paint(index as u32, view);
            self.painted.push((node.id, view.pose));
        }
    }

    fn paint(&mut self, index: u32, view: &View) {
        let (rgbd, pose) = (&view.rgbd, &view.pose);
        let camera = Camera { width: rgbd.width, height: rgbd.height, fov_x_rad: Camera::FOV_X_RAD };
        let lens = Lens::new(&camera, rgbd.width, rgbd.height);
        let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
        for (i, depth_m) in rgbd.depth_m.iter().copied().enumerate().filter(|(_, depth_m)| *depth_m < REACH_M) {
            let (x, y) = (i % rgbd.width, i / rgbd.width);
            let [a, b] = lens.ray(x as f32 + 0.5, y as f32 + 0.5);
            let along = |k: usize| (forward[k] + right[k] * a + up[k] * b) * depth_m;
            let height_m = along(1) + EYE_M;
            let point_m = [pose.position_m[0] + along(0), pose.position_m[2] + along(2)];
            let Some(slot) = self.cell_index(point_m).filter(|_| height_m < ROOF_M) else { continue };
            let rgb = rgbd.pixel(x, y);
            let rgb = if height_m > FLOOR_M { rgb } else { rgb.map(|v| v / 2) };
            if let Some(cell) = self.cells.get_mut(slot)
                && cell.is_none_or(|old| height_m > old.height_m + FLOOR_M)
            {
                *cell = Some(Cell { rgb, height_m, view: index });
            }
        }
    }

    /// Index of the cell under a point (world x and z); `None` outside the painted area.
    fn cell_index(&self, point_m: [f32; 2]) -> Option<usize> {
        let along = |value: f32, middle: f32| {
            let cell = ((value - middle) / CELL_M + GROUND_CELLS as f32 / 2.0).floor();
            (cell >= 0.0 && cell < GROUND_CELLS as f32).then_some(cell as usize)
        };
        Some(along(point_m[1], self.middle_m[1])? * GROUND_CELLS + along(point_m[0], self.middle_m[0])?)
    }

    /// Four bytes a cell, row by row, north first.
    pub(super) fn rgba(&self) -> Arc<Vec<u8>> {
        let pixel = |cell: &Option<Cell>| cell.map_or([0; 4], |Cell { rgb: [r, g, b], .. }| [r, g, b, 255]);
        Arc::new(self.cells.iter().flat_map(pixel).collect())
    }

    pub(super) fn middle_m(&self) -> [f32; 2] {
        self.middle_m
    }

    pub(super) fn seen_m2(&self) -> f32 {
        self.cells.iter().flatten().count() as f32 * CELL_M * CELL_M
    }
}

#[cfg(test)]
mod tests {
    use rhea_picture::Rgbd;

    use super::*;

    /// A view of a wall two metres ahead, seen from `x_m` east of the origin.
    fn wall_ahead(x_m: f32, rgb: [u8; 3]) -> View {
        let mut rgbd = Rgbd::filled(9, 9, rgb);
        rgbd.depth_m.fill(2.0);
        let pose = Pose { position_m: [x_m, EYE_M, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        View { rgbd: Arc::new(rgbd), pose, codes: Vec::new(), step: 0, lineage: 0, narration: String::new() }
    }

    #[test]
    fn a_wall_two_metres_ahead_is_painted_two_metres_to_the_north() {
        let (mut memory, mut ground) = (Memory::new(), Ground::default());
        memory.insert(wall_ahead(0.0, [200, 0, 0]));
        ground.update(&memory);
        let at =
            |ground: &Ground, x: f32, z: f32| ground.cell_index([x, z]).and_then(|i| ground.cells[i]).map(|c| c.rgb);
        assert_eq!(at(&ground, 0.0, -2.0), Some([200, 0, 0]));
        assert_eq!(at(&ground, 0.0, 2.0), None);
        assert!(ground.cells.iter().flatten().all(|cell| cell.height_m < ROOF_M), "no ceilings");
        assert!(ground.seen_m2() > 0.05 && ground.rgba().len() == 4 * GROUND_CELLS * GROUND_CELLS);
        // Another view, undone: its cells go, the first one's stay.
        memory.insert(wall_ahead(5.0, [0, 200, 0]));
        ground.update(&memory);
        assert_eq!(at(&ground, 5.0, -2.0), Some([0, 200, 0]));
        memory.undo();
        ground.update(&memory);
        assert_eq!((at(&ground, 5.0, -2.0), at(&ground, 0.0, -2.0)), (None, Some([200, 0, 0])));
        // Far away falls off the map instead of growing it.
        memory.insert(wall_ahead(10_000.0, [1, 2, 3]));
        ground.update(&memory);
        assert_eq!(ground.cells.len(), GROUND_CELLS * GROUND_CELLS);
        assert_eq!(ground.cell_index([f32::NAN, 0.0]), None);
    }
}

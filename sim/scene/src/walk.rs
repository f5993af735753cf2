//! Walking into things: a move ends before the first wall or object in its way.

use crate::limits::WALKER_RADIUS_M;
use crate::{Pose, Scene};

/// The walker keeps this gap to what stops him, metres.
const SKIN_M: f32 = 0.01;
/// Shortest stride of the search along the way, metres.
const STRIDE_M: f32 = 0.01;
/// Longest stride, metres; also how far around the walker the search looks.
const LOOK_AHEAD_M: f32 = 2.0;

impl Scene {
    /// Cuts the way from `from` to `to` before the first obstacle. The walker is an upright cylinder of
    /// [`WALKER_RADIUS_M`]; he turns and looks as asked, and stays at the height of `to`.
    ///
    /// Returns where he ends and whether the way was cut. A walker that already overlaps something may move away from it
    /// but not deeper into it. A way that is not finite ends where it began.
    #[must_use]
    pub fn clip(&self, from: &Pose, to: &Pose) -> (Pose, bool) {
        let [x0, _, z0] = from.position_m;
        let [x1, y1, z1] = to.position_m;
        let (dx, dz) = (x1 - x0, z1 - z0);
        let length = (dx * dx + dz * dz).sqrt();
        if !length.is_finite() || !y1.is_finite() {
            return (Pose { position_m: from.position_m, ..*to }, true);
        }
        if length < 1e-6 {
            return (Pose { position_m: [x0, y1, z0], ..*to }, false);
        }
        let (ux, uz) = (dx / length, dz / length);
        let free = |way: f32| self.built().free(x0 + ux * way, z0 + uz * way, LOOK_AHEAD_M);
        let mut way = 0.0;
        let mut gap = free(0.0);
        while way < length {
            // Far from everything the free distance itself is a safe stride; close by, feel ahead step by step.
            let stride = (gap - SKIN_M).clamp(STRIDE_M, LOOK_AHEAD_M).min(length - way);
            let next = free(way + stride);
            if next < SKIN_M * 0.5 && next < gap {
                return (Pose { position_m: [x0 + ux * way, y1, z0 + uz * way], ..*to }, true);
            }
            (way, gap) = (way + stride, next);
        }
        (*to, false)
    }

    /// May the walker stand at `(x, z)`: inside the outline and clear of walls and objects?
    #[must_use]
    pub fn is_walkable(&self, x_m: f32, z_m: f32) -> bool {
        self.contains(x_m, z_m) && self.clearance_m(x_m, z_m, WALKER_RADIUS_M) >= WALKER_RADIUS_M
    }
}

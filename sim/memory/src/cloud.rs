//! A coarse copy of a view's depth: enough to tell quickly which part of another view it shows.

use rhea_picture::Rgbd;

use crate::placement::{MIN_FORWARD, Placement, inverse_depth};
use crate::raster::{MAX_MAGNIFICATION, larger_stretch2};
use crate::wide::wide;

/// Samples along each side of a view, and cells along each side of a target.
pub(crate) const GRID: usize = 16;
/// Cells of a target.
pub(crate) const CELLS: usize = GRID * GRID;
/// Inverse depth that stands for the sky where zero stands for nothing, 1/m.
const SKY_INVERSE: f32 = 1e-3;

/// Inverse depth at the middle of each of 16 x 16 blocks, with its slope.
#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    samples: [Sample; CELLS],
    /// Largest depth that is not sky, metres.
    farthest_m: f32,
    sees_sky: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Inverse depth, 1/m; 0 is the sky, negative: no sample.
    inverse: f32,
    /// Change of the inverse depth per pixel, to the right and downwards; 0 at a silhouette.
    slope_x: f32,
    slope_y: f32,
}

/// What a view shows of a target, per cell.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    /// Nearest inverse depth in the target, 1/m; 0 where it shows nothing.
    pub inverse: [f32; CELLS],
    /// Source px per target px of what is nearest, linear, at most 1: how crisp it would be.
    pub crispness: [f32; CELLS],
}

impl Cloud {
    /// The coarse copy of `view`.
    pub fn of(view: &Rgbd) -> Self {
        let (w, h) = (view.width, view.height);
        let none = Sample { inverse: -1.0, ..Sample::default() };
        let mut cloud = Self { samples: [none; CELLS], farthest_m: 0.0, sees_sky: false };
        if w == 0 || h == 0 || view.depth_m.len() != w * h {
            return cloud;
        }
        let at = |x: usize, y: usize| inverse_depth(view.depth_m[y * w + x]);
        for (i, sample) in cloud.samples.iter_mut().enumerate() {
            let x = (2 * (i % GRID) + 1) * w / (2 * GRID);
            let y = (2 * (i / GRID) + 1) * h / (2 * GRID);
            let inverse = at(x, y);
            if inverse == 0.0 {
                (sample.inverse, cloud.sees_sky) = (0.0, true);
                continue;
            }
            // A slope that differs on both sides is a silhouette, where the normal is unknown.
            let slope = |before: f32, after: f32| {
                let (a, b) = (inverse - before, after - inverse);
                if (a - b).abs() <= 0.02 * inverse { 0.5 * (a + b) } else { 0.0 }
            };
            *sample = Sample {
                inverse,
                slope_x: slope(at(x.max(1) - 1, y), at((x + 1).min(w - 1), y)),
                slope_y: slope(at(x, y.max(1) - 1), at(x, (y + 1).min(h - 1))),
            };
            cloud.farthest_m = cloud.farthest_m.max(1.0 / inverse);
        }
        cloud
    }

    /// Can the target see anything of this view? Quick and never wrongly no.
    pub fn may_be_seen(&self, placement: &Placement) -> bool {
        let lens = &placement.source;
        // Tangent of the half angle of the cone around the picture.
        let cone = (lens.centre_x_px.hypot(lens.centre_y_px) * lens.per_focal).max(1.0);
        if self.sees_sky {
            return true;
        }
        // All points lie in the ball around the point straight ahead at the largest depth.
        let radius = self.farthest_m * cone;
        let r = &placement.rotation;
        let middle: [f32; 3] = std::array::from_fn(|k| r[k][2] * self.farthest_m + placement.offset_m[k]);
        let target = &placement.target;
        // Distances from the planes of the target's frustum, outwards positive.
        let outside = |centre_px: f32, at: f32| {
            let tangent = centre_px * target.per_focal;
            (at.abs() - middle[2] * tangent) / (1.0 + tangent * tangent).sqrt()
        };
        middle[2] > -radius
            && outside(target.centre_x_px, middle[0]) < radius
            && outside(target.centre_y_px, middle[1]) < radius
    }

    /// Projects the samples into the target; none when it sees nothing of them.
    pub fn project(&self, placement: &Placement) -> Option<Coverage> {
        wide(|| self.projected(placement))
    }

    #[inline(always)]
    fn projected(&self, placement: &Placement) -> Option<Coverage> {
        let (source, target) = (&placement.source, &placement.target);
        let (r, t) = (&placement.rotation, &placement.offset_m);
        let (per_cell_x, per_cell_y) = (GRID as f32 / target.width as f32, GRID as f32 / target.height as f32);
        let (block_x, block_y) = (source.width as f32 / GRID as f32, source.height as f32 / GRID as f32);
        let mut coverage = Coverage { inverse: [0.0; CELLS], crispness: [0.0; CELLS] };
        let mut seen = false;
        for (i, sample) in self.samples.iter().enumerate() {
            if sample.inverse < 0.0 {
                continue;
            }
            let ray = source.ray(((i % GRID) as f32 + 0.5) * block_x, ((i / GRID) as f32 + 0.5) * block_y);
            let to = placement.towards_target(ray, sample.inverse);
            if to[2] <= MIN_FORWARD {
                continue;
            }
            let [u, v] = target.point(to);
            // How the target point moves with the source point, px per px: to the right, then downwards.
            let scale = target.focal_px / to[2];
            let (tan_x, tan_y) = (to[0] / to[2], to[1] / to[2]);
            let moved = |axis: usize, per_px: f32, slope: f32| {
                let by = |k: usize| r[k][axis] * per_px + t[k] * slope;
                (scale * (by(0) - tan_x * by(2)), -scale * (by(1) - tan_y * by(2)))
            };
            let (right_x, right_y) = moved(0, source.per_focal, sample.slope_x);
            let (down_x, down_y) = moved(1, -source.per_focal, sample.slope_y);
            let stretch2 = larger_stretch2(right_x, right_y, down_x, down_y);
            if right_x * down_y <= right_y * down_x || stretch2 > MAX_MAGNIFICATION * MAX_MAGNIFICATION {
                continue; // seen from behind, or too blurred
            }
            let half_x = 0.5 * (right_x.abs() * block_x + down_x.abs() * block_y) * per_cell_x;
            let half_y = 0.5 * (right_y.abs() * block_x + down_y.abs() * block_y) * per_cell_y;
            let (x0, x1) = cells(u * per_cell_x, half_x);
            let (y0, y1) = cells(v * per_cell_y, half_y);
            let inverse = if sample.inverse > 0.0 { sample.inverse / to[2] } else { SKY_INVERSE };
            for cell_y in y0..y1 {
                for cell in cell_y * GRID + x0..cell_y * GRID + x1 {
                    if inverse > coverage.inverse[cell] {
                        coverage.inverse[cell] = inverse;
                        coverage.crispness[cell] = 1.0 / stretch2.max(1.0).sqrt();
                        seen = true;
                    }
                }
            }
        }
        seen.then_some(coverage)
    }
}

/// The cells whose middles lie within `half` of `at`, in cells.
fn cells(at: f32, half: f32) -> (usize, usize) {
    // A little wider, so that samples one cell apart leave no cell out. The casts saturate.
    let half = half * 1.05;
    let from = (at - half + 0.5).max(0.0) as usize;
    let to = (at + half + 0.5).max(0.0) as usize;
    (from.min(GRID), to.min(GRID))
}

//! A coarse copy of a view's depth: enough to tell quickly which part of another view it shows.

use rhea_picture::Rgbd;

use crate::placement::{MIN_FORWARD, Placement, inverse_depth};

/// Samples along each side of a view, and cells along each side of a target.
pub(crate) const GRID: usize = 16;
/// Cells of a target.
pub(crate) const CELLS: usize = GRID * GRID;
/// Surfaces enlarged more than this are not worth recalling, target px per source px.
const MAX_ENLARGEMENT: f32 = 4.0;

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
    /// Change of the inverse depth over the width of the view, to the right and downwards; 0 at a silhouette.
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
                if (a - b).abs() <= 0.02 * inverse { 0.5 * (a + b) * w as f32 } else { 0.0 }
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
        let (source, target) = (&placement.source, &placement.target);
        // Source eye to target eye, in source axes.
        let r = &placement.rotation;
        let t = placement.offset_m;
        let eye: [f32; 3] = std::array::from_fn(|c| -(r[0][c] * t[0] + r[1][c] * t[1] + r[2][c] * t[2]));
        let per_cell_x = GRID as f32 / target.width as f32;
        let per_cell_y = GRID as f32 / target.height as f32;
        let per_width = source.focal_px / source.width as f32;
        // Size of a sample of enlargement 1, in target cells: a target pixel is a source pixel times the ratio of the
        // focal lengths, and a sample is one cell of the source.
        let zoom = target.focal_px / source.focal_px;
        let cell_x = source.width as f32 / GRID as f32 * zoom * per_cell_x;
        let cell_y = source.height as f32 / GRID as f32 * zoom * per_cell_y;
        let mut coverage = Coverage { inverse: [0.0; CELLS], crispness: [0.0; CELLS] };
        let mut seen = false;
        for (i, sample) in self.samples.iter().enumerate() {
            let x_px = ((i % GRID) as f32 + 0.5) * source.width as f32 / GRID as f32;
            let y_px = ((i / GRID) as f32 + 0.5) * source.height as f32 / GRID as f32;
            let ray = source.ray(x_px, y_px);
            if sample.inverse < 0.0 {
                continue;
            }
            // Plane n . p = 1 through the sample: seen from the front when both eyes are on the same side.
            let n = [sample.slope_x * per_width, -sample.slope_y * per_width];
            let ahead = sample.inverse - n[0] * ray[0] - n[1] * ray[1];
            let front = n[0] * eye[0] + n[1] * eye[1] + ahead * eye[2] < 1.0;
            let direction = placement.to_target(ray, sample.inverse);
            if !front || direction[2] <= MIN_FORWARD {
                continue;
            }
            let [u, v] = target.point(direction);
            let enlargement = 1.0 / direction[2];
            if enlargement * zoom > MAX_ENLARGEMENT {
                continue;
            }
            let (half_x, half_y) = (0.5 * enlargement * cell_x, 0.5 * enlargement * cell_y);
            let (x0, x1) = cells(u * per_cell_x, half_x);
            let (y0, y1) = cells(v * per_cell_y, half_y);
            let inverse = if sample.inverse > 0.0 { sample.inverse / direction[2] } else { 1e-3 };
            for cell_y in y0..y1 {
                for cell in cell_y * GRID + x0..cell_y * GRID + x1 {
                    if inverse > coverage.inverse[cell] {
                        coverage.inverse[cell] = inverse;
                        coverage.crispness[cell] = (direction[2] / zoom).min(1.0);
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

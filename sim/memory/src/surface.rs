//! Which neighbouring pixels of a view lie on one surface.

use rhea_picture::Rgbd;

use crate::placement::inverse_depth;

/// Neighbours whose inverse depths differ by less than this share lie on one surface. Small enough that bridging two
/// objects smears them by about one pixel over half a metre; large enough for the few per cent of error of a decoded depth.
const SAME_SURFACE: f32 = 0.06;
/// A larger step is still one surface when the slope on either side foretells it to within this share of the step...
const SLOPE_TOLERANCE: f32 = 0.3;
/// ...and the step is not larger than this share of the nearer inverse depth.
const STEEPEST: f32 = 0.5;

/// Inverse depths of a view and the connections between neighbours.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    pub width: usize,
    pub height: usize,
    /// Per pixel; zero is the sky.
    pub inverse: Vec<f32>,
    /// Per pixel: is it one surface with the pixel to its right?
    pub across: Vec<bool>,
    /// Per pixel: is it one surface with the pixel below?
    pub down: Vec<bool>,
}

impl Surface {
    /// Describes `view`, reusing the buffers.
    pub fn read(&mut self, view: &Rgbd) {
        let (w, h) = (view.width, view.height);
        (self.width, self.height) = (w, h);
        self.inverse.clear();
        self.inverse.extend(view.depth_m.iter().map(|d| inverse_depth(*d)));
        self.across.resize(w * h, false);
        self.down.resize(w * h, false);
        for (row, flags) in self.inverse.chunks_exact(w).zip(self.across.chunks_exact_mut(w)) {
            if w > 3 {
                let inner = w - 3;
                let (before, a, b, after) = (&row[..inner], &row[1..=inner], &row[2..inner + 2], &row[3..inner + 3]);
                join_row(before, a, b, after, &mut flags[1..=inner]);
            }
            for x in [0, w.max(2) - 2] {
                let after = row[(x + 2).min(w - 1)];
                flags[x] = x + 1 < w && joined(row[x.max(1) - 1], row[x], row[(x + 1).min(w - 1)], after);
            }
            flags[w - 1] = false;
        }
        let rows = |y: usize| &self.inverse[y * w..(y + 1) * w];
        for (y, flags) in self.down.chunks_exact_mut(w).enumerate() {
            if y + 1 < h {
                join_row(rows(y.max(1) - 1), rows(y), rows(y + 1), rows((y + 2).min(h - 1)), flags);
            } else {
                flags.fill(false);
            }
        }
    }
}

/// [`joined`] for whole rows of the same length.
fn join_row(before: &[f32], a: &[f32], b: &[f32], after: &[f32], flags: &mut [bool]) {
    let n = flags.len();
    let (before, a, b, after) = (&before[..n], &a[..n], &b[..n], &after[..n]);
    for x in 0..n {
        flags[x] = joined(before[x], a[x], b[x], after[x]);
    }
}

/// Are `a` and `b` one surface? `before` and `after` are the next inverse depths on either side.
#[inline]
fn joined(before: f32, a: f32, b: f32, after: f32) -> bool {
    let step = (a - b).abs();
    let nearer = if a > b { a } else { b };
    let allowed = SLOPE_TOLERANCE * step;
    let foretold = ((2.0 * a - before - b).abs() <= allowed) | ((2.0 * b - after - a).abs() <= allowed);
    (step <= SAME_SURFACE * nearer) | (foretold & (step <= STEEPEST * nearer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steep_floor_is_one_surface_and_a_silhouette_is_not() {
        // A floor 1.5 m below the eye, focal length 76 px: inverse depth grows linearly, 2 to 3 px below the horizon.
        let floor = |row: f32| row / (76.0 * 1.5);
        assert!(joined(floor(1.5), floor(2.5), floor(3.5), floor(4.5)));
        // A box 2 m away in front of a wall 3 m away.
        assert!(!joined(0.5, 0.5, 1.0 / 3.0, 1.0 / 3.0));
        // The floor's far end against the sky, and sky with sky.
        assert!(!joined(floor(1.5), floor(0.5), 0.0, 0.0));
        assert!(joined(0.0, 0.0, 0.0, 0.0));
    }
}

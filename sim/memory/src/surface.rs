//! Which neighbouring pixels of a view lie on one surface.

use rhea_picture::Rgbd;

use crate::placement::inverse_depth;
use crate::wide::wide;

/// Neighbours whose inverse depths differ by less than this share lie on one surface. Small enough that bridging two
/// objects smears them by about one pixel over half a metre; large enough for the few per cent of error of a decoded depth.
const SAME_SURFACE: f32 = 0.06;
/// A larger step is still one surface when the slope on either side foretells it to within this share of the step...
const SLOPE_TOLERANCE: f32 = 0.3;
/// ...and the step is not larger than this share of the nearer inverse depth.
const STEEPEST: f32 = 0.5;

/// A drawn depth is soft: where two surfaces meet it climbs from one to the other over a few pixels, and those between would hang
/// in the air. A pixel is such a one when the surfaces on both sides, continued from 2 and 4 px away, differ by more than
/// this share of the nearer inverse depth...
const SOFT_GAP: f32 = 0.12;
/// ...and both steps to its neighbours climb by at least this share of the difference. The edges of exact depths are not soft.
const SOFT_STEP: f32 = 0.2;
/// How far [`SOFT_GAP`] looks, pixels; so wide a border is left as it is.
const REACH_PX: usize = 4;

/// Inverse depths of a view and the connections between neighbours.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    pub width: usize,
    pub height: usize,
    /// Per pixel, with soft edges made hard; zero is the sky.
    pub inverse: Vec<f32>,
    /// As stored.
    pub raw: Vec<f32>,
    /// Per pixel: is it one surface with the pixel to its right?
    pub across: Vec<bool>,
    /// Per pixel: is it one surface with the pixel below?
    pub down: Vec<bool>,
}

impl Surface {
    /// Describes `view`, reusing the buffers.
    pub fn read(&mut self, view: &Rgbd) {
        wide(|| self.describe(view));
    }

    #[inline(always)]
    fn describe(&mut self, view: &Rgbd) {
        let (w, h) = (view.width, view.height);
        (self.width, self.height) = (w, h);
        self.raw.clear();
        self.raw.extend(view.depth_m.iter().map(|d| inverse_depth(*d)));
        self.harden();
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

    /// Moves the pixels of soft edges onto the nearer of their two surfaces.
    #[inline(always)]
    fn harden(&mut self) {
        let (w, h) = (self.width, self.height);
        self.inverse.clear();
        self.inverse.extend_from_slice(&self.raw);
        if w <= 2 * REACH_PX || h <= 2 * REACH_PX {
            return;
        }
        let inner = w - 2 * REACH_PX;
        for y in REACH_PX..h - REACH_PX {
            // The inner pixels of this row, seen from so far away.
            let from = |right: usize, down: usize| {
                let start = (y + down - REACH_PX) * w + right;
                &self.raw[start..start + inner]
            };
            let across = [from(0, 4), from(2, 4), from(3, 4), from(5, 4), from(6, 4), from(8, 4)];
            let along = [from(4, 0), from(4, 2), from(4, 3), from(4, 5), from(4, 6), from(4, 8)];
            let here = from(4, 4);
            let out = &mut self.inverse[y * w + REACH_PX..][..inner];
            for x in 0..inner {
                let a = on_surface(
                    here[x],
                    across[0][x],
                    across[1][x],
                    across[2][x],
                    across[3][x],
                    across[4][x],
                    across[5][x],
                );
                let b =
                    on_surface(here[x], along[0][x], along[1][x], along[2][x], along[3][x], along[4][x], along[5][x]);
                // The direction in which the surfaces differ more decides.
                out[x] = if a.0 >= b.0 { a.1 } else { b.1 };
            }
        }
    }
}

/// The difference of the surfaces on both sides of a soft edge and the nearer one's inverse depth at `here`; else 0 and `here`. The other values are
/// the inverse depths 4, 2 and 1 px before and 1, 2 and 4 px after.
#[inline(always)]
fn on_surface(here: f32, b4: f32, b2: f32, b1: f32, a1: f32, a2: f32, a4: f32) -> (f32, f32) {
    let (before, after) = (2.0 * b2 - b4, 2.0 * a2 - a4);
    let gap = after - before;
    let size = gap.abs();
    // Along the climb, whichever way it goes.
    let least = SOFT_STEP * size;
    let climbs =
        if gap > 0.0 { (here - b1 > least) & (a1 - here > least) } else { (b1 - here > least) & (here - a1 > least) };
    let between = (here - before) * (after - here) >= 0.0;
    let nearer = if before > after { before } else { after };
    let soft = climbs & between & (size > SOFT_GAP * nearer);
    let surface = if (here - before).abs() < (after - here).abs() { before } else { after };
    let surface = if surface > 0.0 { surface } else { 0.0 };
    (if soft { size } else { 0.0 }, if soft { surface } else { here })
}

/// [`joined`] for whole rows of the same length.
#[inline(always)]
fn join_row(before: &[f32], a: &[f32], b: &[f32], after: &[f32], flags: &mut [bool]) {
    let n = flags.len();
    let (before, a, b, after) = (&before[..n], &a[..n], &b[..n], &after[..n]);
    for x in 0..n {
        flags[x] = joined(before[x], a[x], b[x], after[x]);
    }
}

/// Are `a` and `b` one surface? `before` and `after` are the next inverse depths on either side.
#[inline(always)]
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
    fn soft_edges_become_hard_and_hard_ones_stay() {
        let read = |depth_m: &dyn Fn(usize) -> f32| {
            let depth_m: Vec<f32> = (0..24 * 24).map(|i| depth_m(i % 24)).collect();
            let view = Rgbd { width: 24, height: 24, rgb: vec![0; 24 * 24 * 3], depth_m };
            let mut surface = Surface::default();
            surface.read(&view);
            surface.inverse[12 * 24..13 * 24].iter().map(|i| 1.0 / i).collect::<Vec<f32>>()
        };
        // A box 2 m away before a wall 4 m away, with two pixels in between.
        let soft = |x: usize| [2.0, 2.4, 3.2, 4.0][(x.max(11) - 11).min(3)];
        let hard = read(&soft);
        for (x, depth) in hard.iter().enumerate() {
            let want = if x < 13 { 2.0 } else { 4.0 };
            assert!((depth - want).abs() < 1e-3, "{depth} at {x}");
        }
        // An exact edge, a thin pole and a wall seen at a grazing angle.
        for exact in [
            (&|x: usize| if x < 12 { 2.0_f32 } else { 4.0 }) as &dyn Fn(usize) -> f32,
            &|x: usize| if (11..13).contains(&x) { 1.0 } else { 6.0 },
            &|x: usize| 1.0 / (0.1 + 0.05 * x as f32),
        ] {
            let same = read(exact);
            assert!(same.iter().enumerate().all(|(x, d)| (d - exact(x)).abs() < 1e-4), "{same:?}");
        }
    }

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

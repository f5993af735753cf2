//! Fetches colours between the pixels of a source.
//!
//! Inside a surface by cubic interpolation (Catmull-Rom), which keeps checks and picture frames crisp; where a surface or the picture
//! ends, linearly and from the pixels of that surface only.

use rhea_picture::Rgbd;

use crate::placement::Placement;
use crate::raster::{Cell, high, low, round};

/// Positions are counted in this many parts of a pixel.
const PARTS: usize = 256;
/// Cubic weights of four pixels in a row, for a point `0..=PARTS` parts after the second.
const CUBIC: [[f32; 4]; PARTS + 1] = cubic();

const fn cubic() -> [[f32; 4]; PARTS + 1] {
    let mut table = [[0.0; 4]; PARTS + 1];
    let mut i = 0;
    while i <= PARTS {
        let t = i as f32 / PARTS as f32;
        table[i] = [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ];
        i += 1;
    }
    table
}

/// Where among its four source pixels each target pixel of a row lies, in parts of a pixel from the upper left one.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    pub right: Vec<i32>,
    pub down: Vec<i32>,
}

impl Taps {
    /// Fills row `y` as if every pixel came from the source of `placement`.
    #[inline(always)]
    pub fn locate(&mut self, placement: &Placement, y: usize, cells: &[Cell], inverses: &[f32]) {
        let width = placement.target.width;
        self.right.resize(width, 0);
        self.down.resize(width, 0);
        let (rights, downs) = (&mut self.right[..width], &mut self.down[..width]);
        let (cells, inverses) = (&cells[..width], &inverses[..width]);
        let placement = *placement;
        let ray_y = placement.target.ray(0.0, y as f32 + 0.5)[1];
        for x in 0..width {
            let inverse = inverses[x] * cells[x].solid();
            let ray_x = placement.target.ray(x as u32 as f32 + 0.5, 0.0)[0];
            let [u, v] = placement.source.point(placement.towards_source([ray_x, ray_y], inverse));
            let (corner_x, corner_y) = cells[x].corner();
            rights[x] = in_parts(u + 0.5 - corner_x as i32 as f32);
            downs[x] = in_parts(v + 0.5 - corner_y as i32 as f32);
        }
    }
}

/// A share of a pixel, clamped to 0 to 1, in parts.
#[inline(always)]
fn in_parts(share: f32) -> i32 {
    round(low(high(share, 0.0), 1.0) * PARTS as f32)
}

/// Colour at a place given by [`Taps`].
#[inline(always)]
pub(crate) fn sample(view: &Rgbd, cell: Cell, right: i32, down: i32) -> [u8; 3] {
    let (x, y) = cell.corner();
    let (x, y) = (x as usize, y as usize);
    let (right, down) = ((right as usize).min(PARTS), (down as usize).min(PARTS));
    let inside = (x >= 2) & (y >= 2) & (x + 2 <= view.width) & (y + 2 <= view.height);
    if inside & (cell.mask() == Cell::ALL) {
        smooth(view, x, y, right, down)
    } else {
        linear(view, x, y, right, down, cell.mask())
    }
}

/// Cubic interpolation around corner `(x, y)`, at least two pixels from the border.
#[inline(always)]
fn smooth(view: &Rgbd, x: usize, y: usize, right: usize, down: usize) -> [u8; 3] {
    let (across, along) = (&CUBIC[right], &CUBIC[down]);
    let row = |k: usize| -> [f32; 12] {
        let from = ((y - 2 + k) * view.width + x - 2) * 3;
        let bytes = view.rgb.get(from..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; 12]);
        let mut values = [0.0; 12];
        for j in 0..12 {
            values[j] = f32::from(bytes[j]);
        }
        values
    };
    // Four pixels of three channels, summed over four rows.
    let (a, b, c, d) = (row(0), row(1), row(2), row(3));
    let mut columns = [0.0; 12];
    for j in 0..12 {
        columns[j] = (along[0] * a[j] + along[1] * b[j]) + (along[2] * c[j] + along[3] * d[j]);
    }
    let channel = |c: usize| {
        let sum = across[0] * columns[c]
            + across[1] * columns[c + 3]
            + (across[2] * columns[c + 6] + across[3] * columns[c + 9]);
        round(low(high(sum, 0.0), 255.0)) as u8
    };
    [channel(0), channel(1), channel(2)]
}

/// Linear interpolation between the pixels in `mask` around corner `(x, y)`; the picture's border repeats.
fn linear(view: &Rgbd, x: usize, y: usize, right: usize, down: usize, mask: u32) -> [u8; 3] {
    let (w, h) = (view.width, view.height);
    let (left, up) = (PARTS - right, PARTS - down);
    let weights = [left * up, right * up, left * down, right * down];
    let (x0, x1) = (x.max(1) - 1, x.min(w - 1));
    let (y0, y1) = (y.max(1) - 1, y.min(h - 1));
    let mut sums = [0_usize; 3];
    let mut total = 0;
    for (k, (px, py)) in [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].into_iter().enumerate() {
        // One more, so that something is left when all the weight lies on the other surface.
        let weight = if mask >> k & 1 == 1 { weights[k] + usize::from(mask != Cell::ALL) } else { 0 };
        total += weight;
        for (sum, value) in sums.iter_mut().zip(view.pixel(px, py)) {
            *sum += weight * usize::from(value);
        }
    }
    let channel = |sum: usize| ((sum + total / 2) / total.max(1)) as u8;
    [channel(sums[0]), channel(sums[1]), channel(sums[2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_hit_the_pixels() {
        for weights in CUBIC {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert_eq!((CUBIC[0], CUBIC[PARTS]), ([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]));
        // Keys 1981, a = -1/2, at t = 1/2: -1/16, 9/16, 9/16, -1/16.
        assert_eq!(CUBIC[PARTS / 2], [-0.0625, 0.5625, 0.5625, -0.0625]);
    }
}

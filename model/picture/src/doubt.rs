//! Which pixels of memory a new drawing speaks against.
//!
//! What the model drew itself may have the wrong depth, and from another place it is then misplaced: a ghost. The picture that the new
//! view's codes give by themselves tells where: there depth or mean colour differ more than the codes blur.

use crate::rgbd::{Rgbd, Trust, Warp};

/// Depths that differ by more than this factor's logarithm speak against each other: 11 %, three times what codes lose.
const DEPTH: f32 = 0.1;
/// Colours that differ by more than this in a channel do, of 255; the mean over what memory knows nearby.
const COLOUR: i64 = 8;
/// Nearby is a square of this half side, pixels.
const REACH: usize = 4;
/// Fewer loose pixels than this share of a picture are not worth a second look.
const LEAST_SHARE: f32 = 0.01;

impl Warp {
    /// Are there enough loose pixels for a second look?
    #[must_use]
    pub fn is_loose(&self) -> bool {
        let loose = self.trust.iter().filter(|trust| **trust == Trust::Loose).count();
        loose as f32 > LEAST_SHARE * self.trust.len() as f32
    }

    /// The loose pixels that `plain`, the new view as drawn without memory, speaks against; none when the sizes differ.
    #[must_use]
    pub fn doubted(&self, plain: &Rgbd) -> Vec<bool> {
        let (width, height) = (plain.width, plain.height);
        let fits = (self.view.width, self.view.height) == (width, height) && self.valid.len() == width * height;
        if !fits {
            return vec![false; self.valid.len()];
        }
        let sums = self.differences(plain);
        let differs = |i: usize| {
            let depth = (self.view.depth_m[i] / plain.depth_m[i]).ln().abs();
            let [count, colour @ ..] = sums.around(i % width, i / width);
            depth > DEPTH || colour.iter().any(|sum| sum.abs() > COLOUR * count)
        };
        let loose = self.valid.iter().zip(&self.trust).map(|(valid, trust)| *valid && *trust == Trust::Loose);
        loose.enumerate().map(|(i, loose)| loose && differs(i)).collect()
    }

    /// How many pixels are known, and by how much the colours of memory are above those of `plain` there.
    fn differences(&self, plain: &Rgbd) -> Sums {
        let (width, height) = (plain.width, plain.height);
        let mut table = vec![[0; 4]; (width + 1) * (height + 1)];
        for (i, valid) in self.valid.iter().enumerate() {
            let mut here = [0; 4];
            if *valid {
                let colour = |k: usize| i64::from(self.view.rgb[3 * i + k]) - i64::from(plain.rgb[3 * i + k]);
                here = [1, colour(0), colour(1), colour(2)];
            }
            let at = (i / width + 1) * (width + 1) + i % width + 1;
            let (left, up, corner) = (table[at - 1], table[at - width - 1], table[at - width - 2]);
            table[at] = std::array::from_fn(|k| here[k] + left[k] + up[k] - corner[k]);
        }
        Sums { width, height, table }
    }

    /// Makes pixels unknown; `pixels` has a flag for each, or none at all.
    pub fn leave_out(&mut self, pixels: &[bool]) {
        let unknown = Self::empty(1, 1);
        let count = self.valid.len();
        for (i, _) in pixels.iter().take(count).enumerate().filter(|(_, out)| **out) {
            (self.valid[i], self.magnification[i], self.source[i]) = (false, 0.0, u16::MAX);
            (self.trust[i], self.view.depth_m[i]) = (Trust::Given, unknown.view.depth_m[0]);
            self.view.rgb[3 * i..3 * i + 3].copy_from_slice(&unknown.view.rgb);
        }
    }
}

/// A summed-area table (Crow 1984) with a border of zeros above and to the left.
struct Sums {
    width: usize,
    height: usize,
    table: Vec<[i64; 4]>,
}

impl Sums {
    /// Sums over the square around a pixel, as far as it lies in the picture.
    fn around(&self, x: usize, y: usize) -> [i64; 4] {
        let at = |x: usize, y: usize| self.table[y * (self.width + 1) + x];
        let (left, right) = (x.saturating_sub(REACH), (x + REACH + 1).min(self.width));
        let (up, down) = (y.saturating_sub(REACH), (y + REACH + 1).min(self.height));
        let (a, b, c, d) = (at(left, up), at(right, up), at(left, down), at(right, down));
        std::array::from_fn(|k| a[k] + d[k] - b[k] - c[k])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey wall at 2 m of which memory knows everything.
    fn memory(side: usize, trust: Trust) -> Warp {
        let mut warp = Warp::empty(side, side);
        warp.view.depth_m.fill(2.0);
        warp.valid.fill(true);
        warp.trust.fill(trust);
        warp
    }

    #[test]
    fn only_loose_pixels_that_differ_are_doubted() {
        let side = 32;
        let mut plain = memory(side, Trust::Loose).view;
        // The right half stands nearer in the drawing, and a corner is red.
        for i in 0..side * side {
            if i % side >= 16 {
                plain.depth_m[i] = 1.6;
            }
            if i % side < 8 && i / side < 8 {
                plain.rgb[3 * i] = 255;
            }
        }
        for trust in [Trust::Given, Trust::Drawn] {
            assert!(!memory(side, trust).doubted(&plain).contains(&true));
        }
        let mut warp = memory(side, Trust::Loose);
        let doubted = warp.doubted(&plain);
        assert!(doubted[0] && !doubted[15 * side + 15] && doubted[16] && doubted[side * side - 1]);
        warp.leave_out(&doubted);
        assert_eq!(warp.valid.iter().filter(|valid| !**valid).count(), doubted.iter().filter(|out| **out).count());
        assert!(!warp.doubted(&plain).contains(&true));
    }

    #[test]
    fn a_few_loose_pixels_are_not_worth_it() {
        let mut warp = memory(20, Trust::Given);
        warp.trust[..4].fill(Trust::Loose);
        assert!(!warp.is_loose());
        warp.trust[4] = Trust::Loose;
        assert!(warp.is_loose());
    }

    #[test]
    fn another_size_doubts_nothing() {
        assert!(!memory(8, Trust::Loose).doubted(&Rgbd::filled(4, 4, [0; 3])).contains(&true));
    }
}

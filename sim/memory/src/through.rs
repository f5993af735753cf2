//! Free space: what an older view has looked through is not there.
//!
//! A drawn depth is wrong at silhouettes, and warped to another place such pixels hang in the air before what an older view knows.
//! Where that view sees something farther behind the spot, the spot was empty.

use crate::placement::{MIN_FORWARD, Placement};
use crate::wide::wide;

/// A view looked through a point when what it sees there is farther by this factor (12 %).
const FARTHER: f32 = 0.88;

/// What a view sees, as far as it tells what is free.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    width: usize,
    /// Inverse depth per pixel, 1/m; infinite where the view is not believed.
    inverse: Vec<f32>,
    /// The largest of each pixel and its eight neighbours.
    nearest: Vec<f32>,
}

impl Sight {
    /// Takes in the inverse depths of a view `width` pixels wide; `hole` are pixels that are not believed.
    pub fn read(&mut self, inverse: &[f32], width: usize, hole: Option<&[bool]>) {
        wide(|| self.take_in(inverse, width, hole));
    }

    #[inline(always)]
    fn take_in(&mut self, inverse: &[f32], width: usize, hole: Option<&[bool]>) {
        self.width = width;
        self.inverse.clear();
        self.inverse.extend_from_slice(inverse);
        for (inverse, _) in self.inverse.iter_mut().zip(hole.unwrap_or(&[])).filter(|(_, hole)| **hole) {
            *inverse = f32::INFINITY;
        }
        self.nearest.clear();
        self.nearest.resize(inverse.len(), 0.0);
        let last = inverse.len().saturating_sub(width);
        for (row, to) in self.nearest.chunks_exact_mut(width.max(1)).enumerate() {
            let at = |row: usize| &self.inverse[row.min(last)..][..width];
            let (above, here, below) =
                (at((row * width).saturating_sub(width)), at(row * width), at((row + 1) * width));
            for x in 0..width {
                to[x] = above[x].max(here[x]).max(below[x]);
            }
            let mut left = 0.0;
            for x in 0..width {
                let here = to[x];
                to[x] = here.max(left).max(to.get(x + 1).copied().unwrap_or(0.0));
                left = here;
            }
        }
    }

    /// Did the source of `placement`, whose sight this is, look through what the target sees at pixel `(x, y)` at an inverse depth,
    /// 1/m? With `wide` all neighbours of the pixel it looks at must be farther too.
    #[inline(always)]
    pub fn through(&self, placement: &Placement, (x, y): (usize, usize), inverse: f32, wide: bool) -> bool {
        let ray = placement.target.ray(x as f32 + 0.5, y as f32 + 0.5);
        let direction = placement.towards_source(ray, inverse);
        if direction[2] <= MIN_FORWARD {
            return false;
        }
        let [u, v] = placement.source.point(direction);
        let seen = if wide { &self.nearest } else { &self.inverse };
        if !(u >= 0.0 && v >= 0.0 && u < self.width as f32) {
            return false;
        }
        // Below the picture there is nothing.
        let seen = seen.get(v as usize * self.width + u as usize);
        seen.is_some_and(|seen| *seen < FARTHER * inverse / direction[2])
    }
}

#[cfg(test)]
mod tests {
    use rhea_scene::{Camera, Pose};

    use super::*;
    use crate::placement::Lens;

    #[test]
    fn a_spot_before_a_wall_is_empty_and_one_behind_it_may_be_anything() {
        let camera = Camera::square(32);
        let lens = Lens::new(&camera, 32, 32);
        let from = Pose { position_m: [0.5, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        let target = Pose { position_m: [0.0, 1.5, 0.0], ..from };
        let placement = Placement::new(lens, &from, lens, &target);
        let wall = [0.25; 32 * 32];
        let through = |at: (usize, usize), depth_m: f32, hole: Option<&[bool]>| {
            let mut sight = Sight::default();
            sight.read(&wall, 32, hole);
            sight.through(&placement, at, 1.0 / depth_m, true)
        };
        assert!(through((16, 16), 2.0, None), "in the air");
        assert!(!through((16, 16), 3.8, None), "on the wall, as far as a drawn depth tells");
        assert!(!through((16, 16), 6.0, None), "behind the wall");
        // 1 m ahead and to the left of the target: the source does not look there.
        assert!(!through((2, 16), 1.0, None));
        assert!(!through((16, 16), 2.0, Some(&vec![true; 1024])), "an edit has made the wall stale");
    }

    #[test]
    fn the_nearest_of_nine_is_found_everywhere() {
        let (width, height) = (7, 5);
        let inverse: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 101) as f32).collect();
        let mut sight = Sight::default();
        sight.read(&inverse, width, None);
        for y in 0..height {
            for x in 0..width {
                let rows = y.saturating_sub(1)..(y + 2).min(height);
                let around = rows.flat_map(|y| inverse[y * width..][x.saturating_sub(1)..(x + 2).min(width)].iter());
                assert_eq!(sight.nearest[y * width + x], around.copied().fold(0.0, f32::max), "{x} {y}");
            }
        }
    }
}

//! A curve as a picture: one figure over the steps of a run, for people to look at.

use crate::picture::Picture;

const PAPER: [u8; 3] = [34, 34, 40];
const GRID: [u8; 3] = [58, 58, 66];
const LINE: [u8; 3] = [240, 180, 70];
/// Horizontal lines of the grid, the lowest and the highest value included.
const GRID_LINES: usize = 5;

/// Draws `points` (ascending in the first value) from edge to edge of a picture of `width` x `height` pixels: the smallest
/// second value lies on the lowest row, the largest on the highest. Points that are not finite are left out.
#[must_use]
pub fn plot(points: &[(f64, f64)], width: usize, height: usize) -> Picture {
    let mut picture = Picture::filled(width, height, PAPER);
    if width == 0 || height == 0 {
        return picture;
    }
    for line in 0..GRID_LINES {
        let y = line * (height - 1) / (GRID_LINES - 1);
        (0..width).for_each(|x| ink(&mut picture, x, y, GRID));
    }
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = || finite.iter().map(of);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let (across, up) = (range(|p| p.0), range(|p| p.1));
    // A range of one value lies in the middle.
    let place = |value: f64, (least, most): (f64, f64), side: usize| {
        let share = if most > least { (value - least) / (most - least) } else { 0.5 };
        (share * (side - 1) as f64).round() as usize
    };
    let at = |p: &(f64, f64)| (place(p.0, across, width), height - 1 - place(p.1, up, height));
    if let Some(first) = finite.first() {
        let (x, y) = at(first);
        ink(&mut picture, x, y, LINE);
    }
    for pair in finite.windows(2) {
        stroke(&mut picture, at(&pair[0]), at(&pair[1]));
    }
    picture
}

/// A straight line, a pixel wide.
fn stroke(picture: &mut Picture, from: (usize, usize), to: (usize, usize)) {
    let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    let between = |a: usize, b: usize, step: usize| {
        let share = step as f64 / steps as f64;
        (a as f64 + (b as f64 - a as f64) * share).round() as usize
    };
    for step in 0..=steps {
        ink(picture, between(from.0, to.0, step), between(from.1, to.1, step), LINE);
    }
}

fn ink(picture: &mut Picture, x: usize, y: usize, colour: [u8; 3]) {
    let to = (y * picture.width + x) * 3;
    picture.rgb[to..to + 3].copy_from_slice(&colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_rows(picture: &Picture, x: usize) -> Vec<usize> {
        (0..picture.height).filter(|y| picture.rgb[(y * picture.width + x) * 3..][..3] == LINE).collect()
    }

    #[test]
    fn a_falling_line_goes_from_corner_to_corner() {
        let picture = plot(&[(0.0, 9.0), (5.0, f64::NAN), (10.0, 4.0)], 11, 11);
        for x in 0..11 {
            assert_eq!(line_rows(&picture, x), [x]);
        }
    }

    #[test]
    fn one_value_lies_in_the_middle_and_none_draws_nothing() {
        assert_eq!(line_rows(&plot(&[(3.0, 2.0)], 9, 9), 4), [4]);
        assert_eq!(line_rows(&plot(&[(0.0, 2.0), (8.0, 2.0)], 9, 9), 8), [4]);
        assert!((0..9).all(|x| line_rows(&plot(&[], 9, 9), x).is_empty()));
        assert!(plot(&[(0.0, 1.0)], 0, 5).rgb.is_empty());
    }
}

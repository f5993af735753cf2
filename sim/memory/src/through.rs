//! Free space: what an older view has looked through is not there.
//!
//! A drawn depth is wrong at silhouettes, and warped to another place such pixels hang in the air before what an older view knows.
//! Where that view sees something farther behind the spot, the spot was empty.

use rhea_picture::Rgbd;

use crate::placement::{MIN_FORWARD, Placement, inverse_depth};

/// A view looked through a point when what it sees there is farther by this factor (12 %).
const FARTHER: f32 = 0.88;

/// Did the source of `placement` look through what the target sees at pixel `(x, y)` at an inverse depth, 1/m? Everything that the
/// source sees within `reach` pixels must be farther. `hole` are pixels of the source that are not believed.
pub(crate) fn looked_through(
    placement: &Placement,
    (view, hole): (&Rgbd, Option<&[bool]>),
    (x, y): (usize, usize),
    inverse: f32,
    reach: usize,
) -> bool {
    let ray = placement.target.ray(x as f32 + 0.5, y as f32 + 0.5);
    let direction = placement.towards_source(ray, inverse);
    if direction[2] <= MIN_FORWARD {
        return false;
    }
    let [u, v] = placement.source.point(direction);
    let (w, h) = (view.width, view.height);
    if !(u >= 0.0 && v >= 0.0 && u < w as f32 && v < h as f32) {
        return false;
    }
    let (px, py) = (u as usize, v as usize);
    let mut nearest = 0.0_f32;
    for y in py.saturating_sub(reach)..=(py + reach).min(h - 1) {
        for i in y * w + px.saturating_sub(reach)..=y * w + (px + reach).min(w - 1) {
            if hole.is_some_and(|hole| hole.get(i).copied().unwrap_or(false)) {
                return false;
            }
            nearest = nearest.max(inverse_depth(view.depth_m[i]));
        }
    }
    nearest < FARTHER * inverse / direction[2]
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
        let mut wall = Rgbd::filled(32, 32, [9; 3]);
        wall.depth_m.fill(4.0);
        let through = |at: (usize, usize), depth_m: f32, hole: Option<&[bool]>| {
            looked_through(&placement, (&wall, hole), at, 1.0 / depth_m, 1)
        };
        assert!(through((16, 16), 2.0, None), "in the air");
        assert!(!through((16, 16), 3.8, None), "on the wall, as far as a drawn depth tells");
        assert!(!through((16, 16), 6.0, None), "behind the wall");
        // 1 m ahead and to the left of the target: the source does not look there.
        assert!(!through((2, 16), 1.0, None));
        assert!(!through((16, 16), 2.0, Some(&vec![true; 1024])), "an edit has made the wall stale");
    }
}

//! The first, quick look at many views: 36 points of each, and which cells of a target they fall into.
//!
//! It knows no occlusion and no crispness; it only thins thousands of views out to the few dozen that are looked at closely.

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};

use crate::placement::{Lens, SKY_FROM_M};

/// Points along each side of a view, and cells along each side of a target.
const SIDE: usize = 6;
/// Points of a view.
const POINTS: usize = SIDE * SIDE;
/// The sky hangs here, metres: no step moves it.
const SKY_M: f32 = 1e5;

/// World points of a view, axis by axis, so that the projection is vector code.
#[derive(Clone, Debug)]
pub(crate) struct Coarse {
    axes: [[f32; POINTS]; 3],
}

/// Cells of a target, one bit each.
pub(crate) type Cells = u64;

impl Coarse {
    /// The points of `view`, drawn by `camera` (whose size does not matter) at `pose`.
    pub fn of(view: &Rgbd, camera: &Camera, pose: &Pose) -> Self {
        let lens = Lens::new(camera, view.width, view.height);
        let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
        let mut axes = [[0.0; POINTS]; 3];
        #[allow(clippy::needless_range_loop, reason = "one index into three axes")]
        for i in 0..POINTS {
            let x = (2 * (i % SIDE) + 1) * view.width / (2 * SIDE);
            let y = (2 * (i / SIDE) + 1) * view.height / (2 * SIDE);
            let depth_m = view.depth_m.get(y * view.width + x).copied().unwrap_or(SKY_M);
            let depth_m = if depth_m >= SKY_FROM_M { SKY_M } else { depth_m };
            let [a, b] = lens.ray(x as f32 + 0.5, y as f32 + 0.5);
            for k in 0..3 {
                axes[k][i] = pose.position_m[k] + (forward[k] + right[k] * a + up[k] * b) * depth_m;
            }
        }
        Self { axes }
    }

    /// The cells of the target that the points fall into.
    pub fn cells(&self, target: &Target) -> Cells {
        let Target { eye, right, up, forward, scale } = target;
        let [xs, ys, zs] = &self.axes;
        let mut index = [0_u32; POINTS];
        for i in 0..POINTS {
            let (x, y, z) = (xs[i] - eye[0], ys[i] - eye[1], zs[i] - eye[2]);
            let ahead = x * forward[0] + y * forward[1] + z * forward[2];
            let u = x * right[0] + y * right[1] + z * right[2];
            let v = x * up[0] + y * up[1] + z * up[2];
            // Behind the eye: far outside instead. The casts saturate.
            let per = if ahead > 1e-3 { 1.0 / ahead } else { 1e9 };
            let (cx, cy) = (u * per * scale[0] + SIDE as f32 * 0.5, SIDE as f32 * 0.5 - v * per * scale[1]);
            let inside = cx >= 0.0 && cy >= 0.0 && cx < SIDE as f32 && cy < SIDE as f32 && ahead > 1e-3;
            index[i] = if inside { cy as u32 * SIDE as u32 + cx as u32 } else { 63 };
        }
        let mut cells = 0;
        for i in index {
            cells |= 1_u64 << i;
        }
        cells & ((1 << POINTS) - 1)
    }
}

/// A camera to look at many views with.
pub(crate) struct Target {
    eye: [f32; 3],
    right: [f32; 3],
    up: [f32; 3],
    forward: [f32; 3],
    /// Cells per unit of slope, across and down.
    scale: [f32; 2],
}

impl Target {
    pub fn new(camera: &Camera, pose: &Pose) -> Self {
        let lens = Lens::new(camera, camera.width, camera.height);
        let per = |pixels: usize| lens.focal_px * SIDE as f32 / pixels.max(1) as f32;
        Self {
            eye: pose.position_m,
            right: pose.right(),
            up: pose.up(),
            forward: pose.forward(),
            scale: [per(camera.width), per(camera.height)],
        }
    }
}

/// Thins `seen` (cells and a penalty per view, oldest first) out to at most `most`: greedy coverage, begun anew whenever all
/// cells are covered, so that what is kept covers every cell several times. Returns positions in `seen`, ascending.
pub(crate) fn thin_out(seen: &[(Cells, f32)], most: usize) -> Vec<usize> {
    let all = seen.iter().fold(0, |all, (cells, _)| all | cells);
    let mut left = all;
    let mut kept = Vec::with_capacity(most);
    let mut taken = vec![false; seen.len()];
    while kept.len() < most {
        let total = all.count_ones().max(1) as f32;
        let mut best: Option<(f32, usize)> = None;
        for (i, (cells, penalty)) in seen.iter().enumerate() {
            let gain = (cells & left).count_ones();
            if gain == 0 || taken[i] {
                continue;
            }
            let score = gain as f32 / total - penalty;
            if best.is_none_or(|(least, _)| score > least) {
                best = Some((score, i));
            }
        }
        match best {
            Some((_, i)) => {
                taken[i] = true;
                kept.push(i);
                left &= !seen[i].0;
                if left == 0 {
                    left = all;
                }
            }
            // What is left cannot be covered by views that are not taken yet.
            None if left != all => left = all,
            None => break,
        }
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_falls_onto_itself_and_not_behind() {
        let camera = Camera::square(64);
        let pose = Pose { position_m: [1.0, 1.5, 2.0], yaw_rad: 0.7, pitch_rad: 0.1 };
        let mut view = Rgbd::filled(64, 64, [1; 3]);
        view.depth_m.fill(3.0);
        let coarse = Coarse::of(&view, &camera, &pose);
        assert_eq!(coarse.cells(&Target::new(&camera, &pose)).count_ones(), 36);
        let behind = Pose { yaw_rad: 0.7 + std::f32::consts::PI, ..pose };
        assert_eq!(coarse.cells(&Target::new(&camera, &behind)), 0);
        // Turned by half the field of view, half of the columns are left.
        let aside = Pose { yaw_rad: 0.7 + Camera::FOV_X_RAD * 0.5, pitch_rad: 0.1, ..pose };
        let left = coarse.cells(&Target::new(&camera, &aside)).count_ones();
        assert!((6..=24).contains(&left), "{left}");
    }

    #[test]
    fn thinning_keeps_what_covers_and_prefers_the_old() {
        let seen = [(0b1111, 0.0), (0b1111, 0.0), (0b11_0000, 0.0), (0b11_0000, 0.1), (0, 0.0)];
        assert_eq!(thin_out(&seen, 2), [0, 2]);
        assert_eq!(thin_out(&seen, 4), [0, 1, 2, 3]);
        assert_eq!(thin_out(&seen, 9), [0, 1, 2, 3]);
        assert_eq!(thin_out(&[], 3), [0_usize; 0]);
    }
}

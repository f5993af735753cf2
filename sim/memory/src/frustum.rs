//! Coverage without depth: fixed sample points around a camera, and which of them it sees.
//!
//! The points are Fibonacci directions on fixed shells, the same for everybody, so that a choice can be replayed. This is how
//! views are chosen for a model that gives no depth; it knows no walls.

use rhea_scene::{Camera, Pose};

use crate::placement::dot;

/// Directions of the samples.
const DIRECTIONS: usize = 400;
/// Radii of the shells, metres.
const SHELLS_M: [f32; 4] = [1.0, 2.0, 4.0, 8.0];
/// A camera sees points at most this far away, metres: farther ones are behind a wall.
const REACH_M: f32 = 8.0;
/// Taken off the share of the oldest view (WorldMem's weight of the age).
const AGE_PENALTY: f32 = 0.2;

/// Sample points around an origin.
#[derive(Clone, Debug)]
pub struct Samples {
    offsets_m: Vec<[f32; 3]>,
}

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

impl Samples {
    /// The fixed points.
    #[must_use]
    pub fn new() -> Self {
        let golden = std::f32::consts::PI * (3.0 - 5.0_f32.sqrt());
        let direction = |n: usize| {
            let y = 1.0 - (2 * n + 1) as f32 / DIRECTIONS as f32;
            let around = (1.0 - y * y).max(0.0).sqrt();
            let (s, c) = (golden * n as f32).sin_cos();
            [around * c, y, around * s]
        };
        let offsets_m =
            SHELLS_M.iter().flat_map(|r| (0..DIRECTIONS).map(move |n| direction(n).map(|v| v * r))).collect();
        Self { offsets_m }
    }

    /// The points that a camera sees, around its own eye.
    #[must_use]
    pub fn in_view(&self, camera: &Camera, pose: &Pose) -> Vec<[f32; 3]> {
        let at = |offset: &[f32; 3]| std::array::from_fn(|k| pose.position_m[k] + offset[k]);
        self.offsets_m.iter().map(at).filter(|point| sees(camera, pose, *point)).collect()
    }
}

/// Does a camera see a point, if nothing stands before it?
#[must_use]
pub fn sees(camera: &Camera, pose: &Pose, point_m: [f32; 3]) -> bool {
    let to: [f32; 3] = std::array::from_fn(|k| point_m[k] - pose.position_m[k]);
    let ahead = dot(to, pose.forward());
    let tangent = (camera.fov_x_rad * 0.5).tan();
    let tall = tangent * camera.height as f32 / camera.width.max(1) as f32;
    ahead > 0.0
        && dot(to, pose.right()).abs() <= ahead * tangent
        && dot(to, pose.up()).abs() <= ahead * tall
        && dot(to, to) <= REACH_M * REACH_M * 1.001
}

/// Share of what a camera at `pose` would see that no earlier view has seen, 0 to 1, by frustum samples.
#[must_use]
pub fn unseen_share(samples: &Samples, views: &[Pose], camera: &Camera, pose: &Pose) -> f32 {
    let wanted = samples.in_view(camera, pose);
    let unseen = wanted.iter().filter(|point| !views.iter().any(|view| sees(camera, view, **point))).count();
    unseen as f32 / wanted.len().max(1) as f32
}

/// Greedy choice of at most `k` of `views` (oldest first) for a camera at `pose`: each time the view that sees most of the samples
/// that the chosen ones do not, less a little for age. Returns indices in the order of choice.
#[must_use]
pub fn chosen_by_frustum(samples: &Samples, views: &[Pose], camera: &Camera, pose: &Pose, k: usize) -> Vec<usize> {
    let mut left = samples.in_view(camera, pose);
    let total = left.len().max(1) as f32;
    let mut chosen = Vec::new();
    while chosen.len() < k && !left.is_empty() {
        let mut best: Option<(f32, usize)> = None;
        for (index, view) in views.iter().enumerate() {
            let covered = left.iter().filter(|point| sees(camera, view, **point)).count();
            if covered == 0 || chosen.contains(&index) {
                continue;
            }
            let age = 1.0 - (index + 1) as f32 / views.len() as f32;
            let score = covered as f32 / total - AGE_PENALTY * age;
            if best.is_none_or(|(least, _)| score > least) {
                best = Some((score, index));
            }
        }
        let Some((_, index)) = best else { break };
        left.retain(|point| !sees(camera, &views[index], *point));
        chosen.push(index);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(yaw_deg: f32) -> Pose {
        Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: yaw_deg.to_radians(), pitch_rad: 0.0 }
    }

    #[test]
    fn a_frustum_holds_its_share_of_the_sphere() {
        let camera = Camera::square(64);
        let seen = Samples::new().in_view(&camera, &pose(10.0)).len() as f32;
        // A square pyramid of 80 degrees: 4 asin(sin^2(40 deg)) of 4 pi steradians.
        let want = 4.0 * (40.0_f32.to_radians().sin().powi(2)).asin() / (4.0 * std::f32::consts::PI);
        let share = seen / (DIRECTIONS * SHELLS_M.len()) as f32;
        assert!((share - want).abs() < 0.01, "{share} instead of {want}");
    }

    #[test]
    fn greedy_takes_both_sides_and_not_copies() {
        let camera = Camera::square(64);
        let views = [pose(40.0), pose(-40.0), pose(41.0), pose(42.0), pose(180.0)];
        let chosen = chosen_by_frustum(&Samples::new(), &views, &camera, &pose(0.0), 2);
        assert!(chosen.contains(&1) && chosen.iter().any(|i| [0, 2, 3].contains(i)), "{chosen:?}");
        let new = unseen_share(&Samples::new(), &views, &camera, &pose(0.0));
        assert!(new < 0.05, "{new}");
        assert!(unseen_share(&Samples::new(), &views, &camera, &pose(110.0)) > 0.2);
    }
}

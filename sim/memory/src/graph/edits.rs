//! Edits: from here on a part of the world looks different, and what earlier views show of it must not come back.

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_COORDINATE_M, MAX_REGION_M};
use crate::placement::Lens;

/// A part of the world: a ball.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its middle in the world, metres.
    pub centre_m: [f32; 3],
    /// Its radius, metres.
    pub radius_m: f32,
}

impl Region {
    /// Is a point inside?
    #[must_use]
    pub fn holds(&self, point_m: [f32; 3]) -> bool {
        let d: [f32; 3] = std::array::from_fn(|k| point_m[k] - self.centre_m[k]);
        d[0] * d[0] + d[1] * d[1] + d[2] * d[2] <= self.radius_m * self.radius_m
    }

    /// Are its numbers finite and in range?
    #[must_use]
    pub fn is_sane(&self) -> bool {
        self.centre_m.iter().all(|v| v.abs() <= MAX_COORDINATE_M) && (0.0..=MAX_REGION_M).contains(&self.radius_m)
    }
}

/// The beginning of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What looks different.
    pub region: Region,
    /// Views with a smaller index are from before.
    pub at: u32,
}

/// Which pixels of a view from before are not believed any more; `None` when there are none.
///
/// A drawn depth may be some per cent wrong, so a pixel counts as inside when the point at 0.94 or 1.06 of its depth is inside too.
pub(crate) fn hole(view: &Rgbd, camera: &Camera, pose: &Pose, region: &Region) -> Option<Vec<bool>> {
    const SHAKY: [f32; 3] = [1.0, 0.94, 1.06];
    let lens = Lens::new(camera, view.width, view.height);
    let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
    // Nothing to do when the ball is behind the eye.
    let to: [f32; 3] = std::array::from_fn(|k| region.centre_m[k] - pose.position_m[k]);
    let ahead = to[0] * forward[0] + to[1] * forward[1] + to[2] * forward[2];
    if ahead < -region.radius_m {
        return None;
    }
    let mut hole = vec![false; view.depth_m.len()];
    let mut any = false;
    for (i, (inside, depth_m)) in hole.iter_mut().zip(&view.depth_m).enumerate() {
        let [a, b] = lens.ray((i % view.width.max(1)) as f32 + 0.5, (i / view.width.max(1)) as f32 + 0.5);
        let ray: [f32; 3] = std::array::from_fn(|k| forward[k] + right[k] * a + up[k] * b);
        *inside = SHAKY
            .iter()
            .any(|share| region.holds(std::array::from_fn(|k| pose.position_m[k] + ray[k] * depth_m * share)));
        any |= *inside;
    }
    any.then_some(hole)
}

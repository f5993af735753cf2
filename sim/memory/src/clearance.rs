//! How far one can walk, judged from a view's own depth: what stops the walker in a world that has no other shape.

use rhea_picture::{FARTHEST_M, Rgbd};
use rhea_scene::{Camera, Pose};

use crate::placement::{Lens, dot};

/// Radius of the walker, metres.
pub const WALKER_RADIUS_M: f32 = 0.25;
/// Height of the walker, metres.
pub const WALKER_HEIGHT_M: f32 = 1.7;
/// Lower things are the floor: a depth that is 10 % wrong lifts the floor by as much, metres.
const STEP_OVER_M: f32 = 0.15;
/// So many pixels of a 128 x 128 view make an obstacle; fewer are errors of a drawn depth.
const OBSTACLE_PX: usize = 5;
const OBSTACLE_OF_PX: usize = 128 * 128;

/// How far a walker at `pose`, whose eye is `pose.position_m[1]` above the floor, can go in the direction `heading_offset_rad` to the
/// left of the view, in metres; at most [`FARTHEST_M`]. None when the view does not look in that direction.
///
/// Only what the view shows can stop him: low things close to his feet are below the picture.
#[must_use]
pub fn ahead_clear_m(view: &Rgbd, camera: &Camera, pose: &Pose, heading_offset_rad: f32) -> Option<f32> {
    let lens = Lens::new(camera, view.width, view.height);
    let level = Pose { yaw_rad: pose.yaw_rad + heading_offset_rad, pitch_rad: 0.0, ..*pose };
    let (ahead, side) = (level.forward(), level.right());
    let axes = [pose.right(), pose.up(), pose.forward()];
    let seen = axes.map(|axis| dot(axis, ahead));
    if seen[2].is_nan() || seen[2] <= 0.0 {
        return None;
    }
    let [u, v] = lens.point(seen);
    if !(0.0..=view.width as f32).contains(&u) || !(0.0..=view.height as f32).contains(&v) {
        return None;
    }
    // The view's axes along (ahead, side, up), so that a pixel's place is a sum of three.
    let along = |direction: [f32; 3]| axes.map(|axis| dot(axis, direction));
    let (ahead, side, up) = (along(ahead), along(side), along([0.0, 1.0, 0.0]));
    let mut stops = Vec::new();
    for (i, depth_m) in view.depth_m.iter().enumerate() {
        let ray = lens.ray((i % view.width) as f32 + 0.5, (i / view.width) as f32 + 0.5);
        let point = [ray[0] * depth_m, ray[1] * depth_m, *depth_m];
        let (distance, sideways) = (dot(point, ahead), dot(point, side));
        let height = dot(point, up) + pose.position_m[1];
        let body = (STEP_OVER_M..WALKER_HEIGHT_M).contains(&height);
        if body && sideways.abs() < WALKER_RADIUS_M && distance > 0.0 {
            let reach = (WALKER_RADIUS_M * WALKER_RADIUS_M - sideways * sideways).sqrt();
            stops.push((distance - reach).max(0.0));
        }
    }
    let needed = (OBSTACLE_PX * view.depth_m.len()).div_ceil(OBSTACLE_OF_PX).max(1);
    if stops.len() < needed {
        return Some(FARTHEST_M);
    }
    let (_, stop, _) = stops.select_nth_unstable_by(needed - 1, f32::total_cmp);
    Some(stop.min(FARTHEST_M))
}

//! Shortens moves by the geometry that is known: the depth of the current view, or of what memory sees that way.
//!
//! An imagined world has no walls but those that were drawn. Where nothing is known the way is free, and where the walker has
//! already walked it stays free, whatever a later view draws there.

use std::f32::consts::{PI, TAU};

use rhea_memory::{Memory, Warper, ahead_clear_m};
use rhea_scene::{Camera, Move, Pose};

use crate::event::Clip;

/// The walker keeps this gap to what stops him, metres.
const GAP_M: f32 = 0.02;
/// A way cut to less than this is no way, metres.
const SHORTEST_M: f32 = 0.02;
/// This near to the walked line the ground counts as walked, metres: less than the walker's own radius of 0.25 m.
const TRODDEN_M: f32 = 0.15;
/// The way is looked at in pieces of this length, metres.
const PIECE_M: f32 = 0.05;
/// Views that are warped to look into a direction that the current view does not show.
const RECALL_VIEWS: usize = 4;

/// A move as it can be walked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clipped {
    pub(crate) step: Move,
    /// Set when the move was shortened.
    pub(crate) clip: Option<Clip>,
}

/// Shortens the way of a move, never its turn, before the first known obstacle.
pub(crate) fn clip(memory: &Memory, warper: &mut Warper, camera: &Camera, pose: &Pose, asked: &Move) -> Clipped {
    let free = Clipped { step: *asked, clip: None };
    let asked_m = asked.forward_m.hypot(asked.right_m);
    if asked_m <= 0.0 {
        return free;
    }
    let offset_rad = within_half_turn(asked.turn_rad + (-asked.right_m).atan2(asked.forward_m));
    let seen = memory.latest().and_then(|view| ahead_clear_m(&view.rgbd, camera, pose, offset_rad));
    let clear_m = seen.or_else(|| {
        let towards = Pose { yaw_rad: pose.yaw_rad + offset_rad, pitch_rad: 0.0, ..*pose };
        let recall = memory.recall_with(warper, camera, &towards, RECALL_VIEWS);
        ahead_clear_m(&recall.warp.view, camera, &towards, 0.0)
    });
    let Some(room_m) = clear_m.map(|clear_m| (clear_m - GAP_M).max(0.0)).filter(|room_m| *room_m < asked_m) else {
        return free;
    };
    let room_m = room_m.max(trodden(memory, pose, pose.yaw_rad + offset_rad, asked_m));
    if room_m >= asked_m {
        return free;
    }
    let walked_m = if room_m < SHORTEST_M { 0.0 } else { room_m };
    let share = walked_m / asked_m;
    let step = Move { forward_m: asked.forward_m * share, right_m: asked.right_m * share, ..*asked };
    Clipped { step, clip: Some(Clip { asked_m, walked_m }) }
}

/// How far the way from a pose in a heading runs along ground that was walked before, at most `asked_m`.
fn trodden(memory: &Memory, pose: &Pose, heading_rad: f32, asked_m: f32) -> f32 {
    let (sin, cos) = heading_rad.sin_cos();
    let plan = |p: &Pose| [p.position_m[0], p.position_m[2]];
    let start = plan(pose);
    let walked = |at: [f32; 2]| {
        memory.views().windows(2).any(|pair| to_segment(at, plan(&pair[0].pose), plan(&pair[1].pose)) <= TRODDEN_M)
    };
    let mut free_m = 0.0;
    while free_m < asked_m {
        let next_m = (free_m + PIECE_M).min(asked_m);
        if !walked([start[0] - sin * next_m, start[1] - cos * next_m]) {
            break;
        }
        free_m = next_m;
    }
    free_m
}

/// Distance of a point from a segment on the plan.
fn to_segment(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let along = [b[0] - a[0], b[1] - a[1]];
    let from = [p[0] - a[0], p[1] - a[1]];
    let length2 = along[0] * along[0] + along[1] * along[1];
    let t = if length2 > 0.0 { ((from[0] * along[0] + from[1] * along[1]) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (from[0] - t * along[0]).hypot(from[1] - t * along[1])
}

/// An angle brought into [-pi, pi].
fn within_half_turn(angle_rad: f32) -> f32 {
    let turned = angle_rad.rem_euclid(TAU);
    if turned > PI { turned - TAU } else { turned }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_2;
    use std::sync::Arc;

    use rhea_memory::View;
    use rhea_picture::Rgbd;

    use super::*;

    /// One view of a wall straight ahead, `wall_m` away.
    fn before_a_wall(wall_m: f32) -> (Memory, Camera, Pose) {
        let pose = Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        let mut wall = Rgbd::filled(64, 64, [200, 90, 40]);
        wall.depth_m.fill(wall_m);
        let mut memory = Memory::new();
        let narration = String::new();
        memory.insert(View { rgbd: Arc::new(wall), pose, codes: Vec::new(), step: 0, lineage: 0, narration });
        (memory, Camera::square(64), pose)
    }

    fn walked(asked: Move) -> (Move, Option<Clip>) {
        let (memory, camera, pose) = before_a_wall(2.0);
        let clipped = clip(&memory, &mut Warper::default(), &camera, &pose, &asked);
        (clipped.step, clipped.clip)
    }

    #[test]
    fn a_wall_ahead_stops_the_walker_at_arms_length() {
        assert_eq!(walked(Move::forward(1.0)), (Move::forward(1.0), None));
        let (step, clip) = walked(Move::forward(5.0));
        // The walker's radius is 0.25 m.
        assert!((1.6..1.8).contains(&step.forward_m), "{step:?}");
        assert_eq!(clip.map(|clip| clip.walked_m), Some(step.forward_m));
    }

    #[test]
    fn ground_that_was_walked_stays_free() {
        let (mut memory, camera, pose) = before_a_wall(2.0);
        let there = pose.apply(&Move::forward(3.0));
        let mut view = memory.views()[0].clone();
        view.pose = there;
        memory.insert(view.clone());
        view.pose = pose;
        memory.insert(view);
        let walk = |length_m| {
            let clipped = clip(&memory, &mut Warper::default(), &camera, &pose, &Move::forward(length_m));
            clipped.step.forward_m
        };
        assert_eq!(walk(2.5), 2.5, "the walker came from there");
        assert!((3.0..3.3).contains(&walk(5.0)), "but not from farther away");
    }

    #[test]
    fn the_way_counts_after_the_turn() {
        let away = Move { turn_rad: PI, ..Move::forward(5.0) };
        assert_eq!(walked(away), (away, None), "nothing is known behind");
        assert_eq!(walked(Move::forward(-5.0)).1, None);
        let sideways = Move { turn_rad: FRAC_PI_2, right_m: 5.0, ..Move::default() };
        let (step, clip) = walked(sideways);
        assert!(
            clip.is_some() && (1.6..1.8).contains(&step.right_m),
            "turning left and stepping right goes ahead: {step:?}"
        );
        assert_eq!(step.turn_rad, FRAC_PI_2, "the turn is never cut");
    }

    #[test]
    fn memory_knows_the_wall_that_is_behind_now() {
        let (mut memory, camera, pose) = before_a_wall(2.0);
        let behind = Pose { yaw_rad: PI, ..pose };
        let view = Rgbd::filled(64, 64, [0; 3]);
        let narration = String::new();
        memory.insert(View { rgbd: Arc::new(view), pose: behind, codes: Vec::new(), step: 1, lineage: 0, narration });
        let clipped = clip(&memory, &mut Warper::default(), &camera, &behind, &Move::forward(-5.0));
        assert!((-1.8..-1.6).contains(&clipped.step.forward_m), "{clipped:?}");
    }

    #[test]
    fn turns_are_free() {
        let turn = Move::turn_deg(90.0);
        assert_eq!(walked(turn), (turn, None));
        assert!((within_half_turn(3.0 * PI).abs() - PI).abs() < 1e-5);
        assert!((within_half_turn(-1.5 * PI) - FRAC_PI_2).abs() < 1e-5);
    }
}

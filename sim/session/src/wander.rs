//! Walking by itself: to where most is unseen, and regularly back to an old place, to see whether it is still the same.

use rhea_memory::{Memory, PlanMotion, Samples, Warper, ahead_clear_m, unseen_share};
use rhea_picture::Warp;
use rhea_scene::{Camera, Move, Pose};

/// Steps of exploring between two visits of old places.
const LOOP_EVERY: u32 = 10;
/// A place is old when its view is at least so many steps back.
const OLD_STEPS: usize = 8;
/// Views that the frustum samples are compared with: the latest ones.
const NEAR_VIEWS: usize = 64;
/// The ways that are considered: turn in degrees, then way ahead in metres.
const WAYS: [(f32, f32); 12] = [
    (0.0, 0.5),
    (0.0, 1.0),
    (30.0, 0.0),
    (-30.0, 0.0),
    (30.0, 0.5),
    (-30.0, 0.5),
    (60.0, 0.0),
    (-60.0, 0.0),
    (90.0, 0.0),
    (-90.0, 0.0),
    (150.0, 0.0),
    (180.0, 0.0),
];
/// Where less room than this is left, nobody goes, metres.
const ROOM_M: f32 = 0.25;
/// Side of the small pictures in which unknown pixels are counted.
const LOOK_PX: usize = 32;
/// A degree of turning costs as much as this share of a view unseen: turning about for little is not worth it.
const PER_DEGREE: f32 = 0.0005;
/// Weight of the unseen frustum volume beside the unknown share of the picture.
const VOLUME_WEIGHT: f32 = 0.25;
/// Going on is worth this much, so that a walker who has seen all around him leaves the spot.
const GOING_WORTH: f32 = 0.08;

/// What a walker has in mind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanderer {
    since_loop: u32,
    /// The heading to take at the old place that he is on his way to, radians.
    arriving_rad: Option<f32>,
}

impl Wanderer {
    /// The next move, and whether it belongs to a visit of an old place.
    pub(crate) fn next(&mut self, memory: &Memory, warper: &mut Warper, camera: &Camera, pose: &Pose) -> (Move, bool) {
        if let Some(heading_rad) = self.arriving_rad.take() {
            let turn_rad = rounded_turn(PlanMotion::between(pose, &Pose { yaw_rad: heading_rad, ..*pose }).turn_rad);
            let look_rad = -pose.pitch_rad;
            return (Move { turn_rad, look_rad, ..Move::default() }, true);
        }
        self.since_loop += 1;
        if self.since_loop >= LOOP_EVERY
            && let Some(old) = old_place(memory, pose)
        {
            self.since_loop = 0;
            self.arriving_rad = Some(old.yaw_rad);
            return (towards(pose, &old), true);
        }
        (best_way(memory, warper, camera, pose), false)
    }
}

/// The pose of the nearest old view that is not right here.
fn old_place(memory: &Memory, pose: &Pose) -> Option<Pose> {
    let old = memory.len().saturating_sub(OLD_STEPS);
    let far = |view: &Pose| {
        let way = PlanMotion::between(pose, view);
        way.ahead_m.hypot(way.right_m)
    };
    let places = memory.views().iter().take(old).map(|view| view.pose).filter(|view| far(view) > 0.3);
    places.min_by(|a, b| far(a).total_cmp(&far(b)))
}

/// Turns to a place and goes there.
fn towards(pose: &Pose, there: &Pose) -> Move {
    let way = PlanMotion::between(pose, there);
    let turn_rad = rounded_turn((-way.right_m).atan2(way.ahead_m));
    let forward_m = (way.ahead_m.hypot(way.right_m) * 100.0).round() / 100.0;
    Move { forward_m, turn_rad, ..Move::default() }
}

/// Commands say whole degrees.
fn rounded_turn(turn_rad: f32) -> f32 {
    turn_rad.to_degrees().round().to_radians()
}

/// The way after which the view shows most that was not seen yet.
fn best_way(memory: &Memory, warper: &mut Warper, camera: &Camera, pose: &Pose) -> Move {
    let small = Camera { width: LOOK_PX, height: LOOK_PX, ..*camera };
    let samples = Samples::new();
    let recent: Vec<Pose> = memory.views().iter().rev().take(NEAR_VIEWS).map(|view| view.pose).collect();
    let mut best = (f32::NEG_INFINITY, Move::turn_deg(90.0));
    for (turn_deg, forward_m) in WAYS {
        let step = Move { forward_m, ..Move::turn_deg(turn_deg) };
        if forward_m > 0.0 {
            let heading = pose.apply(&Move::turn_deg(turn_deg));
            let there = memory.recall_with(warper, camera, &heading, 4).warp;
            let free = ahead_clear_m(&there.view, camera, &heading, 0.0).unwrap_or(0.0);
            if there.coverage() < 0.5 || free < forward_m + ROOM_M {
                continue;
            }
        }
        let to = pose.apply(&step);
        let seen: Warp = memory.recall_with(warper, &small, &to, 4).warp;
        let volume = unseen_share(&samples, &recent, camera, &to);
        let score = (1.0 - seen.coverage()) + VOLUME_WEIGHT * volume - PER_DEGREE * turn_deg.abs()
            + if forward_m > 0.0 { GOING_WORTH } else { 0.0 };
        if score > best.0 {
            best = (score, step);
        }
    }
    best.1
}

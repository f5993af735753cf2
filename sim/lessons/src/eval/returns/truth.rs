//! What is really there at a probe: the picture, which of it the start has shown, the landmarks in it.

use rhea_picture::{FARTHEST_M, Rgbd};
use rhea_scene::{Move, Pose, Rendered};

use super::stage::{LEAST_LANDMARK, Stage, share_of};

/// Depths of one surface from two places differ by less than this, as a share.
const SAME_SURFACE: f32 = 0.04;
/// From here on it is the sky, metres.
const SKY_FROM_M: f32 = FARTHEST_M * 0.75;
/// Pixels around a landmark that belong to its patch.
const MARGIN_PX: usize = 3;
/// Least share of a landmark that the start has shown.
const SHOWN: f32 = 0.6;
/// Headings and places around a probe at which the truth is drawn to tell where a picture really stands.
const TURNS_DEG: [f32; 8] = [-12.5, -10.0, -7.5, -5.0, 5.0, 7.5, 10.0, 12.5];
const SHIFTS_M: [f32; 4] = [-0.5, -0.25, 0.25, 0.5];

/// A rectangle of a true view with a landmark in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patch {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// The truth from beside a probe.
pub(super) struct Aside {
    pub turn_deg: f32,
    pub shift_m: f32,
    pub view: Rgbd,
}

/// The truth at a probe.
pub(super) struct ProbeTruth {
    pub view: Rgbd,
    /// Pixels of surfaces that the start shows.
    pub seen: Vec<bool>,
    /// The others.
    pub novel: Vec<bool>,
    /// Landmarks that the start shows.
    pub landmarks: Vec<Patch>,
    /// The probe's own truth is among them.
    pub around: Vec<Aside>,
}

impl ProbeTruth {
    /// Draws the truth at a pose, given that of the start.
    pub fn new(stage: &Stage, start: &Rgbd, pose: &Pose) -> Self {
        let truth = stage.truth(pose);
        let seen = shown_by(stage, start, &truth.rgbd, pose);
        let novel = seen.iter().map(|seen| !seen).collect();
        let landmarks = stage.landmarks.iter().filter_map(|id| patch_of(&truth, *id, &seen)).collect();
        let aside = |turn_deg: f32, forward_m: f32, right_m: f32| {
            let there = pose.apply(&Move { forward_m, right_m, ..Move::default() }).apply(&Move::turn_deg(turn_deg));
            Aside { turn_deg, shift_m: forward_m.hypot(right_m), view: stage.view(&there) }
        };
        let turned = TURNS_DEG.iter().map(|turn_deg| aside(*turn_deg, 0.0, 0.0));
        let shifted = SHIFTS_M.iter().flat_map(|shift_m| [aside(0.0, *shift_m, 0.0), aside(0.0, 0.0, *shift_m)]);
        let own = Aside { turn_deg: 0.0, shift_m: 0.0, view: truth.rgbd.clone() };
        let around = std::iter::once(own).chain(turned).chain(shifted).collect();
        Self { view: truth.rgbd, seen, novel, landmarks, around }
    }
}

/// Which pixels of a true view show what the true view of the start shows too: their points, looked up in its depth.
pub(super) fn shown_by(stage: &Stage, start: &Rgbd, view: &Rgbd, pose: &Pose) -> Vec<bool> {
    let (w, h) = (view.width, view.height);
    let focal = stage.camera.focal_px();
    let anchor = &stage.anchor;
    let axes = |pose: &Pose| [pose.right(), pose.up(), pose.forward()];
    let (here, there) = (axes(pose), axes(anchor));
    let offset: [f32; 3] = std::array::from_fn(|k| pose.position_m[k] - anchor.position_m[k]);
    let shown = |i: usize| {
        let depth_m = view.depth_m[i];
        let sky = depth_m >= SKY_FROM_M;
        let ray = [(i % w) as f32 + 0.5 - w as f32 * 0.5, h as f32 * 0.5 - (i / w) as f32 - 0.5, focal];
        let along: [f32; 3] = std::array::from_fn(|k| (0..3).map(|a| here[a][k] * ray[a] / focal).sum());
        // The sky is a direction, not a point.
        let to: [f32; 3] = std::array::from_fn(|k| if sky { along[k] } else { along[k] * depth_m + offset[k] });
        let [x, y, z] = there.map(|axis| axis[0] * to[0] + axis[1] * to[1] + axis[2] * to[2]);
        if z <= 1e-3 {
            return false;
        }
        let (u, v) = (w as f32 * 0.5 + x / z * focal, h as f32 * 0.5 - y / z * focal);
        if !(u >= 0.0 && v >= 0.0 && u < w as f32 && v < h as f32) {
            return false;
        }
        let known_m = start.depth_m[v as usize * w + u as usize];
        if sky { known_m >= SKY_FROM_M } else { (known_m - z).abs() <= SAME_SURFACE * z }
    };
    (0..w * h).map(shown).collect()
}

/// The patch of a landmark that is in view and of which enough is `seen`.
pub(super) fn patch_of(truth: &Rendered, id: u16, seen: &[bool]) -> Option<Patch> {
    if share_of(truth, id) < LEAST_LANDMARK {
        return None;
    }
    let (w, h) = (truth.rgbd.width, truth.rgbd.height);
    let pixels: Vec<usize> = (0..truth.ids.len()).filter(|i| truth.ids[*i] == id).collect();
    let shown = pixels.iter().filter(|i| seen[**i]).count() as f32;
    if shown < SHOWN * pixels.len() as f32 {
        return None;
    }
    let bounds = |of: fn(usize, usize) -> usize, end: usize| {
        let low = pixels.iter().map(|i| of(*i, w)).min().unwrap_or(0).saturating_sub(MARGIN_PX);
        let high = pixels.iter().map(|i| of(*i, w)).max().unwrap_or(0) + MARGIN_PX + 1;
        (low, high.min(end))
    };
    let (left, right) = bounds(|i, w| i % w, w);
    let (top, bottom) = bounds(|i, w| i / w, h);
    Some(Patch { left, top, width: right - left, height: bottom - top })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::stage::RETURN_SEEDS;
    use super::*;

    #[test]
    fn the_start_shows_all_of_itself_and_half_of_a_turn() {
        let stage = Stage::new(RETURN_SEEDS.start, 64).unwrap();
        let start = stage.view(&stage.anchor);
        let share = |pose: &Pose| {
            let seen = shown_by(&stage, &start, &stage.view(pose), pose);
            seen.iter().filter(|s| **s).count() as f32 / seen.len() as f32
        };
        assert!(share(&stage.anchor) > 0.999);
        // A turn by half the field of view: tan gives 40 degrees the half of the picture, and its rows shrink a little.
        let turned = stage.anchor.apply(&Move { turn_rad: stage.camera.fov_x_rad * 0.5, ..Move::default() });
        let half = share(&turned);
        assert!((0.38..0.51).contains(&half), "{half}");
        assert_eq!(share(&stage.anchor.apply(&Move::turn_deg(180.0))), 0.0);
    }
}

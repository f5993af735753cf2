//! What is drawn over the ground: places, edges, views, things, and the walker.

use rhea_picture::Ink;
use rhea_scene::Camera;

use super::{MapFacts, MapView};
use crate::graph::{CELL_M, EdgeKind, Verdict};

/// The map shows at least this much, metres.
const MIN_SPAN_M: f32 = 9.0;
/// Room around the path, metres.
const MARGIN_M: f32 = 2.5;
/// Dots are drawn for at most this many views, the latest; the path is always whole.
const MAX_DOTS: usize = 2000;
/// How far a recalled view's cone reaches, metres.
const CONE_M: f32 = 1.1;

/// Length of the line that shows a view's heading, metres.
const HEADING_M: f32 = 0.18;

const PATH: [u8; 3] = [0x7c, 0xb7, 0xff];
const LOOP: [u8; 3] = [0xe0, 0x7a, 0xe8];
const RECALLED: [u8; 3] = [0xff, 0xd7, 0x5e];
const WALKER: [u8; 3] = [0xff, 0xff, 0xff];
const EDIT: [u8; 3] = [0xff, 0x6b, 0x5e];
const PLACE: [u8; 3] = [0x9a, 0xa4, 0xb6];

/// What each mark stands for; verdicts are told apart from them by [`verdict_rgb`].
pub const LEGEND: [(&str, [u8; 3]); 6] = [
    ("path", PATH),
    ("loop closed", LOOP),
    ("recalled for this view", RECALLED),
    ("walker", WALKER),
    ("place (more headings, brighter)", PLACE),
    ("edited", EDIT),
];

/// The colour of a verdict: a palette that colour-blind people tell apart too (after Okabe and Ito), brightened for a dark ground.
#[must_use]
pub fn verdict_rgb(verdict: Verdict) -> [u8; 3] {
    match verdict {
        Verdict::New => [0xd0, 0xd5, 0xde],
        Verdict::Extended => [0x56, 0xb4, 0xe9],
        Verdict::Revisited => [0x1f, 0xc8, 0x94],
        Verdict::Repaired => [0xf0, 0xe4, 0x42],
        Verdict::Composite => [0xe6, 0x9f, 0x00],
        Verdict::Reopened => [0xcc, 0x79, 0xa7],
        Verdict::Doubtful => [0xe8, 0x5d, 0x1a],
    }
}

/// Something to be drawn; places are world x and z in metres, widths and radii in pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A straight line.
    Line {
        /// From here.
        from_m: [f32; 2],
        /// To there.
        to_m: [f32; 2],
        /// How wide.
        width_px: f32,
        /// Its colour.
        ink: Ink,
    },
    /// A filled circle.
    Disc {
        /// Its middle.
        at_m: [f32; 2],
        /// Its radius.
        radius_px: f32,
        /// Its colour.
        ink: Ink,
    },
    /// A circle's rim.
    Ring {
        /// Its middle.
        at_m: [f32; 2],
        /// Its radius.
        radius: Radius,
        /// Its colour.
        ink: Ink,
    },
    /// A square.
    Square {
        /// Its middle.
        at_m: [f32; 2],
        /// Its side, metres.
        side_m: f32,
        /// Its colour.
        ink: Ink,
    },
    /// What is in sight: a triangle from the eye.
    Cone {
        /// Eye, left end and right end.
        corners_m: [[f32; 2]; 3],
        /// Its colour.
        ink: Ink,
    },
    /// Words beside a place.
    Words {
        /// The place.
        at_m: [f32; 2],
        /// The words.
        text: String,
        /// Their colour.
        ink: Ink,
    },
}

/// A radius on the screen or in the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Radius {
    /// Pixels, whatever the scale.
    Px(f32),
    /// Metres.
    M(f32),
}

/// The part of the world that a map of `views` shows: middle (x, z) and side, metres.
#[must_use]
pub fn shown_span(views: &[MapView]) -> ([f32; 2], f32) {
    let bounds = |axis: usize| {
        let values = views.iter().map(|view| view.pose.position_m[axis]);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    if views.is_empty() {
        return ([0.0; 2], MIN_SPAN_M);
    }
    let ((x0, x1), (z0, z1)) = (bounds(0), bounds(2));
    let span = (x1 - x0).max(z1 - z0) + 2.0 * MARGIN_M;
    ([(x0 + x1) / 2.0, (z0 + z1) / 2.0], span.max(MIN_SPAN_M))
}

impl MapFacts {
    /// What to draw over the ground, in the order of drawing.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        for place in &self.places {
            let opacity = 0.08 + 0.3 * (place.headings as f32 / 8.0).min(1.0);
            marks.push(Mark::Square { at_m: place.middle_m, side_m: CELL_M * 0.94, ink: Ink::faint(PLACE, opacity) });
        }
        for region in &self.edits {
            let [x, _, z] = region.centre_m;
            marks.push(Mark::Ring { at_m: [x, z], radius: Radius::M(region.radius_m), ink: Ink::solid(EDIT) });
        }
        let at = |index: u32| self.views.get(index as usize).map(plan);
        for (from, to, kind) in &self.edges {
            let (Some(from_m), Some(to_m)) = (at(*from), at(*to)) else { continue };
            let (width_px, ink) = match kind {
                EdgeKind::Loop => (1.4, Ink::faint(LOOP, 0.85)),
                EdgeKind::Step | EdgeKind::Turn => (1.6, Ink::solid(PATH)),
            };
            if from_m != to_m {
                marks.push(Mark::Line { from_m, to_m, width_px, ink });
            }
        }
        self.recall_marks(&mut marks);
        let first = self.views.len().saturating_sub(MAX_DOTS);
        for view in self.views.iter().skip(first) {
            let opacity = if view.forgotten { 0.35 } else { 1.0 };
            let ink = Ink::faint(verdict_rgb(view.verdict), opacity);
            marks.push(Mark::Disc { at_m: plan(view), radius_px: 2.6, ink });
            let (from_m, to_m) = (plan(view), ahead(view, HEADING_M));
            marks.push(Mark::Line { from_m, to_m, width_px: 1.0, ink });
            if view.pinned {
                marks.push(Mark::Ring { at_m: plan(view), radius: Radius::Px(5.0), ink: Ink::solid(RECALLED) });
            }
        }
        for thing in &self.things {
            let at_m = thing.at_m;
            marks.push(Mark::Ring { at_m, radius: Radius::Px(3.0), ink: Ink::solid(WALKER) });
            marks.push(Mark::Words { at_m, text: thing.name.clone(), ink: Ink::solid(WALKER) });
        }
        if let Some(walker) = self.views.last() {
            marks.push(Mark::Cone { corners_m: cone(walker, 1.4), ink: Ink::faint(WALKER, 0.3) });
            marks.push(Mark::Disc { at_m: plan(walker), radius_px: 4.6, ink: Ink::solid(WALKER) });
            let ink = Ink::solid(verdict_rgb(walker.verdict));
            marks.push(Mark::Disc { at_m: plan(walker), radius_px: 2.8, ink });
        }
        marks
    }

    /// The views that were recalled for the latest one: what they see, and how they lie to it.
    fn recall_marks(&self, marks: &mut Vec<Mark>) {
        let Some(walker) = self.views.last() else { return };
        for view in self.recalled.iter().filter_map(|index| self.views.get(*index as usize)) {
            marks.push(Mark::Cone { corners_m: cone(view, CONE_M), ink: Ink::faint(RECALLED, 0.28) });
            let (from_m, to_m) = (plan(view), plan(walker));
            if from_m != to_m {
                marks.push(Mark::Line { from_m, to_m, width_px: 1.0, ink: Ink::faint(RECALLED, 0.8) });
            }
            marks.push(Mark::Ring { at_m: from_m, radius: Radius::Px(5.0), ink: Ink::solid(RECALLED) });
        }
    }
}

fn plan(view: &MapView) -> [f32; 2] {
    [view.pose.position_m[0], view.pose.position_m[2]]
}

/// The point straight ahead of a view.
fn ahead(view: &MapView, reach_m: f32) -> [f32; 2] {
    let ([x, z], (s, c)) = (plan(view), view.pose.yaw_rad.sin_cos());
    [x - s * reach_m, z - c * reach_m]
}

/// The eye and the two ends of what it sees, `reach_m` away.
fn cone(view: &MapView, reach_m: f32) -> [[f32; 2]; 3] {
    let [x, z] = plan(view);
    let end = |turn_rad: f32| {
        let (s, c) = (view.pose.yaw_rad + turn_rad).sin_cos();
        [x - s * reach_m, z - c * reach_m]
    };
    let half = Camera::FOV_X_RAD / 2.0;
    [[x, z], end(half), end(-half)]
}

#[cfg(test)]
mod tests {
    use rhea_scene::Pose;

    use super::*;
    use crate::graph::Role;

    fn view(x: f32, z: f32, yaw_rad: f32) -> MapView {
        let pose = Pose { position_m: [x, 1.5, z], yaw_rad, pitch_rad: 0.0 };
        MapView { pose, verdict: Verdict::Extended, role: Role::Canonical, pinned: false, forgotten: false }
    }

    #[test]
    fn the_shown_part_holds_the_whole_path() {
        let views: Vec<MapView> = (0..50).map(|i| view(i as f32, 3.0, 0.0)).collect();
        let (middle, span) = shown_span(&views);
        assert_eq!(middle, [24.5, 3.0]);
        assert!(span >= 49.0 + 2.0 * MARGIN_M);
        assert_eq!(shown_span(&[]), ([0.0; 2], MIN_SPAN_M));
    }

    #[test]
    fn a_walker_who_turned_left_looks_to_minus_x() {
        let [eye, left, right] = cone(&view(0.0, 0.0, std::f32::consts::FRAC_PI_2), 1.0);
        assert_eq!(eye, [0.0; 2]);
        assert!(left[0] < -0.7 && right[0] < -0.7 && left[1] > 0.5 && right[1] < -0.5, "{left:?} {right:?}");
    }

    #[test]
    fn edges_recall_and_verdicts_are_marked() {
        let facts = MapFacts {
            views: vec![view(0.0, 0.0, 0.0), view(0.0, -1.0, 0.0), view(0.0, -1.0, 1.0)],
            edges: vec![(0, 1, EdgeKind::Step), (1, 2, EdgeKind::Turn), (0, 2, EdgeKind::Loop), (0, 9, EdgeKind::Loop)],
            recalled: vec![0, 7],
            ..MapFacts::default()
        };
        let marks = facts.marks();
        let lines = marks.iter().filter(|mark| matches!(mark, Mark::Line { .. })).count();
        // A step, a loop, from the recalled view, and three headings; a turn has no length, and what points nowhere is left out.
        assert_eq!((lines, facts.loops()), (3 + 3, 2));
        let extended = Ink::solid(verdict_rgb(Verdict::Extended));
        let dots = marks.iter().filter(|mark| matches!(mark, Mark::Disc { ink, .. } if *ink == extended)).count();
        assert_eq!(dots, 3 + 1, "every view, and the walker's own");
    }
}

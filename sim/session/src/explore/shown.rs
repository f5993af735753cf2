//! Models that know no depth and are not told where they stand: which earlier views they are shown, which cells of a turn are
//! known exactly, and which motion they really drew.

use rhea_engine::{Budget, ShownTurn, ShownViews, ViewRoom};
use rhea_memory::{
    PixelSet, PlanMotion, Recall, Samples, Spread, Travel, TurnedView, chosen_by_frustum, known_after_turn,
    measured_move, measured_turn,
};
use rhea_picture::{Rgbd, Warp};
use rhea_scene::{Move, Pose};

use super::ExploreSession;

/// Views this near to each other were drawn from one spot, metres.
const SAME_SPOT_M: f32 = 0.01;
/// Views of one spot that are tried for pinning: those that look most nearly the same way.
const TRIED: usize = 6;
/// As in recall, taken off the share of cells of a view with the longest lineage of all.
const LINEAGE_PENALTY: f32 = 0.15;
/// Headings off by less are the same way, degrees.
const SAME_WAY_DEG: f32 = 8.0;
/// Nearer views were drawn from here, metres.
const HERE_M: f32 = 0.25;
/// A turn that was measured from the pictures, rad^2: 0.2 degrees.
const MEASURED_TURN_RAD2: f32 = 1.2e-5;
/// A turn that was not, rad^2: 3 degrees.
const ASSUMED_TURN_RAD2: f32 = 2.7e-3;
/// The heading after a move, measured, rad^2: 1 degree.
const MOVED_TURN_RAD2: f32 = 3e-4;
/// Pictures without depth tell no lengths: the standard deviation of a move's length as a share of it, where the picture bears out
/// that there was one, and where it does not.
const LENGTH_SHARE: [f32; 2] = [0.5, 1.0];

/// What a model is shown for a view.
pub(super) struct Showing {
    pub(super) recall: Recall,
    pub(super) shown: ShownViews,
    /// The view whose turned picture pins cells.
    pub(super) turned_from: Option<usize>,
}

/// The motion that was drawn.
pub(super) struct Executed {
    pub(super) pose: Pose,
    pub(super) travel: Travel,
    /// Where it stands seen from the view that it was turned from.
    pub(super) closing: Option<(usize, PlanMotion, Spread)>,
}

impl ExploreSession {
    /// Chooses what is shown: the first view, recalled views far to near, the latest turns; and pins what a turn leaves known.
    pub(super) fn showing(&self, pose: &Pose, room: ViewRoom) -> Showing {
        let views = self.memory.views();
        let whole = |index: usize| views.get(index).is_some_and(|view| view.codes.len() == room.grid.cells());
        let turns = views.len().saturating_sub(1).min(2);
        let anchor = views.len() > turns && whole(0);
        // The anchor and the views of the turns are shown in any case.
        let others: Vec<usize> = (1..views.len().saturating_sub(turns)).filter(|index| whole(*index)).collect();
        let budget = Budget::new(room.context, room.grid);
        let share = budget.share(others.len(), turns, anchor).unwrap_or(rhea_engine::Share {
            recalled: 0,
            turns: 0,
            anchor: false,
            tokens: 0,
        });
        let poses: Vec<Pose> = others.iter().map(|index| views[*index].pose).collect();
        let chosen = chosen_by_frustum(&Samples::new(), &poses, &self.camera, pose, share.recalled);
        let mut recalled: Vec<usize> = chosen.into_iter().map(|at| others[at]).collect();
        recalled.sort_by(|a, b| {
            let far = |index: usize| distance_m(&views[index].pose, pose);
            far(*b).total_cmp(&far(*a)).then(a.cmp(b))
        });
        let latest = (views.len() - share.turns.min(views.len())..views.len()).filter(|index| whole(*index));
        let latest: Vec<usize> = latest.collect();
        let turned = self.turned(pose, room);
        let (warp, pinned) = turned.as_ref().map_or_else(
            || (Warp::empty(self.camera.width, self.camera.height), Vec::new()),
            |(_, turned)| (turned.warp.clone(), turned.pinned.clone()),
        );
        let mut used: Vec<usize> = recalled.iter().chain(&latest).copied().collect();
        used.extend(share.anchor.then_some(0));
        used.extend(turned.as_ref().map(|(index, _)| *index));
        used.sort_unstable();
        used.dedup();
        let lineage = used.iter().filter_map(|index| views.get(*index)).map(|view| view.lineage).max();
        let shown = ShownViews {
            anchor: share.anchor.then(|| views[0].codes.clone()),
            recalled: recalled.iter().map(|i| (seen_at(*i, &views[*i].pose, pose), views[*i].codes.clone())).collect(),
            turns: latest
                .iter()
                .map(|index| ShownTurn {
                    command: self.commanded(*index),
                    codes: views[*index].codes.clone(),
                    narration: views[*index].narration.clone(),
                })
                .collect(),
            pinned,
        };
        let recall = Recall { warp, used, lineage: lineage.map_or(0, |lineage| 1 + lineage), own: PixelSet::default() };
        Showing { recall, shown, turned_from: turned.map(|(index, _)| index) }
    }

    /// The view from this very spot that leaves most cells of the new one known, turned; long lineages count less.
    fn turned(&self, pose: &Pose, room: ViewRoom) -> Option<(usize, TurnedView)> {
        let views = self.memory.views();
        let longest = views.iter().map(|view| view.lineage).max().unwrap_or(0).max(1) as f32;
        let here = |at: &Pose| (0..3).all(|k| (at.position_m[k] - pose.position_m[k]).abs() < SAME_SPOT_M);
        let mut spot: Vec<usize> = (0..views.len()).filter(|index| here(&views[*index].pose)).collect();
        let apart = |index: &usize| {
            let at = &views[*index].pose;
            PlanMotion::between(at, pose).turn_rad.abs() + (at.pitch_rad - pose.pitch_rad).abs()
        };
        spot.sort_by(|a, b| apart(a).total_cmp(&apart(b)).then(a.cmp(b)));
        let (rows, cols) = (room.grid.rows(), room.grid.cols());
        let turned = spot.into_iter().take(TRIED).map(|index| {
            let view = &views[index];
            (index, known_after_turn(&view.rgbd, &self.camera, &view.pose, pose, rows, cols))
        });
        let score = |(index, turned): &(usize, TurnedView)| {
            let share = turned.pinned.iter().filter(|pinned| **pinned).count() as f32 / (rows * cols).max(1) as f32;
            share - LINEAGE_PENALTY * views[*index].lineage as f32 / longest
        };
        let best = turned.max_by(|a, b| score(a).total_cmp(&score(b)).then(b.0.cmp(&a.0)))?;
        best.1.pinned.contains(&true).then_some(best)
    }

    /// The command that led to a view.
    fn commanded(&self, index: usize) -> String {
        let edge = self.memory.edges().iter().rev().find(|edge| edge.to as usize == index && edge.commanded.is_some());
        edge.and_then(|edge| edge.commanded).map_or_else(String::new, |step| step.command())
    }

    /// Measures what was drawn against the latest view: such a model is told a command, and draws some motion.
    pub(super) fn executed(&self, view: &Rgbd, step: &Move, pose: Pose, turned_from: Option<usize>) -> Executed {
        let Some(latest) = self.memory.latest() else {
            return Executed { pose, travel: Travel { commanded: *step, measured: None }, closing: None };
        };
        let length_m = step.forward_m.hypot(step.right_m);
        let (drawn, spread) = if length_m == 0.0 {
            let turn = (step.look_rad == 0.0)
                .then(|| measured_turn(&latest.rgbd, view, &self.camera, &latest.pose, step.turn_rad))
                .flatten();
            let turn_rad2 = if turn.is_some() { MEASURED_TURN_RAD2 } else { ASSUMED_TURN_RAD2 };
            (Move { turn_rad: turn.unwrap_or(step.turn_rad), ..*step }, Spread { way_m2: 0.0, turn_rad2 })
        } else {
            let measured = measured_move(&latest.rgbd, view, &self.camera, step);
            let turn_rad = measured.map_or(step.turn_rad, |motion| motion.turn_rad);
            let borne_out = measured.is_some_and(|motion| motion.borne_out);
            let deviation_m = length_m * LENGTH_SHARE[usize::from(!borne_out)];
            let turn_rad2 = if measured.is_some() { MOVED_TURN_RAD2 } else { ASSUMED_TURN_RAD2 };
            (Move { turn_rad, ..*step }, Spread { way_m2: deviation_m * deviation_m, turn_rad2 })
        };
        let pose = latest.pose.apply(&drawn);
        let measured = Some((PlanMotion::between(&latest.pose, &pose), spread));
        let closing = turned_from.and_then(|index| {
            let from = self.memory.views().get(index)?;
            let commanded_rad = PlanMotion::between(&from.pose, &pose).turn_rad;
            let turn_rad = measured_turn(&from.rgbd, view, &self.camera, &from.pose, commanded_rad)?;
            let motion = PlanMotion { ahead_m: 0.0, right_m: 0.0, turn_rad };
            Some((index, motion, Spread { way_m2: SAME_SPOT_M * SAME_SPOT_M, turn_rad2: MEASURED_TURN_RAD2 }))
        });
        Executed { pose, travel: Travel { commanded: *step, measured }, closing }
    }
}

fn distance_m(a: &Pose, b: &Pose) -> f32 {
    let way = PlanMotion::between(a, b);
    way.ahead_m.hypot(way.right_m)
}

/// "Seen at step 12, 1.5 m behind, 30 degrees to the left": where a view was drawn and which way it looks, for somebody at `pose`.
fn seen_at(step: usize, view: &Pose, pose: &Pose) -> String {
    let way = PlanMotion::between(pose, view);
    let (far_m, degrees) = (way.ahead_m.hypot(way.right_m), way.turn_rad.to_degrees());
    let place = match (way.ahead_m, way.right_m) {
        _ if far_m < HERE_M => String::new(),
        (ahead, right) if ahead.abs() >= right.abs() => {
            format!(", {far_m:.1} m {}", if ahead > 0.0 { "ahead" } else { "behind" })
        }
        (_, right) => format!(", {far_m:.1} m to the {}", if right > 0.0 { "right" } else { "left" }),
    };
    let heading = match degrees {
        d if d.abs() < SAME_WAY_DEG => ", looking the same way".to_owned(),
        d => format!(", {:.0} degrees to the {}", d.abs(), if d > 0.0 { "left" } else { "right" }),
    };
    format!("Seen at step {step}{place}{heading}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_shown_view_say_where_and_which_way() {
        let at = |x: f32, z: f32, yaw_deg: f32| Pose {
            position_m: [x, 1.5, z],
            yaw_rad: yaw_deg.to_radians(),
            pitch_rad: 0.0,
        };
        let here = at(0.0, 0.0, 90.0);
        assert_eq!(seen_at(12, &at(0.0, 0.0, 120.0), &here), "Seen at step 12, 30 degrees to the left");
        // At 90 degrees one looks west: east of him is behind.
        assert_eq!(seen_at(3, &at(1.5, 0.0, 90.0), &here), "Seen at step 3, 1.5 m behind, looking the same way");
        assert_eq!(
            seen_at(4, &at(0.0, -2.0, 45.0), &here),
            "Seen at step 4, 2.0 m to the right, 45 degrees to the right"
        );
    }
}

//! How well a view that agrees with memory is told from one that does not, on pairs whose truth is known.
//!
//! Memory is the true view of the start and three views that the model drew around it. At poses beside them the model draws what
//! memory tells it: that should be accepted. What should not: the same drawn from the memory of a world with one object less,
//! views of another place, and the right view mirrored. Only drawings are compared, so nothing is told apart by who drew it.

use std::sync::Arc;

use rhea_engine::{Cancel, Imagine, Imagined, ViewRequest, ViewTask};
use rhea_memory::{Memory, Policy, View, Warper, verify, warp};
use rhea_picture::{Rgbd, Warp};
use rhea_scene::{Move, Pose};
use rhea_session::Options;
use serde::Serialize;

use super::stage::{Stage, is_held_out, share_of};
use crate::LessonError;

/// An object that is taken away covers at least this share of the view (1 %: 164 px of 128 x 128)...
const LEAST_OBJECT: f32 = 0.01;
/// ...and memory knows at least this share of it.
const KNOWN_OBJECT: f32 = 0.6;
/// Objects taken away a scene.
const OBJECTS: usize = 2;
/// True views are rejected at this rate where the threshold is chosen.
pub const FALSE_REJECT: f64 = 0.01;

/// What a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairKind {
    /// The same place: to be accepted.
    Same,
    /// An object of memory is missing.
    ObjectRemoved,
    /// Drawn from somewhere else.
    WrongPlace,
    /// The right view, mirrored.
    Mirrored,
}

impl PairKind {
    /// Those that should be rejected.
    pub const WRONG: [Self; 3] = [Self::ObjectRemoved, Self::WrongPlace, Self::Mirrored];

    /// A word for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same place",
            Self::ObjectRemoved => "object removed",
            Self::WrongPlace => "wrong place",
            Self::Mirrored => "mirrored",
        }
    }
}

/// A compared pair.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// The scene.
    pub seed: u64,
    /// What it is.
    pub kind: PairKind,
    /// Difference of the worst cell.
    pub worst: f32,
}

/// A pair before it is compared.
pub struct PairViews {
    /// The scene.
    pub seed: u64,
    /// What it is.
    pub kind: PairKind,
    /// The drawing.
    pub drawn: Imagined,
    /// What memory knows.
    pub memory: Warp,
}

impl PairViews {
    /// Compares as a session does.
    #[must_use]
    pub fn compare(&self) -> Pair {
        let worst = verify(&self.drawn.view, &self.memory, self.drawn.rows, self.drawn.cols).worst;
        Pair { seed: self.seed, kind: self.kind, worst }
    }
}

/// A threshold with what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Views up to this difference are accepted.
    pub threshold: f32,
    /// Share of right views that are rejected.
    pub false_reject: f64,
    /// Share of wrong views that are accepted, each kind weighing the same.
    pub false_accept: f64,
}

/// How well checking works.
#[derive(Clone, Debug, Serialize)]
pub struct VerifierReport {
    /// The threshold, from the scenes that are not held out.
    pub threshold: f32,
    /// There.
    pub dev: RocPoint,
    /// On the held-out scenes.
    pub held_out: RocPoint,
    /// False accepts of each kind on the held-out scenes.
    pub by_kind: Vec<(PairKind, f64, usize)>,
    /// Some points of the curve over all scenes.
    pub roc: Vec<RocPoint>,
    /// Right pairs.
    pub right: usize,
}

/// Rates at a threshold.
#[must_use]
pub fn rates(pairs: &[Pair], threshold: f32) -> RocPoint {
    let share = |kind: PairKind, accepted: bool| {
        let of: Vec<_> = pairs.iter().filter(|pair| pair.kind == kind).collect();
        let count = of.iter().filter(|pair| (pair.worst <= threshold) == accepted).count();
        count as f64 / of.len() as f64
    };
    let wrong: Vec<f64> = PairKind::WRONG.iter().map(|kind| share(*kind, true)).collect();
    let false_accept = super::mean_of(&wrong);
    RocPoint { threshold, false_reject: share(PairKind::Same, false), false_accept }
}

/// The least threshold that rejects at most a share of the right pairs.
#[must_use]
pub fn threshold_at(pairs: &[Pair], false_reject: f64) -> f32 {
    let mut right: Vec<f32> = pairs.iter().filter(|p| p.kind == PairKind::Same).map(|p| p.worst).collect();
    right.sort_by(f32::total_cmp);
    let most_rejected = (false_reject * right.len() as f64) as usize;
    right.len().checked_sub(1 + most_rejected).and_then(|at| right.get(at)).copied().unwrap_or(0.0)
}

/// The largest threshold that accepts at most a share of the wrong pairs.
fn ceiling_at(pairs: &[Pair], false_accept: f64) -> f32 {
    let mut wrong: Vec<f32> = pairs.iter().filter(|p| p.kind != PairKind::Same).map(|p| p.worst).collect();
    wrong.sort_by(f32::total_cmp);
    wrong.get((false_accept * wrong.len() as f64) as usize).copied().unwrap_or(0.0)
}

/// Chooses the threshold on the scenes that are not held out, and judges it on the others: where right and wrong pairs leave a gap
/// there, its middle, else where 1 % of the right ones are rejected.
#[must_use]
pub fn judge(pairs: &[Pair]) -> VerifierReport {
    let (held_out, dev): (Vec<Pair>, Vec<Pair>) = pairs.iter().partition(|pair| is_held_out(pair.seed));
    let least = threshold_at(&dev, FALSE_REJECT);
    let threshold = least.midpoint(ceiling_at(&dev, FALSE_REJECT).max(least));
    let kind = |kind: PairKind| {
        let of: Vec<&Pair> = held_out.iter().filter(|pair| pair.kind == kind).collect();
        let accepted = of.iter().filter(|pair| pair.worst <= threshold).count();
        (kind, accepted as f64 / of.len() as f64, of.len())
    };
    let steps = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2];
    VerifierReport {
        threshold,
        dev: rates(&dev, threshold),
        held_out: rates(&held_out, threshold),
        by_kind: PairKind::WRONG.map(kind).to_vec(),
        roc: steps.iter().map(|rate| rates(pairs, threshold_at(pairs, *rate))).collect(),
        right: pairs.iter().filter(|pair| pair.kind == PairKind::Same).count(),
    }
}

/// Draws the pairs of one scene.
///
/// # Errors
/// When the model fails.
pub fn pairs_of(model: &mut dyn Imagine, seed: u64) -> Result<Vec<PairViews>, LessonError> {
    let mut pairs = Vec::new();
    let Some(stage) = Stage::new(seed, model.side_px()) else { return Ok(pairs) };
    let (around, targets) = poses(&stage);
    let memory = remember(model, &stage, &around)?;
    let known: Vec<Warp> = targets.iter().map(|pose| recall(&memory, &stage, pose)).collect();
    let mut right = Vec::new();
    for (warp, pose) in known.iter().zip(&targets) {
        let drawn = draw(model, warp, pose, &stage)?;
        let mirrored = Imagined { view: mirrored(&drawn.view), ..drawn.clone() };
        pairs.push(PairViews { seed, kind: PairKind::Mirrored, drawn: mirrored, memory: warp.clone() });
        right.push(drawn);
    }
    // A quarter turn away, and what was drawn for another target.
    let away = stage.anchor.apply(&Move::turn_deg(90.0));
    let elsewhere = draw(model, &own_sources(&stage, &away), &away, &stage)?;
    for (i, warp) in known.iter().enumerate() {
        let other = if i % 2 == 0 { &elsewhere } else { &right[(i + targets.len() / 2) % targets.len()] };
        pairs.push(PairViews { seed, kind: PairKind::WrongPlace, drawn: other.clone(), memory: warp.clone() });
    }
    for id in stage.landmarks.iter().take(OBJECTS) {
        let Some(gone) = stage.without(*id) else { continue };
        let visible = |warp: &Warp, pose: &Pose| {
            let truth = stage.truth(pose);
            let covered = truth.ids.iter().zip(&warp.valid).filter(|(of, valid)| *of == id && **valid).count();
            let share = share_of(&truth, *id);
            share >= LEAST_OBJECT && covered as f32 >= KNOWN_OBJECT * share * truth.ids.len() as f32
        };
        let chosen: Vec<usize> = (0..targets.len()).filter(|i| visible(&known[*i], &targets[*i])).collect();
        if chosen.is_empty() {
            continue;
        }
        let memory = remember(model, &gone, &around)?;
        for i in chosen {
            let drawn = draw(model, &recall(&memory, &gone, &targets[i]), &targets[i], &gone)?;
            pairs.push(PairViews { seed, kind: PairKind::ObjectRemoved, drawn, memory: known[i].clone() });
        }
    }
    let same = right.into_iter().zip(known);
    pairs.extend(same.map(|(drawn, memory)| PairViews { seed, kind: PairKind::Same, drawn, memory }));
    Ok(pairs)
}

/// Where memory has views, and where views are drawn and compared: all where one may stand.
fn poses(stage: &Stage) -> (Vec<Pose>, Vec<Pose>) {
    let at = |forward_m: f32, right_m: f32, turn_deg: f32| {
        stage.anchor.apply(&Move { forward_m, right_m, ..Move::default() }).apply(&Move::turn_deg(turn_deg))
    };
    let around = [at(0.5, 0.0, 15.0), at(0.5, 0.0, -15.0), at(0.0, 0.0, 30.0)];
    let targets = [
        at(0.25, 0.0, 7.5),
        at(0.25, 0.25, -7.5),
        at(0.0, -0.25, 7.5),
        at(0.5, -0.25, -20.0),
        at(0.75, 0.0, 5.0),
        at(-0.25, 0.0, -5.0),
        at(0.25, 0.25, 22.5),
        at(0.6, 0.2, 0.0),
        at(-0.25, 0.25, 15.0),
        at(0.25, -0.25, -12.0),
        at(0.4, 0.0, -22.5),
        at(0.75, -0.25, 10.0),
    ];
    let free = |pose: &&Pose| stage.scene.is_walkable(pose.position_m[0], pose.position_m[2]);
    (around.iter().filter(free).copied().collect(), targets.iter().filter(free).copied().collect())
}

/// The true start, and drawings around it.
fn remember(model: &mut dyn Imagine, stage: &Stage, around: &[Pose]) -> Result<Memory, LessonError> {
    let mut memory = Memory::new();
    let mut keep = |rgbd: Rgbd, pose: Pose, lineage: u32| {
        let (rgbd, codes, narration) = (Arc::new(rgbd), Vec::new(), String::new());
        memory.insert(View { rgbd, pose, codes, step: lineage, lineage, narration });
    };
    keep(stage.view(&stage.anchor), stage.anchor, 0);
    for pose in around {
        keep(draw(model, &own_sources(stage, pose), pose, stage)?.view, *pose, 1);
    }
    Ok(memory)
}

/// True views from beside a pose, warped there: what the model draws from it has no inventions but at the seams.
fn own_sources(stage: &Stage, pose: &Pose) -> Warp {
    let beside = [Move { forward_m: -0.3, ..Move::default() }, Move::turn_deg(12.0), Move::turn_deg(-12.0)];
    let sources: Vec<(Rgbd, Pose)> =
        beside.iter().map(|step| pose.apply(step)).map(|at| (stage.view(&at), at)).collect();
    let borrowed: Vec<(&Rgbd, &Pose)> = sources.iter().map(|(view, at)| (view, at)).collect();
    warp(&borrowed, &stage.camera, pose)
}

fn recall(memory: &Memory, stage: &Stage, pose: &Pose) -> Warp {
    memory.recall_by(Policy::Graph(8), &mut Warper::default(), &stage.camera, pose).warp
}

fn draw(model: &mut dyn Imagine, memory: &Warp, pose: &Pose, stage: &Stage) -> Result<Imagined, LessonError> {
    let options = Options::default();
    let request = ViewRequest {
        task: ViewTask::Explore,
        world: format!("{}.", stage.scene.caption()),
        prompt: super::tour::way(&stage.anchor, pose).command(),
        decoding: options.decoding_for(model.canvas_form(), memory.coverage()),
        picture: options.picture,
        guidance: None,
        seed: stage.seed,
        memory: Some(memory.clone()),
        shown: None,
    };
    Ok(model.imagine(&request, &Cancel::default())?)
}

fn mirrored(view: &Rgbd) -> Rgbd {
    let mut out = view.clone();
    let w = view.width;
    for i in 0..view.depth_m.len() {
        let from = i / w * w + (w - 1 - i % w);
        out.depth_m[i] = view.depth_m[from];
        out.rgb[3 * i..3 * i + 3].copy_from_slice(&view.rgb[3 * from..3 * from + 3]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_reject_what_they_should() {
        let pair = |seed: u64, kind: PairKind, worst: f32| Pair { seed, kind, worst };
        let mut pairs: Vec<Pair> = (0..200).map(|i| pair(0, PairKind::Same, i as f32 / 10.0)).collect();
        for kind in PairKind::WRONG {
            pairs.extend((0..10).map(|i| pair(0, kind, 15.0 + i as f32)));
        }
        // Of 200, the two largest (19.8 and 19.9) may go.
        assert_eq!(threshold_at(&pairs, 0.01), 19.7);
        let at = rates(&pairs, 19.7);
        assert_eq!((at.false_reject, at.false_accept), (0.01, 0.5));
        // Seed 2 is held out: it has no say in the threshold.
        let held_out: Vec<Pair> = pairs.iter().map(|p| Pair { seed: 2, worst: p.worst + 1.0, ..*p }).collect();
        let report = judge(&[pairs.clone(), held_out].concat());
        assert_eq!((report.threshold, report.dev.false_reject), (19.7, 0.01), "no gap");
        assert!((report.held_out.false_accept - 0.4).abs() < 1e-9);
        assert_eq!(report.by_kind.len(), 3);
        let apart: Vec<Pair> =
            pairs.iter().map(|p| Pair { worst: if p.kind == PairKind::Same { p.worst } else { 29.7 }, ..*p }).collect();
        assert_eq!(judge(&apart).threshold, (19.7 + 29.7) / 2.0, "the middle of the gap");
    }
}

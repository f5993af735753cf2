//! The walks: cycles of moves that come back to where they began, repeated for as long as is wanted, and the poses beside
//! them from which memory is probed.
//!
//! A walk of 400 steps is the cycle of the first forty again and again, so one walk tells the whole curve over 40, 100 and 400
//! steps. What is scored are **probes**: views from poses a quarter of a metre and 7.5 degrees off everything that is stored.
//! A probe is drawn right after its place was first seen, and again on every return, and taken back each time: no view from
//! there is ever in memory, so no stored picture can be handed back.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_memory::PlanMotion;
use rhea_scene::{Move, Pose};
use serde::{Deserialize, Serialize};

use super::stage::Stage;

/// Strides that are tried until a walk fits into its scene, metres; the first is the usual one.
const STRIDES_M: [f32; 5] = [0.5, 0.4, 0.3, 0.2, 0.1];
/// Usual turn, degrees.
const TURN_DEG: f32 = 15.0;
/// Longest cycle: with the last probe place it ends within 40 steps.
const LONGEST_CYCLE: usize = 38;
/// Probe places: so many steps after the start.
const PLACES: [usize; 2] = [0, 2];
/// Probes at each place.
const PROBES_A_PLACE: usize = 2;
/// How far a probe is off, metres and degrees.
const OFF_M: f32 = 0.25;
const OFF_DEG: f32 = 7.5;
/// A pose nearer than both of these to a stored one would be a stored view again.
const STORED_M: f32 = 0.1;
const STORED_DEG: f32 = 3.0;

/// The walks of the benchmark whose scenes do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkKind {
    /// Around on the spot in 24 turns.
    Spin,
    /// Ahead, around, back, around.
    OutAndBack,
    /// A square.
    Loop,
    /// Two circles of opposite hands.
    FigureEight,
    /// A triangle: from A to B to C to A.
    Abca,
    /// Moves at random, then each of them taken back.
    Mirror,
    /// Out and back, where the way back runs a quarter of a metre beside the way out, 7.5 degrees askew.
    OffLattice,
    /// Nothing happens.
    StandStill,
}

impl WalkKind {
    /// All, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Spin,
        Self::OutAndBack,
        Self::Loop,
        Self::FigureEight,
        Self::Abca,
        Self::Mirror,
        Self::OffLattice,
        Self::StandStill,
    ];

    /// A word for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::OutAndBack => "out and back",
            Self::Loop => "loop",
            Self::FigureEight => "figure eight",
            Self::Abca => "a-b-c-a",
            Self::Mirror => "mirror",
            Self::OffLattice => "off the lattice",
            Self::StandStill => "stand still",
        }
    }
}

/// A pose beside the walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Probe {
    /// Step of the first cycle that it stands beside.
    pub after: usize,
    /// Where it looks from.
    pub pose: Pose,
}

/// When a probe is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// After this step.
    pub step: usize,
    /// Number of the probe.
    pub probe: usize,
    /// Number of the horizon; `None` right after the place was first seen.
    pub horizon: Option<usize>,
}

/// A walk through one scene.
#[derive(Clone, Debug)]
pub(super) struct Tour {
    pub kind: WalkKind,
    /// The moves of one cycle.
    pub cycle: Vec<Move>,
    /// The poses of one cycle, the first and the last the anchor.
    pub poses: Vec<Pose>,
    pub probes: Vec<Probe>,
}

impl Tour {
    /// The walk through a scene, in the longest strides that it has room for. A scene without any room gets a spin's moves.
    pub fn new(kind: WalkKind, stage: &Stage) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(stage.seed ^ 0x0074_6f75_7200 ^ kind as u64);
        let fitting = STRIDES_M.iter().find_map(|stride| {
            let free = |cycle: Vec<Move>| poses(stage, &cycle).map(|poses| (cycle, poses));
            if kind == WalkKind::Mirror {
                return Some(mirrored(stage, *stride, &mut rng)).and_then(free);
            }
            cycles(kind, *stride).into_iter().find_map(free)
        });
        let (cycle, poses) = fitting.unwrap_or_else(|| (vec![Move::default()], vec![stage.anchor; 2]));
        let mut tour = Self { kind, cycle, poses, probes: Vec::new() };
        tour.probes = PLACES.iter().flat_map(|after| tour.beside(*after, stage)).collect();
        tour
    }

    /// The move of a step, counted from 1.
    pub fn step(&self, step: usize) -> Move {
        self.cycle[(step + self.cycle.len() - 1) % self.cycle.len()]
    }

    /// The pose after a step.
    pub fn pose(&self, step: usize) -> Pose {
        self.poses[step % self.cycle.len()]
    }

    /// When the probes are drawn, in order: first after their places were seen, then on the last return within each horizon.
    pub fn dues(&self, horizons: &[usize]) -> Vec<Due> {
        let mut dues = Vec::new();
        for (probe, Probe { after, .. }) in self.probes.iter().enumerate() {
            // A walk that stands still has no places after the first, but it has steps.
            dues.push(Due { step: *after, probe, horizon: None });
            for (number, horizon) in horizons.iter().enumerate() {
                let cycles = horizon.saturating_sub(*after) / self.cycle.len();
                if cycles > 0 {
                    dues.push(Due { step: after + cycles * self.cycle.len(), probe, horizon: Some(number) });
                }
            }
        }
        dues.sort_by_key(|due| (due.step, due.probe, due.horizon));
        dues
    }

    /// Poses off the walk beside one of its steps.
    fn beside(&self, after: usize, stage: &Stage) -> Vec<Probe> {
        let from = self.pose(after);
        let sides = [(OFF_M, 0.0, OFF_DEG), (0.0, OFF_M, -OFF_DEG), (0.0, -OFF_M, OFF_DEG), (-OFF_M, 0.0, -OFF_DEG)];
        let shifted = sides.iter().map(|(forward_m, right_m, turn_deg)| {
            let turned = Move::turn_deg(*turn_deg);
            // The shift is along the axes of the lattice pose, so turn last.
            from.apply(&Move { forward_m: *forward_m, right_m: *right_m, ..Move::default() }).apply(&turned)
        });
        let fresh = |pose: &Pose| {
            let stored = self.poses.iter().any(|other| is_same(other, pose, STORED_M, STORED_DEG));
            !stored && stage.scene.is_walkable(pose.position_m[0], pose.position_m[2])
        };
        shifted.filter(fresh).take(PROBES_A_PLACE).map(|pose| Probe { after, pose }).collect()
    }
}

/// Are two poses nearer to each other than a distance and an angle?
pub(super) fn is_same(a: &Pose, b: &Pose, within_m: f32, within_deg: f32) -> bool {
    let between = PlanMotion::between(a, b);
    between.ahead_m.hypot(between.right_m) < within_m && between.turn_rad.abs().to_degrees() < within_deg
}

/// The move that leads from one pose to another.
pub(super) fn way(from: &Pose, to: &Pose) -> Move {
    let turn_rad = PlanMotion::between(from, to).turn_rad;
    let way = PlanMotion::between(&Pose { yaw_rad: to.yaw_rad, ..*from }, to);
    Move { forward_m: way.ahead_m, right_m: way.right_m, turn_rad, look_rad: to.pitch_rad - from.pitch_rad }
}

/// The poses of a cycle where all its ways are free.
fn poses(stage: &Stage, cycle: &[Move]) -> Option<Vec<Pose>> {
    let mut poses = vec![stage.anchor];
    let mut at = stage.anchor;
    for step in cycle {
        let next = at.apply(step);
        if stage.scene.clip(&at, &next).1 {
            return None;
        }
        at = next;
        poses.push(at);
    }
    Some(poses)
}

/// Cycles of a kind in a stride, the widest first, both hands.
fn cycles(kind: WalkKind, stride_m: f32) -> Vec<Vec<Move>> {
    let ahead = |count: usize| vec![Move::forward(stride_m); count];
    let turns = |degrees: f32| {
        let count = (degrees.abs() / TURN_DEG).round() as usize;
        vec![Move::turn_deg(TURN_DEG * degrees.signum()); count]
    };
    let corners = |sides: usize, count: usize, degrees: f32| -> Vec<Move> {
        (0..sides).flat_map(|_| [ahead(count), turns(degrees)].concat()).collect()
    };
    let both = |of: &dyn Fn(f32) -> Vec<Move>| vec![of(1.0), of(-1.0)];
    let all: Vec<Vec<Move>> = match kind {
        WalkKind::Spin => both(&|hand| turns(hand * 360.0)),
        WalkKind::OutAndBack => (3..=7).rev().flat_map(|n| both(&|hand| corners(2, n, hand * 180.0))).collect(),
        WalkKind::Loop => (2..=3).rev().flat_map(|n| both(&|hand| corners(4, n, hand * 90.0))).collect(),
        WalkKind::Abca => (2..=4).rev().flat_map(|n| both(&|hand| corners(3, n, hand * 120.0))).collect(),
        WalkKind::FigureEight => both(&|hand| {
            let circle = |hand: f32| vec![Move { forward_m: stride_m, ..Move::turn_deg(hand * 20.0) }; 18];
            [circle(hand), circle(-hand)].concat()
        }),
        WalkKind::OffLattice => (3..=6).rev().flat_map(|n| both(&|hand| beside_and_back(n, stride_m, hand))).collect(),
        WalkKind::StandStill => vec![vec![Move::default()]],
        WalkKind::Mirror => Vec::new(),
    };
    all.into_iter().filter(|cycle| cycle.len() <= LONGEST_CYCLE).collect()
}

/// Out and back along another line.
fn beside_and_back(count: usize, stride_m: f32, hand: f32) -> Vec<Move> {
    let half_turn = vec![Move::turn_deg(hand * TURN_DEG); 12];
    let askew = (hand * OFF_DEG).to_radians();
    let aside = Move { right_m: hand * OFF_M, ..Move::default() };
    // Turned by `askew`, the old direction ahead is that much to the right.
    let along = Move { forward_m: stride_m * askew.cos(), right_m: stride_m * askew.sin(), ..Move::default() };
    let out = vec![Move::forward(stride_m); count];
    let first = Move { turn_rad: askew, ..along };
    let back = [vec![aside, first], vec![along; count - 1]].concat();
    // Undoes the turn and the shift: after the turn back, the shift is to the same side again.
    let home = Move { turn_rad: -askew, right_m: -hand * OFF_M, ..Move::default() };
    [out, half_turn.clone(), back, vec![home], half_turn].concat()
}

/// Random moves with free ways, then the same backwards.
fn mirrored(stage: &Stage, stride_m: f32, rng: &mut ChaCha8Rng) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    let mut at = stage.anchor;
    while moves.len() < LONGEST_CYCLE / 2 {
        let hand = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let step = match rng.random_range(0..6) {
            0..3 => Move::forward(stride_m),
            3 => Move { right_m: hand * stride_m, ..Move::default() },
            _ => Move::turn_deg(hand * TURN_DEG),
        };
        let next = at.apply(&step);
        if !stage.scene.clip(&at, &next).1 {
            at = next;
            moves.push(step);
        }
    }
    let back =
        |step: &Move| Move { forward_m: -step.forward_m, right_m: -step.right_m, turn_rad: -step.turn_rad, ..*step };
    let undone: Vec<Move> = moves.iter().rev().map(back).collect();
    [moves, undone].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::stage::RETURN_SEEDS;
    use super::*;

    #[test]
    fn every_walk_comes_back_and_no_probe_is_stored() {
        for seed in RETURN_SEEDS.take(3) {
            let stage = Stage::new(seed, 32).unwrap();
            for kind in WalkKind::ALL {
                let tour = Tour::new(kind, &stage);
                let end = tour.poses.last().unwrap();
                assert!(is_same(end, &stage.anchor, 1e-3, 0.05), "{kind:?} in {seed}: {end:?}");
                assert!(tour.cycle.len() <= LONGEST_CYCLE && tour.probes.len() >= 2, "{kind:?} in {seed}");
                assert!(kind == WalkKind::StandStill || tour.cycle.len() > 4, "{kind:?} in {seed} has no room");
                for due in tour.dues(&[40, 100, 400]) {
                    let Probe { after, pose } = tour.probes[due.probe];
                    assert!(due.step <= [40, 100, 400][due.horizon.unwrap_or(0)]);
                    assert!(is_same(&tour.pose(due.step), &tour.pose(after), 1e-3, 0.05));
                    assert!((0..400).all(|step| !is_same(&tour.pose(step), &pose, STORED_M, STORED_DEG)));
                }
                for number in 0..3 {
                    let due = tour.dues(&[40, 100, 400]);
                    assert_eq!(due.iter().filter(|d| d.horizon == Some(number)).count(), tour.probes.len());
                }
            }
        }
    }

    #[test]
    fn a_way_leads_to_its_probe() {
        let stage = Stage::new(RETURN_SEEDS.start, 32).unwrap();
        let tour = Tour::new(WalkKind::Loop, &stage);
        for probe in &tour.probes {
            let from = tour.pose(probe.after);
            assert!(is_same(&from.apply(&way(&from, &probe.pose)), &probe.pose, 1e-4, 0.01));
        }
    }
}

//! The figures of the benchmark, and how they are gathered over probes, walks and scenes.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::method::Method;
use super::tour::WalkKind;
use super::{Extras, Returns, WalkCost};

/// Resamplings of an interval.
const RESAMPLINGS: usize = 2000;
/// What lies outside of a 95 % interval on each side.
const TAIL: f64 = 0.025;

/// One walk by one method, at one horizon, with the gate applied: what a walk that fails it is worth.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WalkRow {
    /// The method.
    pub method: Method,
    /// The scene.
    pub seed: u64,
    /// Is the scene one of those that nothing was chosen on?
    pub held_out: bool,
    /// The walk.
    pub walk: WalkKind,
    /// Steps.
    pub horizon: usize,
    /// Did the pictures move as they were told?
    pub gate: bool,
    /// Change from view to view where the start has shown it, along the first steps, as a share of the truth's; not a number for a
    /// walk that stands still.
    pub change: f64,
    /// What the start has shown, at first sight, dB.
    pub first_psnr: f64,
    /// The same on return; 0 without the gate.
    pub seen_psnr: f64,
    /// The difference; without the gate all is lost.
    pub memory_loss_db: f64,
    /// What the start has not shown, on return, dB; 0 without the gate.
    pub novel_psnr: f64,
    /// Structural similarity where the start has shown it; 0 without the gate.
    pub seen_ssim: f64,
    /// Gradient magnitude similarity deviation of the whole picture.
    pub gmsd: f64,
    /// Landmarks that should be in the pictures.
    pub landmarks: usize,
    /// Those that are; none without the gate.
    pub found: usize,
    /// Mean difference between the first picture and that on return, where the start has shown it, levels of 255.
    pub reprojection: f64,
    /// Share of pixels that are the same; 0 without the gate.
    pub inliers: f64,
    /// How far the pictures are turned, degrees, by their best match among true views 2.5 to 5 degrees apart.
    pub rot_err_deg: f64,
    /// How far they are shifted, metres, in steps of a quarter.
    pub trans_err_m: f64,
    /// Share of the pictures that look more like another place.
    pub aliased: f64,
}

/// A method at a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HorizonFigures {
    /// First-visit score minus revisit score, same pose, dB.
    pub memory_loss_db: f64,
    /// What the start has shown, on return, dB.
    pub seen_psnr: f64,
    /// Its 95 % bootstrap interval over scenes.
    pub seen_ci: [f64; 2],
    /// What the start has not shown, dB.
    pub novel_psnr: f64,
    /// Share of planted landmarks that are found.
    pub landmark_recall: f64,
    /// Share of walks that pass the motion gate.
    pub gate: f64,
}

/// Figures by method and horizon, under the names of their file.
pub type MethodFigures = BTreeMap<&'static str, BTreeMap<String, HorizonFigures>>;

/// The file of the benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct ReturnFigures {
    /// What no system with this tokenizer's pictures gets above.
    pub ceiling: Ceiling,
    /// Every method at every horizon.
    pub methods: MethodFigures,
    /// How well wrong views are told from right ones.
    pub verifier: Option<VerifierFigures>,
    /// What pinning saves on turns.
    pub pinning: Option<TokenRatio>,
    /// What memory takes.
    pub cost: CostFigures,
    /// Words.
    pub narration: Option<NarrationRates>,
    /// Self-made memory beside true codes.
    pub ghosting: Option<GhostingCost>,
    /// Edits.
    pub edit: Option<Restored>,
}

/// The tokenizer round trip.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    /// Where the start has shown it, dB.
    pub psnr: f64,
}

/// Rates of the verifier on held-out scenes, at the threshold of the others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct VerifierFigures {
    /// Share of wrong views that are accepted, each kind weighing the same.
    pub false_accept: f64,
    /// Share of right views that are rejected.
    pub false_reject: f64,
}

/// Tokens decoded without pinning for each one with it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TokenRatio {
    /// 2.5 is two and a half times fewer.
    pub token_ratio: f64,
}

/// What memory takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CostFigures {
    /// Recall from ten thousand views, milliseconds.
    pub recall_ms_10k: f64,
    /// A step after 20, milliseconds.
    pub step_ms_20: f64,
    /// A step after 400, milliseconds.
    pub step_ms_400: f64,
    /// Size of a world's file.
    pub bytes_per_step: f64,
}

/// Words against truth.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NarrationRates {
    /// Share of named objects that are in view or in memory.
    pub named: f64,
    /// Share of directions that are right.
    pub direction: f64,
}

/// What memory costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GhostingCost {
    /// Mean over 40 steps, dB; negative where memory helps.
    pub cost_db: f64,
}

/// What became of edits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Restored {
    /// Edits after which the old view came back.
    pub restored: usize,
}

impl ReturnFigures {
    /// The figures of some walks, and of what was measured besides them.
    #[must_use]
    pub fn of(told: &Returns, extras: Option<&Extras>) -> Self {
        let ceiling: Vec<f64> = told.ceiling.iter().map(|(_, db)| *db).collect();
        let cost = |of: fn(&WalkCost) -> f64| mean_of(&told.costs.iter().map(of).collect::<Vec<_>>());
        Self {
            ceiling: Ceiling { psnr: mean_of(&ceiling) },
            methods: gather(&told.rows),
            verifier: extras.map(|e| VerifierFigures {
                false_accept: e.verifier.held_out.false_accept,
                false_reject: e.verifier.held_out.false_reject,
            }),
            pinning: extras.map(|e| TokenRatio { token_ratio: e.pinning.token_ratio() }),
            cost: CostFigures {
                recall_ms_10k: extras.map_or(f64::NAN, |e| e.recall_ms_10k),
                step_ms_20: cost(|c| c.step_ms_20),
                step_ms_400: cost(|c| c.step_ms_400),
                bytes_per_step: cost(|c| c.bytes_per_step),
            },
            narration: extras
                .map(|e| NarrationRates { named: e.narration.named_share(), direction: e.narration.direction_share() }),
            ghosting: extras.map(|e| GhostingCost { cost_db: e.ghosting.cost_db() }),
            edit: extras.map(|e| Restored { restored: e.edit.restored }),
        }
    }
}

/// Gathers rows; scenes weigh equally.
#[must_use]
pub fn gather(rows: &[WalkRow]) -> MethodFigures {
    let mut figures = MethodFigures::new();
    for row in rows {
        let of_method = figures.entry(row.method.name()).or_default();
        let horizon = row.horizon;
        of_method
            .entry(horizon.to_string())
            .or_insert_with(|| horizon_figures(rows.iter().filter(|r| r.method == row.method && r.horizon == horizon)));
    }
    figures
}

/// The figures of some rows.
#[must_use]
pub fn horizon_figures<'a>(rows: impl Iterator<Item = &'a WalkRow> + Clone) -> HorizonFigures {
    let mean = |of: &dyn Fn(&WalkRow) -> f64| mean_of(&by_scene(rows.clone(), of));
    let seen = by_scene(rows.clone(), &|row| row.seen_psnr);
    HorizonFigures {
        memory_loss_db: mean(&|row| row.memory_loss_db),
        seen_psnr: mean_of(&seen),
        seen_ci: interval(&seen),
        novel_psnr: mean(&|row| row.novel_psnr),
        landmark_recall: mean(&|row| row.found as f64 / row.landmarks as f64),
        gate: mean(&|row| f64::from(u8::from(row.gate))),
    }
}

/// The mean of a value for every scene that has one, in the order of seeds.
pub fn by_scene<'a>(rows: impl Iterator<Item = &'a WalkRow>, of: &dyn Fn(&WalkRow) -> f64) -> Vec<f64> {
    let mut scenes: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for row in rows {
        scenes.entry(row.seed).or_default().push(of(row));
    }
    scenes.values().map(|values| mean_of(values)).filter(|v| !v.is_nan()).collect()
}

/// The mean of what could be measured; NaN when nothing could. Infinite scores (equal pictures) count as 60 dB.
#[must_use]
pub fn mean_of(values: &[f64]) -> f64 {
    let measured = values.iter().filter(|value| !value.is_nan());
    let (sum, count) = measured
        .fold((0.0, 0_usize), |(sum, count), value| (sum + if value.is_infinite() { 60.0 } else { *value }, count + 1));
    sum / count as f64
}

/// The 95 % bootstrap interval of the mean of scenes; not numbers without scenes.
#[must_use]
pub fn interval(scenes: &[f64]) -> [f64; 2] {
    if scenes.is_empty() {
        return [f64::NAN; 2];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0x626f_6f74);
    let mut means: Vec<f64> = (0..RESAMPLINGS)
        .map(|_| {
            let sum: f64 = (0..scenes.len()).map(|_| scenes[rng.random_range(0..scenes.len())]).sum();
            sum / scenes.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((share * RESAMPLINGS as f64) as usize).min(RESAMPLINGS - 1)];
    [at(TAIL), at(1.0 - TAIL)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_is_as_wide_as_theory_says() {
        let scenes: Vec<f64> = (0..40).map(|i| f64::from(i % 10)).collect();
        let [low, high] = interval(&scenes);
        // 1.96 standard errors: the deviation of 0..9 is 2.87, divided by the root of 40.
        let half = 1.96 * 2.8723 / f64::sqrt(40.0);
        assert!((4.5 - half - low).abs() < 0.1 && (4.5 + half - high).abs() < 0.1, "{low} {high}");
        assert!(interval(&[]).iter().all(|v| v.is_nan()));
        assert_eq!(interval(&[3.0]), [3.0, 3.0]);
    }

    #[test]
    fn a_mean_leaves_out_what_was_not_measured_and_cuts_infinity_alone() {
        assert_eq!(mean_of(&[f64::NAN, f64::INFINITY, 40_000.0]), 20_030.0);
        assert!(mean_of(&[f64::NAN]).is_nan());
    }

    #[test]
    fn scenes_weigh_equally_and_nothing_is_left_out() {
        let row = |seed: u64, seen_psnr: f64| WalkRow {
            method: Method::Ours,
            seed,
            held_out: false,
            walk: WalkKind::Spin,
            horizon: 40,
            gate: true,
            change: 1.0,
            first_psnr: 30.0,
            seen_psnr,
            memory_loss_db: 30.0 - seen_psnr,
            novel_psnr: f64::NAN,
            seen_ssim: 0.9,
            gmsd: 0.1,
            landmarks: usize::from(seed == 1) * 2,
            found: usize::from(seed == 1),
            reprojection: 0.0,
            inliers: 1.0,
            rot_err_deg: 0.0,
            trans_err_m: 0.0,
            aliased: 0.0,
        };
        let figures = gather(&[row(1, 20.0), row(1, 22.0), row(2, 30.0)]);
        let ours = figures["ours"]["40"];
        assert_eq!((ours.seen_psnr, ours.landmark_recall, ours.gate), (25.5, 0.5, 1.0));
        assert_eq!((ours.memory_loss_db, ours.seen_ci), (4.5, [21.0, 30.0]));
        assert!(ours.novel_psnr.is_nan());
    }
}

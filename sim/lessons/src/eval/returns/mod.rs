//! The benchmark of returns: does a place look the same when the walker comes back to it, after 40, 100 and 400 steps?
//!
//! A walker is given one true view and a list of moves, nothing else. What the start has shown is **seen**: of it the truth is
//! known, so it can be scored at any time, at first sight and on every return. The rest is **novel**. Scores are taken at
//! probes beside the walk (see `tour.rs`), which no method has stored. Every method walks the same ways with the same model.
//!
//! A walk whose pictures do not move as they were told scores 0, for standing still is no memory: along the first steps, what the
//! start has shown must change from view to view by 0.8 of the truth's change, and headings at first sight must be less than 5
//! degrees off.

mod extras;
mod figures;
mod frames;
mod ghosting;
mod method;
mod score;
mod stage;
mod tour;
mod truth;
mod verifier;
mod walker;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rhea_engine::Imagine;
use rhea_picture::{Rgbd, Sheet, psnr};
use serde::Serialize;

pub use extras::{EditFigures, ExtraOptions, Extras, PinningFigures, evaluate_extras};
pub use figures::{
    Ceiling, HorizonFigures, MethodFigures, ReturnFigures, WalkRow, by_scene, gather, horizon_figures, interval,
    mean_of,
};
pub use frames::{score_frames, write_plan};
pub use ghosting::GhostingFigures;
pub use method::Method;
pub use stage::{RETURN_SEEDS, is_held_out};
pub use tour::WalkKind;
pub use verifier::{Pair, PairKind, PairViews, RocPoint, VerifierReport, judge, pairs_of};

use self::score::{change, is_aliased, reprojection, score};
use self::stage::Stage;
use self::tour::{Due, Tour, is_same};
use self::truth::{ProbeTruth, shown_by};
use self::walker::{Course, Walked};
use super::figures::Mean;
use crate::LessonError;
use crate::frames::TRAINING_SEEDS;

/// Steps after which returns are scored.
pub const HORIZONS: [usize; 3] = [40, 100, 400];
/// Least change from view to view, as a share of the truth's.
const LEAST_CHANGE: f64 = 0.8;
/// Steps at the beginning over which change is measured: as long as most walks still see what the start has shown.
const FIRST_STEPS: usize = 6;
/// Headings may be off by less than this at first sight, degrees.
const MOST_ROT_ERR_DEG: f64 = 5.0;
/// Other places that a picture is compared with.
const OTHER_PLACES: usize = 8;
/// They are at least this far away, metres, or turned by this much, degrees.
const OTHER_M: f32 = 1.0;
const OTHER_DEG: f32 = 45.0;

/// One walk of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outing {
    /// The scene.
    pub seed: u64,
    /// The walk.
    pub walk: WalkKind,
    /// How many of [`HORIZONS`] it goes through.
    pub horizons: usize,
}

/// What is measured.
pub struct ReturnOptions {
    /// The walks, those of one scene next to each other.
    pub outings: Vec<Outing>,
    /// The methods. Ours first and the one without memory before the lookup: others are told from them.
    pub methods: Vec<Method>,
    /// Collects pictures, five a row: truth, and a method at first sight and at each return.
    pub sheet: Option<Sheet>,
}

/// What the walks told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Returns {
    /// True probes through the vision tokenizer, where the start has shown them, dB: seed and value of every walk.
    pub ceiling: Vec<(u64, f64)>,
    /// All walks.
    pub rows: Vec<WalkRow>,
    /// Times and sizes of our walks through all horizons.
    pub costs: Vec<WalkCost>,
    /// Our walks in which a view took more than one drawing.
    pub redrawn: usize,
    /// Our views that were repaired, replaced or doubted.
    pub mended: usize,
}

/// What a walk of ours took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WalkCost {
    /// The walk.
    pub walk: WalkKind,
    /// Median time of steps 15 to 25, milliseconds.
    pub step_ms_20: f64,
    /// Median time of steps 390 to 400, milliseconds; not a number for a shorter walk.
    pub step_ms_400: f64,
    /// Slowest twentieth of all steps, milliseconds.
    pub step_ms_p95: f64,
    /// Passes of the transformer a view.
    pub mean_passes: f64,
    /// Size of the world's file, bytes a view.
    pub bytes_per_step: f64,
}

/// Views that a set of walks draws at most, for a progress bar.
#[must_use]
pub fn views_of(outings: &[Outing], methods: &[Method]) -> u64 {
    let drawing = methods.iter().filter(|m| m.options(&method::usual()).is_some()).count() as u64;
    let steps = |o: &Outing| HORIZONS[..o.horizons].last().copied().unwrap_or(0) as u64 + 4 * (o.horizons as u64 + 1);
    outings.iter().map(|outing| steps(outing) * drawing).sum()
}

/// Walks and scores, each model on threads of its own with its share of the machine; `on_view` hears how many views are drawn and
/// what is being walked. What comes out does not depend on the number of models.
///
/// # Errors
/// When seeds are training seeds, or a model fails.
pub fn evaluate_returns(
    models: &mut [Box<dyn Imagine>],
    options: &mut ReturnOptions,
    on_view: &(dyn Fn(u64, &str) + Sync),
) -> Result<Returns, LessonError> {
    if let Some(Outing { seed, .. }) = options.outings.iter().find(|outing| outing.seed < TRAINING_SEEDS.end) {
        return Err(LessonError::Seeds { first: *seed, last: *seed, allowed: TRAINING_SEEDS.end..u64::MAX });
    }
    let (outings, methods) = (&options.outings, &options.methods);
    let views = AtomicU64::new(0);
    let told = spread(models, outings.len(), &|model, index| {
        let mut on_one = |label: &str| on_view(views.fetch_add(1, Ordering::Relaxed) + 1, label);
        go_out(model, &outings[index], methods, &mut on_one)
    })?;
    let mut all = Returns::default();
    for Told { returns: Returns { ceiling, rows, costs, redrawn, mended }, pictures } in told {
        all.ceiling.extend(ceiling);
        all.rows.extend(rows);
        all.costs.extend(costs);
        all.redrawn += redrawn;
        all.mended += mended;
        if let Some(sheet) = &mut options.sheet {
            pictures.into_iter().for_each(|(view, label)| sheet.add_view(&view, label));
        }
    }
    Ok(all)
}

/// Does `count` pieces of work with models side by side; what comes out is in the order of the pieces, whatever their number.
fn spread<T: Send>(
    models: &mut [Box<dyn Imagine>],
    count: usize,
    work: &(dyn Fn(&mut dyn Imagine, usize) -> Result<T, LessonError> + Sync),
) -> Result<Vec<T>, LessonError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T, LessonError>)>> = Mutex::default();
    let threads = (rayon::current_num_threads() / models.len().max(1)).max(1);
    let take = |model: &mut dyn Imagine| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let outcome = work(model, index);
            if outcome.is_err() {
                next.store(count, Ordering::Relaxed);
            }
            if let Ok(mut done) = done.lock() {
                done.push((index, outcome));
            }
        }
    };
    std::thread::scope(|scope| {
        for model in models {
            let take = &take;
            scope.spawn(move || match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                Ok(pool) => pool.install(|| take(model.as_mut())),
                Err(_) => take(model.as_mut()),
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What one outing told.
struct Told {
    returns: Returns,
    /// For a contact sheet, in rows.
    pictures: Vec<(Arc<Rgbd>, String)>,
}

/// One walk by all methods; `on_view` hears of every view.
fn go_out(
    model: &mut dyn Imagine,
    outing: &Outing,
    methods: &[Method],
    on_view: &mut dyn FnMut(&str),
) -> Result<Told, LessonError> {
    let Outing { seed, walk, horizons } = *outing;
    let (mut told, mut pictures) = (Returns::default(), Vec::new());
    let Some(stage) = Stage::new(seed, model.side_px()) else { return Ok(Told { returns: told, pictures }) };
    let tour = Tour::new(walk, &stage);
    let ground = Ground::new(&stage, &tour, &HORIZONS[..horizons.min(HORIZONS.len())]);
    told.ceiling.push((seed, ground.ceiling(model)?));
    let (mut ours, mut without_memory): (Option<Walked>, Option<Walked>) = (None, None);
    for method in methods {
        let label = format!("scene {seed}, {}, {}", walk.name(), method.name());
        let mut on_one = || on_view(&label);
        let walked = match (method, method.options(&method::usual())) {
            // As long as every first drawing is accepted, the three walks are the same to the bit.
            (Method::OursNoVerify | Method::OursNoRepair, _) if ours.as_ref().is_some_and(|w| !w.redrawn) => None,
            (_, Some(settings)) => Some(walker::draw(model, &ground.course(), settings, &mut on_one)?),
            (Method::ExactLookup, _) => {
                without_memory.as_ref().map(|drawn| walker::exact_lookup(&ground.course(), drawn))
            }
            _ => ground.undrawn(*method),
        };
        let shown = walked.as_ref().or(ours.as_ref().filter(|_| method.is_ours()));
        let Some(shown) = shown else { continue };
        told.rows.extend(ground.rows(*method, shown));
        pictures.extend(ground.pictures(*method, shown));
        match method {
            Method::Ours => {
                told.redrawn += usize::from(shown.redrawn);
                told.mended += shown.mended;
                told.costs.extend(cost(walk, shown)?);
                ours = walked;
            }
            Method::None => without_memory = walked,
            _ => {}
        }
    }
    Ok(Told { returns: told, pictures })
}

/// Times and sizes of a walk; none of one that is too short to tell.
fn cost(walk: WalkKind, walked: &Walked) -> Result<Option<WalkCost>, LessonError> {
    let Some(world) = walked.world.as_ref().filter(|_| walked.step_secs.len() >= HORIZONS[0]) else { return Ok(None) };
    let bytes = world.to_bytes().map_err(|e| LessonError::Text(e.to_string()))?.len();
    let median = |range: std::ops::RangeInclusive<usize>| {
        let mut some: Vec<f64> = walked.step_secs.get(range.start() - 1..*range.end()).unwrap_or_default().to_vec();
        some.sort_by(f64::total_cmp);
        some.get(some.len() / 2).map_or(f64::NAN, |secs| secs * 1000.0)
    };
    let mut all = walked.step_secs.clone();
    all.sort_by(f64::total_cmp);
    Ok(Some(WalkCost {
        walk,
        step_ms_20: median(15..=25),
        step_ms_400: median(390..=400),
        step_ms_p95: all.get(all.len() * 19 / 20).map_or(f64::NAN, |secs| secs * 1000.0),
        mean_passes: walked.mean_passes,
        bytes_per_step: bytes as f64 / world.memory.len().max(1) as f64,
    }))
}

/// A tour with its truth.
struct Ground<'a> {
    stage: &'a Stage,
    tour: &'a Tour,
    horizons: &'a [usize],
    dues: Vec<Due>,
    /// The true views of one cycle.
    frames: Vec<Arc<Rgbd>>,
    /// Which of each of them the start has shown.
    shown: Vec<Vec<bool>>,
    probes: Vec<ProbeTruth>,
}

impl<'a> Ground<'a> {
    fn new(stage: &'a Stage, tour: &'a Tour, horizons: &'a [usize]) -> Self {
        let frames: Vec<Arc<Rgbd>> = (0..tour.cycle.len()).map(|step| Arc::new(stage.view(&tour.pose(step)))).collect();
        let start = stage.view(&stage.anchor);
        let shown = (0..frames.len()).map(|step| shown_by(stage, &start, &frames[step], &tour.pose(step))).collect();
        let probes = tour.probes.iter().map(|probe| ProbeTruth::new(stage, &start, &probe.pose)).collect();
        Self { stage, tour, horizons, dues: tour.dues(horizons), frames, shown, probes }
    }

    fn course(&self) -> Course<'_> {
        let steps = self.horizons.last().copied().unwrap_or(0);
        Course { stage: self.stage, tour: self.tour, dues: &self.dues, steps, truth: &self.frames }
    }

    /// What bounds and cheats show that draw nothing.
    fn undrawn(&self, method: Method) -> Option<Walked> {
        let course = self.course();
        match method {
            Method::OracleWarp => Some(walker::oracle_warp(&course)),
            Method::Frozen => Some(walker::frozen(&course)),
            Method::MeanImage => Some(walker::mean_image(&course)),
            _ => None,
        }
    }

    /// The probes through the vision tokenizer, where the start has shown them, dB.
    fn ceiling(&self, model: &mut dyn Imagine) -> Result<f64, LessonError> {
        let mut mean = Mean::default();
        for probe in &self.probes {
            let coded = model.round_trip(&probe.view, None)?.view;
            mean.add(psnr(&coded, &probe.view, Some(&probe.seen)).unwrap_or(f64::NAN));
        }
        Ok(mean.get())
    }

    /// Scores a walk at every horizon.
    fn rows(&self, method: Method, walked: &Walked) -> Vec<WalkRow> {
        let firsts: Vec<_> = walked
            .shots
            .iter()
            .filter(|shot| shot.due.horizon.is_none())
            .map(|shot| (shot, score(&shot.view, &self.probes[shot.due.probe])))
            .collect();
        let rot_at_first = mean_of(&firsts.iter().map(|(_, score)| score.rot_err_deg).collect::<Vec<_>>());
        let change = self.change(walked);
        let row = |(number, horizon): (usize, &usize)| {
            // Whoever stands still as told has passed; a heading that cannot be told is not held against him.
            let gate = !(change < LEAST_CHANGE || rot_at_first >= MOST_ROT_ERR_DEG);
            let passed = |value: f64| if gate { value } else { 0.0 };
            let [mut first, mut seen, mut loss, mut novel, mut ssim] = [Mean::default(); 5];
            let [mut gmsd, mut apart, mut same, mut rot, mut trans, mut aliased] = [Mean::default(); 6];
            let (mut landmarks, mut found) = (0, 0);
            for shot in walked.shots.iter().filter(|shot| shot.due.horizon == Some(number)) {
                let probe = &self.probes[shot.due.probe];
                let now = score(&shot.view, probe);
                let before = firsts.iter().find(|(other, _)| other.due.probe == shot.due.probe);
                if let Some((other, before)) = before {
                    first.add(before.seen_psnr);
                    loss.add(before.seen_psnr - passed(now.seen_psnr));
                    let (levels, inliers) = reprojection(&other.view, &shot.view, &probe.seen);
                    apart.add(levels);
                    same.add(passed(inliers));
                }
                seen.add(passed(now.seen_psnr));
                novel.add(passed(now.novel_psnr));
                ssim.add(passed(now.seen_ssim));
                gmsd.add(now.gmsd);
                rot.add(now.rot_err_deg);
                trans.add(now.trans_err_m);
                let others = self.other_places(shot.due.probe);
                aliased.add(f64::from(u8::from(is_aliased(&shot.view, &probe.view, &others))));
                landmarks += now.landmarks;
                found += if gate { now.found } else { 0 };
            }
            WalkRow {
                method,
                seed: self.stage.seed,
                held_out: is_held_out(self.stage.seed),
                walk: self.tour.kind,
                horizon: *horizon,
                gate,
                change,
                first_psnr: first.get(),
                seen_psnr: seen.get(),
                memory_loss_db: loss.get(),
                novel_psnr: novel.get(),
                seen_ssim: ssim.get(),
                gmsd: gmsd.get(),
                landmarks,
                found,
                reprojection: apart.get(),
                inliers: same.get(),
                rot_err_deg: rot.get(),
                trans_err_m: trans.get(),
                aliased: aliased.get(),
            }
        };
        self.horizons.iter().enumerate().map(row).collect()
    }

    /// Change from view to view along the first steps, where the start has shown what is there, as a share of the truth's; not a
    /// number when nothing should change. What nobody knows is left out: it may be plainer or richer than the truth.
    fn change(&self, walked: &Walked) -> f64 {
        let (mut drawn, mut truth) = (0, 0);
        for (step, pair) in walked.frames.windows(2).take(FIRST_STEPS).enumerate() {
            let (before, after) = (step % self.frames.len(), (step + 1) % self.frames.len());
            drawn += change(&pair[0], &pair[1], &self.shown[after]);
            truth += change(&self.frames[before], &self.frames[after], &self.shown[after]);
        }
        drawn as f64 / truth as f64
    }

    /// Some true views of the walk from elsewhere than a probe.
    fn other_places(&self, probe: usize) -> Vec<&Rgbd> {
        let pose = &self.tour.probes[probe].pose;
        let elsewhere = |step: &usize| {
            let other = self.tour.pose(*step);
            !is_same(&other, pose, OTHER_M, 360.0) || !is_same(&other, pose, f32::INFINITY, OTHER_DEG)
        };
        let all: Vec<usize> = (0..self.frames.len()).filter(elsewhere).collect();
        all.iter().step_by(all.len().div_ceil(OTHER_PLACES).max(1)).map(|step| &*self.frames[*step]).collect()
    }

    /// The first probe: its truth, then a method's picture at first sight and at each horizon.
    fn pictures(&self, method: Method, walked: &Walked) -> Vec<(Arc<Rgbd>, String)> {
        let Some(first) = self.probes.first() else { return Vec::new() };
        let truth = Arc::new(first.view.clone());
        let mut row = vec![(truth, format!("{} {}", self.stage.seed, self.tour.kind.name()))];
        for horizon in std::iter::once(None).chain((0..HORIZONS.len()).map(Some)) {
            let steps = horizon.map_or_else(|| "first".to_owned(), |number| HORIZONS[number].to_string());
            let shot = walked.shots.iter().find(|s| s.due.probe == 0 && s.due.horizon == horizon);
            row.push(match shot {
                Some(shot) => (Arc::clone(&shot.view), format!("{} {steps}", method.name())),
                None => (Arc::new(Rgbd::filled(first.view.width, first.view.height, [24; 3])), "-".to_owned()),
            });
        }
        row
    }
}

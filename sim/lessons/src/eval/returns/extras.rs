//! What else memory must do: let an edit stand, save decoding on turns, answer quickly from ten thousand views.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_engine::{CellState, Decoding, Imagine, known_cells};
use rhea_memory::{Insight, Memory, Policy, Region, View, Warper};
use rhea_picture::{Rgbd, psnr};
use rhea_scene::{Move, Pose, generate_any};
use rhea_session::{Command, ExploreSession, Options, SessionError, Setup, Start, StepControl};
use serde::Serialize;

use super::figures::mean_of;
use super::ghosting::{GhostingFigures, ghosting};
use super::method::usual;
use super::score::{change, is_found};
use super::spread;
use super::stage::{RETURN_SEEDS, Stage};
use super::tour::{Tour, WalkKind, way};
use super::truth::{Patch, ProbeTruth, patch_of};
use super::verifier::{Pair, PairViews, VerifierReport, judge, pairs_of};
use crate::LessonError;
use crate::eval::recounted::recounted_walk;
use crate::eval::walks::{NARRATED_PLACES, Place, RECOUNTED_STEPS, stops, walk};
use crate::text::{Judge, Told};

/// An edit reaches this far beyond the thing, metres.
const EDIT_MARGIN_M: f32 = 0.15;
/// A thing is the old one when its pixels differ from it by less than this share of what it differs from what is behind it.
const SAME_THING: f64 = 0.4;
/// Turns of the pinning walk, degrees: to one side, then back.
const TURNS_DEG: [f32; 4] = [10.0, 15.0, 12.0, 15.0];
/// Views of the large memory.
const MANY_VIEWS: usize = 10_000;
/// Its recalls that are timed.
const RECALLS: usize = 40;

/// Edits and what came of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EditFigures {
    /// Edits after which the old thing was there again on return.
    pub restored: usize,
    /// Edits of things that were there before.
    pub edits: usize,
}

/// What pinning saves.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PinningFigures {
    /// Cells of all new views of the turns.
    pub cells: usize,
    /// Cells of them that were decoded.
    pub decoded: usize,
    /// What the start has shown, back from the turns, dB, a value a scene: pinned, and with every token decoded.
    pub pinned_psnr: f64,
    /// See above.
    pub decoded_psnr: f64,
}

impl PinningFigures {
    /// How many times fewer tokens are decoded.
    #[must_use]
    pub fn token_ratio(&self) -> f64 {
        self.cells as f64 / self.decoded.max(1) as f64
    }
}

/// What is measured besides returns.
pub struct ExtraOptions {
    /// Scenes of the edit walks, of the turns and of what ghosting costs.
    pub seeds: Vec<u64>,
    /// Scenes of the pairs and of the narrations, which want many.
    pub pair_seeds: Vec<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Extras {
    /// How well a wrong view is told from a right one.
    pub verifier: VerifierReport,
    /// Edits.
    pub edit: EditFigures,
    /// Turns; scores are means over scenes.
    pub pinning: PinningFigures,
    /// What memory costs views that are drawn from their true codes; means over scenes.
    pub ghosting: GhostingFigures,
    /// Words.
    pub narration: Told,
    /// Recall from ten thousand views, milliseconds.
    pub recall_ms_10k: f64,
}

/// Measures all of it; `on_scene` hears of every scene that is done, first those of the pairs, then the others.
///
/// # Errors
/// When the model fails.
pub fn evaluate_extras(
    models: &mut [Box<dyn Imagine>],
    options: &ExtraOptions,
    on_scene: &(dyn Fn(u64) + Sync),
) -> Result<Extras, LessonError> {
    let done = AtomicU64::new(0);
    let count = || on_scene(done.fetch_add(1, Ordering::Relaxed) + 1);
    let pairs = spread(models, options.pair_seeds.len(), &|model, index| {
        let seed = options.pair_seeds[index];
        let pairs: Vec<Pair> = pairs_of(model, seed)?.iter().map(PairViews::compare).collect();
        let told = narration(model, seed)?;
        count();
        Ok((pairs, told))
    })?;
    let (pairs, told): (Vec<Vec<Pair>>, Vec<Told>) = pairs.into_iter().unzip();
    let scenes = spread(models, options.seeds.len(), &|model, index| {
        let seed = options.seeds[index];
        let measured = (edit_walk(model, seed)?, pinning(model, seed)?, ghosting(model, seed)?);
        count();
        Ok(measured)
    })?;
    let mut extras = Extras {
        verifier: judge(&pairs.concat()),
        edit: EditFigures::default(),
        pinning: PinningFigures::default(),
        ghosting: GhostingFigures::default(),
        narration: Told::default(),
        recall_ms_10k: models.first().map_or(f64::NAN, |model| recall_ms(RETURN_SEEDS.start, model.side_px())),
    };
    told.iter().for_each(|words| extras.narration.add(words));
    for (edit, pinning, _) in &scenes {
        extras.edit.restored += edit.restored;
        extras.edit.edits += edit.edits;
        extras.pinning.cells += pinning.cells;
        extras.pinning.decoded += pinning.decoded;
    }
    let mean = |of: fn(&PinningFigures) -> f64| mean_of(&scenes.iter().map(|(_, p, _)| of(p)).collect::<Vec<_>>());
    extras.pinning.pinned_psnr = mean(|p| p.pinned_psnr);
    extras.pinning.decoded_psnr = mean(|p| p.decoded_psnr);
    let mean = |of: fn(&GhostingFigures) -> f64| {
        mean_of(&scenes.iter().filter_map(|s| s.2.as_ref().map(of)).collect::<Vec<_>>())
    };
    extras.ghosting = GhostingFigures { with_memory: mean(|g| g.with_memory), without: mean(|g| g.without) };
    Ok(extras)
}

/// What is said on a walk that tells of memory, about true views, and one step on from those.
fn narration(model: &mut dyn Imagine, seed: u64) -> Result<Told, LessonError> {
    let scene = generate_any(seed);
    let mut told = recounted_walk(model, &scene, RECOUNTED_STEPS, None)?;
    let Some(place) = Place::new(&scene, model.side_px()) else { return Ok(told) };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (from, step) in stops(&place, NARRATED_PLACES, &mut rng) {
        let mut judge = Judge::default();
        for heard in walk(model, &place, &from, &[step], Options { recount: false, ..Options::default() })? {
            told.add(&judge.hear(&heard.narration, &place.truth(&heard.pose), &heard.pose, &scene));
        }
    }
    Ok(told)
}

fn failed(error: SessionError) -> LessonError {
    LessonError::Text(error.to_string())
}

fn begin(model: &mut dyn Imagine, stage: &Stage, options: Options) -> Result<ExploreSession, LessonError> {
    let start = Start::Scene { scene: stage.scene.clone(), pose: Some(stage.anchor) };
    let setup = Setup::new(options, None);
    let began = ExploreSession::start(&start, setup, model, &StepControl::default(), &mut |_| ()).map_err(failed)?;
    Ok(began.0)
}

fn go(session: &mut ExploreSession, step: Move, model: &mut dyn Imagine) -> Result<(), LessonError> {
    session.step(Command::Move(step), model, &StepControl::default(), &mut |_| ()).map_err(failed)?;
    Ok(())
}

/// A view from a pose that is taken back.
fn look(session: &mut ExploreSession, pose: &Pose, model: &mut dyn Imagine) -> Result<Option<Arc<Rgbd>>, LessonError> {
    go(session, way(&session.pose(), pose), model)?;
    let view = session.view().map(Arc::clone);
    session.step(Command::Undo, model, &StepControl::default(), &mut |_| ()).map_err(failed)?;
    Ok(view)
}

/// The edit walk of one scene: a landmark is there, memory is told that it is gone, the walker turns around on the spot and
/// comes back. Is it there again?
///
/// # Errors
/// When the model fails.
fn edit_walk(model: &mut dyn Imagine, seed: u64) -> Result<EditFigures, LessonError> {
    let mut figures = EditFigures::default();
    let Some(stage) = Stage::new(seed, model.side_px()) else { return Ok(figures) };
    let tour = Tour::new(WalkKind::Spin, &stage);
    let Some(probe) = tour.probes.first() else { return Ok(figures) };
    let truth = stage.truth(&probe.pose);
    let all = vec![true; truth.ids.len()];
    let shown: Vec<(u16, Patch)> =
        stage.landmarks.iter().filter_map(|id| Some((*id, patch_of(&truth, *id, &all)?))).collect();
    for (id, patch) in shown {
        let Some(object) = stage.scene.object(id) else { continue };
        let mut session = begin(model, &stage, usual())?;
        (1..=2).try_for_each(|step| go(&mut session, tour.step(step), model))?;
        let back = way(&session.pose(), &stage.anchor);
        go(&mut session, back, model)?;
        let Some(gone) = stage.without(id).map(|stage| stage.view(&probe.pose)) else { continue };
        let thing: Vec<bool> = truth.ids.iter().map(|of| *of == id).collect();
        // Found by its shape, and its pixels are its own: a blot that was imagined in its place is not it.
        let apart = change(&truth.rgbd, &gone, &thing) as f64;
        let is_there =
            |v: &Rgbd| is_found(v, &truth.rgbd, &patch) && (change(v, &truth.rgbd, &thing) as f64) < SAME_THING * apart;
        let there = |view: &Option<Arc<Rgbd>>| view.as_ref().is_some_and(|v| is_there(v));
        if !there(&look(&mut session, &probe.pose, model)?) {
            continue;
        }
        let radius_m = object.bounding_radius_m() + EDIT_MARGIN_M;
        let region = Region { centre_m: object.centre_m(), radius_m };
        let control = StepControl::default();
        session.edit_region(region, "edit".to_owned(), model, &control, &mut |_| ()).map_err(failed)?;
        (1..=tour.cycle.len()).try_for_each(|step| go(&mut session, tour.step(step), model))?;
        figures.edits += 1;
        figures.restored += usize::from(there(&look(&mut session, &probe.pose, model)?));
    }
    Ok(figures)
}

/// Turns on the spot and back, once with known cells pinned and once with every token decoded.
///
/// # Errors
/// When the model fails.
fn pinning(model: &mut dyn Imagine, seed: u64) -> Result<PinningFigures, LessonError> {
    let mut figures = PinningFigures::default();
    let Some(stage) = Stage::new(seed, model.side_px()) else { return Ok(figures) };
    let tour = Tour::new(WalkKind::Spin, &stage);
    let start = stage.view(&stage.anchor);
    let probes: Vec<ProbeTruth> = tour.probes.iter().map(|p| ProbeTruth::new(&stage, &start, &p.pose)).collect();
    let turns = TURNS_DEG.map(Move::turn_deg);
    let back = TURNS_DEG.map(|degrees| Move::turn_deg(-degrees));
    for (decoding, psnr_of) in [(None, 0), (Some(Decoding::NextToken), 1)] {
        let mut session = begin(model, &stage, Options { decoding, ..usual() })?;
        for step in turns {
            let pose = session.pose().apply(&step);
            let options = usual();
            let recall = session.memory().recall(&session.camera(), &pose, options.recall_views);
            go(&mut session, step, model)?;
            if decoding.is_none() {
                // The model's own grid, as its codes have it.
                let cells = session.memory().latest().map_or(0, |view| view.codes.len());
                let side = cells.isqrt();
                let states = known_cells(&recall.warp, side, side)?;
                figures.cells += states.len();
                figures.decoded += states.iter().filter(|state| **state != CellState::Known).count();
            }
        }
        back.iter().rev().try_for_each(|step| go(&mut session, *step, model))?;
        let mut scores = Vec::new();
        for (probe, truth) in tour.probes.iter().zip(&probes) {
            if let Some(view) = look(&mut session, &probe.pose, model)? {
                scores.push(psnr(&view, &truth.view, Some(&truth.seen)).unwrap_or(f64::NAN));
            }
        }
        let score = mean_of(&scores);
        if psnr_of == 0 {
            figures.pinned_psnr = score;
        } else {
            figures.decoded_psnr = score;
        }
    }
    Ok(figures)
}

/// Median time of recalling and warping from a memory of ten thousand views around one scene's starts, milliseconds.
fn recall_ms(seed: u64, side_px: usize) -> f64 {
    let Some(stage) = Stage::new(seed, side_px) else { return f64::NAN };
    let starts = stage.scene.starts();
    let pose = |n: usize| -> Pose {
        // Every start, all headings, a little to the side each time.
        let start = starts[n % starts.len()];
        let aside = |turns: usize| ((n / turns) % 97) as f32 * 0.01 - 0.48;
        start.apply(&Move {
            forward_m: aside(7),
            right_m: aside(13),
            turn_rad: (n % 96) as f32 * 0.37,
            ..Move::default()
        })
    };
    // Pictures are shared; where a view is believed to stand is its own.
    let pictures: Vec<Arc<Rgbd>> = (0..96).map(|n| Arc::new(stage.view(&pose(n)))).collect();
    let mut memory = Memory::new();
    for n in 0..MANY_VIEWS {
        let rgbd = Arc::clone(&pictures[n % pictures.len()]);
        let (codes, narration) = (Vec::new(), String::new());
        let view = View { rgbd, pose: pose(n), codes, step: n as u32, lineage: 1 + (n / 40) as u32, narration };
        memory.add(view, &Insight::default());
    }
    let mut warper = Warper::default();
    let mut times: Vec<f64> = (0..RECALLS)
        .map(|n| {
            let target = pose(n * 211 + 5).apply(&Move::turn_deg(7.5));
            let began = Instant::now();
            let recall = memory.recall_by(Policy::Graph(8), &mut warper, &stage.camera, &target);
            let secs = began.elapsed().as_secs_f64();
            if recall.used.is_empty() { f64::NAN } else { secs * 1000.0 }
        })
        .filter(|ms| !ms.is_nan())
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

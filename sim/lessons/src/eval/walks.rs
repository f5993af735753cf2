//! Running the walks and scoring them.

use std::ops::Range;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_engine::{Decoding, Imagine};
use rhea_picture::{Rgbd, Sheet, depth_rel_err, gradient_strength, psnr, ssim};
use rhea_scene::{Camera, Move, Pose, Rendered, Renderer, Scene, Threads, generate_any};
use rhea_session::{Command, ExploreSession, Options, SessionEvent, Setup, Start, StepControl, StepReport};

use super::counted::Counted;
use super::figures::{
    DecodingFigures, Figures, Mean, NarrationFigures, NextViewFigures, RevisitFigures, RoundTripFigures, WalkFigures,
};
use super::recounted::recounted_walk;
use crate::LessonError;
use crate::frames::TRAINING_SEEDS;
use crate::text::{Told, in_view};

/// What to evaluate.
pub struct EvalOptions {
    /// Scene seeds; none may be a training seed.
    pub seeds: Range<u64>,
    /// How views are decoded; `None` as in a walk of its own.
    pub decoding: Option<Decoding>,
    /// Collects one row of pictures a scene: truth and drawing along the spin.
    pub sheet: Option<Sheet>,
}

/// Steps of a revisit walk.
const STEPS: usize = 40;
/// Places in a scene from which a next view is judged.
pub(super) const PLACES: usize = 6;
/// Places in a scene where narration is judged; more than for pictures, because it names something in one view of seven.
pub(super) const NARRATED_PLACES: usize = 24;
/// Steps of a walk whose narration tells of memory.
pub(super) const RECOUNTED_STEPS: usize = 24;
/// Regions smaller than this share of a view are not scored.
pub(super) const LEAST_SHARE: f32 = 0.02;

#[derive(Default)]
struct Walk {
    ours: Mean,
    last_view: Mean,
    frozen: Mean,
    own: Mean,
    own_start: Mean,
}

impl Walk {
    fn figures(&self) -> WalkFigures {
        WalkFigures {
            ours: self.ours.get(),
            last_view: self.last_view.get(),
            frozen: self.frozen.get(),
            own: self.own.get(),
            own_start: self.own_start.get(),
        }
    }
}

#[derive(Default)]
struct Scores {
    round_psnr: Mean,
    round_ssim: Mean,
    round_depth: Mean,
    seen: Mean,
    seen_own: Mean,
    unseen: Mean,
    /// Gradient strength of drawings and of truth.
    seen_sharp: [f64; 2],
    unseen_sharp: [f64; 2],
    out_and_back: Walk,
    spin: Walk,
    named: usize,
    in_view: usize,
    told: Told,
}

pub(super) struct Place<'a> {
    pub scene: &'a Scene,
    renderer: Renderer,
    camera: Camera,
    pub start: Pose,
}

impl<'a> Place<'a> {
    /// The scene's first start; `None` when it has none.
    pub fn new(scene: &'a Scene, side_px: usize) -> Option<Self> {
        let start = scene.starts().first().copied()?;
        Some(Self { scene, renderer: Renderer::new(scene), camera: Camera::square(side_px), start })
    }

    pub fn truth(&self, pose: &Pose) -> Rendered {
        self.renderer.render(pose, &self.camera, Threads::All)
    }
}

/// Runs the benchmark; `on_scene` hears how many scenes are done.
///
/// # Errors
/// When seeds are training seeds, or the model fails.
pub fn evaluate_walks(
    model: &mut dyn Imagine,
    stamp: &str,
    options: &mut EvalOptions,
    on_scene: &mut dyn FnMut(usize),
) -> Result<Figures, LessonError> {
    let seeds = options.seeds.clone();
    if seeds.is_empty() || seeds.start < TRAINING_SEEDS.end {
        return Err(LessonError::Seeds { first: seeds.start, last: seeds.end, allowed: TRAINING_SEEDS.end..u64::MAX });
    }
    let name = options.decoding.map_or("default", |decoding| decoding.name()).to_owned();
    // What is said about the view is judged, not what is remembered of others.
    let usual = Options { decoding: options.decoding, recount: false, ..Options::default() };
    let mut counted = Counted::new(model);
    let model = &mut counted;
    let mut scores = Scores::default();
    for (done, seed) in seeds.clone().enumerate() {
        let scene = generate_any(seed);
        let Some(place) = Place::new(&scene, model.side_px()) else { continue };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        round_trips(model, &place, &mut scores, &mut rng)?;
        next_views(model, &place, &usual, &mut scores, &mut rng)?;
        narrations(model, &place, &usual, &mut scores, &mut rng)?;
        scores.told.add(&recounted_walk(model, &scene, RECOUNTED_STEPS, usual.decoding)?);
        let out_and_back = out_and_back(&place);
        revisit(model, &place, (&usual, &out_and_back), &mut scores.out_and_back, None)?;
        let spin = vec![Move::turn_deg(720.0 / STEPS as f32); STEPS];
        revisit(model, &place, (&usual, &spin), &mut scores.spin, options.sheet.as_mut())?;
        on_scene(done + 1);
    }
    let s = &scores;
    Ok(Figures {
        model: format!("{} {stamp}", counted.name()),
        decoding: DecodingFigures { name, mean_passes: counted.mean_passes(), views: counted.views() },
        seeds: [seeds.start, seeds.end - 1],
        round_trip: RoundTripFigures {
            psnr: s.round_psnr.get(),
            ssim: s.round_ssim.get(),
            depth_rel_err: s.round_depth.get(),
        },
        next_view: NextViewFigures {
            seen_psnr: s.seen.get(),
            seen_psnr_own: s.seen_own.get(),
            unseen_psnr: s.unseen.get(),
            seen_sharpness: s.seen_sharp[0] / s.seen_sharp[1],
            unseen_sharpness: s.unseen_sharp[0] / s.unseen_sharp[1],
        },
        revisit: RevisitFigures { out_and_back_40: s.out_and_back.figures(), spin_40: s.spin.figures() },
        narration: NarrationFigures {
            in_view: s.in_view as f64 / s.named.max(1) as f64,
            named: s.named,
            in_memory: s.told.named_share(),
            direction: s.told.direction_share(),
            directions: s.told.directed,
            step: s.told.step_right as f64 / s.told.recalled as f64,
            recalled: s.told.recalled,
        },
    })
}

pub(super) fn score(result: Result<f64, rhea_picture::PictureError>) -> f64 {
    result.unwrap_or(f64::NAN)
}

/// Counts the gradients of a region: flat regions weigh little, as they should.
fn sharpen(sums: &mut [f64; 2], drawn: &Rgbd, truth: &Rgbd, mask: &[bool]) {
    sums[0] += gradient_strength(drawn, Some(mask));
    sums[1] += gradient_strength(truth, Some(mask));
}

/// Ground that can be walked on, away from the start.
fn somewhere(place: &Place<'_>, rng: &mut ChaCha8Rng) -> Pose {
    let mut pose = place.start;
    for _ in 0..6 {
        let step = Move { forward_m: rng.random_range(0.0..1.0), ..Move::turn_deg(rng.random_range(-60.0..60.0)) };
        let (next, clipped) = place.scene.clip(&pose, &pose.apply(&step));
        pose = if clipped { next.apply(&Move::turn_deg(120.0)) } else { next };
    }
    pose
}

fn round_trips(
    model: &mut dyn Imagine,
    place: &Place<'_>,
    scores: &mut Scores,
    rng: &mut ChaCha8Rng,
) -> Result<(), LessonError> {
    for i in 0..6 {
        let pose = if i == 0 { place.start } else { somewhere(place, rng) };
        let truth = place.truth(&pose).rgbd;
        let drawn = model.round_trip(&truth, None)?.view;
        scores.round_psnr.add(score(psnr(&drawn, &truth, None)));
        scores.round_ssim.add(score(ssim(&drawn, &truth, None)));
        scores.round_depth.add(score(depth_rel_err(&drawn, &truth, None)));
    }
    Ok(())
}

/// One session from a view; the pictures, poses and narrations of all its steps.
pub(super) struct Heard {
    pub view: Rgbd,
    pub pose: Pose,
    pub narration: String,
    /// What memory saw of it, per pixel; empty for a first view.
    pub seen: Vec<bool>,
}

pub(super) fn walk(
    model: &mut dyn Imagine,
    place: &Place<'_>,
    from: &Pose,
    moves: &[Move],
    options: Options,
) -> Result<Vec<Heard>, LessonError> {
    let failed = |e: rhea_session::SessionError| LessonError::Text(e.to_string());
    let recall_views = options.recall_views;
    let start = Start::Scene { scene: place.scene.clone(), pose: Some(*from) };
    let mut told: Vec<Heard> = Vec::with_capacity(moves.len() + 1);
    let control = StepControl::default();
    let keep = |told: &mut Vec<Heard>, session: &ExploreSession, report: StepReport, seen: Vec<bool>| {
        if let Some(view) = session.view() {
            let narration = report.narration.map_or_else(String::new, |note| note.text);
            told.push(Heard { view: (**view).clone(), pose: session.pose(), narration, seen });
        }
    };
    let (mut session, report) =
        ExploreSession::start(&start, Setup::new(options, None), model, &control, &mut |_: SessionEvent| ())
            .map_err(failed)?;
    keep(&mut told, &session, report, Vec::new());
    for step in moves {
        let target = session.pose().apply(step);
        let seen = session.memory().recall(&session.camera(), &target, recall_views).warp.valid;
        let report = session.step(Command::Move(*step), model, &control, &mut |_| ()).map_err(failed)?;
        keep(&mut told, &session, report, seen);
    }
    Ok(told)
}

/// The same settings, without words.
fn silent(usual: &Options) -> Options {
    Options { narrate: false, ..usual.clone() }
}

/// Poses with a step from each, the scene's start first; fewer than `count` where steps are blocked.
pub(super) fn stops(place: &Place<'_>, count: usize, rng: &mut ChaCha8Rng) -> Vec<(Pose, Move)> {
    let stop = |i| {
        let from = if i == 0 { place.start } else { somewhere(place, rng) };
        one_step(place, &from, i, rng).map(|step| (from, step))
    };
    (0..count).filter_map(stop).collect()
}

/// A turn, a walk around a corner or a step back, where the ground is free.
fn one_step(place: &Place<'_>, from: &Pose, which: usize, rng: &mut ChaCha8Rng) -> Option<Move> {
    let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let step = match which % 3 {
        0 => Move::turn_deg(side * 30.0),
        1 => Move { forward_m: 0.4, ..Move::turn_deg(side * 15.0) },
        _ => Move::forward(-0.5),
    };
    (!place.scene.clip(from, &from.apply(&step)).1).then_some(step)
}

fn next_views(
    model: &mut dyn Imagine,
    place: &Place<'_>,
    usual: &Options,
    scores: &mut Scores,
    rng: &mut ChaCha8Rng,
) -> Result<(), LessonError> {
    for (from, step) in stops(place, PLACES, rng) {
        let told = walk(model, place, &from, &[step], silent(usual))?;
        let Some(next) = told.get(1) else { continue };
        let truth = place.truth(&next.pose).rgbd;
        let unseen: Vec<bool> = next.seen.iter().map(|s| !s).collect();
        let share = |mask: &[bool]| mask.iter().filter(|m| **m).count() as f32 / mask.len() as f32;
        if share(&next.seen) > LEAST_SHARE {
            scores.seen.add(score(psnr(&next.view, &truth, Some(&next.seen))));
            sharpen(&mut scores.seen_sharp, &next.view, &truth, &next.seen);
        }
        if share(&unseen) > LEAST_SHARE {
            scores.unseen.add(score(psnr(&next.view, &truth, Some(&unseen))));
            sharpen(&mut scores.unseen_sharp, &next.view, &truth, &unseen);
        }
        let own = walk(model, place, &from, &[step], Options { own_start: true, ..silent(usual) })?;
        if let Some(next) = own.get(1).filter(|n| share(&n.seen) > LEAST_SHARE) {
            scores.seen_own.add(score(psnr(&next.view, &truth, Some(&next.seen))));
        }
    }
    Ok(())
}

/// What is said about true views and about one step from them.
fn narrations(
    model: &mut dyn Imagine,
    place: &Place<'_>,
    usual: &Options,
    scores: &mut Scores,
    rng: &mut ChaCha8Rng,
) -> Result<(), LessonError> {
    for (from, step) in stops(place, NARRATED_PLACES, rng) {
        for told in walk(model, place, &from, &[step], usual.clone())? {
            let truth = in_view(&told.narration, &place.truth(&told.pose), place.scene);
            scores.named += truth.named;
            scores.in_view += truth.in_view;
        }
    }
    Ok(())
}

/// 18 steps ahead, around in two, 18 steps back, around in two; as far as the ground is free.
fn out_and_back(place: &Place<'_>) -> Vec<Move> {
    let ahead = place.start.apply(&Move::forward(6.0));
    let reached = place.scene.clip(&place.start, &ahead).0;
    let free: f32 = (0..3).map(|i| (reached.position_m[i] - place.start.position_m[i]).powi(2)).sum::<f32>().sqrt();
    // Hundredths of a metre, as a command says them; 0.4 m stay free in front of the walker.
    let stride = ((free - 0.4).max(0.18) / 18.0 * 100.0).floor() / 100.0;
    let mut moves = Vec::with_capacity(STEPS);
    for _ in 0..2 {
        moves.extend([Move::forward(stride); 18]);
        moves.extend([Move::turn_deg(90.0); 2]);
    }
    moves
}

fn revisit(
    model: &mut dyn Imagine,
    place: &Place<'_>,
    (usual, moves): (&Options, &[Move]),
    walk_scores: &mut Walk,
    sheet: Option<&mut Sheet>,
) -> Result<(), LessonError> {
    let mut go = |options: Options| walk(model, place, &place.start, moves, options);
    let ours = go(silent(usual))?;
    let last = go(Options { recall_views: 1, ..silent(usual) })?;
    let own = go(Options { own_start: true, ..silent(usual) })?;
    let against = |told: &Heard| score(psnr(&told.view, &place.truth(&told.pose).rgbd, None));
    let add = |told: &[Heard], mean: &mut Mean| {
        if let Some(end) = told.last() {
            mean.add(against(end));
        }
    };
    add(&ours, &mut walk_scores.ours);
    add(&last, &mut walk_scores.last_view);
    add(&own, &mut walk_scores.own);
    if let Some(start) = own.first() {
        walk_scores.own_start.add(against(start));
    }
    if let Some(first) = ours.first() {
        for told in &ours[1..] {
            walk_scores.frozen.add(score(psnr(&first.view, &place.truth(&told.pose).rgbd, None)));
        }
    }
    if let Some(sheet) = sheet {
        for step in [0, 1, 2, 3, 5, 8, 12, 20, 40] {
            if let Some(told) = ours.get(step) {
                sheet.add_view(&place.truth(&told.pose).rgbd, format!("truth {step}"));
            }
        }
        for step in [0, 1, 2, 3, 5, 8, 12, 20, 40] {
            if let Some(told) = ours.get(step) {
                sheet.add_view(&told.view, format!("step {step}"));
            }
        }
    }
    Ok(())
}

//! Walking a tour by every method, and what comes of it: the views of the walk and the pictures at its probes.

use std::sync::Arc;
use std::time::Instant;

use rhea_engine::Imagine;
use rhea_memory::{Insight, Memory, Policy, View, Warper, World};
use rhea_picture::Rgbd;
use rhea_scene::Pose;
use rhea_session::{Command, ExploreSession, Options, SessionEvent, Setup, Start, StepControl, Verdict};

use super::stage::Stage;
use super::tour::{Due, Tour, is_same, way};
use crate::LessonError;
use crate::eval::counted::Counted;

/// Two poses of one lattice point.
const LATTICE_M: f32 = 0.01;
const LATTICE_DEG: f32 = 0.5;

/// A picture at a probe.
pub(super) struct Shot {
    pub due: Due,
    pub view: Arc<Rgbd>,
}

/// A walk as it came out.
pub(super) struct Walked {
    /// The views of the walk, the start first.
    pub frames: Vec<Arc<Rgbd>>,
    pub shots: Vec<Shot>,
    /// Time of each step, seconds; empty where nothing was drawn.
    pub step_secs: Vec<f64>,
    /// Passes of the transformer a view.
    pub mean_passes: f64,
    /// Were there views that took more than one drawing?
    pub redrawn: bool,
    /// Verdicts that say that a first drawing was not kept.
    pub mended: usize,
    /// What a session remembers in the end.
    pub world: Option<World>,
}

impl Walked {
    pub fn plain(frames: Vec<Arc<Rgbd>>, shots: Vec<Shot>) -> Self {
        Self { frames, shots, step_secs: Vec::new(), mean_passes: f64::NAN, redrawn: false, mended: 0, world: None }
    }
}

/// What a tour is scored over.
pub(super) struct Course<'a> {
    pub stage: &'a Stage,
    pub tour: &'a Tour,
    pub dues: &'a [Due],
    /// Number of the last step.
    pub steps: usize,
    /// The true views of one cycle.
    pub truth: &'a [Arc<Rgbd>],
}

impl Course<'_> {
    pub fn true_frame(&self, step: usize) -> &Arc<Rgbd> {
        &self.truth[step % self.truth.len()]
    }
}

/// Walks with a session; `on_view` hears of every view.
pub(super) fn draw(
    model: &mut dyn Imagine,
    course: &Course<'_>,
    options: Options,
    on_view: &mut dyn FnMut(),
) -> Result<Walked, LessonError> {
    let failed = |e: rhea_session::SessionError| LessonError::Text(e.to_string());
    let Course { stage, tour, dues, steps, .. } = *course;
    let mut model = Counted::new(model);
    let control = StepControl::default();
    let mut mended = 0;
    let start = Start::Scene { scene: stage.scene.clone(), pose: Some(stage.anchor) };
    let setup = Setup::new(options, None);
    let (mut session, _) = ExploreSession::start(&start, setup, &mut model, &control, &mut |_| ()).map_err(failed)?;
    let mut listen = |event: SessionEvent| {
        if let SessionEvent::ViewReady(ready) = event {
            let first = matches!(ready.verdict, Verdict::New | Verdict::Extended | Verdict::Revisited);
            mended += usize::from(!first);
        }
    };
    let (mut shots, mut step_secs, mut wanted) = (Vec::new(), Vec::new(), 0);
    for step in 0..=steps {
        if step > 0 {
            let began = Instant::now();
            session.step(Command::Move(tour.step(step)), &mut model, &control, &mut listen).map_err(failed)?;
            step_secs.push(began.elapsed().as_secs_f64());
            wanted += 1;
            on_view();
        }
        for due in dues.iter().filter(|due| due.step == step) {
            let there = way(&session.pose(), &tour.probes[due.probe].pose);
            session.step(Command::Move(there), &mut model, &control, &mut listen).map_err(failed)?;
            wanted += 1;
            shots.extend(session.view().map(|view| Shot { due: *due, view: Arc::clone(view) }));
            session.step(Command::Undo, &mut model, &control, &mut |_| ()).map_err(failed)?;
            on_view();
        }
    }
    let frames = session.memory().views().iter().map(|view| Arc::clone(&view.rgbd)).collect();
    let (mean_passes, redrawn) = (model.mean_passes(), model.views() > wanted);
    Ok(Walked { frames, shots, step_secs, mean_passes, redrawn, mended, world: Some(session.to_world()) })
}

/// The first view for ever.
pub(super) fn frozen(course: &Course<'_>) -> Walked {
    same_picture(course, course.true_frame(0))
}

/// The mean of all true views of the walk.
pub(super) fn mean_image(course: &Course<'_>) -> Walked {
    let first = course.true_frame(0);
    let count = course.truth.len().max(1) as u32;
    let mut mean = (**first).clone();
    for (i, value) in mean.rgb.iter_mut().enumerate() {
        let sum: u32 = course.truth.iter().map(|view| u32::from(view.rgb[i])).sum();
        *value = ((sum + count / 2) / count) as u8;
    }
    same_picture(course, &Arc::new(mean))
}

fn same_picture(course: &Course<'_>, view: &Arc<Rgbd>) -> Walked {
    let shots = course.dues.iter().map(|due| Shot { due: *due, view: Arc::clone(view) }).collect();
    Walked::plain(vec![Arc::clone(view); course.steps + 1], shots)
}

/// The pictures of a walk without memory, where every pose that was there before gets the picture of then, and every probe the
/// picture of the nearest pose.
pub(super) fn exact_lookup(course: &Course<'_>, without_memory: &Walked) -> Walked {
    let drawn = &without_memory.frames;
    let first_time = |step: usize| {
        let pose = course.tour.pose(step);
        (0..step).find(|earlier| is_same(&course.tour.pose(*earlier), &pose, LATTICE_M, LATTICE_DEG)).unwrap_or(step)
    };
    let frames = (0..drawn.len()).map(|step| Arc::clone(&drawn[first_time(step)])).collect();
    let nearest = |due: &Due| {
        let pose = &course.tour.probes[due.probe].pose;
        let apart = |step: &usize| distance(&course.tour.pose(*step), pose);
        (0..=due.step.min(course.tour.cycle.len())).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0)
    };
    let shots = course.dues.iter().map(|due| Shot { due: *due, view: Arc::clone(&drawn[nearest(due)]) }).collect();
    Walked::plain(frames, shots)
}

/// How far apart two poses are; a metre counts as a radian.
fn distance(a: &Pose, b: &Pose) -> f32 {
    let between = rhea_memory::PlanMotion::between(a, b);
    between.ahead_m.hypot(between.right_m) + between.turn_rad.abs()
}

/// The bound of geometry: the true views of the walk so far, with true depth, warped; nothing is drawn.
pub(super) fn oracle_warp(course: &Course<'_>) -> Walked {
    let mut warper = Warper::default();
    let mut memory = Memory::new();
    let mut shots = Vec::new();
    for due in course.dues {
        let known = (due.step + 1).min(course.truth.len());
        for step in memory.len()..known {
            let (rgbd, pose) = (Arc::clone(course.true_frame(step)), course.tour.pose(step));
            let (codes, narration) = (Vec::new(), String::new());
            memory.add(View { rgbd, pose, codes, step: step as u32, lineage: 0, narration }, &Insight::default());
        }
        let pose = &course.tour.probes[due.probe].pose;
        let recall = memory.recall_by(Policy::Graph(8), &mut warper, &course.stage.camera, pose);
        shots.push(Shot { due: *due, view: Arc::new(recall.warp.filled()) });
    }
    Walked::plain((0..=course.steps).map(|step| Arc::clone(course.true_frame(step))).collect(), shots)
}

//! A run as it is looked at: what stands where at every moment of every step, with the step's report and pictures.
//!
//! [`Filming`] looks on while a task runs. An accepted step is filmed as it is executed, a rejected one as its motion was
//! checked, up to where it got stuck. Whoever shows the film needs the [`Stage`] and nothing else.

use rhea_picture::Rgbd;
use serde::{Deserialize, Serialize};

use crate::checks::{Check, StepReport, Verdict};
use crate::math::{Pose, V3};
use crate::motion::{Leg, Motion};
use crate::run::Onlooker;
use crate::view::{look, scene_camera};
use crate::world::stage::Stage;
use crate::world::{STEP_SECS, Snapshot, World};

/// Time between two stills, seconds.
pub const STILL_SECS: f64 = 1.0 / 30.0;
/// Most stills of one step: 100 s.
pub const MAX_STILLS: usize = 3_000;
/// Side of the key-frames, pixels.
pub const KEY_FRAME_PX: usize = 128;

/// Everything that moves, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Still {
    /// Joint values of every arm.
    pub q: Vec<Vec<f64>>,
    /// Distance between the pads of every arm, metres.
    pub opening_m: Vec<f64>,
    /// Pose of every thing.
    pub things: Vec<Pose>,
    /// How far each drawer is out, metres.
    pub tray_m: Vec<f64>,
}

impl Still {
    /// The world as it is now.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let arms = &world.logic.arms;
        Self {
            q: arms.iter().map(|a| a.q.clone()).collect(),
            opening_m: arms.iter().map(|a| a.opening_m).collect(),
            things: (0..world.stage.scene.things.len()).map(|i| world.pose(i)).collect(),
            tray_m: world.logic.tray_m.clone(),
        }
    }
}

/// A step of a film.
#[derive(Clone, Debug)]
pub struct FilmStep {
    /// The judgement.
    pub report: StepReport,
    /// Was it carried out? Otherwise the stills show what was judged.
    pub executed: bool,
    /// Moments, [`STILL_SECS`] apart; at least one.
    pub stills: Vec<Still>,
    /// Way of the tool points over the stills.
    pub way: Vec<V3>,
    /// The scene's camera behind the step, drawn from the simulation. For a rejected step, the world before it.
    pub truth: Rgbd,
    /// The key-frame that a model drew for the step.
    pub imagined: Option<Rgbd>,
    /// The world that the step was judged in, to go on from; empty if it could not be copied.
    pub before: Snapshot,
}

impl FilmStep {
    /// Way of the tool points over the stills.
    #[must_use]
    pub fn way(stage: &Stage, stills: &[Still]) -> Vec<V3> {
        let tools = |still: &Still| {
            let arms = stage.arms.iter().zip(&still.q);
            arms.map(|(arm, q)| arm.robot.frames(arm.world_from_base, q).tcp.p).collect::<Vec<_>>()
        };
        stills.iter().flat_map(tools).collect()
    }
}

/// Names of what a check blames in a step.
#[must_use]
pub fn culprits(step: &StepReport, check: &Check) -> Vec<String> {
    let held = step.skill.as_ref().and_then(|skill| skill.thing()).map(str::to_owned);
    let parts = check.culprit.iter().flat_map(|name| name.split(" and ").map(str::to_owned));
    parts.filter_map(|name| if name == "held thing" { held.clone() } else { Some(name) }).collect()
}

/// A step that is being executed.
struct Running {
    report: StepReport,
    stills: Vec<Still>,
    before: Snapshot,
}

/// Films a run; every finished step goes to `sink`.
pub struct Filming<'a> {
    sink: &'a mut dyn FnMut(FilmStep),
    imagined: Option<Rgbd>,
    current: Option<Running>,
    moments: usize,
}

impl<'a> Filming<'a> {
    /// A film that goes to `sink` step by step.
    pub fn new(sink: &'a mut dyn FnMut(FilmStep)) -> Self {
        Self { sink, imagined: None, current: None, moments: 0 }
    }

    /// The key-frame that a model drew for the step that is judged next.
    pub fn imagine(&mut self, picture: Rgbd) {
        self.imagined = Some(picture);
    }

    fn show(&mut self, world: &World, executed: bool, Running { report, stills, before }: Running) {
        let way = FilmStep::way(&world.stage, &stills);
        let truth = look(world, &scene_camera(world), KEY_FRAME_PX).rgbd;
        (self.sink)(FilmStep { report, executed, stills, way, truth, imagined: self.imagined.take(), before });
    }
}

impl Onlooker for Filming<'_> {
    fn imagined(&mut self, picture: Rgbd) {
        self.imagine(picture);
    }

    fn judged(&mut self, world: &World, motion: &Motion, report: &StepReport) {
        let (report, before) = (report.clone(), world.snapshot().unwrap_or_default());
        if report.verdict == Verdict::Reject {
            self.show(world, false, Running { report, stills: rehearsed(world, motion), before });
        } else {
            self.current = Some(Running { report, stills: vec![Still::of(world)], before });
            self.moments = 0;
        }
    }

    fn moved(&mut self, world: &World) {
        let every = (STILL_SECS / STEP_SECS).round() as usize;
        self.moments += 1;
        if let Some(running) = &mut self.current
            && self.moments.is_multiple_of(every)
            && running.stills.len() < MAX_STILLS
        {
            running.stills.push(Still::of(world));
        }
    }

    fn done(&mut self, world: &World) {
        if let Some(mut running) = self.current.take() {
            running.stills.push(Still::of(world));
            self.show(world, true, running);
        }
    }
}

/// A motion as it was judged, without the simulation: the arm follows its legs, what it holds goes with it.
#[must_use]
pub fn rehearsed(world: &World, motion: &Motion) -> Vec<Still> {
    let mut stills = vec![Still::of(world)];
    for leg in &motion.legs {
        let samples = leg.timed.samples(&world.stage.arms[leg.arm].robot, STILL_SECS);
        let count = samples.len().max(2) - 1;
        for (index, q) in samples.into_iter().enumerate() {
            if stills.len() < MAX_STILLS {
                let mut still = rehearsed_at(world, leg, q, index as f64 / count as f64);
                // Once it was let go, a thing is where the motion says that it was put.
                if let Some(placed) = motion.placed.filter(|p| leg.before.moved.contains_key(&p.thing)) {
                    still.things[placed.thing] = placed.pose;
                }
                stills.push(still);
            }
        }
    }
    stills
}

fn rehearsed_at(world: &World, leg: &Leg, q: Vec<f64>, share: f64) -> Still {
    let mut moment = leg.before.clone();
    moment.q[leg.arm] = q;
    if let Some((drawer, out)) = leg.pulls {
        moment.tray_m[drawer] += (out - moment.tray_m[drawer]) * share;
    }
    let things = (0..world.stage.scene.things.len()).map(|thing| moment.pose(world, thing)).collect();
    Still { things, q: moment.q, opening_m: moment.opening_m, tray_m: moment.tray_m }
}

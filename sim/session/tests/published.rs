//! Models that know no depth: what they are shown, what is pinned, and that the motion they draw is measured.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_engine::{
    Budget, Cancel, EngineError, Grid, Imagine, Imagined, NarrationRequest, TextPiece, ViewRequest, ViewRoom,
    ViewTimings,
};
use rhea_memory::EdgeKind;
use rhea_picture::{FARTHEST_M, Rgbd, Warp};
use rhea_scene::{Camera, Move, Pose, Renderer, Scene, SceneKind, Threads, generate};
use rhea_session::{Command, ExploreSession, Options, Setup, Start, StepControl};

const SIDE: usize = 128;
const CELLS: usize = 8;

/// Draws exact views without depth, but turns a little more than it is told.
struct Turner {
    renderer: Renderer,
    pose: Pose,
    /// Degrees too much at every turn.
    too_much_deg: f32,
    requests: Vec<ViewRequest>,
}

impl Turner {
    fn new(scene: &Scene, too_much_deg: f32) -> Self {
        Self { renderer: Renderer::new(scene), pose: scene.starts()[0], too_much_deg, requests: Vec::new() }
    }

    fn coded(mut view: Rgbd) -> Imagined {
        view.depth_m.fill(FARTHEST_M);
        let codes =
            (0..CELLS * CELLS).map(|cell| u32::from(view.rgb[cell * 3 * SIDE * SIDE / (CELLS * CELLS)])).collect();
        Imagined {
            view,
            codes,
            rows: CELLS,
            cols: CELLS,
            doubted: Vec::new(),
            passes: 1,
            timings: ViewTimings::default(),
        }
    }
}

impl Imagine for Turner {
    fn name(&self) -> &str {
        "turner"
    }

    fn side_px(&self) -> usize {
        SIDE
    }

    fn reads_views(&self) -> Option<ViewRoom> {
        Some(ViewRoom { context: 2048, grid: Grid::new(CELLS, CELLS).unwrap() })
    }

    fn imagine(&mut self, request: &ViewRequest, _: &Cancel) -> Result<Imagined, EngineError> {
        self.requests.push(request.clone());
        let step = Move::parse(&request.prompt).unwrap();
        let more = Move::turn_deg(if step.turn_rad == 0.0 { 0.0 } else { self.too_much_deg });
        self.pose = self.pose.apply(&step).apply(&more);
        Ok(Self::coded(self.renderer.render(&self.pose, &Camera::square(SIDE), Threads::One).rgbd))
    }

    fn narrate(
        &mut self,
        _: &NarrationRequest,
        _: &Cancel,
        _: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        Ok(String::new())
    }

    fn round_trip(&mut self, view: &Rgbd, _: Option<&Warp>) -> Result<Imagined, EngineError> {
        Ok(Self::coded(view.clone()))
    }
}

fn spin(model: &mut Turner, scene: &Scene, turns: usize) -> ExploreSession {
    let start = Start::Scene { scene: scene.clone(), pose: None };
    let control = StepControl::default();
    let setup = Setup::new(Options { narrate: false, ..Options::default() }, None);
    let mut session = ExploreSession::start(&start, setup, model, &control, &mut |_| ()).unwrap().0;
    for _ in 0..turns {
        session.step(Command::Move(Move::turn_deg(15.0)), model, &control, &mut |_| ()).unwrap();
    }
    session
}

#[test]
fn earlier_views_are_shown_far_to_near_in_words_and_within_the_budget() {
    let scene = generate(SceneKind::Room, 7);
    let mut model = Turner::new(&scene, 0.0);
    let session = spin(&mut model, &scene, 44);
    assert_eq!(session.memory().len(), 45);
    let room = model.reads_views().unwrap();
    let budget = Budget::new(room.context, room.grid);
    for (step, request) in model.requests.iter().enumerate() {
        let shown = request.shown.as_ref().unwrap();
        let planned = budget.tokens(shown.recalled.len(), shown.turns.len(), shown.anchor.is_some());
        assert!(planned <= room.context, "{planned} at step {step}");
        assert_eq!(shown.turns.len(), step.min(2));
        if let Some(turn) = shown.turns.last() {
            assert_eq!(turn.command, "turn left 15 degrees");
        }
    }
    let last = model.requests.last().unwrap().shown.as_ref().unwrap();
    assert!(last.anchor.is_some() && !last.recalled.is_empty());
    let most =
        model.requests.iter().filter_map(|request| request.shown.as_ref()).map(|shown| shown.recalled.len()).max();
    assert!(most >= Some(2), "{most:?}");
    // All views are from one spot, so each clause has a step and a heading.
    for (words, codes) in &last.recalled {
        assert!(words.starts_with("Seen at step ") && codes.len() == CELLS * CELLS, "{words}");
        assert!(words.contains("degrees to the") || words.contains("the same way"), "{words}");
    }
}

#[test]
fn a_turn_pins_what_an_earlier_view_knows() {
    let scene = generate(SceneKind::Room, 7);
    let mut model = Turner::new(&scene, 0.0);
    spin(&mut model, &scene, 30);
    let pinned = |request: &ViewRequest| {
        let pinned = &request.shown.as_ref().unwrap().pinned;
        assert_eq!(pinned.len(), CELLS * CELLS);
        pinned.iter().filter(|pinned| **pinned).count()
    };
    // A turn of 15 of 80 degrees leaves about two thirds in sight, less one free ring; after a whole round all is known.
    assert!((24..=48).contains(&pinned(&model.requests[0])), "{}", pinned(&model.requests[0]));
    assert_eq!(pinned(&model.requests[27]), CELLS * CELLS, "the same view was drawn a round before");
}

#[test]
fn the_motion_that_was_drawn_is_measured_and_a_closed_loop_corrects_the_rest() {
    let scene = generate(SceneKind::Room, 7);
    let mut model = Turner::new(&scene, 1.0);
    let session = spin(&mut model, &scene, 24);
    // The model turned 24 degrees more than it was told.
    let really_deg = (model.pose.yaw_rad - scene.starts()[0].yaw_rad).to_degrees();
    assert!((really_deg.rem_euclid(360.0) - 24.0).abs() < 0.01, "{really_deg}");
    let off = |pose: &Pose| {
        let off = (pose.yaw_rad - model.pose.yaw_rad).to_degrees().rem_euclid(360.0);
        off.min(360.0 - off)
    };
    assert!(off(&session.pose()) < 1.0, "{} degrees off", off(&session.pose()));
    let edges = session.memory().edges();
    assert!(
        edges
            .iter()
            .all(|edge| edge.spread.turn_rad2 > 0.0 && edge.commanded.is_some() == (edge.kind != EdgeKind::Loop))
    );
    assert!(edges.iter().any(|edge| edge.kind == EdgeKind::Loop), "a full round closes a loop");
}

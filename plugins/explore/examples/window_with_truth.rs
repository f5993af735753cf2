//! For work on the window only: walks through the exact view of a generated scene, without any model.
//!
//! This is not how Rhea works: no view here is imagined. It opens the real window and the real session thread on a stand-in
//! that ray-traces each view, so that the look and feel of the window can be worked on without a model folder.
//!
//! `cargo run --release -p rhea-explore --example window_with_truth -- [SEED]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rhea_explore::{Ended, Failure, Offers, Opener, SessionThread, WalkEvent, Walker, WindowSettings, run_window};
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Move, Pose, Renderer, Scene, Threads, generate_any};
use rhea_session::replay::{NarrationNote, RecallNote, Timings};
use rhea_session::{Clip, ScriptStart, SessionEvent, StepControl, StepReport, Verdict, ViewReady};
use rhea_window::display;

const SIDE_PX: usize = 128;
/// About as long as a model takes for a view.
const DRAWING: Duration = Duration::from_millis(350);
/// About as long as a model takes for a word.
const WORD: Duration = Duration::from_millis(40);

struct TruthOpener {
    seed: u64,
}

struct Truth {
    scene: Scene,
    renderer: Renderer,
    poses: Vec<Pose>,
}

impl Truth {
    fn view(&self, pose: &Pose) -> Rgbd {
        self.renderer.render(pose, &Camera::square(SIDE_PX), Threads::All).rgbd
    }

    fn ready(&self, coverage: f32) -> WalkEvent {
        let pose = self.poses.last().copied().unwrap_or(self.scene.starts()[0]);
        let recall = RecallNote { coverage, ..RecallNote::default() };
        WalkEvent::Session(SessionEvent::ViewReady(Box::new(ViewReady {
            step: self.poses.len() as u64 - 1,
            pose,
            view: Arc::new(self.view(&pose)),
            verdict: Verdict::of(recall.coverage, recall.agreement_db),
            recall,
            origins: None,
            timings: Timings::default(),
        })))
    }
}

impl Opener for TruthOpener {
    fn open(
        &mut self,
        start: &ScriptStart,
        _control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<Box<dyn Walker>, Ended> {
        tell(WalkEvent::Doing("pretending to load a model".to_owned()));
        std::thread::sleep(DRAWING);
        let scene = match start {
            ScriptStart::Scene(path) => std::fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(|text| Scene::from_ron(&text).map_err(|error| error.to_string()))
                .map_err(|why| Ended::Failed(Failure::new(why, "Choose another scene.")))?,
            ScriptStart::Caption(_) | ScriptStart::Picture(_) | ScriptStart::World(_) => generate_any(self.seed),
        };
        self.seed += 1;
        tell(WalkEvent::Opened { model: "no model (truth)".to_owned(), world: scene.name().to_owned(), replay: None });
        let truth = Truth { renderer: Renderer::new(&scene), poses: vec![scene.starts()[0]], scene };
        tell(truth.ready(0.0));
        let caption = NarrationNote { text: truth.scene.caption(), cut: false };
        tell(WalkEvent::Session(SessionEvent::NarrationDone(caption)));
        Ok(Box::new(truth))
    }
}

impl Walker for Truth {
    fn step(
        &mut self,
        command: &str,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<StepReport, Ended> {
        let from = self.poses.last().copied().unwrap_or(self.scene.starts()[0]);
        let mut report = StepReport {
            step: 0,
            command: command.to_owned(),
            pose: from,
            clip: None,
            recall: None,
            narration: None,
            timings: Timings::default(),
            recorded: false,
        };
        if command == "undo" {
            if self.poses.len() < 2 {
                return Err(Ended::Failed(Failure::new("There is nothing to undo.", "")));
            }
            self.poses.pop();
            report.step = self.poses.len() as u64 - 1;
            report.pose = self.poses[self.poses.len() - 1];
            let view = Arc::new(self.view(&report.pose));
            tell(WalkEvent::Session(SessionEvent::Undone { step: report.step, pose: report.pose, view }));
            return Ok(report);
        }
        let step = Move::parse(command).map_err(|error| {
            Ended::Failed(Failure::new(error.to_string(), "Ctrl+Enter begins a new world with these words."))
        })?;
        let (to, clipped) = self.scene.clip(&from, &from.apply(&step));
        std::thread::sleep(DRAWING);
        if control.cancel.cancelled() {
            return Err(Ended::Cancelled);
        }
        if clipped {
            let length =
                |a: &Pose, b: &Pose| (a.position_m[0] - b.position_m[0]).hypot(a.position_m[2] - b.position_m[2]);
            let asked_m = length(&from, &from.apply(&step));
            tell(WalkEvent::Session(SessionEvent::Clipped(Clip { asked_m, walked_m: length(&from, &to) })));
        }
        self.poses.push(to);
        tell(self.ready(0.8));
        report.step = self.poses.len() as u64 - 1;
        report.pose = to;
        report.recall = Some(RecallNote::default());
        let mut text = String::new();
        for word in self.scene.caption().split_inclusive(' ') {
            if control.hush.cancelled() || control.cancel.cancelled() {
                break;
            }
            std::thread::sleep(WORD);
            text.push_str(word);
            tell(WalkEvent::Session(SessionEvent::NarrationText(word.to_owned())));
        }
        report.narration = Some(NarrationNote { text, cut: false });
        Ok(report)
    }

    fn finish(self: Box<Self>) -> Result<Option<PathBuf>, Failure> {
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    display::check()?;
    let seed = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let out = std::env::temp_dir().join("rhea-window-with-truth");
    std::fs::create_dir_all(&out)?;
    let (thread, link) =
        SessionThread::start(Box::new(TruthOpener { seed }), Some(ScriptStart::Caption(String::new())))?;
    run_window(link, WindowSettings { out, offers: Offers::default() })?;
    println!("{:?}", thread.finish(Duration::from_secs(5)));
    Ok(())
}

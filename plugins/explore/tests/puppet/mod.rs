//! A walk that does what a test tells it to.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "tests, not all of which need every word")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use rhea_engine::Cancel;
use rhea_explore::{Ended, Failure, Opener, WalkEvent, Walker};
use rhea_picture::Rgbd;
use rhea_scene::Pose;
use rhea_session::replay::{NarrationNote, RecallNote, Timings};
use rhea_session::{ScriptStart, SessionEvent, StepControl, StepReport, Verdict, ViewReady};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A walk that does what the test tells it to: each command is announced, and its view is drawn when the test says so.
pub struct Puppet {
    announced: Sender<String>,
    go: Receiver<Go>,
    steps: u64,
}

pub enum Go {
    /// Draw the view and tell about it until cancelled or told to go on.
    Draw,
    /// Finish the narration.
    Tell,
    /// Panic in the middle.
    Panic,
    /// Refuse with an error.
    Refuse,
}

pub struct PuppetOpener {
    pub announced: Sender<String>,
    pub go: Receiver<Go>,
}

fn pose(step: u64) -> Pose {
    Pose { position_m: [0.0, 1.5, -(step as f32)], yaw_rad: 0.0, pitch_rad: 0.0 }
}

fn view_ready(step: u64) -> WalkEvent {
    WalkEvent::Session(SessionEvent::ViewReady(Box::new(ViewReady {
        step,
        pose: pose(step),
        view: Arc::new(Rgbd::filled(2, 2, [step as u8; 3])),
        verdict: Verdict::Extended,
        recall: RecallNote { coverage: 0.5, ..RecallNote::default() },
        origins: None,
        timings: Timings::default(),
    })))
}

fn report(step: u64, command: &str, narration: &str) -> StepReport {
    StepReport {
        step,
        command: command.to_owned(),
        pose: pose(step),
        clip: None,
        recall: Some(RecallNote::default()),
        narration: Some(NarrationNote { text: narration.to_owned(), cut: false }),
        timings: Timings::default(),
        recorded: true,
    }
}

impl Opener for PuppetOpener {
    fn open(
        &mut self,
        start: &ScriptStart,
        _control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<Box<dyn Walker>, Ended> {
        let ScriptStart::Caption(world) = start else {
            return Err(Ended::Failed(Failure::new("no such world", "write a caption")));
        };
        tell(WalkEvent::Opened { model: "puppet".into(), world: world.clone(), replay: None });
        tell(view_ready(0));
        let told = NarrationNote { text: "the beginning".into(), cut: false };
        tell(WalkEvent::Session(SessionEvent::NarrationDone(told)));
        Ok(Box::new(Puppet { announced: self.announced.clone(), go: self.go.clone(), steps: 0 }))
    }
}

impl Puppet {
    fn wait(&self, cancels: [&Cancel; 2]) -> Option<Go> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE && !cancels.iter().any(|cancel| cancel.cancelled()) {
            if let Ok(go) = self.go.recv_timeout(Duration::from_millis(1)) {
                return Some(go);
            }
        }
        None
    }
}

impl Walker for Puppet {
    fn step(
        &mut self,
        command: &str,
        control: &StepControl,
        tell: &mut dyn FnMut(WalkEvent),
    ) -> Result<StepReport, Ended> {
        self.announced.send(command.to_owned()).unwrap();
        if command == "undo" {
            self.steps = self.steps.checked_sub(1).unwrap();
            let view = Arc::new(Rgbd::filled(2, 2, [0; 3]));
            tell(WalkEvent::Session(SessionEvent::Undone { step: self.steps, pose: pose(self.steps), view }));
            return Ok(StepReport { narration: None, recall: None, ..report(self.steps, command, "") });
        }
        match self.wait([&control.cancel, &control.cancel]) {
            None => Err(Ended::Cancelled),
            Some(Go::Panic) => panic!("the puppet fell"),
            Some(Go::Refuse) => Err(Ended::Failed(Failure::new("not possible", "try something else"))),
            Some(Go::Draw | Go::Tell) => {
                self.steps += 1;
                tell(view_ready(self.steps));
                tell(WalkEvent::Session(SessionEvent::NarrationText("half of ".into())));
                let all = self.wait([&control.cancel, &control.hush]).is_some();
                Ok(report(self.steps, command, if all { "half of it and the rest" } else { "half of" }))
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<Option<std::path::PathBuf>, Failure> {
        Ok(Some(format!("after {} steps", self.steps).into()))
    }
}

//! The walk as the window knows it: what to show, built from the session thread's reports.
//!
//! Plain state and one function per kind of change; it draws nothing and asks nothing of the session.
//!
//! Invariant: the trail has exactly one entry per view that is still part of the walk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::prelude::Resource;
use rhea_memory::MapFacts;
use rhea_picture::Rgbd;
use rhea_scene::Pose;
use rhea_session::{Origins, SessionEvent, Verdict, ViewReady};

use crate::report::{Failure, Report, WalkEvent};
use crate::words;

/// Steps over which the rate of views is averaged.
const RATE_STEPS: usize = 8;
/// Views kept; older ones fall off.
const MAX_TRAIL: usize = 100_000;

/// How long an error stays at least: long enough to be read.
pub const ERROR_STAYS: Duration = Duration::from_secs(4);

/// A view as the window shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenView {
    /// Number of the step that drew it; the first view is step 0.
    pub step: u64,
    /// The picture.
    pub view: Arc<Rgbd>,
    /// Where it was drawn.
    pub pose: Pose,
    /// Share of the view that memory knew, 0 to 1, and how it stands to memory; `None` for the first.
    pub known: Option<(f32, Verdict)>,
    /// A remark, such as that the way was blocked; empty when there is none.
    pub remark: String,
    /// From which step each part comes; `None` where nothing was recalled.
    pub origins: Option<Arc<Origins>>,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something was done; goes with the next view.
    News,
    /// Something was not done; goes with the next view after a few seconds.
    Error,
    /// Something is not as it should be from now on; stays until it is dismissed or replaced.
    Warning,
}

/// A message above the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// How much it matters.
    pub weight: Weight,
    /// What happened and what to do.
    pub message: Failure,
    /// Since when it is shown.
    pub since: Instant,
}

impl Banner {
    fn new(weight: Weight, message: Failure) -> Self {
        Self { weight, message, since: Instant::now() }
    }

    fn may_go(&self) -> bool {
        match self.weight {
            Weight::News => true,
            Weight::Error => self.since.elapsed() >= ERROR_STAYS,
            Weight::Warning => false,
        }
    }
}

/// Everything about the walk that the window shows.
#[derive(Resource, Default)]
pub struct Walk {
    /// Name of the model; empty until a world is open.
    pub model: String,
    /// Caption or scene name.
    pub world: String,
    /// The recording.
    pub replay: Option<PathBuf>,
    /// The last finished view.
    pub seen: Option<SeenView>,
    /// Changes whenever another view is to be shown.
    pub view_serial: u64,
    /// What is said about the view, so far.
    pub narration: String,
    /// Is more of it being written?
    pub talking: bool,
    /// The running command, and what is being done about it.
    pub running: Option<String>,
    /// A finer word about what is being done; empty when there is none.
    pub doing: String,
    /// Is the walk held?
    pub paused: bool,
    /// Does the walker explore by itself?
    pub roaming: bool,
    /// The map after the latest step.
    pub map: Arc<MapFacts>,
    /// Changes with the map.
    pub map_serial: u64,
    /// The views that were shown here and are still part of the walk, oldest first; without their origins.
    pub trail: Vec<SeenView>,
    /// Moves that were refused because too many waited.
    pub refused: u64,
    /// Milliseconds from command to view, last step; 0 before the first.
    pub last_view_ms: f32,
    /// A message, if any.
    pub banner: Option<Banner>,
    /// What was said about each view of the trail.
    told: Vec<String>,
    view_secs: VecDeque<f32>,
    remark: String,
}

impl Walk {
    /// Views per second while drawing, averaged over the last steps; `None` before the first step.
    #[must_use]
    pub fn views_per_sec(&self) -> Option<f32> {
        let total: f32 = self.view_secs.iter().sum();
        (total > 0.0).then(|| self.view_secs.len() as f32 / total)
    }

    /// Number of the last step; 0 at the first view.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.seen.as_ref().map_or(0, |seen| seen.step)
    }

    /// Shows an error with what to do.
    pub fn fail(&mut self, failure: Failure) {
        self.banner = Some(Banner::new(Weight::Error, failure));
    }

    /// Shows news.
    pub fn inform(&mut self, what: impl Into<String>) {
        self.banner = Some(Banner::new(Weight::News, Failure::new(what, "")));
    }

    /// What was said about the view at a place of the trail; empty where nothing was.
    #[must_use]
    pub fn told_at(&self, place: usize) -> &str {
        self.told.get(place).map_or("", String::as_str)
    }

    /// Takes one report in.
    pub fn apply(&mut self, report: Report) {
        match report {
            Report::Began { command } => {
                self.running = Some(command);
                self.doing.clear();
            }
            Report::Idle => {
                self.running = None;
                self.talking = false;
                self.doing.clear();
            }
            Report::Failed(failure) => {
                self.roaming = false;
                self.fail(failure);
            }
            Report::Cancelled => self.inform(words::STOPPED),
            Report::Acknowledged(report) => {
                if let Some(narration) = report.narration {
                    self.tell(narration.text);
                }
                // A move that got nowhere draws no view that could carry the remark.
                let remark = std::mem::take(&mut self.remark);
                if !remark.is_empty() {
                    self.inform(remark);
                }
            }
            Report::Event { event, after_secs } => self.happened(event, after_secs),
        }
    }

    fn happened(&mut self, event: WalkEvent, after_secs: f32) {
        match event {
            WalkEvent::Doing(doing) => self.doing = doing,
            WalkEvent::Opened { model, world, replay } => {
                *self = Self {
                    model,
                    world,
                    replay,
                    view_serial: self.view_serial + 1,
                    map_serial: self.map_serial + 1,
                    running: self.running.take(),
                    // Such as one about the user's keys, from before there was a world.
                    banner: self.banner.take().filter(|banner| banner.weight == Weight::Error),
                    ..Self::default()
                };
            }
            WalkEvent::Session(event) => self.stepped(event, after_secs),
        }
    }

    fn stepped(&mut self, event: SessionEvent, after_secs: f32) {
        match event {
            SessionEvent::StepStarted { .. } | SessionEvent::Saved { .. } => {}
            SessionEvent::Mapped(map) => {
                self.map = map;
                self.map_serial += 1;
            }
            SessionEvent::Clipped(clip) => {
                self.remark = words::in_the_way(clip.walked_m, clip.asked_m);
            }
            SessionEvent::ViewReady(ready) => self.drawn(*ready, after_secs),
            SessionEvent::NarrationText(piece) => self.narration.push_str(&piece),
            SessionEvent::NarrationDone(note) => self.tell(note.text),
            SessionEvent::Undone { step, pose, view } => {
                // The view that is shown again is there already, as it was judged; `show` adds it.
                self.trail.pop();
                let known = self.trail.pop().and_then(|seen| seen.known);
                self.told.pop();
                self.narration = self.told.pop().unwrap_or_default();
                let told = self.narration.clone();
                self.clear_banner();
                self.show(SeenView { step, view, pose, known, remark: String::new(), origins: None });
                self.tell(told);
            }
            SessionEvent::Warning(what) => {
                self.banner = Some(Banner::new(Weight::Warning, Failure::new(what, "")));
            }
        }
    }

    fn drawn(&mut self, ready: ViewReady, after_secs: f32) {
        if ready.step > 0 {
            self.last_view_ms = after_secs * 1000.0;
            self.view_secs.push_back(after_secs);
            if self.view_secs.len() > RATE_STEPS {
                self.view_secs.pop_front();
            }
        }
        self.clear_banner();
        self.narration.clear();
        self.talking = true;
        self.doing.clear();
        let known = (ready.step > 0).then_some((ready.recall.coverage, ready.verdict));
        let remark = std::mem::take(&mut self.remark);
        let ViewReady { step, view, pose, origins, .. } = ready;
        self.show(SeenView { step, view, pose, known, remark, origins });
    }

    /// The whole narration of the view on screen.
    fn tell(&mut self, text: String) {
        if let Some(told) = self.told.last_mut() {
            told.clone_from(&text);
        }
        self.narration = text;
        self.talking = false;
    }

    fn show(&mut self, seen: SeenView) {
        if self.trail.len() >= MAX_TRAIL {
            self.trail.remove(0);
            self.told.remove(0);
        }
        self.trail.push(SeenView { origins: None, ..seen.clone() });
        self.told.push(String::new());
        self.seen = Some(seen);
        self.view_serial += 1;
    }

    fn clear_banner(&mut self) {
        if self.banner.as_ref().is_some_and(Banner::may_go) {
            self.banner = None;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_session::replay::NarrationNote;
    use rhea_session::{Clip, StepReport};

    use super::*;

    fn pose(step: u64) -> Pose {
        Pose { position_m: [step as f32, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 }
    }

    fn event(event: SessionEvent, after_secs: f32) -> Report {
        Report::Event { event: WalkEvent::Session(event), after_secs }
    }

    fn view(step: u64) -> Report {
        let ready = ViewReady {
            step,
            pose: pose(step),
            view: Arc::new(Rgbd::filled(1, 1, [0; 3])),
            verdict: Verdict::New,
            recall: Default::default(),
            origins: None,
            timings: Default::default(),
        };
        event(SessionEvent::ViewReady(Box::new(ready)), 0.5)
    }

    fn told(text: &str) -> Report {
        event(SessionEvent::NarrationDone(NarrationNote { text: text.into(), cut: false }), 0.7)
    }

    #[test]
    fn steps_grow_the_trail_and_undo_shortens_it() {
        let mut walk = Walk::default();
        let opened = WalkEvent::Opened { model: "m".into(), world: "w".into(), replay: None };
        walk.apply(Report::Event { event: opened, after_secs: 0.0 });
        for step in 0..4 {
            walk.apply(view(step));
            walk.apply(told(&format!("view {step}")));
        }
        assert_eq!(walk.trail.len(), 4);
        assert_eq!(walk.views_per_sec(), Some(2.0), "the first view does not count");
        for back in [2, 1] {
            let view = Arc::new(Rgbd::filled(1, 1, [0; 3]));
            walk.apply(event(SessionEvent::Undone { step: back, pose: pose(back), view }, 0.1));
            assert_eq!((walk.step(), walk.narration.clone()), (back, format!("view {back}")));
        }
        let xs: Vec<f32> = walk.trail.iter().map(|seen| seen.pose.position_m[0]).collect();
        assert_eq!(xs, [0.0, 1.0]);
    }

    #[test]
    fn the_whole_narration_replaces_its_pieces() {
        let mut walk = Walk::default();
        walk.apply(view(1));
        walk.apply(event(SessionEvent::NarrationText("a red ".into()), 0.6));
        assert!(walk.talking);
        walk.apply(told("a red box"));
        assert_eq!((walk.narration.as_str(), walk.talking), ("a red box", false));
    }

    #[test]
    fn a_blocked_way_is_remarked_on_its_own_view_only() {
        let mut walk = Walk::default();
        walk.apply(event(SessionEvent::Clipped(Clip { asked_m: 0.5, walked_m: 0.2 }), 0.0));
        walk.apply(view(1));
        assert!(walk.seen.as_ref().unwrap().remark.contains("0.20 of 0.50 m"));
        walk.apply(view(2));
        assert_eq!(walk.seen.as_ref().unwrap().remark, "");
    }

    #[test]
    fn a_move_that_gets_nowhere_says_so_without_a_view() {
        let mut walk = Walk::default();
        walk.apply(view(1));
        walk.apply(event(SessionEvent::Clipped(Clip { asked_m: 0.5, walked_m: 0.0 }), 0.0));
        let blocked = StepReport {
            step: 1,
            command: "go forward 0.5 m".into(),
            pose: pose(1),
            clip: Some(Clip { asked_m: 0.5, walked_m: 0.0 }),
            recall: None,
            narration: None,
            timings: Default::default(),
            recorded: true,
        };
        walk.apply(Report::Acknowledged(blocked));
        assert!(walk.banner.as_ref().unwrap().message.what.contains("0.00 of 0.50 m"));
        assert_eq!(walk.trail.len(), 1);
        walk.apply(view(2));
        assert_eq!(walk.seen.as_ref().unwrap().remark, "");
    }

    #[test]
    fn news_goes_with_the_next_view_errors_when_read_and_warnings_never() {
        let mut walk = Walk::default();
        walk.apply(Report::Cancelled);
        assert_eq!(walk.banner.as_ref().unwrap().weight, Weight::News);
        walk.apply(view(1));
        assert_eq!(walk.banner, None);

        walk.apply(Report::Failed(Failure::new("broken", "mend it")));
        walk.apply(view(2));
        assert_eq!(walk.banner.as_ref().unwrap().message.hint, "mend it");
        let opened = WalkEvent::Opened { model: String::new(), world: String::new(), replay: None };
        walk.happened(opened, 0.0);
        assert_eq!(walk.banner.as_ref().unwrap().message.hint, "mend it");
        walk.banner.as_mut().unwrap().since -= ERROR_STAYS;
        walk.apply(view(3));
        assert_eq!(walk.banner, None);

        walk.apply(event(SessionEvent::Warning("the disk is full".into()), 0.0));
        walk.banner.as_mut().unwrap().since -= ERROR_STAYS * 10;
        walk.apply(view(4));
        assert_eq!(walk.banner.as_ref().unwrap().weight, Weight::Warning);
    }
}

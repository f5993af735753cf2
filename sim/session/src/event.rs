//! What a session tells while it works: typed events for a window, a progress bar or a test.

use std::sync::Arc;

use rhea_engine::Cancel;
use rhea_memory::{MapFacts, Recall, Verdict};
use rhea_picture::Rgbd;
use rhea_scene::Pose;

use crate::replay::{NarrationNote, RecallNote, Timings};

/// Something that happened in a session, in order.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// A step began.
    StepStarted {
        /// Number of the view that is being drawn: 0 for the first view.
        step: u64,
        /// The command in plain words.
        command: String,
    },
    /// The move was shortened, because something stands in the way.
    Clipped(Clip),
    /// A view is there. The step is not yet acknowledged: that is when [`crate::ExploreSession::step`] returns.
    ViewReady(Box<ViewReady>),
    /// A piece of the narration of the last view.
    NarrationText(String),
    /// The narration ended.
    NarrationDone(NarrationNote),
    /// The map has changed; only where maps are told.
    Mapped(Arc<MapFacts>),
    /// The last view was taken back; this is the one before.
    Undone {
        /// Number of the view the walker is back at.
        step: u64,
        /// Where the walker is again.
        pose: Pose,
        /// What the walker sees again.
        view: Arc<Rgbd>,
    },
    /// The step is on the disk.
    Saved {
        /// Records in the replay.
        records: u64,
        /// Length of the replay, bytes.
        bytes: u64,
    },
    /// Something went wrong that does not end the session; says what to do.
    Warning(String),
}

/// A new view and what is known about it.
#[derive(Clone, Debug)]
pub struct ViewReady {
    /// Number of the view: 0 for the first.
    pub step: u64,
    /// Where it was drawn.
    pub pose: Pose,
    /// The picture.
    pub view: Arc<Rgbd>,
    /// How much of it memory knew.
    pub verdict: Verdict,
    /// What memory knew.
    pub recall: RecallNote,
    /// From which earlier view each part was recalled; `None` for a first view and one that was taken up.
    pub origins: Option<Arc<Origins>>,
    /// Where the time went so far.
    pub timings: Timings,
}

/// From which step each part of a view comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The steps that were recalled.
    pub steps: Vec<u64>,
    /// For each pixel, row-major, the position of its step in `steps`; [`Origins::NEW`] where nothing was recalled.
    pub source: Vec<u16>,
}

impl Origins {
    /// Stands for a pixel that no earlier view shows.
    pub const NEW: u16 = u16::MAX;

    pub(crate) fn of(recall: &Recall) -> Self {
        let warp = &recall.warp;
        let source =
            warp.source.iter().zip(&warp.valid).map(|(source, valid)| if *valid { *source } else { Self::NEW });
        Self {
            width: warp.view.width,
            height: warp.view.height,
            steps: recall.used.iter().map(|index| *index as u64).collect(),
            source: source.collect(),
        }
    }

    /// The step that a pixel comes from; `None` where it is new.
    #[must_use]
    pub fn step_at(&self, x: usize, y: usize) -> Option<u64> {
        let source = self.source.get(y * self.width + x).filter(|_| x < self.width)?;
        self.steps.get(usize::from(*source)).copied()
    }
}

/// A move that was shortened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Length that was asked for, metres.
    pub asked_m: f32,
    /// Length that was walked, metres.
    pub walked_m: f32,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Number of the view the walker is at: 0 for the first.
    pub step: u64,
    /// The command in plain words.
    pub command: String,
    /// Where the walker is.
    pub pose: Pose,
    /// The shortened move, if it was shortened.
    pub clip: Option<Clip>,
    /// What memory knew; `None` after an undo.
    pub recall: Option<RecallNote>,
    /// Words about the view; `None` when narration is off, and after an undo.
    pub narration: Option<NarrationNote>,
    /// Where the time went.
    pub timings: Timings,
    /// Is the step on the disk? False without a replay and while the disk refuses.
    pub recorded: bool,
}

/// The two ways to hurry a running step. Make a new one for every step.
#[derive(Clone, Debug, Default)]
pub struct StepControl {
    /// Drops the step while its view is being drawn: nothing changes. Later it only cuts the narration.
    pub cancel: Cancel,
    /// Cuts the narration short; the step stays.
    pub hush: Cancel,
}

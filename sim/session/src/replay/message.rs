//! What stands in a replay: one typed value per channel, written and read as JSON.
//!
//! Everything but the clock times is a function of the walk, so two runs of the same script give the same payloads and
//! therefore the same state hashes. Clock times are in the MCAP records and in [`Timings`], which no hash covers.

use std::borrow::Cow;

use rhea_memory::{PixelSet, Verdict};
use rhea_physics::checks::{Check, StepReport};
use rhea_physics::film::Still;
use rhea_physics::plan::Account;
use rhea_physics::scene::TaskScene;
use rhea_physics::world::facts::Goal;
use rhea_scene::{Camera, Pose};
use serde::{Deserialize, Serialize};

/// Version of the layout described here; a reader refuses newer ones by name.
///
/// 1: the first. 2: `/check`, and records of kind `note`. 3: robot plans; walks are written as format 2 still.
pub const FORMAT_VERSION: u32 = 3;
/// Version of the layout of a walk.
pub const WALK_FORMAT: u32 = 2;
/// Profile of the MCAP file header.
pub const PROFILE: &str = "rhea";

/// The first message of a replay, on `/session`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of Rhea that wrote the file.
    pub rhea: String,
    /// Layout version: [`WALK_FORMAT`], or [`FORMAT_VERSION`] for a plan.
    pub format: u32,
    /// Name of the model.
    pub model: String,
    /// Hash of the model's weights, when the caller knows it.
    pub model_hash: Option<String>,
    /// The camera of all views.
    pub camera: Camera,
    /// Seed of the session.
    pub seed: u64,
    /// How the session began, in words.
    pub start: String,
    /// A sentence about the world; empty when there is none.
    pub world: String,
    /// What a recorded plan is about; `None` for a walk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanNote>,
}

/// What a recorded plan is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanNote {
    /// The scene as it was when the plan began; a copy, so that the recording needs no scene file.
    pub scene: TaskScene,
    /// The folder that the scene's robot files are relative to.
    pub robots: String,
    /// What had to hold at the end.
    pub goals: Vec<Goal>,
    /// Name and step (counted from 0) of the recording that this one branched off from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_of: Option<(String, usize)>,
}

/// The judgement of a step of a plan, on `/report`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportNote {
    /// Every check with its value and margin.
    pub report: StepReport,
    /// Was it carried out?
    pub executed: bool,
}

/// How everything moved during a step of a plan, on `/motion`; of a rejected step, the motion that was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MotionNote {
    /// Time between two stills, seconds.
    pub still_secs: f64,
    /// Joint values (radians), openings and ways (metres), poses.
    pub stills: Vec<Still>,
}

/// The simulated world before a step of a plan, on `/world`: bytes to go on from with the same version of Rhea.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorldNote<'a> {
    /// Base64.
    #[serde(borrow)]
    pub snapshot: Cow<'a, str>,
}

/// How a plan ended, on `/end`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndNote {
    /// Did everything that was expected come true?
    pub good: bool,
    /// Each goal with its verdict.
    pub goals: Vec<Check>,
    /// What the answers of the model and the repairs took.
    pub account: Option<Account>,
}

/// What a record of a replay tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// The first view.
    Start,
    /// A step with its view.
    Step,
    /// The last view was taken back.
    Undo,
    /// A step that was cancelled; nothing changed.
    Cancelled,
    /// A move that something stands in the way of; nothing changed.
    Blocked,
    /// A step that the model could not do; nothing changed.
    Failed,
    /// Something was asked of memory or told to it; the walker stays, and there is no view.
    Note,
}

/// What was asked, on `/command`: the first message of every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandNote {
    /// Number of the record in the file, from 0.
    pub record: u64,
    /// What this record tells.
    pub kind: RecordKind,
    /// Views on the walk after this record, not counting the first: where the walker is.
    pub step: u64,
    /// The command in plain words, as the model read it.
    pub text: String,
    /// What else there is to say: a clipped move, an error.
    pub note: Option<String>,
}

/// What memory knew, on `/recall`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecallNote {
    /// Numbers of the earlier views that were used, in the order of warping.
    pub sources: Vec<u64>,
    /// Share of the view that they cover, 0 to 1.
    pub coverage: f32,
    /// 1 + the largest lineage of the sources; 0 for a first view.
    pub lineage: u32,
    /// PSNR in dB of the drawn view against memory where memory knows, when it knows anything.
    pub agreement_db: Option<f32>,
    /// Pixels that the model drew itself, with nothing given behind them.
    #[serde(default, skip_serializing_if = "PixelSet::is_empty")]
    pub own: PixelSet,
}

/// How a picture that was checked came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateKind {
    /// Drawn as asked.
    Drawn,
    /// Its bad cells drawn again beside the good ones, as memory knows them.
    Redrawn,
    /// Its bad cells drawn again without memory: does the model see the same there by itself?
    Witness,
    /// Memory's own pixels in the bad cells.
    Composite,
}

/// A picture that was checked against memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateNote {
    /// How it came about.
    pub kind: CandidateKind,
    /// Seed that drew it.
    pub seed: u64,
    /// Difference of its worst cell, levels of 255.
    pub worst: f32,
    /// Cells above the threshold.
    pub bad_cells: u32,
}

/// How a view was checked against memory, on `/check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckNote {
    /// What came of it.
    pub verdict: Verdict,
    /// All pictures that were checked, in the order they were made.
    pub candidates: Vec<CandidateNote>,
    /// Which of them was stored.
    pub chosen: u32,
    /// Difference of each cell of the stored one, levels of 255; `null` where memory knew too little.
    pub cells: Vec<Option<f32>>,
    /// Share of its pixels that memory did not know as crisply, 0 to 1.
    pub fresh_share: f32,
    /// Where a new epoch began, when it did: a ball's middle and radius, metres.
    pub reopened_m: Option<[f32; 4]>,
}

/// Words about a view, on `/narration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NarrationNote {
    /// The text.
    pub text: String,
    /// Was it cut before its end?
    pub cut: bool,
}

/// Visual codes of a view, on `/tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codes {
    /// Rows of codes.
    pub rows: usize,
    /// Columns of codes.
    pub cols: usize,
    /// `rows * cols` codes, row-major.
    pub codes: Vec<u32>,
}

/// Where the time of a step went, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Looking up and warping earlier views.
    pub recall_secs: f64,
    /// Drawing the view.
    pub imagine_secs: f64,
    /// Talking about it.
    pub narrate_secs: f64,
}

impl Timings {
    /// All parts together, seconds.
    #[must_use]
    pub fn total_secs(&self) -> f64 {
        self.recall_secs + self.imagine_secs + self.narrate_secs
    }
}

/// The end of a record, on `/step`: it is whole when this is there and the hash is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// As in [`CommandNote`].
    pub record: u64,
    /// State hash: FNV-1a 64 over the previous state hash and all messages of this record before this one, 16 hex digits.
    pub state: String,
    /// Where the time went.
    pub timings: Timings,
}

/// Walk time: one second a step, so that pictures have a stable time; the wall clock is in the MCAP record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WalkTime {
    pub sec: u64,
    pub nsec: u32,
}

/// A picture, on `/view` and `/depth`, in Foxglove's `foxglove.CompressedImage` layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CompressedImage<'a> {
    pub timestamp: WalkTime,
    #[serde(borrow)]
    pub frame_id: Cow<'a, str>,
    #[serde(borrow)]
    pub data: Cow<'a, str>,
    #[serde(borrow)]
    pub format: Cow<'a, str>,
}

/// The pose on `/pose`; the same value as [`Pose`], named so that its schema is in one place.
pub(super) type PoseNote = Pose;

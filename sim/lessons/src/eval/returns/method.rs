//! What is compared: Rhea, Rhea without one of its parts, other ways of remembering, bounds, and cheats.
//!
//! All that draw do it through the same session with the same model; they differ in which views are recalled and in how
//! drawings are checked.

use rhea_memory::Policy;
use rhea_session::{Options, Rules};
use serde::Serialize;

/// A way to keep a place the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Rhea: graph recall, every view checked and repaired.
    Ours,
    /// As drawn, unchecked.
    OursNoVerify,
    /// Checked, other drawings are tried, but nothing is repaired.
    OursNoRepair,
    /// No memory: only the view before the step.
    None,
    /// A window of four views.
    #[serde(rename = "last_4")]
    Last4,
    /// A window of eight views.
    #[serde(rename = "last_8")]
    Last8,
    /// The longest window that a warp takes: 64 views.
    RawContext,
    /// The eight views from the nearest poses.
    NearestPose,
    /// Eight views by greedy frustum coverage without depth, recent ones preferred.
    GreedyFov,
    /// Everything in one cache, newer points over older ones.
    WarpCache,
    /// A bound: true views with true depth, warped without any network.
    OracleWarp,
    /// A cheat: the first view for ever.
    Frozen,
    /// A cheat: no memory, but a picture of the same place is handed back as it is.
    ExactLookup,
    /// A cheat: the mean of all true views of the walk.
    MeanImage,
    /// Another system's pictures.
    Frames,
}

/// Views that the windows and choosers take.
const EIGHT: usize = 8;

impl Method {
    /// All of the benchmark, in the order of the tables.
    pub const ALL: [Self; 14] = [
        Self::Ours,
        Self::OursNoVerify,
        Self::OursNoRepair,
        Self::None,
        Self::Last4,
        Self::Last8,
        Self::RawContext,
        Self::NearestPose,
        Self::GreedyFov,
        Self::WarpCache,
        Self::OracleWarp,
        Self::Frozen,
        Self::ExactLookup,
        Self::MeanImage,
    ];

    /// The name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursNoVerify => "ours_no_verify",
            Self::OursNoRepair => "ours_no_repair",
            Self::None => "none",
            Self::Last4 => "last_4",
            Self::Last8 => "last_8",
            Self::RawContext => "raw_context",
            Self::NearestPose => "nearest_pose",
            Self::GreedyFov => "greedy_fov",
            Self::WarpCache => "warp_cache",
            Self::OracleWarp => "oracle_warp",
            Self::Frozen => "frozen",
            Self::ExactLookup => "exact_lookup",
            Self::MeanImage => "mean_image",
            Self::Frames => "frames",
        }
    }

    /// Is it Rhea, whole or in part?
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursNoVerify | Self::OursNoRepair)
    }

    /// How a session draws by this method; `None` for those that draw nothing.
    pub(super) fn options(self, usual: &Options) -> Option<Options> {
        let unchecked = Rules { verify: false, ..usual.rules };
        let by = |policy: Policy| Some(Options { policy: Some(policy), rules: unchecked, ..usual.clone() });
        let checked = |repair: bool| Rules { verify: true, repair, ..usual.rules };
        match self {
            Self::Ours => Some(Options { rules: checked(true), ..usual.clone() }),
            Self::OursNoRepair => Some(Options { rules: checked(false), ..usual.clone() }),
            Self::OursNoVerify => Some(Options { rules: unchecked, ..usual.clone() }),
            Self::None => by(Policy::Last(1)),
            Self::Last4 => by(Policy::Last(4)),
            Self::Last8 => by(Policy::Last(EIGHT)),
            Self::RawContext => by(Policy::Last(rhea_memory::MAX_SOURCES)),
            Self::NearestPose => by(Policy::Nearest(EIGHT)),
            Self::GreedyFov => by(Policy::Frustum(EIGHT)),
            Self::WarpCache => by(Policy::Cache),
            Self::OracleWarp | Self::Frozen | Self::ExactLookup | Self::MeanImage | Self::Frames => None,
        }
    }
}

/// Nothing is said, ways are free as planned.
pub(super) fn usual() -> Options {
    Options { narrate: false, clip_moves: false, ..Options::default() }
}

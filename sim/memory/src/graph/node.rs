//! What the graph knows about a view besides its picture.

use serde::{Deserialize, Serialize};

use super::edge::Spread;
use super::place::Place;
use crate::pixels::PixelSet;

/// How a view stands to what memory knew when it was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Memory knew less than a quarter of it: there was nothing to check it against.
    New,
    /// Partly known, and the known part agrees.
    Extended,
    /// Memory knew at least 85 % of it, and it agrees.
    Revisited,
    /// It agrees after its bad cells were drawn again.
    Repaired,
    /// Its bad cells are memory's own pixels, because drawing them again did not help.
    Composite,
    /// Several drawings agreed with each other and not with memory: a new epoch began there.
    Reopened,
    /// It differs visibly from what memory knew. Such a view is shown only where checking is switched off.
    Doubtful,
}

impl Verdict {
    /// All, the best first.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Extended, Self::Revisited, Self::Repaired, Self::Composite, Self::Reopened, Self::Doubtful];
    /// Below this coverage a view is new.
    pub const NEW_BELOW: f32 = 0.25;
    /// From this coverage on a view is a revisit.
    pub const REVISITED_FROM: f32 = 0.85;
    /// Below this agreement with memory a view that was not checked cell by cell is doubtful, dB. A view redrawn from its codes
    /// alone has 26 dB.
    pub const DOUBTFUL_BELOW_DB: f32 = 20.0;

    /// The verdict on a view of which memory knew a share of `coverage`, from its PSNR against memory there.
    #[must_use]
    pub fn of(coverage: f32, agreement_db: Option<f32>) -> Self {
        match agreement_db {
            _ if coverage < Self::NEW_BELOW => Self::New,
            Some(db) if db < Self::DOUBTFUL_BELOW_DB => Self::Doubtful,
            _ => Self::agreed(coverage),
        }
    }

    /// The verdict on a view that agrees with memory.
    #[must_use]
    pub fn agreed(coverage: f32) -> Self {
        match coverage {
            c if c < Self::NEW_BELOW => Self::New,
            c if c < Self::REVISITED_FROM => Self::Extended,
            _ => Self::Revisited,
        }
    }

    /// One word for the status line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Extended => "extended",
            Self::Revisited => "revisited",
            Self::Repaired => "repaired",
            Self::Composite => "composite",
            Self::Reopened => "reopened",
            Self::Doubtful => "doubtful",
        }
    }
}

/// What a view is for in recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The first view of its place in its epoch: what the place looks like until an edit.
    Canonical,
    /// A later view of its place that knows something the earlier ones do not.
    Filler,
    /// A view that earlier ones know wholly: a copy, never recalled, so that no copy is made of it.
    Copy,
}

/// What the graph knows about a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Tells the view apart from all others, also across forks of a world.
    pub id: u64,
    /// Where it is filed.
    pub place: Place,
    /// How sure its pose is, given the first view's.
    pub spread: Spread,
    /// How it stood to memory.
    pub verdict: Verdict,
    /// Number of edits before it.
    pub epoch: u32,
    /// What it is for.
    pub role: Role,
    /// Indices of the views it was drawn from.
    pub sources: Vec<u32>,
    /// Pixels that the model drew itself, with nothing given behind them.
    #[serde(default, skip_serializing_if = "PixelSet::is_empty")]
    pub own: PixelSet,
    /// Kept for good: it cannot be forgotten and counts as a true view.
    pub pinned: bool,
    /// Not recalled any more.
    pub forgotten: bool,
}

impl Node {
    /// May recall use it?
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        !self.forgotten && (self.role != Role::Copy || self.pinned)
    }
}

/// What is told about a view that comes into memory.
#[derive(Clone, Debug)]
pub struct Insight {
    /// How it stood to memory.
    pub verdict: Verdict,
    /// Indices of the views it was drawn from.
    pub sources: Vec<usize>,
    /// Share of its pixels that memory did not know as crisply, 0 to 1.
    pub fresh_share: f32,
    /// Pixels that the model drew itself, with nothing given behind them: see [`crate::Recall::own`].
    pub own: PixelSet,
    /// The command that led to it from the latest view, and what of it was measured.
    pub motion: Option<super::Travel>,
}

impl Default for Insight {
    fn default() -> Self {
        Self { verdict: Verdict::New, sources: Vec::new(), fresh_share: 1.0, own: PixelSet::default(), motion: None }
    }
}

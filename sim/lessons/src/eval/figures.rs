//! The figures of the walk benchmark, in the layout of its JSON file.

use serde::Serialize;

/// Running mean that ignores what could not be measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    /// Counts a finite value; infinite scores (equal pictures) count as 60 dB.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.sum += value.clamp(-1e6, 60.0);
        self.count += 1;
    }

    /// The mean; NaN when nothing was counted (`null` in JSON).
    #[must_use]
    pub fn get(self) -> f64 {
        self.sum / self.count as f64
    }
}

/// True views through the vision tokenizer, without memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoundTripFigures {
    /// dB.
    pub psnr: f64,
    /// At most 1.
    pub ssim: f64,
    /// Median relative error, mean over views.
    pub depth_rel_err: f64,
}

/// One step from a first view.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NextViewFigures {
    /// What memory (a true view) sees, dB.
    pub seen_psnr: f64,
    /// The same when memory is the model's own drawing, dB.
    pub seen_psnr_own: f64,
    /// What memory does not see, dB.
    pub unseen_psnr: f64,
    /// Mean gradient magnitude over all scenes against truth's, seen region.
    pub seen_sharpness: f64,
    /// The same, unseen region.
    pub unseen_sharpness: f64,
}

/// The start of a walk against truth after 40 steps, dB.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WalkFigures {
    /// Rhea's memory, from a true start.
    pub ours: f64,
    /// Recalling the last view only.
    pub last_view: f64,
    /// A picture that never changes, over all views of the walk.
    pub frozen: f64,
    /// Rhea's memory from a start that the model drew itself.
    pub own: f64,
    /// That start's own score.
    pub own_start: f64,
}

/// Both walks.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RevisitFigures {
    /// Forward, around, and back the same way.
    pub out_and_back_40: WalkFigures,
    /// Two turns on the spot.
    pub spin_40: WalkFigures,
}

/// Words against truth.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NarrationFigures {
    /// Share of named objects that are in view.
    pub in_view: f64,
    /// Objects named.
    pub named: usize,
    /// On walks that tell of memory too: share of named objects that are in view, or were in an earlier view of the walk.
    pub in_memory: f64,
    /// The same walks: share of directions said that are right.
    pub direction: f64,
    /// Directions said.
    pub directions: usize,
    /// Share of "seen at step" that are right.
    pub step: f64,
    /// Objects told of out of memory.
    pub recalled: usize,
}

/// How the drawn views of the walks were decoded.
#[derive(Clone, Debug, Serialize)]
pub struct DecodingFigures {
    /// `default` is the model folder's own way, with passes by what memory knows.
    pub name: String,
    /// Forward passes of the transformer a drawn view, mean; views that memory covers need none.
    pub mean_passes: f64,
    /// Views drawn.
    pub views: usize,
}

/// The whole benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Model and its weights' stamp.
    pub model: String,
    /// See [`DecodingFigures`].
    pub decoding: DecodingFigures,
    /// First and last scene seed.
    pub seeds: [u64; 2],
    /// See [`RoundTripFigures`].
    pub round_trip: RoundTripFigures,
    /// See [`NextViewFigures`].
    pub next_view: NextViewFigures,
    /// See [`RevisitFigures`].
    pub revisit: RevisitFigures,
    /// See [`NarrationFigures`].
    pub narration: NarrationFigures,
}

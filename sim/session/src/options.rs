//! The settings of a session, fixed when it begins.

use rhea_engine::{CanvasForm, Decoding, Filter, Guidance};
use rhea_memory::Policy;

use crate::check::Rules;
use crate::clock::{Clock, SystemClock};
use crate::replay::Storage;

/// How a session draws, talks and remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Seed of the session; view `n` is drawn with `seed + n`, where views that were taken back count too.
    pub seed: u64,
    /// How pictures are decoded; `None` does it as the model was trained, in passes by how much memory knows.
    pub decoding: Option<Decoding>,
    /// How picture tokens are drawn.
    pub picture: Filter,
    /// How strongly pictures follow the command; `None` is no guidance.
    pub guidance: Option<Guidance>,
    /// How words are drawn.
    pub text: Filter,
    /// A clause that names an object with a probability (of its colour and noun) below this is not said; 0 says all.
    pub least_sure: f32,
    /// Does the model talk about what it draws?
    pub narrate: bool,
    /// Earlier views that are warped into a new one at most: 1 is the last place alone, 8 is plenty.
    pub recall_views: usize,
    /// How they are chosen; `None` is the graph's own way. Others are for comparison.
    pub policy: Option<Policy>,
    /// How strictly views are held to what memory knows.
    pub rules: Rules,
    /// Does what memory knows stand in the way? A benchmark whose ways are free in truth walks them as they are given.
    pub clip_moves: bool,
    /// Does the narration remind of things that are out of view?
    pub recount: bool,
    /// Begin a scene with the model's own drawing of its first view instead of the exact one.
    pub own_start: bool,
    /// Hash of the model's weights, when the caller knows it; goes into the replay.
    pub model_hash: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            decoding: None,
            picture: Filter { temperature: 0.7, top_k: 0, top_p: 0.9 },
            guidance: None,
            text: Filter::GREEDY,
            least_sure: Self::LEAST_SURE,
            narrate: true,
            recall_views: 8,
            policy: None,
            rules: Rules::default(),
            clip_moves: true,
            recount: true,
            own_start: false,
            model_hash: None,
        }
    }
}

impl Options {
    /// From here on more than nineteen of twenty named objects are in view: `rhea eval words`.
    pub const LEAST_SURE: f32 = 0.95;
    /// Passes of decoding with holes for a view that memory covers.
    pub const KNOWN_PASSES: u32 = 1;
    /// Passes of decoding with holes for a view that memory knows nothing of. More of them make nothing truer or sharper:
    /// `rhea eval walks --decoding masked --passes N` on three scenes gives 17.8 dB and a sharpness of 0.62 for 3 passes,
    /// 17.6 dB and 0.57 for 6.
    pub const NEW_PASSES: u32 = 3;
    /// As [`Self::KNOWN_PASSES`], along a flow.
    pub const KNOWN_FLOW_PASSES: u32 = 8;
    /// As [`Self::NEW_PASSES`], along a flow: the published number for pictures (URSA, arXiv 2510.24717).
    pub const NEW_FLOW_PASSES: u32 = 25;

    /// How a model with canvases of `form` decodes a view of which memory knows a share of `coverage`, 0 to 1.
    #[must_use]
    pub fn decoding_for(&self, form: Option<CanvasForm>, coverage: f32) -> Decoding {
        self.decoding.unwrap_or_else(|| {
            let (known, new) = match form {
                None => return Decoding::NextToken,
                Some(CanvasForm::Hole) => (Self::KNOWN_PASSES, Self::NEW_PASSES),
                Some(CanvasForm::UniformNoise) => (Self::KNOWN_FLOW_PASSES, Self::NEW_FLOW_PASSES),
            };
            let extra = (new - known) as f32 * (1.0 - coverage.clamp(0.0, 1.0));
            Decoding::Parallel { passes: known + extra.ceil() as u32 }
        })
    }
}

/// What a session needs from outside.
pub struct Setup {
    /// The settings.
    pub options: Options,
    /// Where the replay goes; `None` records nothing.
    pub storage: Option<Box<dyn Storage>>,
    /// The time.
    pub clock: Box<dyn Clock>,
}

impl Setup {
    /// A session with the machine's clock.
    #[must_use]
    pub fn new(options: Options, storage: Option<Box<dyn Storage>>) -> Self {
        Self { options, storage, clock: Box::new(SystemClock::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_passes_where_memory_knows_more() {
        let options = Options::default();
        let passes = |form: CanvasForm, coverage: f32| match options.decoding_for(Some(form), coverage) {
            Decoding::Parallel { passes } => passes,
            Decoding::Canvas { .. } | Decoding::NextToken => 0,
        };
        assert_eq!([0.0, 0.4, 0.99, 1.0, f32::NAN].map(|c| passes(CanvasForm::Hole, c)), [3, 3, 2, 1, 1]);
        assert_eq!([0.0, 1.0].map(|c| passes(CanvasForm::UniformNoise, c)), [25, 8]);
        assert_eq!(options.decoding_for(None, 0.5), Decoding::NextToken);
        let fixed = Options { decoding: Some(Decoding::NextToken), ..options };
        assert_eq!(fixed.decoding_for(Some(CanvasForm::Hole), 0.5), Decoding::NextToken);
    }
}

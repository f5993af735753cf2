//! The settings of a session, fixed when it begins.

use rhea_engine::{Decoding, Filter};

use crate::clock::{Clock, SystemClock};
use crate::replay::Storage;

/// How a session draws, talks and remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Seed of the session; view `n` is drawn with `seed + n`, where views that were taken back count too.
    pub seed: u64,
    /// How pictures are decoded; `None` chooses the passes by how much memory knows.
    pub decoding: Option<Decoding>,
    /// How picture tokens are drawn.
    pub picture: Filter,
    /// How words are drawn.
    pub text: Filter,
    /// Does the model talk about what it draws?
    pub narrate: bool,
    /// Earlier views that are warped into a new one at most: 1 is the last place alone, 8 is plenty.
    pub recall_views: usize,
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
            text: Filter::GREEDY,
            narrate: true,
            recall_views: 8,
            own_start: false,
            model_hash: None,
        }
    }
}

impl Options {
    /// Passes of parallel decoding for a view that memory covers.
    pub const KNOWN_PASSES: u32 = 2;
    /// Passes of parallel decoding for a view that memory knows nothing of.
    pub const NEW_PASSES: u32 = 6;

    /// How to decode a view of which memory knows a share of `coverage`, 0 to 1.
    #[must_use]
    pub fn decoding_for(&self, coverage: f32) -> Decoding {
        self.decoding.unwrap_or_else(|| {
            let extra = (Self::NEW_PASSES - Self::KNOWN_PASSES) as f32 * (1.0 - coverage.clamp(0.0, 1.0));
            Decoding::Parallel { passes: Self::KNOWN_PASSES + extra.ceil() as u32 }
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
        let passes = |coverage| match options.decoding_for(coverage) {
            Decoding::Parallel { passes } => passes,
            Decoding::NextToken => 0,
        };
        assert_eq!([0.0, 0.4, 0.99, 1.0, f32::NAN].map(passes), [6, 5, 3, 2, 2]);
        let fixed = Options { decoding: Some(Decoding::NextToken), ..options };
        assert_eq!(fixed.decoding_for(0.5), Decoding::NextToken);
    }
}

//! The walk benchmark: what the model draws against the exact truth of scenes that it was not trained on.
//!
//! Round trip: a true view through the vision tokenizer. Next view: one step from a true view, and from the model's own
//! drawing of it, on regions that memory sees and regions it does not. Revisit: the start of a walk against truth after 40
//! steps, ours against two baselines, one that recalls only the last view and one that never changes its picture. Narration:
//! objects that are named on true views and on next views, and on walks that tell of memory with directions and steps, against the
//! object ids of the truth.

mod counted;
mod decodings;
mod figures;
pub mod plans;
mod recounted;
pub mod returns;
mod walks;
mod words;

pub use decodings::{DecodingPair, WayFigures, compare_decodings};
pub use figures::{
    DecodingFigures, Figures, NarrationFigures, NextViewFigures, RevisitFigures, RoundTripFigures, WalkFigures,
};
pub use recounted::recounted_walk;
pub use walks::{EvalOptions, evaluate_walks};
pub use words::{WORD_SEEDS, WordFigures, evaluate_words};

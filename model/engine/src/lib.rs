//! Requests, sampling, KV memory and decoding over a loaded model folder.
//!
//! * [`ModelFolder`] opens and checks the files; [`Imagination`] serves [`Imagine`] and [`Speak`] requests from them;
//! * [`choose`] takes the most probable of a list of answers;
//! * [`generate`] answers whole questions, with text, thoughts and pictures;
//! * [`Sampler`] draws tokens with a counter-based generator;
//! * [`Stream`] is a branch of the KV memory that knows which ids it has read, and reads only what differs;
//! * [`Guidance`] compares with an unconditional prompt, both prompts in one batch;
//! * [`CellState`] and [`known_cells`] say what memory knows of each cell of a picture;
//! * [`spread`] says which devices there are, and plans how a model is spread over ranks;
//! * [`capacity`] says what a model takes on cards, before there are any;
//! * [`canvas_samplers`] draw all cells of a picture at once, from logits that a [`ModelDenoiser`] gives.
//!
//! It knows tokens, pictures and devices; it knows nothing of worlds or robots.
//!
//! Invariant: the same request on the same folder gives the same tokens, whatever was served before.

mod canvas;
pub mod canvas_samplers;
pub mod capacity;
mod choice;
mod decoding;
mod denoise;
mod error;
mod estimate;
mod folder;
pub mod generate;
mod generation;
mod guidance;
mod imagination;
mod next_token;
mod reader;
mod request;
mod sampler;
mod speak;
pub mod spread;
mod stream;
pub mod synthetic;
#[cfg(test)]
mod tests;

pub use canvas::{CellState, KNOWN_SHARE, PARTIAL_SHARE, known_cells};
pub use choice::{Chosen, Logits, choose};
pub use decoding::{CanvasForm, CanvasMethod, Decoding};
pub use denoise::{CanvasIds, ModelDenoiser};
pub use error::EngineError;
pub use estimate::{Bytes, MemoryEstimate};
pub use folder::{ModelFolder, OpenOptions, has_weights};
pub use generation::GenerationConfig;
pub use guidance::Guidance;
pub use imagination::Imagination;
pub use reader::{Prompts, Reader, Streams};
pub use request::{
    Cancel, Candidate, Filter, Imagine, Imagined, NarrationRequest, ShownTurn, ShownViews, TextPiece, ViewRequest,
    ViewRoom, ViewTask, ViewTimings,
};
pub use rhea_tokens::{Budget, Grid, Share};
pub use sampler::{Drawn, Sampler};
pub use speak::Speak;
pub use stream::Stream;

/// Limits on what the engine takes and makes.
pub mod limits {
    /// Bytes of a `config.json`.
    pub const CONFIG_BYTES: u64 = 1 << 20;
    /// Rows that a stream may hold, where the model has as many positions.
    pub const KV_ROWS: usize = 4096;
    /// Full streams that the KV memory has room for: a request's, its unconditional one, and forks of both, which share
    /// most of what they hold.
    pub const KV_STREAMS: usize = 3;
    /// Candidates of one request.
    pub const CANDIDATES: usize = 64;
    /// Passes over a canvas.
    pub const PASSES: u32 = 64;
    /// Bytes of weights up to which a model is packed for the kernels when nobody says otherwise; larger ones stay mapped.
    pub const PACKED_BYTES: u64 = 1 << 30;
    /// Tokens of a branch when nobody says otherwise.
    pub const USUAL_CONTEXT: usize = 8192;
    /// Tokens of a walk that shows earlier views, where the model has as many positions: the published context.
    pub const WALK_CONTEXT: usize = 32_768;
    /// Tokens of a branch at most.
    pub const CONTEXT: usize = 1 << 20;
    /// Branches of an answer.
    pub const BRANCHES: usize = 3;
    /// Passes over a canvas when nobody says otherwise.
    pub const USUAL_PASSES: u32 = 8;
    /// Tokens of a narration.
    pub const NARRATION_TOKENS: usize = 48;
    /// Answers that one is chosen from.
    pub const ANSWERS: usize = 4096;
}

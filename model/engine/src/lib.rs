//! Requests, sampling, KV memory and decoding over a loaded model folder.
//!
//! * [`ModelFolder`] opens and checks the files; [`Imagination`] serves [`Imagine`] requests from them;
//! * [`Sampler`] draws tokens with a counter-based generator;
//! * [`Stream`] is a KV memory that knows which ids it has read, and reads only what differs;
//! * [`CellState`] and [`known_cells`] say what memory knows of each cell of a picture.
//!
//! It knows tokens, pictures and devices; it knows nothing of worlds or robots.
//!
//! Invariant: the same request on the same folder gives the same tokens, whatever was served before.

mod canvas;
mod error;
mod folder;
mod imagination;
mod next_token;
mod parallel;
mod request;
mod sampler;
mod stream;
#[cfg(test)]
mod tests;

pub use canvas::{CellState, KNOWN_SHARE, PARTIAL_SHARE, known_cells};
pub use error::EngineError;
pub use folder::ModelFolder;
pub use imagination::Imagination;
pub use request::{Cancel, Decoding, Filter, Imagine, Imagined, NarrationRequest, ViewRequest, ViewTask};
pub use sampler::{Drawn, Sampler};
pub use stream::Stream;

/// Limits on what the engine takes and makes.
pub mod limits {
    /// Bytes of a `config.json`.
    pub const CONFIG_BYTES: u64 = 1 << 20;
    /// Rows of KV memory that are reserved, where the model has as many positions.
    pub const KV_ROWS: usize = 4096;
    /// Passes over a canvas.
    pub const PASSES: u32 = 64;
    /// Tokens of a narration.
    pub const NARRATION_TOKENS: usize = 48;
}

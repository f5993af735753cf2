//! The decoder-only transformer of the Emu3.5 family: grouped queries, per-head norms, rotary positions, SwiGLU, untied
//! head; tensor names as published.
//!
//! * [`TransformerConfig`] is `config.json`; [`Parameters`] are the named tensors;
//! * [`Token`] and [`Batch`] say what is read: ids, marks, positions, and which keys each row sees;
//! * [`training`] computes losses and gradients over ragged batches;
//! * [`Transformer`] decodes over the [`Branch`]es of a [`KvStore`]: extend, denoise, commit.
//!
//! It does not know which ids are text: callers hand over the first visual id.
//!
//! Invariant: training and decoding compute the same function; a test compares them, and published numbers hold both.

mod config;
mod device;
mod inference;
mod kv;
mod matrix;
pub mod ops;
mod parameters;
mod passes;
mod sequence;
mod sharing;
mod shortlist;
mod team;
pub mod training;

use thiserror::Error;

use crate::device::DeviceError;
use crate::parallel::CommError;

pub use config::{HeadShape, TransformerConfig, limits};
pub use inference::{Half, Loading, Transformer};
pub use kv::{Branch, KvStore, KvUsage, MAX_STORE_BYTES, PAGE_ROWS};
pub use matrix::{Role, WeightForm};
pub use parameters::{Layout, Parameters, TensorSpec};
pub use passes::CanvasToken;
pub use sequence::{Batch, NO_ID, Token, Visible, cell_position};
pub use shortlist::{Mix, Shortlist};

/// What can be wrong with a transformer or with what it is asked.
#[derive(Debug, Error)]
pub enum TransformerError {
    /// A setting that is missing or not supported.
    #[error("config.json: {0}")]
    Config(String),
    /// A tensor that is missing or has another shape than the settings say.
    #[error("tensor {name}: {what}")]
    Tensor {
        /// HF name.
        name: String,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// Tokens that do not fit the model or its memory.
    #[error("transformer input: {0}")]
    Input(String),
    /// The key and value memory has no room for more rows.
    #[error(
        "the key and value memory is full: {asked} more rows were asked for, {free} of {capacity} stand in free pages; \
         drop or shorten a branch, or reserve more"
    )]
    Full {
        /// Rows asked for.
        asked: usize,
        /// Rows of the free pages.
        free: usize,
        /// Rows of all pages.
        capacity: usize,
    },
    /// Ranks of the model could not do something together.
    #[error(transparent)]
    Ranks(#[from] CommError),
    /// A device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// candle refused an operation.
    #[error("tensor operation failed: {0}")]
    Candle(#[from] candle_core::Error),
}

/// The first `len` values of a buffer that only ever grows. What they hold is left over from earlier use.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl From<TransformerError> for crate::NnError {
    fn from(error: TransformerError) -> Self {
        match error {
            TransformerError::Candle(error) => Self::Tensor(error),
            TransformerError::Ranks(error) => Self::Ranks(error),
            TransformerError::Device(error) => Self::Device(error),
            other => Self::Input(other.to_string()),
        }
    }
}

//! The decoder-only transformer of the Emu3.5 family: grouped queries, per-head norms, rotary positions, SwiGLU, untied
//! head; tensor names as published.
//!
//! * [`TransformerConfig`] is `config.json`; [`Parameters`] are the named tensors;
//! * [`Token`] and [`Batch`] say what is read: ids, marks, positions, and which keys each row sees;
//! * [`training`] computes losses and gradients over ragged batches;
//! * [`Transformer`] with a [`KvStore`] decodes: extend, denoise, commit, truncate.
//!
//! It does not know which ids are text: callers hand over the first visual id.
//!
//! Invariant: training and decoding compute the same function; a test compares them, and published numbers hold both.

mod config;
#[cfg(test)]
mod golden;
mod inference;
mod kv;
pub mod ops;
mod parameters;
mod sequence;
pub mod training;

use thiserror::Error;

pub use config::{HeadShape, TransformerConfig, limits};
pub use inference::{CanvasToken, Half, Transformer};
pub use kv::KvStore;
pub use parameters::{Layout, Parameters, TensorSpec};
pub use sequence::{Batch, NO_ID, Token, Visible, cell_position};

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
            other => Self::Input(other.to_string()),
        }
    }
}

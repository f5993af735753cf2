//! What can go wrong.

use rhea_nn::transformer::TransformerError;
use thiserror::Error;

/// Why a measurement was not made.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The transformer refused its settings or input.
    #[error(transparent)]
    Transformer(#[from] TransformerError),
    /// Training refused its input.
    #[error(transparent)]
    Training(#[from] rhea_nn::NnError),
    /// A library under one of the sides failed.
    #[error("{0}")]
    Library(#[from] candle_core::Error),
    /// Another engine failed, or the program that it runs in.
    #[error("{0}")]
    Peer(String),
    /// The two sides compute different things; their times mean nothing.
    #[error("{name}: {what}; nothing was timed")]
    Disagree {
        /// The measurement.
        name: &'static str,
        /// What differs.
        what: String,
    },
}

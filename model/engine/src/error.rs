//! Errors of the engine.

use std::path::PathBuf;

use rhea_nn::NnError;
use rhea_nn::transformer::TransformerError;
use rhea_tokens::TokensError;
use thiserror::Error;

use crate::estimate::MemoryEstimate;

/// What can go wrong while loading or running a model.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The generation was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A logit was NaN or infinite; no token was drawn from it.
    #[error("the model produced {count} non-finite logits at step {step}; the request is dropped")]
    NonFinite {
        /// Decoding step.
        step: usize,
        /// How many logits.
        count: usize,
    },
    /// A request that this model cannot serve.
    #[error("request does not fit the model: {0}")]
    Request(String),
    /// A model folder that cannot be used.
    #[error("model folder: {what} ({path})")]
    Folder {
        /// What is wrong and what is allowed.
        what: String,
        /// Where.
        path: PathBuf,
    },
    /// Devices that are not there, or a model that cannot be spread over them as asked for.
    #[error("devices: {0}")]
    Devices(String),
    /// A model that does not fit in memory.
    #[error("the model does not fit in memory: {estimate}; {suggestion}")]
    Memory {
        /// What it needs and what there is.
        estimate: Box<MemoryEstimate>,
        /// What would fit.
        suggestion: String,
    },
    /// An engine that works elsewhere, in a process of its own or behind a server, failed. The request is lost; the next one
    /// may be served.
    #[error("{0}")]
    Elsewhere(Box<dyn std::error::Error + Send + Sync>),
    /// An error of the model in an engine elsewhere, in its own words.
    #[error("{0}")]
    Told(String),
    /// The network refused an input or failed.
    #[error(transparent)]
    Network(#[from] NnError),
    /// Text, pictures and ids do not fit each other.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl EngineError {
    /// Has this process lost its devices or its ranks, so that no later request can be served by it?
    #[must_use]
    pub fn ends_process(&self) -> bool {
        match self {
            Self::Network(NnError::Device(error)) => error.ends_process(),
            Self::Network(NnError::Ranks(_)) => true,
            _ => false,
        }
    }

    /// Is it about devices: one that is not there, cannot be had, or has too little room?
    #[must_use]
    pub fn is_of_devices(&self) -> bool {
        matches!(self, Self::Devices(_) | Self::Network(NnError::Device(_) | NnError::Ranks(_)))
    }
}

impl From<TransformerError> for EngineError {
    fn from(error: TransformerError) -> Self {
        Self::Network(error.into())
    }
}

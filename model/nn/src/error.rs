//! Errors of the networks.

use std::path::PathBuf;

use thiserror::Error;

use crate::device::DeviceError;
use crate::parallel::CommError;
use crate::weights::WeightsFault;

/// What can go wrong with a network or its files.
#[derive(Debug, Error)]
pub enum NnError {
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// "reading" or "writing".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A weights file is damaged or does not hold what the configuration asks for.
    #[error("weights {path}: {what}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        what: WeightsFault,
    },
    /// A configuration that cannot be used.
    #[error("configuration {path}: {what}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// An input that does not fit the network.
    #[error("{0}")]
    Input(String),
    /// Ranks of a model could not do something together.
    #[error(transparent)]
    Ranks(#[from] CommError),
    /// A device cannot be used, is full or was lost.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

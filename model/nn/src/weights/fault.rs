//! What can be wrong with a weights file.

use std::path::Path;

use thiserror::Error;

use super::limits;
use crate::error::NnError;

/// What is wrong with a weights file and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WeightsFault {
    /// A file that should be there is not.
    #[error("there is no such file; fetch it again")]
    NoFile,
    /// The file ends before its header or its last tensor.
    #[error("the file has {has} bytes where its header asks for {needs}; fetch it again")]
    Length {
        /// Bytes of the file.
        has: u64,
        /// Bytes that header and tensors need.
        needs: u64,
    },
    /// A header of absurd size.
    #[error("the header says it is {bytes} bytes long; up to {} are allowed", limits::HEADER_BYTES)]
    HeaderSize {
        /// What the file says.
        bytes: u64,
    },
    /// A header that is no safetensors header.
    #[error("not a valid safetensors file: {0}")]
    Header(String),
    /// An index that is damaged.
    #[error("not a valid index of shards: {0}")]
    Index(String),
    /// An index that names a file elsewhere.
    #[error("the index names {file:?}; allowed are plain names of .safetensors files in the same folder")]
    ShardName {
        /// The name.
        file: String,
    },
    /// A tensor that the index promises.
    #[error("tensor {name} is not in this shard, though the index says so")]
    NotInShard {
        /// The tensor.
        name: String,
    },
    /// A tensor that the settings need.
    #[error("tensor {name} is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape.
    #[error("tensor {name} has shape {found:?}, the configuration needs {wanted:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that the settings ask for.
        wanted: Vec<usize>,
    },
    /// A tensor of another type.
    #[error("tensor {name} is {found}; allowed are F32, F16 and BF16")]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A file that could not be made.
    #[error("cannot be written: {0}")]
    Write(String),
}

impl WeightsFault {
    /// The fault of a file, as an error.
    pub(crate) fn at(self, path: &Path) -> NnError {
        NnError::Weights { path: path.into(), what: self }
    }
}

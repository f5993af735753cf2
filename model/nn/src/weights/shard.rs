//! One mapped safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::{WeightsFault, limits};
use crate::error::NnError;

/// Bytes in front of the header that say how long it is.
const LENGTH: usize = size_of::<u64>();

/// A mapped file.
#[derive(Debug)]
pub(super) struct Shard {
    pub path: PathBuf,
    map: Mmap,
}

/// Where a tensor lies in its file, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Bytes of the file; within it, and as many as type and shape say.
    pub range: Range<usize>,
}

impl Shard {
    /// Maps a file and finds its tensors.
    pub fn open(path: &Path) -> Result<(Self, BTreeMap<String, Located>), NnError> {
        let failed = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => WeightsFault::NoFile.at(path),
            _ => NnError::File { doing: "reading", path: path.into(), source },
        };
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(WeightsFault::Header("not a file".to_owned()).at(path));
        }
        let shard = Self { path: path.into(), map: map(&file, path)? };
        let tensors = shard.tensors().map_err(|fault| fault.at(path))?;
        Ok((shard, tensors))
    }

    /// Bytes of the file.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.map[range]
    }

    fn tensors(&self) -> Result<BTreeMap<String, Located>, WeightsFault> {
        let has = self.map.len() as u64;
        let Some(length) = self.map.first_chunk::<LENGTH>() else {
            return Err(WeightsFault::Length { has, needs: LENGTH as u64 });
        };
        let header = u64::from_le_bytes(*length);
        if header > limits::HEADER_BYTES {
            return Err(WeightsFault::HeaderSize { bytes: header });
        }
        let start = LENGTH + header as usize;
        let Some(text) = self.map.get(LENGTH..start) else {
            return Err(WeightsFault::Length { has, needs: start as u64 });
        };
        let metadata = match SafeTensors::read_metadata(&self.map) {
            Ok((_, metadata)) => metadata,
            // The tensors end somewhere else than the file.
            Err(SafeTensorError::MetadataIncompleteBuffer) => {
                let metadata: Metadata =
                    serde_json::from_slice(text).map_err(|e| WeightsFault::Header(e.to_string()))?;
                let end = metadata.tensors().values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0);
                return Err(WeightsFault::Length { has, needs: start as u64 + end as u64 });
            }
            Err(error) => return Err(WeightsFault::Header(error.to_string())),
        };
        let located = metadata.tensors().into_iter().map(|(name, tensor)| {
            let (first, last) = tensor.data_offsets;
            (name, Located { dtype: tensor.dtype, shape: tensor.shape.clone(), range: start + first..start + last })
        });
        Ok(located.collect())
    }
}

#[allow(unsafe_code, reason = "memory mapping is the one way not to copy a weights file")]
fn map(file: &File, path: &Path) -> Result<Mmap, NnError> {
    // SAFETY: the map is read-only and private to `Shard`; like every reader of mapped weights, Rhea relies on nobody
    // truncating the file while it is open.
    unsafe { Mmap::map(file) }.map_err(|source| NnError::File { doing: "reading", path: path.into(), source })
}

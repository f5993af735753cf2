//! Weights files: safetensors, whole or in shards, mapped into memory and checked before use.
//!
//! * [`Weights`] finds tensors by name in one file or in the shards of a folder;
//! * [`StoredTensor`] is a tensor that stays where it lies, in the mapped file;
//! * [`WeightsFault`] says what is wrong with a file;
//! * [`save`] writes a file.
//!
//! Invariant: whatever a file holds, opening it allocates no more than [`limits`] allow and never panics.

mod fault;
mod index;
mod save;
mod shard;
mod stored;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use safetensors::tensor::Dtype;

pub use fault::WeightsFault;
pub use index::INDEX_FILE;
pub use save::{Stored, save};
pub use stored::{StoredTensor, StoredType};
pub(crate) use stored::{StoredValues, widen};

use crate::error::NnError;
use shard::{Located, Shard};

/// Limits on weights files, checked before anything is allocated.
pub mod limits {
    /// Bytes of a file's header: names, shapes and offsets of its tensors. A published shard has about 10 KB.
    pub const HEADER_BYTES: u64 = 16 << 20;
    /// Bytes of an index of shards. The published one has about 60 KB.
    pub const INDEX_BYTES: u64 = 16 << 20;
    /// Shards of a folder.
    pub const SHARDS: usize = 1024;
}

/// The file of a folder whose weights are not in shards.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Mapped safetensors files.
#[derive(Debug)]
pub struct Weights {
    shards: Vec<Arc<Shard>>,
    tensors: BTreeMap<String, (usize, Located)>,
}

impl Weights {
    /// Maps and checks one file; nothing is copied.
    ///
    /// # Errors
    /// When the file cannot be read, is cut short, or its header is not valid safetensors.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        let (shard, tensors) = Shard::open(path)?;
        let tensors = tensors.into_iter().map(|(name, located)| (name, (0, located))).collect();
        Ok(Self { shards: vec![Arc::new(shard)], tensors })
    }

    /// Maps and checks the weights of a folder: the shards that [`INDEX_FILE`] names, or [`WEIGHTS_FILE`] without an index.
    ///
    /// # Errors
    /// As [`Weights::open`], or when the index is damaged, names a file outside the folder, or a tensor that its shard lacks.
    pub fn open_folder(dir: &Path) -> Result<Self, NnError> {
        let path = dir.join(INDEX_FILE);
        if !path.exists() {
            return Self::open(&dir.join(WEIGHTS_FILE));
        }
        let index = index::read(&path)?;
        let (mut shards, mut tensors) = (Vec::new(), BTreeMap::new());
        for (file, names) in index {
            let (shard, mut found) = Shard::open(&dir.join(&file))?;
            for name in names {
                let Some(located) = found.remove(&name) else {
                    return Err(WeightsFault::NotInShard { name }.at(&shard.path));
                };
                tensors.insert(name, (shards.len(), located));
            }
            shards.push(Arc::new(shard));
        }
        Ok(Self { shards, tensors })
    }

    /// Names and shapes of all tensors.
    #[must_use]
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, (_, located))| (name.clone(), located.shape.clone())).collect()
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|(_, located)| located.range.len() as u64).sum()
    }

    /// Number of files.
    #[must_use]
    pub fn files(&self) -> usize {
        self.shards.len()
    }

    /// A tensor where it lies.
    ///
    /// # Errors
    /// When the tensor is missing, has another shape or an unsupported type.
    pub fn stored(&self, name: &str, shape: &[usize]) -> Result<StoredTensor, NnError> {
        let Some((shard, located)) = self.tensors.get(name) else {
            let path = self.shards.first().map_or_else(Default::default, |shard| shard.path.clone());
            return Err(WeightsFault::Missing { name: name.to_owned() }.at(&path));
        };
        let shard = &self.shards[*shard];
        if located.shape != shape {
            let (name, found, wanted) = (name.to_owned(), located.shape.clone(), shape.to_vec());
            return Err(WeightsFault::Shape { name, found, wanted }.at(&shard.path));
        }
        let stored = match located.dtype {
            Dtype::F32 => StoredType::F32,
            Dtype::F16 => StoredType::F16,
            Dtype::BF16 => StoredType::Bf16,
            other => {
                let (name, found) = (name.to_owned(), format!("{other:?}"));
                return Err(WeightsFault::Type { name, found }.at(&shard.path));
            }
        };
        Ok(StoredTensor::new(Arc::clone(shard), located.range.clone(), stored))
    }

    /// The values of a tensor as f32; f32, f16 and bf16 are stored forms.
    ///
    /// # Errors
    /// As [`Weights::stored`].
    pub fn values_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, NnError> {
        Ok(self.stored(name, shape)?.values())
    }

    /// As [`Weights::values_f32`] for some rows of a matrix.
    ///
    /// # Errors
    /// As [`Weights::stored`], or when the rows do not exist.
    pub fn rows_f32(&self, name: &str, shape: [usize; 2], rows: Range<usize>) -> Result<Vec<f32>, NnError> {
        Ok(self.stored(name, &shape)?.rows(shape[1], rows)?.values())
    }

    /// As [`Weights::values_f32`], as a tensor in main memory.
    ///
    /// # Errors
    /// As [`Weights::values_f32`].
    pub fn tensor_f32(&self, name: &str, shape: &[usize]) -> Result<Tensor, NnError> {
        Ok(Tensor::from_vec(self.values_f32(name, shape)?, shape, &Device::Cpu)?)
    }
}

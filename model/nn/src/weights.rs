//! Weights files: safetensors, mapped into memory and checked before use.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::NnError;

/// A mapped safetensors file.
pub struct Weights {
    path: PathBuf,
    map: Mmap,
}

impl Weights {
    /// Maps and validates a file; nothing is copied.
    ///
    /// # Errors
    /// When the file cannot be read or its header is not valid safetensors.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        let file = File::open(path).map_err(|source| NnError::File { doing: "reading", path: path.into(), source })?;
        let weights = Self { path: path.into(), map: map(&file, path)? };
        weights.parsed()?;
        Ok(weights)
    }

    fn parsed(&self) -> Result<SafeTensors<'_>, NnError> {
        SafeTensors::deserialize(&self.map).map_err(|e| self.wrong(format!("not a valid safetensors file: {e}")))
    }

    fn wrong(&self, what: String) -> NnError {
        NnError::Weights { path: self.path.clone(), what }
    }

    /// Names and shapes of all tensors.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, NnError> {
        Ok(self.parsed()?.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect())
    }

    /// The values of a tensor as f32; f32, f16 and bf16 are stored forms.
    ///
    /// # Errors
    /// When the tensor is missing, has another shape or an unsupported type.
    pub fn values_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, NnError> {
        let parsed = self.parsed()?;
        let view = parsed.tensor(name).map_err(|_| self.wrong(format!("tensor {name} is missing")))?;
        if view.shape() != shape {
            return Err(
                self.wrong(format!("tensor {name} has shape {:?}, the configuration needs {shape:?}", view.shape()))
            );
        }
        let bytes = view.data();
        let pairs = || bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        Ok(match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => pairs().map(|b| half::f16::from_bits(b).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|b| half::bf16::from_bits(b).to_f32()).collect(),
            other => return Err(self.wrong(format!("tensor {name} is {other:?}; allowed are F32, F16 and BF16"))),
        })
    }

    /// As [`Weights::values_f32`], as a tensor in main memory.
    ///
    /// # Errors
    /// As [`Weights::values_f32`].
    pub fn tensor_f32(&self, name: &str, shape: &[usize]) -> Result<Tensor, NnError> {
        Ok(Tensor::from_vec(self.values_f32(name, shape)?, shape, &Device::Cpu)?)
    }
}

#[allow(unsafe_code, reason = "memory mapping is the one way not to copy a weights file")]
fn map(file: &File, path: &Path) -> Result<Mmap, NnError> {
    // SAFETY: the map is read-only and private to `Weights`; like every reader of mapped weights, Rhea relies on nobody
    // truncating the file while it is open.
    unsafe { Mmap::map(file) }.map_err(|source| NnError::File { doing: "reading", path: path.into(), source })
}

/// How values are stored in a weights file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// 4 bytes, exact.
    F32,
    /// 2 bytes, rounded to nearest.
    Bf16,
}

/// Writes tensors, given by name as shape and f32 values, to a safetensors file; the file appears whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>, stored: Stored) -> Result<(), NnError> {
    let wrong = |what: String| NnError::Weights { path: path.into(), what };
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = match stored {
                Stored::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Stored::Bf16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
            };
            (name, shape, bytes)
        })
        .collect();
    let dtype = if stored == Stored::F32 { Dtype::F32 } else { Dtype::BF16 };
    let mut views = Vec::with_capacity(bytes.len());
    for (name, shape, bytes) in &bytes {
        let view = TensorView::new(dtype, (*shape).clone(), bytes).map_err(|e| wrong(format!("tensor {name}: {e}")))?;
        views.push((*name, view));
    }
    let data = safetensors::serialize(views, None).map_err(|e| wrong(e.to_string()))?;
    let partial = path.with_extension("partial");
    let failed = |source| NnError::File { doing: "writing", path: path.into(), source };
    std::fs::write(&partial, data).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}

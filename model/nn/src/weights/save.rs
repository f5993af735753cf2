//! Writing weights files.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::WeightsFault;
use crate::error::NnError;

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
    let wrong = |what: String| WeightsFault::Write(what).at(path);
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

//! Differentiable operations over candle tensors, built on the kernels.
//!
//! Pictures are channels-last, `(b, y, x, c)`, and contiguous; all values are f32.

mod conv;
mod math;
mod norm;
mod patches;

pub use conv::{ConvOp, FrozenConv};
pub use math::{exp, sigmoid};
pub use norm::group_norm_swish;
pub use patches::{PatchOrder, reorder};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The values of a contiguous f32 operand.
///
/// # Errors
/// When the operand has gaps or is not f32.
pub fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        (_, None) => bail!("operand must be contiguous, its layout is {layout:?}"),
        _ => bail!("operand must be f32"),
    }
}

/// Runs `f` on the values of a tensor, made contiguous first where needed.
///
/// # Errors
/// When the tensor is not f32 in main memory, or what `f` says.
pub fn with_values<T>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(values(storage, layout)?),
        _ => bail!("operand must be in main memory"),
    }
}

//! A tensor that is read where it lies in a mapped file.

use std::ops::Range;
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::shard::Shard;
use crate::error::NnError;

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// 4 bytes a value.
    F32,
    /// 2 bytes: IEEE half precision.
    F16,
    /// 2 bytes: the upper half of an f32.
    Bf16,
}

impl StoredType {
    /// Bytes of a value.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A tensor, or some rows of one, in a mapped file. Cloning copies no value.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    shard: Arc<Shard>,
    range: Range<usize>,
    stored: StoredType,
}

/// Values of a mapped file, or copies of them where the file has them at odd addresses.
#[derive(Debug)]
pub(crate) enum StoredValues<'a> {
    /// f32.
    F32(std::borrow::Cow<'a, [f32]>),
    /// f16.
    F16(std::borrow::Cow<'a, [f16]>),
    /// bf16.
    Bf16(std::borrow::Cow<'a, [bf16]>),
}

impl StoredTensor {
    pub(super) fn new(shard: Arc<Shard>, range: Range<usize>, stored: StoredType) -> Self {
        Self { shard, range, stored }
    }

    /// How the values are stored.
    #[must_use]
    pub fn stored_type(&self) -> StoredType {
        self.stored
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len() / self.stored.bytes()
    }

    /// Has it no value?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Bytes of the file that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// Rows of `width` values.
    ///
    /// # Errors
    /// When there are no such rows.
    pub fn rows(&self, width: usize, rows: Range<usize>) -> Result<Self, NnError> {
        if width == 0 || rows.start > rows.end || rows.end.saturating_mul(width) > self.len() {
            return Err(NnError::Input(format!("rows {rows:?} of {width} values of a tensor of {}", self.len())));
        }
        let at = |row: usize| self.range.start + row * width * self.stored.bytes();
        Ok(Self { range: at(rows.start)..at(rows.end), ..self.clone() })
    }

    /// The values where they lie.
    pub(crate) fn view(&self) -> StoredValues<'_> {
        let bytes = self.shard.bytes(self.range.clone());
        match self.stored {
            StoredType::F32 => StoredValues::F32(cast(bytes)),
            StoredType::F16 => StoredValues::F16(cast(bytes)),
            StoredType::Bf16 => StoredValues::Bf16(cast(bytes)),
        }
    }

    /// A copy of the values as f32.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.len()];
        self.read(&mut values);
        values
    }

    /// Writes the values as f32 to the first of `to`.
    pub(crate) fn read(&self, to: &mut [f32]) {
        match self.view() {
            StoredValues::F32(values) => to[..values.len()].copy_from_slice(&values),
            StoredValues::F16(values) => values.convert_to_f32_slice(&mut to[..values.len()]),
            StoredValues::Bf16(values) => widen(&values, &mut to[..values.len()]),
        }
    }
}

/// bf16 to f32, written so that it vectorises.
pub(crate) fn widen(from: &[bf16], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from_bits(u32::from(from.to_bits()) << 16);
    }
}

/// Values at their place; a copy where the file does not align them. Files are little-endian, as are the machines that Rhea
/// runs on.
fn cast<T: bytemuck::Pod>(bytes: &[u8]) -> std::borrow::Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) => std::borrow::Cow::Borrowed(values),
        Err(_) => {
            std::borrow::Cow::Owned(bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect())
        }
    }
}

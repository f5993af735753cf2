//! Matrices on a device, and where they come from.

use candle_core::{D, DType, Result, Tensor};
use half::bf16;

use super::Held;
use crate::NnError;
use crate::device::OnDevice;
use crate::transformer::matrix::{Piece, width};
use crate::weights::{StoredValues, Weights};

/// The largest 8-bit float.
const LARGEST_FP8: f64 = 448.0;
/// Values that are rounded to fp8 at once: they stand in f32 beside what is made of them.
const ROUNDED_AT_ONCE: usize = 1 << 26;
/// The spread of random weights, about that of trained ones of the published width.
const RANDOM_SPREAD: f32 = 0.015;

/// A matrix `(n, k)` to multiply rows with: `y = x wᵀ`.
#[derive(Debug)]
pub struct DeviceMatrix {
    w: Tensor,
    /// Of fp8: what each output is multiplied with, `(1, n)`.
    scale: Option<Tensor>,
    products: DType,
}

impl DeviceMatrix {
    /// Holds values that stand on the device, in whatever type, `(n, k)`.
    fn new(w: &Tensor, held: Held, on: &OnDevice) -> Result<Self> {
        let products = held.products(on);
        if held != Held::Fp8 {
            return Ok(Self { w: w.to_dtype(products)?, scale: None, products });
        }
        let (n, k) = w.dims2()?;
        let (mut rows, mut scales) = (Vec::new(), Vec::new());
        let step = (ROUNDED_AT_ONCE / k.max(1)).clamp(1, n.max(1));
        for first in (0..n).step_by(step) {
            let some = w.narrow(0, first, step.min(n - first))?.to_dtype(DType::F32)?;
            // A row of zeros has any scale.
            let largest = some.abs()?.max_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN_POSITIVE) * LARGEST_FP8)?;
            let scale = (largest / LARGEST_FP8)?;
            rows.push(some.broadcast_div(&scale)?.to_dtype(DType::F8E4M3)?);
            scales.push(scale.flatten_all()?);
        }
        // Whole rows stand one behind the other: joining them is one copy.
        let w = if let [all] = &rows[..] { all.clone() } else { Tensor::cat(&rows, 0)? };
        Ok(Self { w, scale: Some(Tensor::cat(&scales, 0)?.reshape((1, n))?), products })
    }

    pub fn bytes(&self) -> u64 {
        let scale = self.scale.as_ref().map_or(0, Tensor::elem_count) * DType::F32.size_in_bytes();
        (self.w.elem_count() * self.w.dtype().size_in_bytes() + scale) as u64
    }

    /// `x`: `(m, k)` in f32 to `(m, n)` in f32.
    pub fn multiply(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.to_dtype(self.products)?;
        let y = match &self.scale {
            None => x.matmul(&self.w.t()?)?,
            Some(_) => x.matmul(&self.w.to_dtype(self.products)?.t()?)?,
        };
        let y = y.to_dtype(DType::F32)?;
        match &self.scale {
            None => Ok(y),
            Some(scale) => y.broadcast_mul(scale),
        }
    }
}

/// Gives the tensors of a transformer on a device.
pub trait DeviceTensors {
    /// A vector, on the host.
    fn vector(&mut self, name: &str, len: usize) -> std::result::Result<Vec<f32>, NnError>;

    /// Pieces with as many columns each, one below the other.
    fn matrix(&mut self, pieces: &[Piece], on: &OnDevice) -> std::result::Result<DeviceMatrix, NnError>;

    /// What products with them are computed in.
    fn products(&self) -> DType;
}

/// Tensors of mapped files. One matrix at a time stands on the host.
pub struct FromFiles<'a> {
    weights: &'a Weights,
    held: Held,
    products: DType,
}

impl<'a> FromFiles<'a> {
    pub fn new(weights: &'a Weights, held: Held, on: &OnDevice) -> Self {
        Self { weights, held, products: held.products(on) }
    }

    /// The values of pieces, as they are in the file where that is what the device takes.
    fn upload(&self, pieces: &[Piece], on: &OnDevice) -> std::result::Result<Tensor, NnError> {
        let (n, k) = (pieces.iter().map(|piece| piece.rows.len()).sum::<usize>(), width(pieces));
        let told = |error: candle_core::Error| NnError::from(on.told(&error));
        let (mut short, mut wide) = (Vec::new(), Vec::new());
        for piece in pieces {
            let rows = self.weights.stored(&piece.name, &piece.shape)?.rows(piece.shape[1], piece.rows.clone())?;
            match rows.view() {
                StoredValues::Bf16(values) if self.held != Held::F32 && wide.is_empty() => {
                    cut(piece, &values, &mut short)
                }
                _ => {
                    wide.extend(short.drain(..).map(bf16::to_f32));
                    cut(piece, &rows.values(), &mut wide);
                }
            }
        }
        if wide.is_empty() {
            return Tensor::from_vec(short, (n, k), on.device()).map_err(told);
        }
        Tensor::from_vec(wide, (n, k), on.device()).map_err(told)
    }
}

/// Copies the columns of a piece out of its whole rows.
fn cut<T: Copy>(piece: &Piece, rows: &[T], to: &mut Vec<T>) {
    if piece.is_of_whole_rows() {
        return to.extend_from_slice(rows);
    }
    rows.chunks_exact(piece.shape[1].max(1)).for_each(|row| to.extend_from_slice(&row[piece.columns.clone()]));
}

impl DeviceTensors for FromFiles<'_> {
    fn vector(&mut self, name: &str, len: usize) -> std::result::Result<Vec<f32>, NnError> {
        self.weights.values_f32(name, &[len])
    }

    fn matrix(&mut self, pieces: &[Piece], on: &OnDevice) -> std::result::Result<DeviceMatrix, NnError> {
        let all = self.upload(pieces, on)?;
        DeviceMatrix::new(&all, self.held, on).map_err(|error| on.told(&error).into())
    }

    fn products(&self) -> DType {
        self.products
    }
}

/// Random weights, made on the device: for measuring speed at sizes of which there is no file.
pub struct Random {
    pub held: Held,
    pub products: DType,
}

impl Random {
    pub fn new(held: Held, on: &OnDevice) -> Self {
        Self { held, products: held.products(on) }
    }
}

impl DeviceTensors for Random {
    fn vector(&mut self, _name: &str, len: usize) -> std::result::Result<Vec<f32>, NnError> {
        Ok(vec![1.0; len])
    }

    fn matrix(&mut self, pieces: &[Piece], on: &OnDevice) -> std::result::Result<DeviceMatrix, NnError> {
        let (n, k) = (pieces.iter().map(|piece| piece.rows.len()).sum::<usize>(), width(pieces));
        let made = Tensor::randn(0.0_f32, RANDOM_SPREAD, (n, k), on.device());
        let held = made.and_then(|values| DeviceMatrix::new(&values, self.held, on));
        held.map_err(|error| on.told(&error).into())
    }

    fn products(&self) -> DType {
        self.products
    }
}

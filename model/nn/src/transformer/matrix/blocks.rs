//! Matrices in ggml's blocks, multiplied by candle.

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Module, Result, Tensor};

/// Inner values of a block; a row is a whole number of blocks.
pub(super) const INNER: usize = 256;

/// A quantised matrix.
#[derive(Debug)]
pub(in super::super) struct Blocks {
    matrix: QMatMul,
    n: usize,
    k: usize,
    bytes: usize,
}

impl Blocks {
    /// Quantises `w`, `(n, k)`, whose `k` is a multiple of [`INNER`].
    ///
    /// # Errors
    /// What candle says.
    pub fn quantise(kind: GgmlDType, w: &[f32], n: usize, k: usize) -> Result<Self> {
        let quantised = QTensor::quantize(&Tensor::from_slice(w, (n, k), &Device::Cpu)?, kind)?;
        let bytes = quantised.storage_size_in_bytes();
        Ok(Self { matrix: QMatMul::from_qtensor(quantised)?, n, k, bytes })
    }

    pub fn n(&self) -> usize {
        self.n
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `x`: `(m, k)` to `out`: `(m, n)`.
    pub fn multiply(&self, x: &[f32], m: usize, out: &mut [f32]) {
        let product = Tensor::from_slice(x, (m, self.k), &Device::Cpu).and_then(|x| self.matrix.forward(&x));
        let filled = product.and_then(|y| {
            crate::ops::with_values(&y, |y| {
                out.copy_from_slice(y);
                Ok(())
            })
        });
        if filled.is_err() {
            // Shapes were checked when the matrix was made. Should candle refuse all the same, nothing that looks like an
            // answer may come out: samplers refuse logits that are not finite.
            out.fill(f32::NAN);
        }
    }
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::transformer::ops::check::values;

    #[test]
    fn four_bits_are_within_their_rounding_and_rows_do_not_depend_on_others() {
        let (n, k, m) = (48, 512, 3);
        let (w, x) = (values(n * k, 1), values(m * k, 2));
        let blocks = Blocks::quantise(GgmlDType::Q4K, &w, n, k).unwrap();
        // 144 bytes for 256 values.
        assert_eq!((blocks.n(), blocks.bytes()), (n, n * k / 256 * 144));
        let mut got = vec![f32::NAN; m * n];
        blocks.multiply(&x, m, &mut got);
        let (mut error, mut size) = (0.0, 0.0);
        for (x, got) in x.chunks(k).zip(got.chunks(n)) {
            let mut alone = vec![f32::NAN; n];
            blocks.multiply(x, 1, &mut alone);
            assert_eq!(alone, got);
            for (w, got) in w.chunks(k).zip(got) {
                let want: f32 = w.iter().zip(x).map(|(w, x)| w * x).sum();
                error += f64::from(got - want).powi(2);
                size += f64::from(want).powi(2);
            }
        }
        let relative = (error / size).sqrt();
        // Evenly spread values in 16 levels: a step of 2 / 15, so 0.038 of 0.577 rms.
        assert!((0.01..0.09).contains(&relative), "{relative}");
    }
}

//! Linear layers without bias over packed weights: forward, and both gradients.

use crate::kernels::{Packed, Unit, product, product_tn};

/// A weight `(n, k)` packed for both directions of training.
#[derive(Clone, Debug)]
pub struct Trained {
    forward: Packed,
    backward: Packed,
}

impl Trained {
    /// From `[n][k]` row-major: `y = x wᵀ`.
    #[must_use]
    pub fn pack(unit: Unit, w: &[f32], n: usize, k: usize) -> Self {
        Self { forward: Packed::from_nk(unit, w, n, k), backward: Packed::from_kn(unit, w, n, k) }
    }

    /// `x`: `(rows, k)` to `out`: `(rows, n)`.
    pub fn forward(&self, x: &[f32], rows: usize, out: &mut [f32]) {
        product(x, rows, &self.forward, None, out);
    }

    /// `dy`: `(rows, n)` to `dx`: `(rows, k)`, overwritten.
    pub fn backward_input(&self, dy: &[f32], rows: usize, dx: &mut [f32]) {
        product(dy, rows, &self.backward, None, dx);
    }

    /// Adds `dyᵀ x` to `dw`: `(n, k)`. `scratch` keeps its memory between calls.
    pub fn backward_weight(&self, dy: &[f32], x: &[f32], rows: usize, dw: &mut [f32], scratch: &mut Vec<f32>) {
        let (n, k) = (self.forward.n(), self.forward.k());
        scratch.resize(n * k, 0.0);
        product_tn(self.forward.unit(), dy, x, rows, n, k, &mut scratch[..n * k]);
        super::add(&scratch[..n * k], dw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_gradient, values};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (rows, n, k) = (5, 7, 9);
        let (x, w, dy) = (values(rows * k, 1), values(n * k, 2), values(rows * n, 3));
        let layer = Trained::pack(Unit::F32, &w, n, k);
        let (mut dx, mut dw) = (vec![f32::NAN; rows * k], vec![1.0; n * k]);
        layer.backward_input(&dy, rows, &mut dx);
        layer.backward_weight(&dy, &x, rows, &mut dw, &mut Vec::new());
        dw.iter_mut().for_each(|v| *v -= 1.0);
        let value = |x: &[f32], w: &[f32]| {
            let mut out = vec![0.0; rows * n];
            Trained::pack(Unit::F32, w, n, k).forward(x, rows, &mut out);
            out.iter().zip(&dy).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()
        };
        assert_gradient(&x, &dx, 1e-2, |x| value(x, &w));
        assert_gradient(&w, &dw, 1e-2, |w| value(&x, w));
    }
}

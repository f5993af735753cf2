//! A linear layer without bias whose weight is packed for both directions of training.

use crate::kernels::{Packed, Rows, Unit, multiply};

/// A weight `(n, k)`; its gradient is [`crate::kernels::multiply_tn`] of output gradients and inputs.
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

    /// `x`: `(rows, k)` to `out`: `(rows, n)`; with `add`, added to what stands there.
    pub fn forward(&self, x: &Rows, out: &mut [f32], add: bool) {
        multiply(x, &self.forward, out, add);
    }

    /// `dy`: `(rows, n)` to `dx`: `(rows, k)`, overwritten.
    pub fn backward_input(&self, dy: &Rows, dx: &mut [f32]) {
        multiply(dy, &self.backward, dx, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Channels, Right, multiply_tn};
    use crate::transformer::ops::check::{assert_gradient, values};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (rows, n, k) = (5, 7, 9);
        let (x, w, dy) = (values(rows * k, 1), values(n * k, 2), values(rows * n, 3));
        let unit = Unit::F32;
        let mut operand = Rows::default();
        operand.fill(unit, &dy, n);
        let mut dx = vec![f32::NAN; rows * k];
        Trained::pack(unit, &w, n, k).backward_input(&operand, &mut dx);
        let (mut left, mut right) = (Channels::default(), Right::default());
        left.fill(unit, &dy, n);
        right.fill(unit, &x, k);
        let mut dw = vec![f32::NAN; n * k];
        multiply_tn(unit, &left, &right, &mut dw, false);
        let mut value = |x: &[f32], w: &[f32]| {
            let mut out = vec![0.0; rows * n];
            operand.fill(unit, x, k);
            Trained::pack(unit, w, n, k).forward(&operand, &mut out, false);
            out.iter().zip(&dy).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()
        };
        assert_gradient(&x, &dx, 1e-2, |x| value(x, &w));
        assert_gradient(&w, &dw, 1e-2, |w| value(&x, w));
    }
}

//! The gate of the feed-forward layer: `silu(gate) * up`, with gate and up side by side in one row.

use multiversion::multiversion;

use super::math::sigmoid;

/// `gate_up`: `(rows, 2 * width)`, gates first; `out`: `(rows, width)`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn forward(gate_up: &[f32], width: usize, out: &mut [f32]) {
    for (row, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = row.split_at(width);
        for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
            *o = *g * sigmoid(*g) * *u;
        }
    }
}

/// Turns `gate_up` into its gradient and writes the forward output again, for the product that comes next.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn backward(gate_up: &mut [f32], width: usize, dout: &[f32], out: &mut [f32]) {
    let rows = gate_up.chunks_exact_mut(2 * width).zip(dout.chunks_exact(width)).zip(out.chunks_exact_mut(width));
    for ((row, dout), out) in rows {
        let (gate, up) = row.split_at_mut(width);
        for (((g, u), d), o) in gate.iter_mut().zip(up.iter_mut()).zip(dout).zip(out) {
            let s = sigmoid(*g);
            let silu = *g * s;
            *o = silu * *u;
            *g = *d * *u * (s + silu * (1.0 - s));
            *u = *d * silu;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, assert_gradient, values};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (rows, width) = (2, 19);
        let x: Vec<f32> = values(rows * 2 * width, 5).iter().map(|v| v * 3.0).collect();
        let dy = values(rows * width, 6);
        let mut out = vec![0.0; rows * width];
        let mut value = |x: &[f32]| {
            forward(x, width, &mut out);
            out.iter().zip(&dy).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()
        };
        let mut dx = x.clone();
        let mut again = vec![0.0; rows * width];
        backward(&mut dx, width, &dy, &mut again);
        assert_gradient(&x, &dx, 1e-2, &mut value);
        value(&x);
        assert_close(&again, &out, 1e-6, "forward output");
    }
}

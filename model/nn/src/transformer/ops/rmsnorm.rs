//! RMS norm: `y = x / sqrt(mean(x²) + eps) * w`, over rows.

use multiversion::multiversion;

use super::math::{add_scaled, dot};

/// `x`, `out`: `(rows, width)`; `weight`: `(width)`. Writes the reciprocal root of each row to `scale`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn forward(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32], scale: &mut [f32]) {
    let width = weight.len();
    for ((x, out), scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scale) {
        *scale = row_scale(x, eps);
        for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
            *o = *v * *scale * *w;
        }
    }
}

/// Repeats [`forward`] with known scales.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn again(x: &[f32], weight: &[f32], scale: &[f32], out: &mut [f32]) {
    let width = weight.len();
    for ((x, out), scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scale) {
        for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
            *o = *v * *scale * *w;
        }
    }
}

/// Adds the gradient of the input to `dx` and that of the weight to `dweight`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn backward(dy: &[f32], x: &[f32], weight: &[f32], scale: &[f32], dx: &mut [f32], dweight: &mut [f32]) {
    let width = weight.len();
    let mut weighted = vec![0.0; width];
    let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(scale);
    for (((dy, x), dx), scale) in rows {
        row_backward(dy, x, weight, *scale, &mut weighted, dweight);
        for (to, from) in dx.iter_mut().zip(&weighted) {
            *to += *from;
        }
    }
}

/// Reciprocal root of the mean square of a row.
#[inline(always)]
pub(super) fn row_scale(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

/// Gradient of one row into `dx` (overwritten), of the weight added to `dweight`.
#[inline(always)]
pub(super) fn row_backward(dy: &[f32], x: &[f32], weight: &[f32], scale: f32, dx: &mut [f32], dweight: &mut [f32]) {
    for ((to, d), w) in dx.iter_mut().zip(dy).zip(weight) {
        *to = *d * *w;
    }
    for ((to, d), v) in dweight.iter_mut().zip(dy).zip(x) {
        *to += *d * *v * scale;
    }
    let along = -dot(dx, x) * scale * scale / x.len() as f32;
    add_scaled(dx, x, along);
    for to in dx {
        *to *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, assert_gradient, values};

    #[test]
    fn rows_have_unit_mean_square() {
        let (rows, width) = (3, 40);
        let x = values(rows * width, 1);
        let (mut out, mut scale) = (vec![0.0; x.len()], vec![0.0; rows]);
        forward(&x, &vec![2.0; width], 0.0, &mut out, &mut scale);
        for row in out.chunks(width) {
            let mean = row.iter().map(|v| v * v).sum::<f32>() / width as f32;
            assert!((mean - 4.0).abs() < 1e-4, "{mean}");
        }
        let mut repeated = vec![0.0; x.len()];
        again(&x, &vec![2.0; width], &scale, &mut repeated);
        assert_close(&repeated, &out, 0.0, "again");
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (rows, width) = (3, 20);
        let (x, w, dy) = (values(rows * width, 1), values(width, 2), values(rows * width, 3));
        let (mut out, mut scale) = (vec![0.0; x.len()], vec![0.0; rows]);
        forward(&x, &w, 1e-3, &mut out, &mut scale);
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; width]);
        backward(&dy, &x, &w, &scale, &mut dx, &mut dw);
        let mut value = |x: &[f32], w: &[f32]| {
            forward(x, w, 1e-3, &mut out, &mut scale);
            out.iter().zip(&dy).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()
        };
        assert_gradient(&x, &dx, 1e-2, |x| value(x, &w));
        assert_gradient(&w, &dw, 1e-2, |w| value(&x, w));
    }
}

//! From rows of queries, keys and values to heads ready for attention: per-head RMS norm, then rotary positions; and back.

use multiversion::multiversion;

use super::rmsnorm::{row_backward, row_scale};
use super::rope::{Rope, rotate, rotate_back};
use crate::transformer::config::HeadShape;

/// The norm weights of queries and keys, `head_dim` each, and the norm's epsilon.
#[derive(Clone, Copy, Debug)]
pub struct HeadNorms<'a> {
    /// Of queries.
    pub q: &'a [f32],
    /// Of keys.
    pub k: &'a [f32],
    /// Added to the mean square.
    pub eps: f32,
}

/// Heads in the layout of attention: `q` is `(heads, rows, head_dim)`; `k` and `v` are `(kv_heads, capacity, head_dim)`,
/// of which the rows from `kv_row` are meant.
#[derive(Debug)]
pub struct HeadsMut<'a> {
    /// Queries.
    pub q: &'a mut [f32],
    /// Keys.
    pub k: &'a mut [f32],
    /// Values.
    pub v: &'a mut [f32],
    /// Rows that `k` and `v` have room for, per head.
    pub capacity: usize,
    /// First row of `k` and `v`.
    pub kv_row: usize,
}

/// `qkv`: `(rows, q_width + 2 kv_width)`. Writes the norm's reciprocal roots to `scales`: `(rows, heads + kv_heads)`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn split<'a>(
    qkv: &[f32],
    shape: HeadShape,
    positions: &[u32],
    rope: &Rope,
    norms: HeadNorms<'a>,
    to: HeadsMut<'a>,
    scales: &mut [f32],
) {
    let HeadShape { heads, kv_heads, head_dim: d } = shape;
    let rows = positions.len();
    let all = qkv.chunks_exact(shape.qkv_width()).zip(positions).zip(scales.chunks_exact_mut(heads + kv_heads));
    for (row, ((x, position), scales)) in all.enumerate() {
        let (cos, sin) = rope.at(*position);
        let (q, kv) = x.split_at(shape.q_width());
        let (k, v) = kv.split_at(shape.kv_width());
        for (head, (x, scale)) in q.chunks_exact(d).zip(scales[..heads].iter_mut()).enumerate() {
            let out = &mut to.q[(head * rows + row) * d..][..d];
            *scale = norm(x, norms.q, norms.eps, out);
            rotate(out, cos, sin);
        }
        for (head, (x, scale)) in k.chunks_exact(d).zip(scales[heads..].iter_mut()).enumerate() {
            let out = &mut to.k[(head * to.capacity + to.kv_row + row) * d..][..d];
            *scale = norm(x, norms.k, norms.eps, out);
            rotate(out, cos, sin);
        }
        for (head, x) in v.chunks_exact(d).enumerate() {
            to.v[(head * to.capacity + to.kv_row + row) * d..][..d].copy_from_slice(x);
        }
    }
}

#[inline(always)]
fn norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> f32 {
    let scale = row_scale(x, eps);
    for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
        *o = *v * scale * *w;
    }
    scale
}

/// Gradients of the norm weights, `head_dim` each; added to.
#[derive(Debug)]
pub struct HeadNormGradients<'a> {
    /// Of queries.
    pub q: &'a mut [f32],
    /// Of keys.
    pub k: &'a mut [f32],
}

/// The gradient of [`split`]: `grads` holds the gradients of the heads (and is used up), `qkv` becomes its own gradient.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn split_backward<'a>(
    qkv: &mut [f32],
    shape: HeadShape,
    positions: &[u32],
    rope: &Rope,
    norms: HeadNorms<'a>,
    grads: HeadsMut<'a>,
    scales: &[f32],
    weights: HeadNormGradients<'a>,
) {
    let HeadShape { heads, kv_heads, head_dim: d } = shape;
    let rows = positions.len();
    let mut dx = vec![0.0; d];
    let all = qkv.chunks_exact_mut(shape.qkv_width()).zip(positions).zip(scales.chunks_exact(heads + kv_heads));
    for (row, ((x, position), scales)) in all.enumerate() {
        let (cos, sin) = rope.at(*position);
        let (q, kv) = x.split_at_mut(shape.q_width());
        let (k, v) = kv.split_at_mut(shape.kv_width());
        for (head, (x, scale)) in q.chunks_exact_mut(d).zip(&scales[..heads]).enumerate() {
            let dy = &mut grads.q[(head * rows + row) * d..][..d];
            rotate_back(dy, cos, sin);
            row_backward(dy, x, norms.q, *scale, &mut dx, weights.q);
            x.copy_from_slice(&dx);
        }
        for (head, (x, scale)) in k.chunks_exact_mut(d).zip(&scales[heads..]).enumerate() {
            let dy = &mut grads.k[(head * grads.capacity + grads.kv_row + row) * d..][..d];
            rotate_back(dy, cos, sin);
            row_backward(dy, x, norms.k, *scale, &mut dx, weights.k);
            x.copy_from_slice(&dx);
        }
        for (head, x) in v.chunks_exact_mut(d).enumerate() {
            x.copy_from_slice(&grads.v[(head * grads.capacity + grads.kv_row + row) * d..][..d]);
        }
    }
}

/// `(heads, rows, head_dim)` to `(rows, heads * head_dim)`.
pub fn merge(heads: &[f32], shape: HeadShape, rows: usize, out: &mut [f32]) {
    let d = shape.head_dim;
    for (head, part) in heads.chunks_exact(rows * d).enumerate() {
        for (from, to) in part.chunks_exact(d).zip(out.chunks_exact_mut(shape.q_width())) {
            to[head * d..head * d + d].copy_from_slice(from);
        }
    }
}

/// The inverse of [`merge`].
pub fn unmerge(merged: &[f32], shape: HeadShape, rows: usize, heads: &mut [f32]) {
    let d = shape.head_dim;
    for (head, part) in heads.chunks_exact_mut(rows * d).enumerate() {
        for (to, from) in part.chunks_exact_mut(d).zip(merged.chunks_exact(shape.q_width())) {
            to.copy_from_slice(&from[head * d..head * d + d]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, assert_gradient, values};

    const SHAPE: HeadShape = HeadShape { heads: 4, kv_heads: 2, head_dim: 6 };

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let positions = [0, 3, 9];
        let rows = positions.len();
        let rope = Rope::new(SHAPE.head_dim, 50.0, 10);
        let (x, wq, wk) = (values(rows * SHAPE.qkv_width(), 1), values(6, 2), values(6, 3));
        let upstream = values(rows * SHAPE.qkv_width(), 4);
        let (q_len, kv_len) = (rows * SHAPE.q_width(), rows * SHAPE.kv_width());
        let mut scales = vec![0.0; rows * 6];
        let value = |x: &[f32], wq: &[f32], wk: &[f32], scales: &mut [f32]| {
            let (mut q, mut k, mut v) = (vec![0.0; q_len], vec![0.0; kv_len], vec![0.0; kv_len]);
            let to = HeadsMut { q: &mut q, k: &mut k, v: &mut v, capacity: rows, kv_row: 0 };
            split(x, SHAPE, &positions, &rope, HeadNorms { q: wq, k: wk, eps: 1e-3 }, to, scales);
            let all = q.iter().chain(&k).chain(&v);
            all.zip(&upstream).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
        };
        value(&x, &wq, &wk, &mut scales);
        let mut up = upstream.clone();
        let (q, kv) = up.split_at_mut(q_len);
        let (k, v) = kv.split_at_mut(kv_len);
        let (mut dx, mut dwq, mut dwk) = (x.clone(), vec![0.0; 6], vec![0.0; 6]);
        let grads = HeadsMut { q, k, v, capacity: rows, kv_row: 0 };
        let weights = HeadNormGradients { q: &mut dwq, k: &mut dwk };
        let norms = HeadNorms { q: &wq, k: &wk, eps: 1e-3 };
        split_backward(&mut dx, SHAPE, &positions, &rope, norms, grads, &scales, weights);
        assert_gradient(&x, &dx, 1e-3, |x| value(x, &wq, &wk, &mut scales));
        assert_gradient(&wq, &dwq, 1e-2, |w| value(&x, w, &wk, &mut scales));
        assert_gradient(&wk, &dwk, 1e-2, |w| value(&x, &wq, w, &mut scales));
    }

    #[test]
    fn merging_and_unmerging_are_inverse() {
        let heads = values(5 * SHAPE.q_width(), 7);
        let (mut merged, mut back) = (vec![0.0; heads.len()], vec![0.0; heads.len()]);
        merge(&heads, SHAPE, 5, &mut merged);
        unmerge(&merged, SHAPE, 5, &mut back);
        assert_eq!(back, heads);
        assert_close(&merged[6..12], &heads[30..36], 0.0, "second head of the first row");
    }
}

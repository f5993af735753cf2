//! Attention of one sequence: each row reads the keys of up to two ranges, so causal text, a canvas and the clean copy
//! behind it share one pass.
//!
//! All query heads of one key head are stacked into one product. Keys and values come in blocks (a training sequence is one,
//! a branch of the KV memory has one per page), each packed once per key head. That is the form that training wants, which
//! keeps the weights for the backward pass, and the form of AMX tiles; [`fused`] is the one for decoding elsewhere.

pub mod fused;

use multiversion::multiversion;

use super::add;
use super::math::{add_scaled, dot, exp, max, sum};
use crate::kernels::{Channels, Kept, Right, Rows, Unit, multiply_right, multiply_tn};
use crate::transformer::config::HeadShape;
use crate::transformer::sequence::Visible;
use crate::transformer::sized;

/// Keys and values `(kv_heads, capacity, head_dim)`, of which the first `len` rows of each head are meant.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// Keys, normalised and turned.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// Rows that each head has room for.
    pub capacity: usize,
    /// Rows in use.
    pub len: usize,
}

impl<'a> Keys<'a> {
    /// Keys and values of one head, `(len, head_dim)` each.
    pub(crate) fn head(&self, head: usize, d: usize) -> (&'a [f32], &'a [f32]) {
        let start = head * self.capacity * d;
        (&self.k[start..start + self.len * d], &self.v[start..start + self.len * d])
    }
}

/// Buffers of one sequence's products, kept between calls.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    scores: Vec<f32>,
    dscores: Vec<f32>,
    part: Vec<f32>,
    rows: Rows,
    channels: Channels,
    right: Right,
}

/// Where a backward pass finds the attention weights again: from an index of a [`Kept`] on, `(heads, rows, len)`.
#[derive(Debug)]
pub struct Remember<'a> {
    /// The memory.
    pub kept: &'a mut Kept,
    /// First index.
    pub first: usize,
}

/// `q` and `context` are `(heads, rows, head_dim)`; with `remember`, the attention weights are kept, which takes keys in one
/// block. Keys come in blocks, whose rows count on from block to block.
///
/// # Panics
/// When a slice does not have its length, or a row's ranges reach past the last key.
pub fn forward<'a>(
    unit: Unit,
    shape: HeadShape,
    q: &[f32],
    keys: impl Iterator<Item = Keys<'a>> + Clone,
    visible: &[Visible],
    mut remember: Option<Remember<'_>>,
    context: &mut [f32],
    scratch: &mut Scratch,
) {
    let (rows, d) = (visible.len(), shape.head_dim);
    let len: usize = keys.clone().map(|block| block.len).sum();
    let stacked = shape.group() * rows;
    let Scratch { scores, part, rows: left, right, .. } = scratch;
    let scores = sized(scores, stacked * len);
    for (head, (q, context)) in q.chunks_exact(stacked * d).zip(context.chunks_exact_mut(stacked * d)).enumerate() {
        left.fill(unit, q, d);
        let mut rest = &mut *scores;
        for block in keys.clone() {
            let (scores, behind) = rest.split_at_mut(stacked * block.len);
            right.fill_transposed(unit, block.head(head, d).0, d);
            multiply_right(unit, left, right, scores, false);
            rest = behind;
        }
        softmax(scores, keys.clone(), visible, stacked, 1.0 / (d as f32).sqrt());
        if let Some(Remember { kept, first }) = &mut remember {
            kept.put(unit, *first + head * stacked * len, scores);
        }
        let mut rest = &*scores;
        for (i, block) in keys.clone().enumerate() {
            let (weights, behind) = rest.split_at(stacked * block.len);
            left.fill(unit, weights, block.len);
            right.fill(unit, block.head(head, d).1, d);
            if i == 0 {
                multiply_right(unit, left, right, context, false);
            } else {
                let part = sized(part, context.len());
                multiply_right(unit, left, right, part, false);
                add(part, context);
            }
            rest = behind;
        }
    }
}

/// Calls `each` for the visible parts of a row of scores, and `hidden` for the others. Scores are `(block, stacked, keys)`.
#[inline(always)]
fn visit<'a>(
    scores: &mut [f32],
    keys: impl Iterator<Item = Keys<'a>>,
    (row, stacked): (usize, usize),
    seen: Visible,
    mut each: impl FnMut(&mut [f32]),
    mut hidden: impl FnMut(&mut [f32]),
) {
    let (mut first, mut start) = (0, 0);
    for Keys { len, .. } in keys {
        let row = &mut scores[start + row * len..][..len];
        let [a, b] = seen.within(first, len);
        let (head, after) = row.split_at_mut(b.end);
        let (head, second) = head.split_at_mut(b.start);
        let (first_part, between) = head.split_at_mut(a.end);
        each(first_part);
        hidden(between);
        each(second);
        hidden(after);
        (first, start) = (first + len, start + stacked * len);
    }
}

/// Softmax of scaled scores over the visible keys; zero elsewhere.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn softmax<'a, K: Iterator<Item = Keys<'a>> + Clone>(
    scores: &mut [f32],
    keys: K,
    visible: &[Visible],
    stacked: usize,
    scale: f32,
) {
    for row in 0..stacked {
        let (seen, place) = (visible[row % visible.len()], (row, stacked));
        let mut largest = f32::NEG_INFINITY;
        let find = |part: &mut [f32]| {
            let value = max(part);
            largest = if value > largest { value } else { largest };
        };
        visit(scores, keys.clone(), place, seen, find, |part| part.fill(0.0));
        let mut total = 0.0;
        let raise = |part: &mut [f32]| {
            for value in part.iter_mut() {
                *value = exp((*value - largest) * scale);
            }
            total += sum(part);
        };
        visit(scores, keys.clone(), place, seen, raise, |_| ());
        let share = 1.0 / total;
        let divide = |part: &mut [f32]| part.iter_mut().for_each(|value| *value *= share);
        visit(scores, keys.clone(), place, seen, divide, |_| ());
    }
}

/// Attention of a few rows without packing: for the single rows of next-token decoding.
///
/// Shapes as [`forward`]; `scores` is scratch of at least as many values as there are keys.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn forward_few<'a, K: Iterator<Item = Keys<'a>> + Clone>(
    shape: HeadShape,
    q: &[f32],
    keys: K,
    visible: &[Visible],
    scores: &mut [f32],
    context: &mut [f32],
) {
    let (rows, d) = (visible.len(), shape.head_dim);
    let scale = 1.0 / (d as f32).sqrt();
    for (i, (q, context)) in q.chunks_exact(d).zip(context.chunks_exact_mut(d)).enumerate() {
        let (head, seen) = (i / rows / shape.group(), visible[i % rows]);
        let (mut first, mut count) = (0, 0);
        for block in keys.clone() {
            let k = block.head(head, d).0;
            for range in seen.within(first, block.len) {
                let scores = &mut scores[count..count + range.len()];
                for (score, key) in scores.iter_mut().zip(k[range.start * d..].chunks_exact(d)) {
                    *score = dot(q, key) * scale;
                }
                count += range.len();
            }
            first += block.len;
        }
        let scores = &mut scores[..count];
        let largest = max(scores);
        for score in scores.iter_mut() {
            *score = exp(*score - largest);
        }
        let share = 1.0 / sum(scores);
        context.fill(0.0);
        let (mut first, mut scores) = (0, &*scores);
        for block in keys.clone() {
            let v = block.head(head, d).1;
            for range in seen.within(first, block.len) {
                let (these, rest) = scores.split_at(range.len());
                for (score, value) in these.iter().zip(v[range.start * d..].chunks_exact(d)) {
                    add_scaled(context, value, *score * share);
                }
                scores = rest;
            }
            first += block.len;
        }
    }
}

/// Gradients of one sequence: `dcontext` and `dq` are `(heads, rows, head_dim)`, `dk` and `dv` `(kv_heads, len, head_dim)`.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of the context, given.
    pub dcontext: &'a [f32],
    /// Of the queries, overwritten.
    pub dq: &'a mut [f32],
    /// Of the keys, overwritten.
    pub dk: &'a mut [f32],
    /// Of the values, overwritten.
    pub dv: &'a mut [f32],
}

/// The gradient of [`forward`], from the attention weights that it kept. Shapes as there; `rows` is that of `q`.
pub fn backward(
    unit: Unit,
    shape: HeadShape,
    q: &[f32],
    keys: Keys<'_>,
    (kept, first): (&Kept, usize),
    grads: Gradients<'_>,
    scratch: &mut Scratch,
) {
    let (len, d) = (keys.len, shape.head_dim);
    let stacked = q.len() / (shape.kv_heads * d);
    let Scratch { scores, dscores, rows: left, channels, right, .. } = scratch;
    let (probs, dscores) = (sized(scores, stacked * len), sized(dscores, stacked * len));
    for head in 0..shape.kv_heads {
        let (k, v) = keys.head(head, d);
        let q_range = head * stacked * d..(head + 1) * stacked * d;
        let k_range = head * len * d..(head + 1) * len * d;
        let dcontext = &grads.dcontext[q_range.clone()];
        kept.get(unit, first + head * stacked * len, probs);
        left.fill(unit, dcontext, d);
        right.fill_transposed(unit, v, d);
        multiply_right(unit, left, right, dscores, false);
        channels.fill(unit, probs, len);
        right.fill(unit, dcontext, d);
        multiply_tn(unit, channels, right, &mut grads.dv[k_range.clone()], false);
        softmax_backward(probs, dscores, len, 1.0 / (d as f32).sqrt());
        left.fill(unit, dscores, len);
        right.fill(unit, k, d);
        multiply_right(unit, left, right, &mut grads.dq[q_range.clone()], false);
        channels.fill(unit, dscores, len);
        right.fill(unit, &q[q_range], d);
        multiply_tn(unit, channels, right, &mut grads.dk[k_range], false);
    }
}

/// Turns the gradient of the probabilities into that of the unscaled scores.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn softmax_backward(probs: &[f32], grads: &mut [f32], len: usize, scale: f32) {
    for (p, g) in probs.chunks_exact(len).zip(grads.chunks_exact_mut(len)) {
        let mean = dot(p, g);
        for (g, p) in g.iter_mut().zip(p) {
            *g = *p * (*g - mean) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use super::*;
    use crate::transformer::ops::check::{assert_close, assert_gradient, values};

    const SHAPE: HeadShape = HeadShape { heads: 4, kv_heads: 2, head_dim: 8 };

    /// A prefix of 3, a canvas of 4 that sees prefix and itself, a clean copy of 4 that sees prefix and its own past.
    fn layout() -> Vec<Visible> {
        let mut visible: Vec<Visible> = (0..3).map(Visible::causal).collect();
        visible.extend((0..4).map(|_| Visible { causal: 3, block_start: 3, block_end: 7 }));
        visible.extend((0..4).map(|i| Visible { causal: 3, block_start: 7, block_end: 8 + i }));
        visible
    }

    fn plain(q: &[f32], k: &[f32], v: &[f32], visible: &[Visible]) -> Vec<f64> {
        let (rows, d, len) = (visible.len(), SHAPE.head_dim, visible.len());
        let mut out = vec![0.0; SHAPE.heads * rows * d];
        for head in 0..SHAPE.heads {
            for row in 0..rows {
                let seen = |key: usize| {
                    key < visible[row].causal as usize
                        || (visible[row].block_start as usize..visible[row].block_end as usize).contains(&key)
                };
                let kv = head / 2 * len * d;
                let score = |key: usize| -> f64 {
                    (0..d).map(|i| f64::from(q[(head * rows + row) * d + i]) * f64::from(k[kv + key * d + i])).sum()
                };
                let weights: Vec<f64> =
                    (0..len).map(|key| if seen(key) { (score(key) / (d as f64).sqrt()).exp() } else { 0.0 }).collect();
                let total: f64 = weights.iter().sum();
                for i in 0..d {
                    out[(head * rows + row) * d + i] =
                        (0..len).map(|key| weights[key] / total * f64::from(v[kv + key * d + i])).sum();
                }
            }
        }
        out
    }

    #[test]
    fn both_forms_agree_with_the_definition() {
        let visible = layout();
        let n = visible.len();
        let (q, k, v) = (values(4 * n * 8, 1), values(2 * n * 8, 2), values(2 * n * 8, 3));
        let want: Vec<f32> = plain(&q, &k, &v, &visible).iter().map(|v| *v as f32).collect();
        let keys = Keys { k: &k, v: &v, capacity: n, len: n };
        let mut context = vec![f32::NAN; 4 * n * 8];
        forward(Unit::F32, SHAPE, &q, once(keys), &visible, None, &mut context, &mut Scratch::default());
        assert_close(&context, &want, 1e-5, "stacked");
        context.fill(f32::NAN);
        forward_few(SHAPE, &q, once(keys), &visible, &mut vec![0.0; n], &mut context);
        assert_close(&context, &want, 1e-5, "few rows");
    }

    #[test]
    fn keys_in_blocks_are_keys_in_one_piece() {
        let visible = layout();
        let n = visible.len();
        let (q, k, v) = (values(4 * n * 8, 1), values(2 * n * 8, 2), values(2 * n * 8, 3));
        let want: Vec<f32> = plain(&q, &k, &v, &visible).iter().map(|v| *v as f32).collect();
        for width in [1, 2, 4, 5, n - 1] {
            let blocks = (0..n).step_by(width).map(|first| {
                // Both heads keep their distance, so a block is a window of the whole.
                let (k, v) = (&k[first * 8..], &v[first * 8..]);
                Keys { k, v, capacity: n, len: width.min(n - first) }
            });
            let mut context = vec![f32::NAN; 4 * n * 8];
            forward(Unit::F32, SHAPE, &q, blocks.clone(), &visible, None, &mut context, &mut Scratch::default());
            assert_close(&context, &want, 1e-5, &format!("stacked, blocks of {width}"));
            context.fill(f32::NAN);
            forward_few(SHAPE, &q, blocks, &visible, &mut vec![0.0; n], &mut context);
            assert_close(&context, &want, 1e-5, &format!("few rows, blocks of {width}"));
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let visible = layout();
        let n = visible.len();
        let (q, k, v) = (values(4 * n * 8, 1), values(2 * n * 8, 2), values(2 * n * 8, 3));
        let dcontext = values(4 * n * 8, 4);
        let (mut kept, mut context, mut scratch) = (Kept::default(), vec![0.0; 4 * n * 8], Scratch::default());
        let remember = Some(Remember { kept: &mut kept, first: 5 });
        let keys = Keys { k: &k, v: &v, capacity: n, len: n };
        forward(Unit::F32, SHAPE, &q, once(keys), &visible, remember, &mut context, &mut scratch);
        let (mut dq, mut dk, mut dv) = (vec![f32::NAN; q.len()], vec![f32::NAN; k.len()], vec![f32::NAN; v.len()]);
        let grads = Gradients { dcontext: &dcontext, dq: &mut dq, dk: &mut dk, dv: &mut dv };
        backward(Unit::F32, SHAPE, &q, keys, (&kept, 5), grads, &mut scratch);
        let value = |q: &[f32], k: &[f32], v: &[f32]| {
            plain(q, k, v, &visible).iter().zip(&dcontext).map(|(a, b)| a * f64::from(*b)).sum()
        };
        assert_gradient(&q, &dq, 1e-3, |q| value(q, &k, &v));
        assert_gradient(&k, &dk, 1e-3, |k| value(&q, k, &v));
        assert_gradient(&v, &dv, 1e-3, |v| value(&q, &k, v));
    }
}

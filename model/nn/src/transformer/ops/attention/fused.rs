//! Attention for decoding in one sweep over the keys: scores, softmax and weighted values of 64 keys at a time, nothing
//! larger than a tile in memory (Dao et al., FlashAttention; Milakov and Gimelshein, online softmax).
//!
//! The query heads of one key head share every read of its keys and values. Keys may lie in several segments; a tile never
//! crosses two of them, so segments of 64 rows give the same bits as one long segment.
//!
//! With bf16 weights on a unit of bf16, `rounded.rs` does this where rows are many.
//!
//! Invariant: a row's result depends on neither the number of threads nor the other rows of its tile.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use self::rounded::Rounded;
use super::Keys;
use crate::kernels::{Arithmetic, Format, Isa, Strided, Unit, dot_rows, multiply_block};
use crate::transformer::config::HeadShape;
use crate::transformer::ops::math::{exp, max, sum};
use crate::transformer::sequence::Visible;

mod rounded;

/// Keys of a tile.
const KEYS: usize = 64;
/// Stacked query rows of a task.
const QUERIES: usize = 64;
/// Stacked query rows up to which scores are plain dot products: turning queries into columns of 16 would waste most of them.
const FEW: usize = 4;
/// Stacked query rows from which on products may be those of bf16: canvases and blocks of a prompt. The few rows of a drawn token,
/// alone or with what is forced behind it, are f32, so that tokens do not depend on how they are read.
const MANY: usize = 64;
/// Multiplications below which waking a second thread costs more than it brings.
const SMALL: usize = 1 << 19;
/// Columns that a product works on together.
const COLUMNS: usize = 16;

/// `q` and `context` are `(heads, rows, head_dim)`, `rows` the length of `visible`; the rows of all `segments` together are
/// the keys that `visible` counts.
///
/// A row that sees nothing gets zeros.
///
/// # Panics
/// When a slice does not have its length, or a row's ranges reach past the last key.
pub fn forward<'a>(
    arithmetic: Arithmetic,
    shape: HeadShape,
    q: &[f32],
    segments: impl Iterator<Item = Keys<'a>> + Clone + Sync + Send,
    visible: &[Visible],
    context: &mut [f32],
) {
    let (rows, d) = (visible.len(), shape.head_dim);
    let len: usize = segments.clone().map(|keys| keys.len).sum();
    assert!(q.len() == shape.heads * rows * d && context.len() == q.len(), "attention of {rows} rows");
    assert!(
        visible.iter().all(|seen| seen.causal.max(seen.block_end) as usize <= len),
        "a row sees more than {len} keys"
    );
    let stacked = shape.group() * rows;
    if stacked == 0 {
        return;
    }
    let Arithmetic { unit, isa, format } = arithmetic;
    let rounds = unit != Unit::F32 && format == Format::Bf16 && Rounded::takes(d) && stacked >= MANY;
    let unit = if rounds { unit } else { Unit::F32 };
    let mut tasks = Vec::new();
    for (head, (q, context)) in q.chunks_exact(stacked * d).zip(context.chunks_exact_mut(stacked * d)).enumerate() {
        for (part, (q, context)) in q.chunks(QUERIES * d).zip(context.chunks_mut(QUERIES * d)).enumerate() {
            let visible = (0..q.len() / d).map(|i| visible[(part * QUERIES + i) % rows]).collect();
            tasks.push(Task { unit, isa, d, head, segments: segments.clone(), q, visible, context });
        }
    }
    if tasks.len() > 1 && q.len() * len >= SMALL && rayon::current_num_threads() > 1 {
        tasks.into_par_iter().for_each(Task::run);
    } else {
        tasks.into_iter().for_each(Task::run);
    }
}

/// Some stacked query rows of one key head.
struct Task<'a, S> {
    /// Of the products of many rows.
    unit: Unit,
    isa: Isa,
    d: usize,
    head: usize,
    segments: S,
    q: &'a [f32],
    visible: Vec<Visible>,
    context: &'a mut [f32],
}

impl<'k, S: Iterator<Item = Keys<'k>>> Task<'_, S> {
    fn run(self) {
        if self.unit == Unit::F32 || self.visible.len() <= FEW { self.run_exact() } else { self.run_rounded() }
    }

    fn run_rounded(self) {
        let Self { unit, d, head, segments, q, visible, context, .. } = self;
        let mut rounded = Rounded::new(unit, q, d);
        for (tile, k, v) in tiles(segments, head, d) {
            if visible.iter().any(|seen| tile.meets(seen)) {
                rounded.read(tile, k, v, &visible);
            }
        }
        rounded.finish(context);
    }

    fn run_exact(self) {
        let (d, rows) = (self.d, self.visible.len());
        // Products want whole columns of 16; heads of other sizes are filled up with zeros.
        let width = d.next_multiple_of(COLUMNS);
        let mut online = Online::new(self.isa, rows, width);
        let few = rows <= FEW;
        let queries = if few { scaled(self.q, d) } else { columns(&scaled(self.q, d), d, online.lanes) };
        for (tile, k, v) in tiles(self.segments, self.head, d) {
            if !self.visible.iter().any(|seen| tile.meets(seen)) {
                continue;
            }
            if few {
                dot_rows(self.isa, &queries, k, d, &mut online.scores, KEYS);
            } else {
                let left = Strided { values: k, by_row: d, by_inner: 1 };
                multiply_block(self.isa, left, &queries, (tile.len, online.lanes, d), &mut online.scores, false);
            }
            let by = if few { (KEYS, 1) } else { (1, online.lanes) };
            tile.hide(&self.visible, &mut online.scores, by);
            online.weigh(tile.len, few);
            if width == d {
                online.sum(tile.len, v, few);
            } else {
                online.sum(tile.len, &widened(v, d, width), few);
            }
        }
        for ((context, sum), total) in
            self.context.chunks_exact_mut(d).zip(online.totals.chunks_exact(width)).zip(&online.sums)
        {
            let share = share(*total);
            for (to, value) in context.iter_mut().zip(sum) {
                *to = *value * share;
            }
        }
    }
}

/// Keys and values of a head, tile by tile.
fn tiles<'k>(
    segments: impl Iterator<Item = Keys<'k>>,
    head: usize,
    d: usize,
) -> impl Iterator<Item = (Tile, &'k [f32], &'k [f32])> {
    let mut first = 0;
    let rows = segments.flat_map(move |keys| {
        let (k, v) = keys.head(head, d);
        k.chunks(KEYS * d).zip(v.chunks(KEYS * d))
    });
    rows.map(move |(k, v)| {
        let tile = Tile { first, len: k.len() / d };
        first += tile.len;
        (tile, k, v)
    })
}

/// What sums of weighted values are multiplied by in the end; a row that saw nothing gets zeros.
fn share(total: f32) -> f32 {
    if total == 0.0 { 0.0 } else { 1.0 / total }
}

/// Keys `first .. first + len`.
#[derive(Clone, Copy)]
struct Tile {
    first: usize,
    len: usize,
}

impl Tile {
    fn end(self) -> usize {
        self.first + self.len
    }

    fn meets(self, seen: &Visible) -> bool {
        self.hidden(seen).iter().map(ExactSizeIterator::len).sum::<usize>() < self.len
    }

    fn is_inside(self, seen: &Visible) -> bool {
        self.hidden(seen).iter().all(Range::is_empty)
    }

    /// The keys of the tile that a row does not see, counted from the tile's first: between its ranges, and behind them.
    fn hidden(self, seen: &Visible) -> [Range<usize>; 2] {
        let clip = |start: u32, end: usize| {
            let start = (start as usize).clamp(self.first, self.end());
            start - self.first..end.clamp(start, self.end()) - self.first
        };
        [clip(seen.causal, seen.block_start as usize), clip(seen.block_end, usize::MAX)]
    }

    /// Scores that a row does not see become minus infinity.
    fn hide(self, visible: &[Visible], scores: &mut [f32], (by_row, by_key): (usize, usize)) {
        for (row, seen) in visible.iter().enumerate().filter(|(_, seen)| !self.is_inside(seen)) {
            for key in self.hidden(seen).into_iter().flatten() {
                scores[row * by_row + key * by_key] = f32::NEG_INFINITY;
            }
        }
    }
}

/// Softmax and weighted values so far: for every row the largest score, the sum of `e^(score - largest)`, and the sum of the
/// values so weighted.
struct Online {
    isa: Isa,
    /// Rows, filled up to whole columns.
    lanes: usize,
    /// `(keys, lanes)`, or `(rows, KEYS)` where rows are few.
    scores: Vec<f32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
    factors: Vec<f32>,
    /// `(rows, width)`.
    totals: Vec<f32>,
    rows: usize,
    width: usize,
}

impl Online {
    fn new(isa: Isa, rows: usize, width: usize) -> Self {
        let lanes = rows.next_multiple_of(COLUMNS);
        Self {
            isa,
            lanes,
            scores: vec![0.0; lanes * KEYS],
            largest: vec![f32::NEG_INFINITY; lanes],
            sums: vec![0.0; lanes],
            factors: vec![1.0; lanes],
            totals: vec![0.0; rows * width],
            rows,
            width,
        }
    }

    /// Makes weights of the scores of `keys` keys; earlier sums shrink to the largest score.
    fn weigh(&mut self, keys: usize, few: bool) {
        if few {
            for row in 0..self.rows {
                let scores = &mut self.scores[row * KEYS..row * KEYS + keys];
                weigh_row(scores, &mut self.largest[row], &mut self.sums[row], &mut self.factors[row]);
            }
        } else {
            let scores = &mut self.scores[..keys * self.lanes];
            weigh_columns(scores, &mut self.largest, &mut self.sums, &mut self.factors);
        }
        for (total, factor) in self.totals.chunks_exact_mut(self.width).zip(&self.factors) {
            // Exactly one where an earlier key remains the largest, which is nearly always.
            if *factor != 1.0 {
                total.iter_mut().for_each(|value| *value *= factor);
            }
        }
    }

    /// Adds the weighted values `(keys, width)`.
    fn sum(&mut self, keys: usize, values: &[f32], few: bool) {
        let (by_row, by_inner) = if few { (KEYS, 1) } else { (1, self.lanes) };
        let left = Strided { values: &self.scores, by_row, by_inner };
        multiply_block(self.isa, left, values, (self.rows, self.width, keys), &mut self.totals, true);
    }
}

/// Queries with the factor of their scores.
fn scaled(q: &[f32], d: usize) -> Vec<f32> {
    let scale = 1.0 / (d as f32).sqrt();
    q.iter().map(|value| value * scale).collect()
}

/// `(rows, d)` to `(d, lanes)`.
fn columns(q: &[f32], d: usize, lanes: usize) -> Vec<f32> {
    let mut out = vec![0.0; d * lanes];
    for (row, q) in q.chunks_exact(d).enumerate() {
        for (i, value) in q.iter().enumerate() {
            out[i * lanes + row] = *value;
        }
    }
    out
}

/// `(keys, d)` to `(keys, width)`.
fn widened(v: &[f32], d: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; v.len() / d * width];
    for (to, from) in out.chunks_exact_mut(width).zip(v.chunks_exact(d)) {
        to[..d].copy_from_slice(from);
    }
    out
}

/// Scores of one row to weights.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn weigh_row(scores: &mut [f32], largest: &mut f32, total: &mut f32, factor: &mut f32) {
    let tile = max(scores);
    let new = if tile > *largest { tile } else { *largest };
    *factor = shrink(*largest, new);
    for score in scores.iter_mut() {
        *score = weight(*score, new);
    }
    (*total, *largest) = (*total * *factor + sum(scores), new);
}

/// Scores `(keys, lanes)` of all rows to weights.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn weigh_columns(scores: &mut [f32], largest: &mut [f32], sums: &mut [f32], factors: &mut [f32]) {
    let lanes = largest.len();
    assert!(sums.len() == lanes && factors.len() == lanes, "one sum and one factor for every row");
    for lane in (0..lanes).step_by(COLUMNS) {
        let mut new = [0.0; COLUMNS];
        new.copy_from_slice(&largest[lane..lane + COLUMNS]);
        for scores in scores.chunks_exact(lanes) {
            let scores = &scores[lane..lane + COLUMNS];
            for i in 0..COLUMNS {
                new[i] = if scores[i] > new[i] { scores[i] } else { new[i] };
            }
        }
        let mut sum = [0.0; COLUMNS];
        for i in 0..COLUMNS {
            factors[lane + i] = shrink(largest[lane + i], new[i]);
            sum[i] = sums[lane + i] * factors[lane + i];
        }
        for scores in scores.chunks_exact_mut(lanes) {
            let scores = &mut scores[lane..lane + COLUMNS];
            for i in 0..COLUMNS {
                scores[i] = weight(scores[i], new[i]);
                sum[i] += scores[i];
            }
        }
        largest[lane..lane + COLUMNS].copy_from_slice(&new);
        sums[lane..lane + COLUMNS].copy_from_slice(&sum);
    }
}

/// What earlier sums are multiplied by when the largest score grows from `old` to `new`.
#[inline(always)]
fn shrink(old: f32, new: f32) -> f32 {
    let factor = exp(old - new);
    if new == f32::NEG_INFINITY { 1.0 } else { factor }
}

/// `e^(score - largest)`, and exactly zero for a key that is not seen.
#[inline(always)]
fn weight(score: f32, largest: f32) -> f32 {
    let value = exp(score - largest);
    if score == f32::NEG_INFINITY { 0.0 } else { value }
}

#[cfg(test)]
mod tests;

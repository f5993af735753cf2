//! Products with matrices that stay in their file: rows of weights are widened as they are read.

use std::ops::Range;

use half::bf16;
use half::slice::HalfFloatSliceExt;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::weights::{StoredTensor, StoredValues, widen};

/// Outputs that a thread takes at once: enough work to hand out, few enough to share evenly.
const CHUNK: usize = 32;
/// Rows of `x` that meet all rows of a chunk before the next ones do, so that they stay close: of 5,120 values, 160 KB.
const TOGETHER: usize = 8;
/// Partial sums of an inner product. Their number is part of the result, so it is the same for every number of rows.
const LANES: usize = 16;
/// Values that are widened at once, in registers or close to them.
const BLOCK: usize = 256;

/// Rows of a mapped matrix, of which some columns are meant.
#[derive(Debug)]
struct Part {
    rows: StoredTensor,
    /// Values from a row to the next one.
    pitch: usize,
    first: usize,
}

/// Matrices of one inner size, one below the other.
#[derive(Debug)]
pub(in super::super) struct StoredMatrix {
    parts: Vec<Part>,
    n: usize,
    k: usize,
}

impl StoredMatrix {
    /// From parts: whole rows, their length, and the columns that are meant, as many in each part.
    pub fn new(parts: impl Iterator<Item = (StoredTensor, usize, Range<usize>)>) -> Self {
        let (mut n, mut k, mut kept) = (0, 0, Vec::new());
        for (rows, pitch, columns) in parts {
            n += rows.len() / pitch.max(1);
            k = columns.len();
            kept.push(Part { rows, pitch, first: columns.start });
        }
        Self { parts: kept, n, k }
    }

    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes of the columns that are meant.
    pub fn bytes(&self) -> usize {
        let part = |part: &Part| part.rows.len() / part.pitch.max(1) * self.k * part.rows.stored_type().bytes();
        self.parts.iter().map(part).sum()
    }

    /// `x`: `(m, k)` to `out`: `(m, n)`.
    pub fn multiply(&self, x: &[f32], m: usize, out: &mut [f32]) {
        assert!(x.len() == m * self.k && out.len() == m * self.n, "product sizes");
        if m == 0 || self.k == 0 {
            return out.fill(0.0);
        }
        if m == 1 {
            return self.columns(x, 1, out);
        }
        let mut columns = vec![0.0; out.len()];
        self.columns(x, m, &mut columns);
        for (j, column) in columns.chunks_exact(m.max(1)).enumerate() {
            for (i, value) in column.iter().enumerate() {
                out[i * self.n + j] = *value;
            }
        }
    }

    /// As [`Self::multiply`], to `(n, m)`: what a row of weights gives stands together.
    fn columns(&self, x: &[f32], m: usize, mut out: &mut [f32]) {
        for part in &self.parts {
            let (now, rest) = out.split_at_mut(part.rows.len() / part.pitch * m);
            match part.rows.view() {
                StoredValues::F32(w) => {
                    self.share(part, &w, m, now, |w, pitch, out| f32_rows(w, pitch, x, self.k, out))
                }
                StoredValues::Bf16(w) if m == 1 => {
                    self.share(part, &w, m, now, |w, pitch, out| bf16_rows(w, pitch, x, self.k, out));
                }
                StoredValues::Bf16(w) => self.share_wide(part, &w, (x, m), now, widen),
                StoredValues::F16(w) => self.share_wide(part, &w, (x, m), now, |w, to| w.convert_to_f32_slice(to)),
            }
            out = rest;
        }
    }

    /// Hands rows of weights to threads, with their pitch and the outputs that are theirs. The first value of each is the first
    /// column that is meant.
    fn share<T: Sync>(
        &self,
        part: &Part,
        w: &[T],
        m: usize,
        out: &mut [f32],
        rows: impl Fn(&[T], usize, &mut [f32]) + Sync,
    ) {
        let Part { pitch, first, .. } = *part;
        let chunks = out.par_chunks_mut(CHUNK * m).zip(w.par_chunks(CHUNK * pitch));
        chunks.for_each(|(out, w)| rows(&w[first..], pitch, out));
    }

    /// As [`Self::share`], widening the rows that a thread takes at once.
    fn share_wide<T: Sync>(
        &self,
        part: &Part,
        w: &[T],
        (x, m): (&[f32], usize),
        out: &mut [f32],
        to_f32: impl Fn(&[T], &mut [f32]) + Sync,
    ) {
        let k = self.k;
        self.share(part, w, m, out, |w, pitch, out| {
            let mut wide = vec![0.0; out.len() / m * k];
            for (to, from) in wide.chunks_exact_mut(k).zip(w.chunks(pitch)) {
                to_f32(&from[..k], to);
            }
            f32_rows(&wide, k, x, k, out);
        });
    }
}

/// Inner products of rows of `w`, each `pitch` values behind the one before, with rows of `x`: `(rows of w, rows of x)`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn f32_rows(w: &[f32], pitch: usize, x: &[f32], k: usize, out: &mut [f32]) {
    let m = x.len() / k;
    for first in (0..m).step_by(TOGETHER) {
        for (j, out) in out.chunks_exact_mut(m).enumerate() {
            for (i, out) in out.iter_mut().enumerate().skip(first).take(TOGETHER) {
                let (w, x) = (&w[j * pitch..][..k], &x[i * k..][..k]);
                let mut lanes = [0.0; LANES];
                let rest = accumulate(w, x, &mut lanes);
                *out = fold(lanes) + rest;
            }
        }
    }
}

/// As [`f32_rows`] for a single row of `x`, widening values as they are multiplied: a row of weights is over when it was read.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn bf16_rows(w: &[bf16], pitch: usize, x: &[f32], k: usize, out: &mut [f32]) {
    let mut block = [0.0; BLOCK];
    for (i, out) in out.iter_mut().enumerate() {
        let w = &w[i * pitch..][..k];
        let (mut lanes, mut rest) = ([0.0; LANES], 0.0);
        let mut at = 0;
        while at < k {
            let len = BLOCK.min(k - at);
            let (from, to) = (&w[at..at + len], &mut block[..len]);
            for j in 0..len {
                to[j] = f32::from_bits(u32::from(from[j].to_bits()) << 16);
            }
            rest = accumulate(to, &x[at..at + len], &mut lanes);
            at += len;
        }
        *out = fold(lanes) + rest;
    }
}

/// Adds `w x` to the lanes in turn; returns the sum of what is left over behind whole registers. Plain loops over arrays: chains
/// of iterators are too much for the compiler to see through in functions of other instruction sets.
#[inline(always)]
fn accumulate(w: &[f32], x: &[f32], lanes: &mut [f32; LANES]) -> f32 {
    let ((w, w_rest), (x, x_rest)) = (w.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let mut sums = *lanes;
    for at in 0..w.len().min(x.len()) {
        let (w, x) = (&w[at], &x[at]);
        for i in 0..LANES {
            sums[i] += w[i] * x[i];
        }
    }
    *lanes = sums;
    let mut rest = 0.0;
    for at in 0..w_rest.len().min(x_rest.len()) {
        rest += w_rest[at] * x_rest[at];
    }
    rest
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::transformer::ops::check::{assert_close, values};
    use crate::weights::{Stored, Weights, save};

    #[test]
    fn rows_are_the_same_alone_and_together_and_those_of_plain_sums() {
        let (n, k, m) = (70, 150, 19);
        let path = std::env::temp_dir().join(format!("rhea-stored-{}.safetensors", std::process::id()));
        let x = values(m * k, 2);
        for stored in [Stored::F32, Stored::Bf16] {
            let tensors = BTreeMap::from([("w".to_owned(), (vec![n, k], values(n * k, 1)))]);
            save(&path, &tensors, stored).unwrap();
            let weights = Weights::open(&path).unwrap();
            let tensor = weights.stored("w", &[n, k]).unwrap();
            let w = tensor.values();
            // In two parts, as queries and keys are, whole and cut as those of a rank are.
            for columns in [0..k, 0..50, 37..k] {
                let rows = [0..33, 33..n].map(|rows| (tensor.rows(k, rows).unwrap(), k, columns.clone()));
                let matrix = StoredMatrix::new(rows.into_iter());
                let (width, size) = (columns.len(), tensor.stored_type().bytes());
                assert_eq!((matrix.n(), matrix.bytes()), (n, n * width * size));
                let x = &x[..m * width];
                let mut together = vec![f32::NAN; m * n];
                matrix.multiply(x, m, &mut together);
                for (x, together) in x.chunks(width).zip(together.chunks(n)) {
                    let mut alone = vec![f32::NAN; n];
                    matrix.multiply(x, 1, &mut alone);
                    assert_eq!(alone, together);
                    let row = |w: &[f32]| w[columns.clone()].iter().zip(x).map(|(w, x)| w * x).sum();
                    let want: Vec<f32> = w.chunks(k).map(row).collect();
                    assert_close(&alone, &want, 1e-5, "product");
                }
            }
        }
        std::fs::remove_file(path).unwrap();
    }
}

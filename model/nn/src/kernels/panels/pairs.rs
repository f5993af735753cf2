//! Products of small operands of bf16 pairs that are used once: as `block.rs` for f32, with AVX-512 BF16 (`vdpbf16ps`).
#![allow(unsafe_code, reason = "vector instructions; the entry is safe")]
#![allow(clippy::needless_range_loop, reason = "an iterator that is not inlined keeps the sums out of registers")]

use super::COLUMNS;
use super::block::is_empty;

/// A left operand of pairs of inner values, the first of a pair in the lower half: pair `(row, pair)` stands at
/// `row * by_row + pair * by_pair`.
#[derive(Clone, Copy, Debug)]
pub struct StridedPairs<'a> {
    /// The pairs.
    pub values: &'a [u32],
    /// Between rows.
    pub by_row: usize,
    /// Between pairs.
    pub by_pair: usize,
}

/// `out (m, n) = left (m, 2 k) · right (2 k, n)`, or `out +=` with `add`, over `k` pairs; `right` has the pairs of each column,
/// `(k, n)`, and `n` is a multiple of 16. One thread; every output is one chain over `k`.
///
/// # Panics
/// When a slice is shorter than the sizes say, `n` is no multiple of 16, or this CPU lacks AVX-512 BF16.
pub fn multiply_pairs(
    left: StridedPairs<'_>,
    right: &[u32],
    (m, n, k): (usize, usize, usize),
    out: &mut [f32],
    add: bool,
) {
    if is_empty((m, n, k), (right.len(), out.len()), add) {
        return;
    }
    assert!((m - 1) * left.by_row + (k - 1) * left.by_pair < left.values.len(), "left operand of {m} x {k} pairs");
    assert!(crate::kernels::avx512::available(), "AVX-512 BF16 is not available");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the instructions, and the slices hold what the sizes say.
    unsafe {
        // The usual strides become constants, which the inner loop addresses without arithmetic.
        let StridedPairs { values, by_row, by_pair } = left;
        match (by_row, by_pair) {
            (1, 64) => imp::all(StridedPairs { values, by_row: 1, by_pair: 64 }, right, (m, n, k), out, add),
            (32, 1) => imp::all(StridedPairs { values, by_row: 32, by_pair: 1 }, right, (m, n, k), out, add),
            (64, 1) => imp::all(StridedPairs { values, by_row: 64, by_pair: 1 }, right, (m, n, k), out, add),
            _ => imp::all(left, right, (m, n, k), out, add),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{COLUMNS, StridedPairs};

    /// Rows of the largest tile.
    const ROWS: usize = 8;

    /// # Safety
    /// The CPU has AVX-512 F and BF16; the slices hold what the sizes say.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn all(
        left: StridedPairs<'_>,
        right: &[u32],
        (m, n, k): (usize, usize, usize),
        out: &mut [f32],
        add: bool,
    ) {
        let tiles = m.div_ceil(ROWS);
        let mut column = 0;
        while column < n {
            let panels = if column + 2 * COLUMNS <= n { 2 } else { 1 };
            for tile in 0..tiles {
                let (row, end) = (m * tile / tiles, m * (tile + 1) / tiles);
                // SAFETY: rows stay below `m`, columns below `n`.
                unsafe {
                    let x = left.values.as_ptr().add(row * left.by_row);
                    let w = right.as_ptr().add(column);
                    let to = out.as_mut_ptr().add(row * n + column);
                    let sizes = (n, k, left.by_row, left.by_pair);
                    step_of!((end - row, panels), step(x, w, sizes, to, add), 1 2 3 4 5 6 7 8);
                }
            }
            column += panels * COLUMNS;
        }
    }

    /// `M` rows times `P` times sixteen columns.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and BF16; rows, columns and outputs are there.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn step<const M: usize, const P: usize>(
        x: *const u32,
        w: *const u32,
        (n, k, by_row, by_pair): (usize, usize, usize, usize),
        to: *mut f32,
        add: bool,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); P]; M];
            for pair in 0..k {
                let mut columns = [as_bf16(_mm512_set1_epi32(0)); P];
                for p in 0..P {
                    columns[p] = as_bf16(_mm512_loadu_si512(w.add(pair * n + p * COLUMNS).cast()));
                }
                for row in 0..M {
                    let x = as_bf16(_mm512_set1_epi32((*x.add(row * by_row + pair * by_pair)).cast_signed()));
                    for p in 0..P {
                        sums[row][p] = _mm512_dpbf16_ps(sums[row][p], x, columns[p]);
                    }
                }
            }
            for row in 0..M {
                for p in 0..P {
                    let to = to.add(row * n + p * COLUMNS);
                    let sum = if add { _mm512_add_ps(_mm512_loadu_ps(to), sums[row][p]) } else { sums[row][p] };
                    _mm512_storeu_ps(to, sum);
                }
            }
        }
    }

    #[inline(always)]
    fn as_bf16(bits: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes without invalid values.
        unsafe { std::mem::transmute(bits) }
    }
}

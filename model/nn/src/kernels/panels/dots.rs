//! bf16 weights times rows that are rounded to bf16 too: AVX-512 BF16 (`vdpbf16ps`) over the panels that bf16 weights have
//! anyway. It multiplies twice as many values an instruction as f32 does.
//!
//! Order of summation: every output is one chain over the pairs of four chunks, whatever the number of rows and panels of a tile;
//! then come the next four. So an output is read and written once for 2,048 inner values.
#![allow(unsafe_code, reason = "vector instructions; the entry says what it needs")]
#![allow(clippy::needless_range_loop, reason = "an iterator that is not inlined keeps the sums out of registers")]

use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_ET0, _mm_prefetch, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::run::{Task, place, sized};
use super::{COLUMNS, FLOAT_CHUNK, Panels, round_row};

/// Rows of the largest tile.
const ROWS: usize = 12;
/// Chunks whose sums stay in registers: the rows of a task and two panels of them fit the second-level cache.
const TOGETHER: usize = 4;
/// Distance of rows in the scratch: not a multiple of 4 KiB, so that rows do not compete for the same cache lines.
const PITCH: usize = TOGETHER * FLOAT_CHUNK + 32;

/// Panels of some chunks that follow each other.
#[derive(Clone, Copy)]
struct Chunks<'a> {
    /// All values from the first chunk on.
    values: &'a [u16],
    /// Inner values.
    length: usize,
    /// Columns of all panels.
    wide: usize,
    /// The first panel.
    panel: usize,
}

/// Runs a task.
///
/// # Safety
/// The CPU has AVX-512 F and BF16; `values` are those of `weights`.
pub unsafe fn run(weights: &Panels, values: &[u16], task: &mut Task<'_>, kept: &mut Vec<u16>) {
    let (k, rows) = (weights.k, task.out.len());
    let wide = weights.n.div_ceil(COLUMNS) * COLUMNS;
    let tiles = rows.div_ceil(ROWS);
    // Few rows need several panels at once, or every sum would wait for the one before it.
    let together = match rows.div_ceil(tiles) {
        1 => 8,
        2 => 4,
        _ => 2,
    };
    let block = sized(kept, rows * PITCH);
    for start in (0..k).step_by(TOGETHER * FLOAT_CHUNK) {
        let length = (TOGETHER * FLOAT_CHUNK).min(k - start);
        for (to, from) in block.chunks_exact_mut(PITCH).zip(task.x.chunks_exact(k)) {
            round_row(&from[start..start + length], to);
            // Weights go in pairs; what is left over from before could be NaN, and zero times NaN is NaN.
            to[length..length.next_multiple_of(2)].fill(0);
        }
        let values = &values[start * wide..][..length.next_multiple_of(2) * wide];
        let mut panel = task.panels.start;
        while panel < task.panels.end {
            let count = if panel + together <= task.panels.end { together } else { 1 };
            let w = Chunks { values, length, wide, panel };
            let column = (panel - task.panels.start) * COLUMNS;
            for tile in 0..tiles {
                let range = rows * tile / tiles..rows * (tile + 1) / tiles;
                let x = &block[range.start * PITCH..range.end * PITCH];
                let out = &mut task.out[range];
                // SAFETY: `x` holds the tile's rows, `w` panels of as many inner values, `count` of them from its first on; the
                // caller's promise.
                unsafe {
                    match (out.len(), count) {
                        (1, 8) => step::<1, 8>(x, w, column, start > 0, out),
                        (2, 4) => step::<2, 4>(x, w, column, start > 0, out),
                        size => step_of!(size, step(x, w, column, start > 0, out), 1 2 3 4 5 6 7 8 9 10 11 12),
                    }
                }
            }
            panel += count;
        }
    }
}

/// `M` rows times `P` panels.
///
/// # Safety
/// The CPU has AVX-512 F and BF16; `x` holds `M` rows of as many pairs as the chunks of `w`, which have `P` panels from their first on.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn step<const M: usize, const P: usize>(
    x: &[u16],
    w: Chunks<'_>,
    column: usize,
    add: bool,
    out: &mut [&mut [f32]],
) {
    // The outputs are on their way while the sums are made.
    for row in out.iter().take(M) {
        if let Some(to) = row.get(column..column + P * COLUMNS) {
            for p in 0..P {
                // SAFETY: a hint about an address of the row.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(to.as_ptr().add(p * COLUMNS).cast()) };
            }
        }
    }
    let mut sums = [[_mm512_setzero_ps(); P]; M];
    for first in (0..w.length).step_by(FLOAT_CHUNK) {
        let pairs = FLOAT_CHUNK.min(w.length - first).div_ceil(2);
        let panel = pairs * 2 * COLUMNS;
        // SAFETY: the caller's promise: chunks, panels and rows hold these pairs.
        unsafe {
            let (x, w) = (x.as_ptr().add(first), w.values.as_ptr().add(first * w.wide + w.panel * panel));
            for pair in 0..pairs {
                let mut columns = [zero(); P];
                for p in 0..P {
                    columns[p] = as_bf16(_mm512_loadu_si512(w.add(p * panel + pair * 2 * COLUMNS).cast()));
                }
                for row in 0..M {
                    let x = x.add(row * PITCH + 2 * pair).cast::<i32>().read_unaligned();
                    let x = as_bf16(_mm512_set1_epi32(x));
                    for p in 0..P {
                        sums[row][p] = _mm512_dpbf16_ps(sums[row][p], x, columns[p]);
                    }
                }
            }
        }
    }
    for row in 0..M {
        let whole = out[row].get_mut(column..column + P * COLUMNS);
        if let Some(to) = whole {
            for p in 0..P {
                // SAFETY: sixteen values of the row's part for each panel.
                unsafe {
                    let to = to.as_mut_ptr().add(p * COLUMNS);
                    let sum = if add { _mm512_add_ps(_mm512_loadu_ps(to), sums[row][p]) } else { sums[row][p] };
                    _mm512_storeu_ps(to, sum);
                }
            }
            continue;
        }
        for p in 0..P {
            let mut sixteen = [0.0; COLUMNS];
            // SAFETY: sixteen values are written to sixteen.
            unsafe { _mm512_storeu_ps(sixteen.as_mut_ptr(), sums[row][p]) };
            place(&mut *out[row], column + p * COLUMNS, &sixteen, add);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> __m512bh {
    as_bf16(_mm512_set1_epi32(0))
}

#[inline(always)]
fn as_bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(bits) }
}

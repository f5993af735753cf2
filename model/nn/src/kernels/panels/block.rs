//! Products of small row-major operands that are used once: what fused attention is made of.
#![allow(unsafe_code, reason = "vector instructions; the entry is safe")]
#![allow(clippy::needless_range_loop, reason = "iterators that are not inlined are calls in the inner loops")]

use super::COLUMNS;
use super::lanes::{Lanes, Portable};
use super::tile::{Left, Whole, float_tile};
use crate::kernels::Isa;

/// Rows of the largest tile.
const TILE_ROWS: usize = 6;
/// Inner values up to which columns of the right operand are copied side by side before several tiles read them: rows that
/// are a power of two apart would throw each other out of the first-level cache.
const PACKED_INNER: usize = 128;

/// A left operand over a slice: element `(row, inner)` stands at `row * by_row + inner * by_inner`.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Between rows.
    pub by_row: usize,
    /// Between inner values.
    pub by_inner: usize,
}

/// Is there nothing to multiply? Otherwise checks the sizes of a right operand `(k, n)` and of outputs `(m, n)`.
pub(super) fn is_empty((m, n, k): (usize, usize, usize), (right, out): (usize, usize), add: bool) -> bool {
    if m == 0 || n == 0 || k == 0 {
        assert!(add || m * n == 0, "a product over no inner values");
        return true;
    }
    assert!(n.is_multiple_of(COLUMNS) && right >= k * n && out >= m * n, "block of {m} x {k} x {n}");
    false
}

/// `out (m, n) = left (m, k) · right (k, n)`, or `out +=` with `add`; `n` is a multiple of 16, rows of `right` and `out` are
/// `n` apart. One thread; every output is one chain over `k`.
///
/// # Panics
/// When a slice is shorter than the sizes say, `n` is no multiple of 16, or this CPU lacks the instructions.
pub fn multiply_block(
    isa: Isa,
    left: Strided<'_>,
    right: &[f32],
    (m, n, k): (usize, usize, usize),
    out: &mut [f32],
    add: bool,
) {
    if is_empty((m, n, k), (right.len(), out.len()), add) {
        return;
    }
    assert!((m - 1) * left.by_row + (k - 1) * left.by_inner < left.values.len(), "left operand of {m} x {k}");
    assert!(isa.is_present(), "this CPU does not have {}", isa.name());
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the instructions, and the slices hold what the sizes say.
        Isa::Avx512 => unsafe { avx512(left, right, (m, n, k), out, add) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { avx2(left, right, (m, n, k), out, add) },
        // SAFETY: as above.
        _ => unsafe { strides::<Portable>(left, right, (m, n, k), out, add) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(left: Strided<'_>, right: &[f32], sizes: (usize, usize, usize), out: &mut [f32], add: bool) {
    // SAFETY: the caller's promise.
    unsafe { strides::<super::avx2::Avx2>(left, right, sizes, out, add) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn avx512(left: Strided<'_>, right: &[f32], sizes: (usize, usize, usize), out: &mut [f32], add: bool) {
    // SAFETY: the caller's promise.
    unsafe { strides::<super::avx512::Avx512>(left, right, sizes, out, add) }
}

/// The usual strides become constants, which the inner loop addresses without arithmetic.
///
/// # Safety
/// As [`all`].
#[inline(always)]
unsafe fn strides<L: Lanes>(
    left: Strided<'_>,
    right: &[f32],
    sizes: (usize, usize, usize),
    out: &mut [f32],
    add: bool,
) {
    let Strided { values, by_row, by_inner } = left;
    // SAFETY: the caller's promise.
    unsafe {
        match (by_row, by_inner) {
            (1, 64) => all::<L>(Strided { values, by_row: 1, by_inner: 64 }, right, sizes, out, add),
            (64, 1) => all::<L>(Strided { values, by_row: 64, by_inner: 1 }, right, sizes, out, add),
            (128, 1) => all::<L>(Strided { values, by_row: 128, by_inner: 1 }, right, sizes, out, add),
            _ => all::<L>(left, right, sizes, out, add),
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`; the slices hold what the sizes say.
#[inline(always)]
unsafe fn all<L: Lanes>(
    left: Strided<'_>,
    right: &[f32],
    (m, n, k): (usize, usize, usize),
    out: &mut [f32],
    add: bool,
) {
    let tiles = m.div_ceil(TILE_ROWS);
    let mut packed = [0.0; PACKED_INNER * COLUMNS];
    for column in (0..n).step_by(COLUMNS) {
        let mut panel = (right[column..].as_ptr(), n);
        if tiles > 1 && k <= PACKED_INNER {
            for inner in 0..k {
                // SAFETY: `right` has `k` rows of `n`, `packed` room for `PACKED_INNER >= k` rows of sixteen columns.
                unsafe {
                    let from = L::load(right.as_ptr().add(inner * n + column));
                    L::store(from, packed.as_mut_ptr().add(inner * COLUMNS));
                }
            }
            panel = (packed.as_ptr(), COLUMNS);
        }
        for tile in 0..tiles {
            let (row, end) = (m * tile / tiles, m * (tile + 1) / tiles);
            // SAFETY: rows stay below `m`, columns below `n`.
            unsafe {
                let x = Left {
                    first: left.values.as_ptr().add(row * left.by_row),
                    by_row: left.by_row,
                    by_step: left.by_inner,
                };
                let to = &mut out[row * n + column..];
                match end - row {
                    1 => step::<L, 1>(x, panel, n, k, to, add),
                    2 => step::<L, 2>(x, panel, n, k, to, add),
                    3 => step::<L, 3>(x, panel, n, k, to, add),
                    4 => step::<L, 4>(x, panel, n, k, to, add),
                    5 => step::<L, 5>(x, panel, n, k, to, add),
                    _ => step::<L, 6>(x, panel, n, k, to, add),
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`; `x` holds `M` rows of `k`, the panel `k` rows of sixteen columns at its distance.
#[inline(always)]
unsafe fn step<L: Lanes, const M: usize>(
    x: Left,
    (w, pitch): (*const f32, usize),
    n: usize,
    k: usize,
    to: &mut [f32],
    add: bool,
) {
    // SAFETY: the caller's promise.
    let sums = unsafe { float_tile::<L, Whole, M, 1>(x, w, 0, 2 * pitch, k) };
    for row in 0..M {
        let to = &mut to[row * n..row * n + COLUMNS];
        for i in 0..COLUMNS {
            to[i] = if add { to[i] + sums[row][0][i] } else { sums[row][0][i] };
        }
    }
}

/// `out[row * pitch + key] = a row · b key` for rows `a (rows, d)` and keys `b (keys, d)`: for few rows, each key read once.
///
/// # Panics
/// When `a` or `b` has no whole rows, `out` is too short, or this CPU lacks the instructions.
pub fn dot_rows(isa: Isa, a: &[f32], b: &[f32], d: usize, out: &mut [f32], pitch: usize) {
    assert!(d > 0 && a.len().is_multiple_of(d) && b.len().is_multiple_of(d), "rows of {d}");
    assert!(b.len() / d <= pitch && a.len() / d * pitch <= out.len(), "room for dot products");
    assert!(isa.is_present(), "this CPU does not have {}", isa.name());
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the instructions.
        Isa::Avx512 => unsafe { dots_avx512(a, b, d, out, pitch) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { dots_avx2(a, b, d, out, pitch) },
        // SAFETY: needs no particular CPU.
        _ => unsafe { dots::<Portable>(a, b, d, out, pitch) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn dots_avx2(a: &[f32], b: &[f32], d: usize, out: &mut [f32], pitch: usize) {
    // SAFETY: the caller's promise.
    unsafe { dots::<super::avx2::Avx2>(a, b, d, out, pitch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn dots_avx512(a: &[f32], b: &[f32], d: usize, out: &mut [f32], pitch: usize) {
    // SAFETY: the caller's promise.
    unsafe { dots::<super::avx512::Avx512>(a, b, d, out, pitch) }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn dots<L: Lanes>(a: &[f32], b: &[f32], d: usize, out: &mut [f32], pitch: usize) {
    let whole = d / COLUMNS * COLUMNS;
    for key in 0..b.len() / d {
        let b = &b[key * d..(key + 1) * d];
        for row in 0..a.len() / d {
            let a = &a[row * d..(row + 1) * d];
            // SAFETY: `i + 16 <= whole <= d`, the length of both rows.
            let mut sum = unsafe {
                let mut sum = L::zero();
                let mut i = 0;
                while i < whole {
                    sum = L::multiply_add(L::load(a.as_ptr().add(i)), L::load(b.as_ptr().add(i)), sum);
                    i += COLUMNS;
                }
                L::sum(sum)
            };
            for i in whole..d {
                sum += a[i] * b[i];
            }
            out[row * pitch + key] = sum;
        }
    }
}

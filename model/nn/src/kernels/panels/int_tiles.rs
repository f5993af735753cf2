//! int8 weights times rows of 16 bits on AMX's tiles of bytes, sixteen rows at a time.
//!
//! A value of 16 bits is 256 high + low, with a signed and an unsigned byte. So two products of bytes give the sums that a
//! product of 16 bits gives, exactly, and a row has the same bits here and where rows are few.
#![allow(unsafe_code, reason = "vector instructions and tiles; the entry says what it needs")]

use std::arch::x86_64::{
    _mm256_storeu_si256, _mm512_add_epi32, _mm512_cvtepi16_epi8, _mm512_cvtepi32_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutexvar_epi16, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srai_epi16,
    _mm512_storeu_ps, _mm512_storeu_si512,
};
use std::cell::RefCell;
use std::ops::Range;

use super::halves::alternating;
use super::run::{INT_PITCH, SCALES, place, sized};
use super::{BLOCK, COLUMNS};
use crate::kernels::amx;

/// Rows of a tile.
pub const ROWS: usize = 16;
/// Bytes of a tile: 16 rows of 64 inner values, or 16 fours of inner values of 16 columns.
const TILE: usize = ROWS * BLOCK;

thread_local! {
    /// Rows in bytes, then a panel in fours; kept between tasks.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Sums of high bytes, then of low ones, `(16, 16)` each.
type Sums = [i32; 2 * ROWS * COLUMNS];

/// Rows of a chunk: values at [`INT_PITCH`], scales of blocks at [`SCALES`].
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub values: &'a [i16],
    pub scales: &'a [f32],
}

/// Panels of a chunk, and their scales.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    pub values: &'a [i8],
    pub scales: &'a [f32],
    /// Blocks of 64 inner values.
    pub blocks: usize,
}

/// Writes or adds what a range of panels makes of the rows, as far as they fill tiles; returns how many rows that were.
///
/// # Safety
/// The CPU has AVX-512 F and BW.
pub unsafe fn run(left: Left<'_>, right: Right<'_>, panels: Range<usize>, out: &mut [&mut [f32]], add: bool) -> usize {
    let (groups, blocks) = (out.len() / ROWS, right.blocks);
    if groups == 0 {
        return 0;
    }
    let tiles = Tiles::new();
    let mut kept = BYTES.take();
    let (rows, panel) = sized(&mut kept, (2 * groups + 1) * blocks * TILE).split_at_mut(2 * groups * blocks * TILE);
    assert!(left.values.len() >= groups * ROWS * INT_PITCH && left.scales.len() >= groups * ROWS * SCALES, "left rows");
    assert!(blocks <= SCALES && right.values.len() >= panels.end * blocks * TILE, "{blocks} blocks of panels");
    assert!(right.scales.len() >= panels.end * blocks * COLUMNS, "scales of panels");
    for (i, tile) in rows.chunks_exact_mut(2 * TILE).enumerate() {
        let values = &left.values[i / blocks * ROWS * INT_PITCH + i % blocks * BLOCK..];
        // SAFETY: the caller's promise; sixteen rows of a block, as asserted, and two tiles.
        unsafe { split(values.as_ptr(), tile.as_mut_ptr()) };
    }
    let mut sums = [0; 2 * ROWS * COLUMNS];
    for at in panels.clone() {
        let values = &right.values[at * blocks * TILE..(at + 1) * blocks * TILE];
        // SAFETY: the caller's promise; both are `blocks` tiles.
        unsafe { fours(values.as_ptr(), blocks, panel.as_mut_ptr()) };
        for group in 0..groups {
            let mut totals = [0.0; ROWS * COLUMNS];
            for block in 0..blocks {
                let row = &rows[(group * blocks + block) * 2 * TILE..][..2 * TILE];
                tiles.multiply(row, &panel[block * TILE..(block + 1) * TILE], &mut sums);
                let row_scales = left.scales[group * ROWS * SCALES + block..].as_ptr();
                let column_scales = right.scales[(at * blocks + block) * COLUMNS..].as_ptr();
                // SAFETY: the caller's promise; scales as asserted.
                unsafe { scale_add(&sums, row_scales, column_scales, &mut totals) };
            }
            let rows = out[group * ROWS..].iter_mut().zip(totals.as_chunks::<COLUMNS>().0);
            rows.for_each(|(row, totals)| place(row, (at - panels.start) * COLUMNS, totals, add));
        }
    }
    BYTES.set(kept);
    groups * ROWS
}

/// A thread ready to multiply.
enum Tiles {
    Amx(amx::Configured),
    /// The definition, in place of what this CPU does not have.
    #[cfg(test)]
    Plain,
}

impl Tiles {
    fn new() -> Self {
        #[cfg(test)]
        if !amx::available() {
            return Self::Plain;
        }
        Self::Amx(amx::Configured::new())
    }

    fn multiply(&self, rows: &[u8], panel: &[u8], sums: &mut Sums) {
        assert!(rows.len() >= 2 * TILE && panel.len() >= TILE, "operands of whole tiles");
        match self {
            // SAFETY: two left tiles, a right one, and room for two tiles of sums.
            Self::Amx(unit) => unsafe { unit.bytes(rows.as_ptr(), panel.as_ptr(), sums.as_mut_ptr()) },
            #[cfg(test)]
            Self::Plain => {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let (plane, row, column) = (i / 256, i % 256 / COLUMNS, i % COLUMNS);
                    let left = |inner: usize| rows[plane * TILE + row * BLOCK + inner];
                    let signed = |byte: u8| if plane == 0 { i32::from(byte.cast_signed()) } else { i32::from(byte) };
                    let right = |inner: usize| panel[inner / 4 * 4 * COLUMNS + column * 4 + inner % 4].cast_signed();
                    *sum = (0..BLOCK).map(|inner| signed(left(inner)) * i32::from(right(inner))).sum();
                }
            }
        }
    }
}

/// A block of sixteen rows at [`INT_PITCH`] to high and low bytes.
///
/// # Safety
/// The CPU has AVX-512 F and BW; the rows are there, and room for two tiles.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn split(values: *const i16, to: *mut u8) {
    for row in 0..ROWS {
        for half in 0..2 {
            // SAFETY: the caller's promise, for 32 values of a row.
            unsafe {
                let bits = _mm512_loadu_si512(values.add(row * INT_PITCH + half * 32).cast());
                let to = to.add(row * BLOCK + half * 32);
                _mm256_storeu_si256(to.cast(), _mm512_cvtepi16_epi8(_mm512_srai_epi16::<8>(bits)));
                _mm256_storeu_si256(to.add(TILE).cast(), _mm512_cvtepi16_epi8(bits));
            }
        }
    }
}

/// A panel of pairs of inner values of sixteen columns to fours, over `blocks` blocks.
///
/// # Safety
/// The CPU has AVX-512 F and BW; both hold so many tiles.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn fours(pairs: *const i8, blocks: usize, to: *mut u8) {
    for at in (0..blocks * TILE).step_by(64) {
        // SAFETY: the caller's promise, for two rows of sixteen pairs.
        unsafe {
            let pairs = _mm512_loadu_si512(pairs.add(at).cast());
            _mm512_storeu_si512(to.add(at).cast(), _mm512_permutexvar_epi16(alternating(), pairs));
        }
    }
}

/// Adds the sums of a block with their scales to `(16, 16)` totals, by the operations of `Lanes::scale_add` on AVX-512.
///
/// # Safety
/// The CPU has AVX-512 F; there are a scale at every [`SCALES`] for sixteen rows, and sixteen for the columns.
#[target_feature(enable = "avx512f")]
unsafe fn scale_add(
    sums: &Sums,
    row_scales: *const f32,
    column_scales: *const f32,
    totals: &mut [f32; ROWS * COLUMNS],
) {
    // SAFETY: the caller's promise; sums are two tiles, totals one.
    unsafe {
        let column_scales = _mm512_loadu_ps(column_scales);
        for row in 0..ROWS {
            let high = _mm512_loadu_si512(sums.as_ptr().add(row * COLUMNS).cast());
            let low = _mm512_loadu_si512(sums.as_ptr().add((ROWS + row) * COLUMNS).cast());
            let sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32::<8>(high), low));
            let scaled = _mm512_mul_ps(sum, _mm512_set1_ps(*row_scales.add(row * SCALES)));
            let total = totals.as_mut_ptr().add(row * COLUMNS);
            _mm512_storeu_ps(total, _mm512_fmadd_ps(scaled, column_scales, _mm512_loadu_ps(total)));
        }
    }
}

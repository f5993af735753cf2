//! int8 weights times rows of 16 bits on AMX's tiles of bytes, sixteen rows at a time.
//!
//! A value of 16 bits is 256 high + low, with a signed and an unsigned byte. So two products of bytes give the sums that a
//! product of 16 bits gives, exactly, and a row has the same bits here and where rows are few.
#![allow(unsafe_code, reason = "the call of the tile instructions; the entry is safe")]

use std::cell::RefCell;
use std::ops::Range;

use multiversion::multiversion;

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
pub fn run(left: Left<'_>, right: Right<'_>, panels: Range<usize>, out: &mut [&mut [f32]], add: bool) -> usize {
    let (groups, blocks) = (out.len() / ROWS, right.blocks);
    if groups == 0 {
        return 0;
    }
    let tiles = Tiles::new();
    let mut kept = BYTES.take();
    let (rows, panel) = sized(&mut kept, (2 * groups + 1) * blocks * TILE).split_at_mut(2 * groups * blocks * TILE);
    for (i, tile) in rows.chunks_exact_mut(2 * TILE).enumerate() {
        split(&left.values[i / blocks * ROWS * INT_PITCH + i % blocks * BLOCK..], tile);
    }
    let mut sums = [0; 2 * ROWS * COLUMNS];
    for at in panels.clone() {
        let values = &right.values[at * blocks * TILE..(at + 1) * blocks * TILE];
        fours(bytemuck::cast_slice(values), bytemuck::cast_slice_mut(panel));
        for group in 0..groups {
            let mut totals = [0.0; ROWS * COLUMNS];
            for block in 0..blocks {
                let row = &rows[(group * blocks + block) * 2 * TILE..][..2 * TILE];
                tiles.multiply(row, &panel[block * TILE..(block + 1) * TILE], &mut sums);
                let row_scales = &left.scales[group * ROWS * SCALES + block..];
                scale_add(&sums, row_scales, &right.scales[(at * blocks + block) * COLUMNS..], &mut totals);
            }
            store(&totals, &mut out[group * ROWS..], (at - panels.start) * COLUMNS, add);
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

    /// The sums of sixteen rows of high bytes, then of those of low bytes, `(16, 16)` each.
    fn multiply(&self, rows: &[u8], panel: &[u8], sums: &mut [i32; 2 * ROWS * COLUMNS]) {
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

/// A block of sixteen rows to high and low bytes.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn split(values: &[i16], to: &mut [u8]) {
    let (high, low) = to.split_at_mut(TILE);
    for (row, (high, low)) in high.chunks_exact_mut(BLOCK).zip(low.chunks_exact_mut(BLOCK)).enumerate() {
        let values = &values[row * INT_PITCH..][..BLOCK];
        for i in 0..BLOCK {
            let bits = values[i].cast_unsigned();
            (high[i], low[i]) = ((bits >> 8) as u8, (bits & 0xff) as u8);
        }
    }
}

/// Pairs of inner values of sixteen columns, two rows of pairs after each other, to fours.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn fours(pairs: &[u16], to: &mut [u16]) {
    for (pairs, to) in pairs.chunks_exact(2 * COLUMNS).zip(to.chunks_exact_mut(2 * COLUMNS)) {
        for column in 0..COLUMNS {
            to[2 * column] = pairs[column];
            to[2 * column + 1] = pairs[COLUMNS + column];
        }
    }
}

/// Adds the sums of a block with their scales, by the operations of [`super::lanes::Lanes::scale_add`] on AVX-512.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn scale_add(
    sums: &[i32; 2 * ROWS * COLUMNS],
    row_scales: &[f32],
    column_scales: &[f32],
    totals: &mut [f32; ROWS * COLUMNS],
) {
    let (high, low) = sums.split_at(ROWS * COLUMNS);
    for row in 0..ROWS {
        let (of, row_scale) = (row * COLUMNS..(row + 1) * COLUMNS, row_scales[row * SCALES]);
        let (high, low, totals) = (&high[of.clone()], &low[of.clone()], &mut totals[of]);
        let column_scales = &column_scales[..COLUMNS];
        for i in 0..COLUMNS {
            let sum = (high[i] << 8) + low[i];
            totals[i] = (sum as f32 * row_scale).mul_add(column_scales[i], totals[i]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn store(totals: &[f32; ROWS * COLUMNS], out: &mut [&mut [f32]], column: usize, add: bool) {
    for (row, totals) in out.iter_mut().zip(totals.as_chunks::<COLUMNS>().0) {
        place(row, column, totals, add);
    }
}

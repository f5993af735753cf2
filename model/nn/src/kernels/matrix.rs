//! Operands that are converted once and used several times.
//!
//! [`Rows`] is a left operand, [`Channels`] a transposed left operand, [`Right`] a right operand; [`Kept`] holds values
//! between a forward and a backward pass. On AMX they hold bf16, operands in the order of tiles; elsewhere they hold f32.
//! Buffers keep their memory between fills.

use multiversion::multiversion;

use super::Unit;
use super::convert::bf16;
use super::packed::{INNER, SIDE};
use super::tiles::{self, Operand, TILE};

/// A left operand `(rows, width)`.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub(super) rows: usize,
    pub(super) width: usize,
    blocks: usize,
    /// `[row tile][inner block]`, each tile 16 rows of 32 inner values.
    tiles: Vec<u16>,
    pub(super) plain: Vec<f32>,
}

impl Rows {
    /// Takes `x`, `(rows, width)` row-major.
    ///
    /// # Panics
    /// When `x` does not have whole rows.
    pub fn fill(&mut self, unit: Unit, x: &[f32], width: usize) {
        assert!(width > 0 && x.len().is_multiple_of(width), "rows of {width} in {} values", x.len());
        (self.rows, self.width, self.blocks) = (x.len() / width, width, width.div_ceil(INNER));
        if unit == Unit::F32 {
            self.plain.clear();
            self.plain.extend_from_slice(x);
            return;
        }
        grow(&mut self.tiles, self.rows.div_ceil(16) * self.blocks * TILE);
        rows_to_tiles(x, width, &mut self.tiles);
    }

    /// The operand of 32 rows from `row` on, at an inner block.
    pub(super) fn operand(&self, row: usize, block: usize) -> Operand<'_> {
        let first = (row / 16 * self.blocks + block) * TILE;
        // A single row tile is enough for the last rows; both pointers then name the same tile.
        let second = if self.rows - row > 16 { first + self.blocks * TILE } else { first };
        Operand { data: &self.tiles, first, second, pitch: 64 }
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }
}

/// The transpose of `(rows, width)`: a left operand whose outputs are channels, summed over rows.
#[derive(Clone, Debug, Default)]
pub struct Channels(pub(super) Tiled);

/// A right operand `(inner, columns)`, summed over `inner`.
#[derive(Clone, Debug, Default)]
pub struct Right(pub(super) Tiled);

/// `[column tile][inner block]`, each tile 16 columns of 32 inner values.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiled {
    pub inner: usize,
    pub columns: usize,
    blocks: usize,
    tiles: Vec<u16>,
    pub plain: Vec<f32>,
}

impl Tiled {
    fn begin(&mut self, unit: Unit, inner: usize, columns: usize) {
        (self.inner, self.columns, self.blocks) = (inner, columns, inner.div_ceil(INNER));
        if unit == Unit::F32 {
            self.plain.resize(inner * columns, 0.0);
        } else {
            grow(&mut self.tiles, columns.div_ceil(SIDE) * 2 * self.blocks * TILE);
        }
    }

    /// Inner values from `first` on, `(inner, columns)` row-major.
    fn put(&mut self, unit: Unit, first: usize, x: &[f32], order: Order) {
        let columns = self.columns;
        let end = first + x.len() / columns;
        assert!(x.len().is_multiple_of(columns) && end <= self.inner, "values {first}..{end} of {}", self.inner);
        assert!(first.is_multiple_of(INNER) && (end == self.inner || end.is_multiple_of(INNER)), "blocks of {INNER}");
        if unit == Unit::F32 {
            self.plain[first * columns..end * columns].copy_from_slice(x);
        } else {
            let place = Place { first: first / INNER, blocks: self.blocks };
            to_tiles(x, columns, place, order == Order::Left, &mut self.tiles);
        }
    }

    pub fn operand(&self, pair: usize, block: usize) -> Operand<'_> {
        let first = (2 * pair * self.blocks + block) * TILE;
        Operand { data: &self.tiles, first, second: first + self.blocks * TILE, pitch: 64 }
    }

    pub fn blocks(&self) -> usize {
        self.blocks
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Left,
    Right,
}

impl Channels {
    /// Room for `(rows, width)`, to be filled by [`Channels::put`].
    pub fn begin(&mut self, unit: Unit, rows: usize, width: usize) {
        self.0.begin(unit, rows, width);
    }

    /// Rows from `first` on, `(rows, width)` row-major.
    ///
    /// # Panics
    /// When `first` is not a multiple of 32, or the number of rows neither is nor ends the operand.
    pub fn put(&mut self, unit: Unit, first: usize, x: &[f32]) {
        self.0.put(unit, first, x, Order::Left);
    }

    /// Takes `x`, `(rows, width)` row-major.
    pub fn fill(&mut self, unit: Unit, x: &[f32], width: usize) {
        self.begin(unit, x.len() / width, width);
        self.put(unit, 0, x);
    }
}

impl Right {
    /// Room for `(inner, columns)`, to be filled by [`Right::put`].
    pub fn begin(&mut self, unit: Unit, inner: usize, columns: usize) {
        self.0.begin(unit, inner, columns);
    }

    /// Inner rows from `first` on, `(inner, columns)` row-major.
    ///
    /// # Panics
    /// As [`Channels::put`].
    pub fn put(&mut self, unit: Unit, first: usize, x: &[f32]) {
        self.0.put(unit, first, x, Order::Right);
    }

    /// Takes `x`, `(inner, columns)` row-major: the product is `a x`.
    pub fn fill(&mut self, unit: Unit, x: &[f32], columns: usize) {
        self.begin(unit, x.len() / columns, columns);
        self.put(unit, 0, x);
    }

    /// Takes `x`, `(columns, inner)` row-major: the product is `a xᵀ`.
    pub fn fill_transposed(&mut self, unit: Unit, x: &[f32], inner: usize) {
        let columns = x.len() / inner;
        self.begin(unit, inner, columns);
        if unit == Unit::F32 {
            for (column, row) in x.chunks_exact(inner).enumerate() {
                row.iter().enumerate().for_each(|(i, v)| self.0.plain[i * columns + column] = *v);
            }
        } else {
            to_tiles_transposed(x, inner, &mut self.0.tiles);
        }
    }
}

/// Values kept from a forward to a backward pass, rounded to what the unit computes with.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    halves: Vec<u16>,
    plain: Vec<f32>,
}

impl Kept {
    /// Keeps `x` from index `first` on.
    pub fn put(&mut self, unit: Unit, first: usize, x: &[f32]) {
        if unit == Unit::F32 {
            if self.plain.len() < first + x.len() {
                self.plain.resize(first + x.len(), 0.0);
            }
            self.plain[first..first + x.len()].copy_from_slice(x);
        } else {
            grow(&mut self.halves, first + x.len());
            to_halves(x, &mut self.halves[first..first + x.len()]);
        }
    }

    /// Gives back what was kept.
    ///
    /// # Panics
    /// When nothing was kept there.
    pub fn get(&self, unit: Unit, first: usize, to: &mut [f32]) {
        if unit == Unit::F32 {
            to.copy_from_slice(&self.plain[first..first + to.len()]);
        } else {
            from_halves(&self.halves[first..first + to.len()], to);
        }
    }
}

fn grow(buffer: &mut Vec<u16>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn to_halves(x: &[f32], to: &mut [u16]) {
    for (t, v) in to.iter_mut().zip(x) {
        *t = bf16(*v);
    }
}

/// `(rows, width)` to the tiles of a left operand.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn rows_to_tiles(x: &[f32], width: usize, to: &mut [u16]) {
    let blocks = width.div_ceil(INNER);
    for (row, x) in x.chunks_exact(width).enumerate() {
        let first = row / 16 * blocks * TILE + row % 16 * INNER;
        let whole = x.chunks_exact(INNER);
        let rest = whole.remainder();
        for (block, x) in whole.enumerate() {
            let to = &mut to[first + block * TILE..][..INNER];
            for i in 0..INNER {
                to[i] = bf16(x[i]);
            }
        }
        if !rest.is_empty() {
            let to = &mut to[first + (blocks - 1) * TILE..][..INNER];
            for (i, t) in to.iter_mut().enumerate() {
                *t = rest.get(i).map_or(0, |v| bf16(*v));
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn from_halves(x: &[u16], to: &mut [f32]) {
    for (t, v) in to.iter_mut().zip(x) {
        *t = f32::from_bits(u32::from(*v) << 16);
    }
}

/// Where new blocks stand among all inner blocks.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    blocks: usize,
}

/// `(inner, columns)` to tiles of pairs of inner values; left operands want them transposed.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn to_tiles(x: &[f32], columns: usize, place: Place, left: bool, to: &mut [u16]) {
    let rows = x.len() / columns;
    let tile_columns = columns.div_ceil(SIDE) * 2;
    for block in 0..rows.div_ceil(INNER) {
        for tile in 0..tile_columns {
            let mut pairs = [0u32; 256];
            let column = tile * 16;
            if (block + 1) * INNER <= rows && column + 16 <= columns {
                for pair in 0..16 {
                    let at = (block * INNER + 2 * pair) * columns + column;
                    let (even, odd) = (&x[at..at + 16], &x[at + columns..at + columns + 16]);
                    let to = &mut pairs[pair * 16..pair * 16 + 16];
                    for i in 0..16 {
                        to[i] = u32::from(bf16(even[i])) | (u32::from(bf16(odd[i])) << 16);
                    }
                }
            } else {
                for (i, to) in pairs.iter_mut().enumerate() {
                    let (row, column) = (block * INNER + 2 * (i / 16), column + i % 16);
                    if column < columns && row < rows {
                        let odd = if row + 1 < rows { u32::from(bf16(x[(row + 1) * columns + column])) } else { 0 };
                        *to = u32::from(bf16(x[row * columns + column])) | (odd << 16);
                    }
                }
            }
            store_tile(&pairs, tile * place.blocks + place.first + block, left, to);
        }
    }
}

/// `(columns, inner)` to the tiles of a right operand.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn to_tiles_transposed(x: &[f32], inner: usize, to: &mut [u16]) {
    let columns = x.len() / inner;
    let blocks = inner.div_ceil(INNER);
    for tile in 0..columns.div_ceil(SIDE) * 2 {
        for block in 0..blocks {
            let mut pairs = [0u32; 256];
            let taken = INNER.min(inner - block * INNER);
            for (column, to) in (tile * 16..columns).zip(pairs.chunks_exact_mut(16)) {
                let from = &x[column * inner + block * INNER..][..taken];
                let to: &mut [u16] = bytemuck::cast_slice_mut(to);
                for (t, v) in to.iter_mut().zip(from) {
                    *t = bf16(*v);
                }
            }
            store_tile(&pairs, tile * blocks + block, true, to);
        }
    }
}

#[inline(always)]
fn store_tile(pairs: &[u32; 256], tile: usize, transpose: bool, to: &mut [u16]) {
    let to: &mut [u32] = bytemuck::cast_slice_mut(&mut to[tile * TILE..(tile + 1) * TILE]);
    let Ok(to) = to.try_into() else { return };
    if transpose {
        tiles::transpose16(pairs, to);
    } else {
        *to = *pairs;
    }
}

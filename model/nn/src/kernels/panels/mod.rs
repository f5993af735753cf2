//! Weights in panels of sixteen outputs, as f32, bf16 or int8, and the product with them.
//!
//! Inner values are cut into chunks that keep one panel in the first-level cache. Chunks stand one after the other, in each
//! the panels, in each panel pairs of inner values: `[chunk][panel][pair][column][2]` (f32: `[chunk][panel][inner][column]`).
//! A product walks this memory once from front to back for up to six rows at a time, and all rows of a block before it moves
//! on to the next panel.
//!
//! Order of summation: within a chunk as `tile.rs` says, then chunk by chunk, then the bias; rows that are rounded to bf16 as `dots.rs`
//! says. It depends on neither the number of threads nor the number of rows, so a row has the same bits alone and in a batch.

/// Calls a step over as many rows as there are, and over two panels or one: sizes that the compiler knows keep sums in registers.
#[cfg(target_arch = "x86_64")]
macro_rules! step_of {
    ($size:expr, $step:ident $arguments:tt, $($rows:literal)*) => {
        match $size {
            $(($rows, 2) => $step::<$rows, 2> $arguments,
            ($rows, _) => $step::<$rows, 1> $arguments,)*
            (rows, _) => unreachable!("a tile of {rows} rows"),
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
#[cfg(target_arch = "x86_64")]
mod dots;
mod halves;
#[cfg(target_arch = "x86_64")]
mod int_tiles;
mod lanes;
mod pairs;
mod peak;
mod quantise;
mod run;
mod tile;
mod tiled;

use rayon::prelude::*;
use smallvec::SmallVec;

pub use block::{Strided, dot_rows, multiply_block};
pub use halves::{Running, round_pairs, round_row, weigh_pairs};
pub use pairs::{StridedPairs, multiply_pairs};
pub use peak::{dot_pairs, multiply_adds};

use super::convert::{add_row, bf16};
use super::packed::INNER;
use super::{Arithmetic, Format, Isa, Unit};
use quantise::quantise_weights;

/// Outputs of a panel.
const COLUMNS: usize = 16;
/// Inner values of an f32 or bf16 chunk: a panel of 16 KiB or 8 KiB.
const FLOAT_CHUNK: usize = 512;
/// Inner values that share a scale in int8.
const BLOCK: usize = 64;
/// Inner values of an int8 chunk: a panel of 8 KiB.
const INT_CHUNK: usize = 512;
/// Rows of one task: their values of one chunk stay in the second-level cache.
const ROWS: usize = 128;
/// Multiplications below which a product is not worth waking a second thread for.
const SMALL: usize = 1 << 19;

/// 64 bytes that begin on a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

#[allow(unsafe_code, reason = "plain bytes with an alignment")]
// SAFETY: an array of bytes without padding (64 bytes aligned to 64), valid for every bit pattern, all zeros included.
unsafe impl bytemuck::Zeroable for Line {}
#[allow(unsafe_code, reason = "plain bytes with an alignment")]
// SAFETY: as above.
unsafe impl bytemuck::Pod for Line {}

/// Values that begin on a cache line, so that no load of a panel crosses one.
#[derive(Clone, Debug)]
struct Lines(Vec<Line>);

impl Lines {
    fn zeros<T>(count: usize) -> Self {
        Self(vec![Line([0; 64]); (count * size_of::<T>()).div_ceil(64)])
    }

    fn of<T: bytemuck::Pod>(&self) -> &[T] {
        bytemuck::cast_slice(&self.0)
    }

    fn of_mut<T: bytemuck::Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.0)
    }

    fn bytes(&self) -> usize {
        self.0.len() * 64
    }
}

#[derive(Clone, Debug)]
enum Stored {
    F32(Lines),
    Bf16(Lines),
    /// As `Bf16`, for rows that are rounded too.
    Dots(Lines),
    /// As `Dots`, in whole tiles.
    Tiles(Lines),
    /// `[chunk][panel][block][column]` scales beside the values.
    Int8(Lines, Lines),
}

/// Packed weights `(n, k)`.
#[derive(Clone, Debug)]
pub struct Panels {
    unit: Unit,
    isa: Isa,
    n: usize,
    k: usize,
    stored: Stored,
}

impl Panels {
    /// From `[n][k]`. On the units of bf16, rows are rounded to bf16 for weights that are.
    ///
    /// # Panics
    /// When `w` does not have `n * k` values, or this CPU lacks the instructions.
    pub fn pack(arithmetic: Arithmetic, w: &[f32], n: usize, k: usize) -> Self {
        let Arithmetic { unit, isa, format } = arithmetic;
        assert_eq!(w.len(), n * k, "weights do not have n * k values");
        assert!(isa.is_present() && unit.is_present(), "this CPU does not have {} and {}", isa.name(), unit.name());
        let wide = n.div_ceil(COLUMNS) * COLUMNS;
        let stored = match format {
            Format::F32 => {
                let mut lines = Lines::zeros::<f32>(wide * k.next_multiple_of(2));
                let at = |column, inner| inner * COLUMNS + column;
                fill(lines.of_mut::<f32>(), w, (n, k, 2), |value| value, at);
                Stored::F32(lines)
            }
            Format::Bf16 => match unit {
                Unit::AmxBf16 => Stored::Tiles(pairs(w, n, k, INNER)),
                Unit::Avx512Bf16 => Stored::Dots(pairs(w, n, k, 2)),
                Unit::F32 => Stored::Bf16(pairs(w, n, k, 2)),
            },
            Format::Int8 => {
                let padded = k.next_multiple_of(BLOCK);
                let (mut values, mut scales) =
                    (Lines::zeros::<i8>(wide * padded), Lines::zeros::<f32>(wide * padded / BLOCK));
                quantise_weights(w, n, k, values.of_mut(), scales.of_mut());
                Stored::Int8(values, scales)
            }
        };
        Self { unit, isa, n, k, stored }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match &self.stored {
            Stored::F32(lines) | Stored::Bf16(lines) | Stored::Dots(lines) | Stored::Tiles(lines) => lines.bytes(),
            Stored::Int8(values, scales) => values.bytes() + scales.bytes(),
        }
    }

    /// `out (m, n) = x (m, k) · wᵀ (+ bias)`, shared among rayon's threads.
    ///
    /// # Panics
    /// When a slice does not have the length that the sizes say.
    pub fn product(&self, x: &[f32], m: usize, bias: Option<&[f32]>, out: &mut [f32]) {
        let (n, k) = (self.n, self.k);
        assert!(x.len() == m * k && out.len() == m * n && bias.is_none_or(|b| b.len() == n), "product sizes");
        if n == 0 || m == 0 {
            return;
        }
        if k == 0 {
            out.fill(0.0);
        } else {
            let threads = if m * n * k < SMALL { 1 } else { rayon::current_num_threads() };
            let mut tasks = self.tasks(x, m, threads, out);
            if tasks.len() > 1 && threads > 1 {
                tasks.par_iter_mut().for_each(|task| run::run(self, task));
            } else {
                tasks.iter_mut().for_each(|task| run::run(self, task));
            }
        }
        if let Some(bias) = bias {
            out.chunks_exact_mut(n).for_each(|row| add_row(bias, row));
        }
    }

    /// Cuts the output into blocks of rows and ranges of panels.
    fn tasks<'a>(&self, x: &'a [f32], m: usize, threads: usize, out: &'a mut [f32]) -> SmallVec<[run::Task<'a>; 4]> {
        let panels = self.n.div_ceil(COLUMNS);
        let row_blocks = m.div_ceil(ROWS);
        // Two tasks a thread even out what else the machine does; a few rows are over too soon for that.
        let wanted = if threads == 1 || m <= 8 { threads } else { 2 * threads };
        let ranges = wanted.div_ceil(row_blocks).min(panels);
        let mut tasks = SmallVec::with_capacity(row_blocks * ranges);
        for (x, out) in x.chunks(ROWS * self.k).zip(out.chunks_mut(ROWS * self.n)) {
            let mut rest: run::OutRows<'_> = out.chunks_exact_mut(self.n).collect();
            for i in 0..ranges {
                let range = panels * i / ranges..panels * (i + 1) / ranges;
                let width = (range.end * COLUMNS).min(self.n) - range.start * COLUMNS;
                let out = rest.iter_mut().filter_map(|row| row.split_off_mut(..width)).collect();
                tasks.push(run::Task { x, panels: range, out });
            }
        }
        tasks
    }
}

/// Panels of pairs of inner values, with room for whole `room`s of them.
fn pairs(w: &[f32], n: usize, k: usize, room: usize) -> Lines {
    let mut lines = Lines::zeros::<u16>(n.next_multiple_of(COLUMNS) * k.next_multiple_of(room));
    fill(lines.of_mut::<u16>(), w, (n, k, room), bf16, in_pairs);
    lines
}

/// Where a column of an inner value stands in a panel of pairs.
fn in_pairs(column: usize, inner: usize) -> usize {
    inner / 2 * 2 * COLUMNS + column * 2 + inner % 2
}

/// Writes `[n][k]` into chunks of panels with room for whole `room`s of inner values; `at(column, inner)` is the place in a panel.
fn fill<T>(
    to: &mut [T],
    w: &[f32],
    (n, k, room): (usize, usize, usize),
    value: impl Fn(f32) -> T,
    at: impl Fn(usize, usize) -> usize,
) {
    let panels = n.div_ceil(COLUMNS);
    for (row, w) in w.chunks_exact(k.max(1)).enumerate() {
        for (chunk, w) in w.chunks(FLOAT_CHUNK).enumerate() {
            let panel = w.len().next_multiple_of(room) * COLUMNS;
            let first = chunk * FLOAT_CHUNK * panels * COLUMNS + row / COLUMNS * panel;
            for (inner, w) in w.iter().enumerate() {
                to[first + at(row % COLUMNS, inner)] = value(*w);
            }
        }
    }
}

#[cfg(test)]
mod tests;

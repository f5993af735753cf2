//! One task of a product: a block of rows times a range of panels, compiled once for each instruction set.
#![allow(unsafe_code, reason = "vector instructions; the entry is safe")]

use std::cell::RefCell;
use std::ops::Range;

use smallvec::SmallVec;

#[cfg(target_arch = "x86_64")]
use super::int_tiles;
use super::lanes::{Lanes, Portable};
use super::quantise::quantise_row;
use super::tile::{Halves, Left, Quantised, Weights, Whole, float_tile, int_tile};
use super::{BLOCK, COLUMNS, FLOAT_CHUNK, INT_CHUNK, Panels, Stored};
use crate::kernels::Isa;
#[cfg(target_arch = "x86_64")]
use crate::kernels::Unit;

/// Rows of the largest int8 tile.
const INT_ROWS: usize = 5;
/// Distance of rows in the scratch: not a multiple of 4 KiB, so that rows do not compete for the same cache lines.
const FLOAT_PITCH: usize = FLOAT_CHUNK + 16;
/// The same for int8.
pub(super) const INT_PITCH: usize = INT_CHUNK + 32;
/// Scales of a row in the scratch.
pub(super) const SCALES: usize = INT_CHUNK / BLOCK;

/// Output rows of a task; those of a few rows lie on the stack, so that decoding a token takes no memory.
pub type OutRows<'a> = SmallVec<[&'a mut [f32]; 8]>;

thread_local! {
    /// Rows of a task in the order of its weights, and their scales where they are quantised; kept between tasks.
    static FLOATS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static HALVES: RefCell<Vec<u16>> = const { RefCell::new(Vec::new()) };
    static INTS: RefCell<(Vec<i16>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// The first `len` values of a buffer that grows when it must. What they hold is left over from before.
pub(super) fn sized<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

/// A block of rows of `x`, a range of panels, and the part of each output row that they make.
pub struct Task<'a> {
    /// `(rows, k)`.
    pub x: &'a [f32],
    /// Panels.
    pub panels: Range<usize>,
    /// `rows` parts.
    pub out: OutRows<'a>,
}

/// Runs a task.
pub fn run(weights: &Panels, task: &mut Task<'_>) {
    assert_eq!(task.x.len(), task.out.len() * weights.k, "rows of a task");
    assert!(task.panels.end <= weights.n.div_ceil(COLUMNS), "panels of a task");
    match &weights.stored {
        #[cfg(target_arch = "x86_64")]
        Stored::Dots(lines) => {
            let mut kept = HALVES.take();
            // SAFETY: weights for dot products are only packed where the CPU has AVX-512 BF16.
            unsafe { super::dots::run(weights, lines.of::<u16>(), task, &mut kept) };
            HALVES.set(kept);
            return;
        }
        Stored::Tiles(lines) => {
            let mut kept = HALVES.take();
            super::tiled::run(weights, lines.of::<u16>(), task, &mut kept);
            HALVES.set(kept);
            return;
        }
        _ => {}
    }
    match weights.isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: panels are only packed for instructions that the CPU has.
        Isa::Avx512 => unsafe { run_avx512(weights, task) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { run_avx2(weights, task) },
        // SAFETY: needs no particular CPU.
        _ => unsafe { run_with::<Portable>(weights, task) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(weights: &Panels, task: &mut Task<'_>) {
    // SAFETY: the CPU has AVX2 and FMA.
    unsafe { run_with::<super::avx2::Avx2>(weights, task) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn run_avx512(weights: &Panels, task: &mut Task<'_>) {
    // SAFETY: the CPU has AVX-512 F, BW and VNNI.
    unsafe { run_with::<super::avx512::Avx512>(weights, task) }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn run_with<L: Lanes>(weights: &Panels, task: &mut Task<'_>) {
    // The buffers are taken out while they are used: a task never runs inside another one of its thread.
    let mut floats_kept = FLOATS.take();
    let (mut ints_kept, mut scales_kept) = INTS.take();
    // SAFETY: the caller's promise.
    unsafe {
        match &weights.stored {
            Stored::F32(lines) => floats::<L, Whole>(weights, lines.of::<f32>(), task, &mut floats_kept),
            Stored::Bf16(lines) | Stored::Dots(lines) | Stored::Tiles(lines) => {
                floats::<L, Halves>(weights, lines.of::<u16>(), task, &mut floats_kept)
            }
            Stored::Int8(values, scales) => {
                let kept = (&mut ints_kept, &mut scales_kept);
                ints::<L>(weights, values.of::<i8>(), scales.of::<f32>(), task, kept);
            }
        }
    }
    FLOATS.set(floats_kept);
    INTS.set((ints_kept, scales_kept));
}

/// # Safety
/// The CPU has the instructions of `L`; `values` are those of `weights`.
#[inline(always)]
unsafe fn floats<L: Lanes, W: Weights<L>>(
    weights: &Panels,
    values: &[W::Item],
    task: &mut Task<'_>,
    kept: &mut Vec<f32>,
) {
    let (k, rows) = (weights.k, task.out.len());
    let wide = weights.n.div_ceil(COLUMNS) * COLUMNS;
    let tiles = rows.div_ceil(W::ROWS);
    // Few rows need several panels at once, or every sum would wait for the one before it.
    let together = match rows.div_ceil(tiles) {
        1 => 4,
        _ if L::MANY_REGISTERS => 4,
        2 => 2,
        _ => 1,
    };
    let block = sized(kept, rows * FLOAT_PITCH);
    for start in (0..k).step_by(FLOAT_CHUNK) {
        let length = FLOAT_CHUNK.min(k - start);
        for (to, from) in block.chunks_exact_mut(FLOAT_PITCH).zip(task.x.chunks_exact(k)) {
            to[..length].copy_from_slice(&from[start..start + length]);
            // Weights go in pairs; what is left over from before could be NaN, and zero times NaN is NaN.
            to[length..length.next_multiple_of(2)].fill(0.0);
        }
        let panel_items = length.next_multiple_of(2) * COLUMNS;
        let chunk = &values[start * wide..][..wide / COLUMNS * panel_items];
        let mut panel = task.panels.start;
        while panel < task.panels.end {
            let count = if panel + together <= task.panels.end { together } else { 1 };
            let w = &chunk[panel * panel_items..(panel + count) * panel_items];
            let column = (panel - task.panels.start) * COLUMNS;
            for tile in 0..tiles {
                let range = rows * tile / tiles..rows * (tile + 1) / tiles;
                let x = &block[range.start * FLOAT_PITCH..range.end * FLOAT_PITCH];
                let out = &mut task.out[range];
                // SAFETY: `x` holds the tile's rows, `w` `count` panels of `length` inner values.
                unsafe {
                    match (out.len(), count) {
                        (1, 4) => float_step::<L, W, 1, 4>(x, w, length, column, start > 0, out),
                        (1, _) => float_step::<L, W, 1, 1>(x, w, length, column, start > 0, out),
                        (2, 2) => float_step::<L, W, 2, 2>(x, w, length, column, start > 0, out),
                        (2, 4) => float_step::<L, W, 2, 4>(x, w, length, column, start > 0, out),
                        (2, _) => float_step::<L, W, 2, 1>(x, w, length, column, start > 0, out),
                        (3, 4) => float_step::<L, W, 3, 4>(x, w, length, column, start > 0, out),
                        (4, 4) => float_step::<L, W, 4, 4>(x, w, length, column, start > 0, out),
                        (5, 4) => float_step::<L, W, 5, 4>(x, w, length, column, start > 0, out),
                        (6, 4) => float_step::<L, W, 6, 4>(x, w, length, column, start > 0, out),
                        (3, _) => float_step::<L, W, 3, 1>(x, w, length, column, start > 0, out),
                        (4, _) => float_step::<L, W, 4, 1>(x, w, length, column, start > 0, out),
                        (5, _) => float_step::<L, W, 5, 1>(x, w, length, column, start > 0, out),
                        _ => float_step::<L, W, 6, 1>(x, w, length, column, start > 0, out),
                    }
                }
            }
            panel += count;
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`; `x` holds `M` rows, `w` `P` panels of `length` inner values.
#[inline(always)]
unsafe fn float_step<L: Lanes, W: Weights<L>, const M: usize, const P: usize>(
    x: &[f32],
    w: &[W::Item],
    length: usize,
    column: usize,
    add: bool,
    out: &mut [&mut [f32]],
) {
    let left = Left { first: x.as_ptr(), by_row: FLOAT_PITCH, by_step: 1 };
    // SAFETY: the caller's promise.
    let sums = unsafe { float_tile::<L, W, M, P>(left, w.as_ptr(), w.len() / P, 2 * COLUMNS, length) };
    for (row, sums) in out.iter_mut().zip(&sums) {
        for (p, sums) in sums.iter().enumerate() {
            place(row, column + p * COLUMNS, sums, add);
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`; `values` and `scales` are those of `weights`.
#[inline(always)]
unsafe fn ints<L: Lanes>(
    weights: &Panels,
    values: &[i8],
    scales: &[f32],
    task: &mut Task<'_>,
    kept: (&mut Vec<i16>, &mut Vec<f32>),
) {
    let (k, rows) = (weights.k, task.out.len());
    let wide = weights.n.div_ceil(COLUMNS) * COLUMNS;
    let (block, block_scales) = (sized(kept.0, rows * INT_PITCH), sized(kept.1, rows * SCALES));
    for start in (0..k).step_by(INT_CHUNK) {
        let length = INT_CHUNK.min(k - start);
        let rows_of_scratch = block.chunks_exact_mut(INT_PITCH).zip(block_scales.chunks_exact_mut(SCALES));
        for ((to, scales), from) in rows_of_scratch.zip(task.x.chunks_exact(k)) {
            quantise_row(&from[start..start + length], to, scales);
        }
        let blocks = length.div_ceil(BLOCK);
        let (panel_items, panel_scales) = (blocks * BLOCK * COLUMNS, blocks * COLUMNS);
        let chunk = &values[start * wide..][..wide / COLUMNS * panel_items];
        let chunk_scales = &scales[start / BLOCK * wide..][..wide / COLUMNS * panel_scales];
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if weights.unit == Unit::AmxBf16 {
            let left = int_tiles::Left { values: block, scales: block_scales };
            let right = int_tiles::Right { values: chunk, scales: chunk_scales, blocks };
            // SAFETY: what has AMX has AVX-512.
            done = unsafe { int_tiles::run(left, right, task.panels.clone(), &mut task.out, start > 0) };
        }
        let rest = rows - done;
        let tiles = rest.div_ceil(INT_ROWS);
        if tiles == 0 {
            continue;
        }
        // Sums of a tile wait for each other less when there are several panels of them.
        let together = match (L::MANY_REGISTERS, rest) {
            (true, 1) => 4,
            (true, _) => 2,
            (false, _) => 1,
        };
        let mut panel = task.panels.start;
        while panel < task.panels.end {
            let count = if panel + together <= task.panels.end { together } else { 1 };
            let w = &chunk[panel * panel_items..][..count * panel_items];
            let w_scales = &chunk_scales[panel * panel_scales..][..count * panel_scales];
            let column = (panel - task.panels.start) * COLUMNS;
            for tile in 0..tiles {
                let range = done + rest * tile / tiles..done + rest * (tile + 1) / tiles;
                let x = Quantised {
                    first: block[range.start * INT_PITCH..range.end * INT_PITCH].as_ptr(),
                    pitch: INT_PITCH,
                    scales: block_scales[range.start * SCALES..range.end * SCALES].as_ptr(),
                    scales_pitch: SCALES,
                };
                let out = &mut task.out[range];
                // SAFETY: `x` holds the tile's rows, `w` and `w_scales` `count` panels of `blocks` blocks.
                unsafe {
                    match (out.len(), count) {
                        (1, 4) => int_step::<L, 1, 4>(x, w, w_scales, blocks, column, start > 0, out),
                        (1, _) => int_step::<L, 1, 1>(x, w, w_scales, blocks, column, start > 0, out),
                        (2, 2) => int_step::<L, 2, 2>(x, w, w_scales, blocks, column, start > 0, out),
                        (2, _) => int_step::<L, 2, 1>(x, w, w_scales, blocks, column, start > 0, out),
                        (3, 2) => int_step::<L, 3, 2>(x, w, w_scales, blocks, column, start > 0, out),
                        (3, _) => int_step::<L, 3, 1>(x, w, w_scales, blocks, column, start > 0, out),
                        (4, 2) => int_step::<L, 4, 2>(x, w, w_scales, blocks, column, start > 0, out),
                        (4, _) => int_step::<L, 4, 1>(x, w, w_scales, blocks, column, start > 0, out),
                        (_, 2) => int_step::<L, 5, 2>(x, w, w_scales, blocks, column, start > 0, out),
                        _ => int_step::<L, 5, 1>(x, w, w_scales, blocks, column, start > 0, out),
                    }
                }
            }
            panel += count;
        }
    }
}

/// # Safety
/// The CPU has the instructions of `L`; `x` holds `M` rows of `blocks` blocks, `w` and `w_scales` `P` panels of them.
#[inline(always)]
unsafe fn int_step<L: Lanes, const M: usize, const P: usize>(
    x: Quantised,
    w: &[i8],
    w_scales: &[f32],
    blocks: usize,
    column: usize,
    add: bool,
    out: &mut [&mut [f32]],
) {
    // SAFETY: the caller's promise.
    let sums = unsafe { int_tile::<L, M, P>(x, w.as_ptr(), w_scales.as_ptr(), blocks) };
    for (row, sums) in out.iter_mut().zip(&sums) {
        for (p, sums) in sums.iter().enumerate() {
            place(row, column + p * COLUMNS, sums, add);
        }
    }
}

/// Writes or adds the columns of one panel; the last panel may be cut off by the end of the row.
#[inline(always)]
pub(super) fn place(row: &mut [f32], column: usize, sums: &[f32; COLUMNS], add: bool) {
    if let Some(Ok(row)) = row.get_mut(column..column + COLUMNS).map(<&mut [f32; COLUMNS]>::try_from) {
        for i in 0..COLUMNS {
            row[i] = if add { row[i] + sums[i] } else { sums[i] };
        }
        return;
    }
    for (to, sum) in row[column..].iter_mut().zip(sums) {
        *to = if add { *to + *sum } else { *sum };
    }
}

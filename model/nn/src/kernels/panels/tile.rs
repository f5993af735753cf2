//! Micro-kernels: a few rows times one or more panels, with all sums in registers.
//!
//! Order of summation: every output is one chain over the inner dimension, first value first, whatever the number of rows
//! and panels of the tile. int8 sums exactly within a block of 64 and chains the blocks.
#![allow(unsafe_code, reason = "pointers into panels; callers check the sizes")]
#![allow(clippy::needless_range_loop, reason = "an iterator that is not inlined keeps the sums out of registers")]

use super::lanes::Lanes;
use super::{BLOCK, COLUMNS};

/// Rows up to which reading the weights is what takes the time.
const FEW: usize = 2;

/// Asks for the weights of the next panels while those of the present ones are read. The panels of a tile are read side by
/// side and each is no longer than two to eight memory pages, which is too short for the processor to see where it goes on.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn ahead<L: Lanes, T>(at: *const T, items: usize) {
    // SAFETY: an address alone; behind the last panels it is none of ours and is not read.
    unsafe { L::prefetch(at.wrapping_add(items).cast()) }
}

/// Where the values of the left operand stand: `(row, step)` at `row * by_row + step * by_step`.
#[derive(Clone, Copy)]
pub struct Left {
    /// First value.
    pub first: *const f32,
    /// Between rows.
    pub by_row: usize,
    /// Between inner values.
    pub by_step: usize,
}

/// How sixteen columns of an inner value are read.
pub trait Weights<L: Lanes> {
    /// What is stored.
    type Item;
    /// Rows of the largest tile whose sums, weights and left value fit sixteen registers.
    const ROWS: usize;

    /// The columns of an inner value; `pitch` items lie between pairs of inner values.
    ///
    /// # Safety
    /// As [`Lanes`]; the columns of that inner value exist.
    unsafe fn at<const ODD: bool>(pair: *const Self::Item, pitch: usize) -> L::Float;
}

/// f32 rows; `pitch` is twice the distance of rows.
pub struct Whole;

impl<L: Lanes> Weights<L> for Whole {
    type Item = f32;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn at<const ODD: bool>(pair: *const f32, pitch: usize) -> L::Float {
        // SAFETY: the caller's promise.
        unsafe { L::load(if ODD { pair.add(pitch / 2) } else { pair }) }
    }
}

/// bf16 pairs.
pub struct Halves;

impl<L: Lanes> Weights<L> for Halves {
    type Item = u16;
    // Even and odd values of a pair are in registers together.
    const ROWS: usize = 5;

    #[inline(always)]
    unsafe fn at<const ODD: bool>(pair: *const u16, _: usize) -> L::Float {
        // SAFETY: the caller's promise; a pair of bf16 is stored whole.
        unsafe { if ODD { L::odd(pair) } else { L::even(pair) } }
    }
}

/// Sums of `M` rows and `P` panels over `k` inner values; `panel` items lie between panels.
///
/// # Safety
/// As [`Lanes`]; `x` holds `M` rows of `k` values, `w` `P` panels of `k` inner values.
#[inline(always)]
pub unsafe fn float_tile<L: Lanes, W: Weights<L>, const M: usize, const P: usize>(
    x: Left,
    w: *const W::Item,
    panel: usize,
    pitch: usize,
    k: usize,
) -> [[[f32; COLUMNS]; P]; M] {
    // SAFETY: inner values stay below `k`, rows and panels below `M` and `P`.
    unsafe {
        let mut sums = [[L::zero(); P]; M];
        for pair in 0..k / 2 {
            // Panel by panel, so that the weights of one are out of the registers before those of the next come in.
            for p in 0..P {
                let at = w.add(pair * pitch + p * panel);
                if M <= FEW && P > 1 {
                    ahead::<L, W::Item>(at, P * panel);
                    ahead::<L, W::Item>(at.add(pitch / 2), P * panel);
                }
                step::<L, W, false, M, P>(x, 2 * pair, at, p, pitch, &mut sums);
                step::<L, W, true, M, P>(x, 2 * pair + 1, at, p, pitch, &mut sums);
            }
        }
        if k % 2 == 1 {
            for p in 0..P {
                step::<L, W, false, M, P>(x, k - 1, w.add(k / 2 * pitch + p * panel), p, pitch, &mut sums);
            }
        }
        let mut out = [[[0.0; COLUMNS]; P]; M];
        for row in 0..M {
            for p in 0..P {
                L::store(sums[row][p], out[row][p].as_mut_ptr());
            }
        }
        out
    }
}

/// Adds the products of one inner value and one panel.
///
/// # Safety
/// As [`float_tile`].
#[inline(always)]
unsafe fn step<L: Lanes, W: Weights<L>, const ODD: bool, const M: usize, const P: usize>(
    x: Left,
    inner: usize,
    pair: *const W::Item,
    p: usize,
    pitch: usize,
    sums: &mut [[L::Float; P]; M],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let w = W::at::<ODD>(pair, pitch);
        for row in 0..M {
            let x = L::splat(*x.first.add(row * x.by_row + inner * x.by_step));
            sums[row][p] = L::multiply_add(x, w, sums[row][p]);
        }
    }
}

/// Quantised rows: `pitch` values and `scales_pitch` scales between them.
#[derive(Clone, Copy)]
pub struct Quantised {
    /// Values.
    pub first: *const i16,
    /// Between rows.
    pub pitch: usize,
    /// One scale for each block.
    pub scales: *const f32,
    /// Between the scales of rows.
    pub scales_pitch: usize,
}

/// Sums of `M` rows and `P` panels over `blocks` blocks of 64 inner values; panels follow each other.
///
/// # Safety
/// As [`Lanes`]; rows, panels and scales hold `blocks` blocks.
#[inline(always)]
pub unsafe fn int_tile<L: Lanes, const M: usize, const P: usize>(
    x: Quantised,
    w: *const i8,
    w_scales: *const f32,
    blocks: usize,
) -> [[[f32; COLUMNS]; P]; M] {
    let panel = blocks * BLOCK * COLUMNS;
    // SAFETY: `block`, `pair` and `p` stay below what the caller promised.
    unsafe {
        let mut totals = [[L::zero(); P]; M];
        for block in 0..blocks {
            let (x_at, w_at) = (x.first.add(block * BLOCK), w.add(block * BLOCK * COLUMNS));
            let mut sums = [[L::zero_int(); P]; M];
            for pair in 0..BLOCK / 2 {
                // Two pairs stand in a cache line.
                if M <= FEW && pair % 2 == 0 {
                    for p in 0..P {
                        ahead::<L, i8>(w_at.add(p * panel + pair * 2 * COLUMNS), P * panel);
                    }
                }
                for p in 0..P {
                    let w = L::widen(w_at.add(p * panel + pair * 2 * COLUMNS));
                    for row in 0..M {
                        sums[row][p] = L::dot_pairs(x_at.add(row * x.pitch + 2 * pair), w, sums[row][p]);
                    }
                }
            }
            for p in 0..P {
                let w_scale = L::load(w_scales.add((p * blocks + block) * COLUMNS));
                for row in 0..M {
                    let x_scale = *x.scales.add(row * x.scales_pitch + block);
                    totals[row][p] = L::scale_add(sums[row][p], x_scale, w_scale, totals[row][p]);
                }
            }
        }
        let mut out = [[[0.0; COLUMNS]; P]; M];
        for row in 0..M {
            for p in 0..P {
                L::store(totals[row][p], out[row][p].as_mut_ptr());
            }
        }
        out
    }
}

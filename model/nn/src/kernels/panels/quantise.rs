//! Rounding to few bits with a scale for every block of 64 inner values.

use super::{BLOCK, COLUMNS, INT_CHUNK, in_pairs};

/// Largest magnitude of an int8 weight; -128 is left out so that scales are symmetric.
const WEIGHT_MAX: f32 = 127.0;
/// Largest magnitude of a left operand. 64 products of 32,767 and 127 stay below 2^31, so that block sums are exact.
const LEFT_MAX: f32 = 32_767.0;
/// 1.5 * 2^23: adding it leaves the rounded integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `[n][k]` to panels of pairs of i8 and to scales, `[chunk][panel][block][column]`.
pub fn quantise_weights(w: &[f32], n: usize, k: usize, values: &mut [i8], scales: &mut [f32]) {
    let wide = n.div_ceil(COLUMNS) * COLUMNS;
    for (row, w) in w.chunks_exact(k.max(1)).enumerate() {
        for (chunk, w) in w.chunks(INT_CHUNK).enumerate() {
            let blocks = w.len().div_ceil(BLOCK);
            let first_block = chunk * INT_CHUNK / BLOCK * wide + row / COLUMNS * COLUMNS * blocks;
            for (block, w) in w.chunks(BLOCK).enumerate() {
                let scale = scale_of(w, WEIGHT_MAX);
                scales[first_block + block * COLUMNS + row % COLUMNS] = scale;
                let to = &mut values[(first_block + block * COLUMNS) * BLOCK..][..BLOCK * COLUMNS];
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                for (inner, w) in w.iter().enumerate() {
                    to[in_pairs(row % COLUMNS, inner)] = ((*w * inverse + ROUND).to_bits() & 0xff) as u8 as i8;
                }
            }
        }
    }
}

/// Quantises a row of at most a chunk to 16 bits; the last block is filled up with zeros.
#[inline(always)]
pub fn quantise_row(x: &[f32], to: &mut [i16], scales: &mut [f32]) {
    for ((x, to), scale) in x.chunks(BLOCK).zip(to.chunks_exact_mut(BLOCK)).zip(scales) {
        *scale = scale_of(x, LEFT_MAX);
        let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
        for (to, x) in to.iter_mut().zip(x) {
            *to = (*x * inverse + ROUND).to_bits() as u16 as i16;
        }
        to[x.len()..].fill(0);
    }
}

/// The largest magnitude over `max`; not finite when a value is not, so that what comes of it is not finite either.
#[inline(always)]
fn scale_of(values: &[f32], max: f32) -> f32 {
    const LANES: usize = 16;
    let mut largest = [0.0_f32; LANES];
    // Zero times a value that is not finite is NaN.
    let mut spoilt = [0.0_f32; LANES];
    let chunks = values.chunks_exact(LANES);
    for (i, value) in chunks.remainder().iter().enumerate() {
        largest[i] = value.abs();
        spoilt[i] = value * 0.0;
    }
    for chunk in chunks {
        for i in 0..LANES {
            let magnitude = chunk[i].abs();
            largest[i] = if magnitude > largest[i] { magnitude } else { largest[i] };
            spoilt[i] += chunk[i] * 0.0;
        }
    }
    let mut all = 0.0;
    let mut spoilt_sum = 0.0;
    for i in 0..LANES {
        all = if largest[i] > all { largest[i] } else { all };
        spoilt_sum += spoilt[i];
    }
    all / max + spoilt_sum
}

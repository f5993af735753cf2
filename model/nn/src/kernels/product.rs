//! `x · w` with packed weights.

use rayon::prelude::*;

use super::Unit;
use super::convert::{add_bias, add_row, row_to_bf16};
use super::dense::gemm_f32;
use super::packed::{INNER, Packed, SIDE};
use super::tiles::{BLOCK, Operand, Step, TILE, Tiles};

/// `out = x · packed (+ bias)`; `x` is `(m, k)`, `out` `(m, n)`, both row-major.
///
/// Shared among rayon's threads.
///
/// # Panics
/// When a slice does not have the length that the sizes say, or `packed` is a convolution's.
pub fn product(x: &[f32], m: usize, packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let (n, k) = (packed.n(), packed.k());
    assert!(packed.taps() == 1 && x.len() == m * k && out.len() == m * n, "product sizes");
    assert!(bias.is_none_or(|b| b.len() == n), "bias size");
    if m == 0 {
        return;
    }
    if let Some(panels) = packed.panels() {
        panels.product(x, m, bias, out);
        return;
    }
    if packed.unit() == Unit::F32 {
        gemm_f32(m, n, k, x, (k, 1), packed.plain(), (n, 1), out);
        if let Some(bias) = bias {
            out.chunks_exact_mut(n).for_each(|row| add_row(bias, row));
        }
        return;
    }
    const ROWS: usize = 256;
    if m >= 2 * SIDE && rayon::current_num_threads() > 1 {
        let rows = m.div_ceil(rayon::current_num_threads()).div_ceil(SIDE) * SIDE;
        let rows = rows.min(ROWS);
        out.par_chunks_mut(rows * n).zip(x.par_chunks(rows * k)).for_each(|(out, x)| rows_tiles(x, packed, bias, out));
    } else if m < SIDE && packed.n() >= 256 && rayon::current_num_threads() > 1 {
        columns_tiles(x, m, packed, bias, out);
    } else {
        for (out, x) in out.chunks_mut(ROWS * n).zip(x.chunks(ROWS * k)) {
            rows_tiles(x, packed, bias, out);
        }
    }
}

/// Rounds rows to bf16 with a pitch that is a multiple of the tile and rows that are a multiple of the block.
fn round_rows(x: &[f32], m: usize, k: usize) -> (Vec<u16>, usize) {
    let pitch = k.div_ceil(INNER) * INNER;
    let mut rows = vec![0u16; m.div_ceil(SIDE) * SIDE * pitch];
    for (to, from) in rows.chunks_exact_mut(pitch).zip(x.chunks_exact(k)) {
        row_to_bf16(from, to);
    }
    (rows, pitch)
}

fn row_steps(packed: &Packed) -> Vec<Step> {
    (0..packed.steps()).map(|s| Step { a: s * INNER * 2, b: s * TILE * 2 }).collect()
}

fn store_block(
    c: &[f32],
    rows: usize,
    columns: std::ops::Range<usize>,
    n: usize,
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    for r in 0..rows {
        for half in 0..2 {
            let start = columns.start + half * 16;
            if start >= columns.end {
                break;
            }
            let len = (columns.end - start).min(16);
            let from = &c[((r / 16) * 2 + half) * 256 + (r % 16) * 16..][..len];
            let to = &mut out[r * n + start..r * n + start + len];
            match bias {
                Some(bias) => add_bias(from, &bias[start..start + len], to),
                None => to.copy_from_slice(from),
            }
        }
    }
}

fn rows_tiles(x: &[f32], packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let (n, k) = (packed.n(), packed.k());
    let m = x.len() / k;
    let (rows, pitch) = round_rows(x, m, k);
    let steps = row_steps(packed);
    let tiles = Tiles::of(packed.unit());
    let mut c = [0.0; BLOCK];
    for block in 0..packed.column_tiles() / 2 {
        let b = packed.operand(block);
        for row in (0..m).step_by(SIDE) {
            // A single row tile is enough for the last rows; both pointers then name the same tile.
            let second = if m - row > 16 { row + 16 } else { row };
            let a = Operand { data: &rows, first: row * pitch, second: second * pitch, pitch: pitch * 2 };
            tiles.block(&steps, a, b, &mut c, false);
            let columns = block * SIDE..(block * SIDE + SIDE).min(n);
            store_block(&c, SIDE.min(m - row), columns, n, bias, &mut out[row * n..]);
        }
    }
}

/// Few rows, many columns: the column blocks are shared out instead.
fn columns_tiles(x: &[f32], m: usize, packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let n = packed.n();
    let (rows, pitch) = round_rows(x, m, packed.k());
    let steps = row_steps(packed);
    let blocks = packed.column_tiles() / 2;
    let share = blocks.div_ceil(rayon::current_num_threads());
    let results: Vec<Vec<f32>> = (0..blocks.div_ceil(share))
        .into_par_iter()
        .map(|part| {
            let tiles = Tiles::of(packed.unit());
            let range = part * share..((part + 1) * share).min(blocks);
            let mut c = vec![0.0; range.len() * BLOCK];
            let second = if m > 16 { 16 * pitch } else { 0 };
            let a = Operand { data: &rows, first: 0, second, pitch: pitch * 2 };
            for (block, c) in range.zip(c.chunks_exact_mut(BLOCK)) {
                tiles.block(&steps, a, packed.operand(block), c, false);
            }
            c
        })
        .collect();
    for (block, c) in results.iter().flat_map(|c| c.chunks_exact(BLOCK)).enumerate() {
        store_block(c, m, block * SIDE..(block * SIDE + SIDE).min(n), n, bias, out);
    }
}

#[cfg(test)]
mod tests;

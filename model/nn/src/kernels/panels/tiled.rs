//! bf16 weights times rows that are rounded to bf16 too, in blocks of 32 x 32 outputs on a unit of tiles. A panel of pairs is a row of
//! right tiles one after the other, so the weights stand as they do for every other CPU, filled up to whole tiles.
//!
//! Order of summation: in a chunk as the unit sums a tile's pairs, then chunk by chunk, whatever the number of rows.

use multiversion::multiversion;

use super::run::{Task, place, sized};
use super::{COLUMNS, FLOAT_CHUNK, Panels, round_row};
use crate::kernels::packed::{INNER, SIDE};
use crate::kernels::tiles::{BLOCK, Operand, Path, Step, TILE, Tiles};

/// Rows of a tile.
const ROWS: usize = 16;
/// Distance of rows in the scratch: not a multiple of 4 KiB, so that the rows of a tile do not compete for the same cache lines.
const PITCH: usize = FLOAT_CHUNK + INNER;

/// Runs a task.
pub fn run(weights: &Panels, values: &[u16], task: &mut Task<'_>, kept: &mut Vec<u16>) {
    let (k, rows) = (weights.k, task.out.len());
    let wide = weights.n.div_ceil(COLUMNS) * COLUMNS;
    let tiles = Tiles::of(weights.unit);
    // What stands in rows behind the last is left over from before; their outputs are nobody's.
    let block = sized(kept, rows.next_multiple_of(ROWS) * PITCH);
    let mut out = [0.0; BLOCK];
    for start in (0..k).step_by(FLOAT_CHUNK) {
        let length = FLOAT_CHUNK.min(k - start);
        let inner = length.next_multiple_of(INNER);
        for (to, from) in block.chunks_exact_mut(PITCH).zip(task.x.chunks_exact(k)) {
            round_row(&from[start..start + length], to);
            to[length..inner].fill(0);
        }
        let path = Path::even(inner / INNER, Step { a: INNER * 2, b: TILE * 2 });
        let (chunk, panel) = (&values[start * wide..][..inner * wide], inner * COLUMNS);
        for first in task.panels.clone().step_by(2) {
            let two = first + 1 < task.panels.end;
            let b = Operand {
                data: chunk,
                first: first * panel,
                second: if two { (first + 1) * panel } else { first * panel },
                pitch: 2 * COLUMNS * 2,
            };
            let column = (first - task.panels.start) * COLUMNS;
            for row in (0..rows).step_by(SIDE) {
                // A single row tile is enough for the last rows; both pointers then name the same tile.
                let second = if rows - row > ROWS { row + ROWS } else { row };
                let a = Operand { data: block, first: row * PITCH, second: second * PITCH, pitch: PITCH * 2 };
                tiles.block_to(&path, a, b, &mut out, 0, SIDE, false);
                store(&out, &mut task.out[row..], (column, two), start > 0);
            }
        }
    }
}

/// Writes or adds a block of 32 x 32 from a column on, or its left half alone.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn store(block: &[f32; BLOCK], out: &mut [&mut [f32]], (column, two): (usize, bool), add: bool) {
    for (to, sums) in out.iter_mut().zip(block.as_chunks::<COLUMNS>().0.chunks_exact(2)) {
        place(to, column, &sums[0], add);
        if two {
            place(to, column + COLUMNS, &sums[1], add);
        }
    }
}

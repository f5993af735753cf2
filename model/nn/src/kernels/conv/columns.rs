//! Forward convolution in f32: a block of output positions at a time becomes a matrix of columns, each position with all the
//! input values that it looks at, and one product.
//!
//! A block's columns stay in the caches and in memory that is kept, so a megapixel needs no more room than a thumbnail.
//!
//! Invariant: blocks are cut by position alone, so the number of threads changes nothing.

use std::cell::Cell;

use rayon::prelude::*;

use super::ConvShape;
use crate::kernels::convert::add_row;
use crate::kernels::dense::gemm_f32;
use crate::kernels::packed::Packed;

/// Output positions of a block: enough that packing the weights, which every product does, costs little.
const POSITIONS: usize = 256;

thread_local! {
    /// Columns of a block, kept between convolutions.
    static COLUMNS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// `image` is `(y, x, c_in)`, `out` `(y', x', c_out)`.
pub(super) fn forward(shape: &ConvShape, packed: &Packed, bias: &[f32], image: &[f32], out: &mut [f32]) {
    let (n, k) = (packed.n(), packed.k());
    let width = packed.taps() * k;
    let block = |(block, out): (usize, &mut [f32])| {
        let first = block * POSITIONS;
        let positions = first..first + out.len() / n;
        let mut columns = COLUMNS.take();
        columns.resize(columns.len().max(positions.len() * width), 0.0);
        for (position, column) in positions.clone().zip(columns.chunks_exact_mut(width)) {
            fill(shape, position, image, column);
        }
        gemm_f32(positions.len(), n, width, &columns, (width, 1), packed.plain(), (n, 1), out);
        COLUMNS.set(columns);
        out.chunks_exact_mut(n).for_each(|row| add_row(bias, row));
    };
    if shape.batch == 1 {
        out.par_chunks_mut(POSITIONS * n).enumerate().for_each(block);
    } else {
        out.chunks_mut(POSITIONS * n).enumerate().for_each(block);
    }
}

/// What an output position looks at, tap by tap; zeros outside of the picture.
fn fill(shape: &ConvShape, position: usize, image: &[f32], column: &mut [f32]) {
    let (side, k) = (shape.side, shape.c_in);
    let (plane_y, plane_x) = shape.plane();
    let (stride, grown) = (1 + usize::from(shape.downsample), 1 + usize::from(shape.upsample));
    // A plain kernel of side 3 begins one row above and one column to the left.
    let border = usize::from(side == 3 && !shape.downsample);
    let (y, x) = (position / shape.out().1 * stride, position % shape.out().1 * stride);
    for (tap, column) in column.chunks_exact_mut(k).enumerate() {
        let place = |at: usize, step: usize, end: usize| (at + step).checked_sub(border).filter(|at| *at < end);
        match (place(y, tap / side, plane_y), place(x, tap % side, plane_x)) {
            (Some(y), Some(x)) => {
                column.copy_from_slice(&image[(y / grown * shape.x + x / grown) * k..][..k]);
            }
            _ => column.fill(0.0),
        }
    }
}

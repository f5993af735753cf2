//! `x · w` with packed weights.

use rayon::prelude::*;

use super::Unit;
use super::convert::add_row;
use super::dense::gemm_f32;
use super::matrix::Rows;
use super::multiply::multiply;
use super::packed::{Packed, SIDE};

/// Most rows that a thread prepares at a time.
const ROWS: usize = 256;

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
    let rows = m.div_ceil(rayon::current_num_threads()).next_multiple_of(SIDE).min(ROWS);
    let part = |(out, x): (&mut [f32], &[f32])| {
        let mut left = Rows::default();
        left.fill(packed.unit(), x, k);
        multiply(&left, packed, out, false);
        if let Some(bias) = bias {
            out.chunks_exact_mut(n).for_each(|row| add_row(bias, row));
        }
    };
    if m > rows {
        out.par_chunks_mut(rows * n).zip(x.par_chunks(rows * k)).for_each(part);
    } else {
        part((out, x));
    }
}

#[cfg(test)]
mod tests;

//! Products of prepared operands, written straight into their place. One thread each: training runs a shard per thread.

use super::Unit;
use super::convert::add_row;
use super::dense::gemm_f32;
use super::matrix::{Channels, Right, Rows};
use super::packed::{Packed, SIDE};
use super::tiles::{BLOCK, Operand, Path, Step, TILE, Tiles};

/// Inner steps of one sweep: an operand panel of 32 KiB, so that one panel stays in the first-level cache.
const SWEEP: usize = 16;
/// Rows of one sweep: their panel stays in the second-level cache.
const ROWS: usize = 256;

/// `out = x · packed`, or `out += x · packed` with `add`; `out` is `(rows, n)`.
///
/// # Panics
/// When sizes do not fit, or the operands were made for different units.
pub fn multiply(x: &Rows, packed: &Packed, out: &mut [f32], add: bool) {
    let (m, n, k) = (x.rows, packed.n(), packed.k());
    assert!(x.width == k && out.len() == m * n, "{m} x {} times {k} x {n} into {}", x.width, out.len());
    if packed.unit() == Unit::F32 {
        into(out, add, |out| gemm_f32(m, n, k, &x.plain, (k, 1), packed.plain(), (n, 1), out));
        return;
    }
    let right = |column: usize, block: usize| {
        let mut operand = packed.operand(column);
        operand.first += block * TILE;
        operand.second += block * TILE;
        operand
    };
    debug_assert_eq!(x.blocks(), packed.steps());
    sweep(packed.unit(), |row, block| x.operand(row, block), right, packed.steps(), (m, n), out, add);
}

/// As [`multiply`] with a right operand made on the way.
///
/// # Panics
/// When sizes do not fit.
pub fn multiply_right(unit: Unit, x: &Rows, right: &Right, out: &mut [f32], add: bool) {
    let (m, n, k) = (x.rows, right.0.columns, right.0.inner);
    assert!(x.width == k && out.len() == m * n, "{m} x {} times {k} x {n} into {}", x.width, out.len());
    if unit == Unit::F32 {
        into(out, add, |out| gemm_f32(m, n, k, &x.plain, (k, 1), &right.0.plain, (n, 1), out));
        return;
    }
    let b = |column: usize, block: usize| right.0.operand(column, block);
    sweep(unit, |row, block| x.operand(row, block), b, right.0.blocks(), (m, n), out, add);
}

/// `out = aᵀ · b`, or `out += aᵀ · b` with `add`; `out` is `(a width, b columns)`.
///
/// # Panics
/// When sizes do not fit.
pub fn multiply_tn(unit: Unit, a: &Channels, b: &Right, out: &mut [f32], add: bool) {
    let (a, b) = (&a.0, &b.0);
    let (m, n, k) = (a.columns, b.columns, a.inner);
    assert!(b.inner == k && out.len() == m * n, "({k} x {m})ᵀ times {} x {n} into {}", b.inner, out.len());
    if unit == Unit::F32 {
        into(out, add, |out| gemm_f32(m, n, k, &a.plain, (1, m), &b.plain, (n, 1), out));
        return;
    }
    let left = |row: usize, block: usize| a.operand(row / SIDE, block);
    sweep(unit, left, |column, block| b.operand(column, block), a.blocks(), (m, n), out, add);
}

/// All blocks of the output.
fn sweep<'a, 'b>(
    unit: Unit,
    a: impl Fn(usize, usize) -> Operand<'a>,
    b: impl Fn(usize, usize) -> Operand<'b>,
    steps: usize,
    (m, n): (usize, usize),
    out: &mut [f32],
    add: bool,
) {
    let tiles = Tiles::of(unit);
    for rows in (0..m).step_by(ROWS) {
        for step in (0..steps).step_by(SWEEP) {
            let path = Path::even(SWEEP.min(steps - step), Step { a: TILE * 2, b: TILE * 2 });
            for column in 0..n.div_ceil(SIDE) {
                let b = b(column, step);
                for row in (rows..(rows + ROWS).min(m)).step_by(SIDE) {
                    place(&tiles, &path, (a(row, step), b), (row, column * SIDE), (m, n), out, add || step > 0);
                }
            }
        }
    }
}

/// One 32 x 32 block into `out`, directly where it fits and through a buffer at the edges.
#[inline]
fn place(
    tiles: &Tiles,
    path: &Path,
    (a, b): (Operand<'_>, Operand<'_>),
    (row, column): (usize, usize),
    (m, n): (usize, usize),
    out: &mut [f32],
    add: bool,
) {
    if row + SIDE <= m && column + SIDE <= n {
        tiles.block_to(path, a, b, out, row * n + column, n, add);
        return;
    }
    let mut block = [0.0; BLOCK];
    tiles.block_to(path, a, b, &mut block, 0, SIDE, false);
    let width = SIDE.min(n - column);
    for (from, to) in block.chunks_exact(SIDE).zip(out[row * n..].chunks_mut(n).take(m - row)) {
        let to = &mut to[column..column + width];
        if add {
            to.iter_mut().zip(from).for_each(|(t, f)| *t += *f);
        } else {
            to.copy_from_slice(&from[..width]);
        }
    }
}

/// Lets `product` write into `out`, or adds what it writes.
fn into(out: &mut [f32], add: bool, product: impl Fn(&mut [f32])) {
    if add {
        let mut sum = vec![0.0; out.len()];
        product(&mut sum);
        add_row(&sum, out);
    } else {
        product(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Kept;
    use crate::kernels::convert::rounded;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rounded((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..n).map(|_| next()).collect()
    }

    fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
        let rows = x.len() / columns;
        (0..x.len()).map(|i| x[(i % rows) * columns + i / rows]).collect()
    }

    #[test]
    fn all_products_agree_with_f64_on_odd_sizes() {
        // The same buffers serve all sizes, so that what an earlier fill left behind would show.
        let (mut rows, mut channels, mut right) = (Rows::default(), Channels::default(), Right::default());
        for (m, n, k) in [(300, 96, 600), (1, 1, 1), (3, 5, 7), (17, 33, 31), (40, 96, 65), (33, 16, 64), (48, 32, 96)]
        {
            let (x, w, was) = (values(m * k, 1), values(k * n, 2), values(m * n, 3));
            let sums: Vec<f64> = (0..m * n)
                .map(|i| (0..k).map(|l| f64::from(x[i / n * k + l]) * f64::from(w[l * n + i % n])).sum())
                .collect();
            for unit in Unit::present() {
                for add in [false, true] {
                    rows.fill(unit, &x, k);
                    channels.begin(unit, k, m);
                    right.begin(unit, k, n);
                    let (tx, half) = (transposed(&x, k), k / 64 * 32);
                    channels.put(unit, half, &tx[half * m..]);
                    right.put(unit, half, &w[half * n..]);
                    channels.put(unit, 0, &tx[..half * m]);
                    right.put(unit, 0, &w[..half * n]);
                    let mut outs = [was.clone(), was.clone(), was.clone(), was.clone()];
                    multiply(&rows, &Packed::from_kn(unit, &w, k, n), &mut outs[0], add);
                    multiply_right(unit, &rows, &right, &mut outs[1], add);
                    multiply_tn(unit, &channels, &right, &mut outs[2], add);
                    right.fill_transposed(unit, &transposed(&w, n), k);
                    multiply_right(unit, &rows, &right, &mut outs[3], add);
                    for (i, sum) in sums.iter().enumerate() {
                        let want = sum + if add { f64::from(was[i]) } else { 0.0 };
                        for (which, out) in outs.iter().enumerate() {
                            let close = (f64::from(out[i]) - want).abs() < 2e-4 * (1.0 + want.abs());
                            assert!(close, "product {which} {unit:?} {m}x{n}x{k} {add}: {i} is {}, not {want}", out[i]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn kept_values_come_back() {
        let x = values(50, 4);
        for unit in Unit::present() {
            let mut kept = Kept::default();
            kept.put(unit, 30, &x[30..]);
            kept.put(unit, 0, &x[..30]);
            let mut back = vec![0.0; 40];
            kept.get(unit, 5, &mut back);
            assert_eq!(back, x[5..45], "{unit:?}");
        }
    }
}

//! Products over operands that are converted once and used several times, written straight into their place.
//!
//! [`Rows`] is a left operand, [`Channels`] its transpose, [`Positions`] a right operand whose rows are summed over. On AMX they
//! hold bf16 in the order of tiles, elsewhere plain f32. Buffers keep their memory between fills.

use multiversion::multiversion;

use super::Unit;
use super::amx::{self, BLOCK, Operand, Path, Step, TILE, Tiles};
use super::convert::{add_row, bf16};
use super::product::{INNER, Packed, SIDE, gemm_f32};

/// Inner steps of one sweep: an operand panel of 32 KiB, so that one panel stays in the first-level cache.
const SWEEP: usize = 16;
/// Rows of one sweep of [`multiply`]: their panel stays in the second-level cache.
const ROWS: usize = 256;

/// A left operand `(rows, width)`.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    rows: usize,
    width: usize,
    pitch: usize,
    halves: Vec<u16>,
    plain: Vec<f32>,
}

impl Rows {
    /// Takes `x`, `(rows, width)` row-major.
    ///
    /// # Panics
    /// When `x` does not have whole rows.
    pub fn fill(&mut self, unit: Unit, x: &[f32], width: usize) {
        assert!(width > 0 && x.len().is_multiple_of(width), "rows of {width} in {} values", x.len());
        (self.rows, self.width, self.pitch) = (x.len() / width, width, width.next_multiple_of(INNER));
        if unit == Unit::F32 {
            self.plain.clear();
            self.plain.extend_from_slice(x);
            return;
        }
        grow(&mut self.halves, self.rows.next_multiple_of(SIDE) * self.pitch);
        to_halves(x, width, self.pitch, &mut self.halves);
    }
}

/// The transpose of `(rows, width)`: a left operand whose outputs are channels, summed over rows.
#[derive(Clone, Debug, Default)]
pub struct Channels(Tiled);

/// A right operand `(rows, width)` that is summed over rows.
#[derive(Clone, Debug, Default)]
pub struct Positions(Tiled);

/// `[column tile][row block]`, each 16 columns of 32 rows.
#[derive(Clone, Debug, Default)]
struct Tiled {
    rows: usize,
    width: usize,
    blocks: usize,
    tiles: Vec<u16>,
    plain: Vec<f32>,
}

impl Tiled {
    fn fill(&mut self, unit: Unit, x: &[f32], width: usize, transposed: bool) {
        assert!(width > 0 && x.len().is_multiple_of(width), "rows of {width} in {} values", x.len());
        (self.rows, self.width) = (x.len() / width, width);
        if unit == Unit::F32 {
            self.plain.clear();
            self.plain.extend_from_slice(x);
            return;
        }
        self.blocks = self.rows.div_ceil(INNER);
        grow(&mut self.tiles, width.div_ceil(SIDE) * 2 * self.blocks * TILE);
        to_tiles(x, width, self.blocks, transposed, &mut self.tiles);
    }

    fn operand(&self, pair: usize, block: usize) -> Operand<'_> {
        let first = (2 * pair * self.blocks + block) * TILE;
        Operand { data: &self.tiles, first, second: first + self.blocks * TILE, pitch: 64 }
    }
}

impl Channels {
    /// Takes `x`, `(rows, width)` row-major.
    ///
    /// # Panics
    /// When `x` does not have whole rows.
    pub fn fill(&mut self, unit: Unit, x: &[f32], width: usize) {
        self.0.fill(unit, x, width, true);
    }
}

impl Positions {
    /// Takes `x`, `(rows, width)` row-major.
    ///
    /// # Panics
    /// When `x` does not have whole rows.
    pub fn fill(&mut self, unit: Unit, x: &[f32], width: usize) {
        self.0.fill(unit, x, width, false);
    }
}

fn grow(buffer: &mut Vec<u16>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn to_halves(x: &[f32], width: usize, pitch: usize, to: &mut [u16]) {
    for (row, to) in x.chunks_exact(width).zip(to.chunks_exact_mut(pitch)) {
        let (to, rest) = to.split_at_mut(width);
        for (t, v) in to.iter_mut().zip(row) {
            *t = bf16(*v);
        }
        rest.fill(0);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn to_tiles(x: &[f32], width: usize, blocks: usize, transposed: bool, to: &mut [u16]) {
    let rows = x.len() / width;
    let tile_columns = width.div_ceil(SIDE) * 2;
    for block in 0..blocks {
        let whole_rows = (block + 1) * INNER <= rows;
        for tile in 0..tile_columns {
            let mut pairs = [0u32; 256];
            let column = tile * 16;
            if whole_rows && column + 16 <= width {
                for pair in 0..16 {
                    let at = (block * INNER + 2 * pair) * width + column;
                    let (even, odd) = (&x[at..at + 16], &x[at + width..at + width + 16]);
                    let to = &mut pairs[pair * 16..pair * 16 + 16];
                    for i in 0..16 {
                        to[i] = u32::from(bf16(even[i])) | (u32::from(bf16(odd[i])) << 16);
                    }
                }
            } else {
                let value = |row: usize, column: usize| {
                    if row < rows && column < width { u32::from(bf16(x[row * width + column])) } else { 0 }
                };
                for (i, to) in pairs.iter_mut().enumerate() {
                    let row = block * INNER + 2 * (i / 16);
                    *to = value(row, column + i % 16) | (value(row + 1, column + i % 16) << 16);
                }
            }
            let at = (tile * blocks + block) * TILE;
            let to: &mut [u32] = bytemuck::cast_slice_mut(&mut to[at..at + TILE]);
            let Ok(to) = to.try_into() else { continue };
            if transposed {
                amx::transpose16(&pairs, to);
            } else {
                *to = pairs;
            }
        }
    }
}

/// `out = x · packed`, or `out += x · packed` with `add`; `out` is `(rows, n)`. One thread.
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
    let steps = packed.steps();
    let tiles = Tiles::configure();
    for rows in (0..m).step_by(ROWS) {
        for step in (0..steps).step_by(SWEEP) {
            let path = Path::even(SWEEP.min(steps - step), Step { a: INNER * 2, b: TILE * 2 });
            for column in 0..packed.column_tiles() / 2 {
                let mut b = packed.operand(column);
                b.first += step * TILE;
                b.second += step * TILE;
                for row in (rows..(rows + ROWS).min(m)).step_by(SIDE) {
                    let first = row * x.pitch + step * INNER;
                    // A single row tile is enough for the last rows; both pointers then name the same tile.
                    let second = if m - row > 16 { first + 16 * x.pitch } else { first };
                    let a = Operand { data: &x.halves, first, second, pitch: x.pitch * 2 };
                    place(&tiles, &path, (a, b), (row, column * SIDE), (m, n), out, add || step > 0);
                }
            }
        }
    }
}

/// `out = aᵀ · b`, or `out += aᵀ · b` with `add`; `out` is `(a width, b width)`. One thread.
///
/// # Panics
/// When sizes do not fit.
pub fn multiply_tn(unit: Unit, a: &Channels, b: &Positions, out: &mut [f32], add: bool) {
    let (a, b) = (&a.0, &b.0);
    let (m, n, k) = (a.width, b.width, a.rows);
    assert!(b.rows == k && out.len() == m * n, "({k} x {m})ᵀ times {} x {n} into {}", b.rows, out.len());
    if unit == Unit::F32 {
        into(out, add, |out| gemm_f32(m, n, k, &a.plain, (1, m), &b.plain, (n, 1), out));
        return;
    }
    let tiles = Tiles::configure();
    for block in (0..a.blocks).step_by(SWEEP) {
        let path = Path::even(SWEEP.min(a.blocks - block), Step { a: TILE * 2, b: TILE * 2 });
        for row in 0..m.div_ceil(SIDE) {
            for column in 0..n.div_ceil(SIDE) {
                let operands = (a.operand(row, block), b.operand(column, block));
                place(&tiles, &path, operands, (row * SIDE, column * SIDE), (m, n), out, add || block > 0);
            }
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

/// One 32 x 32 block into `out`, directly where it fits and through a buffer at the edges.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::product::rounded;
    use crate::kernels::unit;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rounded((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn both_products_agree_with_f64_on_odd_sizes() {
        // The same buffers serve all sizes, so that what an earlier fill left behind would show.
        let (mut rows, mut channels, mut positions) = (Rows::default(), Channels::default(), Positions::default());
        for (m, n, k) in [(300, 96, 600), (1, 1, 1), (3, 5, 7), (17, 33, 31), (40, 96, 65), (33, 16, 64), (48, 32, 96)] {
            let (x, w, was) = (values(m * k, 1), values(k * n, 2), values(m * n, 3));
            let transposed: Vec<f32> = (0..m * k).map(|i| x[(i % m) * k + i / m]).collect();
            for unit in [Unit::F32, unit()] {
                for add in [false, true] {
                    let (mut out, mut out_tn) = (was.clone(), was.clone());
                    rows.fill(unit, &x, k);
                    multiply(&rows, &Packed::from_kn(unit, &w, k, n), &mut out, add);
                    channels.fill(unit, &transposed, m);
                    positions.fill(unit, &w, n);
                    multiply_tn(unit, &channels, &positions, &mut out_tn, add);
                    for i in 0..m * n {
                        let sum: f64 = (0..k).map(|l| f64::from(x[i / n * k + l]) * f64::from(w[l * n + i % n])).sum();
                        let want = sum + if add { f64::from(was[i]) } else { 0.0 };
                        for (got, which) in [(out[i], "plain"), (out_tn[i], "transposed")] {
                            let close = (f64::from(got) - want).abs() < 2e-4 * (1.0 + want.abs());
                            assert!(close, "{which} {unit:?} {m}x{n}x{k} add {add}: element {i} is {got}, not {want}");
                        }
                    }
                }
            }
        }
    }
}

//! Matrix products with one operand packed.

use rayon::prelude::*;

use super::Unit;
use super::amx::{self, BLOCK, Operand, Step, TILE, Tiles};
use super::convert::{add_bias, add_row, interleave_rows, row_to_bf16};

/// Columns of a tile's inner dimension.
pub(super) const INNER: usize = 32;
/// Rows or columns of an output block (two tiles).
pub(super) const SIDE: usize = 32;

/// The right-hand side of a product, `(taps * k, n)`, in the order its unit wants.
///
/// A plain product has one tap; a convolution has one per kernel cell.
#[derive(Clone, Debug)]
pub struct Packed {
    unit: Unit,
    n: usize,
    k: usize,
    taps: usize,
    /// AMX: `[column tile][tap][inner block][16 pairs][16 columns][2]`, an even number of column tiles.
    tiles: Vec<u16>,
    /// F32: `(taps * k, n)` row-major.
    plain: Vec<f32>,
}

impl Packed {
    /// From `[n][k]`: the product is `x wᵀ`.
    #[must_use]
    pub fn from_nk(unit: Unit, w: &[f32], n: usize, k: usize) -> Self {
        Self::from_ntk(unit, w, n, 1, k, false)
    }

    /// From `[k][n]`: the product is `x w`.
    #[must_use]
    pub fn from_kn(unit: Unit, w: &[f32], k: usize, n: usize) -> Self {
        Self::from_ktn(unit, w, k, 1, n, false)
    }

    /// From convolution weights `[n][tap][k]`; `flip` reverses the taps.
    pub(super) fn from_ntk(unit: Unit, w: &[f32], n: usize, taps: usize, k: usize, flip: bool) -> Self {
        assert_eq!(w.len(), n * taps * k, "weights do not have n * taps * k values");
        let tap_of = |tap: usize| if flip { taps - 1 - tap } else { tap };
        let mut packed = Self { unit, n, k, taps, tiles: Vec::new(), plain: Vec::new() };
        if unit == Unit::F32 {
            packed.plain = vec![0.0; taps * k * n];
            for (i, value) in w.iter().enumerate() {
                let (row, tap, inner) = (i / (taps * k), i / k % taps, i % k);
                packed.plain[(tap_of(tap) * k + inner) * n + row] = *value;
            }
            return packed;
        }
        packed.fill_tiles(|tile_n, tap, block, to| {
            let mut rows = [0u32; 256];
            for r in 0..16.min(n.saturating_sub(tile_n * 16)) {
                let from = ((tile_n * 16 + r) * taps + tap_of(tap)) * k + block * INNER;
                let len = INNER.min(k - block * INNER);
                let row: &mut [u16] = bytemuck::cast_slice_mut(&mut rows[r * 16..r * 16 + 16]);
                row_to_bf16(&w[from..from + len], row);
            }
            amx::transpose16(&rows, to);
        });
        packed
    }

    /// From `[k][tap][n]`; `flip` reverses the taps. With the convolution weights `[out][tap][in]` this is the product of
    /// the backward pass, from `out` to `in`.
    pub(super) fn from_ktn(unit: Unit, w: &[f32], k: usize, taps: usize, n: usize, flip: bool) -> Self {
        assert_eq!(w.len(), n * taps * k, "weights do not have n * taps * k values");
        let tap_of = |tap: usize| if flip { taps - 1 - tap } else { tap };
        let mut packed = Self { unit, n, k, taps, tiles: Vec::new(), plain: Vec::new() };
        let row = |inner: usize, tap: usize| &w[(inner * taps + tap_of(tap)) * n..][..n];
        if unit == Unit::F32 {
            packed.plain.reserve(taps * k * n);
            for tap in 0..taps {
                for inner in 0..k {
                    packed.plain.extend_from_slice(row(inner, tap));
                }
            }
            return packed;
        }
        let zero = vec![0.0; n];
        packed.fill_tiles(|tile_n, tap, block, to| {
            let columns = tile_n * 16..(tile_n * 16 + 16).min(n);
            if columns.start >= columns.end {
                return;
            }
            for pair in 0..16 {
                let inner = block * INNER + 2 * pair;
                let at = |i: usize| if i < k { row(i, tap) } else { &zero[..] };
                let (even, odd) = (&at(inner)[columns.clone()], &at(inner + 1)[columns.clone()]);
                interleave_rows(even, odd, &mut to[pair * 16..pair * 16 + 16]);
            }
        });
        packed
    }

    fn fill_tiles(&mut self, fill: impl Fn(usize, usize, usize, &mut [u32; 256])) {
        let steps = self.steps();
        self.tiles = vec![0; self.column_tiles() * steps * TILE];
        let blocks = self.k.div_ceil(INNER);
        for (i, tile) in bytemuck::cast_slice_mut::<u16, u32>(&mut self.tiles).chunks_exact_mut(256).enumerate() {
            let (tile_n, tap, block) = (i / steps, i % steps / blocks, i % blocks);
            if let Ok(tile) = tile.try_into() {
                fill(tile_n, tap, block, tile);
            }
        }
    }

    /// Output columns.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Inner dimension of one tap.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// The unit it was packed for.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tiles.len() * 2 + self.plain.len() * 4
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    pub(super) fn plain(&self) -> &[f32] {
        &self.plain
    }

    pub(super) fn column_tiles(&self) -> usize {
        self.n.div_ceil(SIDE) * 2
    }

    pub(super) fn steps(&self) -> usize {
        self.taps * self.k.div_ceil(INNER)
    }

    /// The operand of column block `block` (two tiles).
    pub(super) fn operand(&self, block: usize) -> Operand<'_> {
        let tile = self.steps() * TILE;
        Operand { data: &self.tiles, first: 2 * block * tile, second: (2 * block + 1) * tile, pitch: 64 }
    }
}

/// `out = x · packed (+ bias)`; `x` is `(m, k)`, `out` `(m, n)`, both row-major.
///
/// Splits the rows among rayon's threads.
///
/// # Panics
/// When a slice does not have the length that the sizes say, or `packed` is a convolution's.
pub fn product(x: &[f32], m: usize, packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let (n, k) = (packed.n, packed.k);
    assert!(packed.taps == 1 && x.len() == m * k && out.len() == m * n, "product sizes");
    assert!(bias.is_none_or(|b| b.len() == n), "bias size");
    if m == 0 {
        return;
    }
    if packed.unit == Unit::F32 {
        gemm_f32(m, n, k, x, (k, 1), &packed.plain, (n, 1), out);
        if let Some(bias) = bias {
            out.chunks_exact_mut(n).for_each(|row| add_row(bias, row));
        }
        return;
    }
    const ROWS: usize = 256;
    if m >= 2 * SIDE && rayon::current_num_threads() > 1 {
        let rows = m.div_ceil(rayon::current_num_threads()).div_ceil(SIDE) * SIDE;
        let rows = rows.min(ROWS);
        out.par_chunks_mut(rows * n).zip(x.par_chunks(rows * k)).for_each(|(out, x)| rows_amx(x, packed, bias, out));
    } else if m < SIDE && packed.n >= 256 && rayon::current_num_threads() > 1 {
        columns_amx(x, m, packed, bias, out);
    } else {
        for (out, x) in out.chunks_mut(ROWS * n).zip(x.chunks(ROWS * k)) {
            rows_amx(x, packed, bias, out);
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

fn rows_amx(x: &[f32], packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let (n, k) = (packed.n, packed.k);
    let m = x.len() / k;
    let (rows, pitch) = round_rows(x, m, k);
    let steps = row_steps(packed);
    let tiles = Tiles::configure();
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
fn columns_amx(x: &[f32], m: usize, packed: &Packed, bias: Option<&[f32]>, out: &mut [f32]) {
    let n = packed.n;
    let (rows, pitch) = round_rows(x, m, packed.k);
    let steps = row_steps(packed);
    let blocks = packed.column_tiles() / 2;
    let share = blocks.div_ceil(rayon::current_num_threads());
    let results: Vec<Vec<f32>> = (0..blocks.div_ceil(share))
        .into_par_iter()
        .map(|part| {
            let tiles = Tiles::configure();
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

/// `out = aᵀ · b` for weight gradients: `a` is `(k, m)`, `b` `(k, n)`, `out` `(m, n)`, all row-major.
///
/// # Panics
/// When a slice does not have the length that the sizes say.
pub fn product_tn(unit: Unit, a: &[f32], b: &[f32], k: usize, m: usize, n: usize, out: &mut [f32]) {
    assert!(a.len() == k * m && b.len() == k * n && out.len() == m * n, "product_tn sizes");
    if unit == Unit::F32 {
        gemm_f32(m, n, k, a, (1, m), b, (n, 1), out);
        return;
    }
    let mut sum = OuterSum::new(m, n, 1);
    const CHUNK: usize = 16 * INNER;
    for (a, b) in a.chunks(CHUNK * m).zip(b.chunks(CHUNK * n)) {
        let k = a.len() / m;
        let blocks = k.div_ceil(INNER);
        let left = Transposed::from_rows(m, blocks, |row| if row < k { Some(&a[row * m..row * m + m]) } else { None });
        let pitch = n.div_ceil(SIDE) * SIDE;
        let mut right = vec![0u32; blocks * 16 * pitch];
        let zero = vec![0.0; n];
        for (pair, to) in right.chunks_exact_mut(pitch).enumerate() {
            let at = |row: usize| if row < k { &b[row * n..row * n + n] } else { &zero[..] };
            interleave_rows(at(2 * pair), at(2 * pair + 1), to);
        }
        let right: &[u16] = bytemuck::cast_slice(&right);
        let starts: Vec<usize> = (0..blocks).map(|block| block * 16 * pitch * 4).collect();
        sum.add(&left, right, pitch * 4, |_| &starts, |_| 0);
    }
    sum.store(out);
}

/// A left operand `(positions, m)` turned into tiles of 16 channels x 32 positions: `[position block][channel tile]`.
pub(super) struct Transposed {
    pub data: Vec<u16>,
    pub channel_tiles: usize,
    pub blocks: usize,
}

impl Transposed {
    /// From rows of `m` values; `None` is a row of zeros.
    pub fn from_rows<'a>(m: usize, blocks: usize, row: impl Fn(usize) -> Option<&'a [f32]>) -> Self {
        let channel_tiles = m.div_ceil(SIDE) * 2;
        let mut data = vec![0u16; blocks * channel_tiles * TILE];
        let zero = vec![0.0; m];
        for block in 0..blocks {
            let rows: [Option<&[f32]>; INNER] = std::array::from_fn(|i| row(block * INNER + i));
            if rows.iter().all(Option::is_none) {
                continue;
            }
            let rows = rows.map(|r| r.unwrap_or(&zero));
            for tile in 0..m.div_ceil(16) {
                let columns = tile * 16..(tile * 16 + 16).min(m);
                let mut pairs = [0u32; 256];
                for pair in 0..16 {
                    let (even, odd) = (&rows[2 * pair][columns.clone()], &rows[2 * pair + 1][columns.clone()]);
                    interleave_rows(even, odd, &mut pairs[pair * 16..pair * 16 + 16]);
                }
                let to = &mut data[(block * channel_tiles + tile) * TILE..][..TILE];
                if let Ok(to) = bytemuck::cast_slice_mut::<u16, u32>(to).try_into() {
                    amx::transpose16(&pairs, to);
                }
            }
        }
        Self { data, channel_tiles, blocks }
    }
}

/// Accumulates `leftᵀ · right` per tap in tiles.
pub(super) struct OuterSum {
    m: usize,
    n: usize,
    taps: usize,
    started: bool,
    c: Vec<f32>,
}

impl OuterSum {
    pub fn new(m: usize, n: usize, taps: usize) -> Self {
        let blocks = m.div_ceil(SIDE) * n.div_ceil(SIDE) * taps;
        Self { m, n, taps, started: false, c: vec![0.0; blocks * BLOCK] }
    }

    /// Adds one chunk. `starts(tap)` gives for every position block the byte offset of its rows in `right`, relative to the
    /// tap's `base(tap)`; `pitch` is the bytes between pairs of positions.
    pub fn add<'s>(
        &mut self,
        left: &Transposed,
        right: &[u16],
        pitch: usize,
        starts: impl Fn(usize) -> &'s [usize],
        base: impl Fn(usize) -> usize,
    ) {
        let tiles = Tiles::configure();
        let (blocks_m, blocks_n) = (self.m.div_ceil(SIDE), self.n.div_ceil(SIDE));
        let mut steps = vec![Step { a: 0, b: 0 }; left.blocks];
        for block_m in 0..blocks_m {
            let a =
                Operand { data: &left.data, first: 2 * block_m * TILE, second: (2 * block_m + 1) * TILE, pitch: 64 };
            for block_n in 0..blocks_n {
                for tap in 0..self.taps {
                    for (s, (step, start)) in steps.iter_mut().zip(starts(tap)).enumerate() {
                        *step = Step { a: s * left.channel_tiles * TILE * 2, b: *start };
                    }
                    let first = base(tap) / 2 + block_n * SIDE * 2;
                    let b = Operand { data: right, first, second: first + 32, pitch };
                    let c = ((block_m * blocks_n + block_n) * self.taps + tap) * BLOCK;
                    tiles.block(&steps, a, b, &mut self.c[c..c + BLOCK], self.started);
                }
            }
        }
        self.started = true;
    }

    /// Writes `(m, taps, n)` row-major.
    pub fn store(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.m * self.taps * self.n, "outer sum size");
        if !self.started {
            out.fill(0.0);
            return;
        }
        let blocks_n = self.n.div_ceil(SIDE);
        for row in 0..self.m {
            for tap in 0..self.taps {
                for column in (0..self.n).step_by(16) {
                    let len = 16.min(self.n - column);
                    let block = ((row / SIDE * blocks_n + column / SIDE) * self.taps + tap) * BLOCK;
                    let tile = (row % SIDE / 16) * 2 + column % SIDE / 16;
                    let from = &self.c[block + tile * 256 + (row % 16) * 16..][..len];
                    out[(row * self.taps + tap) * self.n + column..][..len].copy_from_slice(from);
                }
            }
        }
    }
}

/// f32 product through the `gemm` crate; strides are (row, column) in elements.
#[allow(unsafe_code, reason = "the gemm crate takes raw pointers; the lengths are checked here")]
pub(super) fn gemm_f32(
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    a_strides: (usize, usize),
    b: &[f32],
    b_strides: (usize, usize),
    out: &mut [f32],
) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |rows: usize, columns: usize, s: (usize, usize)| (rows - 1) * s.0 + (columns - 1) * s.1;
    assert!(out.len() >= m * n);
    if k == 0 {
        out[..m * n].fill(0.0);
        return;
    }
    assert!(last(m, k, a_strides) < a.len() && last(k, n, b_strides) < b.len(), "gemm operand out of range");
    let threads = rayon::current_num_threads();
    let parallelism =
        if threads > 1 && m * n * k > 1 << 18 { gemm::Parallelism::Rayon(threads) } else { gemm::Parallelism::None };
    // SAFETY: the assertions above keep every element that the sizes and strides address inside the slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_strides.1 as isize,
            a_strides.0 as isize,
            b.as_ptr(),
            b_strides.1 as isize,
            b_strides.0 as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// One value rounded as the AMX path rounds its operands.
#[cfg(test)]
pub(super) fn rounded(value: f32) -> f32 {
    f32::from_bits(u32::from(super::convert::bf16(value)) << 16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::kernels::unit;

    fn values(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn reference(
        m: usize,
        n: usize,
        k: usize,
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f64> {
        let mut out = Vec::new();
        for i in 0..m {
            for j in 0..n {
                out.push((0..k).map(|l| f64::from(rounded(a(i, l))) * f64::from(rounded(b(l, j)))).sum());
            }
        }
        out
    }

    fn close(got: &[f32], want: &[f64], what: &str) {
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((f64::from(*g) - w).abs() < 2e-4 * (1.0 + w.abs()), "{what}: element {i} is {g}, should be {w}");
        }
    }

    #[test]
    fn products_agree_with_f64_on_odd_sizes() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (16, 16, 32), (17, 33, 31), (70, 96, 65), (33, 16, 64), (130, 260, 40)]
        {
            let a: Vec<f32> = values(m * k, 1).iter().map(|v| rounded(*v)).collect();
            let b: Vec<f32> = values(k * n, 2).iter().map(|v| rounded(*v)).collect();
            let want = reference(m, n, k, |i, l| a[i * k + l], |l, j| b[l * n + j]);
            let w: Vec<f32> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
            let at: Vec<f32> = (0..m * k).map(|i| a[(i % m) * k + i / m]).collect();
            for unit in [Unit::F32, unit()] {
                let mut out = vec![f32::NAN; m * n];
                product(&a, m, &Packed::from_kn(unit, &b, k, n), None, &mut out);
                close(&out, &want, &format!("kn {unit:?} {m}x{n}x{k}"));
                out.fill(f32::NAN);
                let bias = values(n, 3);
                product(&a, m, &Packed::from_nk(unit, &w, n, k), Some(&bias), &mut out);
                let with_bias: Vec<f64> = want.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % n])).collect();
                close(&out, &with_bias, &format!("nk {unit:?} {m}x{n}x{k}"));
                out.fill(f32::NAN);
                product_tn(unit, &at, &b, k, m, n, &mut out);
                close(&out, &want, &format!("tn {unit:?} {m}x{n}x{k}"));
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (m, n, k) = (150, 272, 96);
        let (x, w) = (values(m * k, 4), values(n * k, 5));
        let packed = Packed::from_nk(unit(), &w, n, k);
        let run = |threads: usize, m: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0; m * n];
            pool.install(|| product(&x[..m * k], m, &packed, None, &mut out));
            out
        };
        for m in [m, 9] {
            assert_eq!(run(1, m), run(2, m));
            assert_eq!(run(1, m), run(3, m));
        }
    }
}

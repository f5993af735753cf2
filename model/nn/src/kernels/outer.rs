//! Products summed over rows, `aᵀ · b`: gradients of weights.

use super::Unit;
use super::convert::interleave_rows;
use super::dense::gemm_f32;
use super::packed::{INNER, SIDE};
use super::tiles::{self, BLOCK, Operand, Step, TILE, Tiles};

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
    let mut sum = OuterSum::new(unit, m, n, 1);
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
                    tiles::transpose16(&pairs, to);
                }
            }
        }
        Self { data, channel_tiles, blocks }
    }
}

/// Accumulates `leftᵀ · right` per tap in tiles.
pub(super) struct OuterSum {
    unit: Unit,
    m: usize,
    n: usize,
    taps: usize,
    started: bool,
    c: Vec<f32>,
}

impl OuterSum {
    pub fn new(unit: Unit, m: usize, n: usize, taps: usize) -> Self {
        let blocks = m.div_ceil(SIDE) * n.div_ceil(SIDE) * taps;
        Self { unit, m, n, taps, started: false, c: vec![0.0; blocks * BLOCK] }
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
        let tiles = Tiles::of(self.unit);
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

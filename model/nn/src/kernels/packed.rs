//! Weights packed once, in the order that their unit wants.

use super::convert::{interleave_rows, row_to_bf16};
use super::panels::Panels;
use super::tiles::{self, Operand, TILE};
use super::{Arithmetic, Unit};

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
    /// Weights for decoding, instead of the two above.
    panels: Option<Panels>,
}

impl Packed {
    /// From `[n][k]`: the product is `x wᵀ`.
    #[must_use]
    pub fn from_nk(unit: Unit, w: &[f32], n: usize, k: usize) -> Self {
        Self::from_ntk(unit, w, n, 1, k, false)
    }

    /// From `[n][k]` for [`super::product`] alone, in the format that decoding asks for.
    ///
    /// # Panics
    /// When `w` does not have `n * k` values, or this CPU lacks the instructions.
    #[must_use]
    pub fn for_decoding(arithmetic: Arithmetic, w: &[f32], n: usize, k: usize) -> Self {
        let panels = Some(Panels::pack(arithmetic, w, n, k));
        Self { unit: arithmetic.unit, n, k, taps: 1, tiles: Vec::new(), plain: Vec::new(), panels }
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
        let mut packed = Self { unit, n, k, taps, tiles: Vec::new(), plain: Vec::new(), panels: None };
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
            tiles::transpose16(&rows, to);
        });
        packed
    }

    /// From `[k][tap][n]`; `flip` reverses the taps. With the convolution weights `[out][tap][in]` this is the product of
    /// the backward pass, from `out` to `in`.
    pub(super) fn from_ktn(unit: Unit, w: &[f32], k: usize, taps: usize, n: usize, flip: bool) -> Self {
        assert_eq!(w.len(), n * taps * k, "weights do not have n * taps * k values");
        let tap_of = |tap: usize| if flip { taps - 1 - tap } else { tap };
        let mut packed = Self { unit, n, k, taps, tiles: Vec::new(), plain: Vec::new(), panels: None };
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
        self.tiles.len() * 2 + self.plain.len() * 4 + self.panels.as_ref().map_or(0, Panels::bytes)
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    /// # Panics
    /// When the weights are panels, which only [`super::product`] reads.
    pub(super) fn plain(&self) -> &[f32] {
        assert!(self.panels.is_none(), "weights packed for decoding");
        &self.plain
    }

    pub(super) fn panels(&self) -> Option<&Panels> {
        self.panels.as_ref()
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

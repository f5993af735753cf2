//! The sweep of `fused.rs` with queries, keys, values and weights rounded to bf16, on AVX-512 BF16 or on tiles; sums stay f32.
//!
//! Scores stand as `(keys, rows)` and sums of weighted values as `(head_dim, rows)`: a register holds one value of many rows, and
//! what softmax makes of scores is a right operand as it is.

use multiversion::multiversion;

use super::{KEYS, Tile, columns, scaled, share};
use crate::kernels::{
    Running, StridedPairs, Tiles, Unit, multiply_pairs, round_pairs, round_row, transpose, weigh_pairs,
};
use crate::transformer::sequence::Visible;

/// What rows and head dimensions are whole multiples of: two tiles.
const SIDE: usize = 32;

/// Some rows of one head on their way through the keys.
pub(super) struct Rounded {
    /// Absent on AVX-512 BF16, whose products take operands in any order.
    tiles: Option<Tiles>,
    d: usize,
    /// Rows, filled up with zeros.
    lanes: usize,
    /// `(d / 2, lanes)` pairs.
    queries: Vec<u32>,
    /// `(KEYS, d)`.
    keys: Vec<u16>,
    /// Pairs of keys: `(KEYS / 2, d)`.
    values: Vec<u32>,
    /// The same as `(d, KEYS / 2)`.
    turned: Vec<u32>,
    /// `(KEYS, lanes)`.
    scores: Vec<f32>,
    /// Pairs of keys: `(KEYS / 2, lanes)`.
    weights: Vec<u32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
    factors: Vec<f32>,
    /// `(d, lanes)`.
    totals: Vec<f32>,
}

impl Rounded {
    /// Can heads of this dimension be rounded?
    pub fn takes(d: usize) -> bool {
        d.is_multiple_of(SIDE)
    }

    /// For queries `(rows, d)`.
    ///
    /// # Panics
    /// When the CPU does not have the unit, or it is that of f32.
    pub fn new(unit: Unit, q: &[f32], d: usize) -> Self {
        let lanes = (q.len() / d).next_multiple_of(SIDE);
        let mut queries = vec![0; d / 2 * lanes];
        round_pairs(&columns(&scaled(q, d), d, lanes), lanes, &mut queries);
        Self {
            tiles: (unit != Unit::Avx512Bf16).then(|| Tiles::of(unit)),
            d,
            lanes,
            queries,
            keys: vec![0; KEYS * d],
            values: vec![0; KEYS / 2 * d],
            turned: vec![0; KEYS / 2 * d],
            scores: vec![0.0; KEYS * lanes],
            weights: vec![0; KEYS / 2 * lanes],
            largest: vec![f32::NEG_INFINITY; lanes],
            sums: vec![0.0; lanes],
            factors: vec![1.0; lanes],
            totals: vec![0.0; d * lanes],
        }
    }

    /// Keys and values `(tile.len, d)`.
    pub fn read(&mut self, tile: Tile, k: &[f32], v: &[f32], visible: &[Visible]) {
        let (d, lanes, keys) = (self.d, self.lanes, tile.len);
        round_row(k, &mut self.keys);
        if let Some(tiles) = &self.tiles {
            // Scores of keys behind the last are nobody's.
            tiles.multiply(&self.keys, &self.queries, (KEYS, lanes, d), &mut self.scores, false);
        } else {
            let left = StridedPairs { values: bytemuck::cast_slice(&self.keys), by_row: d / 2, by_pair: 1 };
            multiply_pairs(left, &self.queries, (keys, lanes, d / 2), &mut self.scores, false);
        }
        tile.hide(visible, &mut self.scores, (1, lanes));
        let running = Running { largest: &mut self.largest, sums: &mut self.sums, factors: &mut self.factors };
        weigh_pairs(&self.scores[..keys * lanes], running, &mut self.weights);
        if self.factors.iter().any(|factor| *factor != 1.0) {
            shrink(&mut self.totals, &self.factors);
        }
        let pairs = keys.div_ceil(2);
        round_pairs(v, d, &mut self.values);
        if let Some(tiles) = &self.tiles {
            // Pairs behind the last are left over from the tile before.
            self.weights[pairs * lanes..].fill(0);
            self.values[pairs * d..].fill(0);
            transpose(&self.values, (KEYS / 2, d), &mut self.turned);
            let left = bytemuck::cast_slice(&self.turned);
            tiles.multiply(left, &self.weights, (d, lanes, KEYS), &mut self.totals, true);
        } else {
            let left = StridedPairs { values: &self.values, by_row: 1, by_pair: d };
            multiply_pairs(left, &self.weights, (d, lanes, pairs), &mut self.totals, true);
        }
    }

    /// Writes `(rows, d)`.
    pub fn finish(self, context: &mut [f32]) {
        for (row, (context, total)) in context.chunks_exact_mut(self.d).zip(&self.sums).enumerate() {
            let share = share(*total);
            for (to, values) in context.iter_mut().zip(self.totals.chunks_exact(self.lanes)) {
                *to = values[row] * share;
            }
        }
    }
}

/// Sums so far `(d, lanes)` times one factor a lane.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn shrink(totals: &mut [f32], factors: &[f32]) {
    for totals in totals.chunks_exact_mut(factors.len()) {
        for (total, factor) in totals.iter_mut().zip(factors) {
            *total *= *factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, values};

    /// Tiles of AVX-512 are multiplied as those of AMX are, which other CPUs do not have.
    #[test]
    fn tiles_do_what_operands_in_any_order_do() {
        if !Unit::Avx512Bf16.is_present() {
            return;
        }
        for (d, rows) in [(64, 64), (128, 40), (32, 7)] {
            let (q, kv) = (values(rows * d, 1), values(2 * 160 * d, 2));
            let (k, v) = kv.split_at(160 * d);
            let visible: Vec<Visible> = (0..rows as u32).map(|row| Visible::causal(70 + row)).collect();
            let contexts = [false, true].map(|tiled| {
                let mut rounded = Rounded::new(Unit::Avx512Bf16, &q, d);
                rounded.tiles = tiled.then(|| Tiles::of(Unit::Avx512Bf16));
                // A short tile last, of an odd number of keys, behind a whole one with other values.
                for (first, len) in [(0, 64), (64, 64), (128, 31)] {
                    let of = first * d..(first + len) * d;
                    rounded.read(Tile { first, len }, &k[of.clone()], &v[of], &visible);
                }
                let mut context = vec![f32::NAN; q.len()];
                rounded.finish(&mut context);
                context
            });
            assert_close(&contexts[1], &contexts[0], 1e-5, &format!("{rows} rows of {d}"));
        }
    }
}

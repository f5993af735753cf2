//! Attention of one span on a device: plain products over the keys of its branch and those of the pass.
//!
//! A branch's keys are read where they lie: each run of pages is a view. A branch in very many runs is gathered once for each layer
//! instead. Rows that see all keys, as those of a canvas do, have no mask; others share one for all layers. Rows are taken in
//! blocks, so that scores have a bound.

use candle_core::{D, DType, Result, Tensor};

use super::pages::runs;
use crate::device::OnDevice;
use crate::transformer::limits::DEVICE_SCORES;
use crate::transformer::{HeadShape, Visible};

/// Runs of pages up to which each has products of its own.
const MOST_RUNS: usize = 8;

/// The keys of a branch's earlier rows.
#[derive(Debug)]
pub enum Earlier {
    /// Runs of rows.
    Runs(Vec<(usize, usize)>),
    /// Numbers of rows, to be gathered.
    Rows(Tensor),
}

impl Earlier {
    pub fn new(table: &[u32], len: usize, on: &OnDevice) -> Result<Self> {
        let runs = runs(table, len);
        if runs.len() <= MOST_RUNS {
            return Ok(Self::Runs(runs));
        }
        let rows: Vec<u32> = runs.iter().flat_map(|(first, count)| *first as u32..(first + count) as u32).collect();
        let len = rows.len();
        Ok(Self::Rows(Tensor::from_vec(rows, len, on.device())?))
    }

    /// Views of keys or values `(kv_heads, rows, head_dim)`, in order.
    fn parts(&self, side: &Tensor) -> Result<Vec<Tensor>> {
        match self {
            Self::Runs(runs) => runs.iter().map(|(first, count)| side.narrow(1, *first, *count)).collect(),
            Self::Rows(rows) => Ok(vec![side.index_select(rows, 1)?]),
        }
    }
}

/// Rows of a span that are computed together.
#[derive(Debug)]
pub struct Block {
    /// The first, counted from the span's.
    first: usize,
    rows: usize,
    /// Keys that any of them sees, from the branch's first on.
    keys: usize,
    /// `(1, rows, keys)`: zero where a row sees a key, else minus infinity. None where every row sees all.
    mask: Option<Tensor>,
}

impl Block {
    /// One row that sees what its mask leaves of `keys` keys, `(1, 1, keys)`.
    pub fn masked_row(keys: usize, mask: Tensor) -> Self {
        Self { first: 0, rows: 1, keys, mask: Some(mask) }
    }
}

/// Cuts rows into blocks; `visible` has one entry a row.
pub fn blocks(visible: &[Visible], shape: HeadShape, on: &OnDevice) -> Result<Vec<Block>> {
    let end = |v: &Visible| if v.block_end > v.block_start { v.block_end } else { v.causal } as usize;
    let widest = visible.iter().map(end).max().unwrap_or(0);
    let rows = (DEVICE_SCORES / (shape.heads * widest).max(1)).clamp(1, visible.len().max(1));
    let mut all = Vec::new();
    for (number, some) in visible.chunks(rows).enumerate() {
        let keys = some.iter().map(end).max().unwrap_or(0);
        let sees_all =
            |v: &Visible| v.causal as usize >= keys || (v.block_start <= v.causal && v.block_end as usize >= keys);
        let mask = if some.iter().all(sees_all) {
            None
        } else {
            let mut mask = vec![f32::NEG_INFINITY; some.len() * keys];
            for (row, v) in mask.chunks_exact_mut(keys).zip(some) {
                for range in v.within(0, keys) {
                    row[range].fill(0.0);
                }
            }
            Some(Tensor::from_vec(mask, (1, some.len(), keys), on.device())?)
        };
        all.push(Block { first: number * rows, rows: some.len(), keys, mask });
    }
    Ok(all)
}

/// Keys and values that the rows of a span see, in order.
pub struct Seen {
    keys: Vec<Tensor>,
    values: Vec<Tensor>,
}

impl Seen {
    /// `earlier` rows of `sides`, then those of `passing`, keys and values each.
    pub fn new(earlier: &Earlier, sides: &[Tensor; 2], passing: Option<[Tensor; 2]>) -> Result<Self> {
        let (mut keys, mut values) = (earlier.parts(&sides[0])?, earlier.parts(&sides[1])?);
        if let Some([k, v]) = passing {
            keys.push(k);
            values.push(v);
        }
        Ok(Self { keys, values })
    }

    /// Context of a block: `q` is `(heads, rows of the span, head_dim)`, scaled; returns `(rows, heads * head_dim)` in f32.
    pub fn attend(&self, q: &Tensor, block: &Block, shape: HeadShape) -> Result<Tensor> {
        let HeadShape { heads, kv_heads, head_dim } = shape;
        let (rows, group) = (block.rows, shape.group());
        // Query heads of one key head stand one after the other: they are rows of one product.
        let q = q.narrow(1, block.first, rows)?.contiguous()?.reshape((kv_heads, group * rows, head_dim))?;
        let (mut scores, mut parts, mut left) = (Vec::new(), Vec::new(), block.keys);
        for (k, v) in self.keys.iter().zip(&self.values) {
            let len = k.dim(1)?.min(left);
            if len == 0 {
                break;
            }
            scores.push(q.matmul(&k.narrow(1, 0, len)?.transpose(1, 2)?)?.to_dtype(DType::F32)?);
            parts.push((v, len));
            left -= len;
        }
        let scores =
            if let [all] = &scores[..] { all.clone() } else { Tensor::cat(&scores, D::Minus1)?.contiguous()? };
        let scores = match &block.mask {
            Some(mask) => scores.reshape((heads, rows, block.keys))?.broadcast_add(mask)?,
            None => scores,
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(q.dtype())?;
        let weights = weights.reshape((kv_heads, group * rows, block.keys))?;
        let (mut context, mut first) = (None, 0);
        for (v, len) in parts {
            let some = if len == block.keys { weights.clone() } else { weights.narrow(2, first, len)?.contiguous()? };
            let part = some.matmul(&v.narrow(1, 0, len)?)?.to_dtype(DType::F32)?;
            context = Some(match context {
                None => part,
                Some(before) => (before + part)?,
            });
            first += len;
        }
        let none = || candle_core::Error::Msg("attention over no key".to_owned());
        let context = context.ok_or_else(none)?.reshape((heads, rows, head_dim))?;
        // (h, l, d) -> (l, h d)
        context.transpose(0, 1)?.contiguous()?.reshape((rows, heads * head_dim))
    }
}

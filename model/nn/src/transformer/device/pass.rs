//! The layers over the rows of a pass.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::rms_norm;
use candle_nn::rotary_emb::rope_thd;

use super::attention::{Block, Earlier, Seen, blocks};
use super::pages::runs;
use super::{DeviceLayer, DeviceNet, DevicePages, step};
use crate::parallel::Communicator;
use crate::transformer::kv::{Span, Work};
use crate::transformer::ops::rope::Rope;
use crate::transformer::passes::Rows;
use crate::transformer::{HeadShape, TransformerError, Visible};

/// The other ranks of a pass.
#[derive(Clone, Copy)]
pub struct Others<'a> {
    /// Those that hold the other parts of each layer; `None` where a rank holds whole layers.
    pub parts: Option<&'a dyn Communicator>,
    /// Exchanges the keys and values in `k` and `v` of a pass whose rows are shared out, over which every reader then has all.
    pub gather: &'a dyn Fn(&mut Work) -> std::result::Result<(), TransformerError>,
}

/// What of a pass is the same in every layer.
#[derive(Debug)]
pub struct Prepared {
    pub cos: Tensor,
    pub sin: Tensor,
    pub spans: Vec<PreparedSpan>,
    pub kept: Kept,
    /// Rows that the last layer is computed for, where those are not all.
    pub wanted: Option<Wanted>,
}

/// What becomes of the keys and values of a pass.
#[derive(Debug)]
pub enum Kept {
    /// They are seen by the pass alone.
    No,
    /// They stand in the pages: first row there, first of the pass, number.
    Rows(Vec<(usize, usize, usize)>),
    /// Where each value of a row stands among the rows of the pages, `(kv_heads, rows, head_dim)`.
    Slots(Tensor),
}

/// Rows that the last layer is computed for.
#[derive(Debug)]
pub struct Wanted {
    /// None where another reader has all of them.
    rows: Option<Tensor>,
    blocks: Vec<Vec<Block>>,
    counts: Vec<usize>,
}

#[derive(Debug)]
pub struct PreparedSpan {
    /// Rows that ask.
    pub count: usize,
    /// Its keys among those of the pass.
    pub keys: Range<usize>,
    pub earlier: Earlier,
    pub blocks: Vec<Block>,
}

/// What rows ask with, see and bring: `(heads, rows, head_dim)` each, the first of query heads, the others of key heads.
pub type Heads = [Tensor; 3];

impl DeviceNet {
    /// Runs the layers over the rows of `work.stream`; what leaves the last one stands there then. With `cut`, the last layer is
    /// computed for the wanted rows alone.
    ///
    /// # Errors
    /// What the device or another rank says.
    pub fn run(
        &self,
        pages: &mut DevicePages,
        work: &mut Work,
        rope: &Rope,
        (rows, cut): (Rows, bool),
        others: Others<'_>,
    ) -> std::result::Result<(), TransformerError> {
        pages.check()?;
        let step = if rows == Rows::Kept && others.parts.is_none() { step::tables(work, cut) } else { None };
        let done = match step {
            Some(tables) => self.step(pages, work, rope, tables).map_err(Into::into),
            None => self.run_rows(pages, work, rope, (rows, cut), others),
        };
        done.map_err(|error| match error {
            TransformerError::Candle(error) => self.on.told(&error).into(),
            other => other,
        })
    }

    fn run_rows(
        &self,
        pages: &DevicePages,
        work: &mut Work,
        rope: &Rope,
        (rows, cut): (Rows, bool),
        others: Others<'_>,
    ) -> std::result::Result<(), TransformerError> {
        let n = work.positions.len();
        let prepared = self.prepare(work, rope, rows, cut)?;
        let mut x = Tensor::from_slice(&work.stream[..n * self.hidden], (n, self.hidden), self.on.device())?;
        for (index, layer) in self.layers.iter().enumerate() {
            let wanted = prepared.wanted.as_ref().filter(|_| index + 1 == self.layers.len());
            let mut heads = self.heads(&x, layer, &prepared)?;
            if work.shared {
                heads = self.gathered(heads, work, others)?;
            }
            let Some(context) = self.attend(heads, pages.layer(index), &prepared, wanted)? else { return Ok(()) };
            if let Some(rows) = wanted.and_then(|wanted| wanted.rows.as_ref()) {
                x = x.index_select(rows, 0)?;
            }
            x = (x + self.summed(layer.o.multiply(&context)?, others)?)?;
            x = (&x + self.summed(self.feed_forward(&x, layer)?, others)?)?;
        }
        #[cfg(feature = "nccl")]
        if let Some(sums) = &self.sums {
            sums.wait()?;
        }
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        work.stream[..values.len()].copy_from_slice(&values);
        Ok(())
    }

    /// The sum over ranks, where there are several: from device to device where NCCL connects them, else on the processor.
    fn summed(&self, part: Tensor, others: Others<'_>) -> std::result::Result<Tensor, TransformerError> {
        let Some(parts) = others.parts else { return Ok(part) };
        #[cfg(feature = "nccl")]
        if let Some(sums) = &self.sums {
            return Ok(sums.sum(&part)?);
        }
        let mut values = part.flatten_all()?.to_vec1::<f32>()?;
        parts.all_reduce_sum(&mut values)?;
        Ok(Tensor::from_vec(values, part.dims(), self.on.device())?)
    }

    pub(super) fn feed_forward(&self, x: &Tensor, layer: &DeviceLayer) -> Result<Tensor> {
        let both = layer.gate_up.multiply(&rms_norm(x, &layer.post_norm, self.eps)?)?;
        let gate = both.narrow(1, 0, self.inner)?.contiguous()?.silu()?;
        let up = both.narrow(1, self.inner, self.inner)?.contiguous()?;
        layer.down.multiply(&(gate * up)?)
    }

    /// Queries, keys and values of all rows, turned to their positions.
    pub(super) fn heads(&self, x: &Tensor, layer: &DeviceLayer, prepared: &Prepared) -> Result<Heads> {
        let (shape, d) = (self.shape, self.shape.head_dim);
        let (n, _) = x.dims2()?;
        let qkv = layer.qkv.multiply(&rms_norm(x, &layer.input_norm, self.eps)?)?;
        let (q_width, kv_width) = (shape.q_width(), shape.kv_width());
        // (l, h d) -> (h, l, d), normed per head and turned to their positions
        let turned = |first: usize, heads: usize, norm: &Tensor| -> Result<Tensor> {
            let part = qkv.narrow(1, first, heads * d)?.contiguous()?.reshape((n * heads, d))?;
            let part = rms_norm(&part, norm, self.eps)?.reshape((1, n, heads, d))?;
            let part = rope_thd(&part, &prepared.cos, &prepared.sin)?.reshape((n, heads, d))?;
            part.to_dtype(self.products)?.transpose(0, 1)?.contiguous()
        };
        let q = turned(0, shape.heads, &layer.q_norm)?;
        let k = turned(q_width, shape.kv_heads, &layer.k_norm)?;
        let v = qkv.narrow(1, q_width + kv_width, kv_width)?.to_dtype(self.products)?;
        Ok([q, k, v.reshape((n, shape.kv_heads, d))?.transpose(0, 1)?.contiguous()?])
    }

    /// The same queries with the keys and values of all readers, which meet on the processor.
    fn gathered(
        &self,
        [q, k, v]: Heads,
        work: &mut Work,
        others: Others<'_>,
    ) -> std::result::Result<Heads, TransformerError> {
        let HeadShape { kv_heads, head_dim, .. } = self.shape;
        for (side, to) in [(&k, &mut work.k), (&v, &mut work.v)] {
            to.clear();
            for Span { rows, .. } in &work.spans {
                let own = side.narrow(1, rows.start, rows.len())?.to_dtype(DType::F32)?;
                to.extend(own.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        (others.gather)(work)?;
        let all = |mut values: &[f32]| -> Result<Tensor> {
            let mut of_span = |span: &Span| {
                let (own, behind) = values.split_at(span.whole * self.shape.kv_width());
                values = behind;
                Tensor::from_slice(own, (kv_heads, span.whole, head_dim), self.on.device())?.to_dtype(self.products)
            };
            let spans = work.spans.iter().map(&mut of_span).collect::<Result<Vec<_>>>()?;
            if let [one] = &spans[..] { Ok(one.clone()) } else { Tensor::cat(&spans, 1)?.contiguous() }
        };
        Ok([q, all(&work.k)?, all(&work.v)?])
    }

    /// Contexts of all rows, or of those that are wanted: `(rows, heads * head_dim)`; `None` where no row is. Keys and values are
    /// kept, if they are to be.
    pub(super) fn attend(
        &self,
        [mut q, k, v]: Heads,
        sides: &[Tensor; 2],
        prepared: &Prepared,
        wanted: Option<&Wanted>,
    ) -> Result<Option<Tensor>> {
        for (side, new) in sides.iter().zip([&k, &v]) {
            match &prepared.kept {
                Kept::No => (),
                Kept::Slots(slots) => side.scatter_set(slots, new, 1)?,
                Kept::Rows(rows) => rows.iter().try_for_each(|(to, from, count)| {
                    side.slice_set(&new.narrow(1, *from, *count)?.contiguous()?, 1, *to)
                })?,
            }
        }
        if let Some(wanted) = wanted {
            let Some(rows) = &wanted.rows else { return Ok(None) };
            q = q.index_select(rows, 1)?;
        }
        let (mut contexts, mut asked) = (Vec::new(), 0);
        for (number, span) in prepared.spans.iter().enumerate() {
            let new = |side: &Tensor| side.narrow(1, span.keys.start, span.keys.len());
            let passing = if matches!(prepared.kept, Kept::No) { Some([new(&k)?, new(&v)?]) } else { None };
            let seen = Seen::new(&span.earlier, sides, passing)?;
            let (blocks, count) = match wanted {
                Some(wanted) => (&wanted.blocks[number], wanted.counts[number]),
                None => (&span.blocks, span.count),
            };
            let q = q.narrow(1, asked, count)?;
            for block in blocks {
                contexts.push(seen.attend(&q, block, self.shape)?);
            }
            asked += count;
        }
        if let [all] = &contexts[..] { Ok(Some(all.clone())) } else { Tensor::cat(&contexts, 0).map(Some) }
    }

    fn prepare(&self, work: &Work, rope: &Rope, rows: Rows, cut: bool) -> Result<Prepared> {
        let (n, half) = (work.positions.len(), self.shape.head_dim / 2);
        let (mut cos, mut sin) = (Vec::with_capacity(n * half), Vec::with_capacity(n * half));
        for position in &work.positions {
            let (c, s) = rope.at(*position);
            cos.extend_from_slice(c);
            sin.extend_from_slice(s);
        }
        let table = |values: Vec<f32>| Tensor::from_vec(values, (n, half), self.on.device());
        let (mut spans, mut writes, mut first) = (Vec::with_capacity(work.spans.len()), Vec::new(), 0);
        for Span { rows: span, start, table, whole, .. } in &work.spans {
            let (table, keys) = (&work.tables[table.clone()], first..first + whole);
            first = keys.end;
            let seen = match rows {
                Rows::Kept => {
                    writes
                        .extend(written(table, *start, *whole).map(|(to, from, count)| (to, keys.start + from, count)));
                    start + whole
                }
                Rows::Passing => *start,
            };
            let (count, earlier) = (span.len(), Earlier::new(table, seen, &self.on)?);
            let blocks = blocks(&work.visible[span.clone()], self.shape, &self.on)?;
            spans.push(PreparedSpan { count, keys, earlier, blocks });
        }
        let wanted = if cut && work.outputs.len() < n { Some(self.wanted(work)?) } else { None };
        let kept = if rows == Rows::Kept { Kept::Rows(writes) } else { Kept::No };
        Ok(Prepared { cos: table(cos)?, sin: table(sin)?, spans, kept, wanted })
    }

    fn wanted(&self, work: &Work) -> Result<Wanted> {
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        for span in &work.spans {
            let [from, to] = [span.rows.start, span.rows.end].map(|row| work.outputs.partition_point(|o| *o < row));
            let some: Vec<Visible> = work.outputs[from..to].iter().map(|row| work.visible[*row]).collect();
            all.push(blocks(&some, self.shape, &self.on)?);
            counts.push(to - from);
        }
        let rows: Vec<u32> = work.outputs.iter().map(|row| *row as u32).collect();
        let len = rows.len();
        let rows = if len == 0 { None } else { Some(Tensor::from_vec(rows, len, self.on.device())?) };
        Ok(Wanted { rows, blocks: all, counts })
    }
}

/// Where rows of a branch stand from `start` on: first row among the pages, first of them, number.
fn written(table: &[u32], start: usize, count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (mut skipped, mut done, mut writes) = (0, 0, Vec::new());
    for (first, len) in runs(table, start + count) {
        let skip = start.saturating_sub(skipped).min(len);
        skipped += len;
        if len > skip {
            writes.push((first + skip, done, len - skip));
            done += len - skip;
        }
    }
    writes.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_behind_those_held() {
        let written = |table: &[u32], start, count| written(table, start, count).collect::<Vec<_>>();
        assert_eq!(written(&[4, 5, 9], 60, 80), [(316, 0, 68), (576, 68, 12)]);
        assert_eq!(written(&[3], 0, 5), [(192, 0, 5)]);
        assert_eq!(written(&[3, 1], 64, 1), [(64, 0, 1)]);
    }
}

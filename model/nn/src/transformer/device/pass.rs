//! The layers over the rows of a pass.

use candle_core::{Result, Tensor};
use candle_nn::ops::rms_norm;
use candle_nn::rotary_emb::rope_thd;

use super::attention::{Block, Earlier, Seen, blocks};
use super::pages::runs;
use super::{DeviceLayer, DeviceNet, DevicePages, step};
use crate::parallel::Communicator;
use crate::transformer::kv::{Span, Work};
use crate::transformer::ops::rope::Rope;
use crate::transformer::passes::Rows;
use crate::transformer::{TransformerError, Visible};

/// The ranks that hold the other parts of each layer; `None` where a rank holds whole layers.
pub type Others<'a> = Option<&'a dyn Communicator>;

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
    /// Each span says where its rows stand.
    Spans,
    /// Where each value of a row stands among the rows of the pages, `(kv_heads, rows, head_dim)`.
    Slots(Tensor),
}

#[derive(Debug)]
pub struct Wanted {
    rows: Tensor,
    blocks: Vec<Vec<Block>>,
    counts: Vec<usize>,
}

#[derive(Debug)]
pub struct PreparedSpan {
    pub rows: std::ops::Range<usize>,
    /// Where its rows are kept: first row among the pages, first row of the span, number.
    pub writes: Vec<(usize, usize, usize)>,
    pub earlier: Earlier,
    pub blocks: Vec<Block>,
}

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
        let step = if rows == Rows::Kept && others.is_none() { step::tables(work, cut) } else { None };
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
        let n = work.tokens.len();
        let prepared = self.prepare(work, rope, rows, cut)?;
        let mut x = Tensor::from_slice(&work.stream[..n * self.hidden], (n, self.hidden), self.on.device())?;
        for (index, layer) in self.layers.iter().enumerate() {
            let wanted = prepared.wanted.as_ref().filter(|_| index + 1 == self.layers.len());
            let context = self.attend(&x, layer, pages.layer(index), &prepared, wanted)?;
            if let Some(wanted) = wanted {
                x = x.index_select(&wanted.rows, 0)?;
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
        let Some(others) = others else { return Ok(part) };
        #[cfg(feature = "nccl")]
        if let Some(sums) = &self.sums {
            return Ok(sums.sum(&part)?);
        }
        let mut values = part.flatten_all()?.to_vec1::<f32>()?;
        others.all_reduce_sum(&mut values)?;
        Ok(Tensor::from_vec(values, part.dims(), self.on.device())?)
    }

    pub(super) fn feed_forward(&self, x: &Tensor, layer: &DeviceLayer) -> Result<Tensor> {
        let both = layer.gate_up.multiply(&rms_norm(x, &layer.post_norm, self.eps)?)?;
        let gate = both.narrow(1, 0, self.inner)?.contiguous()?.silu()?;
        let up = both.narrow(1, self.inner, self.inner)?.contiguous()?;
        layer.down.multiply(&(gate * up)?)
    }

    /// Contexts of all rows, or of those that are wanted: `(rows, heads * head_dim)`.
    pub(super) fn attend(
        &self,
        x: &Tensor,
        layer: &DeviceLayer,
        sides: &[Tensor; 2],
        prepared: &Prepared,
        wanted: Option<&Wanted>,
    ) -> Result<Tensor> {
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
        let mut q = turned(0, shape.heads, &layer.q_norm)?;
        let k = turned(q_width, shape.kv_heads, &layer.k_norm)?;
        let v = qkv.narrow(1, q_width + kv_width, kv_width)?.to_dtype(self.products)?;
        let v = v.reshape((n, shape.kv_heads, d))?.transpose(0, 1)?.contiguous()?;
        if let Some(wanted) = wanted {
            q = q.index_select(&wanted.rows, 1)?;
        }
        if let Kept::Slots(slots) = &prepared.kept {
            sides.iter().zip([&k, &v]).try_for_each(|(side, new)| side.scatter_set(slots, new, 1))?;
        }
        let (mut contexts, mut asked) = (Vec::new(), 0);
        for (number, span) in prepared.spans.iter().enumerate() {
            let new = |side: &Tensor| side.narrow(1, span.rows.start, span.rows.len());
            for (to, from, count) in &span.writes {
                for (side, new) in sides.iter().zip([&k, &v]) {
                    let rows = new.narrow(1, span.rows.start + from, *count)?.contiguous()?;
                    side.slice_set(&rows, 1, *to)?;
                }
            }
            let passing = if matches!(prepared.kept, Kept::No) { Some([new(&k)?, new(&v)?]) } else { None };
            let seen = Seen::new(&span.earlier, sides, passing)?;
            let (blocks, count) = match wanted {
                Some(wanted) => (&wanted.blocks[number], wanted.counts[number]),
                None => (&span.blocks, span.rows.len()),
            };
            let q = q.narrow(1, asked, count)?;
            for block in blocks {
                contexts.push(seen.attend(&q, block, shape)?);
            }
            asked += count;
        }
        if let [all] = &contexts[..] { Ok(all.clone()) } else { Tensor::cat(&contexts, 0) }
    }

    fn prepare(&self, work: &Work, rope: &Rope, rows: Rows, cut: bool) -> Result<Prepared> {
        let (n, half) = (work.tokens.len(), self.shape.head_dim / 2);
        let (mut cos, mut sin) = (Vec::with_capacity(n * half), Vec::with_capacity(n * half));
        for token in &work.tokens {
            let (c, s) = rope.at(token.position);
            cos.extend_from_slice(c);
            sin.extend_from_slice(s);
        }
        let table = |values: Vec<f32>| Tensor::from_vec(values, (n, half), self.on.device());
        let visible: Vec<Visible> = work.tokens.iter().map(|token| token.visible).collect();
        let mut spans = Vec::with_capacity(work.spans.len());
        for Span { rows: span, start, table, .. } in &work.spans {
            let (table, count) = (&work.tables[table.clone()], span.len());
            let (seen, writes) = match rows {
                Rows::Kept => (start + count, written(table, *start, count)),
                Rows::Passing => (*start, Vec::new()),
            };
            let blocks = blocks(&visible[span.clone()], self.shape, &self.on)?;
            spans.push(PreparedSpan {
                rows: span.clone(),
                writes,
                earlier: Earlier::new(table, seen, &self.on)?,
                blocks,
            });
        }
        let wanted = if cut && work.outputs.len() < n { Some(self.wanted(work, &visible)?) } else { None };
        let kept = if rows == Rows::Kept { Kept::Spans } else { Kept::No };
        Ok(Prepared { cos: table(cos)?, sin: table(sin)?, spans, kept, wanted })
    }

    fn wanted(&self, work: &Work, visible: &[Visible]) -> Result<Wanted> {
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        for span in &work.spans {
            let [from, to] = [span.rows.start, span.rows.end].map(|row| work.outputs.partition_point(|o| *o < row));
            let some: Vec<Visible> = work.outputs[from..to].iter().map(|row| visible[*row]).collect();
            all.push(blocks(&some, self.shape, &self.on)?);
            counts.push(to - from);
        }
        let rows: Vec<u32> = work.outputs.iter().map(|row| *row as u32).collect();
        let len = rows.len();
        Ok(Wanted { rows: Tensor::from_vec(rows, len, self.on.device())?, blocks: all, counts })
    }
}

/// Where rows of a branch stand from `start` on: first row among the pages, first of them, number.
fn written(table: &[u32], start: usize, count: usize) -> Vec<(usize, usize, usize)> {
    let (mut skipped, mut done, mut writes) = (0, 0, Vec::new());
    for (first, len) in runs(table, start + count) {
        let skip = start.saturating_sub(skipped).min(len);
        skipped += len;
        if len > skip {
            writes.push((first + skip, done, len - skip));
            done += len - skip;
        }
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_behind_those_held() {
        assert_eq!(written(&[4, 5, 9], 60, 80), [(316, 0, 68), (576, 68, 12)]);
        assert_eq!(written(&[3], 0, 5), [(192, 0, 5)]);
        assert_eq!(written(&[3, 1], 64, 1), [(64, 0, 1)]);
    }
}

//! Passes of one row a branch, as next-token decoding makes them: the same work every time.
//!
//! Key lengths are rounded up to whole pages and the rest is masked; what a token changes (its row, rotary angles, where its keys are
//! written, what it sees) is values of two tensors that stay where they are. So the work can be recorded once for the 64 tokens of a
//! page and replayed ([`Repeated`]).

use candle_core::{DType, Result, Tensor};

use super::attention::{Block, Earlier};
use super::pages::slots;
use super::pass::{Kept, Prepared, PreparedSpan};
use super::{DeviceNet, DevicePages};
use crate::device::Repeated;
use crate::transformer::kv::{PAGE_ROWS, Span, Work};
use crate::transformer::ops::rope::Rope;

/// Branches up to which a pass is a step; more are worth a pass of their own.
const MOST_BRANCHES: usize = 16;
/// Steps that a store remembers: those of a guided pair and of a few branches beside it.
pub(super) const MOST_STEPS: usize = 8;

/// A step over certain pages.
#[derive(Debug)]
pub struct Step {
    /// The pages of each branch, as many as hold its rows and the new one.
    tables: Vec<Vec<u32>>,
    /// Rows of the stream, cosines, sines and masks, one behind the other.
    values: Tensor,
    /// For each key head and branch the row that is written, `(kv_heads, branches, head_dim)`.
    slots: Tensor,
    x: Tensor,
    prepared: Prepared,
    out: Tensor,
    repeated: Repeated,
}

/// The pages that a step would be over; `None` for passes of other forms. With `cut`, rows that are not wanted leave the last layer.
pub fn tables(work: &Work, cut: bool) -> Option<Vec<Vec<u32>>> {
    let of = |span: &Span| {
        let pages = (span.start + 1).div_ceil(PAGE_ROWS);
        (span.rows.len() == 1).then(|| work.tables[span.table.clone()].get(..pages).map(<[u32]>::to_vec)).flatten()
    };
    let whole = !cut || work.outputs.len() == work.tokens.len();
    let fits = whole && (1..=MOST_BRANCHES).contains(&work.spans.len());
    fits.then(|| work.spans.iter().map(of).collect()).flatten()
}

impl Step {
    fn new(net: &DeviceNet, tables: Vec<Vec<u32>>) -> Result<Self> {
        let (n, half, device) = (tables.len(), net.shape.head_dim / 2, net.on.device());
        let keys: Vec<usize> = tables.iter().map(|table| table.len() * PAGE_ROWS).collect();
        let sizes: Vec<usize> = [n * net.hidden, n * half, n * half].into_iter().chain(keys.iter().copied()).collect();
        let values = Tensor::zeros(sizes.iter().sum::<usize>(), DType::F32, device)?;
        let slots = Tensor::zeros((net.shape.kv_heads, n, net.shape.head_dim), DType::U32, device)?;
        let part = |index: usize| values.narrow(0, sizes[..index].iter().sum(), sizes[index]);
        let span = |(number, table): (usize, &Vec<u32>)| {
            let keys = keys[number];
            let mask = part(3 + number)?.reshape((1, 1, keys))?;
            Ok(PreparedSpan {
                count: 1,
                keys: number..number + 1,
                earlier: Earlier::new(table, keys, &net.on)?,
                blocks: vec![Block::masked_row(keys, mask)],
            })
        };
        let prepared = Prepared {
            cos: part(1)?.reshape((n, half))?,
            sin: part(2)?.reshape((n, half))?,
            spans: tables.iter().enumerate().map(span).collect::<Result<_>>()?,
            kept: Kept::Slots(slots.clone()),
            wanted: None,
        };
        let (x, out) = (part(0)?.reshape((n, net.hidden))?, Tensor::zeros((n, net.hidden), DType::F32, device)?);
        Ok(Self { tables, values, slots, x, prepared, out, repeated: Repeated::default() })
    }

    /// Brings what the next token changes to the device.
    fn fill(&self, net: &DeviceNet, work: &Work, rope: &Rope) -> Result<()> {
        let n = work.tokens.len();
        let mut values = Vec::with_capacity(self.values.elem_count());
        values.extend_from_slice(&work.stream[..n * net.hidden]);
        work.tokens.iter().for_each(|token| values.extend_from_slice(rope.at(token.position).0));
        work.tokens.iter().for_each(|token| values.extend_from_slice(rope.at(token.position).1));
        for (token, table) in work.tokens.iter().zip(&self.tables) {
            let (first, keys) = (values.len(), table.len() * PAGE_ROWS);
            values.resize(first + keys, f32::NEG_INFINITY);
            for range in token.visible.within(0, keys) {
                values[first..][range].fill(0.0);
            }
        }
        let row = |(span, table): (&Span, &Vec<u32>)| {
            (table[span.start / PAGE_ROWS] as usize * PAGE_ROWS + span.start % PAGE_ROWS) as u32
        };
        let rows: Vec<u32> = work.spans.iter().zip(&self.tables).map(row).collect();
        self.values.slice_set(&Tensor::from_vec(values, self.values.dims(), net.on.device())?, 0, 0)?;
        self.slots.slice_set(&slots(&rows, net.shape, &net.on)?, 0, 0)
    }
}

impl DeviceNet {
    /// Runs the layers over one row of each branch, whose pages are `tables`.
    pub(super) fn step(
        &self,
        pages: &mut DevicePages,
        work: &mut Work,
        rope: &Rope,
        tables: Vec<Vec<u32>>,
    ) -> Result<()> {
        // The step that was used last is the last one.
        let step = match pages.steps.iter().position(|step| step.tables == tables) {
            Some(at) => pages.steps.remove(at),
            None => Step::new(self, tables)?,
        };
        step.fill(self, work, rope)?;
        let layers = || {
            let mut x = step.x.clone();
            for (index, layer) in self.layers.iter().enumerate() {
                let heads = self.heads(&x, layer, &step.prepared)?;
                let context = self.attend(heads, pages.layer(index), &step.prepared, None)?;
                let context = context.ok_or_else(|| candle_core::Error::Msg("a step of no row".to_owned()))?;
                x = (x + layer.o.multiply(&context)?)?;
                x = (&x + self.feed_forward(&x, layer)?)?;
            }
            step.out.slice_set(&x, 0, 0)
        };
        step.repeated.run(&self.on, &step.out, &layers)?;
        let values = step.out.flatten_all()?.to_vec1::<f32>()?;
        work.stream[..values.len()].copy_from_slice(&values);
        if pages.steps.len() >= MOST_STEPS {
            pages.steps.remove(0);
        }
        pages.steps.push(step);
        Ok(())
    }
}

//! Forward and backward through the layers.
//!
//! Everything but attention works on chunks of rows that fit the second-level cache; what the backward pass needs is kept
//! rounded to the unit.

use std::ops::Range;
use std::sync::Arc;

use super::heads::{AttentionStep, HeadBuffers};
use super::weights::LayerWeights;
use super::{Gradients, LossRow, RowLoss, Weights};
use crate::kernels::{Channels, Kept, Right, Rows, Unit, multiply_tn};
use crate::transformer::ops::attention::Remember;
use crate::transformer::ops::heads::HeadNormGradients;
use crate::transformer::ops::{add, rmsnorm, swiglu};
use crate::transformer::{Batch, NO_ID, TransformerError, Visible, sized};

/// Rows of a chunk; a multiple of 32, as operands want it.
const CHUNK: usize = 128;

/// What a layer keeps for its backward pass.
#[derive(Debug, Default)]
struct Saved {
    /// Residual stream that came in, `(rows, hidden)`.
    input: Kept,
    input_scale: Vec<f32>,
    qkv: Kept,
    head_scales: Vec<f32>,
    /// Attention weights of all sequences, each `(heads, l, l)`.
    probs: Kept,
    context: Kept,
    /// Residual stream after attention.
    middle: Kept,
    middle_scale: Vec<f32>,
    gate_up: Kept,
}

/// Operands of products, kept between uses.
#[derive(Debug, Default)]
pub(super) struct Operands {
    pub rows: Rows,
    /// Gradients of a layer's inner and outer outputs.
    pub inner: Channels,
    pub outer: Channels,
    /// Inputs of a layer's inner and outer products.
    pub inner_input: Right,
    pub outer_input: Right,
}

/// One shard's forward and backward passes.
#[derive(Debug, Default)]
pub struct Pass {
    saved: Vec<Saved>,
    heads: HeadBuffers,
    pub(super) positions: Vec<u32>,
    visible: Vec<Visible>,
    /// Residual stream, later its gradient.
    pub(super) stream: Vec<f32>,
    /// Queries, keys and values of the whole batch, later their gradient.
    qkv: Vec<f32>,
    context: Vec<f32>,
    pub(super) operands: Operands,
    pub(super) chunk: ChunkBuffers,
    pub(super) head_rows: Vec<f32>,
    pub(super) logits: Vec<f32>,
}

/// Buffers of one chunk of rows.
#[derive(Debug, Default)]
pub(super) struct ChunkBuffers {
    pub narrow: Vec<f32>,
    pub normed: Vec<f32>,
    pub wide: Vec<f32>,
    pub act: Vec<f32>,
    pub dact: Vec<f32>,
}

fn chunks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(CHUNK).map(move |start| start..(start + CHUNK).min(rows))
}

fn scaled(range: &Range<usize>, width: usize) -> Range<usize> {
    range.start * width..range.end * width
}

impl Pass {
    /// Losses of `targets`, and with `gradients` the gradient of their weighted sum added to them.
    ///
    /// # Errors
    /// When the batch does not fit the model or a target does not fit the batch.
    pub fn run(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        targets: &[LossRow],
        gradients: Option<&mut Gradients>,
    ) -> Result<Vec<RowLoss>, TransformerError> {
        let config = &weights.config;
        batch.check(config.vocab_size, weights.rope.positions())?;
        let rows = batch.tokens().len();
        if let Some(bad) = targets.iter().find(|t| t.row as usize >= rows || t.target as usize >= config.vocab_size) {
            let text = format!("{bad:?} does not fit {rows} rows and {} ids", config.vocab_size);
            return Err(TransformerError::Input(text));
        }
        self.forward(weights, batch);
        let mut losses = vec![RowLoss::default(); targets.len()];
        match gradients {
            None => self.head(weights, targets, &mut losses, None),
            Some(gradients) => {
                self.head(weights, targets, &mut losses, Some(gradients));
                self.backward(weights, batch, gradients);
            }
        }
        Ok(losses)
    }

    /// The residual stream after the last layer and the final norm, `(rows, hidden)`.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn hidden(&mut self, weights: &Weights, batch: &Batch) -> Result<Vec<f32>, TransformerError> {
        batch.check(weights.config.vocab_size, weights.rope.positions())?;
        self.forward(weights, batch);
        let rows = batch.tokens().len();
        let mut out = vec![0.0; rows * weights.config.hidden_size];
        let eps = weights.config.rms_norm_eps as f32;
        rmsnorm::forward(&self.stream[..out.len()], &weights.norm, eps, &mut out, &mut vec![0.0; rows]);
        Ok(out)
    }

    fn forward(&mut self, weights: &Weights, batch: &Batch) {
        let config = &weights.config;
        let (d, shape, unit) = (config.hidden_size, config.head_shape(), weights.unit);
        let eps = config.rms_norm_eps as f32;
        let rows = batch.tokens().len();
        self.positions.clear();
        self.positions.extend(batch.tokens().iter().map(|t| t.position));
        self.visible.clear();
        self.visible.extend(batch.tokens().iter().map(|t| t.visible));
        self.saved.resize_with(config.num_hidden_layers, Saved::default);
        let stream = sized(&mut self.stream, rows * d);
        weights.embed(batch.tokens(), stream);
        let qkv = sized(&mut self.qkv, rows * shape.qkv_width());
        let context = sized(&mut self.context, rows * shape.q_width());
        for (layer, saved) in weights.layers.iter().zip(&mut self.saved) {
            for range in chunks(rows) {
                let input = &stream[scaled(&range, d)];
                let normed = sized(&mut self.chunk.normed, input.len());
                let scale = &mut sized(&mut saved.input_scale, rows)[range.clone()];
                saved.input.put(unit, range.start * d, input);
                rmsnorm::forward(input, &layer.input_norm, eps, normed, scale);
                self.operands.rows.fill(unit, normed, d);
                let qkv = &mut qkv[scaled(&range, shape.qkv_width())];
                layer.qkv.forward(&self.operands.rows, qkv, false);
                saved.qkv.put(unit, range.start * shape.qkv_width(), qkv);
            }
            let scales = sized(&mut saved.head_scales, rows * (shape.heads + shape.kv_heads));
            let mut first = 0;
            for range in batch.sequences() {
                let len = shape.heads * range.len() * range.len();
                let step = AttentionStep { weights, layer, positions: &self.positions, range };
                let remember = Remember { kept: &mut saved.probs, first };
                self.heads.forward(&step, qkv, &self.visible, scales, remember, context);
                first += len;
            }
            for range in chunks(rows) {
                let context = &context[scaled(&range, shape.q_width())];
                saved.context.put(unit, range.start * shape.q_width(), context);
                self.operands.rows.fill(unit, context, shape.q_width());
                let stream = &mut stream[scaled(&range, d)];
                layer.o.forward(&self.operands.rows, stream, true);
                feed_forward(layer, saved, (unit, eps), range, stream, &mut self.operands, &mut self.chunk);
            }
        }
    }

    fn backward(&mut self, weights: &Weights, batch: &Batch, gradients: &mut Gradients) {
        let config = &weights.config;
        let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
        let unit = weights.unit;
        let rows = batch.tokens().len();
        let layout = Arc::clone(&weights.layout);
        let dstream = sized(&mut self.stream, rows * d);
        let qkv = sized(&mut self.qkv, rows * shape.qkv_width());
        let dcontext = sized(&mut self.context, rows * shape.q_width());
        let Operands { rows: left, inner, outer, inner_input, outer_input } = &mut self.operands;
        for (i, (layer, saved)) in weights.layers.iter().zip(&mut self.saved).enumerate().rev() {
            let at = layout.layer(i);
            inner.begin(unit, rows, 2 * f);
            inner_input.begin(unit, rows, d);
            outer.begin(unit, rows, d);
            outer_input.begin(unit, rows, f);
            for range in chunks(rows) {
                let (n, first) = (range.len(), range.start);
                let dstream = &mut dstream[scaled(&range, d)];
                let gate_up = sized(&mut self.chunk.wide, n * 2 * f);
                saved.gate_up.get(unit, first * 2 * f, gate_up);
                let (act, dact) = (sized(&mut self.chunk.act, n * f), sized(&mut self.chunk.dact, n * f));
                left.fill(unit, dstream, d);
                layer.down.backward_input(left, dact);
                swiglu::backward(gate_up, f, dact, act);
                outer.put(unit, first, dstream);
                outer_input.put(unit, first, act);
                inner.put(unit, first, gate_up);
                left.fill(unit, gate_up, 2 * f);
                let (middle, normed) = (sized(&mut self.chunk.narrow, n * d), sized(&mut self.chunk.normed, n * d));
                saved.middle.get(unit, first * d, middle);
                let scale = &saved.middle_scale[range];
                rmsnorm::again(middle, &layer.post_norm, scale, normed);
                inner_input.put(unit, first, normed);
                layer.gate_up.backward_input(left, normed);
                let dnorm = &mut gradients.flat[at.post_norm.clone()];
                rmsnorm::backward(normed, middle, &layer.post_norm, scale, dstream, dnorm);
            }
            multiply_tn(unit, outer, outer_input, &mut gradients.flat[at.down], true);
            multiply_tn(unit, inner, inner_input, &mut gradients.flat[at.gate_up], true);

            outer.begin(unit, rows, d);
            outer_input.begin(unit, rows, shape.q_width());
            for range in chunks(rows) {
                let (n, first) = (range.len(), range.start);
                let dstream = &dstream[scaled(&range, d)];
                let context = sized(&mut self.chunk.narrow, n * shape.q_width());
                saved.context.get(unit, first * shape.q_width(), context);
                outer.put(unit, first, dstream);
                outer_input.put(unit, first, context);
                left.fill(unit, dstream, d);
                layer.o.backward_input(left, &mut dcontext[scaled(&range, shape.q_width())]);
            }
            multiply_tn(unit, outer, outer_input, &mut gradients.flat[at.o], true);

            let mut first = 0;
            for range in batch.sequences() {
                let len = shape.heads * range.len() * range.len();
                let (q, k) = gradients.pair(at.q_norm.clone(), at.k_norm.clone());
                let norms = HeadNormGradients { q, k };
                saved.qkv.get(unit, range.start * shape.qkv_width(), &mut qkv[scaled(&range, shape.qkv_width())]);
                let step = AttentionStep { weights, layer, positions: &self.positions, range };
                let scales = &mut saved.head_scales[..];
                self.heads.backward(&step, (&saved.probs, first), dcontext, qkv, scales, norms);
                first += len;
            }
            inner.begin(unit, rows, shape.qkv_width());
            inner_input.begin(unit, rows, d);
            for range in chunks(rows) {
                let (n, first) = (range.len(), range.start);
                let dqkv = &qkv[scaled(&range, shape.qkv_width())];
                let dstream = &mut dstream[scaled(&range, d)];
                let (input, normed) = (sized(&mut self.chunk.narrow, n * d), sized(&mut self.chunk.normed, n * d));
                saved.input.get(unit, first * d, input);
                let scale = &saved.input_scale[range];
                rmsnorm::again(input, &layer.input_norm, scale, normed);
                inner.put(unit, first, dqkv);
                inner_input.put(unit, first, normed);
                left.fill(unit, dqkv, shape.qkv_width());
                layer.qkv.backward_input(left, normed);
                let dnorm = &mut gradients.flat[at.input_norm.clone()];
                rmsnorm::backward(normed, input, &layer.input_norm, scale, dstream, dnorm);
            }
            multiply_tn(unit, inner, inner_input, &mut gradients.flat[at.qkv], true);
        }
        let dembedding = &mut gradients.flat[layout.embedding()];
        for (token, grad) in batch.tokens().iter().zip(dstream.chunks_exact(d)) {
            let marks = token.marks.iter().filter(|mark| **mark != NO_ID);
            for id in std::iter::once(&token.id).chain(marks) {
                add(grad, &mut dembedding[*id as usize * d..][..d]);
            }
        }
    }
}

/// The second half of a layer over a chunk of rows; `stream` is the residual stream after attention, then after the layer.
fn feed_forward(
    layer: &LayerWeights,
    saved: &mut Saved,
    (unit, eps): (Unit, f32),
    range: Range<usize>,
    stream: &mut [f32],
    operands: &mut Operands,
    chunk: &mut ChunkBuffers,
) {
    let (n, d) = (range.len(), layer.post_norm.len());
    let f = layer.intermediate;
    saved.middle.put(unit, range.start * d, stream);
    let normed = sized(&mut chunk.normed, n * d);
    let scale = &mut sized(&mut saved.middle_scale, range.end)[range.clone()];
    rmsnorm::forward(stream, &layer.post_norm, eps, normed, scale);
    operands.rows.fill(unit, normed, d);
    let gate_up = sized(&mut chunk.wide, n * 2 * f);
    layer.gate_up.forward(&operands.rows, gate_up, false);
    saved.gate_up.put(unit, range.start * 2 * f, gate_up);
    let act = sized(&mut chunk.act, n * f);
    swiglu::forward(gate_up, f, act);
    operands.rows.fill(unit, act, f);
    layer.down.forward(&operands.rows, stream, true);
}

//! Forward and backward through the layers.

use std::sync::Arc;

use super::heads::{AttentionStep, HeadBuffers};
use super::{Gradients, LossRow, RowLoss, Weights, sized};
use crate::transformer::ops::heads::HeadNormGradients;
use crate::transformer::ops::{add, rmsnorm, swiglu};
use crate::transformer::{Batch, NO_ID, TransformerError, Visible};

/// What a layer keeps for its backward pass.
#[derive(Debug, Default)]
struct Saved {
    /// Residual stream that came in, `(rows, hidden)`.
    input: Vec<f32>,
    input_scale: Vec<f32>,
    qkv: Vec<f32>,
    head_scales: Vec<f32>,
    /// Attention weights of all sequences, each `(heads, l, l)`.
    probs: Vec<f32>,
    context: Vec<f32>,
    /// Residual stream after attention.
    middle: Vec<f32>,
    middle_scale: Vec<f32>,
    gate_up: Vec<f32>,
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
    normed: Vec<f32>,
    wide: Vec<f32>,
    wide_grad: Vec<f32>,
    pub(super) narrow: Vec<f32>,
    pub(super) product: Vec<f32>,
    pub(super) head_rows: Vec<f32>,
    pub(super) logits: Vec<f32>,
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
        let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
        let eps = config.rms_norm_eps as f32;
        let rows = batch.tokens().len();
        self.positions.clear();
        self.positions.extend(batch.tokens().iter().map(|t| t.position));
        self.visible.clear();
        self.visible.extend(batch.tokens().iter().map(|t| t.visible));
        self.saved.resize_with(config.num_hidden_layers, Saved::default);
        let probs_len: usize = batch.sequences().map(|s| shape.heads * s.len() * s.len()).sum();

        let stream = sized(&mut self.stream, rows * d);
        weights.embed(batch.tokens(), stream);
        let normed = sized(&mut self.normed, rows * d);
        let act = sized(&mut self.wide, rows * f);
        for (layer, saved) in weights.layers.iter().zip(&mut self.saved) {
            let input = sized(&mut saved.input, rows * d);
            input.copy_from_slice(stream);
            rmsnorm::forward(input, &layer.input_norm, eps, normed, sized(&mut saved.input_scale, rows));
            let qkv = sized(&mut saved.qkv, rows * shape.qkv_width());
            layer.qkv.forward(normed, rows, qkv);
            let scales = sized(&mut saved.head_scales, rows * (shape.heads + shape.kv_heads));
            let context = sized(&mut saved.context, rows * shape.q_width());
            let probs = sized(&mut saved.probs, probs_len);
            let mut probs_start = 0;
            for range in batch.sequences() {
                let len = shape.heads * range.len() * range.len();
                let probs = &mut probs[probs_start..probs_start + len];
                probs_start += len;
                let step = AttentionStep { weights, layer, positions: &self.positions, range };
                self.heads.forward(&step, qkv, &self.visible, scales, probs, context);
            }
            let middle = sized(&mut saved.middle, rows * d);
            layer.o.forward(context, rows, middle);
            add(stream, middle);
            rmsnorm::forward(middle, &layer.post_norm, eps, normed, sized(&mut saved.middle_scale, rows));
            let gate_up = sized(&mut saved.gate_up, rows * 2 * f);
            layer.gate_up.forward(normed, rows, gate_up);
            swiglu::forward(gate_up, f, act);
            layer.down.forward(act, rows, stream);
            add(middle, stream);
        }
    }

    fn backward(&mut self, weights: &Weights, batch: &Batch, gradients: &mut Gradients) {
        let config = &weights.config;
        let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
        let rows = batch.tokens().len();
        let layout = Arc::clone(&weights.layout);
        let dstream = sized(&mut self.stream, rows * d);
        let normed = sized(&mut self.normed, rows * d);
        let dnormed = sized(&mut self.narrow, rows * d);
        let act = sized(&mut self.wide, rows * f);
        let dact = sized(&mut self.wide_grad, rows * f);
        for (i, (layer, saved)) in weights.layers.iter().zip(&mut self.saved).enumerate().rev() {
            let at = layout.layer(i);
            // Feed-forward.
            let gate_up = &mut saved.gate_up[..rows * 2 * f];
            layer.down.backward_input(dstream, rows, dact);
            swiglu::backward(gate_up, f, dact, act);
            layer.down.backward_weight(dstream, act, rows, &mut gradients.flat[at.down], &mut self.product);
            let (middle, scale) = (&saved.middle[..rows * d], &saved.middle_scale[..rows]);
            rmsnorm::again(middle, &layer.post_norm, scale, normed);
            layer.gate_up.backward_weight(gate_up, normed, rows, &mut gradients.flat[at.gate_up], &mut self.product);
            layer.gate_up.backward_input(gate_up, rows, dnormed);
            rmsnorm::backward(dnormed, middle, &layer.post_norm, scale, dstream, &mut gradients.flat[at.post_norm]);
            // Attention.
            let context = &mut saved.context[..rows * shape.q_width()];
            layer.o.backward_weight(dstream, context, rows, &mut gradients.flat[at.o], &mut self.product);
            layer.o.backward_input(dstream, rows, context);
            let qkv = &mut saved.qkv[..rows * shape.qkv_width()];
            let scales = &mut saved.head_scales[..];
            let mut probs_start = 0;
            for range in batch.sequences() {
                let len = shape.heads * range.len() * range.len();
                let probs = &saved.probs[probs_start..probs_start + len];
                probs_start += len;
                let (q, k) = gradients.pair(at.q_norm.clone(), at.k_norm.clone());
                let norms = HeadNormGradients { q, k };
                let step = AttentionStep { weights, layer, positions: &self.positions, range };
                self.heads.backward(&step, probs, context, qkv, scales, norms);
            }
            let (input, scale) = (&saved.input[..rows * d], &saved.input_scale[..rows]);
            rmsnorm::again(input, &layer.input_norm, scale, normed);
            layer.qkv.backward_weight(qkv, normed, rows, &mut gradients.flat[at.qkv], &mut self.product);
            layer.qkv.backward_input(qkv, rows, dnormed);
            rmsnorm::backward(dnormed, input, &layer.input_norm, scale, dstream, &mut gradients.flat[at.input_norm]);
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

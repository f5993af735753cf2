//! Attention of one sequence at a time, so that its heads stay in cache.

use std::ops::Range;

use super::weights::{LayerWeights, Weights};
use crate::kernels::Kept;
use crate::transformer::ops::attention::{self, Gradients, Keys, Remember};
use crate::transformer::ops::heads::{self, HeadNormGradients, HeadNorms, HeadsMut};
use crate::transformer::{Visible, sized};

/// Buffers of one sequence, kept between calls.
#[derive(Debug, Default)]
pub(super) struct HeadBuffers {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    context: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    scratch: attention::Scratch,
}

/// One layer of one sequence: which weights, where in the batch.
pub(super) struct AttentionStep<'a> {
    pub weights: &'a Weights,
    pub layer: &'a LayerWeights,
    /// Positions of the whole batch.
    pub positions: &'a [u32],
    /// Rows of the sequence.
    pub range: Range<usize>,
}

impl AttentionStep<'_> {
    fn norms(&self) -> HeadNorms<'_> {
        let eps = self.weights.config.rms_norm_eps as f32;
        HeadNorms { q: &self.layer.q_norm, k: &self.layer.k_norm, eps }
    }

    fn rows(&self, width: usize) -> Range<usize> {
        self.range.start * width..self.range.end * width
    }
}

impl HeadBuffers {
    fn split(&mut self, step: &AttentionStep<'_>, qkv: &[f32], scales: &mut [f32]) {
        let shape = step.weights.config.head_shape();
        let l = step.range.len();
        let to = HeadsMut {
            q: sized(&mut self.q, l * shape.q_width()),
            k: sized(&mut self.k, l * shape.kv_width()),
            v: sized(&mut self.v, l * shape.kv_width()),
            capacity: l,
            kv_row: 0,
        };
        let positions = &step.positions[step.range.clone()];
        let (qkv, scales) = (&qkv[step.rows(shape.qkv_width())], &mut scales[step.rows(shape.heads + shape.kv_heads)]);
        heads::split(qkv, shape, positions, &step.weights.rope, step.norms(), to, scales);
    }

    /// `qkv`, `scales`, `visible` and `context` are those of the whole batch.
    pub(super) fn forward(
        &mut self,
        step: &AttentionStep<'_>,
        qkv: &[f32],
        visible: &[Visible],
        scales: &mut [f32],
        remember: Remember<'_>,
        context: &mut [f32],
    ) {
        let shape = step.weights.config.head_shape();
        let l = step.range.len();
        self.split(step, qkv, scales);
        let (q_len, kv_len) = (l * shape.q_width(), l * shape.kv_width());
        let keys = Keys { k: &self.k[..kv_len], v: &self.v[..kv_len], capacity: l, len: l };
        let out = sized(&mut self.context, q_len);
        let visible = &visible[step.range.clone()];
        let (unit, q) = (step.weights.unit, &self.q[..q_len]);
        attention::forward(unit, shape, q, std::iter::once(keys), visible, Some(remember), out, &mut self.scratch);
        heads::merge(out, shape, l, &mut context[step.rows(shape.q_width())]);
    }

    /// `dcontext` is the gradient of the context; `qkv` becomes its own gradient.
    pub(super) fn backward(
        &mut self,
        step: &AttentionStep<'_>,
        probs: (&Kept, usize),
        dcontext: &[f32],
        qkv: &mut [f32],
        scales: &mut [f32],
        norm_gradients: HeadNormGradients<'_>,
    ) {
        let shape = step.weights.config.head_shape();
        let l = step.range.len();
        self.split(step, qkv, scales);
        let (q_len, kv_len) = (l * shape.q_width(), l * shape.kv_width());
        let keys = Keys { k: &self.k[..kv_len], v: &self.v[..kv_len], capacity: l, len: l };
        let dheads = sized(&mut self.context, q_len);
        heads::unmerge(&dcontext[step.rows(shape.q_width())], shape, l, dheads);
        let (dq, dk, dv) = (sized(&mut self.dq, q_len), sized(&mut self.dk, kv_len), sized(&mut self.dv, kv_len));
        let gradients = Gradients { dcontext: dheads, dq, dk, dv };
        let q = &self.q[..q_len];
        attention::backward(step.weights.unit, shape, q, keys, probs, gradients, &mut self.scratch);
        let grads = HeadsMut {
            q: &mut self.dq[..q_len],
            k: &mut self.dk[..kv_len],
            v: &mut self.dv[..kv_len],
            capacity: l,
            kv_row: 0,
        };
        let positions = &step.positions[step.range.clone()];
        let scales = &scales[step.rows(shape.heads + shape.kv_heads)];
        let qkv = &mut qkv[step.rows(shape.qkv_width())];
        heads::split_backward(qkv, shape, positions, &step.weights.rope, step.norms(), grads, scales, norm_gradients);
    }
}

//! The head: logits of the target rows only, their losses, and the gradient that enters the last layer.

use std::sync::Arc;

use super::{Gradients, LossRow, Pass, RowLoss, Weights};
use crate::kernels::multiply_tn;
use crate::transformer::ops::{add, cross_entropy, rmsnorm};
use crate::transformer::sized;

/// Rows of logits held at once.
const ROWS: usize = 1024;

impl Pass {
    /// Logits and losses of the target rows; with gradients, the stream becomes its own gradient.
    pub(super) fn head(
        &mut self,
        weights: &Weights,
        targets: &[LossRow],
        losses: &mut [RowLoss],
        mut gradients: Option<&mut Gradients>,
    ) {
        let (d, unit) = (weights.config.hidden_size, weights.unit);
        let rows = self.positions.len();
        let eps = weights.config.rms_norm_eps as f32;
        let start = weights.visual_start;
        let halves = [(&weights.text_head, 0..start), (&weights.visual_head, start..weights.config.vocab_size)];
        // The gradient is gathered apart, because several chunks read the stream.
        let mut dstream = vec![0.0; if gradients.is_some() { rows * d } else { 0 }];
        for (head, ids) in halves {
            let chosen: Vec<usize> =
                (0..targets.len()).filter(|i| ids.contains(&(targets[*i].target as usize))).collect();
            for chunk in chosen.chunks(ROWS) {
                let n = chunk.len();
                let (input, rest) = sized(&mut self.head_rows, 3 * n * d).split_at_mut(n * d);
                let (normed, dnormed) = rest.split_at_mut(n * d);
                for (i, to) in chunk.iter().zip(input.chunks_exact_mut(d)) {
                    to.copy_from_slice(&self.stream[targets[*i].row as usize * d..][..d]);
                }
                let mut scale = vec![0.0; n];
                rmsnorm::forward(input, &weights.norm, eps, normed, &mut scale);
                let operands = &mut self.operands;
                operands.rows.fill(unit, normed, d);
                let logits = sized(&mut self.logits, n * ids.len());
                head.forward(&operands.rows, logits, false);
                let local: Vec<u32> = chunk.iter().map(|i| targets[*i].target - ids.start as u32).collect();
                let factors: Vec<f32> = chunk.iter().map(|i| targets[*i].weight).collect();
                let mut out = vec![RowLoss::default(); n];
                cross_entropy::forward_backward(logits, ids.len(), &local, &factors, &mut out);
                for (i, loss) in chunk.iter().zip(out) {
                    losses[*i] = loss;
                }
                let Some(gradients) = gradients.as_deref_mut() else { continue };
                let layout = Arc::clone(&weights.layout);
                operands.inner.fill(unit, logits, ids.len());
                operands.inner_input.fill(unit, normed, d);
                let dhead = &mut gradients.flat[layout.head_rows(ids.clone())];
                multiply_tn(unit, &operands.inner, &operands.inner_input, dhead, true);
                operands.rows.fill(unit, logits, ids.len());
                head.backward_input(&operands.rows, dnormed);
                normed.fill(0.0);
                rmsnorm::backward(dnormed, input, &weights.norm, &scale, normed, &mut gradients.flat[layout.norm()]);
                for (i, from) in chunk.iter().zip(normed.chunks_exact(d)) {
                    add(from, &mut dstream[targets[*i].row as usize * d..][..d]);
                }
            }
        }
        if gradients.is_some() {
            self.stream[..rows * d].copy_from_slice(&dstream);
        }
    }
}

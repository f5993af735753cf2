//! The head: logits of the target rows only, their losses, and the gradient that enters the last layer.

use std::sync::Arc;

use super::{Gradients, LossRow, Pass, RowLoss, Weights, sized};
use crate::transformer::ops::{add, cross_entropy, rmsnorm};

impl Pass {
    /// Logits and losses of the target rows; with gradients, the stream becomes its own gradient.
    pub(super) fn head(
        &mut self,
        weights: &Weights,
        targets: &[LossRow],
        losses: &mut [RowLoss],
        mut gradients: Option<&mut Gradients>,
    ) {
        /// Rows of logits held at once.
        const CHUNK: usize = 1024;
        let d = weights.config.hidden_size;
        let rows = self.positions.len();
        let eps = weights.config.rms_norm_eps as f32;
        let start = weights.visual_start;
        let halves = [
            (&weights.text_head, 0..start),
            (&weights.visual_head, start..weights.config.vocab_size),
        ];
        let stream_grad = sized(&mut self.narrow, rows * d);
        stream_grad.fill(0.0);
        for (head, ids) in halves {
            let chosen: Vec<usize> =
                (0..targets.len()).filter(|i| ids.contains(&(targets[*i].target as usize))).collect();
            for chunk in chosen.chunks(CHUNK) {
                let n = chunk.len();
                let (input, rest) = sized(&mut self.head_rows, 4 * n * d).split_at_mut(n * d);
                let (normed, rest) = rest.split_at_mut(n * d);
                let (dnormed, dinput) = rest.split_at_mut(n * d);
                for (i, to) in chunk.iter().zip(input.chunks_exact_mut(d)) {
                    to.copy_from_slice(&self.stream[targets[*i].row as usize * d..][..d]);
                }
                let mut scale = vec![0.0; n];
                rmsnorm::forward(input, &weights.norm, eps, normed, &mut scale);
                let logits = sized(&mut self.logits, n * ids.len());
                head.forward(normed, n, logits);
                let local: Vec<u32> = chunk.iter().map(|i| targets[*i].target - ids.start as u32).collect();
                let factors: Vec<f32> = chunk.iter().map(|i| targets[*i].weight).collect();
                let mut out = vec![RowLoss::default(); n];
                cross_entropy::forward_backward(logits, ids.len(), &local, &factors, &mut out);
                for (i, loss) in chunk.iter().zip(out) {
                    losses[*i] = loss;
                }
                let Some(gradients) = gradients.as_deref_mut() else { continue };
                let layout = Arc::clone(&weights.layout);
                head.backward_input(logits, n, dnormed);
                let dhead = &mut gradients.flat[layout.head_rows(ids.clone())];
                head.backward_weight(logits, normed, n, dhead, &mut self.product);
                dinput.fill(0.0);
                rmsnorm::backward(dnormed, input, &weights.norm, &scale, dinput, &mut gradients.flat[layout.norm()]);
                for (i, from) in chunk.iter().zip(dinput.chunks_exact(d)) {
                    add(from, &mut stream_grad[targets[*i].row as usize * d..][..d]);
                }
            }
        }
        if gradients.is_some() {
            self.stream[..rows * d].copy_from_slice(stream_grad);
        }
    }
}

//! Softmax cross entropy, forward and backward in one sweep over the logits.

use multiversion::multiversion;

use super::math::{exp, max, sum};

/// What one row of logits did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowLoss {
    /// Cross entropy in nats, before weighting.
    pub nats: f32,
    /// Was the target the most likely entry?
    pub correct: bool,
}

/// Cross entropy of rows of logits `(rows, width)` against `targets`; the logits become `(p - onehot) * weight`, the
/// gradient of the weighted sum.
///
/// # Panics
/// When a target is not below `width`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn forward_backward(logits: &mut [f32], width: usize, targets: &[u32], weights: &[f32], losses: &mut [RowLoss]) {
    let rows = logits.chunks_exact_mut(width).zip(targets).zip(weights).zip(losses);
    for (((row, target), weight), loss) in rows {
        let target = *target as usize;
        let largest = max(row);
        let logit = row[target];
        for value in row.iter_mut() {
            *value = exp(*value - largest);
        }
        let total = sum(row);
        *loss = RowLoss { nats: total.ln() + largest - logit, correct: logit >= largest };
        let factor = *weight / total;
        for value in row.iter_mut() {
            *value *= factor;
        }
        row[target] -= *weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_gradient, values};

    #[test]
    fn uniform_logits_cost_the_log_of_their_number() {
        let mut logits = vec![1.5; 50];
        let mut losses = [RowLoss::default()];
        forward_backward(&mut logits, 50, &[7], &[1.0], &mut losses);
        assert!((losses[0].nats - 50_f32.ln()).abs() < 1e-5);
        assert!((logits[7] + 0.98).abs() < 1e-5 && (logits[0] - 0.02).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (rows, width) = (3, 37);
        let x: Vec<f32> = values(rows * width, 8).iter().map(|v| v * 4.0).collect();
        let (targets, weights) = ([0, 36, 11], [1.0, 0.15, 0.5]);
        let mut losses = [RowLoss::default(); 3];
        let mut dx = x.clone();
        forward_backward(&mut dx, width, &targets, &weights, &mut losses);
        assert_gradient(&x, &dx, 1e-2, |x| {
            let mut x = x.to_vec();
            forward_backward(&mut x, width, &targets, &weights, &mut losses);
            losses.iter().zip(&weights).map(|(l, w)| f64::from(l.nats) * f64::from(*w)).sum()
        });
    }
}

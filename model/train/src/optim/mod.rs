//! The optimiser over candle variables, updated in place: AdamW, and Muon for the matrices that are named so.

mod orthogonal;

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, Var, bail};
use multiversion::multiversion;
use rayon::prelude::*;

use orthogonal::orthogonalise;

/// Settings of [`Optimiser`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimiserConfig {
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; applied to parameters with two or more dimensions.
    pub weight_decay: f32,
    /// Gradients are scaled down to this global norm.
    pub clip_norm: f32,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01, clip_norm: 1.0 }
    }
}

/// First and second moment of one variable.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Mean of gradients.
    pub first: Vec<f32>,
    /// Mean of squared gradients; empty for matrices under Muon.
    pub second: Vec<f32>,
}

/// AdamW (Loshchilov and Hutter 2019), and for chosen matrices Muon (Jordan et al. 2024): the direction of a step is the
/// momentum with all its singular values near 1, scaled by `0.2 sqrt(longer side)` so that both rules share a learning rate
/// (Liu et al. 2025, arXiv 2502.16982).
pub struct Optimiser {
    vars: Vec<(String, Var)>,
    config: OptimiserConfig,
    moments: Vec<Moments>,
    steps: u64,
}

/// Decay of the momentum under Muon.
const MOMENTUM: f32 = 0.95;

/// One step of Muon on a matrix.
struct Turn<'a> {
    grad: &'a [f32],
    momentum: RefCell<&'a mut Vec<f32>>,
    sides: (usize, usize),
    scale: f32,
    rate: f32,
    decay: f32,
}

impl InplaceOp1 for Turn<'_> {
    fn name(&self) -> &'static str {
        "muon"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("Muon needs contiguous f32 variables");
        };
        let momentum = &mut **self.momentum.borrow_mut();
        let mut direction = Vec::with_capacity(momentum.len());
        for (m, g) in momentum.iter_mut().zip(self.grad) {
            let g = g * self.scale;
            *m += (g - *m) * (1.0 - MOMENTUM);
            // Nesterov: the momentum as it will be one step on.
            direction.push(g + (*m - g) * MOMENTUM);
        }
        let (rows, columns) = self.sides;
        orthogonalise(&mut direction, rows, columns);
        let rate = self.rate * 0.2 * (rows.max(columns) as f32).sqrt();
        for (p, d) in data[start..end].iter_mut().zip(&direction) {
            *p -= *p * self.decay + rate * d;
        }
        Ok(())
    }
}

struct Update<'a> {
    grad: &'a [f32],
    moments: RefCell<&'a mut Moments>,
    config: OptimiserConfig,
    scale: f32,
    rate: f32,
    decay: f32,
    bias2: f32,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn update(
    p: &mut [f32],
    g: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    c: &OptimiserConfig,
    scale: f32,
    rate: f32,
    decay: f32,
    bias2: f32,
) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * scale;
        *m += (g - *m) * (1.0 - c.beta1);
        *v += (g * g - *v) * (1.0 - c.beta2);
        *p -= *p * decay + rate * *m / ((*v * bias2).sqrt() + c.eps);
    }
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("AdamW needs contiguous f32 variables");
        };
        let moments = &mut **self.moments.borrow_mut();
        let (p, m, v) = (&mut data[start..end], &mut moments.first[..], &mut moments.second[..]);
        update(p, self.grad, m, v, &self.config, self.scale, self.rate, self.decay, self.bias2);
        Ok(())
    }
}

impl Optimiser {
    /// An optimiser over named variables; the order is that of the gradients in [`Optimiser::step`]. Matrices for whose name
    /// `muon` is true go by Muon, everything else by AdamW.
    #[must_use]
    pub fn new(vars: Vec<(String, Var)>, config: OptimiserConfig, muon: impl Fn(&str) -> bool) -> Self {
        let moments = vars.iter().map(|(name, var)| {
            let n = var.elem_count();
            let second = if muon(name) && var.rank() == 2 { 0 } else { n };
            Moments { first: vec![0.0; n], second: vec![0.0; second] }
        });
        let moments = moments.collect();
        Self { vars, config, moments, steps: 0 }
    }

    /// The variables.
    #[must_use]
    pub fn vars(&self) -> &[(String, Var)] {
        &self.vars
    }

    /// Moments in the order of the variables, and the number of steps taken.
    #[must_use]
    pub fn state(&self) -> (&[Moments], u64) {
        (&self.moments, self.steps)
    }

    /// Restores what [`Optimiser::state`] gave.
    ///
    /// # Errors
    /// When the moments do not fit the variables.
    pub fn restore(&mut self, moments: Vec<Moments>, steps: u64) -> Result<()> {
        let fits = moments.len() == self.vars.len()
            && moments
                .iter()
                .zip(&self.moments)
                .all(|(new, old)| new.first.len() == old.first.len() && new.second.len() == old.second.len());
        if !fits {
            bail!("optimiser state does not fit the model");
        }
        self.moments = moments;
        self.steps = steps;
        Ok(())
    }

    /// Mean of the gradients of several shards, in the order of the variables.
    ///
    /// # Errors
    /// When a gradient has another shape than its variable.
    pub fn mean_gradients(&self, shards: &[GradStore]) -> Result<Vec<Option<Tensor>>> {
        let scale = 1.0 / shards.len().max(1) as f64;
        self.vars
            .par_iter()
            .map(|(_, var)| {
                let mut sum: Option<Tensor> = None;
                for grad in shards.iter().filter_map(|s| s.get(var)) {
                    sum = Some(match sum {
                        Some(sum) => (sum + grad)?,
                        None => grad.clone(),
                    });
                }
                sum.map(|s| s * scale).transpose()
            })
            .collect()
    }

    /// One update with learning rate `lr`. Returns the global norm of the gradients before clipping.
    ///
    /// # Errors
    /// When a gradient is not finite (nothing is changed then) or does not fit its variable.
    pub fn step(&mut self, lr: f32, grads: &[Option<Tensor>]) -> Result<f32> {
        let grads: Vec<Option<Tensor>> =
            grads.iter().map(|g| g.as_ref().map(Tensor::contiguous).transpose()).collect::<Result<_>>()?;
        let square = |g: &Tensor| -> Result<f64> {
            let (storage, layout) = g.storage_and_layout();
            let (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) = (&*storage, layout.contiguous_offsets())
            else {
                bail!("gradients must be f32 in main memory");
            };
            Ok(data[start..end].chunks(4096).map(|c| f64::from(c.iter().map(|v| v * v).sum::<f32>())).sum())
        };
        let mut total = 0.0;
        for grad in grads.iter().flatten() {
            total += square(grad)?;
        }
        let norm = total.sqrt() as f32;
        if !norm.is_finite() {
            bail!("gradients are not finite at optimiser step {}", self.steps);
        }
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let bias1 = 1.0 - self.config.beta1.powi(steps);
        let bias2 = 1.0 - self.config.beta2.powi(steps);
        let scale = if norm > self.config.clip_norm { self.config.clip_norm / norm } else { 1.0 };
        let config = self.config;
        self.vars.par_iter().zip(&mut self.moments).zip(&grads).try_for_each(|(((_, var), moments), grad)| {
            let Some(grad) = grad else { return Ok(()) };
            if grad.elem_count() != var.elem_count() {
                bail!("gradient {:?} does not fit variable {:?}", grad.shape(), var.shape());
            }
            let (storage, layout) = grad.storage_and_layout();
            let (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) = (&*storage, layout.contiguous_offsets())
            else {
                bail!("gradients must be f32 in main memory");
            };
            let decay = if var.rank() > 1 { lr * config.weight_decay } else { 0.0 };
            if let ([rows, columns], true) = (var.dims(), moments.second.is_empty()) {
                return var.inplace_op1(&Turn {
                    grad: &data[start..end],
                    momentum: RefCell::new(&mut moments.first),
                    sides: (*rows, *columns),
                    scale,
                    rate: lr,
                    decay,
                });
            }
            let op = Update {
                grad: &data[start..end],
                moments: RefCell::new(moments),
                config,
                scale,
                rate: lr / bias1,
                decay,
                bias2: 1.0 / bias2,
            };
            var.inplace_op1(&op)
        })?;
        Ok(norm)
    }
}

/// Warm-up, a plateau and a linear descent to 2 %: the learning rate as a share of its peak.
#[must_use]
pub fn schedule(step: u64, total: u64, warm_up: u64, anneal_share: f64) -> f32 {
    let warm = (step + 1) as f64 / warm_up.max(1) as f64;
    let left = total.saturating_sub(step) as f64 / (total as f64 * anneal_share).max(1.0);
    warm.min(1.0).min(left.max(0.02)) as f32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn one_step_agrees_with_the_formula() {
        let var = Var::from_tensor(&Tensor::new(&[[1.0f32, -2.0]], &Device::Cpu).unwrap()).unwrap();
        let config = OptimiserConfig { clip_norm: 1e9, ..Default::default() };
        let mut optimiser = Optimiser::new(vec![("w".into(), var.clone())], config, |_| false);
        let grad = Tensor::new(&[[0.5f32, 0.25]], &Device::Cpu).unwrap();
        optimiser.step(0.1, &[Some(grad)]).unwrap();
        // After one step m / bias1 = g and v / bias2 = g^2, so the move is lr * sign(g) plus decay.
        let got = var.to_vec2::<f32>().unwrap();
        assert!((got[0][0] - (1.0 - 0.1 - 0.1 * 0.01)).abs() < 1e-5);
        assert!((got[0][1] - (-2.0 - 0.1 + 0.1 * 0.01 * 2.0)).abs() < 1e-5);
        let bad = Tensor::new(&[[f32::NAN, 0.0]], &Device::Cpu).unwrap();
        assert!(optimiser.step(0.1, &[Some(bad)]).is_err());
        assert_eq!(var.to_vec2::<f32>().unwrap(), got);
    }

    #[test]
    fn muon_moves_every_direction_of_a_matrix_alike() {
        let var = Var::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let config = OptimiserConfig { clip_norm: 1e9, ..Default::default() };
        let mut optimiser = Optimiser::new(vec![("w".into(), var.clone())], config, |name| name == "w");
        // Singular values 100 and 1 along the axes: both move by about 0.2 sqrt(3) of the rate.
        let grad = Tensor::new(&[[100f32, 0.0, 0.0], [0.0, 0.0, -1.0]], &Device::Cpu).unwrap();
        optimiser.step(0.1, &[Some(grad)]).unwrap();
        let got = var.to_vec2::<f32>().unwrap();
        let full = 0.1 * 0.2 * 3f32.sqrt();
        assert!((-got[0][0] / full - 1.0).abs() < 0.35 && (got[1][2] / full - 1.0).abs() < 0.35, "{got:?} {full}");
        assert!(got[0][1].abs() < 1e-6 && got[1][0].abs() < 1e-6, "{got:?}");
        let (moments, steps) = optimiser.state();
        assert!(moments[0].second.is_empty() && moments[0].first.len() == 6 && steps == 1);
    }
}

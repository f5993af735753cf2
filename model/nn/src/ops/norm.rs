//! Group normalisation fused with swish.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;

use super::{sigmoid, values, with_values};

/// Positions up to which sums and squares in f32 are enough; longer sums lose their small terms.
const FAST: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct GroupNorm {
    groups: usize,
    eps: f64,
    swish: bool,
}

/// Group normalisation of `(b, y, x, c)` with weight and bias `(c)`, followed by `x * sigmoid(x)` when `swish` is set.
///
/// # Errors
/// When the shapes do not fit or `c` does not divide by `groups`.
pub fn group_norm_swish(x: &Tensor, w: &Tensor, b: &Tensor, groups: usize, eps: f64, swish: bool) -> Result<Tensor> {
    x.contiguous()?.apply_op3(w, b, GroupNorm { groups, eps, swish })
}

struct Sizes {
    positions: usize,
    c: usize,
}

impl GroupNorm {
    fn sizes(&self, dims: &[usize], c: usize) -> Result<Sizes> {
        let &[_, y, x, channels] = dims else { bail!("group norm input must be (b, y, x, c), got {dims:?}") };
        if channels != c || self.groups == 0 || !c.is_multiple_of(self.groups) {
            bail!("group norm of {channels} channels with {c} weights in {} groups", self.groups);
        }
        Ok(Sizes { positions: y * x, c })
    }

    /// Per channel: 1 / standard deviation and mean of its group.
    fn statistics(&self, x: &[f32], c: usize) -> (Vec<f32>, Vec<f32>) {
        let (sum, square) = if x.len() <= FAST * c { sums(x, c) } else { exact_sums(x, c) };
        let per = c / self.groups;
        let n = (x.len() / c * per) as f64;
        let (mut inverse, mut mean) = (vec![0.0; c], vec![0.0; c]);
        for group in 0..self.groups {
            let range = group * per..(group + 1) * per;
            let m = sum[range.clone()].iter().sum::<f64>() / n;
            let v = square[range.clone()].iter().sum::<f64>() / n - m * m;
            inverse[range.clone()].fill((1.0 / (v.max(0.0) + self.eps).sqrt()) as f32);
            mean[range].fill(m as f32);
        }
        (inverse, mean)
    }
}

/// Sums and sums of squares of each channel, accumulated in f32.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn sums(x: &[f32], c: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut sum, mut square) = (vec![0.0; c], vec![0.0; c]);
    for row in x.chunks_exact(c) {
        for ((s, q), v) in sum.iter_mut().zip(&mut square).zip(row) {
            *s += *v;
            *q += *v * *v;
        }
    }
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    (wide(sum), wide(square))
}

/// As [`sums`], in f64.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn exact_sums(x: &[f32], c: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut sum, mut square) = (vec![0.0; c], vec![0.0; c]);
    for row in x.chunks_exact(c) {
        for ((s, q), v) in sum.iter_mut().zip(&mut square).zip(row) {
            let v = f64::from(*v);
            *s += v;
            *q += v * v;
        }
    }
    (sum, square)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn forward(x: &[f32], scale: &[f32], shift: &[f32], swish: bool, out: &mut [f32]) {
    let c = scale.len();
    for (row, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
        if swish {
            for (((o, v), s), t) in out.iter_mut().zip(row).zip(scale).zip(shift) {
                let u = *v * *s + *t;
                *o = u * sigmoid(u);
            }
        } else {
            for (((o, v), s), t) in out.iter_mut().zip(row).zip(scale).zip(shift) {
                *o = *v * *s + *t;
            }
        }
    }
}

/// Gradient before the normalisation's own terms, into `du`; sums of `du` and of `du * x` per channel.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn backward_sums(
    x: &[f32],
    dy: &[f32],
    scale: &[f32],
    shift: &[f32],
    swish: bool,
    du: &mut [f32],
    sum: &mut [f32],
    sum_x: &mut [f32],
) {
    let c = scale.len();
    for ((row, dy), du) in x.chunks_exact(c).zip(dy.chunks_exact(c)).zip(du.chunks_exact_mut(c)) {
        for i in 0..c {
            let d = if swish {
                let u = row[i] * scale[i] + shift[i];
                let s = sigmoid(u);
                dy[i] * s * (1.0 + u * (1.0 - s))
            } else {
                dy[i]
            };
            du[i] = d;
            sum[i] += d;
            sum_x[i] += d * row[i];
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn backward_input(x: &[f32], a: &[f32], b: &[f32], k: &[f32], dx: &mut [f32]) {
    let c = a.len();
    for (row, dx) in x.chunks_exact(c).zip(dx.chunks_exact_mut(c)) {
        for i in 0..c {
            dx[i] = dx[i] * a[i] + row[i] * b[i] + k[i];
        }
    }
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w, b) = (values(x, xl)?, values(w, wl)?, values(b, bl)?);
        let s = self.sizes(xl.shape().dims(), w.len())?;
        let mut out = vec![0.0; x.len()];
        for (x, out) in x.chunks_exact(s.positions * s.c).zip(out.chunks_exact_mut(s.positions * s.c)) {
            let (inverse, mean) = self.statistics(x, s.c);
            let scale: Vec<f32> = inverse.iter().zip(w).map(|(i, w)| i * w).collect();
            let shift: Vec<f32> = mean.iter().zip(&scale).zip(b).map(|((m, s), b)| b - m * s).collect();
            forward(x, &scale, &shift, self.swish, out);
        }
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let s = self.sizes(x.dims(), w.elem_count())?;
        let (weight, bias) = (w.to_vec1::<f32>()?, b.to_vec1::<f32>()?);
        let per = s.c / self.groups;
        let n = (s.positions * per) as f32;
        let (mut dw, mut db) = (vec![0.0; s.c], vec![0.0; s.c]);
        let mut dx = vec![0.0; x.elem_count()];
        with_values(x, |xs| {
            with_values(grad, |dys| {
                let size = s.positions * s.c;
                for ((x, dy), dx) in xs.chunks_exact(size).zip(dys.chunks_exact(size)).zip(dx.chunks_exact_mut(size)) {
                    let (inverse, mean) = self.statistics(x, s.c);
                    let scale: Vec<f32> = inverse.iter().zip(&weight).map(|(i, w)| i * w).collect();
                    let shift: Vec<f32> = mean.iter().zip(&scale).zip(&bias).map(|((m, s), b)| b - m * s).collect();
                    let (mut sum, mut sum_x) = (vec![0.0; s.c], vec![0.0; s.c]);
                    backward_sums(x, dy, &scale, &shift, self.swish, dx, &mut sum, &mut sum_x);
                    // With xhat = (x - mean) * inverse: dx = inverse * (w du - mean(w du) - xhat * mean(w du xhat)).
                    let (mut k0, mut k1) = (vec![0.0; s.c], vec![0.0; s.c]);
                    for i in 0..s.c {
                        let sum_hat = (sum_x[i] - mean[i] * sum[i]) * inverse[i];
                        dw[i] += sum_hat;
                        db[i] += sum[i];
                        sum_x[i] = sum_hat;
                    }
                    for group in 0..self.groups {
                        let range = group * per..(group + 1) * per;
                        let g0: f32 = range.clone().map(|i| weight[i] * sum[i]).sum::<f32>() / n;
                        let g1: f32 = range.clone().map(|i| weight[i] * sum_x[i]).sum::<f32>() / n;
                        for i in range {
                            k1[i] = -inverse[i] * inverse[i] * g1;
                            k0[i] = -inverse[i] * g0 - mean[i] * k1[i];
                        }
                    }
                    backward_input(x, &scale, &k1, &k0, dx);
                }
                Ok(())
            })
        })?;
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), device)?),
            Some(Tensor::from_vec(dw, s.c, device)?),
            Some(Tensor::from_vec(db, s.c, device)?),
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use candle_core::{Device, Tensor, Var};

    use super::*;

    #[test]
    fn values_and_gradients_agree_with_plain_tensor_operations() {
        let device = Device::Cpu;
        let x = Var::from_tensor(&Tensor::randn(0.3f32, 1.5, (2, 3, 5, 8), &device).unwrap()).unwrap();
        let w = Var::from_tensor(&Tensor::randn(1f32, 0.3, 8, &device).unwrap()).unwrap();
        let b = Var::from_tensor(&Tensor::randn(0f32, 0.3, 8, &device).unwrap()).unwrap();
        let probe = Tensor::randn(0f32, 1.0, (2, 3, 5, 8), &device).unwrap();
        for swish in [false, true] {
            let fused = group_norm_swish(&x, &w, &b, 4, 1e-6, swish).unwrap();
            let g = x.reshape((2, 15, 4, 2)).unwrap();
            let mean = g.mean_keepdim((1, 3)).unwrap();
            let centred = g.broadcast_sub(&mean).unwrap();
            let var = centred.sqr().unwrap().mean_keepdim((1, 3)).unwrap();
            let hat =
                centred.broadcast_div(&(var + 1e-6).unwrap().sqrt().unwrap()).unwrap().reshape((2, 3, 5, 8)).unwrap();
            let mut plain = hat.broadcast_mul(&w).unwrap().broadcast_add(&b).unwrap();
            if swish {
                let s = ((plain.neg().unwrap().exp().unwrap() + 1.0).unwrap()).recip().unwrap();
                plain = (&plain * s).unwrap();
            }
            let gap =
                |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(gap(&fused, &plain) < 1e-5);
            let got = (&fused * &probe).unwrap().sum_all().unwrap().backward().unwrap();
            let want = (&plain * &probe).unwrap().sum_all().unwrap().backward().unwrap();
            for v in [&x, &w, &b] {
                assert!(gap(got.get(v).unwrap(), want.get(v).unwrap()) < 1e-4);
            }
        }
    }
}

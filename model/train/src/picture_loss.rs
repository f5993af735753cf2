//! The loss between a drawn picture and the truth, with its gradient.
//!
//! All terms are functions of the error `e` (colours in units of full scale): mean absolute and squared error, errors of
//! colour differences (without them hue is lost first) and absolute errors of gradients at four scales, weighted towards
//! the truth's own edges.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use rhea_nn::ops::{values, with_values};

/// Channels: red, green, blue, encoded depth.
const C: usize = 4;
const SQUARE: f32 = 2.0;
const CHROMA: f32 = 0.75;
const DEPTH: f32 = 4.0;
const EDGE: f32 = 4.0;
/// Weight of gradient errors at full, half, quarter and eighth size.
const GRADIENT: [f32; 4] = [1.5, 0.8, 0.8, 0.8];

/// Mean loss of pictures `(b, y, x, 4)` with values in [-1, 1]; differentiable in `drawn`.
///
/// # Errors
/// When the shapes differ.
pub fn picture_loss(drawn: &Tensor, truth: &Tensor) -> Result<Tensor> {
    drawn.contiguous()?.apply_op2(&truth.contiguous()?, PictureLoss)
}

struct PictureLoss;

impl PictureLoss {
    fn run(
        drawn: &[f32],
        truth: &[f32],
        dims: (usize, usize, usize, usize),
        mut grad: Option<&mut [f32]>,
    ) -> Result<f32> {
        let (b, y, x, c) = dims;
        if c != C || y % 8 != 0 || x % 8 != 0 || drawn.len() != truth.len() {
            bail!("picture loss takes two (b, y, x, 4) with sides that are multiples of 8, got {dims:?}");
        }
        let size = y * x * C;
        let mut total = 0.0;
        let mut scratch = vec![0.0; size];
        for i in 0..b {
            let range = i * size..(i + 1) * size;
            let g = match &mut grad {
                Some(grad) => &mut grad[range.clone()],
                None => &mut scratch[..],
            };
            total += f64::from(one(&drawn[range.clone()], &truth[range], y, x, g));
        }
        if let Some(grad) = grad {
            let scale = 0.5 / b as f32;
            grad.iter_mut().for_each(|g| *g *= scale);
        }
        Ok((total / b as f64) as f32)
    }
}

/// Loss of one picture; `grad` receives the gradient with respect to `e = (drawn - truth) / 2`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn one(drawn: &[f32], truth: &[f32], y: usize, x: usize, grad: &mut [f32]) -> f32 {
    let row = x * C;
    let e: Vec<f32> = drawn.iter().zip(truth).map(|(d, t)| (d - t) * 0.5).collect();
    let mut weight = vec![1.0f32; y * x];
    for j in 0..y {
        for i in 0..x {
            let at = (j * x + i) * C;
            let right = if i + 1 < x { at + C } else { at };
            let below = if j + 1 < y { at + row } else { at };
            let mut edge = 0.0;
            for c in 0..3 {
                edge += (truth[right + c] - truth[at + c]).abs() + (truth[below + c] - truth[at + c]).abs();
            }
            weight[j * x + i] = 1.0 + EDGE * (edge / 6.0).min(0.5);
        }
    }
    let p = 1.0 / (y * x) as f32;
    let mut loss = 0.0;
    for ((e, g), w) in e.chunks_exact(C).zip(grad.chunks_exact_mut(C)).zip(&weight) {
        let mut l = 0.0;
        for c in 0..3 {
            l += (w * e[c].abs() + SQUARE * e[c] * e[c]) / 3.0;
            g[c] = (w * 1f32.copysign(e[c]) + 2.0 * SQUARE * e[c]) / 3.0 * p;
        }
        let (rg, bg) = (e[0] - e[1], e[2] - e[1]);
        l += CHROMA * (rg.abs() + bg.abs()) + DEPTH * w * e[3].abs();
        let (srg, sbg) = (1f32.copysign(rg) * CHROMA * p, 1f32.copysign(bg) * CHROMA * p);
        g[0] += srg;
        g[1] -= srg + sbg;
        g[2] += sbg;
        g[3] = DEPTH * w * 1f32.copysign(e[3]) * p;
        loss += l * p;
    }
    let (mut level, mut ly, mut lx) = (e, y, x);
    for (s, strength) in GRADIENT.into_iter().enumerate() {
        if s > 0 {
            level = halve(&level, ly, lx);
            ly /= 2;
            lx /= 2;
        }
        let scale = strength / (C * ly * lx) as f32;
        let mut d = vec![0.0; level.len()];
        let row = lx * C;
        for j in 0..ly {
            let line = &level[j * row..(j + 1) * row];
            let out = &mut d[j * row..(j + 1) * row];
            for i in 0..row - C {
                let v = line[i + C] - line[i];
                loss += scale * v.abs();
                let sign = scale * 1f32.copysign(v);
                out[i + C] += sign;
                out[i] -= sign;
            }
        }
        for j in 0..ly - 1 {
            let (upper, lower) = d.split_at_mut((j + 1) * row);
            let (upper, lower) = (&mut upper[j * row..], &mut lower[..row]);
            for i in 0..row {
                let v = level[(j + 1) * row + i] - level[j * row + i];
                loss += scale * v.abs();
                let sign = scale * 1f32.copysign(v);
                lower[i] += sign;
                upper[i] -= sign;
            }
        }
        // The gradient of an average over 2^s x 2^s pixels is shared out equally.
        let share = 1.0 / (1 << (2 * s)) as f32;
        for j in 0..y {
            for i in 0..x {
                let from = ((j >> s) * lx + (i >> s)) * C;
                let to = (j * x + i) * C;
                for c in 0..C {
                    grad[to + c] += d[from + c] * share;
                }
            }
        }
    }
    loss
}

#[inline(always)]
fn halve(from: &[f32], y: usize, x: usize) -> Vec<f32> {
    let row = x * C;
    let mut to = Vec::with_capacity(from.len() / 4);
    for j in 0..y / 2 {
        let (a, b) = (&from[2 * j * row..(2 * j + 1) * row], &from[(2 * j + 1) * row..(2 * j + 2) * row]);
        for (a, b) in a.chunks_exact(2 * C).zip(b.chunks_exact(2 * C)) {
            for c in 0..C {
                to.push((a[c] + a[c + C] + b[c] + b[c + C]) * 0.25);
            }
        }
    }
    to
}

impl CustomOp2 for PictureLoss {
    fn name(&self) -> &'static str {
        "picture-loss"
    }

    fn cpu_fwd(&self, d: &CpuStorage, dl: &Layout, t: &CpuStorage, tl: &Layout) -> Result<(CpuStorage, Shape)> {
        let loss = Self::run(values(d, dl)?, values(t, tl)?, dl.shape().dims4()?, None)?;
        Ok((CpuStorage::F32(vec![loss]), Shape::from(())))
    }

    fn bwd(
        &self,
        drawn: &Tensor,
        truth: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut out = vec![0.0; drawn.elem_count()];
        with_values(drawn, |d| with_values(truth, |t| Self::run(d, t, drawn.dims4()?, Some(&mut out))))?;
        let scale = grad.to_scalar::<f32>()?;
        if scale != 1.0 {
            out.iter_mut().for_each(|g| *g *= scale);
        }
        Ok((Some(Tensor::from_vec(out, drawn.shape(), drawn.device())?), None))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let shape = (2, 8, 16, 4);
        let truth = Tensor::rand(-1f32, 1.0, shape, &Device::Cpu).unwrap();
        let drawn = Var::from_tensor(&Tensor::rand(-1f32, 1.0, shape, &Device::Cpu).unwrap()).unwrap();
        let loss = picture_loss(&drawn, &truth).unwrap();
        let grad = loss.backward().unwrap().get(&drawn).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let at = drawn.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // Up the gradient, so that the slope is far above what rounding hides.
        let direction: Vec<f32> = grad.iter().map(|g| 2e-4_f32.copysign(*g)).collect();
        let shifted = |sign: f32| {
            let moved: Vec<f32> = at.iter().zip(&direction).map(|(a, d)| a + sign * d).collect();
            picture_loss(&Tensor::from_vec(moved, shape, &Device::Cpu).unwrap(), &truth)
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
        };
        let slope = (shifted(1.0) - shifted(-1.0)) / 2.0;
        let want: f32 = grad.iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert!((slope - want).abs() < 0.03 * want, "slope {slope}, gradient says {want}");
        assert_eq!(picture_loss(&truth, &truth).unwrap().to_scalar::<f32>().unwrap(), 0.0);
    }
}

//! The decoder's look at warped memory: what was seen before stays as crisp as it was first drawn.
//!
//! The warped picture enters twice: as features added to the decoder at 8, 16 and 32 px by convolutions that begin at zero,
//! and at full size through a per-pixel gate, `out = drawn + valid * sigmoid(gate) * (warped - drawn)`, followed by a small
//! residual correction at half size. With no memory the decoder is the plain one.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor, bail};
use multiversion::multiversion;

use super::Result;
use super::config::VisionConfig;
use super::layers::{Conv, Parameters};
use crate::error::NnError;
use crate::ops::{ConvOp, PatchOrder, reorder, sigmoid, values, with_values};

/// Channels of the memory picture: red, green, blue, encoded depth (all 0 where unseen), valid (0 or 1) and log2 of the
/// magnification.
pub const MEMORY_CHANNELS: usize = 6;
/// Channels of the decoder's head: colour, depth, gate for colour, gate for depth.
const HEAD: usize = 6;
/// Added to the gates, so that an untrained decoder mostly copies what is known.
const GATE_BIAS: f32 = 1.0;
const INTO_2: PatchOrder = PatchOrder { side: 2, into_channels: true };

/// The parameters of the skip.
#[derive(Clone, Debug)]
pub struct MemorySkip {
    e32: Conv,
    e16: Conv,
    e8: Conv,
    /// Indexed by level, finest first.
    inject: [Conv; 3],
    refine_1: Conv,
    refine_2: Conv,
}

impl MemorySkip {
    pub(super) fn new(c: &VisionConfig, p: &dyn Parameters) -> Result<Self, NnError> {
        let conv = |name: &str, i, o, side, gain| {
            Conv::new(p, &format!("decoder.memory.{name}"), i, o, ConvOp::plain(side), gain)
        };
        // What enters a level is the output of the level above, before its own first block.
        let entering = |level: usize| c.channels((level + 1).min(2));
        Ok(Self {
            e32: conv("e32", MEMORY_CHANNELS * 16, 64, 3, 1.4)?,
            e16: conv("e16", 256, 128, 1, 1.4)?,
            e8: conv("e8", 512, 256, 1, 1.4)?,
            inject: [
                conv("inject.0", 64, entering(0), 1, 0.0)?,
                conv("inject.1", 128, entering(1), 1, 0.0)?,
                conv("inject.2", 256, entering(2), 1, 0.0)?,
            ],
            refine_1: conv("refine_1", (4 + MEMORY_CHANNELS) * 4, 32, 3, 1.4)?,
            refine_2: conv("refine_2", 32, 16, 3, 0.0)?,
        })
    }

    /// Features to add where each level begins, finest first.
    pub(super) fn injections(&self, memory: &Tensor) -> Result<[Tensor; 3]> {
        let x32 = reorder(memory, PatchOrder { side: 4, into_channels: true })?;
        let x32 = self.e32.forward(&x32)?.silu()?;
        let x16 = self.e16.forward(&reorder(&x32, INTO_2)?)?.silu()?;
        let x8 = self.e8.forward(&reorder(&x16, INTO_2)?)?.silu()?;
        Ok([self.inject[0].forward(&x32)?, self.inject[1].forward(&x16)?, self.inject[2].forward(&x8)?])
    }

    /// Head `(b, y, x, 6)` and memory `(b, y, x, 6)` to the picture `(b, y, x, 4)`.
    pub(super) fn compose(&self, head: &Tensor, memory: &Tensor) -> Result<Tensor> {
        let picture = head.contiguous()?.apply_op2(&memory.contiguous()?, Gate)?;
        let features = Tensor::cat(&[reorder(&picture, INTO_2)?, reorder(memory, INTO_2)?], 3)?;
        let correction = self.refine_2.forward(&self.refine_1.forward(&features)?.silu()?)?;
        picture + reorder(&correction, PatchOrder { side: 2, into_channels: false })?
    }
}

/// The gated full-size copy; differentiable in the head only.
struct Gate;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn gate_forward(head: &[f32], memory: &[f32], out: &mut [f32]) {
    for ((h, m), o) in head.chunks_exact(HEAD).zip(memory.chunks_exact(MEMORY_CHANNELS)).zip(out.chunks_exact_mut(4)) {
        let colour = m[4] * sigmoid(h[4] + GATE_BIAS);
        let depth = m[4] * sigmoid(h[5] + GATE_BIAS);
        for i in 0..3 {
            o[i] = h[i] + colour * (m[i] - h[i]);
        }
        o[3] = h[3] + depth * (m[3] - h[3]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn gate_backward(head: &[f32], memory: &[f32], grad: &[f32], out: &mut [f32]) {
    let rows = head.chunks_exact(HEAD).zip(memory.chunks_exact(MEMORY_CHANNELS)).zip(grad.chunks_exact(4));
    for (((h, m), g), o) in rows.zip(out.chunks_exact_mut(HEAD)) {
        let (colour, depth) = (sigmoid(h[4] + GATE_BIAS), sigmoid(h[5] + GATE_BIAS));
        let mut d_colour = 0.0;
        for i in 0..3 {
            o[i] = g[i] * (1.0 - m[4] * colour);
            d_colour += g[i] * (m[i] - h[i]);
        }
        o[3] = g[3] * (1.0 - m[4] * depth);
        o[4] = d_colour * m[4] * colour * (1.0 - colour);
        o[5] = g[3] * (m[3] - h[3]) * m[4] * depth * (1.0 - depth);
    }
}

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "memory-gate"
    }

    fn cpu_fwd(&self, h: &CpuStorage, hl: &Layout, m: &CpuStorage, ml: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, y, x, c) = hl.shape().dims4()?;
        if c != HEAD || ml.shape().dims() != [b, y, x, MEMORY_CHANNELS] {
            bail!("memory gate takes (b, y, x, 6) twice, got {:?} and {:?}", hl.shape(), ml.shape());
        }
        let mut out = vec![0.0; b * y * x * 4];
        gate_forward(values(h, hl)?, values(m, ml)?, &mut out);
        Ok((CpuStorage::F32(out), Shape::from((b, y, x, 4))))
    }

    fn bwd(
        &self,
        head: &Tensor,
        memory: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut out = vec![0.0; head.elem_count()];
        with_values(head, |h| {
            with_values(memory, |m| {
                with_values(grad, |g| {
                    gate_backward(h, m, g, &mut out);
                    Ok(())
                })
            })
        })?;
        Ok((Some(Tensor::from_vec(out, head.shape(), head.device())?), None))
    }
}

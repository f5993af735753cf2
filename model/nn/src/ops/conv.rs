//! Convolution as a candle operation.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{values, with_values};
use crate::kernels::{ConvShape, Packed, Unit, conv_backward_data, conv_backward_weight, conv_forward, unit};

/// How a convolution treats its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOp {
    /// Side of the kernel, 1 or 3 (padded by one pixel).
    pub side: usize,
    /// Doubles the input by nearest neighbour first.
    pub upsample: bool,
    /// Stride 2, padded at the bottom and right only.
    pub downsample: bool,
}

impl ConvOp {
    /// A plain kernel of that side.
    #[must_use]
    pub fn plain(side: usize) -> Self {
        Self { side, upsample: false, downsample: false }
    }

    fn shape(&self, x: &[usize], c_out: usize) -> Result<ConvShape> {
        let &[batch, y, x, c_in] = x else { bail!("convolution input must be (b, y, x, c), got {x:?}") };
        Ok(ConvShape {
            batch,
            y,
            x,
            c_in,
            c_out,
            side: self.side,
            upsample: self.upsample,
            downsample: self.downsample,
        })
    }

    /// `(b, y, x, c_in)` with weights `(c_out, side, side, c_in)` and bias `(c_out)` to `(b, y', x', c_out)`;
    /// differentiable in all three.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn apply(self, x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op3(w, b, self)
    }
}

fn output(shape: &ConvShape, data: Vec<f32>) -> (CpuStorage, Shape) {
    let (y, x) = shape.out();
    (CpuStorage::F32(data), Shape::from((shape.batch, y, x, shape.c_out)))
}

impl CustomOp3 for ConvOp {
    fn name(&self) -> &'static str {
        "conv"
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
        let shape = self.shape(xl.shape().dims(), bl.shape().elem_count())?;
        if wl.shape().elem_count() != shape.weight_len() {
            bail!("convolution {shape:?} does not fit weights {:?}", wl.shape());
        }
        let mut out = vec![0.0; shape.out_len()];
        let packed = shape.pack(unit(), values(w, wl)?);
        conv_forward(&shape, values(x, xl)?, &packed, values(b, bl)?, &mut out);
        Ok(output(&shape, out))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = self.shape(x.dims(), b.elem_count())?;
        with_values(grad, |grad| {
            let db = column_sums(grad, shape.c_out);
            let db = Tensor::from_vec(db, shape.c_out, x.device())?;
            let dw = with_values(x, |x| {
                let mut dw = vec![0.0; shape.weight_len()];
                conv_backward_weight(&shape, unit(), x, grad, &mut dw);
                Ok(dw)
            })?;
            let dw = Tensor::from_vec(dw, w.shape(), x.device())?;
            let dx = if x.track_op() {
                let packed = with_values(w, |w| Ok(shape.pack_backward(unit(), w)))?;
                let mut dx = vec![0.0; shape.in_len()];
                conv_backward_data(&shape, grad, &packed, &mut dx);
                Some(Tensor::from_vec(dx, x.shape(), x.device())?)
            } else {
                None
            };
            Ok((dx, Some(dw), Some(db)))
        })
    }
}

/// Sums of the columns of a row-major matrix with `n` columns.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn column_sums(rows: &[f32], n: usize) -> Vec<f32> {
    let mut total = vec![0.0; n];
    // Partial sums over 64 rows keep the rounding error small.
    for chunk in rows.chunks(64 * n) {
        let mut part = vec![0.0; n];
        for row in chunk.chunks_exact(n) {
            for (p, r) in part.iter_mut().zip(row) {
                *p += *r;
            }
        }
        for (t, p) in total.iter_mut().zip(&part) {
            *t += *p;
        }
    }
    total
}

/// A convolution whose weights no longer change: packed once, not differentiable.
#[derive(Clone, Debug)]
pub struct FrozenConv {
    op: ConvOp,
    packed: Arc<Packed>,
    bias: Arc<Vec<f32>>,
}

impl FrozenConv {
    /// Packs weights `(c_out, side, side, c_in)` for a unit.
    ///
    /// # Errors
    /// When the tensors are not f32 in main memory.
    pub fn new(op: ConvOp, unit: Unit, w: &Tensor, b: &Tensor) -> Result<Self> {
        let (c_out, _, _, c_in) = w.dims4()?;
        let shape = op.shape(&[1, 2, 2, c_in], c_out)?;
        let packed = with_values(w, |w| Ok(shape.pack(unit, w)))?;
        let bias = with_values(b, |b| Ok(b.to_vec()))?;
        Ok(Self { op, packed: Arc::new(packed), bias: Arc::new(bias) })
    }

    /// As [`ConvOp::apply`].
    ///
    /// # Errors
    /// When the input does not fit.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for FrozenConv {
    fn name(&self) -> &'static str {
        "frozen-conv"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> Result<(CpuStorage, Shape)> {
        let shape = self.op.shape(xl.shape().dims(), self.bias.len())?;
        if shape.c_in != self.packed.k() {
            bail!("convolution takes {} channels, got {}", self.packed.k(), shape.c_in);
        }
        let mut out = vec![0.0; shape.out_len()];
        conv_forward(&shape, values(x, xl)?, &self.packed, &self.bias, &mut out);
        Ok(output(&shape, out))
    }
}

//! The blocks that encoder and decoder are made of.

use candle_core::{D, Tensor};

use super::Result;

use crate::error::NnError;
use crate::kernels::{Unit, unit};
use crate::ops::{ConvOp, FrozenConv, group_norm_swish};

/// Where parameters come from: training variables or a weights file.
pub trait Parameters {
    /// A convolution's weight in the order `(c_out, side, side, c_in)`; files hold `(c_out, c_in, side, side)`.
    ///
    /// # Errors
    /// When the parameter is missing or has another shape.
    fn conv(&self, name: &str, c_out: usize, c_in: usize, side: usize, init: Init) -> Result<Tensor, NnError>;

    /// A vector or matrix.
    ///
    /// # Errors
    /// As [`Parameters::conv`].
    fn plain(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, NnError>;

    /// Will the parameters stay as they are? Then convolutions are packed once.
    fn frozen(&self) -> bool;

    /// What a frozen convolution is computed with.
    fn unit(&self, _name: &str) -> Unit {
        unit()
    }
}

/// How a parameter begins when it is trained from nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with this standard deviation.
    Normal(f32),
    /// All zero.
    Zero,
    /// All one.
    One,
}

/// A convolution with its parameters.
#[derive(Clone, Debug)]
pub struct Conv {
    op: ConvOp,
    weight: Tensor,
    bias: Tensor,
    frozen: Option<FrozenConv>,
}

impl Conv {
    /// Loads `name.weight` and `name.bias`. `gain` scales the initial weights; 0 makes the layer begin silent.
    pub fn new(
        p: &dyn Parameters,
        name: &str,
        c_in: usize,
        c_out: usize,
        op: ConvOp,
        gain: f32,
    ) -> Result<Self, NnError> {
        let init = match gain {
            0.0 => Init::Zero,
            gain => Init::Normal(gain / ((c_in * op.side * op.side) as f32).sqrt()),
        };
        let weight = p.conv(&format!("{name}.weight"), c_out, c_in, op.side, init)?;
        let bias = p.plain(&format!("{name}.bias"), &[c_out], Init::Zero)?;
        let frozen = if p.frozen() { Some(FrozenConv::new(op, p.unit(name), &weight, &bias)?) } else { None };
        Ok(Self { op, weight, bias, frozen })
    }

    /// `(b, y, x, c_in)` to `(b, y', x', c_out)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.frozen {
            Some(frozen) => frozen.apply(x),
            None => self.op.apply(x, &self.weight, &self.bias),
        }
    }
}

/// Group normalisation (32 groups, eps 1e-6), optionally with swish.
#[derive(Clone, Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    pub fn new(p: &dyn Parameters, name: &str, c: usize) -> Result<Self, NnError> {
        Ok(Self {
            weight: p.plain(&format!("{name}.weight"), &[c], Init::One)?,
            bias: p.plain(&format!("{name}.bias"), &[c], Init::Zero)?,
        })
    }

    pub fn forward(&self, x: &Tensor, swish: bool) -> Result<Tensor> {
        group_norm_swish(x, &self.weight, &self.bias, 32, 1e-6, swish)
    }
}

/// norm, swish, convolution, twice, around a shortcut.
#[derive(Clone, Debug)]
pub struct ResBlock {
    norm1: Norm,
    conv1: Conv,
    norm2: Norm,
    conv2: Conv,
    shortcut: Option<Conv>,
}

impl ResBlock {
    pub fn new(p: &dyn Parameters, name: &str, c_in: usize, c_out: usize) -> Result<Self, NnError> {
        let shortcut = if c_in == c_out {
            None
        } else {
            Some(Conv::new(p, &format!("{name}.nin_shortcut"), c_in, c_out, ConvOp::plain(1), 1.0)?)
        };
        Ok(Self {
            norm1: Norm::new(p, &format!("{name}.norm1"), c_in)?,
            conv1: Conv::new(p, &format!("{name}.conv1"), c_in, c_out, ConvOp::plain(3), 1.4)?,
            norm2: Norm::new(p, &format!("{name}.norm2"), c_out)?,
            conv2: Conv::new(p, &format!("{name}.conv2"), c_out, c_out, ConvOp::plain(3), 0.5)?,
            shortcut,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.conv1.forward(&self.norm1.forward(x, true)?)?;
        let h = self.conv2.forward(&self.norm2.forward(&h, true)?)?;
        match &self.shortcut {
            Some(shortcut) => h + shortcut.forward(x)?,
            None => h + x,
        }
    }
}

/// Single-head attention over all positions, around a shortcut.
#[derive(Clone, Debug)]
pub struct Attention {
    norm: Norm,
    q: Conv,
    k: Conv,
    v: Conv,
    proj_out: Conv,
}

impl Attention {
    pub fn new(p: &dyn Parameters, name: &str, c: usize) -> Result<Self, NnError> {
        let conv = |part: &str, gain| Conv::new(p, &format!("{name}.{part}"), c, c, ConvOp::plain(1), gain);
        Ok(Self {
            norm: Norm::new(p, &format!("{name}.norm"), c)?,
            q: conv("q", 1.0)?,
            k: conv("k", 1.0)?,
            v: conv("v", 1.0)?,
            proj_out: conv("proj_out", 0.5)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, y, w, c) = x.dims4()?;
        let n = self.norm.forward(x, false)?;
        let flat = |t: Tensor| t.reshape((b, y * w, c));
        let (q, k, v) = (flat(self.q.forward(&n)?)?, flat(self.k.forward(&n)?)?, flat(self.v.forward(&n)?)?);
        // (b, positions, c) x (b, c, positions) -> (b, positions, positions)
        let scores = (q.matmul(&k.transpose(1, 2)?.contiguous()?)? * (c as f64).powf(-0.5))?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
        x + self.proj_out.forward(&weights.matmul(&v)?.reshape((b, y, w, c))?)?
    }
}

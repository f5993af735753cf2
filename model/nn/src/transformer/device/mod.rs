//! The layers and heads of a transformer in candle's operations, on a device.
//!
//! A [`DeviceNet`] stands where a rank has the matrices for this project's kernels: it turns the rows that enter its layers into those
//! that leave them, and rows into logits. Everything else (embedding, books of the pages, ranks and lanes, draws) is the same, so
//! whatever decodes, decodes over devices. Rows cross to the device before the first layer and come back behind the last one;
//! between them nothing leaves it but the sums of layers that are cut over ranks.
//!
//! * [`DeviceNet`] holds weights, [`matrix`] in which form; [`DevicePages`] keys and values, all reserved at once;
//! * `open.rs` makes transformers of it, `pass.rs` runs layers, `step.rs` those of next-token decoding, which are recorded;
//!   `attention.rs` is one attention over the keys of a branch and of its pass;
//! * on CUDA weights are bf16, f32 or fp8; on the processor bf16 becomes f32, because candle has no product of bf16 there.
//!
//! It does not know tokens or branches: spans say which pages a row sees.
//!
//! Invariant: on the processor it computes what the kernels compute, but for the order of sums; a test holds the two together.

mod attention;
mod matrix;
mod open;
mod pages;
mod pass;
mod step;

use std::sync::Arc;

use candle_core::{DType, Tensor};

use self::matrix::{DeviceMatrix, DeviceTensors, FromFiles, Random};
pub(super) use self::pages::DevicePages;
pub(super) use self::pass::Others;
use super::inference::pieces;
use super::matrix::{Piece, WeightForm};
use super::{Half, HeadShape, TransformerConfig, TransformerError};
use crate::NnError;
use crate::device::{DeviceError, OnDevice};
use crate::parallel::{Communicator, Slice};

/// One layer on the device.
#[derive(Debug)]
struct DeviceLayer {
    input_norm: Tensor,
    qkv: DeviceMatrix,
    /// With the scale of scores in it, `1 / sqrt(head_dim)`.
    q_norm: Tensor,
    k_norm: Tensor,
    o: DeviceMatrix,
    post_norm: Tensor,
    gate_up: DeviceMatrix,
    down: DeviceMatrix,
}

/// What a rank holds of a model, on a device.
#[derive(Debug)]
pub(super) struct DeviceNet {
    on: OnDevice,
    /// Of products, keys and values.
    products: DType,
    shape: HeadShape,
    hidden: usize,
    inner: usize,
    eps: f32,
    layers: Vec<DeviceLayer>,
    norm: Tensor,
    heads: [DeviceMatrix; 2],
    /// The devices of the other parts of each layer, where NCCL connects them; else sums go through the processor.
    #[cfg(feature = "nccl")]
    sums: Option<crate::device::NcclRank>,
}

impl DeviceNet {
    /// Puts what a slice holds onto a device.
    ///
    /// # Errors
    /// A tensor that is missing or does not fit, or when the device's memory is full.
    pub fn load(
        config: &TransformerConfig,
        slice: &Slice,
        visual_start: usize,
        on: &OnDevice,
        tensors: &mut dyn DeviceTensors,
    ) -> Result<Self, NnError> {
        let told = |error: candle_core::Error| NnError::from(on.told(&error));
        let (d, head_dim) = (config.hidden_size, config.head_dim);
        let vector = |values: &[f32]| Tensor::from_slice(values, values.len(), on.device()).map_err(told);
        let mut layers = Vec::with_capacity(slice.layers.len());
        for i in slice.layers.clone() {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            let pieces = pieces(config, slice, i);
            let mut q_norm = tensors.vector(&name("self_attn.q_norm"), head_dim)?;
            let scale = (1.0 / (head_dim as f64).sqrt()) as f32;
            q_norm.iter_mut().for_each(|value| *value *= scale);
            layers.push(DeviceLayer {
                input_norm: vector(&tensors.vector(&name("input_layernorm"), d)?)?,
                qkv: tensors.matrix(&pieces.qkv, on)?,
                q_norm: vector(&q_norm)?,
                k_norm: vector(&tensors.vector(&name("self_attn.k_norm"), head_dim)?)?,
                o: tensors.matrix(&[pieces.o], on)?,
                post_norm: vector(&tensors.vector(&name("post_attention_layernorm"), d)?)?,
                gate_up: tensors.matrix(&pieces.gate_up, on)?,
                down: tensors.matrix(&[pieces.down], on)?,
            });
        }
        let norm = vector(&tensors.vector("model.norm.weight", d)?)?;
        let visual = slice.visual.start + visual_start..slice.visual.end + visual_start;
        let mut head = |rows| tensors.matrix(&[Piece::rows("lm_head.weight", [config.vocab_size, d], rows)], on);
        let heads = [head(slice.text.clone())?, head(visual)?];
        let products = tensors.products();
        // The first pass may come from another thread, which has a stream of its own.
        on.finish()?;
        let (shape, inner, eps) = (slice.shape, slice.inner.len(), config.rms_norm_eps as f32);
        Ok(Self {
            on: on.clone(),
            products,
            shape,
            hidden: d,
            inner,
            eps,
            layers,
            norm,
            heads,
            #[cfg(feature = "nccl")]
            sums: None,
        })
    }

    /// Bytes of the weights.
    pub fn bytes(&self) -> u64 {
        let layers = self.layers.iter().flat_map(|layer| [&layer.qkv, &layer.o, &layer.gate_up, &layer.down]);
        layers.chain(&self.heads).map(DeviceMatrix::bytes).sum::<u64>() + self.norm_bytes()
    }

    fn norm_bytes(&self) -> u64 {
        let norms = self.layers.iter().flat_map(|l| [&l.input_norm, &l.post_norm, &l.q_norm, &l.k_norm]);
        norms.chain([&self.norm]).map(|norm| norm.elem_count() as u64 * 4).sum()
    }

    /// Where it is.
    pub fn on(&self) -> &OnDevice {
        &self.on
    }

    /// Connects the devices of the ranks that hold parts of each layer. Every rank of `parts` does this at once; where NCCL is not
    /// there, all of them go on without it.
    ///
    /// # Errors
    /// When a rank is lost, or NCCL is there and cannot connect the devices.
    pub fn connect(&mut self, parts: &Arc<dyn Communicator>) -> Result<(), TransformerError> {
        #[cfg(feature = "nccl")]
        if self.on.is_cuda() {
            let mut name = if parts.rank() == 0 { crate::device::new_group().unwrap_or_default() } else { Vec::new() };
            parts.tell(0, &mut name)?;
            if !name.is_empty() {
                self.sums = Some(crate::device::NcclRank::join(&self.on, &name, Arc::clone(parts))?);
            }
        }
        // Without NCCL, values meet on the processor, where the ranks' threads are.
        Ok(parts.lost()?)
    }

    /// Keys and values of `count` pages.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn pages(&self, count: usize) -> Result<DevicePages, DeviceError> {
        DevicePages::new(&self.on, self.products, self.shape, self.layers.len(), count)
    }

    /// Bytes of a value of the pages.
    pub fn page_value_bytes(&self) -> usize {
        self.products.size_in_bytes()
    }

    /// Has it no layer?
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Leaves out all layers behind the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.layers.truncate(count);
    }

    /// Final norm and head over rows of a stream, `(rows, ids)`.
    ///
    /// # Errors
    /// What the device says.
    pub fn head_logits<'w>(
        &self,
        stream: &[f32],
        rows: impl Iterator<Item = usize>,
        half: Half,
        out: &'w mut Vec<f32>,
    ) -> Result<&'w mut [f32], TransformerError> {
        let d = self.hidden;
        let wanted: Vec<f32> = rows.flat_map(|row| stream[row * d..(row + 1) * d].iter().copied()).collect();
        let work = || -> candle_core::Result<Vec<f32>> {
            let x = Tensor::from_vec(wanted, ((), d), self.on.device())?;
            let normed = candle_nn::ops::rms_norm(&x, &self.norm, self.eps)?;
            let head = &self.heads[usize::from(half == Half::Visual)];
            head.multiply(&normed)?.flatten_all()?.to_vec1()
        };
        *out = work().map_err(|error| self.on.told(&error))?;
        Ok(out)
    }
}

/// How weights are held on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// f32.
    F32,
    /// What the device computes short products in.
    Short,
    /// 8-bit floats with a scale for every output.
    Fp8,
}

impl Held {
    /// What a form means on a device; `stored` says whether the file has 4-byte values.
    ///
    /// # Errors
    /// When a form is one of the processor's kernels alone.
    fn of(form: WeightForm, stored_f32: bool) -> Result<Self, TransformerError> {
        use crate::kernels::Format;
        match form {
            WeightForm::Stored if stored_f32 => Ok(Self::F32),
            WeightForm::Stored => Ok(Self::Short),
            WeightForm::Fp8 => Ok(Self::Fp8),
            WeightForm::Packed(arithmetic) if arithmetic.format == Format::F32 => Ok(Self::F32),
            WeightForm::Packed(arithmetic) if arithmetic.format == Format::Bf16 => Ok(Self::Short),
            other => Err(TransformerError::Input(format!(
                "{} weights on a device; allowed there are stored, f32, bf16 and fp8",
                other.name()
            ))),
        }
    }

    /// What products are computed in.
    fn products(self, on: &OnDevice) -> DType {
        if self == Self::F32 { DType::F32 } else { on.short_type() }
    }
}

//! What parts of a model take in memory.

use rhea_nn::kernels::Format;
use rhea_nn::parallel::Slice;
use rhea_nn::transformer::limits::DEVICE_SCORES;
use rhea_nn::transformer::{Role, TransformerConfig, WeightForm};

use crate::estimate::{KV_BYTES, PASS_ROWS};

/// What a plan has to know of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSizes {
    /// Its settings.
    pub config: TransformerConfig,
    /// The first visual id.
    pub visual_start: usize,
    /// Bytes of a value in its file.
    pub stored: u64,
    /// How matrices are held.
    pub form: WeightForm,
    /// Tokens of a branch.
    pub context: usize,
    /// Branches: 1 without guidance, 2 with, 3 with guidance by reference pictures.
    pub branches: usize,
    /// The vision tokenizer, which the first rank runs alone.
    pub vision_bytes: u64,
}

impl ModelSizes {
    /// Bytes of a key's or value's numbers on a CUDA device: they have the type of products.
    pub(super) fn device_value(&self) -> u64 {
        match self.form {
            WeightForm::Stored => self.stored.min(KV_BYTES),
            WeightForm::Packed(arithmetic) if arithmetic.format == Format::F32 => KV_BYTES,
            _ => 2,
        }
    }
}

/// Weights of a slice, as [`crate::MemoryEstimate`] counts those of the whole.
pub(super) fn weights(sizes: &ModelSizes, slice: &Slice) -> u64 {
    let ids = (slice.text.len() + slice.visual.len()) as u64;
    matrices(sizes, slice) + ids * sizes.config.hidden_size as u64 * sizes.stored
}

/// The matrices of a slice without the embedding, which stays in its file where layers are on a device.
pub(super) fn matrices(sizes: &ModelSizes, slice: &Slice) -> u64 {
    let ModelSizes { config, stored, form, .. } = sizes;
    let (d, layers) = (config.hidden_size as u64, slice.layers.len() as u64);
    let (q, qkv) = (slice.shape.q_width() as u64, slice.shape.qkv_width() as u64);
    let inner = slice.inner.len() as u64;
    let matrices = [
        (layers, qkv, d, Role::Attention),
        (layers, d, q, Role::Attention),
        (layers, 2 * inner, d, Role::Other),
        (layers, d, inner, Role::Other),
        (1, slice.text.len() as u64, d, Role::Other),
        (1, slice.visual.len() as u64, d, Role::Other),
    ];
    let held = matrices.iter().map(|(count, n, k, role)| {
        let (own, mapped) = form.bytes(*n, *k, *role, *stored);
        count * (own + mapped)
    });
    held.sum::<u64>()
}

/// What a CUDA device holds beside weights, keys and values: the driver's own, buffers of a pass, scores of attention, and of fp8
/// the largest matrix as it is widened. The vision tokenizer stays on the processor.
pub(super) fn device_buffers(sizes: &ModelSizes, slice: &Slice) -> u64 {
    let d = sizes.config.hidden_size as u64;
    let (inner, ids) = (slice.inner.len() as u64, slice.text.len().max(slice.visual.len()) as u64);
    let scores = (slice.shape.heads as u64 * PASS_ROWS * sizes.context as u64).min(DEVICE_SCORES as u64);
    let widened = if sizes.form == WeightForm::Fp8 { (2 * inner).max(ids) * d * 2 } else { 0 };
    let rows = PASS_ROWS * (6 * inner + 8 * d + 6 * slice.shape.qkv_width() as u64) * 4;
    DRIVER_BYTES + rows + scores * SCORE_BYTES + widened
}

/// What the driver and its libraries keep for themselves: a context, kernels, the workspace of products.
const DRIVER_BYTES: u64 = 768 << 20;
/// Scores in f32 before and behind their softmax, and as weights.
const SCORE_BYTES: u64 = 12;

/// Buffers of a pass.
pub(super) fn buffers(sizes: &ModelSizes, slice: &Slice, branches: u64) -> u64 {
    let wide = 3 * slice.inner.len() + 4 * sizes.config.hidden_size + 3 * slice.shape.qkv_width();
    PASS_ROWS * wide as u64 * 4 + branches * (slice.text.len() + slice.visual.len()) as u64 * 4
}

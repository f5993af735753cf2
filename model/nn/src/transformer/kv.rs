//! The keys and values of what a model has read, with room reserved in advance.

use super::ops::attention::{Keys, Scratch};
use super::{HeadShape, TransformerConfig, TransformerError};

/// Largest key and value memory that a store may reserve, in bytes.
pub const MAX_STORE_BYTES: usize = 1 << 36;

/// Keys and values of all layers, `(kv_heads, capacity, head_dim)` each, and the buffers of a forward pass.
///
/// Rows below [`Self::len`] are committed; a denoising pass uses the rows behind them as scratch.
#[derive(Debug)]
pub struct KvStore {
    shape: HeadShape,
    capacity: usize,
    len: usize,
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) work: Work,
}

/// Buffers of a forward pass, grown on first use.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub positions: Vec<u32>,
    pub visible: Vec<super::Visible>,
    pub stream: Vec<f32>,
    pub normed: Vec<f32>,
    pub qkv: Vec<f32>,
    pub q: Vec<f32>,
    pub heads_context: Vec<f32>,
    pub context: Vec<f32>,
    pub scores: Vec<f32>,
    pub attention: Scratch,
    pub gate_up: Vec<f32>,
    pub act: Vec<f32>,
    pub scales: Vec<f32>,
    pub logits: Vec<f32>,
}

impl KvStore {
    /// Room for `capacity` rows.
    ///
    /// # Errors
    /// When `capacity` is zero, more than the model has positions, or more than `MAX_STORE_BYTES` of memory.
    pub fn new(config: &TransformerConfig, capacity: usize) -> Result<Self, TransformerError> {
        let shape = config.head_shape();
        let positions = config.max_position_embeddings;
        let per_layer = shape.kv_width() * capacity;
        let bytes = per_layer.saturating_mul(8 * config.num_hidden_layers);
        if capacity == 0 || capacity > positions || bytes > MAX_STORE_BYTES {
            let text = format!("a memory of {capacity} rows ({bytes} bytes); allowed are 1 to {positions} rows");
            return Err(TransformerError::Input(text));
        }
        let layers = (0..config.num_hidden_layers).map(|_| (vec![0.0; per_layer], vec![0.0; per_layer])).collect();
        Ok(Self { shape, capacity, len: 0, layers, work: Work::default() })
    }

    /// Committed rows.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a length in rows, not a container")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Rows that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets everything from row `len` on; a larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Keys and values of one key head of one layer, committed rows only, `(len, head_dim)` each.
    ///
    /// # Panics
    /// When the layer or head does not exist.
    #[must_use]
    pub fn head(&self, layer: usize, head: usize) -> (&[f32], &[f32]) {
        let d = self.shape.head_dim;
        let range = head * self.capacity * d..(head * self.capacity + self.len) * d;
        (&self.layers[layer].0[range.clone()], &self.layers[layer].1[range])
    }

    pub(super) fn check_room(&self, rows: usize) -> Result<(), TransformerError> {
        if rows == 0 || rows > self.capacity - self.len {
            let text = format!(
                "{rows} rows behind {} of {}; at least one must be given and all must fit",
                self.len, self.capacity
            );
            return Err(TransformerError::Input(text));
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, rows: usize) {
        self.len += rows;
    }

    /// Keys and values of a layer for writing, beside the work buffers.
    pub(super) fn layer_mut(&mut self, layer: usize) -> (&mut [f32], &mut [f32], &mut Work) {
        let (k, v) = &mut self.layers[layer];
        (k, v, &mut self.work)
    }

    /// Keys of the first `len` rows of a layer, beside the work buffers.
    pub(super) fn keys(&mut self, layer: usize, len: usize) -> (Keys<'_>, &mut Work) {
        let (k, v) = &self.layers[layer];
        (Keys { k, v, capacity: self.capacity, len }, &mut self.work)
    }
}

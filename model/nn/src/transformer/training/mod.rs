//! Losses and gradients over ragged batches, with every intermediate in buffers that are kept between steps.
//!
//! A shard is one thread: a [`Pass`] owns its buffers, [`Weights`] are packed once per step and shared. Sums are taken in a
//! fixed order, so a step gives the same bits however the shards are scheduled.

mod heads;
mod loss;
mod pass;
#[cfg(test)]
mod tests;
mod weights;

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::TransformerError;
use super::ops::add;
use super::parameters::Layout;

pub use super::ops::cross_entropy::RowLoss;
pub use pass::Pass;
pub use weights::Weights;

/// A row whose next token is known: what it should say, and how much that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossRow {
    /// Row of the batch.
    pub row: u32,
    /// The right id; the logits compared are those of its half of the vocabulary, text or visual.
    pub target: u32,
    /// Factor of its cross entropy in the sum.
    pub weight: f32,
}

/// Gradients of all parameters, flat in the order of the [`Layout`].
#[derive(Clone, Debug)]
pub struct Gradients {
    layout: Arc<Layout>,
    flat: Vec<f32>,
}

impl Gradients {
    /// All zero.
    #[must_use]
    pub fn zeros(layout: Arc<Layout>) -> Self {
        let flat = vec![0.0; layout.total()];
        Self { layout, flat }
    }

    /// Sets all to zero.
    pub fn clear(&mut self) {
        self.flat.fill(0.0);
    }

    /// Adds the gradients of another shard.
    pub fn add(&mut self, other: &Self) {
        add(&other.flat, &mut self.flat);
    }

    /// All values, flat.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.flat
    }

    /// All values, flat.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.flat
    }

    /// One tensor per parameter, in order.
    ///
    /// # Errors
    /// When candle refuses the shapes, which the layout excludes.
    pub fn tensors(&self) -> Result<Vec<Option<Tensor>>, TransformerError> {
        let specs = self.layout.specs().iter().enumerate();
        specs
            .map(|(i, spec)| {
                let values = &self.flat[self.layout.range(i)];
                Ok(Some(Tensor::from_slice(values, spec.shape.as_slice(), &Device::Cpu)?))
            })
            .collect()
    }

    /// Two ranges at once, the first before the second.
    fn pair(&mut self, first: Range<usize>, second: Range<usize>) -> (&mut [f32], &mut [f32]) {
        let (low, high) = self.flat.split_at_mut(second.start);
        (&mut low[first], &mut high[..second.end - second.start])
    }
}

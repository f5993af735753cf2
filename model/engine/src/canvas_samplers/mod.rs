//! How logits become the codes of a canvas: all cells at once, in passes.
//!
//! * [`MaskedConfidence`]: unknown cells are holes, each pass decides the surest, what is decided stays;
//! * [`FlowSampler`]: discrete flow along the metric or the mixture path, every free cell may be revised until the last pass;
//! * [`EntropyBound`]: each pass accepts the cells whose joint entropy is small, the others become noise again.
//!
//! A [`Canvas`] says what its cells show, a [`Denoiser`] gives logits for it, a [`CanvasSampler`] writes the next codes, and
//! [`draw`] lets them take turns. Samplers know nothing of networks, denoisers nothing of sampling: a guided denoiser that
//! mixes two streams of logits is one more [`Denoiser`].
//!
//! Invariant: a pinned cell is never changed, and a result depends on the request's seed, not on the order of cells.

mod canvas;
mod draws;
mod entropy;
mod flow;
mod masked;
mod metric;
#[cfg(test)]
mod tests;

pub use canvas::{Canvas, Cell, Logits};
pub use draws::Draws;
pub use entropy::{EntropyBound, EntropySettings};
pub use flow::{Flow, FlowBuffers, FlowPath, FlowSampler};
pub use masked::MaskedConfidence;
pub use metric::{CodeMetric, MetricPath};

use std::ops::RangeInclusive;

use crate::error::EngineError;
use crate::request::Cancel;

/// What a free cell that nothing is known of shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// The mark of a hole.
    Hole,
    /// A random code, every code equally likely.
    Uniform {
        /// Number of codes.
        codes: usize,
    },
}

impl Noise {
    /// Makes noise of a free cell for a pass; a hint that memory left shows again.
    fn put(self, canvas: &mut Canvas, (pass, cell): (u32, usize), draws: &mut Draws) {
        canvas.restore(cell);
        if let (Self::Uniform { codes }, Cell::Hole) = (self, canvas.cells()[cell]) {
            canvas.write(cell, draws.noise(pass, cell, codes));
        }
    }
}

/// Something that says which codes are likely in each cell of a canvas.
pub trait Denoiser {
    /// Logits of ascending `cells`, or of all, at time `t`, from 0 (noise) to 1 (picture). A network reads the noise off the
    /// canvas and needs no `t`; guidance that is cut off late in the flow does.
    ///
    /// # Errors
    /// When the canvas does not fit the model.
    fn denoise(&mut self, canvas: &Canvas, cells: &[usize], t: f64) -> Result<Logits<'_>, EngineError>;
}

/// One way of turning logits into the next codes.
pub trait CanvasSampler {
    /// Puts the first noise on the canvas. Returns the passes to make, counted from 1; empty when nothing is to be drawn.
    fn begin(&mut self, canvas: &mut Canvas, draws: &mut Draws) -> RangeInclusive<u32>;

    /// The time of a pass, `[0, 1)`.
    fn time(&self, pass: u32) -> f64;

    /// The cells whose logits the next pass needs, ascending.
    fn asks(&self, canvas: &Canvas) -> Vec<usize> {
        canvas.free().collect()
    }

    /// Writes what follows from the logits of a pass. True when the canvas is done before the last pass.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`] with the number of the pass.
    fn step(
        &mut self,
        canvas: &mut Canvas,
        logits: &Logits<'_>,
        pass: u32,
        draws: &mut Draws,
    ) -> Result<bool, EngineError>;
}

/// Draws the free cells of a canvas. Returns the passes made.
///
/// # Errors
/// [`EngineError::Cancelled`] between two passes, and what denoiser and sampler say.
pub fn draw(
    denoiser: &mut dyn Denoiser,
    sampler: &mut dyn CanvasSampler,
    canvas: &mut Canvas,
    draws: &mut Draws,
    cancel: &Cancel,
) -> Result<u32, EngineError> {
    let mut made = 0;
    for pass in sampler.begin(canvas, draws) {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let cells = sampler.asks(canvas);
        let logits = denoiser.denoise(canvas, &cells, sampler.time(pass))?;
        made += 1;
        if sampler.step(canvas, &logits, pass, draws)? {
            break;
        }
    }
    Ok(made)
}

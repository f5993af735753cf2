//! What is done to a canvas before the model sees it.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rhea_engine::canvas_samplers::{CodeMetric, Flow, FlowBuffers};

use super::layout::Kind;
use super::{CanvasCell, WorldIds, WorldSample};
use rhea_nn::transformer::{CanvasToken, NO_ID};

/// What weights learn to draw from.
#[derive(Clone)]
pub enum CanvasNoise {
    /// Holes and marks.
    Hole(Noise),
    /// Random codes, for DiDA.
    Uniform(FlowNoise),
}

/// How much noise canvases with holes get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Share of canvases that stay as memory left them, as in the first pass of decoding.
    pub untouched: f32,
    /// Share of cells that are not revealed and show a random code instead of a hole.
    pub random: f32,
    /// Share of known cells that are replaced by a random code.
    pub corrupted: f32,
}

impl Noise {
    /// For training.
    pub const TRAINING: Self = Self { untouched: 0.15, random: 0.3, corrupted: 0.075 };
    /// For evaluation: the canvas as memory left it.
    pub const NONE: Self = Self { untouched: 1.0, random: 0.0, corrupted: 0.0 };

    /// The cells of a noisy canvas, and what each of them teaches. The share of unknown cells that is revealed is uniform.
    pub(super) fn cells(self, sample: &WorldSample, ids: &WorldIds, rng: &mut ChaCha8Rng) -> Vec<(CanvasToken, Kind)> {
        // Both are drawn always, so that the stream of random numbers does not depend on their values.
        let (untouched, level) = (rng.random::<f32>(), rng.random::<f32>());
        let revealed = if untouched < self.untouched { 0.0 } else { level };
        let cells = sample.canvas.iter().zip(&sample.target_codes);
        cells
            .map(|(cell, truth)| {
                let (first, second) = (rng.random::<f32>(), rng.random::<f32>());
                let random = ids.visual_base + rng.random_range(0..ids.visual_count);
                let plain = |id: u32| CanvasToken { id, marks: [ids.canvas, NO_ID] };
                let code = |code: u32| plain(ids.visual_base + code);
                match *cell {
                    CanvasCell::Known(_) if first < self.corrupted => (plain(random), Kind::Corrupted),
                    CanvasCell::Known(known) => (code(known), Kind::Known),
                    _ if first < revealed => (code(*truth), Kind::Revealed),
                    CanvasCell::Partial(seen) => {
                        let marks = [ids.canvas, ids.partial];
                        (CanvasToken { id: ids.visual_base + seen, marks }, Kind::Partial)
                    }
                    CanvasCell::Hole if second < self.random => (plain(random), Kind::Hole),
                    CanvasCell::Hole => (plain(ids.hole), Kind::Hole),
                }
            })
            .collect()
    }
}

/// Noise of a discrete flow: each picture has a time, and its cells show what the path makes of the truth until then.
#[derive(Clone)]
pub struct FlowNoise {
    /// Path and clock.
    pub flow: Flow,
    /// Distances of the codebook.
    pub metric: Arc<CodeMetric>,
}

impl FlowNoise {
    /// The codes that cells show, and what each of them teaches. Known cells are pinned, as in decoding. A partly known cell
    /// still shows its hint with probability `1 - t`: decoding starts from hints and leaves them on its way.
    pub(super) fn cells(&self, sample: &WorldSample, rng: &mut ChaCha8Rng) -> Vec<(u32, Kind)> {
        let t = self.flow.training_time(rng);
        let mut buffers = FlowBuffers::default();
        let cells = sample.canvas.iter().zip(&sample.target_codes);
        cells
            .map(|(cell, truth)| {
                let hinted = rng.random::<f64>() >= t;
                match *cell {
                    CanvasCell::Known(code) => (code, Kind::Known),
                    CanvasCell::Partial(code) if hinted => (code, Kind::Partial),
                    CanvasCell::Partial(_) | CanvasCell::Hole => {
                        (self.flow.corrupt(*truth, t, &self.metric, rng, &mut buffers), Kind::Hole)
                    }
                }
            })
            .collect()
    }
}

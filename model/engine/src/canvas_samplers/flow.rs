//! Discrete flow: every free cell starts as noise and jumps, pass by pass, towards codes that are drawn from the logits.
//!
//! The sampler of URSA (arXiv 2510.24717). In each pass but the last, a cell that shows `x` draws a target `y` from its logits
//! and jumps with probability `1 - exp(-dt * sum of rates)`, where it goes being as likely as its rate; the last pass takes
//! what the logits say. Rates are those of a path: of the metric path in [`super::MetricPath`], or `1 / (1 - t)` onto `y` for
//! the mixture path, which keeps the true code with probability `t` and shows noise otherwise.

use std::ops::RangeInclusive;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::metric::pick;
use super::{Canvas, CanvasSampler, CodeMetric, Draws, Logits, MetricPath, Noise};
use crate::error::EngineError;
use crate::sampler::Drawn;

/// The noise between a random code and the true one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowPath {
    /// Near codes first.
    Metric(MetricPath),
    /// The true code or a random one.
    Mixture,
}

/// A path with its clock: what weights are trained with and sampled along.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The noise.
    pub path: FlowPath,
    /// Time shift, 0.05 to 20: above 1 more passes are made among heavy noise; 1 keeps them even.
    pub shift: f64,
}

/// Least and largest time shift.
const SHIFTS: RangeInclusive<f64> = 0.05..=20.0;
/// Share of the clock that training draws from: it stays short of the clean end, as URSA's does.
const TRAINING_SHARE: f64 = 0.999;

impl Flow {
    /// The metric path with the defaults of URSA's scheduler.
    pub const METRIC: Self = Self { path: FlowPath::Metric(MetricPath::URSA), shift: 1.0 };
    /// The mixture path.
    pub const MIXTURE: Self = Self { path: FlowPath::Mixture, shift: 1.0 };

    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting outside its range, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !SHIFTS.contains(&self.shift) {
            return Err(format!("shift is {}; allowed are {} to {}", self.shift, SHIFTS.start(), SHIFTS.end()));
        }
        let FlowPath::Metric(MetricPath { alpha, c }) = self.path else { return Ok(()) };
        if !(alpha > 0.0 && alpha <= 4.0) {
            return Err(format!("alpha is {alpha}; allowed is above 0 up to 4"));
        }
        if !(c > 0.0 && c <= 100.0) {
            return Err(format!("c is {c}; allowed is above 0 up to 100"));
        }
        Ok(())
    }

    /// The time at which a share of the clock has passed, both in [0, 1]: `1 - s u / (1 + (s - 1) u)` with `u = 1 - share`.
    #[must_use]
    pub fn time(&self, share: f64) -> f64 {
        let left = 1.0 - share;
        1.0 - self.shift * left / (1.0 + (self.shift - 1.0) * left)
    }

    /// A time for a training sample.
    pub fn training_time(&self, rng: &mut ChaCha8Rng) -> f64 {
        self.time(TRAINING_SHARE * rng.random::<f64>())
    }

    /// What a cell of code `truth` shows at time `t`. `buffers` are scratch.
    ///
    /// # Panics
    /// When the codebook has no such code.
    pub fn corrupt(
        &self,
        truth: u32,
        t: f64,
        metric: &CodeMetric,
        rng: &mut ChaCha8Rng,
        buffers: &mut FlowBuffers,
    ) -> u32 {
        let (first, second) = (rng.random::<f64>(), rng.random_range(0..metric.codes() as u32));
        match self.path {
            FlowPath::Mixture if first < t => truth,
            FlowPath::Mixture => second,
            FlowPath::Metric(path) => {
                metric.distances(truth, &mut buffers.distances);
                let total = path.noise(&buffers.distances, t, &mut buffers.weights);
                pick(&buffers.weights, total, first).unwrap_or(truth)
            }
        }
    }
}

/// One row of distances and one of weights, kept between cells.
#[derive(Clone, Debug, Default)]
pub struct FlowBuffers {
    distances: Vec<f32>,
    weights: Vec<f32>,
}

/// Follows a flow in a number of passes.
pub struct FlowSampler<'a> {
    flow: Flow,
    passes: u32,
    noise: Noise,
    metric: &'a CodeMetric,
}

impl<'a> FlowSampler<'a> {
    /// A sampler of at least 1 pass. `noise` is what cells show before the first; the metric path always takes codes, for a
    /// hole is at no distance.
    #[must_use]
    pub fn new(flow: Flow, passes: u32, noise: Noise, metric: &'a CodeMetric) -> Self {
        let noise = if flow.path == FlowPath::Mixture { noise } else { Noise::Uniform { codes: metric.codes() } };
        Self { flow, passes: passes.max(1), noise, metric }
    }

    /// Where a cell that shows `current` jumps on its way to `target`; `None` when it stays.
    fn jump(
        &self,
        current: Option<u32>,
        target: u32,
        (pass, cell): (u32, usize),
        draws: &mut Draws,
        buffers: &mut FlowBuffers,
    ) -> Option<u32> {
        if current == Some(target) {
            return None;
        }
        let t = self.time(pass);
        let dt = self.time(pass + 1) - t;
        let jumps = |rate: f64, draws: &mut Draws| draws.jump(pass, cell) < 1.0 - (-dt * rate).exp();
        match (self.flow.path, current) {
            (FlowPath::Metric(path), Some(current)) => {
                let FlowBuffers { distances, weights } = buffers;
                self.metric.distances(target, distances);
                let total = path.rates(distances, current, t, weights);
                if jumps(total, draws) { pick(weights, total, draws.target(pass, cell)) } else { None }
            }
            // Also from a hole, which is on the mixture path alone.
            _ => jumps(1.0 / (1.0 - t), draws).then_some(target),
        }
    }
}

impl CanvasSampler for FlowSampler<'_> {
    fn begin(&mut self, canvas: &mut Canvas, draws: &mut Draws) -> RangeInclusive<u32> {
        for cell in canvas.free() {
            self.noise.put(canvas, (0, cell), draws);
        }
        // At time 0 the metric path has no rates, so its first pass could move nothing; it need not be made.
        let first = match self.flow.path {
            FlowPath::Metric(_) if self.passes > 1 => 2,
            _ => 1,
        };
        first..=(if canvas.free_cells() == 0 { 0 } else { self.passes })
    }

    fn time(&self, pass: u32) -> f64 {
        self.flow.time(f64::from(pass - 1) / f64::from(self.passes))
    }

    fn step(
        &mut self,
        canvas: &mut Canvas,
        logits: &Logits<'_>,
        pass: u32,
        draws: &mut Draws,
    ) -> Result<bool, EngineError> {
        let cells = self.asks(canvas);
        let last = pass >= self.passes;
        let next = |draws: &mut Draws, buffers: &mut FlowBuffers, cell: usize, drawn: Drawn| {
            let (current, target) = (canvas.cells()[cell].code(), drawn.index as u32);
            let next = if last { Some(target) } else { self.jump(current, target, (pass, cell), draws, buffers) };
            (cell, drawn, next)
        };
        for (cell, drawn, next) in draws.each(&cells, logits, pass, FlowBuffers::default, next)? {
            if last {
                draws.codes.keep(drawn);
            }
            next.into_iter().for_each(|code| canvas.write(cell, code));
        }
        Ok(last)
    }
}

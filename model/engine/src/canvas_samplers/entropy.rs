//! Each pass accepts the cells that may be drawn together, and makes noise of the others.
//!
//! Entropy-bounded decoding (arXiv 2505.24857) with uniform noise, as DiffusionGemma serves it: the cells of lowest entropy are
//! accepted while the sum of entropies without the largest stays within a bound, which bounds what drawing them apart from
//! each other can spoil. Every cell is judged anew in every pass. Sure canvases end early.

use std::ops::RangeInclusive;

use rhea_nn::transformer::ops::math::exp_all;
use serde::{Deserialize, Serialize};

use super::{Canvas, CanvasSampler, Draws, Logits, Noise};
use crate::error::EngineError;
use crate::sampler::Drawn;

/// Settings of [`EntropyBound`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropySettings {
    /// Joint entropy of the cells accepted in a pass, without the largest, in nats, 0 to 1e6. With 0 one cell a pass.
    pub bound: f32,
    /// Temperature of the first pass, above 0 up to 10.
    pub first_temperature: f32,
    /// Temperature of the last pass that may be made; between them it changes evenly.
    pub last_temperature: f32,
    /// Mean entropy of the free cells, in nats, below which a canvas may end, 0 to 20.
    pub sure: f32,
    /// Passes in a row whose likeliest codes must stay the same before a canvas may end, 1 to 64.
    pub stable_passes: u32,
}

impl EntropySettings {
    /// Temperatures as published for DiffusionGemma. Its bound of 0.1 and certainty of 0.005 nats are for text; the codes of a
    /// picture keep some nats each, so that 0.1 would accept one cell a pass.
    pub const PICTURE: Self =
        Self { bound: 8.0, first_temperature: 0.8, last_temperature: 0.4, sure: 0.2, stable_passes: 1 };

    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting outside its range, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1e6).contains(&self.bound) {
            return Err(format!("bound is {}; allowed are 0 to 1e6 nats", self.bound));
        }
        for (name, value) in
            [("first_temperature", self.first_temperature), ("last_temperature", self.last_temperature)]
        {
            if !(value > 0.0 && value <= 10.0) {
                return Err(format!("{name} is {value}; allowed is above 0 up to 10"));
            }
        }
        if !(0.0..=20.0).contains(&self.sure) {
            return Err(format!("sure is {}; allowed are 0 to 20 nats", self.sure));
        }
        if !(1..=64).contains(&self.stable_passes) {
            return Err(format!("stable_passes is {}; allowed are 1 to 64", self.stable_passes));
        }
        Ok(())
    }
}

/// What a pass says about a cell.
#[derive(Clone, Copy, Debug)]
struct Said {
    cell: usize,
    entropy: f64,
    drawn: Drawn,
}

/// The sampler with its memory of earlier passes.
#[derive(Clone, Debug)]
pub struct EntropyBound {
    settings: EntropySettings,
    passes: u32,
    noise: Noise,
    /// Likeliest code of every cell in the pass before.
    likeliest: Vec<u32>,
    stable: u32,
}

impl EntropyBound {
    /// A sampler that makes up to `passes` passes, at least 1; `noise` is what cells show that are not accepted.
    #[must_use]
    pub fn new(settings: EntropySettings, passes: u32, noise: Noise) -> Self {
        Self { settings, passes: passes.max(1), noise, likeliest: Vec::new(), stable: 0 }
    }

    fn temperature(&self, pass: u32) -> f32 {
        let EntropySettings { first_temperature: first, last_temperature: last, .. } = self.settings;
        if self.passes == 1 {
            return last;
        }
        first + (last - first) * (pass - 1) as f32 / (self.passes - 1) as f32
    }
}

/// How many of ascending entropies are accepted: those in front of each add up to no more than `bound`.
fn accepted(entropies: impl Iterator<Item = f64>, bound: f64) -> usize {
    let mut before = 0.0;
    let within = |entropy: &f64| {
        let accept = before <= bound;
        before += *entropy;
        accept
    };
    entropies.take_while(within).count()
}

/// Entropy in nats of the softmax of finite logits over a temperature.
fn entropy(logits: &[f32], temperature: f32, weights: &mut Vec<f32>) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    weights.resize(logits.len(), 0.0);
    let total = f64::from(exp_all(logits, largest, 1.0 / temperature, weights));
    // ln p = (z - max) / T - ln total.
    let mean: f64 =
        weights.iter().zip(logits).map(|(w, z)| f64::from(*w) * f64::from((*z - largest) / temperature)).sum();
    (total.ln() - mean / total).max(0.0)
}

/// The first of equal maxima.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = index;
        }
    }
    best as u32
}

impl CanvasSampler for EntropyBound {
    fn begin(&mut self, canvas: &mut Canvas, draws: &mut Draws) -> RangeInclusive<u32> {
        for cell in canvas.free() {
            self.noise.put(canvas, (0, cell), draws);
        }
        self.likeliest.clear();
        self.stable = 0;
        1..=(if canvas.free_cells() == 0 { 0 } else { self.passes })
    }

    fn time(&self, pass: u32) -> f64 {
        f64::from(pass - 1) / f64::from(self.passes)
    }

    fn step(
        &mut self,
        canvas: &mut Canvas,
        logits: &Logits<'_>,
        pass: u32,
        draws: &mut Draws,
    ) -> Result<bool, EngineError> {
        let temperature = self.temperature(pass);
        draws.codes.set_temperature(temperature)?;
        let say = |_: &mut Draws, weights: &mut Vec<f32>, cell: usize, drawn: Drawn| {
            let row = logits.cell(cell);
            (likeliest(row), Said { cell, entropy: entropy(row, temperature, weights), drawn })
        };
        let cells = self.asks(canvas);
        let mut best = vec![0; canvas.cells().len()];
        let mut said = Vec::with_capacity(cells.len());
        for (likeliest, one) in draws.each(&cells, logits, pass, Vec::new, say)? {
            best[one.cell] = likeliest;
            said.push(one);
        }
        // The surest first, equals in the order of cells; sums in that order too.
        said.sort_by(|a, b| a.entropy.total_cmp(&b.entropy).then(a.cell.cmp(&b.cell)));
        let mean = said.iter().map(|s| s.entropy).sum::<f64>() / said.len().max(1) as f64;
        self.stable = if best == self.likeliest { self.stable + 1 } else { 0 };
        self.likeliest = best;
        if self.stable >= self.settings.stable_passes && mean <= f64::from(self.settings.sure) {
            said.iter().for_each(|s| canvas.write(s.cell, self.likeliest[s.cell]));
            return Ok(true);
        }
        let last = pass >= self.passes;
        let keep =
            if last { said.len() } else { accepted(said.iter().map(|s| s.entropy), f64::from(self.settings.bound)) };
        for (index, one) in said.iter().enumerate() {
            if index < keep {
                draws.codes.keep(one.drawn);
                canvas.write(one.cell, one.drawn.index as u32);
            } else {
                self.noise.put(canvas, (pass, one.cell), draws);
            }
        }
        Ok(last)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn cells_are_accepted_as_the_definition_says() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1 << 24) as f64
        };
        for n in 1..40 {
            let mut entropies: Vec<f64> = (0..n).map(|_| random() * 3.0).collect();
            entropies.sort_by(f64::total_cmp);
            let bound = random() * 12.0;
            // The longest beginning whose sum without its largest is within the bound, summed anew for each length.
            let within = |k: &usize| {
                let sum: f64 = entropies[..*k].iter().sum();
                let largest = entropies[..*k].iter().copied().fold(0.0, f64::max);
                sum - largest <= bound
            };
            let want = (1..=n).filter(within).max().unwrap();
            assert_eq!(accepted(entropies.iter().copied(), bound), want);
            assert_eq!(accepted(entropies.iter().copied(), 0.0), 1);
        }
    }

    #[test]
    fn entropies_are_those_of_the_softmax() {
        let logits = [0.5, -1.0, 2.0, 2.0];
        let mut weights = Vec::new();
        for temperature in [0.4, 1.0, 2.5] {
            let p: Vec<f64> = logits.iter().map(|z| f64::from(*z / temperature).exp()).collect();
            let total: f64 = p.iter().sum();
            let want: f64 = p.iter().map(|p| -(p / total) * (p / total).ln()).sum();
            assert!((entropy(&logits, temperature, &mut weights) - want).abs() < 1e-5);
        }
        assert_eq!(likeliest(&logits), 2);
        assert!(entropy(&[0.0, -1000.0], 1.0, &mut weights) < 1e-6);
    }

    #[test]
    fn the_temperature_changes_evenly() {
        let sampler = EntropyBound::new(EntropySettings::PICTURE, 5, Noise::Uniform { codes: 8 });
        assert_eq!([1, 3, 5].map(|pass| sampler.temperature(pass)), [0.8, 0.6, 0.4]);
        assert_eq!(EntropyBound::new(EntropySettings::PICTURE, 1, Noise::Hole).temperature(1), 0.4);
    }
}

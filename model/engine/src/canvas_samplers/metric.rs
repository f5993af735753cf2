//! Distances between codes, and the noise that follows them: near codes are likelier than far ones.
//!
//! The metric path of discrete flow matching (arXiv 2412.03487) with the schedule of URSA (arXiv 2510.24717):
//!
//! ```text
//! d(x, y)     = |e(x) - e(y)|^2                       e: code vectors of unit length
//! beta(t)     = c (t / (1 - t))^alpha
//! p_t(x | y)  = exp(-beta(t) d(x, y)) / sum_v exp(-beta(t) d(v, y))
//! rate(v)     = p_t(v | y) beta'(t) max(0, d(x, y) - d(v, y))      from x, towards y
//! ```

use rhea_nn::kernels::{Packed, Unit, product};
use rhea_nn::transformer::ops::math::exp_all;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// Shorter vectors are divided by this instead of their length.
const LEAST_LENGTH: f32 = 1e-5;

/// Squared distances between the vectors of a codebook, scaled to unit length. Between 0 and 4.
pub struct CodeMetric {
    /// `(codes, dim)`, unit length.
    vectors: Vec<f32>,
    squares: Vec<f32>,
    packed: Packed,
    dim: usize,
}

impl CodeMetric {
    /// The metric of a codebook of `codes` vectors, row-major.
    ///
    /// # Errors
    /// When the values are no such codebook or not finite.
    pub fn new(codebook: &[f32], codes: usize) -> Result<Self, EngineError> {
        let whole = codes > 0 && !codebook.is_empty() && codebook.len().is_multiple_of(codes);
        if !whole || codebook.iter().any(|v| !v.is_finite()) {
            let text = format!("{} values are no codebook of {codes} finite vectors", codebook.len());
            return Err(EngineError::Request(text));
        }
        let dim = codebook.len() / codes;
        let mut vectors = codebook.to_vec();
        for vector in vectors.chunks_exact_mut(dim) {
            let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(LEAST_LENGTH);
            vector.iter_mut().for_each(|v| *v /= length);
        }
        let squares = vectors.chunks_exact(dim).map(|vector| vector.iter().map(|v| v * v).sum()).collect();
        // Differences of close distances decide, so they are f32 whatever the unit.
        let packed = Packed::from_nk(Unit::F32, &vectors, codes, dim);
        Ok(Self { vectors, squares, packed, dim })
    }

    /// Number of codes.
    #[must_use]
    pub fn codes(&self) -> usize {
        self.squares.len()
    }

    /// Distances of all codes to `code`, `(codes)`. One row at a time: a whole canvas of rows would not fit a large codebook.
    ///
    /// # Panics
    /// When there is no such code.
    pub fn distances(&self, code: u32, out: &mut Vec<f32>) {
        let code = code as usize;
        out.resize(self.codes(), 0.0);
        product(&self.vectors[code * self.dim..][..self.dim], 1, &self.packed, None, out);
        let own = self.squares[code];
        for (distance, square) in out.iter_mut().zip(&self.squares) {
            *distance = (own + square - 2.0 * *distance).max(0.0);
        }
    }
}

/// How fast the noise of the metric path falls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPath {
    /// Exponent of the schedule, above 0 up to 4; URSA's default is 0.9.
    pub alpha: f64,
    /// Factor of the schedule, above 0 up to 100; URSA's default is 3.
    pub c: f64,
}

impl MetricPath {
    /// The defaults of URSA's scheduler.
    pub const URSA: Self = Self { alpha: 0.9, c: 3.0 };

    /// How strongly distance counts at time `t` in [0, 1).
    #[must_use]
    pub fn beta(self, t: f64) -> f64 {
        self.c * (t / (1.0 - t)).powf(self.alpha)
    }

    /// The derivative of [`Self::beta`]; 0 at `t` = 0, as URSA takes it, where alpha below 1 would make it infinite.
    #[must_use]
    pub fn beta_rate(self, t: f64) -> f64 {
        if t <= 0.0 {
            return 0.0;
        }
        self.c * self.alpha * t.powf(self.alpha - 1.0) / (1.0 - t).powf(self.alpha + 1.0)
    }

    /// `p_t( | y)` up to its sum, which is returned: from distances to `y`, `(codes)`.
    pub fn noise(self, distances: &[f32], t: f64, out: &mut Vec<f32>) -> f64 {
        out.resize(distances.len(), 0.0);
        f64::from(exp_all(distances, 0.0, -self.beta(t) as f32, out))
    }

    /// Rates of jumps from `current` towards `y`, from distances to `y`, `(codes)`; their sum is returned. Codes that are not
    /// nearer to `y` than `current` have rate 0.
    ///
    /// # Panics
    /// When there is no code `current`.
    pub fn rates(self, distances: &[f32], current: u32, t: f64, out: &mut Vec<f32>) -> f64 {
        let factor = (self.beta_rate(t) / self.noise(distances, t, out)) as f32;
        let here = distances[current as usize];
        let mut total = 0.0;
        for (rate, distance) in out.iter_mut().zip(distances) {
            *rate *= factor * (here - distance).max(0.0);
            total += f64::from(*rate);
        }
        total
    }
}

/// The index where `uniform`, in [0, 1), falls among weights that add up to about `total`; `None` when all are 0.
#[must_use]
pub(super) fn pick(weights: &[f32], total: f64, uniform: f64) -> Option<u32> {
    let mut left = uniform * total;
    let mut last = None;
    for (weight, index) in weights.iter().zip(0u32..).filter(|(weight, _)| **weight > 0.0) {
        last = Some(index);
        left -= f64::from(*weight);
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn codebook(codes: usize, dim: usize) -> Vec<f32> {
        (0..codes * dim).map(|i| ((i * 7919 + 13) % 101) as f32 / 37.0 - 1.3).collect()
    }

    /// Distances from the definition, in f64.
    fn plain(codebook: &[f32], dim: usize, code: usize) -> Vec<f64> {
        let unit = |code: usize| -> Vec<f64> {
            let row: Vec<f64> = codebook[code * dim..][..dim].iter().map(|v| f64::from(*v)).collect();
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter().map(|v| v / length).collect()
        };
        let own = unit(code);
        let apart = |other: usize| unit(other).iter().zip(&own).map(|(a, b)| (a - b).powi(2)).sum();
        (0..codebook.len() / dim).map(apart).collect()
    }

    #[test]
    fn noise_is_the_softmax_of_distances() {
        let (codes, dim) = (40, 5);
        let book = codebook(codes, dim);
        let metric = CodeMetric::new(&book, codes).unwrap();
        let path = MetricPath { alpha: 0.7, c: 2.0 };
        let (mut distances, mut weights) = (Vec::new(), Vec::new());
        for (code, t) in [(0, 0.0), (7, 0.25), (39, 0.9)] {
            metric.distances(code, &mut distances);
            let total = path.noise(&distances, t, &mut weights);
            let beta = 2.0 * (t / (1.0 - t)).powf(0.7);
            let want: Vec<f64> = plain(&book, dim, code as usize).iter().map(|d| (-beta * d).exp()).collect();
            let sum: f64 = want.iter().sum();
            for (got, want) in weights.iter().zip(&want) {
                assert!((f64::from(*got) / total - want / sum).abs() < 1e-5, "{got} {want}");
            }
        }
    }

    #[test]
    fn rates_are_those_of_the_formula_and_lead_nearer_only() {
        let (codes, dim) = (40, 5);
        let book = codebook(codes, dim);
        let metric = CodeMetric::new(&book, codes).unwrap();
        let path = MetricPath::URSA;
        let (mut distances, mut rates) = (Vec::new(), Vec::new());
        for (target, current, t) in [(3_u32, 20_u32, 0.1_f64), (11, 12, 0.5), (5, 5, 0.5), (38, 0, 0.95)] {
            metric.distances(target, &mut distances);
            let total = path.rates(&distances, current, t, &mut rates);
            let d = plain(&book, dim, target as usize);
            let beta = 3.0 * (t / (1.0 - t)).powf(0.9);
            let sum: f64 = d.iter().map(|d| (-beta * d).exp()).sum();
            // The derivative by differences.
            let beta_at = |t: f64| 3.0 * (t / (1.0 - t)).powf(0.9);
            let slope = (beta_at(t + 1e-6) - beta_at(t - 1e-6)) / 2e-6;
            let mut want_total = 0.0;
            for (v, d_v) in d.iter().enumerate() {
                let want = (-beta * d_v).exp() / sum * slope * (d[current as usize] - d_v).max(0.0);
                want_total += want;
                assert!((f64::from(rates[v]) - want).abs() < 1e-4 * (1.0 + want), "{} {want}", rates[v]);
                if distances[v] >= distances[current as usize] {
                    assert_eq!(rates[v], 0.0, "a move away from the target");
                }
            }
            assert!((total - want_total).abs() < 1e-3 * (1.0 + want_total));
        }
        metric.distances(3, &mut distances);
        assert_eq!(path.rates(&distances, 20, 0.0, &mut rates), 0.0, "nothing moves at time 0");
    }

    #[test]
    fn picks_have_their_weights_and_broken_codebooks_are_refused() {
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0];
        let mut counts = [0; 5];
        (0..4000).for_each(|i| counts[pick(&weights, 4.0, f64::from(i) / 4000.0).unwrap() as usize] += 1);
        assert_eq!(counts, [0, 1000, 0, 3000, 0]);
        assert_eq!(pick(&weights, 4.0001, 0.999_999), Some(3), "rounding of the sum does not reach a weight of 0");
        assert_eq!(pick(&[0.0; 3], 0.0, 0.5), None);
        assert!(CodeMetric::new(&[1.0; 9], 2).is_err());
        assert!(CodeMetric::new(&[], 0).is_err());
        assert!(CodeMetric::new(&[1.0, f32::NAN], 2).is_err());
        let zero = CodeMetric::new(&[0.0, 0.0, 1.0, 0.0], 2).unwrap();
        let mut distances = Vec::new();
        zero.distances(0, &mut distances);
        assert_eq!(distances, [0.0, 1.0]);
    }
}

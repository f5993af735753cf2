//! Drawing tokens from logits.
//!
//! Random numbers come from ChaCha8 used as a counter-based generator: the key is the request's seed, the stream is the
//! decoding step and the word is the position, so a draw does not depend on what was drawn before it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rhea_nn::transformer::ops::math::exp_all;

use crate::error::EngineError;
use crate::request::Filter;

/// A drawn entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Index into the logits.
    pub index: usize,
    /// The model's probability of it, before filters.
    pub probability: f32,
}

/// Draws entries of one request.
#[derive(Clone, Debug)]
pub struct Sampler {
    generator: ChaCha8Rng,
    filter: Filter,
    values: Vec<f32>,
    indices: Vec<u32>,
    weights: Vec<f32>,
}

impl Sampler {
    /// A sampler for a request.
    ///
    /// # Errors
    /// When the filter's temperature is negative or not finite, or its top-p is outside (0, 1].
    pub fn new(seed: u64, filter: Filter) -> Result<Self, EngineError> {
        if !(filter.temperature.is_finite() && filter.temperature >= 0.0) {
            let text = format!("temperature {}; allowed are 0 and above", filter.temperature);
            return Err(EngineError::Request(text));
        }
        if !(filter.top_p > 0.0 && filter.top_p <= 1.0) {
            return Err(EngineError::Request(format!("top-p {}; allowed is above 0 up to 1", filter.top_p)));
        }
        Ok(Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            filter,
            values: Vec::new(),
            indices: Vec::new(),
            weights: Vec::new(),
        })
    }

    /// The random number of a step and position, in [0, 1).
    pub fn uniform(&mut self, step: u64, position: u64) -> f32 {
        self.generator.set_stream(step);
        self.generator.set_word_pos(u128::from(position));
        (self.generator.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Draws one entry. Entries for which `allowed` is false are never drawn.
    ///
    /// Filters are those of Emu3.5, in the order temperature, top-k (ties with the k-th survive), top-p (an entry survives
    /// while the ones before it hold no more than `top_p`). Equal logits: the lower index comes first.
    ///
    /// # Errors
    /// When a logit is not finite, or nothing is allowed.
    pub fn draw(
        &mut self,
        logits: &[f32],
        allowed: impl Fn(usize) -> bool,
        (step, position): (u64, u64),
    ) -> Result<Drawn, EngineError> {
        let bad = logits.iter().filter(|v| !v.is_finite()).count();
        if bad > 0 {
            return Err(EngineError::NonFinite { step: step as usize, count: bad });
        }
        let uniform = f64::from(self.uniform(step, position));
        let Self { values, indices, weights, filter, .. } = self;
        values.clear();
        indices.clear();
        for (value, index) in logits.iter().zip(0u32..).filter(|(_, index)| allowed(*index as usize)) {
            values.push(*value);
            indices.push(index);
        }
        // The first of equal maxima.
        let Some(best) = (0..values.len()).reduce(|a, b| if values[b] > values[a] { b } else { a }) else {
            return Err(EngineError::Request("no token is allowed here".to_owned()));
        };
        let largest = values[best];
        weights.resize(values.len(), 0.0);
        let total = exp_all(values, largest, 1.0, weights);
        let drawn =
            |index: u32, value: f32| Drawn { index: index as usize, probability: (value - largest).exp() / total };
        if filter.temperature == 0.0 || values.len() == 1 {
            return Ok(drawn(indices[best], largest));
        }
        if filter.temperature != 1.0 {
            exp_all(values, largest, 1.0 / filter.temperature, weights);
        }
        if filter.top_k > 0 && filter.top_k < values.len() {
            let mut sorted = values.clone();
            let (_, kth, _) = sorted.select_nth_unstable_by(filter.top_k - 1, |a, b| b.total_cmp(a));
            values.iter().zip(weights.iter_mut()).filter(|(v, _)| *v < kth).for_each(|(_, w)| *w = 0.0);
        }
        if filter.top_p < 1.0 {
            keep_share(filter.top_p, weights);
        }
        let mut left = uniform * weights.iter().map(|w| f64::from(*w)).sum::<f64>();
        let chosen = weights.iter().position(|w| {
            left -= f64::from(*w);
            left < 0.0
        });
        let chosen = chosen.unwrap_or(best);
        Ok(drawn(indices[chosen], values[chosen]))
    }
}

/// Sets weights to zero that stand behind a share of more than `top_p`, the largest first, the lower index first.
fn keep_share(top_p: f32, weights: &mut [f32]) {
    let limit = f64::from(top_p) * weights.iter().map(|w| f64::from(*w)).sum::<f64>();
    let mut order: Vec<usize> = (0..weights.len()).filter(|i| weights[*i] > 0.0).collect();
    order.sort_unstable_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    let mut before = 0.0;
    for index in order {
        let weight = f64::from(weights[index]);
        if before > limit {
            weights[index] = 0.0;
        }
        before += weight;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_k: usize, top_p: f32) -> Sampler {
        Sampler::new(7, Filter { temperature, top_k, top_p }).unwrap()
    }

    fn shares(sampler: &mut Sampler, logits: &[f32], draws: u64) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        for position in 0..draws {
            counts[sampler.draw(logits, |_| true, (3, position)).unwrap().index] += 1.0 / draws as f64;
        }
        counts
    }

    #[test]
    fn a_nan_is_an_error_that_names_the_step() {
        let error = sampler(1.0, 0, 1.0).draw(&[0.0, f32::NAN, f32::INFINITY], |_| true, (9, 0)).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { step: 9, count: 2 }));
    }

    #[test]
    fn greedy_takes_the_first_of_equal_logits() {
        let drawn = sampler(0.0, 0, 1.0).draw(&[1.0, 3.0, 3.0, 2.0], |_| true, (0, 0)).unwrap();
        assert_eq!(drawn.index, 1);
        let drawn = sampler(0.0, 0, 1.0).draw(&[1.0, 3.0, 3.0, 2.0], |i| i != 1, (0, 0)).unwrap();
        assert_eq!(drawn.index, 2);
        assert!(sampler(0.0, 0, 1.0).draw(&[1.0], |_| false, (0, 0)).is_err());
    }

    #[test]
    fn draws_have_the_softmax_distribution() {
        let logits = [0.0, 1.0, 2.0, -1.0];
        let got = shares(&mut sampler(0.5, 0, 1.0), &logits, 40_000);
        let total: f64 = logits.iter().map(|v| (f64::from(*v) / 0.5).exp()).sum();
        for (got, logit) in got.iter().zip(logits) {
            let want = (f64::from(logit) / 0.5).exp() / total;
            assert!((got - want).abs() < 4.0 * (want / 40_000.0).sqrt() + 1e-4, "{got} {want}");
        }
        let drawn = sampler(0.5, 0, 1.0).draw(&logits, |i| i == 2, (0, 0)).unwrap();
        assert_eq!(drawn, Drawn { index: 2, probability: 1.0 });
    }

    #[test]
    fn top_k_keeps_ties_and_nothing_below() {
        let got = shares(&mut sampler(1.0, 2, 1.0), &[2.0, 1.0, 1.0, 0.5], 4000);
        assert!(got[1] > 0.1 && got[2] > 0.1 && got[3] == 0.0, "{got:?}");
    }

    #[test]
    fn top_p_keeps_entries_until_the_share_is_exceeded() {
        // Probabilities 0.5, 0.3, 0.2: the third stands behind 0.8.
        let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
        assert_eq!(shares(&mut sampler(1.0, 0, 0.7), &logits, 4000)[2], 0.0);
        assert!(shares(&mut sampler(1.0, 0, 0.9), &logits, 4000)[2] > 0.1);
        assert_eq!(shares(&mut sampler(1.0, 0, 0.1), &logits, 400)[1..], [0.0, 0.0]);
    }

    #[test]
    fn draws_depend_on_seed_step_and_position_alone() {
        let mut a = sampler(1.0, 0, 1.0);
        let first = a.uniform(1, 2);
        a.uniform(5, 9);
        assert_eq!(a.uniform(1, 2), first);
        assert_ne!(a.uniform(1, 3), first);
        assert_ne!(a.uniform(2, 2), first);
        assert_ne!(Sampler::new(8, Filter::GREEDY).unwrap().uniform(1, 2), first);
        assert!(Sampler::new(1, Filter { temperature: f32::NAN, top_k: 0, top_p: 1.0 }).is_err());
        assert!(Sampler::new(1, Filter { temperature: 1.0, top_k: 0, top_p: 0.0 }).is_err());
    }
}

//! Drawing tokens from logits.
//!
//! Random numbers come from ChaCha8 used as a counter-based generator: the key is the request's seed, the stream is the
//! decoding step and the word is the position, so a draw does not depend on what was drawn before it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rhea_nn::transformer::Shortlist;
use rhea_nn::transformer::ops::math::{LANES, all_finite, exp_all, max, wide_sum};

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

/// Random numbers of a seed, addressed by step and position.
#[derive(Clone, Debug)]
pub(crate) struct Uniforms(ChaCha8Rng);

impl Uniforms {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The number of a step and position, in [0, 1).
    pub fn at(&mut self, step: u64, position: u64) -> f32 {
        self.0.set_stream(step);
        self.0.set_word_pos(u128::from(position));
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }
}

/// Draws entries of one request.
#[derive(Clone, Debug)]
pub struct Sampler {
    uniforms: Uniforms,
    filter: Filter,
    /// One weight per logit; 0 for what is not drawn.
    weights: Vec<f32>,
    /// Indices that a filter looks at.
    order: Vec<u32>,
    /// Sums of weights by their magnitude.
    sums: Vec<f64>,
    /// Sum and number of the log-probabilities of the entries that were kept.
    kept: (f64, u32),
}

impl Sampler {
    /// A sampler for a request.
    ///
    /// # Errors
    /// When the filter's temperature is negative or not finite, or its top-p is outside (0, 1].
    pub fn new(seed: u64, filter: Filter) -> Result<Self, EngineError> {
        check_temperature(filter.temperature)?;
        if !(filter.top_p > 0.0 && filter.top_p <= 1.0) {
            return Err(EngineError::Request(format!("top-p {}; allowed is above 0 up to 1", filter.top_p)));
        }
        Ok(Self {
            uniforms: Uniforms::new(seed),
            filter,
            weights: Vec::new(),
            order: Vec::new(),
            sums: Vec::new(),
            kept: (0.0, 0),
        })
    }

    /// The random number of a step and position, in [0, 1).
    pub fn uniform(&mut self, step: u64, position: u64) -> f32 {
        self.uniforms.at(step, position)
    }

    /// Changes the filter's temperature, for decoding that anneals it.
    ///
    /// # Errors
    /// When it is negative or not finite.
    pub fn set_temperature(&mut self, temperature: f32) -> Result<(), EngineError> {
        check_temperature(temperature)?;
        self.filter.temperature = temperature;
        Ok(())
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
        check_finite(logits, step)?;
        let uniform = f64::from(self.uniform(step, position));
        let largest = largest(logits, &allowed);
        if largest == f32::NEG_INFINITY {
            return Err(EngineError::Request("no token is allowed here".to_owned()));
        }
        // The first of equal maxima.
        let best = || (0..logits.len()).find(|index| logits[*index] == largest && allowed(*index)).unwrap_or_default();
        self.weights.resize(logits.len(), 0.0);
        weigh(logits, largest, 1.0, &allowed, &mut self.weights);
        let total = wide_sum(&self.weights);
        let drawn = |index: usize| {
            let probability = f64::from((logits[index] - largest).exp()) / total;
            Drawn { index, probability: probability as f32 }
        };
        if self.filter.temperature == 0.0 {
            return Ok(drawn(best()));
        }
        self.filter_weights(logits, largest, &allowed);
        Ok(drawn(pick(&self.weights, uniform).unwrap_or_else(best)))
    }

    /// How many of the largest logits a draw needs to know, where it does not need them all: greedy draws one, those of a top-k
    /// filter so many.
    pub(crate) fn shortlist(&self) -> Option<usize> {
        match self.filter {
            Filter { temperature: 0.0, .. } => Some(1),
            Filter { top_k: 0, .. } => None,
            Filter { top_k, .. } => Some(top_k),
        }
    }

    /// As [`Sampler::draw`] from the largest logits alone, with what [`Sampler::shortlist`] asks for among them: the same index.
    ///
    /// # Errors
    /// When a logit is not finite, or there are none.
    pub(crate) fn draw_listed(&mut self, list: &Shortlist, (step, position): (u64, u64)) -> Result<Drawn, EngineError> {
        if list.broken > 0 {
            return Err(EngineError::NonFinite { step: step as usize, count: list.broken });
        }
        let uniform = f64::from(self.uniform(step, position));
        let best = list.entries.iter().find(|(_, logit)| *logit == list.largest);
        let Some((best, _)) = best.copied() else {
            return Err(EngineError::Request("no token is allowed here".to_owned()));
        };
        let index = if self.filter.temperature == 0.0 {
            best as usize
        } else {
            // All others are as if they were below every logit: the filters remove them, wherever they stand.
            let (mut logits, mut known) = (vec![f32::MIN; list.len], vec![false; list.len]);
            for (index, logit) in &list.entries {
                (logits[*index as usize], known[*index as usize]) = (*logit, true);
            }
            let listed = |index: usize| known[index];
            self.weights.resize(list.len, 0.0);
            weigh(&logits, list.largest, 1.0, listed, &mut self.weights);
            self.filter_weights(&logits, list.largest, listed);
            pick(&self.weights, uniform).unwrap_or(best as usize)
        };
        let logit = list.entries.iter().find(|entry| entry.0 as usize == index).map_or(list.largest, |entry| entry.1);
        let probability = f64::from((logit - list.largest).exp()) / list.total;
        Ok(Drawn { index, probability: probability as f32 })
    }

    /// Applies the filters to the weights, which are those of temperature 1.
    fn filter_weights(&mut self, logits: &[f32], largest: f32, allowed: impl Fn(usize) -> bool) {
        let Self { weights, order, sums, filter, .. } = self;
        if filter.temperature != 1.0 {
            weigh(logits, largest, 1.0 / filter.temperature, &allowed, weights);
        }
        if filter.top_k > 0 {
            order.clear();
            order.extend((0..logits.len()).filter(|index| allowed(*index)).map(|index| index as u32));
            keep_largest(filter.top_k, logits, order, weights);
        }
        if filter.top_p < 1.0 {
            keep_share(filter.top_p, order, sums, weights);
        }
    }

    /// What the filters leave: logits divided by the temperature, −inf where they remove an entry or it is not allowed.
    ///
    /// # Errors
    /// When a logit is not finite, nothing is allowed, or the temperature is 0.
    pub fn filtered(&mut self, logits: &[f32], allowed: impl Fn(usize) -> bool) -> Result<Vec<f32>, EngineError> {
        check_finite(logits, 0)?;
        let largest = largest(logits, &allowed);
        if largest == f32::NEG_INFINITY || self.filter.temperature == 0.0 {
            return Err(EngineError::Request("no token is allowed here, or the temperature is 0".to_owned()));
        }
        self.weights.resize(logits.len(), 0.0);
        weigh(logits, largest, 1.0, &allowed, &mut self.weights);
        self.filter_weights(logits, largest, &allowed);
        // Weights that are allowed are never 0 by themselves: the exponential does not underflow.
        let pairs = logits.iter().zip(&self.weights);
        let temperature = self.filter.temperature;
        Ok(pairs.map(|(l, w)| if *w > 0.0 { l / temperature } else { f32::NEG_INFINITY }).collect())
    }

    /// Counts a drawn entry as part of the result, for [`Sampler::mean_log_probability`].
    pub fn keep(&mut self, drawn: Drawn) {
        self.kept.0 += f64::from(drawn.probability).ln();
        self.kept.1 += 1;
    }

    /// Mean log-probability of the entries that were kept, nats; 0 when there were none.
    #[must_use]
    pub fn mean_log_probability(&self) -> f64 {
        self.kept.0 / f64::from(self.kept.1.max(1))
    }
}

/// `e^((logit - largest) * factor)`, and 0 where an entry is not allowed.
fn weigh(logits: &[f32], largest: f32, factor: f32, allowed: impl Fn(usize) -> bool, weights: &mut [f32]) {
    exp_all(logits, largest, factor, weights);
    weights.iter_mut().enumerate().filter(|(index, _)| !allowed(*index)).for_each(|(_, weight)| *weight = 0.0);
}

/// The largest logit that is allowed; minus infinity when none is.
fn largest(logits: &[f32], allowed: impl Fn(usize) -> bool) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for (chunk, logits) in logits.chunks(LANES).enumerate() {
        for (i, (lane, logit)) in lanes.iter_mut().zip(logits).enumerate() {
            if allowed(chunk * LANES + i) && *logit > *lane {
                *lane = *logit;
            }
        }
    }
    max(&lanes)
}

fn check_finite(logits: &[f32], step: u64) -> Result<(), EngineError> {
    if all_finite(logits) {
        return Ok(());
    }
    let count = logits.iter().filter(|logit| !logit.is_finite()).count();
    Err(EngineError::NonFinite { step: step as usize, count })
}

/// The entry where `uniform`, in [0, 1), falls among the weights; `None` when rounding lets it fall behind them.
fn pick(weights: &[f32], uniform: f64) -> Option<usize> {
    /// Weights that are passed over by their sum.
    const BLOCK: usize = 64;
    let mut left = uniform * wide_sum(weights);
    for (block, weights) in weights.chunks(BLOCK).enumerate() {
        let behind = left - wide_sum(weights);
        if behind >= 0.0 {
            left = behind;
            continue;
        }
        for (index, weight) in weights.iter().enumerate() {
            left -= f64::from(*weight);
            if left < 0.0 {
                return Some(block * BLOCK + index);
            }
        }
        left = left.max(0.0);
    }
    None
}

/// Sets weights to zero whose logits are below the k-th largest among those of `order`, whose sequence is lost.
fn keep_largest(k: usize, logits: &[f32], order: &mut [u32], weights: &mut [f32]) {
    if k >= order.len() {
        return;
    }
    let logit = |index: u32| logits[index as usize];
    let (_, kth, _) = order.select_nth_unstable_by(k - 1, |a, b| logit(*b).total_cmp(&logit(*a)));
    let least = logit(*kth);
    order.iter().filter(|index| logit(**index) < least).for_each(|index| weights[*index as usize] = 0.0);
}

fn check_temperature(temperature: f32) -> Result<(), EngineError> {
    if temperature.is_finite() && temperature >= 0.0 {
        return Ok(());
    }
    Err(EngineError::Request(format!("temperature {temperature}; allowed are 0 and above")))
}

/// Sets weights to zero that stand behind a share of more than `top_p`, the largest first, the lower index first.
///
/// Weights of one magnitude are added up together, and only those of the magnitude where the share is reached are sorted.
fn keep_share(top_p: f32, order: &mut Vec<u32>, sums: &mut Vec<f64>, weights: &mut [f32]) {
    /// Bits of a weight that do not count for its magnitude: eight magnitudes to a power of two.
    const FINE: u32 = 20;
    // Bits of f32 that are not negative stand in the order of their values.
    let magnitude = |weight: f32| (weight.to_bits() >> FINE) as usize;
    let limit = f64::from(top_p) * wide_sum(weights);
    sums.clear();
    sums.resize(1 << (32 - FINE - 1), 0.0);
    for weight in &*weights {
        sums[magnitude(*weight)] += f64::from(*weight);
    }
    let mut before = 0.0;
    let within = |sum: &f64| {
        let all = before + *sum;
        if all <= limit {
            before = all;
        }
        all > limit
    };
    let Some(reached) = sums.iter().rposition(within) else { return };
    order.clear();
    for (weight, index) in weights.iter_mut().zip(0..) {
        let magnitude = magnitude(*weight);
        if magnitude < reached {
            *weight = 0.0;
        } else if magnitude == reached {
            order.push(index);
        }
    }
    let weight = |index: u32| weights[index as usize];
    order.sort_unstable_by(|a, b| weight(*b).total_cmp(&weight(*a)).then(a.cmp(b)));
    for index in &*order {
        let weight = &mut weights[*index as usize];
        let own = f64::from(*weight);
        if before > limit {
            *weight = 0.0;
        }
        before += own;
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
    fn partial_selection_keeps_what_sorting_everything_keeps() {
        // 500 weights with ties, many of them of one magnitude.
        let weights: Vec<f32> = (0..500).map(|i| ((i * 7919) % 83) as f32 / 83.0).collect();
        for top_p in [0.01, 0.2, 0.7, 0.95, 0.9999] {
            let limit = f64::from(top_p) * wide_sum(&weights);
            let mut sorted: Vec<usize> = (0..500).filter(|i| weights[*i] > 0.0).collect();
            sorted.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
            let (mut want, mut before) = (vec![0.0; 500], 0.0);
            for index in sorted {
                if before <= limit {
                    want[index] = weights[index];
                }
                before += f64::from(weights[index]);
            }
            let mut got = weights.clone();
            keep_share(top_p, &mut Vec::new(), &mut Vec::new(), &mut got);
            assert_eq!(got, want, "top-p {top_p}");
        }
    }

    #[test]
    fn kept_entries_are_averaged() {
        let mut sampler = sampler(1.0, 0, 1.0);
        assert_eq!(sampler.mean_log_probability(), 0.0);
        for probability in [0.5, 0.125] {
            sampler.keep(Drawn { index: 0, probability });
        }
        assert!((sampler.mean_log_probability() + 2.0 * std::f64::consts::LN_2).abs() < 1e-9);
    }

    #[test]
    fn lists_give_the_draws_of_all_logits() {
        // Ties, some of them at the k-th place.
        let logits: Vec<f32> = (0..700).map(|i| ((i * 7919) % 97) as f32 / 12.0 - 3.0).collect();
        for (temperature, top_k, top_p) in
            [(0.0, 0, 1.0), (1.0, 9, 1.0), (0.7, 40, 0.8), (1.5, 300, 0.95), (1.0, 900, 0.5)]
        {
            let mut sampler = sampler(temperature, top_k, top_p);
            let keep = sampler.shortlist().unwrap();
            let mut sorted = logits.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = sorted[keep.min(logits.len()) - 1];
            let all = (0..).zip(logits.iter().copied());
            let mut list = Shortlist {
                entries: all.filter(|(_, logit)| *logit >= least).collect(),
                largest: sorted[0],
                total: logits.iter().map(|l| f64::from(l - sorted[0]).exp()).sum(),
                broken: 0,
                len: logits.len(),
            };
            for position in 0..500 {
                let (want, got) =
                    (sampler.draw(&logits, |_| true, (2, position)), sampler.draw_listed(&list, (2, position)));
                let (want, got) = (want.unwrap(), got.unwrap());
                assert_eq!(want.index, got.index, "temperature {temperature}, top-k {top_k}, top-p {top_p}");
                assert!((want.probability / got.probability - 1.0).abs() < 1e-4, "{want:?} {got:?}");
            }
            list.broken = 3;
            let error = sampler.draw_listed(&list, (5, 0)).unwrap_err();
            assert!(matches!(error, EngineError::NonFinite { step: 5, count: 3 }));
        }
        assert_eq!(sampler(1.0, 0, 0.9).shortlist(), None, "without top-k every logit counts");
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

//! The largest logits of a position, found where they are made: what a draw needs instead of all logits.
//!
//! Each rank mixes the branches over its own ids, keeps its largest entries, and the lists are joined. An entry that is among the
//! `keep` largest of all is among the `keep` largest of its rank, ties included, so nothing is lost.

use super::ops::math::{exp_all, wide_sum};

/// How the logits of a request's branches become one: the conditional one comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// `c`.
    Alone,
    /// `c + (scale - 1) (c - u)`: exact for a scale of 1.
    Away(f32),
    /// `u + scale (c - u)`.
    Towards(f32),
    /// `f + pictures (u - f) + text (c - u)`.
    ThreeWay {
        /// Strength of the text.
        text: f32,
        /// Strength of the reference pictures.
        pictures: f32,
    },
}

impl Mix {
    /// Branches that it takes.
    #[must_use]
    pub fn branches(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Away(_) | Self::Towards(_) => 2,
            Self::ThreeWay { .. } => 3,
        }
    }

    /// Mixes into the conditional logits; `others` are those of the other branches, one after the other.
    pub fn apply(self, conditional: &mut [f32], others: &[f32]) {
        let (unconditional, without) = others.split_at(others.len().min(conditional.len()));
        let pairs = conditional.iter_mut().zip(unconditional);
        match self {
            Self::Alone => {}
            Self::Away(scale) => pairs.for_each(|(c, u)| *c += (scale - 1.0) * (*c - *u)),
            Self::Towards(scale) => pairs.for_each(|(c, u)| *c = u + scale * (*c - u)),
            Self::ThreeWay { text, pictures } => {
                pairs.zip(without).for_each(|((c, u), f)| *c = f + pictures * (u - f) + text * (*c - u));
            }
        }
    }

    /// As words of a message.
    pub(super) fn words(self) -> [u32; 3] {
        match self {
            Self::Alone => [0, 0, 0],
            Self::Away(scale) => [1, scale.to_bits(), 0],
            Self::Towards(scale) => [2, scale.to_bits(), 0],
            Self::ThreeWay { text, pictures } => [3, text.to_bits(), pictures.to_bits()],
        }
    }

    pub(super) fn of_words([kind, first, second]: [u32; 3]) -> Option<Self> {
        let (first, second) = (f32::from_bits(first), f32::from_bits(second));
        Some(match kind {
            0 => Self::Alone,
            1 => Self::Away(first),
            2 => Self::Towards(first),
            3 => Self::ThreeWay { text: first, pictures: second },
            _ => return None,
        })
    }
}

/// The largest logits of a position, and what a draw needs to know of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shortlist {
    /// Index among all logits, and logit; indices ascend. All that are as large as the last one kept are here.
    pub entries: Vec<(u32, f32)>,
    /// The largest logit.
    pub largest: f32,
    /// The sum of `e^(logit - largest)` over all logits.
    pub total: f64,
    /// Logits that are not finite; when there are any, the rest means nothing.
    pub broken: usize,
    /// Number of all logits.
    pub len: usize,
}

/// Values in front of the entries of a list that travels.
const HEAD: usize = 3;

/// The list of one rank's logits, whose first has index `first`, as values that travel. Indices below 2^24 are exact.
pub(super) fn list(logits: &[f32], first: usize, keep: usize) -> Vec<f32> {
    let broken = logits.iter().filter(|logit| !logit.is_finite()).count();
    if broken > 0 || logits.is_empty() {
        return vec![f32::MIN, 0.0, broken as f32];
    }
    let mut order = logits.to_vec();
    let keep = keep.clamp(1, logits.len());
    let (_, least, _) = order.select_nth_unstable_by(keep - 1, |a, b| b.total_cmp(a));
    let least = *least;
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    exp_all(logits, largest, 1.0, &mut order);
    let mut values = vec![largest, wide_sum(&order) as f32, 0.0];
    for (index, logit) in (first..).zip(logits).filter(|(_, logit)| **logit >= least) {
        values.extend([index as f32, *logit]);
    }
    values
}

/// Joins lists, each in front of it its length, and keeps the `keep` largest entries of all.
pub(super) fn join(mut lists: &[f32], len: usize, keep: usize) -> Shortlist {
    let mut all = Shortlist { largest: f32::MIN, len, ..Shortlist::default() };
    let mut totals = Vec::new();
    while let Some((count, rest)) = lists.split_first() {
        let (list, rest) = rest.split_at((*count as usize).min(rest.len()));
        lists = rest;
        if let [largest, total, broken, entries @ ..] = list {
            debug_assert!(list.len() >= HEAD);
            all.largest = all.largest.max(*largest);
            totals.push((*largest, *total));
            all.broken += *broken as usize;
            let pairs = entries.as_chunks::<2>().0.iter();
            all.entries.extend(pairs.map(|[index, logit]| (*index as u32, *logit)));
        }
    }
    let scaled = |(largest, total): &(f32, f32)| f64::from(*total) * f64::from(largest - all.largest).exp();
    all.total = totals.iter().map(scaled).sum();
    if keep > 0 && keep < all.entries.len() {
        let mut logits: Vec<f32> = all.entries.iter().map(|(_, logit)| *logit).collect();
        let (_, least, _) = logits.select_nth_unstable_by(keep - 1, |a, b| b.total_cmp(a));
        let least = *least;
        all.entries.retain(|(_, logit)| *logit >= least);
    }
    all.entries.sort_unstable_by_key(|(index, _)| *index);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn travel(logits: &[f32], cuts: &[usize], keep: usize) -> Shortlist {
        let mut all = Vec::new();
        let mut first = 0;
        for end in cuts.iter().chain([&logits.len()]) {
            let list = list(&logits[first..*end], first, keep);
            all.push(list.len() as f32);
            all.extend(list);
            first = *end;
        }
        join(&all, logits.len(), keep)
    }

    #[test]
    fn lists_of_parts_hold_what_sorting_everything_holds() {
        // Many ties, some of them across the cuts.
        let logits: Vec<f32> = (0..500_u32).map(|i| ((i * 7919) % 83) as f32 / 8.0 - 4.0).collect();
        for (cuts, keep) in [(&[][..], 5), (&[250], 1), (&[16, 20, 400], 37), (&[100, 200, 300], 499), (&[1], 1000)] {
            let got = travel(&logits, cuts, keep);
            let mut sorted = logits.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = sorted[keep.min(logits.len()) - 1];
            let want: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).filter(|(_, l)| *l >= least).collect();
            assert_eq!(got.entries, want, "{cuts:?} {keep}");
            let total: f64 = logits.iter().map(|l| f64::from(l - sorted[0]).exp()).sum();
            assert!((got.total / total - 1.0).abs() < 1e-6 && got.largest == sorted[0], "{got:?}");
            assert_eq!((got.broken, got.len), (0, 500));
        }
    }

    #[test]
    fn what_is_not_finite_is_counted() {
        let mut logits = vec![0.5; 40];
        logits[3] = f32::NAN;
        logits[39] = f32::INFINITY;
        assert_eq!(travel(&logits, &[20], 4).broken, 2);
    }

    #[test]
    fn mixes_are_their_formulas_and_survive_a_message() {
        let (c, rest) = ([1.0_f32, -2.0], [0.5_f32, 3.0, 0.25, -1.0]);
        let mixed = |mix: Mix| {
            let mut values = c;
            mix.apply(&mut values, &rest[..2 * (mix.branches() - 1)]);
            assert_eq!(Mix::of_words(mix.words()), Some(mix));
            values
        };
        assert_eq!(mixed(Mix::Alone), c);
        assert_eq!(mixed(Mix::Away(3.0)), [2.0, -12.0]);
        assert_eq!(mixed(Mix::Towards(3.0)), [2.0, -12.0]);
        assert_eq!(mixed(Mix::ThreeWay { text: 3.0, pictures: 2.0 }), [0.25 + 0.5 + 1.5, -1.0 + 8.0 - 15.0]);
        assert_eq!(Mix::of_words([4, 0, 0]), None);
    }
}

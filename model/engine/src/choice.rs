//! One of several answers, chosen by the model's probabilities: decoding that cannot leave a list.
//!
//! The answers are a trie over their tokens. A best-first search opens its nodes by the probability of what leads there, over
//! the whole text half of the vocabulary, so the first answer that is complete is the most probable one of all. Where the
//! model is sure, that is one pass for each token; nodes that are never the best are never read.
//!
//! Invariant: what is chosen is one of the answers that were given.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::error::EngineError;
use crate::limits;

/// The answer that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Which of the answers.
    pub index: usize,
    /// Its log-probability among all texts, nats; 0 where it was the only one.
    pub log_probability: f64,
    /// How often logits were asked for.
    pub passes: u32,
    /// Did the list keep the model from what it held most probable at some token of this answer?
    pub steered: bool,
}

/// A node of the trie that is still to be opened: sorted answers `from..to`, which agree in their first `depth` tokens.
struct Node {
    log_probability: f64,
    from: usize,
    to: usize,
    depth: usize,
    steered: bool,
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        // The largest is opened first; of equals, the one that stands first.
        self.log_probability.total_cmp(&other.log_probability).then(other.from.cmp(&self.from))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

/// Gives the logits behind a beginning of an answer.
pub type Logits<'a> = dyn FnMut(&[u32]) -> Result<Vec<f32>, EngineError> + 'a;

/// Chooses the most probable of `answers`. `logits` gives the logits behind a beginning of one of them; it is asked for
/// beginnings in the order of their probability, mostly each one token longer than the one before.
///
/// # Errors
/// When there are no answers or more than [`limits::ANSWERS`], one is empty, begins another one or equals it; when logits are
/// not finite or do not reach a token; when `logits` fails.
pub fn choose(answers: &[Vec<u32>], logits: &mut Logits<'_>) -> Result<Chosen, EngineError> {
    let sorted = sorted(answers)?;
    let ids = |at: usize| &answers[sorted[at]];
    let mut open =
        BinaryHeap::from([Node { log_probability: 0.0, from: 0, to: sorted.len(), depth: 0, steered: false }]);
    let mut passes = 0;
    while let Some(node) = open.pop() {
        let Node { log_probability, from, to, depth, steered } = node;
        // The only one that is left needs no reading; one that is complete is the best.
        if to - from == 1 && (open.is_empty() && passes == 0 || depth == ids(from).len()) {
            return Ok(Chosen { index: sorted[from], log_probability, passes, steered });
        }
        let scores = logits(&ids(from)[..depth])?;
        passes += 1;
        let (total, best) = normaliser(&scores, depth)?;
        let mut begin = from;
        while begin < to {
            let token = ids(begin)[depth];
            let end = (begin..to).find(|at| ids(*at)[depth] != token).unwrap_or(to);
            let score = scores.get(token as usize).copied().ok_or_else(|| {
                EngineError::Request(format!("token {token} in an answer; there are {} logits", scores.len()))
            })?;
            open.push(Node {
                log_probability: log_probability + f64::from(score) - total,
                from: begin,
                to: end,
                depth: depth + 1,
                steered: steered || token as usize != best,
            });
            begin = end;
        }
    }
    Err(EngineError::Request("no answer is allowed".to_owned()))
}

/// Indices of the answers in the order of their tokens.
fn sorted(answers: &[Vec<u32>]) -> Result<Vec<usize>, EngineError> {
    let wrong = |what: String| Err(EngineError::Request(what));
    if answers.is_empty() || answers.len() > limits::ANSWERS {
        return wrong(format!("{} answers to choose from; allowed are 1 to {}", answers.len(), limits::ANSWERS));
    }
    let mut order: Vec<usize> = (0..answers.len()).collect();
    order.sort_by(|a, b| answers[*a].cmp(&answers[*b]));
    if answers[order[0]].is_empty() {
        return wrong("an answer without tokens".to_owned());
    }
    if let Some(pair) = order.windows(2).find(|pair| answers[pair[1]].starts_with(&answers[pair[0]])) {
        return wrong(format!("answer {} begins answer {}; end them with a token of their own", pair[0], pair[1]));
    }
    Ok(order)
}

/// The logarithm of the sum of all exponentials, and the first of the largest logits.
fn normaliser(scores: &[f32], step: usize) -> Result<(f64, usize), EngineError> {
    let count = scores.iter().filter(|v| !v.is_finite()).count();
    if count > 0 || scores.is_empty() {
        return Err(EngineError::NonFinite { step, count });
    }
    let best = (0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
    let largest = f64::from(scores[best]);
    let sum: f64 = scores.iter().map(|v| (f64::from(*v) - largest).exp()).sum();
    Ok((largest + sum.ln(), best))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A made-up language of 7 tokens: logits depend on the whole beginning.
    fn language(seed: u64) -> impl FnMut(&[u32]) -> Result<Vec<f32>, EngineError> {
        move |beginning: &[u32]| {
            let mut state = beginning.iter().fold(seed, |s, t| s.wrapping_mul(31).wrapping_add(u64::from(*t) + 1));
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 22) as f32
            };
            Ok((0..7).map(|_| next()).collect())
        }
    }

    fn exact(answer: &[u32], seed: u64) -> f64 {
        let mut logits = language(seed);
        let mut sum = 0.0;
        for at in 0..answer.len() {
            let scores = logits(&answer[..at]).unwrap();
            let total: f64 = scores.iter().map(|v| f64::from(*v).exp()).sum();
            sum += f64::from(scores[answer[at] as usize]) - total.ln();
        }
        sum
    }

    #[test]
    fn the_most_probable_answer_is_found_although_its_first_token_is_not() {
        // Token 1 is likelier than 2, but everything behind 1 that is allowed is not.
        let mut logits = |beginning: &[u32]| -> Result<Vec<f32>, EngineError> {
            Ok(match beginning {
                [] => vec![0.0, 2.0, 1.5, 0.0],
                [1] => vec![6.0, 0.0, 0.0, 0.0],
                _ => vec![0.0, 0.0, 0.0, 6.0],
            })
        };
        let chosen = choose(&[vec![1, 2], vec![2, 3]], &mut logits).unwrap();
        assert_eq!((chosen.index, chosen.steered, chosen.passes), (1, true, 3));
    }

    #[test]
    fn it_is_always_the_best_of_all_answers_scored_one_by_one() {
        for seed in 0..40 {
            let mut answers: Vec<Vec<u32>> = Vec::new();
            let mut state: u64 = seed;
            for _ in 0..30 {
                let mut answer = Vec::new();
                for _ in 0..2 + state % 4 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    answer.push((state >> 33) as u32 % 6);
                }
                // Token 6 ends every answer.
                answer.push(6);
                if !answers.contains(&answer) {
                    answers.push(answer);
                }
            }
            let chosen = choose(&answers, &mut language(seed)).unwrap();
            let best = answers.iter().map(|a| exact(a, seed)).fold(f64::MIN, f64::max);
            assert!((chosen.log_probability - best).abs() < 1e-9, "{seed}");
            assert!((exact(&answers[chosen.index], seed) - best).abs() < 1e-9, "{seed}");
        }
    }

    #[test]
    fn what_the_model_would_say_by_itself_is_not_steered_and_the_only_answer_costs_nothing() {
        let mut sure = |beginning: &[u32]| -> Result<Vec<f32>, EngineError> {
            let mut scores = vec![0.0; 5];
            scores[beginning.len() + 1] = 9.0;
            Ok(scores)
        };
        let chosen = choose(&[vec![3, 3], vec![1, 2, 3]], &mut sure).unwrap();
        assert_eq!((chosen.index, chosen.steered, chosen.passes), (1, false, 3));
        let only = choose(&[vec![4, 4]], &mut sure).unwrap();
        assert_eq!((only.index, only.passes), (0, 0));
    }

    #[test]
    fn lists_that_cannot_be_told_apart_and_broken_logits_are_refused() {
        let mut logits = language(1);
        for answers in [vec![], vec![vec![]], vec![vec![1, 2], vec![1]], vec![vec![1], vec![1]], vec![vec![9], vec![1]]]
        {
            assert!(choose(&answers, &mut logits).is_err(), "{answers:?}");
        }
        let mut broken = |_: &[u32]| -> Result<Vec<f32>, EngineError> { Ok(vec![0.0, f32::NAN]) };
        let error = choose(&[vec![0], vec![1]], &mut broken).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { step: 0, count: 1 }));
    }
}

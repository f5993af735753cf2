//! Planners without any sense, to measure others against: they choose among what is allowed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ask::{Ask, Said, StepPlanner};
use super::words::Answer;
use crate::error::PhysicsError;

/// Takes any allowed answer with equal probability.
pub struct RandomLegal(ChaCha8Rng);

impl RandomLegal {
    /// With a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

/// Takes the first allowed answer that puts something somewhere, else the first allowed one.
pub struct FirstLegal;

fn listed<'a>(ask: &Ask<'a>) -> Result<&'a [Answer], PhysicsError> {
    let allowed = ask.allowed.filter(|a| !a.is_empty());
    allowed.ok_or_else(|| PhysicsError::Planner("it chooses from a list, and there is none".to_owned()))
}

impl StepPlanner for RandomLegal {
    fn name(&self) -> String {
        "random allowed answers".to_owned()
    }

    fn begin(&mut self, seed: u64) {
        *self = Self::new(seed);
    }

    fn answer(&mut self, ask: &Ask<'_>) -> Result<Said, PhysicsError> {
        let allowed = listed(ask)?;
        let text = allowed[self.0.random_range(0..allowed.len())].text();
        Ok(Said { text, ..Said::default() })
    }
}

impl StepPlanner for FirstLegal {
    fn name(&self) -> String {
        "the first allowed answer that puts something somewhere".to_owned()
    }

    fn answer(&mut self, ask: &Ask<'_>) -> Result<Said, PhysicsError> {
        let allowed = listed(ask)?;
        let puts = |a: &&Answer| matches!(a, Answer::Do(s) if s.thing().is_some() && s.target().is_some());
        let first = allowed.iter().find(puts).unwrap_or(&allowed[0]);
        Ok(Said { text: first.text(), ..Said::default() })
    }
}

//! Lessons for plans (task `vla`): which step comes next, and what the table looks like behind it.
//!
//! Most are words alone, which teach a step at every place of a plan; some have the present view in the prompt, and some draw
//! the key-frame, whose canvas begins as the view before the step. Colours of lessons without a view are exchanged at random,
//! so that no plan is learned by heart.

mod episode;
mod store;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rhea_physics::plan::task_text;
use rhea_tokens::plans::{PlanSoFar, answer_ids, full_stop, plan_document};
use rhea_tokens::{Grid, TextTokenizer, TokensError};
use rhea_train::world::{CanvasCell, NextTokenForm, WorldSample};

pub use episode::{Episode, EpisodeMaker, EpisodeStep};
pub use store::episodes;

use crate::LessonError;

/// Colours that lessons exchange: those that things have.
const COLOURS: [&str; 10] = ["red", "blue", "green", "yellow", "orange", "purple", "pink", "white", "grey", "brown"];
/// Share of lessons with a view, and of those that draw a key-frame, 0 to 1.
const WITH_VIEW: f32 = 0.2;
const KEY_FRAME: f32 = 0.15;
/// Share of lessons that run to the end of the plan; the others end anywhere.
const WHOLE: f64 = 0.5;
/// Share of tasks that are said plainly.
const PLAIN: f64 = 0.5;

/// Lessons from episodes.
pub struct PlanLessons {
    episodes: Vec<Episode>,
    /// Indices of those with views.
    seen: Vec<usize>,
    grid: Grid,
}

impl PlanLessons {
    /// Lessons from episodes whose views have a grid of codes.
    ///
    /// # Errors
    /// When there are no episodes.
    pub fn new(episodes: Vec<Episode>, grid: Grid) -> Result<Self, LessonError> {
        if episodes.is_empty() {
            return Err(LessonError::Text("there are no episodes of plans".to_owned()));
        }
        let seen = (0..episodes.len()).filter(|i| !episodes[*i].views.is_empty()).collect();
        Ok(Self { episodes, seen, grid })
    }

    /// How many episodes there are, and how many of them have views.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.episodes.len(), self.seen.len())
    }

    /// One lesson.
    ///
    /// # Errors
    /// When a text is over the tokenizer's limit.
    pub fn lesson(&self, text: &TextTokenizer, rng: &mut ChaCha8Rng) -> Result<WorldSample, LessonError> {
        let kind = rng.random::<f32>();
        let viewed = kind < WITH_VIEW + KEY_FRAME && !self.seen.is_empty();
        let index = if viewed {
            self.seen[rng.random_range(0..self.seen.len())]
        } else {
            rng.random_range(0..self.episodes.len())
        };
        let made = if viewed {
            self.with_view(&self.episodes[index], kind < KEY_FRAME, text, rng)
        } else {
            self.in_words(&self.episodes[index], text, rng)
        };
        made.map_err(|e| LessonError::Text(e.to_string()))
    }

    fn head(episode: &Episode, rng: &mut ChaCha8Rng) -> String {
        let wording = if rng.random_bool(PLAIN) { 0 } else { rng.random() };
        format!("{} {}", task_text(&episode.goals, wording), episode.scene)
    }

    fn in_words(
        &self,
        episode: &Episode,
        text: &TextTokenizer,
        rng: &mut ChaCha8Rng,
    ) -> Result<WorldSample, TokensError> {
        let mut colours = COLOURS;
        colours.shuffle(rng);
        let head = recoloured(&Self::head(episode, rng), &colours);
        let mut steps = episode.told();
        steps.iter_mut().for_each(|(step, _)| *step = recoloured(step, &colours));
        let at = if rng.random_bool(WHOLE) { steps.len() } else { rng.random_range(0..=steps.len()) };
        let answer = steps.get(at).map_or_else(|| episode.end.clone(), |(step, _)| step.clone());
        let so_far = PlanSoFar { head: &head, steps: &steps[..at], view: None };
        let form = form(text, &so_far, &answer, None)?;
        // There is no picture in it; the canvas form is never taken and holds one cell.
        Ok(WorldSample {
            prefix_ids: vec![text.vocabulary().control().bos],
            rows: 1,
            cols: 1,
            target_codes: vec![0],
            canvas: vec![CanvasCell::Hole],
            narration_ids: Vec::new(),
            next_token_form: Some(form),
        })
    }

    fn with_view(
        &self,
        episode: &Episode,
        key_frame: bool,
        text: &TextTokenizer,
        rng: &mut ChaCha8Rng,
    ) -> Result<WorldSample, TokensError> {
        let head = Self::head(episode, rng);
        let steps = episode.told();
        let done: Vec<usize> = (0..steps.len()).filter(|i| episode.steps[*i].rejected.is_none()).collect();
        let draws = key_frame && !done.is_empty();
        let at = if draws { done[rng.random_range(0..done.len())] } else { rng.random_range(0..=steps.len()) };
        let before = &episode.views[at];
        let after = episode.views.get(at + 1).unwrap_or(before);
        let answer = steps.get(at).map_or(episode.end.as_str(), |(step, _)| step);
        let so_far = PlanSoFar { head: &head, steps: &steps[..at], view: Some((self.grid, before)) };
        let mut prefix = so_far.prefix(text)?;
        prefix.extend(answer_ids(text, answer)?);
        prefix.extend(full_stop(text)?);
        prefix.extend(self.grid.header(text.vocabulary()));
        let next_token_form = if draws { None } else { Some(form(text, &so_far, answer, None)?) };
        Ok(WorldSample {
            prefix_ids: prefix,
            rows: self.grid.rows(),
            cols: self.grid.cols(),
            target_codes: after.clone(),
            canvas: before.iter().map(|code| CanvasCell::Partial(*code)).collect(),
            narration_ids: Vec::new(),
            next_token_form,
        })
    }
}

/// The plan as one causal stream that learns every instruction in it.
fn form(
    text: &TextTokenizer,
    so_far: &PlanSoFar<'_>,
    answer: &str,
    key_frame: Option<(Grid, &[u32])>,
) -> Result<NextTokenForm, TokensError> {
    let document = plan_document(text, so_far, answer, key_frame)?;
    let learn = (0..document.ids.len()).map(|i| document.answers.iter().any(|range| range.contains(&i))).collect();
    Ok(NextTokenForm { ids: document.ids, learn })
}

/// A text with its colours exchanged: each colour becomes the one at its place in `colours`.
fn recoloured(text: &str, colours: &[&str; COLOURS.len()]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for piece in text.split_inclusive(|c: char| !c.is_ascii_lowercase()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        match COLOURS.iter().position(|c| *c == word) {
            Some(i) => {
                out += colours[i];
                out += &piece[word.len()..];
            }
            None => out += piece,
        }
    }
    out
}

#[cfg(test)]
mod tests;

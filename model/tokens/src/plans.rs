//! One step of a plan as a stream: what the planner reads, and its answer of one instruction with its key-frame.
//!
//! ```text
//! BOS You are a helpful assistant for vla task. USER: {task and scene} So far: {step}{verdict} .. <view> ASSISTANT: BSS
//!  {instruction}. <key-frame> ESS EOS
//! ```
//!
//! Steps so far stand in the prompt exactly as answers are written, so that every step of a plan teaches the same thing as an
//! answer does.

use std::ops::Range;

use crate::error::TokensError;
use crate::picture::{Grid, encode_picture};
use crate::prompts::{Task, prompt};
use crate::text::TextTokenizer;

/// What stands between the scene and the steps so far.
const SO_FAR: &str = " So far:";

/// A plan up to now.
#[derive(Clone, Copy, Debug)]
pub struct PlanSoFar<'a> {
    /// The task and what stands where, in words.
    pub head: &'a str,
    /// Steps with the verdict on each, such as `("open the drawer", ".")`.
    pub steps: &'a [(String, String)],
    /// Codes of the present view; a plan can be read without.
    pub view: Option<(Grid, &'a [u32])>,
}

/// A plan as one sequence, with the places of what a model has to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanDocument {
    /// BOS to EOS.
    pub ids: Vec<u32>,
    /// The instructions so far, without their verdicts, and the last answer with what ends it.
    pub answers: Vec<Range<usize>>,
    /// The key-frame, BOI to EOI; empty when there is none.
    pub picture: Range<usize>,
}

impl PlanSoFar<'_> {
    /// The user's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}{SO_FAR}", self.head);
        for (step, verdict) in self.steps {
            text.push(' ');
            text += step;
            text += verdict;
        }
        text
    }

    /// BOS to BSS.
    ///
    /// # Errors
    /// When the text is over its limit or the codes do not fit the grid.
    pub fn prefix(&self, tokenizer: &TextTokenizer) -> Result<Vec<u32>, TokensError> {
        let view = self.view.map(|(grid, codes)| encode_picture(tokenizer.vocabulary(), grid, codes)).transpose()?;
        prompt(tokenizer, Task::Vla, &self.text(), view.as_slice())
    }

    /// Where the instructions so far stand in [`PlanSoFar::prefix`].
    fn step_ranges(&self, tokenizer: &TextTokenizer) -> Result<Vec<Range<usize>>, TokensError> {
        let none = PlanSoFar { steps: &[], view: None, ..*self };
        // Without the words behind the text: ASSISTANT and BSS.
        let tail = tokenizer.encode_text(" ASSISTANT: ")?.len() + 1;
        let mut at = none.prefix(tokenizer)?.len().saturating_sub(tail);
        let mut ranges = Vec::with_capacity(self.steps.len());
        for (step, verdict) in self.steps {
            let end = at + answer_ids(tokenizer, step)?.len();
            ranges.push(at..end);
            at = end + tokenizer.encode_text(verdict)?.len();
        }
        Ok(ranges)
    }
}

/// An instruction as it stands in a stream: behind a space, without its full stop.
///
/// # Errors
/// When it is over the limit for texts.
pub fn answer_ids(tokenizer: &TextTokenizer, instruction: &str) -> Result<Vec<u32>, TokensError> {
    tokenizer.encode_text(&format!(" {instruction}"))
}

/// The full stop that ends an instruction.
///
/// # Errors
/// When the tokenizer refuses it.
pub fn full_stop(tokenizer: &TextTokenizer) -> Result<Vec<u32>, TokensError> {
    tokenizer.encode_text(".")
}

/// A plan with its next answer.
///
/// # Errors
/// When a text is over its limit or a picture does not fit the grid.
pub fn plan_document(
    tokenizer: &TextTokenizer,
    so_far: &PlanSoFar<'_>,
    answer: &str,
    key_frame: Option<(Grid, &[u32])>,
) -> Result<PlanDocument, TokensError> {
    let control = tokenizer.vocabulary().control();
    let mut answers = so_far.step_ranges(tokenizer)?;
    let mut ids = so_far.prefix(tokenizer)?;
    let from = ids.len();
    ids.extend(answer_ids(tokenizer, answer)?);
    ids.extend(full_stop(tokenizer)?);
    let begin = ids.len();
    if let Some((grid, codes)) = key_frame {
        ids.extend(encode_picture(tokenizer.vocabulary(), grid, codes)?);
    }
    let picture = begin..ids.len();
    answers.push(from..begin);
    ids.extend([control.ess, control.eos]);
    answers.push(picture.end..ids.len());
    Ok(PlanDocument { ids, answers, picture })
}

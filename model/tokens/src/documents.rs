//! Whole training documents: a prompt with its answer, and where the parts are.

use std::ops::Range;

use crate::error::TokensError;
use crate::picture::{Grid, encode_picture};
use crate::prompts::{Task, caption_prefix, explore_prefix};
use crate::text::TextTokenizer;

/// A prompt and its answer as one sequence of ids, BOS to EOS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The task.
    pub task: Task,
    /// All ids.
    pub ids: Vec<u32>,
    /// Length of the prompt, BOS to BSS; the answer follows.
    pub prompt_len: usize,
    /// Where the picture of the answer stands, BOI to EOI.
    pub picture: Range<usize>,
    /// Where the ids behind the picture stand that the model has to write: narration, ESS, EOS.
    pub text: Range<usize>,
}

/// One step of a walk: `prompt <picture> narration ESS EOS`. See [`explore_prefix`] for `memory`.
///
/// # Errors
/// When a text is over its limit or a picture does not fit the grid.
pub fn explore_document(
    tokenizer: &TextTokenizer,
    (world, command): (&str, &str),
    memory: Option<&[Option<u32>]>,
    (grid, codes): (Grid, &[u32]),
    narration: &str,
) -> Result<Document, TokensError> {
    let prompt = explore_prefix(tokenizer, world, command, memory, grid)?;
    finish(tokenizer, Task::Explore, prompt, (grid, codes), narration)
}

/// A first view: `prompt <picture> ESS EOS`.
///
/// # Errors
/// When the caption is over its limit or the codes do not fit the grid.
pub fn caption_document(
    tokenizer: &TextTokenizer,
    caption: &str,
    (grid, codes): (Grid, &[u32]),
) -> Result<Document, TokensError> {
    finish(tokenizer, Task::T2i, caption_prefix(tokenizer, caption)?, (grid, codes), "")
}

fn finish(
    tokenizer: &TextTokenizer,
    task: Task,
    prompt: Vec<u32>,
    (grid, codes): (Grid, &[u32]),
    text: &str,
) -> Result<Document, TokensError> {
    let vocabulary = tokenizer.vocabulary();
    let prompt_len = prompt.len();
    let mut ids = prompt;
    ids.extend(encode_picture(vocabulary, grid, codes)?);
    let picture = prompt_len..ids.len();
    ids.extend(tokenizer.encode_text(text)?);
    ids.extend([vocabulary.control().ess, vocabulary.control().eos]);
    let text = picture.end..ids.len();
    Ok(Document { task, ids, prompt_len, picture, text })
}

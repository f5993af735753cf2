//! The turns of an interactive walk or plan, and what of them the model still reads when they no longer all fit.
//!
//! ```text
//! BOS You are a helpful assistant for explore task. USER: {text}{pictures} ASSISTANT: BSS {answer} ESS
//!  USER: {text} ASSISTANT: BSS {answer} ESS ...  USER: {text} ASSISTANT: BSS
//! ```
//!
//! No template for later turns is published; this one continues the first. What does not fit is left out by one rule: the
//! anchor stays (the first prompt and the first picture that answered it), and so do the latest turns.

use crate::error::TokensError;
use crate::prompts::{Task, next_turn, prompt, unconditional};
use crate::text::TextTokenizer;
use crate::vocabulary::Vocabulary;

/// A conversation with the model about one world or one workplace.
#[derive(Clone, Debug)]
pub struct Conversation {
    task: Task,
    references: Vec<Vec<u32>>,
    turns: Vec<Turn>,
}

/// What was asked and what was answered, as ids.
#[derive(Clone, Debug)]
struct Turn {
    /// From BOS or from ` USER:` to BSS.
    prompt: Vec<u32>,
    /// Behind BSS, with ESS at the end; empty while nothing was answered.
    answer: Vec<u32>,
    /// The pictures that came with the question of a later turn.
    references: Vec<Vec<u32>>,
}

/// What the model reads to answer the latest turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnPrompt {
    /// BOS to BSS.
    pub conditional: Vec<u32>,
    /// What guidance compares with: the same pictures without any text but that of the template.
    pub unconditional: Vec<u32>,
    /// Turns that are left out between the anchor and the latest ones.
    pub left_out: usize,
}

impl Conversation {
    /// A conversation without turns.
    #[must_use]
    pub fn new(task: Task) -> Self {
        Self { task, references: Vec::new(), turns: Vec::new() }
    }

    /// The user says something; `pictures` are ids of whole pictures.
    ///
    /// # Errors
    /// When the text is over its limit.
    pub fn ask(&mut self, tokenizer: &TextTokenizer, text: &str, pictures: &[Vec<u32>]) -> Result<(), TokensError> {
        let first = self.turns.is_empty();
        let prompt =
            if first { prompt(tokenizer, self.task, text, pictures) } else { next_turn(tokenizer, text, pictures) }?;
        let references = if first {
            self.references = pictures.to_vec();
            Vec::new()
        } else {
            pictures.to_vec()
        };
        self.turns.push(Turn { prompt, answer: Vec::new(), references });
        Ok(())
    }

    /// The model has answered the latest question: its ids behind BSS. ESS and EOS at the end may be there or not.
    pub fn answer(&mut self, vocabulary: &Vocabulary, ids: &[u32]) {
        let control = vocabulary.control();
        let length = ids.iter().rposition(|&id| id != control.ess && id != control.eos).map_or(0, |last| last + 1);
        if let Some(turn) = self.turns.last_mut() {
            turn.answer = ids.get(..length).unwrap_or_default().to_vec();
            turn.answer.push(control.ess);
        }
    }

    /// What the model reads next, in at most `room` ids for each of the two prompts.
    ///
    /// # Errors
    /// When nothing was asked, or anchor and latest turn do not fit the room.
    pub fn prompt(&self, tokenizer: &TextTokenizer, room: usize) -> Result<TurnPrompt, TokensError> {
        let Some((first, later)) = self.turns.split_first() else {
            return Err(TokensError::Encode("nothing was asked yet".to_owned()));
        };
        let vocabulary = tokenizer.vocabulary();
        let anchor = if later.is_empty() { first.answer.clone() } else { anchor_of(vocabulary, &first.answer) };
        let base = unconditional(tokenizer, &self.references)?;
        // The whole first answer, if everything fits; else its anchor and as many of the latest turns as do.
        let whole = (0, first.answer.as_slice());
        let cut = (0..later.len()).map(|left_out| (left_out, anchor.as_slice()));
        let mut smallest = 0;
        for (left_out, answer) in std::iter::once(whole).chain(cut) {
            let latest = later.get(left_out..).unwrap_or_default();
            let parts = || std::iter::once(answer).chain(latest.iter().map(|turn| turn.answer.as_slice()));
            let length = first.prompt.len() + answer.len() + latest.iter().map(Turn::len).sum::<usize>();
            smallest = length;
            if length > room {
                continue;
            }
            let mut conditional = [first.prompt.as_slice(), answer].concat();
            latest.iter().for_each(|turn| conditional.extend(turn.prompt.iter().chain(&turn.answer)));
            let mut blind = base.clone();
            let references = || std::iter::once(&[][..]).chain(latest.iter().map(|turn| turn.references.as_slice()));
            for (part, references) in parts().zip(references()) {
                references.iter().for_each(|picture| blind.extend_from_slice(picture));
                pictures_of(vocabulary, part).for_each(|picture| blind.extend_from_slice(picture));
            }
            if blind.len() <= room {
                return Ok(TurnPrompt { conditional, unconditional: blind, left_out });
            }
            smallest = smallest.max(blind.len());
        }
        let what = "the conversation's first view with its latest turn";
        Err(TokensError::TooLarge { what, size: smallest as u64, unit: "tokens", limit: room as u64 })
    }
}

impl Turn {
    fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }
}

/// The first picture of an answer, BOI to EOI, and ESS; ESS alone when there is none.
fn anchor_of(vocabulary: &Vocabulary, answer: &[u32]) -> Vec<u32> {
    let mut anchor = pictures_of(vocabulary, answer).next().unwrap_or_default().to_vec();
    anchor.push(vocabulary.control().ess);
    anchor
}

/// The finished pictures of an answer, BOI to EOI each.
fn pictures_of<'a>(vocabulary: &Vocabulary, answer: &'a [u32]) -> impl Iterator<Item = &'a [u32]> {
    let (boi, eoi) = (vocabulary.control().boi, vocabulary.control().eoi);
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = answer.get(at..)?;
        let begin = at + rest.iter().position(|&id| id == boi)?;
        let end = begin + answer.get(begin..)?.iter().position(|&id| id == eoi)?;
        at = end + 1;
        answer.get(begin..=end)
    })
}

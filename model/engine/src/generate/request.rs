//! What can be asked for, and how it is decoded.

use rhea_picture::Picture;
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, TurnPrompt};
use serde::{Deserialize, Serialize};

use crate::decoding::Decoding;
use crate::error::EngineError;
use crate::guidance::Guidance;
use crate::request::Filter;

/// A question to a model.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// What the model reads.
    pub prompt: Prompt,
    /// The size of pictures; `None` takes that of the last reference picture, or lets the model choose.
    pub size: Option<Grid>,
    /// How it is decoded.
    pub settings: GenerateSettings,
    /// Seed; the same request on the same folder gives the same answer.
    pub seed: u64,
}

/// What a model reads before it answers.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// A task with user text and reference pictures, which are resized and encoded.
    Task {
        /// The task.
        task: Task,
        /// User text: never read as control tokens.
        text: String,
        /// Reference pictures.
        pictures: Vec<Picture>,
    },
    /// The next turn of a conversation.
    Turn(TurnPrompt),
}

/// How an answer is decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateSettings {
    /// How text tokens are drawn.
    pub text: Filter,
    /// How picture tokens are drawn, the digits of a size included.
    pub picture: Filter,
    /// How strongly pictures follow the text, 0 to 100: `u + guidance (c - u)`. 1 is not at all, and costs half.
    pub guidance: f32,
    /// Guidance by reference pictures, 0 to 100, with a third branch that knows none: `f + picture_guidance (u - f) +
    /// guidance (c - u)`. `None` goes without.
    pub picture_guidance: Option<f32>,
    /// What the branches without text have read of the answer.
    pub history: History,
    /// Does a size that was asked for go before that of reference pictures?
    pub size_before_references: bool,
    /// Have later pictures the size of the first? Otherwise each gets the size asked for or one of the model's choice.
    pub same_size: bool,
    /// When it ends.
    pub stop: Stop,
    /// Begins with a picture instead of letting the model choose: for models that always do.
    pub begin_with_picture: bool,
    /// Which tokens get a pass of their own, and what may be drawn as text.
    pub pace: Pace,
    /// A preview after every so many rows of a picture; 0 is none.
    pub preview_rows: usize,
    /// Area of reference pictures in square pixels.
    pub picture_area: usize,
    /// How codes are drawn where the weights know canvases; others are always decoded token by token.
    #[serde(skip, default = "next_token")]
    pub decoding: Decoding,
}

fn next_token() -> Decoding {
    Decoding::NextToken
}

/// What the branches without text have read of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Its pictures, each from BOI to EOI: the reference on Transformers.
    Pictures,
    /// All of it, text included: the reference on vLLM.
    Everything,
}

/// Which tokens get a pass of their own, and what may be drawn as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Forced tokens are read together with the drawn one before them, only the half of the logits that is needed is computed,
    /// and tokens that mean nothing in text (EOL, EOI, IMG, BOS, BSS, padding) are never drawn.
    Fused,
    /// As the reference: every token in a pass of its own, scores over the whole vocabulary, any token below the first visual
    /// one in text. Slower by the framing of pictures and twice the head.
    Reference,
}

/// When an answer ends, besides at EOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// After so many tokens.
    pub tokens: usize,
    /// After so many pictures; the reference on vLLM stops after 1 for `t2i` and `x2i`.
    pub pictures: Option<usize>,
    /// At the end of the answer (ESS). The reference goes on until EOS.
    pub answer: bool,
}

impl GenerateSettings {
    /// The published settings of a task (`configs/*.py` of the reference), which differ in guidance, lengths and filters. For
    /// `explore` and `vla` none are published; they have those of the general settings file. Pictures of `t2i` and `x2i`
    /// end the answer after the first.
    #[must_use]
    pub fn for_task(task: Task) -> Self {
        let (guidance, tokens, picture_area) = match task {
            Task::T2i => (5.0, 5120, 1 << 20),
            Task::X2i => (3.0, 5120, 1 << 20),
            Task::Howto | Task::Story | Task::Explore | Task::Vla => (3.0, 32_768, 720 * 720),
        };
        let alone = matches!(task, Task::T2i | Task::X2i);
        let text = match task {
            Task::Howto => Filter { temperature: 0.7, top_k: 200, top_p: 0.8 },
            _ => Filter { temperature: 1.0, top_k: 1024, top_p: 0.9 },
        };
        Self {
            text,
            picture: Filter { temperature: 1.0, top_k: if alone { 5120 } else { 10_240 }, top_p: 1.0 },
            guidance,
            picture_guidance: None,
            history: History::Pictures,
            size_before_references: true,
            same_size: true,
            stop: Stop { tokens, pictures: alone.then_some(1), answer: false },
            begin_with_picture: false,
            pace: Pace::Fused,
            preview_rows: 0,
            picture_area,
            decoding: Decoding::NextToken,
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting out of range. Filters are checked where they are used.
    pub fn check(&self) -> Result<(), EngineError> {
        for scale in [Some(self.guidance), self.picture_guidance].into_iter().flatten() {
            Guidance::new(scale).check()?;
        }
        Ok(())
    }
}

/// A question as ids: what the loop works on.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// BOS to BSS.
    pub conditional: Vec<u32>,
    /// The same without task and text.
    pub unconditional: Vec<u32>,
    /// The same without pictures too, for three-way guidance; `None` takes the unconditional one.
    pub without_pictures: Option<Vec<u32>>,
    /// The size asked for.
    pub size: Option<Grid>,
    /// How it is decoded.
    pub settings: GenerateSettings,
    /// Seed.
    pub seed: u64,
}

//! What is told while an answer is written, and the answer itself.

use rhea_picture::Picture;
use rhea_tokens::Grid;
use serde::{Deserialize, Serialize};

/// Something that happened while an answer is written.
#[derive(Clone, Debug, PartialEq)]
pub enum GenerateEvent {
    /// So many tokens of the prompt were read.
    PromptRead {
        /// Tokens read.
        done: usize,
        /// Tokens of the prompt.
        of: usize,
    },
    /// More text; whole characters.
    Text(String),
    /// More of a thought; whole characters.
    Thought {
        /// What the thought is about.
        about: ThoughtAbout,
        /// What was added.
        text: String,
    },
    /// A thought is finished.
    ThoughtDone {
        /// What the thought is about.
        about: ThoughtAbout,
        /// All of it.
        text: String,
    },
    /// A picture begins; its size is known.
    PictureStarted {
        /// Pictures before it.
        index: usize,
        /// Its size.
        grid: Grid,
    },
    /// Some rows of a picture are finished.
    PicturePartial {
        /// Pictures before it.
        index: usize,
        /// Its size.
        grid: Grid,
        /// Rows that are finished.
        rows: usize,
        /// These rows as a picture, where the settings ask for a preview now.
        preview: Option<Picture>,
    },
    /// A picture is finished.
    PictureDone {
        /// Pictures before it.
        index: usize,
        /// Its size.
        grid: Grid,
        /// Visual codes, row-major.
        codes: Vec<u32>,
        /// The picture.
        picture: Picture,
    },
    /// What has been used so far; sent after every pass.
    Usage(Usage),
    /// Nothing more will come.
    Finished(FinishReason),
}

/// What a thought is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThoughtAbout {
    /// The whole answer (BOG to EOG).
    Answer,
    /// The picture that follows (BOC to EOC).
    Picture,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishReason {
    /// The model ended the stream (EOS).
    EndOfStream,
    /// The model ended its answer (ESS) and the settings stop there.
    EndOfAnswer,
    /// As many pictures were drawn as the settings allow.
    Pictures,
    /// As many tokens were written as the settings allow.
    Tokens,
    /// The memory holds no more tokens.
    Context,
    /// Somebody cancelled; what was written until then stands.
    Cancelled,
}

/// What an answer has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens written, forced ones included.
    pub tokens: usize,
    /// Tokens that were drawn from logits.
    pub drawn: usize,
    /// Forward passes behind the prompt; several branches and several tokens read together are one.
    pub passes: usize,
    /// Pictures finished.
    pub pictures: usize,
    /// Seconds spent on reading prompts.
    pub reading_secs: f64,
    /// Seconds spent on writing.
    pub writing_secs: f64,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Everything that was written behind the prompt.
    pub ids: Vec<u32>,
    /// What it took.
    pub usage: Usage,
    /// Why it ended.
    pub finish: FinishReason,
}

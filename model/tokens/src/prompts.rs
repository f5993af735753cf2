//! The prompts of the six tasks, in the published templates of Emu3.5.
//!
//! ```text
//! BOS You are a helpful assistant for T task. USER: {text}{pictures} ASSISTANT: BSS
//! ```
//!
//! Where pictures stand and what the system sentence asks for is the [`PromptStyle`]; each task has its own, and the published
//! settings allow others. `explore` and `vla` have no published template: theirs is the common one, and their later turns are
//! those of a [`Conversation`](crate::Conversation).
//! User text is encoded together with the words around it, so that word boundaries are those of the reference, and always as
//! plain text.

use crate::error::TokensError;
use crate::picture::{Grid, encode_partial_picture, encode_picture};
use crate::text::{TextTokenizer, check_text};

/// One of the model's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Text to image.
    T2i,
    /// Text and images to image.
    X2i,
    /// Steps of a task, with pictures.
    Howto,
    /// A story with pictures.
    Story,
    /// A walk through a world.
    Explore,
    /// Sub-tasks and key-frames for a robot.
    Vla,
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 6] = [Self::T2i, Self::X2i, Self::Howto, Self::Story, Self::Explore, Self::Vla];

    /// The word that stands in the prompt.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::T2i => "t2i",
            Self::X2i => "x2i",
            Self::Howto => "howto",
            Self::Story => "story",
            Self::Explore => "explore",
            Self::Vla => "vla",
        }
    }

    /// The task of a tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.tag() == tag)
    }

    /// The template that the task is used with.
    #[must_use]
    pub fn style(self) -> PromptStyle {
        match self {
            Self::X2i => PromptStyle::PicturesFirst,
            Self::Howto => PromptStyle::Interleaved,
            Self::T2i | Self::Story | Self::Explore | Self::Vla => PromptStyle::Common,
        }
    }
}

/// One of the published templates, named after the settings file that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptStyle {
    /// Text, then pictures (general, text-to-image and story settings).
    Common,
    /// Pictures, then text (image editing settings).
    PicturesFirst,
    /// As the common one; for `howto` the system sentence asks for interleaved text and images (how-to settings).
    Interleaved,
}

impl PromptStyle {
    /// The system sentence up to and including `USER: `.
    fn opening(self, task: Task) -> String {
        let interleaved = self == Self::Interleaved && task == Task::Howto;
        let extra = if interleaved { " Please generate a response with interleaved text and images." } else { "" };
        format!("You are a helpful assistant for {} task.{extra} USER: ", task.tag())
    }
}

const ASSISTANT: &str = " ASSISTANT: ";

/// The prompt of a task in its own style: BOS to BSS. `pictures` are ids of whole pictures ([`encode_picture`]).
///
/// # Errors
/// When the text is over its limit.
pub fn prompt(
    tokenizer: &TextTokenizer,
    task: Task,
    text: &str,
    pictures: &[Vec<u32>],
) -> Result<Vec<u32>, TokensError> {
    styled_prompt(tokenizer, task, task.style(), text, pictures)
}

/// As [`prompt`], in a style of the caller's choice.
///
/// # Errors
/// As [`prompt`].
pub fn styled_prompt(
    tokenizer: &TextTokenizer,
    task: Task,
    style: PromptStyle,
    text: &str,
    pictures: &[Vec<u32>],
) -> Result<Vec<u32>, TokensError> {
    check_text(text)?;
    let opening = style.opening(task);
    let body = if style == PromptStyle::PicturesFirst {
        frame(tokenizer, &opening, pictures, &format!("{text}{ASSISTANT}"))?
    } else {
        frame(tokenizer, &format!("{opening}{text}"), pictures, ASSISTANT)?
    };
    Ok(begun(tokenizer, body))
}

/// As [`prompt`] in the common style, with words before every picture: BOS to BSS, `{text} {words}{picture} {words}{picture} ...
/// {command}`.
///
/// # Errors
/// When a text is over its limit.
pub(crate) fn prompt_around(
    tokenizer: &TextTokenizer,
    task: Task,
    text: &str,
    pictures: &[(String, &[u32])],
    command: &str,
) -> Result<Vec<u32>, TokensError> {
    check_text(text)?;
    check_text(command)?;
    let mut body = Vec::new();
    let mut before = PromptStyle::Common.opening(task) + text;
    for (words, picture) in pictures {
        check_text(words)?;
        let gap = if before.is_empty() || before.ends_with(' ') { "" } else { " " };
        body.extend(tokenizer.encode_ordinary(&format!("{before}{gap}{words}"))?);
        body.extend_from_slice(picture);
        before = " ".to_owned();
    }
    body.extend(tokenizer.encode_ordinary(&format!("{before}{command}{ASSISTANT}"))?);
    body.push(tokenizer.vocabulary().control().bss);
    Ok(begun(tokenizer, body))
}

/// What follows a finished answer when the user goes on: ` USER: {text}{pictures} ASSISTANT: ` BSS.
///
/// # Errors
/// When the text is over its limit.
pub(crate) fn next_turn(tokenizer: &TextTokenizer, text: &str, pictures: &[Vec<u32>]) -> Result<Vec<u32>, TokensError> {
    check_text(text)?;
    frame(tokenizer, &format!(" USER: {text}"), pictures, ASSISTANT)
}

/// The prompt without task and text that guidance compares with; it keeps the pictures.
///
/// # Errors
/// When the tokenizer refuses the template.
pub fn unconditional(tokenizer: &TextTokenizer, pictures: &[Vec<u32>]) -> Result<Vec<u32>, TokensError> {
    Ok(begun(tokenizer, frame(tokenizer, "You are a helpful assistant. USER: ", pictures, ASSISTANT)?))
}

/// The prompt of one step of a walk, BOS to BSS. With `memory` (codes of the warped picture, row-major, `None` where nothing
/// is known) the remembered picture stands behind the command.
///
/// For parallel decoding append [`Grid::header`]: the canvas reads everything up to IMG.
///
/// # Errors
/// When the text is over its limit, memory does not fit the grid, or the vocabulary lacks HOLE.
pub fn explore_prefix(
    tokenizer: &TextTokenizer,
    world: &str,
    command: &str,
    memory: Option<&[Option<u32>]>,
    grid: Grid,
) -> Result<Vec<u32>, TokensError> {
    let remembered = memory.map(|cells| encode_partial_picture(tokenizer.vocabulary(), grid, cells)).transpose()?;
    prompt(tokenizer, Task::Explore, &explore_text(world, command), remembered.as_slice())
}

/// The prompt for a first view, BOS to BSS.
///
/// # Errors
/// When the caption is over its limit.
pub fn caption_prefix(tokenizer: &TextTokenizer, caption: &str) -> Result<Vec<u32>, TokensError> {
    prompt(tokenizer, Task::T2i, caption, &[])
}

/// What the narration of a step reads: the prompt of the step without memory, then the finished picture, BOI to EOI.
///
/// # Errors
/// As [`explore_prefix`] and [`encode_picture`].
pub fn narration_prefix(
    tokenizer: &TextTokenizer,
    world: &str,
    command: &str,
    grid: Grid,
    codes: &[u32],
) -> Result<Vec<u32>, TokensError> {
    let mut ids = explore_prefix(tokenizer, world, command, None, grid)?;
    ids.extend(encode_picture(tokenizer.vocabulary(), grid, codes)?);
    Ok(ids)
}

/// The user text of a step: the world's sentence and the command, either of which may be empty.
#[must_use]
pub fn explore_text(world: &str, command: &str) -> String {
    match (world.is_empty(), command.is_empty()) {
        (false, false) => format!("{world} {command}"),
        (true, _) => command.to_owned(),
        (_, true) => world.to_owned(),
    }
}

/// Text, pictures, text, BSS. Without pictures the two texts are encoded as one.
fn frame(tokenizer: &TextTokenizer, before: &str, pictures: &[Vec<u32>], after: &str) -> Result<Vec<u32>, TokensError> {
    let mut ids = Vec::new();
    if pictures.is_empty() {
        ids.extend(tokenizer.encode_ordinary(&format!("{before}{after}"))?);
    } else {
        ids.extend(tokenizer.encode_ordinary(before)?);
        pictures.iter().for_each(|picture| ids.extend_from_slice(picture));
        ids.extend(tokenizer.encode_ordinary(after)?);
    }
    ids.push(tokenizer.vocabulary().control().bss);
    Ok(ids)
}

fn begun(tokenizer: &TextTokenizer, mut body: Vec<u32>) -> Vec<u32> {
    body.insert(0, tokenizer.vocabulary().control().bos);
    body
}

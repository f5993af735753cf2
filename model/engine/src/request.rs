//! What can be asked of a model, and what it answers: plain values, shared by every engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rhea_picture::{Rgbd, Warp};
use rhea_tokens::Grid;
use serde::{Deserialize, Serialize};

use crate::decoding::{CanvasForm, Decoding};
use crate::error::EngineError;
use crate::guidance::Guidance;

/// Which of the model's tasks a picture is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewTask {
    /// The next view of a walk, from a command (task tag `explore`).
    Explore,
    /// A first view, from a caption (task tag `t2i`).
    TextToImage,
}

/// The filters applied to logits before a token is drawn, in the order temperature, top-k, top-p.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f32,
    /// Keeps the k largest logits; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of tokens whose probability reaches this share, (0, 1].
    pub top_p: f32,
}

impl Filter {
    /// Always the most likely token.
    pub const GREEDY: Self = Self { temperature: 0.0, top_k: 0, top_p: 1.0 };
}

/// A request for one view.
#[derive(Clone, Debug)]
pub struct ViewRequest {
    /// The task.
    pub task: ViewTask,
    /// A sentence about the world (its caption), kept for the whole walk; empty when there is none.
    pub world: String,
    /// The command of the walker, or the caption for [`ViewTask::TextToImage`]. User text: never read as control tokens.
    pub prompt: String,
    /// What memory knows about the view.
    pub memory: Option<Warp>,
    /// How to decode.
    pub decoding: Decoding,
    /// How to draw picture tokens.
    pub picture: Filter,
    /// How strongly the picture follows the prompt; `None` reads the prompt alone, which takes half the work.
    pub guidance: Option<Guidance>,
    /// Earlier views, for models that read them as pictures ([`Imagine::reads_views`]).
    pub shown: Option<ShownViews>,
    /// Seed of the counter-based generator; the same request gives the same view.
    pub seed: u64,
}

/// Earlier views as a model without depth is shown them: codes, row-major, and words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownViews {
    /// Codes of the first view, where it is not among the others.
    pub anchor: Option<Vec<u32>>,
    /// Recalled views, far to near: a clause such as "Seen at step 12, 30 degrees to the left", and codes.
    pub recalled: Vec<(String, Vec<u32>)>,
    /// The latest turns, oldest first.
    pub turns: Vec<ShownTurn>,
    /// Cells that the request's memory knows exactly, row-major: they are not drawn. Empty when there are none.
    pub pinned: Vec<bool>,
}

/// A turn that the model is shown again.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownTurn {
    /// What was asked.
    pub command: String,
    /// Codes of the view that answered it.
    pub codes: Vec<u32>,
    /// What was said about it.
    pub narration: String,
}

/// What a model that reads earlier views as pictures has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewRoom {
    /// Tokens of prompt and answer together.
    pub context: usize,
    /// The size of its views.
    pub grid: Grid,
}

/// A finished view.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// The picture with depth.
    pub view: Rgbd,
    /// Its visual codes, row-major, `rows * cols`.
    pub codes: Vec<u32>,
    /// Rows of codes.
    pub rows: usize,
    /// Columns of codes.
    pub cols: usize,
    /// Pixels of the request's memory that were left out because the codes speak against them; empty when there are none.
    pub doubted: Vec<bool>,
    /// Forward passes of the transformer that drew it.
    pub passes: u32,
    /// Where its time went.
    pub timings: ViewTimings,
}

/// Where the time of a view went, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ViewTimings {
    /// Encoding what memory knows, and the prompts.
    pub prepare_secs: f64,
    /// Drawing the codes: all passes of the transformer, with its prompt, and sampling.
    pub codes_secs: f64,
    /// The picture decoder.
    pub picture_secs: f64,
}

/// One of several answers to a request for a view: its codes, not yet a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Visual codes, row-major.
    pub codes: Vec<u32>,
    /// Mean log-probability of the codes that were drawn, before filters, nats; 0 when memory knew all of them.
    pub mean_log_probability: f64,
    /// The seed that draws it again.
    pub seed: u64,
    /// Forward passes of the transformer that drew it.
    pub passes: u32,
}

/// A request for the words that go with a finished view.
#[derive(Clone, Debug)]
pub struct NarrationRequest {
    /// As in [`ViewRequest`].
    pub world: String,
    /// As in [`ViewRequest`].
    pub prompt: String,
    /// Codes of the view to talk about.
    pub codes: Vec<u32>,
    /// How to draw text tokens.
    pub text: Filter,
    /// Seed.
    pub seed: u64,
}

/// A flag that stops a generation between two forward passes.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    asked: AtomicBool,
    looks: AtomicU64,
}

impl Cancel {
    /// Asks the running generation to stop.
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Has somebody asked?
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        self.0.asked.load(Ordering::Relaxed)
    }

    /// How often the generation has looked at the flag: it does so between two passes, so this number grows while it gets on.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed)
    }
}

/// A piece of text, as it is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextPiece<'a> {
    /// What was said; whole characters.
    pub text: &'a str,
    /// The model's probability of the tokens it is made of, before filters.
    pub probability: f32,
}

/// Something that draws views and talks about them: the loaded model, or in tests a stand-in with known answers.
pub trait Imagine: Send {
    /// A word for the status line, such as the folder's name.
    fn name(&self) -> &str;

    /// Side of the square views, pixels.
    fn side_px(&self) -> usize;

    /// What canvases its weights were trained for; `None` when it decodes token by token only.
    fn canvas_form(&self) -> Option<CanvasForm> {
        Some(CanvasForm::Hole)
    }

    /// For a model that knows no depth and reads earlier views as pictures in its prompt: what it has room for.
    fn reads_views(&self) -> Option<ViewRoom> {
        None
    }

    /// What went wrong since this was asked last and was mended without a request being lost, a sentence each.
    fn mended(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Draws one view.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`], non-finite logits, or a request that does not fit the model.
    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError>;

    /// Talks about a view; `on_text` receives each new piece as it is decoded. Returns the whole text.
    ///
    /// # Errors
    /// As [`Imagine::imagine`].
    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError>;

    /// Encodes a picture of any size: resized to the model's side, its codes and what they decode to, beside `memory` if there is
    /// one.
    ///
    /// # Errors
    /// When the picture cannot be encoded, or memory has another size than the model's views.
    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError>;
}

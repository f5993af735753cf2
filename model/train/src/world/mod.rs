//! Training the world model: one transformer that fills canvases, talks about pictures and writes them token by token.
//!
//! A sample becomes one sequence:
//!
//! ```text
//! prefix .. IMG | canvas, noisy | codes EOL .. codes EOI | narration ESS EOS
//! ```
//!
//! The canvas reads the prefix and itself; the clean picture and the narration read the prefix and themselves, never the
//! canvas, at the same positions. Some samples take the next-token form instead: one causal stream.
//!
//! With [`CanvasNoise::Uniform`] the canvas is a noisy copy of the picture's own ids, IMG included, whose rows speak about what
//! follows them: Discrete Diffusion Adaptation (Emu3.5, arXiv 2510.26583) by the recipe of URSA (arXiv 2510.24717). The network
//! is not told the time, and all times count alike.

mod compute;
mod layout;
mod network;
mod noise;
mod run;
mod step;
#[cfg(test)]
mod tests;

use rhea_nn::NnError;
use rhea_nn::transformer::TransformerConfig;
use rhea_tokens::Vocabulary;
use serde::{Deserialize, Serialize};

pub use compute::Compute;
pub use layout::{Kind, Laid, LossWeights, lay_out, lay_out_next_token, lay_out_uniform};
pub use network::{BatchLoss, CandleNetwork};
pub use noise::{CanvasNoise, FlowNoise, Noise};
pub use run::{WorldRun, inner_matrix, train_world};
pub use step::{Scores, WorldTrainer};

/// What a canvas cell shows before anything is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CanvasCell {
    /// The code of the warped memory, seen well enough to be kept.
    Known(u32),
    /// The code of the warped memory, seen in part.
    Partial(u32),
    /// Nothing is known.
    Hole,
}

/// A whole document for next-token training.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextTokenForm {
    /// The stream, from BOS on.
    pub ids: Vec<u32>,
    /// Per id: should the model learn to say it? Forced tokens and the user's words are not learned.
    pub learn: Vec<bool>,
}

/// One training sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldSample {
    /// Everything before the codes: BOS up to and including IMG.
    pub prefix_ids: Vec<u32>,
    /// Rows of codes.
    pub rows: usize,
    /// Columns of codes.
    pub cols: usize,
    /// The true codes, row-major, counted from 0.
    pub target_codes: Vec<u32>,
    /// What memory knows about each cell.
    pub canvas: Vec<CanvasCell>,
    /// Text after the picture, with ESS and EOS; may be empty.
    pub narration_ids: Vec<u32>,
    /// The same lesson as one causal stream: then training takes this form instead (evaluation takes both). About one
    /// sample in five should have one.
    pub next_token_form: Option<NextTokenForm>,
}

/// Where samples come from.
pub trait WorldSource: Sync {
    /// Sample number `index` of the endless training stream. Depends on `index` alone, so that a resumed run reads on.
    ///
    /// # Errors
    /// When data cannot be read.
    fn sample(&self, index: u64) -> Result<WorldSample, String>;

    /// Fixed samples outside the training set.
    ///
    /// # Errors
    /// When data cannot be read.
    fn held_out(&self, n: usize) -> Result<Vec<WorldSample>, String>;
}

/// The ids that sequences are built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldIds {
    /// Mark of canvas cells.
    pub canvas: u32,
    /// Mark of partly known cells.
    pub partial: u32,
    /// An unknown cell.
    pub hole: u32,
    /// End of a row.
    pub eol: u32,
    /// End of a picture.
    pub eoi: u32,
    /// Id of visual code 0.
    pub visual_base: u32,
    /// Number of visual codes.
    pub visual_count: u32,
}

impl WorldIds {
    /// The ids of a vocabulary that has Rhea's own control tokens.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn new(vocabulary: &Vocabulary) -> Result<Self, NnError> {
        let control = vocabulary.control();
        let need = |id: Option<u32>, name: &str| {
            id.ok_or_else(|| NnError::Input(format!("the vocabulary has no {name}; parallel decoding needs it")))
        };
        Ok(Self {
            canvas: need(control.canvas, "<|canvas|>")?,
            partial: need(control.partial, "<|partial|>")?,
            hole: need(control.hole, "<|hole|>")?,
            eol: control.eol,
            eoi: control.eoi,
            visual_base: vocabulary.visual_base(),
            visual_count: vocabulary.visual_count(),
        })
    }
}

/// The nano transformer for a vocabulary, with its control ids filled in.
#[must_use]
pub fn nano_config(vocabulary: &Vocabulary) -> TransformerConfig {
    let control = vocabulary.control();
    TransformerConfig {
        pad_token_id: control.pad,
        bos_token_id: control.bos,
        eos_token_id: control.eos,
        boi_token_id: Some(control.boi),
        eoi_token_id: Some(control.eoi),
        img_token_id: Some(control.img),
        eol_token_id: Some(control.eol),
        eof_token_id: Some(control.eof),
        ..TransformerConfig::nano(vocabulary.len())
    }
}

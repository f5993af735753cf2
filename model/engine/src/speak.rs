//! A model that is asked in tokens: what planners use besides views.

use rhea_picture::{Rgbd, Warp};
use rhea_tokens::{Grid, TextTokenizer};

use crate::choice::Chosen;
use crate::error::EngineError;
use crate::imagination::Imagination;
use crate::request::{Cancel, Filter, Imagine, TextPiece};

/// A model that also reads prompts that its caller has put together, token by token.
pub trait Speak: Imagine {
    /// The text tokenizer that prompts are made with.
    fn text(&self) -> &TextTokenizer;

    /// The size of its views in cells.
    fn grid(&self) -> Grid;

    /// Chooses the most probable of several answers behind `prompt` (BOS to BSS), each as text ids, none the beginning of
    /// another.
    ///
    /// # Errors
    /// As [`crate::choose`], or when prompt and answers do not fit.
    fn choose(&mut self, prompt: &[u32], answers: &[Vec<u32>], cancel: &Cancel) -> Result<Chosen, EngineError>;

    /// Talks behind `prompt`, as [`Imagine::narrate`].
    ///
    /// # Errors
    /// As [`Imagine::narrate`].
    fn write_text(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError>;

    /// Draws a picture anew that begins as `codes`, behind `prompt` (BOS to the last word before the picture), in a number of
    /// passes, with a seed. Returns its codes and the passes made.
    ///
    /// # Errors
    /// When the model has no canvas, or prompt and codes do not fit.
    fn revise_picture(
        &mut self,
        prompt: &[u32],
        codes: &[u32],
        how: (Filter, u32, u64),
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError>;

    /// The codes of a picture of the model's own size.
    ///
    /// # Errors
    /// When it has another size.
    fn encode(&mut self, view: &Rgbd) -> Result<Vec<u32>, EngineError>;

    /// The picture of codes; what memory knows of it passes through the decoder.
    ///
    /// # Errors
    /// When codes or memory do not fit the model.
    fn picture(&mut self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, EngineError>;
}

impl Speak for Imagination {
    fn text(&self) -> &TextTokenizer {
        self.folder().text()
    }

    fn grid(&self) -> Grid {
        self.folder().grid
    }

    fn choose(&mut self, prompt: &[u32], answers: &[Vec<u32>], cancel: &Cancel) -> Result<Chosen, EngineError> {
        Self::choose(self, prompt, answers, cancel)
    }

    fn write_text(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        Self::write_text(self, prompt, filter, seed, cancel, on_text)
    }

    fn revise_picture(
        &mut self,
        prompt: &[u32],
        codes: &[u32],
        how: (Filter, u32, u64),
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError> {
        Self::revise_picture(self, prompt, codes, how, cancel)
    }

    fn encode(&mut self, view: &Rgbd) -> Result<Vec<u32>, EngineError> {
        Ok(self.folder().vision().encode(view)?)
    }

    fn picture(&mut self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, EngineError> {
        Self::picture(self, codes, memory)
    }
}

//! A KV memory that knows which ids it has read.
//!
//! Prompts are read in blocks of a fixed size, and only whole blocks are used again: how rows are grouped in a forward pass
//! changes their last bits, so the grouping must not depend on what was read before.

use rhea_nn::transformer::{CanvasToken, Half, KvStore, Transformer};

use crate::error::EngineError;

/// Rows of a block.
const BLOCK: usize = 64;

/// What a model has read, so that a prompt with the same beginning is not read again.
#[derive(Debug)]
pub struct Stream {
    store: KvStore,
    ids: Vec<u32>,
    /// Rows that were read in whole blocks.
    blocks: usize,
    /// Length of the prompt that was read last; 0 when reading it failed.
    prompt: usize,
}

impl Stream {
    /// An empty stream with room for `rows`.
    ///
    /// # Errors
    /// When the model has fewer positions.
    pub fn new(model: &Transformer, rows: usize) -> Result<Self, EngineError> {
        Ok(Self { store: model.new_store(rows)?, ids: Vec::new(), blocks: 0, prompt: 0 })
    }

    /// Ids read so far.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    fn check_room(&self, rows: usize) -> Result<(), EngineError> {
        if rows <= self.store.capacity() {
            return Ok(());
        }
        Err(EngineError::Request(format!("{rows} tokens; the model reads up to {}", self.store.capacity())))
    }

    /// Makes the stream hold `ids`, with room for `spare` rows behind them; with `logits`, the last pass is theirs.
    fn hold(&mut self, model: &Transformer, ids: &[u32], logits: bool, spare: usize) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::Request("an empty prompt".to_owned()));
        }
        self.check_room(ids.len() + spare)?;
        let common = self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count();
        if !logits && self.prompt == ids.len() && common == ids.len() {
            self.cut(common);
            return Ok(());
        }
        self.prompt = 0;
        self.cut(common.min(self.blocks).min(ids.len() - 1) / BLOCK * BLOCK);
        for block in ids[self.ids.len()..].chunks(BLOCK) {
            model.extend(&mut self.store, block)?;
            self.ids.extend_from_slice(block);
        }
        self.blocks = ids.len() / BLOCK * BLOCK;
        self.prompt = ids.len();
        Ok(())
    }

    fn cut(&mut self, len: usize) {
        self.ids.truncate(len);
        self.blocks = self.blocks.min(len);
        self.store.truncate(len);
    }

    /// Holds `ids` with room for `spare` rows behind them.
    ///
    /// # Errors
    /// When there are none, they do not fit or are not in the vocabulary.
    pub fn read(&mut self, model: &Transformer, ids: &[u32], spare: usize) -> Result<(), EngineError> {
        self.hold(model, ids, false, spare)
    }

    /// Holds `ids` and gives the logits behind the last of them.
    ///
    /// # Errors
    /// As [`Stream::read`].
    pub fn read_for(
        &mut self,
        model: &Transformer,
        ids: &[u32],
        half: Half,
        spare: usize,
    ) -> Result<&[f32], EngineError> {
        self.hold(model, ids, true, spare)?;
        Ok(model.last_logits(&mut self.store, half)?)
    }

    /// Appends `ids` and gives the logits behind the last of them.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn append(&mut self, model: &Transformer, ids: &[u32], half: Half) -> Result<&[f32], EngineError> {
        self.check_room(self.ids.len() + ids.len())?;
        model.extend(&mut self.store, ids)?;
        self.ids.extend_from_slice(ids);
        Ok(model.last_logits(&mut self.store, half)?)
    }

    /// One pass over a canvas behind what was read; nothing is kept. Visual logits, `(cells, codes)`.
    ///
    /// # Errors
    /// When the canvas does not fit.
    pub fn denoise(&mut self, model: &Transformer, cells: &[CanvasToken], cols: usize) -> Result<&[f32], EngineError> {
        self.check_room(self.ids.len() + cells.len())?;
        Ok(model.denoise(&mut self.store, cells, cols)?)
    }
}

//! A KV memory that knows which ids it has read.

use rhea_nn::transformer::{CanvasToken, Half, KvStore, Transformer};

use crate::error::EngineError;

/// What a model has read, so that a prompt with the same beginning is not read again.
#[derive(Debug)]
pub struct Stream {
    store: KvStore,
    ids: Vec<u32>,
}

impl Stream {
    /// An empty stream with room for `rows`.
    ///
    /// # Errors
    /// When the model has fewer positions.
    pub fn new(model: &Transformer, rows: usize) -> Result<Self, EngineError> {
        Ok(Self { store: model.new_store(rows)?, ids: Vec::new() })
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

    /// Makes the stream hold `ids`: what it has in common with them stays, the rest is cut and read. The last
    /// `reread` ids are read in any case, so that their logits are there. `spare` rows must fit behind them.
    fn hold(&mut self, model: &Transformer, ids: &[u32], reread: usize, spare: usize) -> Result<(), EngineError> {
        self.check_room(ids.len() + spare)?;
        let common = self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count();
        let common = common.min(ids.len().saturating_sub(reread));
        self.cut(common);
        if common < ids.len() {
            model.extend(&mut self.store, &ids[common..])?;
            self.ids.extend_from_slice(&ids[common..]);
        }
        Ok(())
    }

    fn cut(&mut self, len: usize) {
        self.ids.truncate(len);
        self.store.truncate(len);
    }

    /// Holds `ids` with room for `spare` rows behind them.
    ///
    /// # Errors
    /// When they do not fit or are not in the vocabulary.
    pub fn read(&mut self, model: &Transformer, ids: &[u32], spare: usize) -> Result<(), EngineError> {
        self.hold(model, ids, 0, spare)
    }

    /// Holds `ids` and gives the logits behind the last of them.
    ///
    /// # Errors
    /// As [`Stream::read`]; also when `ids` is empty.
    pub fn read_for(
        &mut self,
        model: &Transformer,
        ids: &[u32],
        half: Half,
        spare: usize,
    ) -> Result<&[f32], EngineError> {
        self.hold(model, ids, 1, spare)?;
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

//! A branch of the KV memory that knows which ids it has read.
//!
//! Prompts are read in blocks of a fixed size, and only whole blocks are used again: how rows are grouped in a forward pass
//! changes their last bits, so the grouping must not depend on what was read before.

use rhea_nn::transformer::{Branch, KvStore, PAGE_ROWS, Transformer};

use crate::error::EngineError;

/// Rows of a block: a page, so that a fork that reads on shares whole blocks.
const BLOCK: usize = PAGE_ROWS;

/// What a model has read, so that a prompt with the same beginning is not read again.
#[derive(Debug)]
pub struct Stream {
    branch: Branch,
    ids: Vec<u32>,
    /// Rows that it may hold.
    limit: usize,
    /// Rows that were read in whole blocks.
    blocks: usize,
    /// Length of the prompt that was read last; 0 when reading it failed.
    prompt: usize,
}

impl Stream {
    /// An empty stream in a store, of up to `limit` rows.
    #[must_use]
    pub fn new(store: &KvStore, limit: usize) -> Self {
        Self::on(store, limit, 0)
    }

    /// As [`Stream::new`] for a guidance branch, counted from the conditional one: where branches have ranks of their own, they
    /// are read at the same time.
    #[must_use]
    pub fn on(store: &KvStore, limit: usize, lane: usize) -> Self {
        Self { branch: store.branch_on(lane), ids: Vec::with_capacity(limit), limit, blocks: 0, prompt: 0 }
    }

    /// A stream that has read the same. Both share what they have read; what one reads from now on, the other does not see.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut ids = Vec::with_capacity(self.limit);
        ids.extend_from_slice(&self.ids);
        Self { branch: self.branch.fork(), ids, ..*self }
    }

    /// Forgets everything from id `len` on, as when a step is taken back; a larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.cut(len);
        self.prompt = 0;
    }

    /// Ids read so far.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(crate) fn branch(&self) -> &Branch {
        &self.branch
    }

    /// # Errors
    /// When the stream may not hold so many rows.
    pub(crate) fn check_room(&self, rows: usize) -> Result<(), EngineError> {
        if rows <= self.limit {
            return Ok(());
        }
        Err(EngineError::Request(format!("{rows} tokens; the model reads up to {}", self.limit)))
    }

    /// Makes the stream hold `ids`, with room for `spare` rows behind them; with `logits`, the last pass is theirs.
    ///
    /// # Errors
    /// When there are none, they do not fit or are not in the vocabulary.
    pub fn hold(
        &mut self,
        model: &Transformer,
        store: &mut KvStore,
        ids: &[u32],
        logits: bool,
        spare: usize,
    ) -> Result<(), EngineError> {
        Self::hold_each(model, store, &mut [(self, ids)], logits, spare)
    }

    /// As [`Stream::hold`] for several streams, each with its own ids: a block of each in one pass, so that streams in lanes of
    /// their own are read at the same time. They end together: with `logits`, the last pass is that of the last ids of all of them.
    ///
    /// # Errors
    /// As [`Stream::hold`].
    pub fn hold_each(
        model: &Transformer,
        store: &mut KvStore,
        parts: &mut [(&mut Self, &[u32])],
        logits: bool,
        spare: usize,
    ) -> Result<(), EngineError> {
        let block = Self::block(model);
        for (stream, ids) in parts.iter_mut() {
            stream.keep_common(ids, logits, spare, block)?;
        }
        let blocks = |stream: &Self, ids: &[u32]| (ids.len() - stream.ids.len()).div_ceil(block);
        let passes = parts.iter().map(|(stream, ids)| blocks(stream, ids)).max().unwrap_or(0);
        for behind in (0..passes).rev() {
            let turn = parts.iter_mut().filter(|(stream, ids)| blocks(stream, ids) > behind);
            let mut reading: Vec<(&mut Self, &[u32])> = turn
                .map(|(stream, ids)| {
                    let unread = &ids[stream.ids.len()..];
                    (&mut **stream, &unread[..block.min(unread.len())])
                })
                .collect();
            let mut reads: Vec<_> = reading.iter_mut().map(|(stream, ids)| (&mut stream.branch, *ids)).collect();
            model.extend_for_last(store, &mut reads)?;
            reading.iter_mut().for_each(|(stream, ids)| stream.ids.extend_from_slice(ids));
        }
        for (stream, ids) in parts {
            stream.blocks = ids.len() / block * block;
            stream.prompt = ids.len();
        }
        Ok(())
    }

    /// Rows that are read at once: a page for each rank that shares out rows.
    #[must_use]
    pub fn block(model: &Transformer) -> usize {
        BLOCK * model.readers()
    }

    /// Forgets what is not the beginning of `ids`, and with `logits` enough to read the last of them again.
    fn keep_common(&mut self, ids: &[u32], logits: bool, spare: usize, block: usize) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::Request("an empty prompt".to_owned()));
        }
        self.check_room(ids.len() + spare)?;
        let common = self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count();
        if !logits && self.prompt == ids.len() && common == ids.len() {
            self.cut(common);
        } else {
            self.prompt = 0;
            self.cut(common.min(self.blocks).min(ids.len() - 1) / block * block);
        }
        Ok(())
    }

    /// Appends `ids` to several streams in one pass.
    ///
    /// # Errors
    /// When they do not fit; no stream has then read any of them.
    pub(crate) fn append<const N: usize>(
        model: &Transformer,
        store: &mut KvStore,
        mut streams: [&mut Self; N],
        ids: &[u32],
    ) -> Result<(), EngineError> {
        streams.iter().try_for_each(|stream| stream.check_room(stream.ids.len() + ids.len()))?;
        let mut reads = streams.each_mut().map(|stream| (&mut stream.branch, ids));
        model.extend_for_last(store, &mut reads)?;
        streams.iter_mut().for_each(|stream| stream.ids.extend_from_slice(ids));
        Ok(())
    }

    /// As [`Stream::append`], to each stream its own ids.
    ///
    /// # Errors
    /// As [`Stream::append`], or when a stream gets none.
    pub(crate) fn append_each(
        model: &Transformer,
        store: &mut KvStore,
        parts: &mut [(&mut Self, &[u32])],
    ) -> Result<(), EngineError> {
        parts.iter().try_for_each(|(stream, ids)| stream.check_room(stream.ids.len() + ids.len()))?;
        let mut reads: Vec<_> = parts.iter_mut().map(|(stream, ids)| (&mut stream.branch, *ids)).collect();
        model.extend_for_last(store, &mut reads)?;
        parts.iter_mut().for_each(|(stream, ids)| stream.ids.extend_from_slice(ids));
        Ok(())
    }

    fn cut(&mut self, len: usize) {
        self.ids.truncate(len);
        self.blocks = self.blocks.min(len);
        self.branch.truncate(len);
    }
}

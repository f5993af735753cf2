//! What a decoder reads and asks for logits: a stream, and with guidance a second one that is read beside it.

use rhea_nn::transformer::{CanvasToken, Half, KvStore, Mix, Transformer};

use crate::error::EngineError;
use crate::guidance::{Guidance, guide};
use crate::sampler::{Drawn, Sampler};
use crate::stream::Stream;

/// A prompt as ids, and the one without task and text that guidance compares with.
#[derive(Clone, Copy, Debug)]
pub struct Prompts<'a> {
    /// The whole prompt, BOS to BSS.
    pub conditional: &'a [u32],
    /// Given when the request is guided.
    pub unconditional: Option<&'a [u32]>,
}

/// The streams of an engine: what requests read, and what their guidance reads.
#[derive(Debug)]
pub struct Streams {
    pub(crate) conditional: Stream,
    pub(crate) unconditional: Stream,
}

impl Streams {
    /// Empty streams of up to `limit` rows.
    #[must_use]
    pub fn new(store: &KvStore, limit: usize) -> Self {
        Self { conditional: Stream::new(store, limit), unconditional: Stream::on(store, limit, 1) }
    }

    /// Streams that share what these have read.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { conditional: self.conditional.fork(), unconditional: self.unconditional.fork() }
    }
}

/// A request's view of the KV memory.
pub struct Reader<'a> {
    store: &'a mut KvStore,
    streams: &'a mut Streams,
    prompts: Prompts<'a>,
    scale: f32,
    /// Passes over a canvas that are still to be guided.
    guided_passes: u32,
}

impl<'a> Reader<'a> {
    /// A reader of a request's prompts, of which nothing is read yet. `passes` are those that a canvas may take.
    #[must_use]
    pub fn new(
        store: &'a mut KvStore,
        streams: &'a mut Streams,
        prompts: Prompts<'a>,
        guidance: Option<Guidance>,
        passes: u32,
    ) -> Self {
        let scale = guidance.map_or(1.0, |guidance| guidance.scale);
        let guided_passes = guidance.filter(|g| g.acts()).map_or(0, |guidance| guidance.guided(passes));
        Self { store, streams, prompts, scale, guided_passes }
    }

    /// A reader without guidance.
    #[must_use]
    pub fn plain(store: &'a mut KvStore, streams: &'a mut Streams, prompt: &'a [u32]) -> Self {
        Self::new(store, streams, Prompts { conditional: prompt, unconditional: None }, None, 0)
    }

    /// Reads the prompt and `ids` behind it for a canvas, with room for `spare` rows to come. Asks for no logits.
    ///
    /// # Errors
    /// When they do not fit or are not in the vocabulary.
    pub fn read(&mut self, model: &Transformer, ids: &[u32], spare: usize) -> Result<(), EngineError> {
        let Self { store, streams, prompts, guided_passes, .. } = self;
        let conditional = [prompts.conditional, ids].concat();
        let Some(prompt) = prompts.unconditional.filter(|_| *guided_passes > 0) else {
            return streams.conditional.hold(model, store, &conditional, false, spare);
        };
        let unconditional = [prompt, ids].concat();
        if model.lanes() > 1 {
            let parts =
                &mut [(&mut streams.conditional, &conditional[..]), (&mut streams.unconditional, &unconditional)];
            return Stream::hold_each(model, store, parts, false, spare);
        }
        streams.conditional.hold(model, store, &conditional, false, spare)?;
        streams.unconditional.hold(model, store, &unconditional, false, spare)
    }

    /// Reads the prompt and `ids` behind it and gives the logits behind the last of them.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_for(
        &mut self,
        model: &Transformer,
        ids: &[u32],
        half: Half,
        spare: usize,
    ) -> Result<&[f32], EngineError> {
        let Self { store, streams, prompts, scale, .. } = self;
        if let Some(prompt) = prompts.unconditional.filter(|_| model.lanes() > 1) {
            let [conditional, unconditional] = [prompts.conditional, prompt].map(|prompt| [prompt, ids].concat());
            let parts =
                &mut [(&mut streams.conditional, &conditional[..]), (&mut streams.unconditional, &unconditional)];
            Stream::hold_each(model, store, parts, true, spare)?;
            let (logits, unconditional) = model.last_logits(store, half)?.split_at_mut(model.half_len(half));
            guide(logits, unconditional, *scale);
            return Ok(logits);
        }
        let mut unconditional = None;
        if let Some(prompt) = prompts.unconditional {
            streams.unconditional.hold(model, store, &[prompt, ids].concat(), true, spare)?;
            unconditional = Some(model.last_logits(store, half)?.to_vec());
        }
        streams.conditional.hold(model, store, &[prompts.conditional, ids].concat(), true, spare)?;
        let logits = model.last_logits(store, half)?;
        if let Some(unconditional) = unconditional {
            guide(logits, &unconditional, *scale);
        }
        Ok(logits)
    }

    /// Appends `ids` and gives the logits behind the last of them.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn append(&mut self, model: &Transformer, ids: &[u32], half: Half) -> Result<&[f32], EngineError> {
        let Self { store, streams: Streams { conditional, unconditional }, prompts, scale, .. } = self;
        if prompts.unconditional.is_none() {
            Stream::append(model, store, [conditional], ids)?;
            return Ok(model.last_logits(store, half)?);
        }
        Stream::append(model, store, [conditional, unconditional], ids)?;
        let pair = model.last_logits(store, half)?;
        let (logits, unconditional) = pair.split_at_mut(model.half_len(half));
        guide(logits, unconditional, *scale);
        Ok(logits)
    }

    /// Appends `ids` and draws from what the model gives behind the last of them, at the place `address` of the sampler's numbers.
    /// Over several ranks only what the draw needs travels; what is drawn is the same.
    ///
    /// # Errors
    /// As [`Reader::append`] and [`Sampler::draw`].
    pub fn append_and_draw(
        &mut self,
        model: &Transformer,
        ids: &[u32],
        half: Half,
        sampler: &mut Sampler,
        address: (u64, u64),
    ) -> Result<Drawn, EngineError> {
        let Some(keep) = sampler.shortlist().filter(|_| model.ranks() > 1) else {
            return sampler.draw(self.append(model, ids, half)?, |_| true, address);
        };
        let Self { store, streams: Streams { conditional, unconditional }, prompts, scale, .. } = self;
        let mix = if prompts.unconditional.is_some() {
            Stream::append(model, store, [conditional, unconditional], ids)?;
            Mix::Away(*scale)
        } else {
            Stream::append(model, store, [conditional], ids)?;
            Mix::Alone
        };
        match model.shortlist(store, half, mix, keep)? {
            Some(list) => sampler.draw_listed(&list, address),
            None => Err(EngineError::Request("a draw without logits".to_owned())),
        }
    }

    /// One pass over a canvas behind what was read; nothing is kept. Visual logits of the `wanted` cells, `(wanted, codes)`,
    /// guided while the request's share of passes lasts.
    ///
    /// # Errors
    /// When the canvas does not fit, or `wanted` does not ascend or names no cell of it.
    pub fn denoise(
        &mut self,
        model: &Transformer,
        cells: &[CanvasToken],
        cols: usize,
        wanted: &[usize],
    ) -> Result<&[f32], EngineError> {
        let Self { store, streams: Streams { conditional, unconditional }, prompts, scale, guided_passes } = self;
        conditional.check_room(conditional.ids().len() + cells.len())?;
        let guided = prompts.unconditional.is_some() && *guided_passes > 0;
        if !guided {
            return Ok(model.denoise_cells(store, &[(conditional.branch(), cells)], cols, Some(wanted))?);
        }
        *guided_passes -= 1;
        let canvases = [(conditional.branch(), cells), (unconditional.branch(), cells)];
        let pair = model.denoise_cells(store, &canvases, cols, Some(wanted))?;
        let (logits, unconditional) = pair.split_at_mut(pair.len() / 2);
        guide(logits, unconditional, *scale);
        Ok(logits)
    }
}

//! What the branches of an answer have read: the conditional one, the one without text, the one without pictures.

use rhea_nn::transformer::{Half, KvStore, Mix, Transformer};

use crate::error::EngineError;
use crate::reader::Streams;
use crate::request::Cancel;
use crate::sampler::{Drawn, Sampler};
use crate::stream::Stream;

/// Tokens of a prompt that are read before anybody is asked whether to go on, or somewhat more where ranks share out rows.
const PROMPT_STEP: usize = 512;

/// The KV memory of a generator. What one answer has read, the next one finds.
#[derive(Debug)]
pub struct GenerateMemory {
    pub(crate) store: KvStore,
    pub(crate) streams: Streams,
    pub(crate) without_pictures: Stream,
    pub(crate) context: usize,
}

impl GenerateMemory {
    /// Room for `branches` streams of `context` rows each.
    ///
    /// # Errors
    /// When that is more than a store may reserve.
    pub fn new(model: &Transformer, context: usize, branches: usize) -> Result<Self, EngineError> {
        let store = model.new_store_for(context, branches)?;
        let without_pictures = Stream::on(&store, context, 2);
        Ok(Self { streams: Streams::new(&store, context), without_pictures, store, context })
    }

    /// Tokens that a branch may hold.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }
}

/// The ids of the branches of one answer, and how far they were read.
pub(super) struct Reading<'a> {
    model: &'a Transformer,
    pub memory: &'a mut GenerateMemory,
    /// Prompt and what was added: conditional, unconditional, without pictures.
    pub ids: [Vec<u32>; 3],
    /// Lengths of the prompts that were not read yet; 0 when they were.
    prompts: [usize; 3],
}

impl<'a> Reading<'a> {
    pub fn new(model: &'a Transformer, memory: &'a mut GenerateMemory, ids: [Vec<u32>; 3]) -> Self {
        let prompts = ids.each_ref().map(Vec::len);
        Self { model, memory, ids, prompts }
    }

    /// Reads what the first `branches` branches have not read yet, in one pass behind their prompts. Returns `None` when
    /// somebody cancelled meanwhile.
    pub fn catch_up(
        &mut self,
        branches: usize,
        cancel: &Cancel,
        on_prompt: &mut dyn FnMut(usize, usize),
    ) -> Result<Option<()>, EngineError> {
        let GenerateMemory { store, streams, without_pictures, .. } = &mut *self.memory;
        let mut all = [&mut streams.conditional, &mut streams.unconditional, without_pictures];
        // Branches in lanes of their own are read side by side, others one after the other.
        let together = if self.model.lanes() > 1 { branches.max(1) } else { 1 };
        let step = PROMPT_STEP.next_multiple_of(Stream::block(self.model));
        for (first, group) in (0..).step_by(together).zip(all[..branches].chunks_mut(together)) {
            let ids = &self.ids[first..first + group.len()];
            let prompts: Vec<usize> = self.prompts[first..first + group.len()].iter_mut().map(std::mem::take).collect();
            // All but the last id: that one is read with the rest below, where its logits are wanted.
            let last = |branch: usize| prompts[branch].saturating_sub(1);
            let mut done: Vec<usize> = Vec::with_capacity(group.len());
            for (branch, (stream, ids)) in group.iter_mut().zip(ids).enumerate() {
                if prompts[branch] == 1 {
                    stream.truncate(0);
                }
                // What an earlier answer has read is not read again.
                let common = stream.ids().iter().zip(ids).take_while(|(a, b)| a == b).count();
                done.push(common.min(last(branch)) / step * step);
            }
            while (0..group.len()).any(|branch| done[branch] < last(branch)) {
                if cancel.cancelled() {
                    self.prompts[first..first + group.len()].copy_from_slice(&prompts);
                    return Ok(None);
                }
                let unread: Vec<bool> = (0..group.len()).map(|branch| done[branch] < last(branch)).collect();
                for (branch, done) in done.iter_mut().enumerate().filter(|(branch, _)| unread[*branch]) {
                    *done = (*done + step).min(last(branch));
                }
                let parts = group.iter_mut().zip(ids).zip(&done).zip(&unread).filter(|(_, unread)| **unread);
                let mut parts: Vec<(&mut Stream, &[u32])> =
                    parts.map(|(((stream, ids), done), _)| (&mut **stream, &ids[..*done])).collect();
                Stream::hold_each(self.model, store, &mut parts, true, 0)?;
                if first == 0 && unread[0] {
                    on_prompt(done[0] + usize::from(done[0] == last(0)), prompts[0]);
                }
            }
        }
        for (stream, ids) in all.iter_mut().zip(&self.ids).take(branches) {
            while let Some(part) = ids.get(stream.ids().len()..).and_then(|unread| unread.get(..PROMPT_STEP)) {
                // The last id stays for the pass whose logits are wanted.
                Stream::append_each(self.model, store, &mut [(&mut **stream, &part[..PROMPT_STEP - 1])])?;
            }
        }
        let unread = all.into_iter().zip(&self.ids).take(branches);
        let mut parts: Vec<(&mut Stream, &[u32])> = unread
            .map(|(stream, ids)| {
                let from = stream.ids().len();
                (stream, ids.get(from..).unwrap_or_default())
            })
            .collect();
        Stream::append_each(self.model, store, &mut parts)?;
        Ok(Some(()))
    }

    /// Draws behind what was read last, in all branches, mixed; `None` where all logits are needed for it.
    pub fn draw_listed(
        &mut self,
        mix: Mix,
        sampler: &mut Sampler,
        address: (u64, u64),
    ) -> Result<Option<Drawn>, EngineError> {
        let Some(keep) = sampler.shortlist().filter(|_| self.model.ranks() > 1) else { return Ok(None) };
        let list = self.model.shortlist(&mut self.memory.store, Half::Visual, mix, keep)?;
        list.map(|list| sampler.draw_listed(&list, address)).transpose()
    }

    /// Logits behind what was read last, branch by branch; they may be changed in place.
    pub fn logits(&mut self, half: Half) -> Result<&mut [f32], EngineError> {
        Ok(self.model.last_logits(&mut self.memory.store, half)?)
    }

    /// The rows of a branch that are used, the fullest one's.
    pub fn longest(&self, branches: usize) -> usize {
        self.ids.iter().take(branches).map(Vec::len).max().unwrap_or(0)
    }
}

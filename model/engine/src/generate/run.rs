//! The loop over ids: read, draw, go on, until something ends it.

use std::time::Instant;

use rhea_nn::transformer::{Half, KvStore, Transformer};
use rhea_tokens::{Grid, Vocabulary};

use super::branches::{GenerateMemory, Reading};
use super::event::{FinishReason, Generated, Usage};
use super::machine::{Machine, Next, Sizes};
use super::request::{History, Pace, TokenRequest};
use super::scores::{Branches, Scales, guide, reference_scores};
use super::trail::Trail;
use crate::error::EngineError;
use crate::guidance::Guidance;
use crate::reader::{Prompts, Streams};
use crate::request::{Cancel, Filter};
use crate::sampler::Sampler;

/// Text is drawn by a generator of its own, apart from the pictures'.
const TEXT_SEED: u64 = 0x7465_7874;
/// Draws of a header stand behind those of any cell.
const HEADER_DRAWS: u64 = 1 << 32;

/// Something that happened, in ids.
#[derive(Clone, Copy, Debug)]
pub enum TokenEvent<'a> {
    /// So many tokens of the prompt were read, out of so many.
    PromptRead(usize, usize),
    /// A token was written.
    Token(u32),
    /// The size of a picture is known, and its rows begin.
    PictureStarted(Grid),
    /// A row of a picture is finished; all its codes so far.
    Row(Grid, &'a [u32]),
    /// A picture is finished.
    PictureDone(Grid, &'a [u32]),
    /// A pass was made.
    Usage(Usage),
}

/// What drawing a whole canvas takes.
pub struct CanvasCall<'a> {
    /// The KV memory.
    pub store: &'a mut KvStore,
    /// Its streams.
    pub streams: &'a mut Streams,
    /// All ids in front of the picture, BOI excluded.
    pub prompts: Prompts<'a>,
    /// Guidance.
    pub guidance: Option<Guidance>,
    /// The size of the picture.
    pub grid: Grid,
    /// How its codes are drawn.
    pub filter: Filter,
    /// Seed of the picture.
    pub seed: u64,
}

/// Draws the codes of a whole picture, and says in how many passes.
pub type Drawing<'a> = &'a mut dyn FnMut(CanvasCall<'_>) -> Result<(Vec<u32>, u32), EngineError>;

/// Answers a question, token by token. `drawing` draws whole pictures where the weights can.
///
/// # Errors
/// When the request does not fit model and memory, or logits are not finite.
pub fn answer_tokens(
    model: &Transformer,
    vocabulary: &Vocabulary,
    memory: &mut GenerateMemory,
    request: &TokenRequest,
    drawing: Option<Drawing<'_>>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(TokenEvent<'_>),
) -> Result<Generated, EngineError> {
    request.settings.check()?;
    if request.conditional.is_empty() || request.unconditional.is_empty() {
        return Err(EngineError::Request("an empty prompt".to_owned()));
    }
    if model.visual_start() != vocabulary.visual_base() as usize {
        let text = format!(
            "visual codes begin at {}, in the vocabulary at {}",
            model.visual_start(),
            vocabulary.visual_base()
        );
        return Err(EngineError::Request(text));
    }
    let blind = request.without_pictures.as_ref().unwrap_or(&request.unconditional);
    let ids = [request.conditional.clone(), request.unconditional.clone(), blind.clone()];
    let sizes = Sizes {
        target: request.size,
        reference: Grid::of_last_picture(vocabulary, &request.unconditional),
        target_first: request.settings.size_before_references,
        same: request.settings.same_size,
    };
    let begin = request.settings.begin_with_picture.then_some(vocabulary.control().boi);
    let usage = Usage { prompt_tokens: request.conditional.len(), ..Usage::default() };
    let mut run = Run {
        vocabulary,
        request,
        machine: Machine::new(vocabulary, sizes),
        reading: Reading::new(model, memory, ids),
        text: Sampler::new(request.seed ^ TEXT_SEED, request.settings.text)?,
        picture: Sampler::new(request.seed, request.settings.picture)?,
        written: Vec::new(),
        usage,
        cancel,
        on_event,
    };
    let finish = run.answer(begin, drawing)?;
    (run.on_event)(TokenEvent::Usage(run.usage));
    Ok(Generated { ids: run.written, usage: run.usage, finish })
}

struct Run<'a, 'e> {
    vocabulary: &'a Vocabulary,
    request: &'a TokenRequest,
    machine: Machine<'a>,
    reading: Reading<'a>,
    text: Sampler,
    picture: Sampler,
    written: Vec<u32>,
    usage: Usage,
    cancel: &'a Cancel,
    on_event: &'e mut dyn FnMut(TokenEvent<'_>),
}

impl Run<'_, '_> {
    fn answer(&mut self, begin: Option<u32>, mut drawing: Option<Drawing<'_>>) -> Result<FinishReason, EngineError> {
        let reference = self.request.settings.pace == Pace::Reference;
        if let Some(reason) = begin.and_then(|boi| self.push(boi)) {
            return Ok(reason);
        }
        loop {
            if self.cancel.cancelled() {
                return Ok(FinishReason::Cancelled);
            }
            if self.reading.longest(self.branches()) > self.reading.memory.context {
                return Ok(FinishReason::Context);
            }
            let reason = match (self.machine.next(), &mut drawing) {
                (Next::Code { cell: 0 }, Some(drawing)) => self.draw_canvas(drawing)?,
                (Next::Forced(id), _) if !reference => self.push(id),
                (next, _) => match self.draw(next)? {
                    Some(id) => self.push(id),
                    None => Some(FinishReason::Cancelled),
                },
            };
            if let Some(reason) = reason {
                return Ok(reason);
            }
        }
    }

    /// Branches that the next draw compares: all of them in a picture that is guided.
    fn branches(&self) -> usize {
        let settings = &self.request.settings;
        match (self.machine.in_picture(), settings.picture_guidance) {
            (true, Some(_)) => 3,
            (true, None) if settings.guidance != 1.0 => 2,
            _ => 1,
        }
    }

    /// Reads what is unread and draws the next id; `None` when somebody cancelled while a prompt was read.
    fn draw(&mut self, next: Next) -> Result<Option<u32>, EngineError> {
        let reference = self.request.settings.pace == Pace::Reference;
        // A size is drawn without guidance, so its logits need no other branch; the reference reads it all the same.
        let branches = if reference || matches!(next, Next::Code { .. }) { self.branches() } else { 1 };
        let begun = Instant::now();
        let prompt = self.usage.passes == 0;
        let on_event = &mut *self.on_event;
        let mut on_prompt = |done, of| on_event(TokenEvent::PromptRead(done, of));
        if self.reading.catch_up(branches, self.cancel, &mut on_prompt)?.is_none() {
            return Ok(None);
        }
        let drawn = if reference { self.draw_as_reference(next, branches)? } else { self.draw_fused(next, branches)? };
        self.usage.passes += 1;
        self.usage.drawn += usize::from(!matches!(next, Next::Forced(_)));
        let secs = begun.elapsed().as_secs_f64();
        if prompt {
            self.usage.reading_secs += secs;
        } else {
            self.usage.writing_secs += secs;
        }
        (self.on_event)(TokenEvent::Usage(self.usage));
        Ok(Some(drawn))
    }

    /// Step and position of the next draw, for its random number.
    fn address(&self, next: Next) -> (u64, u64) {
        let picture = 1 + self.machine.pictures() as u64;
        match next {
            Next::Code { cell } => (picture, cell as u64),
            Next::Digit { .. } => (picture, HEADER_DRAWS + self.written.len() as u64),
            Next::Text | Next::Forced(_) => (0, self.written.len() as u64),
        }
    }

    /// Draws from the half of the vocabulary that may come next.
    fn draw_fused(&mut self, next: Next, branches: usize) -> Result<u32, EngineError> {
        let (address, vocabulary) = (self.address(next), self.vocabulary);
        if !matches!(next, Next::Code { .. }) {
            let logits = self.reading.logits(Half::Text)?;
            let sampler = if next == Next::Text { &mut self.text } else { &mut self.picture };
            let allowed = |index: usize| next.draws(vocabulary, index as u32);
            return Ok(sampler.draw(logits, allowed, address)?.index as u32);
        }
        let settings = &self.request.settings;
        let scales = Scales { text: settings.guidance, pictures: settings.picture_guidance };
        if let Some(drawn) = self.reading.draw_listed(scales.mix(branches), &mut self.picture, address)? {
            return Ok(vocabulary.visual(drawn.index as u32)?);
        }
        let logits = self.reading.logits(Half::Visual)?;
        let (conditional, others) = logits.split_at_mut(logits.len() / branches);
        let mut others = others.chunks_exact(conditional.len());
        if let Some(unconditional) = others.next() {
            guide(conditional, unconditional, others.next(), scales);
        }
        let code = self.picture.draw(conditional, |_| true, address)?.index as u32;
        Ok(vocabulary.visual(code)?)
    }

    /// Draws from the reference's scores over the whole vocabulary.
    fn draw_as_reference(&mut self, next: Next, branches: usize) -> Result<u32, EngineError> {
        let address = self.address(next);
        let halves = [Half::Text, Half::Visual].map(|half| Ok(self.reading.logits(half)?.to_vec()));
        let [text, visual]: [Result<Vec<f32>, EngineError>; 2] = halves;
        let (text, visual) = (text?, visual?);
        let whole = |branch: usize| {
            let part = |values: &[f32]| {
                let len = values.len() / branches;
                values[branch * len..(branch + 1) * len].to_vec()
            };
            [part(&text), part(&visual)].concat()
        };
        let all: Vec<Vec<f32>> = (0..branches).map(whole).collect();
        let branches = Branches {
            conditional: &all[0],
            unconditional: all.get(1).unwrap_or(&all[0]),
            without_pictures: all.get(2).map(Vec::as_slice),
        };
        let mut scores = reference_scores(next, self.vocabulary, branches, &self.request.settings)?;
        let kept: Vec<bool> = scores.iter().map(|score| score.is_finite()).collect();
        scores.iter_mut().filter(|score| !score.is_finite()).for_each(|score| *score = f32::MIN);
        // Temperature and filters are in the scores already.
        let settings = &self.request.settings;
        let (filter, salt) = if next == Next::Text { (settings.text, TEXT_SEED) } else { (settings.picture, 0) };
        let plain = Filter { temperature: if filter.temperature == 0.0 { 0.0 } else { 1.0 }, top_k: 0, top_p: 1.0 };
        let seed = self.request.seed ^ salt;
        Ok(Sampler::new(seed, plain)?.draw(&scores, |index| kept[index], address)?.index as u32)
    }

    /// Writes an id. Says why the answer ends with it, if it does.
    fn push(&mut self, id: u32) -> Option<FinishReason> {
        let inside = self.machine.in_picture();
        let Self { vocabulary, machine, written, usage, on_event, .. } = self;
        let stop = self.request.settings.stop;
        let finish = Trail { vocabulary, machine, written, usage, stop }.push(id, on_event);
        let [conditional, others @ ..] = &mut self.reading.ids;
        conditional.push(id);
        if inside || self.machine.in_picture() || self.request.settings.history == History::Everything {
            others.iter_mut().for_each(|ids| ids.push(id));
        }
        finish
    }

    /// Draws all codes of the picture that begins now at once, then writes them.
    fn draw_canvas(&mut self, drawing: &mut Drawing<'_>) -> Result<Option<FinishReason>, EngineError> {
        let Some((grid, _)) = self.machine.rows() else { return Ok(None) };
        let header = grid.header(self.vocabulary).len();
        let settings = &self.request.settings;
        let [conditional, unconditional, _] = &self.reading.ids;
        let guided = settings.guidance != 1.0;
        let front = |ids: &'_ Vec<u32>| ids.len().saturating_sub(header);
        let prompts = Prompts {
            conditional: &conditional[..front(conditional)],
            unconditional: guided.then(|| &unconditional[..front(unconditional)]),
        };
        let GenerateMemory { store, streams, .. } = &mut *self.reading.memory;
        let seed = self.request.seed.wrapping_add(self.machine.pictures() as u64);
        let guidance = guided.then(|| Guidance::new(settings.guidance));
        let call = CanvasCall { store, streams, prompts, guidance, grid, filter: settings.picture, seed };
        let begun = Instant::now();
        let (codes, passes) = match drawing(call) {
            Err(EngineError::Cancelled) => return Ok(Some(FinishReason::Cancelled)),
            drawn => drawn?,
        };
        self.usage.passes += passes as usize;
        self.usage.drawn += codes.len();
        self.usage.writing_secs += begun.elapsed().as_secs_f64();
        for code in codes {
            let id = self.vocabulary.visual(code)?;
            if let Some(reason) = self.push(id) {
                return Ok(Some(reason));
            }
            while let Next::Forced(id) = self.machine.next() {
                if let Some(reason) = self.push(id) {
                    return Ok(Some(reason));
                }
            }
        }
        Ok(None)
    }
}

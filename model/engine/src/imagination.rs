//! The loaded model as a server of requests.

use std::path::Path;
use std::time::Instant;

use rhea_nn::transformer::{Half, KvStore};
use rhea_picture::{Rgbd, Warp};
use rhea_tokens::prompts::{
    Task, caption_prefix, explore_prefix, explore_text, narration_prefix, prompt, unconditional,
};
use rhea_tokens::{PastTurn, ShownView, TokensError, WalkPrompt, encode_partial_picture, encode_picture};

use crate::canvas::{CellState, known_cells};
use crate::canvas_samplers::{
    Canvas, CanvasSampler, CodeMetric, Draws, EntropyBound, FlowSampler, MaskedConfidence, Noise, draw,
};
use crate::choice::{Chosen, choose};
use crate::decoding::{CanvasForm, CanvasMethod, Decoding};
use crate::denoise::ModelDenoiser;
use crate::error::EngineError;
use crate::folder::{ModelFolder, OpenOptions};
use crate::generation::CanvasSettings;
use crate::guidance::Guidance;
use crate::reader::{Prompts, Reader, Streams};
use crate::request::{
    Cancel, Candidate, Filter, Imagine, Imagined, NarrationRequest, ShownTurn, TextPiece, ViewRequest, ViewRoom,
    ViewTask, ViewTimings,
};
use crate::sampler::Sampler;
use crate::{limits, next_token};

/// A model folder with its KV memory: draws views and talks about them, one request at a time.
pub struct Imagination {
    folder: ModelFolder,
    store: KvStore,
    pub(crate) streams: Streams,
    /// Made when a flow first asks for it.
    metric: Option<CodeMetric>,
}

/// Words of a request keep their own generator, apart from the picture's.
const TEXT_SEED: u64 = 0x7465_7874;

impl Imagination {
    /// Opens a model folder.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        Self::new(ModelFolder::open_with(dir, &OpenOptions { walk: true, ..OpenOptions::default() })?)
    }

    /// Serves an opened folder.
    ///
    /// # Errors
    /// When the KV memory cannot be reserved.
    pub fn new(folder: ModelFolder) -> Result<Self, EngineError> {
        // A model that reads earlier views as pictures has the room that it was opened for.
        let (rows, streams) = if folder.only_grid().is_none() {
            (folder.context(), folder.branches())
        } else {
            (folder.transformer.config().max_position_embeddings.min(limits::KV_ROWS), limits::KV_STREAMS)
        };
        let store = folder.transformer.new_store_for(rows, streams)?;
        let streams = Streams::new(&store, rows);
        Ok(Self { folder, store, streams, metric: None })
    }

    /// The opened folder.
    #[must_use]
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// Codes of the warped picture and what memory knows of each cell.
    fn remember(&self, memory: Option<&Warp>) -> Result<(Vec<u32>, Vec<CellState>), EngineError> {
        let grid = self.folder.grid;
        let Some(warp) = memory else { return Ok((vec![0; grid.cells()], vec![CellState::Hole; grid.cells()])) };
        let side = self.side_px();
        if (warp.view.width, warp.view.height) != (side, side) {
            let (w, h) = (warp.view.width, warp.view.height);
            return Err(EngineError::Request(format!("memory of {w} x {h} px; the model draws {side} x {side} px")));
        }
        let states = known_cells(warp, grid.rows(), grid.cols())?;
        if states.iter().all(|state| *state == CellState::Hole) {
            return Ok((vec![0; grid.cells()], states));
        }
        Ok((self.folder.vision.encode(&warp.filled())?, states))
    }

    /// The prompts of a request; `memory` stands in both.
    fn prompts(&self, request: &ViewRequest, memory: Option<&[Option<u32>]>) -> Result<OwnPrompts, EngineError> {
        let (text, grid) = (&self.folder.text, self.folder.grid);
        let conditional = match request.task {
            ViewTask::Explore => explore_prefix(text, &request.world, &request.prompt, memory, grid)?,
            ViewTask::TextToImage => caption_prefix(text, &request.prompt)?,
        };
        if request.guidance.is_none_or(|guidance| !guidance.acts()) {
            return Ok(OwnPrompts { conditional, unconditional: None });
        }
        let memory = memory.filter(|_| request.task == ViewTask::Explore);
        let pictures = memory.map(|cells| encode_partial_picture(text.vocabulary(), grid, cells)).transpose()?;
        Ok(OwnPrompts { conditional, unconditional: Some(unconditional(text, pictures.as_slice())?) })
    }

    /// What all candidates of a request have in common.
    fn prepare(&self, request: &ViewRequest) -> Result<Prepared, EngineError> {
        request.guidance.map_or(Ok(()), Guidance::check)?;
        if self.folder.only_grid().is_none() {
            return self.prepare_without_depth(request);
        }
        let (codes, states) = self.remember(request.memory.as_ref())?;
        let prompts = match request.decoding {
            Decoding::NextToken => {
                let seen: Vec<Option<u32>> =
                    codes.iter().zip(&states).map(|(code, s)| (*s != CellState::Hole).then_some(*code)).collect();
                // Only a vocabulary with HOLE can show a picture that is known in part.
                let sayable = self.folder.text.vocabulary().control().hole.is_some() || !seen.contains(&None);
                self.prompts(request, (sayable && seen.iter().any(Option::is_some)).then_some(&seen[..]))?
            }
            Decoding::Parallel { .. } | Decoding::Canvas { .. } => self.prompts(request, None)?,
        };
        Ok(Prepared { codes, states, pins: Vec::new(), prompts })
    }

    /// As [`Self::prepare`] for models whose views have no depth, as the published ones: earlier views stand in the prompt as
    /// pictures. A warp of such views is right for a turn on the spot alone; its pinned cells are taken as they are.
    fn prepare_without_depth(&self, request: &ViewRequest) -> Result<Prepared, EngineError> {
        let (text, grid) = (&self.folder.text, self.folder.grid);
        let vocabulary = text.vocabulary();
        let (codes, known) = self.remember(request.memory.as_ref())?;
        let guided = request.guidance.is_some_and(Guidance::acts);
        let shown = request.shown.as_ref().filter(|_| request.task == ViewTask::Explore);
        let mut pins = Vec::new();
        let (conditional, blind) = if let Some(shown) = shown {
            let whole = |codes: &[u32]| encode_picture(vocabulary, grid, codes);
            let recalled = shown
                .recalled
                .iter()
                .map(|(words, codes)| Ok(ShownView { words: words.clone(), picture: whole(codes)? }));
            let turns = shown.turns.iter().map(|ShownTurn { command, codes, narration }| {
                Ok(PastTurn { command: command.clone(), picture: whole(codes)?, narration: narration.clone() })
            });
            let parts = WalkPrompt {
                world: request.world.clone(),
                anchor: shown.anchor.as_deref().map(whole).transpose()?,
                recalled: recalled.collect::<Result<_, TokensError>>()?,
                turns: turns.collect::<Result<_, TokensError>>()?,
                command: request.prompt.clone(),
            };
            pins = shown.pinned.iter().zip(&codes).map(|(pinned, code)| pinned.then_some(*code)).collect();
            let room = self.folder.context().saturating_sub(grid.tokens());
            let ids = parts.ids(text, room)?;
            (ids.conditional, ids.unconditional)
        } else {
            let seen = request.task == ViewTask::Explore && known.iter().any(|state| *state != CellState::Hole);
            let pictures = if seen { vec![encode_picture(vocabulary, grid, &codes)?] } else { Vec::new() };
            let (task, words) = match request.task {
                ViewTask::Explore => (Task::Explore, explore_text(&request.world, &request.prompt)),
                ViewTask::TextToImage => (Task::T2i, request.prompt.clone()),
            };
            (prompt(text, task, &words, &pictures)?, unconditional(text, &pictures)?)
        };
        let states = vec![CellState::Hole; grid.cells()];
        let prompts = OwnPrompts { conditional, unconditional: guided.then_some(blind) };
        Ok(Prepared { codes, states, pins, prompts })
    }

    /// Draws the codes of a prepared request, with `seed`, in the streams of the engine or in a fork of them.
    fn draw(
        &mut self,
        request: &ViewRequest,
        prepared: &Prepared,
        (seed, forked): (u64, bool),
        cancel: &Cancel,
    ) -> Result<Candidate, EngineError> {
        let mut draws = Draws::new(seed, request.picture)?;
        let Prepared { codes, states, pins, prompts } = prepared;
        if states.iter().all(|state| *state == CellState::Known) {
            return Ok(Candidate { codes: codes.clone(), mean_log_probability: 0.0, seed, passes: 0 });
        }
        let mut fork = forked.then(|| self.streams.fork());
        let streams = fork.as_mut().unwrap_or(&mut self.streams);
        let (method, passes) = match request.decoding {
            Decoding::Parallel { passes } => (None, passes),
            Decoding::Canvas { method, passes } => (Some(method), passes),
            Decoding::NextToken => {
                let ModelFolder { transformer: model, text, grid, .. } = &self.folder;
                let mut reader = Reader::new(&mut self.store, streams, prompts.borrowed(), request.guidance, 0);
                let (codes, passes) =
                    next_token::picture(model, &mut reader, text.vocabulary(), *grid, pins, &mut draws.codes, cancel)?;
                let mean_log_probability = draws.codes.mean_log_probability();
                return Ok(Candidate { codes, mean_log_probability, seed, passes });
            }
        };
        Decoding::check_passes(passes)?;
        let canvas = Canvas::new(codes, states, self.folder.grid.cols())?;
        let reader = Reader::new(&mut self.store, streams, prompts.borrowed(), request.guidance, passes);
        let (codes, passes) =
            draw_canvas(&self.folder, &mut self.metric, reader, canvas, (method, passes), &mut draws, cancel)?;
        if self.folder.canvas_form() == Some(CanvasForm::UniformNoise) {
            // The commit pass: what was only looked at is read, once and causally, so that words find it there.
            let ModelFolder { transformer, text, grid, .. } = &self.folder;
            let picture = encode_picture(text.vocabulary(), *grid, &codes)?;
            Reader::plain(&mut self.store, streams, &prompts.conditional).read(transformer, &picture, 0)?;
        }
        Ok(Candidate { codes, mean_log_probability: draws.codes.mean_log_probability(), seed, passes })
    }

    /// Draws `count` candidates of a view, with the seeds that follow the request's. The prompt is read once: each candidate
    /// is a fork that shares it, and is the view that a request with its seed alone would give.
    ///
    /// # Errors
    /// As [`Imagine::imagine`], or when more than [`limits::CANDIDATES`] are asked for.
    pub fn candidates(
        &mut self,
        request: &ViewRequest,
        count: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Candidate>, EngineError> {
        if !(1..=limits::CANDIDATES).contains(&count) {
            let text = format!("{count} candidates; allowed are 1 to {}", limits::CANDIDATES);
            return Err(EngineError::Request(text));
        }
        let prepared = self.prepare(request)?;
        let seeds = (0..count as u64).map(|i| request.seed.wrapping_add(i));
        // The first is drawn in the engine's own streams, so that the others find its prompt read.
        seeds.enumerate().map(|(i, seed)| self.draw(request, &prepared, (seed, i > 0), cancel)).collect()
    }

    /// Writes a picture token by token behind `prompt` (BOS to BSS, with the remembered picture where there is one). Returns
    /// its codes, row-major, and the forward passes made.
    ///
    /// # Errors
    /// When the prompt does not fit, logits are not finite, or somebody cancels.
    pub fn write_picture(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError> {
        let mut sampler = Sampler::new(seed, filter)?;
        let ModelFolder { transformer, text, grid, .. } = &self.folder;
        let mut reader = Reader::plain(&mut self.store, &mut self.streams, prompt);
        next_token::picture(transformer, &mut reader, text.vocabulary(), *grid, &[], &mut sampler, cancel)
    }

    /// Talks behind `prompt` (BOS to EOI of a finished picture), as [`Imagine::narrate`].
    ///
    /// # Errors
    /// As [`Self::write_picture`].
    pub fn write_text(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        let mut sampler = Sampler::new(seed ^ TEXT_SEED, filter)?;
        let ModelFolder { transformer, text, .. } = &self.folder;
        let mut reader = Reader::plain(&mut self.store, &mut self.streams, prompt);
        next_token::text(transformer, &mut reader, text, &mut sampler, cancel, on_text)
    }

    /// Chooses the most probable of several answers behind `prompt` (BOS to BSS), each as text ids, none the beginning of
    /// another.
    ///
    /// # Errors
    /// As [`choose`], or when prompt and answers do not fit.
    pub fn choose(&mut self, prompt: &[u32], answers: &[Vec<u32>], cancel: &Cancel) -> Result<Chosen, EngineError> {
        let model = &self.folder.transformer;
        let spare = answers.iter().map(Vec::len).max().unwrap_or(0);
        let mut reader = Reader::plain(&mut self.store, &mut self.streams, prompt);
        let mut last: Option<Vec<u32>> = None;
        choose(answers, &mut |beginning| {
            if cancel.cancelled() {
                return Err(EngineError::Cancelled);
            }
            // One token behind what was just read is appended; for any other beginning the prompt is taken up again.
            let next = beginning.split_last().filter(|(_, before)| last.as_deref() == Some(before));
            let logits = match next {
                Some((token, _)) => reader.append(model, &[*token], Half::Text)?,
                None => reader.read_for(model, beginning, Half::Text, spare)?,
            };
            last = Some(beginning.to_vec());
            Ok(logits.to_vec())
        })
    }

    /// Draws a picture anew that begins as `codes`, behind `prompt` (BOS to the last word before the picture), with a canvas
    /// of cells that are known in part. Returns its codes and the passes made.
    ///
    /// # Errors
    /// When the model has no canvas, or prompt and codes do not fit.
    pub fn revise_picture(
        &mut self,
        prompt: &[u32],
        codes: &[u32],
        (filter, passes, seed): (Filter, u32, u64),
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError> {
        Decoding::check_passes(passes)?;
        let states = vec![CellState::Partial; codes.len()];
        let canvas = Canvas::new(codes, &states, self.folder.grid.cols())?;
        let reader = Reader::plain(&mut self.store, &mut self.streams, prompt);
        let mut draws = Draws::new(seed, filter)?;
        draw_canvas(&self.folder, &mut self.metric, reader, canvas, (None, passes), &mut draws, cancel)
    }

    /// The picture of codes; what memory knows of it passes through the decoder.
    ///
    /// # Errors
    /// When codes or memory do not fit the model.
    pub fn picture(&self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, EngineError> {
        Ok(self.folder.vision.decode(codes, memory)?)
    }

    /// As [`Self::picture`], without the loose pixels of memory that the codes alone speak against; the second value says which, and
    /// is empty when there are none.
    fn picture_in_doubt(&self, codes: &[u32], memory: Option<&Warp>) -> Result<(Rgbd, Vec<bool>), EngineError> {
        if let Some(memory) = memory.filter(|memory| memory.is_loose()) {
            let doubted = memory.doubted(&self.picture(codes, None)?);
            if doubted.contains(&true) {
                let mut believed = memory.clone();
                believed.leave_out(&doubted);
                return Ok((self.picture(codes, Some(&believed))?, doubted));
            }
        }
        Ok((self.picture(codes, memory)?, Vec::new()))
    }
}

/// What candidates of one request have in common: codes and states of what memory knows, and the prompts.
struct Prepared {
    codes: Vec<u32>,
    states: Vec<CellState>,
    /// Codes that next-token decoding takes as they are; empty when there are none.
    pins: Vec<Option<u32>>,
    prompts: OwnPrompts,
}

struct OwnPrompts {
    conditional: Vec<u32>,
    unconditional: Option<Vec<u32>>,
}

impl OwnPrompts {
    fn borrowed(&self) -> Prompts<'_> {
        Prompts { conditional: &self.conditional, unconditional: self.unconditional.as_deref() }
    }
}

impl Imagine for Imagination {
    fn name(&self) -> &str {
        self.folder.name()
    }

    fn side_px(&self) -> usize {
        self.folder.vision.side_px()
    }

    fn canvas_form(&self) -> Option<CanvasForm> {
        self.folder.canvas_form()
    }

    fn reads_views(&self) -> Option<ViewRoom> {
        let room = ViewRoom { context: self.folder.context(), grid: self.folder.grid };
        self.folder.only_grid().is_none().then_some(room)
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let began = Instant::now();
        let prepared = self.prepare(request)?;
        let prepared_at = began.elapsed();
        let Candidate { codes, passes, .. } = self.draw(request, &prepared, (request.seed, false), cancel)?;
        let drawn_at = began.elapsed();
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let (view, doubted) = self.picture_in_doubt(&codes, request.memory.as_ref())?;
        let timings = ViewTimings {
            prepare_secs: prepared_at.as_secs_f64(),
            codes_secs: (drawn_at - prepared_at).as_secs_f64(),
            picture_secs: (began.elapsed() - drawn_at).as_secs_f64(),
        };
        let grid = self.folder.grid;
        Ok(Imagined { view, codes, rows: grid.rows(), cols: grid.cols(), doubted, passes, timings })
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        let ModelFolder { text, grid, .. } = &self.folder;
        let prompt = narration_prefix(text, &request.world, &request.prompt, *grid, &request.codes)?;
        self.write_text(&prompt, request.text, request.seed, cancel, on_text)
    }

    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError> {
        let side = self.side_px();
        let wrong = |e: rhea_picture::PictureError| EngineError::Request(e.to_string());
        let square = view.centre_square().resized(side, side).map_err(wrong)?;
        let codes = self.folder.vision.encode(&square)?;
        let (view, doubted) = self.picture_in_doubt(&codes, memory)?;
        let grid = self.folder.grid;
        let timings = ViewTimings::default();
        Ok(Imagined { view, codes, rows: grid.rows(), cols: grid.cols(), doubted, passes: 0, timings })
    }
}

/// Draws a canvas behind the reader's prompt (BOS to BSS), by the folder's own method when none is named.
pub(crate) fn draw_canvas(
    folder: &ModelFolder,
    metric: &mut Option<CodeMetric>,
    reader: Reader<'_>,
    mut canvas: Canvas,
    (method, passes): (Option<CanvasMethod>, u32),
    draws: &mut Draws,
    cancel: &Cancel,
) -> Result<(Vec<u32>, u32), EngineError> {
    let Some(CanvasSettings { form, ids, method: usual }) = folder.canvas else {
        return Err(EngineError::Request(
            "this model has no canvas tokens and cannot decode in parallel; next-token decoding is allowed".to_owned(),
        ));
    };
    let method = method.unwrap_or(usual);
    method.check(form).map_err(EngineError::Request)?;
    let ModelFolder { transformer: model, text, vision, grid, .. } = folder;
    let noise = match form {
        CanvasForm::Hole => Noise::Hole,
        CanvasForm::UniformNoise => Noise::Uniform { codes: vision.codebook_size() },
    };
    let mut sampler: Box<dyn CanvasSampler + '_> = match method {
        CanvasMethod::Masked => Box::new(MaskedConfidence::new(passes)),
        CanvasMethod::Entropy(settings) => Box::new(EntropyBound::new(settings, passes, noise)),
        CanvasMethod::Flow(flow) => {
            let metric = match metric {
                Some(metric) => metric,
                none => none.insert(CodeMetric::new(vision.codebook(), vision.codebook_size())?),
            };
            Box::new(FlowSampler::new(flow, passes, noise, metric))
        }
    };
    let header = grid.header(text.vocabulary());
    let mut denoiser = ModelDenoiser::behind(model, reader, ids, &header, (grid.rows(), grid.cols()))?;
    let made = draw(&mut denoiser, sampler.as_mut(), &mut canvas, draws, cancel)?;
    Ok((canvas.into_codes()?, made))
}

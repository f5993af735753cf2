//! The loaded model as a server of requests.

use std::path::Path;

use rhea_picture::{Rgbd, Warp};
use rhea_tokens::prompts::{caption_prefix, explore_prefix, narration_prefix};

use crate::canvas::{CellState, known_cells};
use crate::error::EngineError;
use crate::folder::ModelFolder;
use crate::parallel::{Canvas, CanvasIds};
use crate::request::{Cancel, Decoding, Imagine, Imagined, NarrationRequest, ViewRequest, ViewTask};
use crate::sampler::Sampler;
use crate::stream::Stream;
use crate::{limits, next_token, parallel};

/// A model folder with its KV memory: draws views and talks about them, one request at a time.
pub struct Imagination {
    folder: ModelFolder,
    stream: Stream,
}

/// Words of a request keep their own generator, apart from the picture's.
const TEXT_SEED: u64 = 0x7465_7874;

impl Imagination {
    /// Opens a model folder.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        Self::new(ModelFolder::open(dir)?)
    }

    /// Serves an opened folder.
    ///
    /// # Errors
    /// When the KV memory cannot be reserved.
    pub fn new(folder: ModelFolder) -> Result<Self, EngineError> {
        let rows = folder.transformer.config().max_position_embeddings.min(limits::KV_ROWS);
        let stream = Stream::new(&folder.transformer, rows)?;
        Ok(Self { folder, stream })
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

    fn prompt(&self, request: &ViewRequest, memory: Option<&[Option<u32>]>) -> Result<Vec<u32>, EngineError> {
        let text = &self.folder.text;
        Ok(match request.task {
            ViewTask::Explore => explore_prefix(text, &request.world, &request.prompt, memory, self.folder.grid)?,
            ViewTask::TextToImage => caption_prefix(text, &request.prompt)?,
        })
    }

    fn codes(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<(Vec<u32>, u32), EngineError> {
        let mut sampler = Sampler::new(request.seed, request.picture)?;
        let grid = self.folder.grid;
        let (codes, states) = self.remember(request.memory.as_ref())?;
        if states.iter().all(|state| *state == CellState::Known) {
            return Ok((codes, 0));
        }
        match request.decoding {
            Decoding::Parallel { passes } => {
                let vocabulary = self.folder.text.vocabulary();
                let ids = CanvasIds::new(vocabulary)?;
                let mut prefix = self.prompt(request, None)?;
                prefix.extend(grid.header(vocabulary));
                let model = &self.folder.transformer;
                self.stream.read(model, &prefix, grid.cells())?;
                let canvas = Canvas { codes: &codes, states: &states, cols: grid.cols(), passes };
                parallel::draw(model, &mut self.stream, ids, &canvas, &mut sampler, cancel)
            }
            Decoding::NextToken => {
                let seen: Vec<Option<u32>> =
                    codes.iter().zip(&states).map(|(code, s)| (*s != CellState::Hole).then_some(*code)).collect();
                let memory = seen.iter().any(Option::is_some).then_some(&seen[..]);
                let prompt = self.prompt(request, memory)?;
                let vocabulary = self.folder.text.vocabulary();
                let model = &self.folder.transformer;
                next_token::picture(model, &mut self.stream, vocabulary, (&prompt, grid), &mut sampler, cancel)
            }
        }
    }
}

impl Imagine for Imagination {
    fn name(&self) -> &str {
        self.folder.name()
    }

    fn side_px(&self) -> usize {
        self.folder.vision.side_px()
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let (codes, passes) = self.codes(request, cancel)?;
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let view = self.folder.vision.decode(&codes, request.memory.as_ref())?;
        let grid = self.folder.grid;
        Ok(Imagined { view, codes, rows: grid.rows(), cols: grid.cols(), passes })
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String, EngineError> {
        let mut sampler = Sampler::new(request.seed ^ TEXT_SEED, request.text)?;
        let ModelFolder { transformer, text, grid, .. } = &self.folder;
        let prompt = narration_prefix(text, &request.world, &request.prompt, *grid, &request.codes)?;
        next_token::text(transformer, &mut self.stream, text, &prompt, &mut sampler, cancel, on_text)
    }

    fn round_trip(&mut self, view: &Rgbd) -> Result<Imagined, EngineError> {
        let side = self.side_px();
        let wrong = |e: rhea_picture::PictureError| EngineError::Request(e.to_string());
        let square = view.centre_square().resized(side, side).map_err(wrong)?;
        let codes = self.folder.vision.encode(&square)?;
        let view = self.folder.vision.decode(&codes, None)?;
        let grid = self.folder.grid;
        Ok(Imagined { view, codes, rows: grid.rows(), cols: grid.cols(), passes: 0 })
    }
}

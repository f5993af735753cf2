//! A model folder that answers.

use rhea_picture::Picture;
use rhea_tokens::prompts::Task;
use rhea_tokens::{Grid, TextTokenizer};

use super::branches::GenerateMemory;
use super::event::{GenerateEvent, Generated};
use super::listener::Listener;
use super::request::{GenerateRequest, GenerateSettings, TokenRequest};
use super::run::{CanvasCall, answer_tokens};
use super::tokenizers::{Answers, Parts};
use crate::canvas::CellState;
use crate::canvas_samplers::{Canvas, CodeMetric, Draws};
use crate::decoding::Decoding;
use crate::error::EngineError;
use crate::folder::ModelFolder;
use crate::imagination::draw_canvas;
use crate::limits;
use crate::reader::Reader;
use crate::request::Cancel;

/// A model folder with its KV memory: answers one request at a time.
pub struct Generator {
    folder: ModelFolder,
    memory: GenerateMemory,
    /// Made when a flow first asks for it.
    metric: Option<CodeMetric>,
}

impl Generator {
    /// Serves an opened folder with room for the branches and the context that it was opened for.
    ///
    /// # Errors
    /// When the KV memory cannot be reserved.
    pub fn new(folder: ModelFolder) -> Result<Self, EngineError> {
        let memory = GenerateMemory::new(&folder.transformer, folder.context(), folder.branches())?;
        Ok(Self { folder, memory, metric: None })
    }

    /// The opened folder.
    #[must_use]
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// What this folder decodes a task with when nobody says otherwise: the published settings; for weights that know canvases,
    /// whole pictures at once, one picture first, and an end at ESS, as they were trained.
    #[must_use]
    pub fn settings_for(&self, task: Task) -> GenerateSettings {
        let settings = GenerateSettings::for_task(task);
        if self.folder.canvas.is_none() {
            return settings;
        }
        let stop = super::Stop {
            tokens: limits::NARRATION_TOKENS + 2 * self.folder.grid.cells(),
            answer: true,
            ..settings.stop
        };
        let decoding = Decoding::Parallel { passes: limits::USUAL_PASSES };
        GenerateSettings { guidance: 1.0, begin_with_picture: true, stop, decoding, ..settings }
    }

    /// The ids of a picture, BOI to EOI: resized to about `area` square pixels (to the model's own size where it draws only
    /// one), then encoded.
    ///
    /// # Errors
    /// When a side would be 0 pixels, or the picture cannot be encoded.
    pub fn picture_ids(&self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        self.parts().picture_ids(picture, area)
    }

    fn parts(&self) -> Parts<'_> {
        let ModelFolder { text, vision, .. } = &self.folder;
        Parts { text, vision, only_grid: self.folder.only_grid() }
    }

    /// The ids of a request.
    ///
    /// # Errors
    /// When user text is over its limit, or a picture cannot be encoded.
    pub fn token_request(&self, request: &GenerateRequest) -> Result<TokenRequest, EngineError> {
        self.parts().token_request(request)
    }

    /// Answers a request; `on_event` is told what happens. Cancelling ends the answer between two tokens, and what was
    /// written until then is returned.
    ///
    /// # Errors
    /// When the request does not fit the model, logits are not finite, or a picture cannot be decoded.
    pub fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(GenerateEvent),
    ) -> Result<Generated, EngineError> {
        let tokens = self.token_request(request)?;
        let Self { folder, memory, metric } = self;
        let mut listener = Listener::new(&folder.text, &folder.vision, tokens.settings.preview_rows, on_event);
        let (method, passes) = match tokens.settings.decoding {
            Decoding::Parallel { passes } => (None, passes),
            Decoding::Canvas { method, passes } => (Some(method), passes),
            Decoding::NextToken => (None, 0),
        };
        let mut whole = |call: CanvasCall<'_>| {
            Decoding::check_passes(passes)?;
            let CanvasCall { store, streams, prompts, guidance, grid, filter, seed } = call;
            let canvas = Canvas::new(&vec![0; grid.cells()], &vec![CellState::Hole; grid.cells()], grid.cols())?;
            let reader = Reader::new(store, streams, prompts, guidance, passes);
            draw_canvas(folder, metric, reader, canvas, (method, passes), &mut Draws::new(seed, filter)?, cancel)
        };
        let drawing = (passes > 0).then_some(&mut whole as super::Drawing<'_>);
        let mut hear = |event: super::TokenEvent<'_>| listener.hear(event);
        let vocabulary = folder.text.vocabulary();
        let generated = answer_tokens(&folder.transformer, vocabulary, memory, &tokens, drawing, cancel, &mut hear)?;
        listener.finish()?;
        on_event(GenerateEvent::Finished(generated.finish));
        Ok(generated)
    }
}

impl Answers for Generator {
    fn text(&self) -> &TextTokenizer {
        self.folder.text()
    }

    fn only_grid(&self) -> Option<Grid> {
        self.folder.only_grid()
    }

    fn context(&self) -> usize {
        self.memory.context()
    }

    fn settings_for(&self, task: Task) -> GenerateSettings {
        Self::settings_for(self, task)
    }

    fn picture_ids(&mut self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        Self::picture_ids(self, picture, area)
    }

    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(GenerateEvent),
    ) -> Result<Generated, EngineError> {
        Self::generate(self, request, cancel, on_event)
    }
}

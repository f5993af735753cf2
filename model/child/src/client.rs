//! A model for walks and plans, in a process that may go at any time.

use rhea_engine::{
    Cancel, CanvasForm, Chosen, EngineError, Filter, Grid, Imagine, Imagined, NarrationRequest, Speak, TextPiece,
    ViewRequest, ViewRoom,
};
use rhea_picture::{Rgbd, Warp};
use rhea_tokens::TextTokenizer;

use crate::error::ChildError;
use crate::link::{Link, Restart, Said};
use crate::message::{Answer, Ask, Kind, Known, Pixels, View, grid, room};
use crate::process::Launch;

/// A model in a process of its own. The process is started again when it is lost.
pub struct ChildEngine {
    link: Link,
    text: TextTokenizer,
    side_px: usize,
    canvas_form: Option<CanvasForm>,
    room: Option<ViewRoom>,
    grid: Grid,
}

/// Passes pieces of text on.
fn text<'a>(on_text: &'a mut dyn FnMut(TextPiece<'_>)) -> impl FnMut(Said<'_>) -> Result<(), ChildError> + 'a {
    |said| {
        if let Said::Text(piece) = said {
            on_text(piece);
        }
        Ok(())
    }
}

impl ChildEngine {
    /// Starts a process and waits until its model is open. `text` is the tokenizer of the same folder.
    ///
    /// # Errors
    /// When the process cannot be started, is no engine of walks, or cannot open its model.
    pub fn open(launch: Launch, text: TextTokenizer) -> Result<Self, EngineError> {
        let link = Link::open(launch)?;
        let Kind::Walks { side_px, canvas_form, room: views, grid: size } = &link.ready().kind else {
            return Err(ChildError::Damaged("it answers questions and draws no walks".to_owned()).into());
        };
        let (side_px, canvas_form) = (*side_px as usize, *canvas_form);
        let (room, grid) = (views.map(room).transpose()?, grid(*size)?);
        Ok(Self { link, text, side_px, canvas_form, room, grid })
    }

    /// The number of the running process.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.link.process_id()
    }

    /// The restarts so far; of very many, the latest.
    #[must_use]
    pub fn restarts(&self) -> &[Restart] {
        self.link.restarts()
    }
}

impl Imagine for ChildEngine {
    fn name(&self) -> &str {
        &self.link.ready().name
    }

    fn side_px(&self) -> usize {
        self.side_px
    }

    fn canvas_form(&self) -> Option<CanvasForm> {
        self.canvas_form
    }

    fn reads_views(&self) -> Option<ViewRoom> {
        self.room
    }

    fn mended(&mut self) -> Vec<String> {
        self.link.mended()
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        match self.link.ask(Ask::Imagine(View::from(request)), cancel, &mut |_| Ok(()))? {
            Answer::View(view) => Ok(view.into_imagined()?),
            other => Err(self.link.unexpected("a view", &other)),
        }
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        match self.link.ask(Ask::from(request), cancel, &mut text(on_text))? {
            Answer::Text(text) => Ok(text),
            other => Err(self.link.unexpected("text", &other)),
        }
    }

    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError> {
        match self.link.ask_now(Ask::RoundTrip { view: Pixels::from(view), memory: memory.map(Known::from) })? {
            Answer::View(view) => Ok(view.into_imagined()?),
            other => Err(self.link.unexpected("a view", &other)),
        }
    }
}

impl Speak for ChildEngine {
    fn text(&self) -> &TextTokenizer {
        &self.text
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn choose(&mut self, prompt: &[u32], answers: &[Vec<u32>], cancel: &Cancel) -> Result<Chosen, EngineError> {
        let asked = answers.len();
        let ask = Ask::Choose { prompt: prompt.to_vec(), answers: answers.to_vec() };
        match self.link.ask(ask, cancel, &mut |_| Ok(()))? {
            Answer::Chosen { index, log_probability, passes, steered } if index < asked as u64 => {
                Ok(Chosen { index: index as usize, log_probability, passes, steered })
            }
            other => Err(self.link.unexpected("a choice", &other)),
        }
    }

    fn write_text(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        match self.link.ask(Ask::WriteText { prompt: prompt.to_vec(), filter, seed }, cancel, &mut text(on_text))? {
            Answer::Text(text) => Ok(text),
            other => Err(self.link.unexpected("text", &other)),
        }
    }

    fn revise_picture(
        &mut self,
        prompt: &[u32],
        codes: &[u32],
        (filter, passes, seed): (Filter, u32, u64),
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError> {
        let ask = Ask::Revise { prompt: prompt.to_vec(), codes: codes.to_vec(), filter, passes, seed };
        match self.link.ask(ask, cancel, &mut |_| Ok(()))? {
            Answer::Codes { codes, passes } => Ok((codes, passes)),
            other => Err(self.link.unexpected("codes", &other)),
        }
    }

    fn encode(&mut self, view: &Rgbd) -> Result<Vec<u32>, EngineError> {
        match self.link.ask_now(Ask::Encode { view: Pixels::from(view) })? {
            Answer::Codes { codes, .. } => Ok(codes),
            other => Err(self.link.unexpected("codes", &other)),
        }
    }

    fn picture(&mut self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, EngineError> {
        let ask = Ask::Picture { codes: codes.to_vec(), memory: memory.map(Known::from) };
        match self.link.ask_now(ask)? {
            Answer::Picture(pixels) => Ok(pixels.into_view()?),
            other => Err(self.link.unexpected("a picture", &other)),
        }
    }
}

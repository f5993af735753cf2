//! From tokens to what a listener is told: text, thoughts, pictures.

use rhea_nn::vision::VisionTokenizer;
use rhea_tokens::{Grid, TextTokenizer, Utf8Buffer};

use super::event::{GenerateEvent, ThoughtAbout};
use super::run::TokenEvent;
use crate::error::EngineError;

/// Turns the tokens of one answer into events.
pub struct Listener<'a> {
    text: &'a TextTokenizer,
    vision: &'a VisionTokenizer,
    preview_rows: usize,
    on_event: &'a mut dyn FnMut(GenerateEvent),
    buffer: Utf8Buffer,
    thought: Option<(ThoughtAbout, String)>,
    inside_picture: bool,
    pictures: usize,
    /// The first picture that could not be decoded.
    failed: Option<EngineError>,
}

impl<'a> Listener<'a> {
    /// Tells `on_event`; with a preview after every `preview_rows` rows of a picture, 0 for none.
    #[must_use]
    pub fn new(
        text: &'a TextTokenizer,
        vision: &'a VisionTokenizer,
        preview_rows: usize,
        on_event: &'a mut dyn FnMut(GenerateEvent),
    ) -> Self {
        let (buffer, thought) = (Utf8Buffer::default(), None);
        Self { text, vision, preview_rows, on_event, buffer, thought, inside_picture: false, pictures: 0, failed: None }
    }

    /// Takes the next event up.
    pub fn hear(&mut self, event: TokenEvent<'_>) {
        let index = self.pictures;
        match event {
            TokenEvent::PromptRead(done, of) => (self.on_event)(GenerateEvent::PromptRead { done, of }),
            TokenEvent::Token(id) => self.token(id),
            TokenEvent::PictureStarted(grid) => (self.on_event)(GenerateEvent::PictureStarted { index, grid }),
            TokenEvent::Row(grid, codes) => {
                let rows = codes.len() / grid.cols();
                let wanted = self.preview_rows > 0 && rows.is_multiple_of(self.preview_rows);
                let preview = if wanted { self.picture(codes, rows, grid.cols()) } else { None };
                (self.on_event)(GenerateEvent::PicturePartial { index, grid, rows, preview });
            }
            TokenEvent::PictureDone(grid, codes) => self.picture_done(grid, codes),
            TokenEvent::Usage(usage) => (self.on_event)(GenerateEvent::Usage(usage)),
        }
    }

    /// Tells what is left at the end of an answer.
    ///
    /// # Errors
    /// When a picture could not be decoded.
    pub fn finish(mut self) -> Result<(), EngineError> {
        self.flush();
        self.end_thought();
        self.failed.map_or(Ok(()), Err)
    }

    fn token(&mut self, id: u32) {
        let vocabulary = self.text.vocabulary();
        let c = vocabulary.control();
        if id == c.boi || id == c.eoi {
            self.flush();
            self.inside_picture = id == c.boi;
            return;
        }
        if self.inside_picture {
            return;
        }
        if vocabulary.is_text(id) {
            let piece = self.text.decode_stream(id, &mut self.buffer);
            return self.say(piece);
        }
        self.flush();
        if id == c.bog || id == c.boc {
            self.end_thought();
            let about = if id == c.bog { ThoughtAbout::Answer } else { ThoughtAbout::Picture };
            self.thought = Some((about, String::new()));
        } else if id == c.eog || id == c.eoc {
            self.end_thought();
        }
    }

    fn say(&mut self, piece: String) {
        if piece.is_empty() {
            return;
        }
        match &mut self.thought {
            Some((about, whole)) => {
                whole.push_str(&piece);
                (self.on_event)(GenerateEvent::Thought { about: *about, text: piece });
            }
            None => (self.on_event)(GenerateEvent::Text(piece)),
        }
    }

    /// Says what a cut character has left.
    fn flush(&mut self) {
        let rest = std::mem::take(&mut self.buffer).finish();
        self.say(rest);
    }

    fn end_thought(&mut self) {
        if let Some((about, text)) = self.thought.take() {
            (self.on_event)(GenerateEvent::ThoughtDone { about, text });
        }
    }

    fn picture_done(&mut self, grid: Grid, codes: &[u32]) {
        if let Some(picture) = self.picture(codes, grid.rows(), grid.cols()) {
            let (index, codes) = (self.pictures, codes.to_vec());
            (self.on_event)(GenerateEvent::PictureDone { index, grid, codes, picture });
        }
        self.pictures += 1;
    }

    fn picture(&mut self, codes: &[u32], rows: usize, cols: usize) -> Option<rhea_picture::Picture> {
        match self.vision.decode_picture(codes, rows, cols) {
            Ok(picture) => Some(picture),
            Err(error) => {
                self.failed.get_or_insert(error.into());
                None
            }
        }
    }
}

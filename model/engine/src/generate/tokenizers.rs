//! What turns words and pictures into ids and back, without the model between them.

use std::path::Path;

use rhea_nn::transformer::TransformerConfig;
use rhea_nn::vision::VisionTokenizer;
use rhea_picture::Picture;
use rhea_tokens::prompts::{Task, prompt, unconditional};
use rhea_tokens::{Grid, TextTokenizer, TurnPrompt, encode_picture};

use super::event::{GenerateEvent, Generated};
use super::request::{GenerateRequest, GenerateSettings, Prompt, TokenRequest};
use crate::error::EngineError;
use crate::folder::{ModelFolder, OpenOptions};
use crate::request::Cancel;

/// Something that answers questions: a loaded model, or one behind a server.
pub trait Answers {
    /// The text tokenizer.
    fn text(&self) -> &TextTokenizer;

    /// The one size of pictures it draws; `None` when it draws all sizes.
    fn only_grid(&self) -> Option<Grid>;

    /// Tokens that prompt and answer may have together.
    fn context(&self) -> usize;

    /// What it decodes a task with when nobody says otherwise.
    fn settings_for(&self, task: Task) -> GenerateSettings;

    /// The ids of a picture, BOI to EOI: resized to about `area` square pixels, or to the model's own size where it draws only one,
    /// then encoded.
    ///
    /// # Errors
    /// When a side would be 0 pixels, or the picture cannot be encoded.
    fn picture_ids(&mut self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError>;

    /// Answers a request; `on_event` is told what happens. Cancelling ends the answer, and what was written until then is
    /// returned.
    ///
    /// # Errors
    /// When the request does not fit the model, the model fails, or a picture cannot be decoded.
    fn generate(
        &mut self,
        request: &GenerateRequest,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(GenerateEvent),
    ) -> Result<Generated, EngineError>;

    /// What had to be mended since this was last asked, for the user to read; nothing where a model cannot be lost.
    fn mended(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// The two tokenizers of a model folder.
pub struct Tokenizers {
    text: TextTokenizer,
    vision: VisionTokenizer,
    config: TransformerConfig,
    /// The one size of pictures; `None` where there is a choice.
    only_grid: Option<Grid>,
}

impl Tokenizers {
    /// Opens those of a folder, of which only `config.json` and the tokenizers need be there.
    ///
    /// # Errors
    /// When a file is missing or damaged, or they do not fit each other.
    pub fn open(dir: &Path, options: &OpenOptions) -> Result<Self, EngineError> {
        let (config, text, vision, grid) = ModelFolder::open_tokenizers(dir, options)?;
        let only_grid = (vision.net().config().in_channels != 3).then_some(grid);
        Ok(Self { text, vision, config, only_grid })
    }

    /// The text tokenizer.
    #[must_use]
    pub fn text(&self) -> &TextTokenizer {
        &self.text
    }

    /// The vision tokenizer.
    #[must_use]
    pub fn vision(&self) -> &VisionTokenizer {
        &self.vision
    }

    /// The settings of the transformer that they belong to.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The one size of pictures; `None` where there is a choice.
    #[must_use]
    pub fn only_grid(&self) -> Option<Grid> {
        self.only_grid
    }

    fn parts(&self) -> Parts<'_> {
        Parts { text: &self.text, vision: &self.vision, only_grid: self.only_grid }
    }

    /// As [`Answers::picture_ids`].
    ///
    /// # Errors
    /// As [`Answers::picture_ids`].
    pub fn picture_ids(&self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        self.parts().picture_ids(picture, area)
    }

    /// The ids of a request.
    ///
    /// # Errors
    /// When user text is over its limit, or a picture cannot be encoded.
    pub fn token_request(&self, request: &GenerateRequest) -> Result<TokenRequest, EngineError> {
        self.parts().token_request(request)
    }
}

/// The tokenizers of an opened folder, or of a folder without its model.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub text: &'a TextTokenizer,
    pub vision: &'a VisionTokenizer,
    pub only_grid: Option<Grid>,
}

impl Parts<'_> {
    pub fn picture_ids(self, picture: &Picture, area: usize) -> Result<Vec<u32>, EngineError> {
        let wrong = |e: rhea_picture::PictureError| EngineError::Request(e.to_string());
        let vocabulary = self.text.vocabulary();
        if let Some(grid) = self.only_grid {
            let side = self.vision.side_px();
            let square = picture.clone().into_rgbd().centre_square().resized(side, side).map_err(wrong)?;
            return Ok(encode_picture(vocabulary, grid, &self.vision.encode(&square)?)?);
        }
        let codes = self.vision.encode_picture(&picture.for_encoding(area).map_err(wrong)?)?;
        Ok(encode_picture(vocabulary, Grid::new(codes.rows, codes.cols)?, &codes.codes)?)
    }

    pub fn token_request(self, request: &GenerateRequest) -> Result<TokenRequest, EngineError> {
        let text = self.text;
        let (conditional, unconditional, without_pictures) = match &request.prompt {
            Prompt::Task { task, text: words, pictures } => {
                let area = request.settings.picture_area;
                let pictures = pictures.iter().map(|picture| self.picture_ids(picture, area));
                let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
                (prompt(text, *task, words, &pictures)?, unconditional(text, &pictures)?, unconditional(text, &[])?)
            }
            Prompt::Turn(TurnPrompt { conditional, unconditional: blind, .. }) => {
                (conditional.clone(), blind.clone(), unconditional(text, &[])?)
            }
        };
        let size = self.only_grid.or(request.size);
        let (settings, seed) = (request.settings.clone(), request.seed);
        Ok(TokenRequest { conditional, unconditional, without_pictures: Some(without_pictures), size, settings, seed })
    }
}

//! A model folder: what files it has and whether they belong together.
//!
//! ```text
//! config.json  model.safetensors  tokenizer.json  vision/config.json  vision/model.safetensors
//! ```
//!
//! and, where canvases are not what the vocabulary suggests, `generation_config.json` ([`GenerationConfig`]).

use std::path::{Path, PathBuf};

use rhea_nn::NnError;
use rhea_nn::kernels::{Arithmetic, arithmetic};
use rhea_nn::transformer::{Transformer, TransformerConfig};
use rhea_nn::vision::VisionTokenizer;
use rhea_nn::weights::Weights;
use rhea_tokens::{Grid, TextTokenizer};

use crate::decoding::CanvasForm;
use crate::error::EngineError;
use crate::generation::{CanvasSettings, GenerationConfig};
use crate::limits;

/// The opened files of a model, checked against each other.
pub struct ModelFolder {
    path: PathBuf,
    name: String,
    pub(crate) transformer: Transformer,
    pub(crate) text: TextTokenizer,
    pub(crate) vision: VisionTokenizer,
    pub(crate) grid: Grid,
    /// `None` when the weights decode token by token only.
    pub(crate) canvas: Option<CanvasSettings>,
}

impl ModelFolder {
    /// Opens a folder with the arithmetic that CPU and settings ask for.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the files do not fit each other; the message names the file.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        Self::open_for(dir, arithmetic())
    }

    /// As [`ModelFolder::open`], with the transformer's weights packed for a given arithmetic.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open_for(dir: &Path, arithmetic: impl Into<Arithmetic>) -> Result<Self, EngineError> {
        let wrong = |file: &str| {
            let path = dir.join(file);
            move |what: String| EngineError::Folder { what, path }
        };
        if !dir.is_dir() {
            let what = "there is no such folder; a model folder holds config.json, model.safetensors, tokenizer.json and vision/";
            return Err(EngineError::Folder { what: what.to_owned(), path: dir.to_owned() });
        }
        let text = read_config(&dir.join("config.json"))?;
        let config = TransformerConfig::from_json(&text).map_err(|e| wrong("config.json")(e.to_string()))?;
        let vision = VisionTokenizer::open(&dir.join("vision")).map_err(|e| wrong("vision")(e.to_string()))?;
        let (rows, cols) = vision.grid();
        let grid = Grid::new(rows, cols).map_err(|e| wrong("vision/config.json")(e.to_string()))?;
        let codes = u32::try_from(vision.codebook_size()).unwrap_or(u32::MAX);
        let tokenizer = TextTokenizer::from_file(&dir.join("tokenizer.json"), codes)
            .map_err(|e| wrong("tokenizer.json")(e.to_string()))?;
        check_ids(&config, &tokenizer).map_err(wrong("config.json"))?;
        let canvas = read_generation(dir)?.settings(tokenizer.vocabulary()).map_err(wrong("generation_config.json"))?;
        let weights =
            Weights::open(&dir.join("model.safetensors")).map_err(|e| wrong("model.safetensors")(e.to_string()))?;
        let first = tokenizer.vocabulary().visual_base() as usize;
        let transformer =
            Transformer::load::<NnError>(config, arithmetic, first, |name, shape| weights.values_f32(name, shape))
                .map_err(|e| wrong("model.safetensors")(e.to_string()))?;
        let name = dir.file_name().map_or_else(|| dir.display().to_string(), |n| n.to_string_lossy().into_owned());
        Ok(Self { path: dir.to_owned(), name, transformer, text: tokenizer, vision, grid, canvas })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The transformer.
    #[must_use]
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// What canvases the weights were trained for; `None` when they decode token by token only.
    #[must_use]
    pub fn canvas_form(&self) -> Option<CanvasForm> {
        self.canvas.map(|canvas| canvas.form)
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
}

fn read_config(path: &Path) -> Result<String, EngineError> {
    let failed = |what: String| EngineError::Folder { what, path: path.to_owned() };
    let size = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
    if size > limits::CONFIG_BYTES {
        return Err(failed(format!("{size} bytes; up to {} are allowed", limits::CONFIG_BYTES)));
    }
    std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))
}

/// The folder's file, or the empty one.
fn read_generation(dir: &Path) -> Result<GenerationConfig, EngineError> {
    let path = GenerationConfig::file(dir);
    if !path.exists() {
        return Ok(GenerationConfig::default());
    }
    let text = read_config(&path)?;
    serde_json::from_str(&text).map_err(|e| EngineError::Folder { what: e.to_string(), path })
}

/// The ids that the settings name must be those of the tokenizer.
fn check_ids(config: &TransformerConfig, text: &TextTokenizer) -> Result<(), String> {
    let vocabulary = text.vocabulary();
    let control = vocabulary.control();
    if config.vocab_size != vocabulary.len() {
        let (want, got) = (vocabulary.len(), config.vocab_size);
        return Err(format!("vocab_size is {got}; tokenizer and codebook together have {want} ids"));
    }
    let pairs = [
        ("bos_token_id", Some(config.bos_token_id), control.bos),
        ("eos_token_id", Some(config.eos_token_id), control.eos),
        ("pad_token_id", Some(config.pad_token_id), control.pad),
        ("boi_token_id", config.boi_token_id, control.boi),
        ("eoi_token_id", config.eoi_token_id, control.eoi),
        ("img_token_id", config.img_token_id, control.img),
        ("eol_token_id", config.eol_token_id, control.eol),
        ("eof_token_id", config.eof_token_id, control.eof),
    ];
    for (name, config, tokenizer) in pairs {
        if let Some(config) = config.filter(|config| *config != tokenizer) {
            return Err(format!("{name} is {config}; tokenizer.json has {tokenizer}"));
        }
    }
    Ok(())
}

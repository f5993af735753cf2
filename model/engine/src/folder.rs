//! A model folder: what files it has and whether they belong together.
//!
//! ```text
//! config.json  model.safetensors              tokenizer.json  vision/config.json  vision/model.safetensors
//!              (or shards with their index)   (or emu3.tiktoken and its list of visual tokens)
//! ```
//!
//! and, where canvases are not what the vocabulary suggests, `generation_config.json` ([`GenerationConfig`]). Published folders
//! come in parts: the vision tokenizer in a folder of its own, the text vocabulary with the reference's code. Where they are
//! looked for is said at [`OpenOptions`].

use std::path::{Path, PathBuf};

use rhea_nn::NnError;
use rhea_nn::kernels::{Arithmetic, Format, arithmetic, weights_asked};
use rhea_nn::parallel::{Place, Spread};
use rhea_nn::transformer::{Loading, Transformer, TransformerConfig, WeightForm};
use rhea_nn::vision::{Units, VisionConfig, VisionTokenizer};
use rhea_nn::weights::{INDEX_FILE, StoredType, WEIGHTS_FILE, Weights};
use rhea_tokens::{Grid, TextTokenizer};

use crate::decoding::CanvasForm;
use crate::error::EngineError;
use crate::estimate::MemoryEstimate;
use crate::generation::{CanvasSettings, GenerationConfig};
use crate::limits;
use crate::spread::{Device, DeviceInfo, DeviceRequest, ModelSizes, ParallelPlan, ParallelRequest, devices_found};

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
    estimate: MemoryEstimate,
}

/// How a folder is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenOptions {
    /// How matrices are held. `None` packs small models for the kernels, as bf16 where their file has bf16, and leaves large
    /// ones in their mapped files; `RHEA_WEIGHTS` asks for a format.
    pub form: Option<WeightForm>,
    /// Tokens that a branch shall hold. `None` takes as many as the settings name, at most [`limits::USUAL_CONTEXT`].
    pub context: Option<usize>,
    /// Branches: 1 without guidance, 2 with, 3 with guidance by reference pictures.
    pub branches: usize,
    /// The folder of the vision tokenizer. `None` takes `vision` in the folder, or `Emu3.5-VisionTokenizer` beside it.
    pub vision: Option<PathBuf>,
    /// The folder of the text vocabulary. `None` takes the folder itself, or `tokenizer` in it.
    pub text: Option<PathBuf>,
    /// Opens what does not seem to fit in memory, too.
    pub force: bool,
    /// How it is spread over ranks, which are threads of this process; [`Spread::SINGLE`] is one rank.
    pub spread: Spread,
    /// The device of each rank, as [`ParallelPlan::devices`] says; empty puts all of them on the processor.
    pub devices: Vec<Device>,
    /// For walking: without a `context`, a model that draws pictures of any size takes as many tokens as its settings name, at
    /// most [`limits::WALK_CONTEXT`], because it reads earlier views as pictures.
    pub walk: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            form: None,
            context: None,
            branches: 2,
            vision: None,
            text: None,
            force: false,
            spread: Spread::SINGLE,
            devices: Vec::new(),
            walk: false,
        }
    }
}

/// What is known of a folder before any weights are loaded.
struct Described {
    config: TransformerConfig,
    text: TextTokenizer,
    vision_dir: PathBuf,
    vision: VisionConfig,
    weights: Weights,
    form: WeightForm,
    estimate: MemoryEstimate,
    /// Bytes of a value in the file.
    stored: u64,
}

impl Described {
    fn sizes(&self) -> ModelSizes {
        ModelSizes {
            config: self.config.clone(),
            visual_start: self.text.vocabulary().visual_base() as usize,
            stored: self.stored,
            form: self.form,
            context: self.estimate.context,
            branches: self.estimate.branches,
            vision_bytes: self.estimate.vision_bytes,
        }
    }
}

impl ModelFolder {
    /// Opens a folder with the arithmetic that CPU and settings ask for.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the files do not fit each other; the message names the file.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        Self::open_with(dir, &OpenOptions::default())
    }

    /// As [`ModelFolder::open`], with the transformer's weights packed for a given arithmetic.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open_for(dir: &Path, arithmetic: impl Into<Arithmetic>) -> Result<Self, EngineError> {
        Self::open_with(
            dir,
            &OpenOptions { form: Some(WeightForm::Packed(arithmetic.into())), ..OpenOptions::default() },
        )
    }

    /// What a folder will need in memory; nothing is loaded.
    ///
    /// # Errors
    /// When a file is missing or damaged, or settings and vocabulary do not fit each other.
    pub fn estimate(dir: &Path, options: &OpenOptions) -> Result<MemoryEstimate, EngineError> {
        Ok(describe(dir, options)?.estimate)
    }

    /// How a folder would be spread over devices; nothing is loaded. Whether it fits is asked of the plan, with the sizes.
    ///
    /// # Errors
    /// As [`ModelFolder::estimate`], or when the model cannot be spread so.
    pub fn plan(
        dir: &Path,
        options: &OpenOptions,
        request: ParallelRequest,
        devices: &[DeviceInfo],
    ) -> Result<(ParallelPlan, ModelSizes), EngineError> {
        let sizes = describe(dir, options)?.sizes();
        Ok((ParallelPlan::new(request, devices, &sizes)?, sizes))
    }

    /// As [`ModelFolder::open`], with options.
    ///
    /// # Errors
    /// As [`ModelFolder::open`], or when it does not fit in memory.
    pub fn open_with(dir: &Path, options: &OpenOptions) -> Result<Self, EngineError> {
        let described = describe(dir, options)?;
        let spread = options.spread;
        let threads = if spread == Spread::SINGLE && options.devices.iter().all(|device| *device == Device::Cpu) {
            if !options.force {
                described.estimate.check()?;
            }
            0
        } else {
            let (sizes, devices) = (described.sizes(), there(&options.devices)?);
            let plan = ParallelPlan::of(spread, &devices, &sizes, String::new())?;
            if !options.force {
                plan.check(&sizes)?;
            }
            plan.threads
        };
        let Described { config, text, vision_dir, vision, weights, form, estimate, .. } = described;
        let wrong = |file: &str| wrong_in(dir.join(file));
        let (vision, grid) = open_vision(&vision_dir, &vision)?;
        let canvas = read_generation(dir)?.settings(text.vocabulary()).map_err(wrong("generation_config.json"))?;
        let loading = Loading { form, positions: estimate.context };
        let first = text.vocabulary().visual_base() as usize;
        let ranks = Ranks { devices: options.devices.clone(), first, loading };
        let transformer = if spread == Spread::SINGLE {
            ranks.open(config, &weights, Place::ONLY)?
        } else {
            // Each rank opens the files itself, as one in another process would.
            let folder = dir.to_owned();
            Transformer::spread(spread, threads, move |place| {
                let wrong = |what: String| NnError::Config { path: folder.join("config.json"), what };
                let json = read_config(&folder.join("config.json")).map_err(|e| wrong(e.to_string()))?;
                let config = TransformerConfig::from_json(&json).map_err(|e| wrong(e.to_string()))?;
                ranks.open(config, &Weights::open_folder(&folder)?, place)
            })?
        };
        let name = dir.file_name().map_or_else(|| dir.display().to_string(), |n| n.to_string_lossy().into_owned());
        Ok(Self { path: dir.to_owned(), name, transformer, text, vision, grid, canvas, estimate })
    }

    /// The text tokenizer of a folder alone; no weights are loaded.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn open_text(dir: &Path, options: &OpenOptions) -> Result<TextTokenizer, EngineError> {
        Ok(settings(dir, options)?.text)
    }

    /// Settings, tokenizers and view size of a folder whose weights need not be there.
    pub(crate) fn open_tokenizers(
        dir: &Path,
        options: &OpenOptions,
    ) -> Result<(TransformerConfig, TextTokenizer, VisionTokenizer, Grid), EngineError> {
        let Settings { config, text, vision_dir, vision } = settings(dir, options)?;
        let (vision, grid) = open_vision(&vision_dir, &vision)?;
        Ok((config, text, vision, grid))
    }

    /// What it needs in memory.
    #[must_use]
    pub fn memory(&self) -> &MemoryEstimate {
        &self.estimate
    }

    /// Tokens that a branch shall hold.
    pub(crate) fn context(&self) -> usize {
        self.estimate.context
    }

    /// Branches that it was opened for.
    pub(crate) fn branches(&self) -> usize {
        self.estimate.branches
    }

    /// The one size of pictures it draws; `None` when it draws all sizes.
    #[must_use]
    pub fn only_grid(&self) -> Option<Grid> {
        (self.vision.net().config().in_channels != 3).then_some(self.grid)
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

/// How ranks open what they hold.
struct Ranks {
    /// By rank; empty for the processor's kernels.
    devices: Vec<Device>,
    /// The first visual id.
    first: usize,
    loading: Loading,
}

impl Ranks {
    fn open(&self, config: TransformerConfig, weights: &Weights, place: Place) -> Result<Transformer, NnError> {
        let Self { first, loading, .. } = *self;
        let device = self.devices.get(place.rank % self.devices.len().max(1)).copied().unwrap_or(Device::Cpu);
        match device.open(place.spread.tensor)? {
            None => Transformer::from_weights_at(config, weights, first, loading, place),
            Some(on) => Transformer::on_device(config, weights, first, loading, (place, &on)),
        }
    }
}

/// What is known of the devices that ranks are to run on, each named once; the processor where none is named.
fn there(devices: &[Device]) -> Result<Vec<DeviceInfo>, EngineError> {
    let mut each: Vec<Device> = Vec::new();
    devices.iter().for_each(|device| each.extend((!each.contains(device)).then_some(*device)));
    if each.is_empty() {
        return Ok(vec![DeviceInfo::processor()]);
    }
    DeviceRequest::These(each).among(&devices_found())
}

/// Settings and vocabulary of a folder.
struct Settings {
    config: TransformerConfig,
    text: TextTokenizer,
    vision_dir: PathBuf,
    vision: VisionConfig,
}

fn settings(dir: &Path, options: &OpenOptions) -> Result<Settings, EngineError> {
    if !dir.is_dir() {
        let what =
            "there is no such folder; a model folder holds config.json, model.safetensors, tokenizer.json and vision/";
        return Err(EngineError::Folder { what: what.to_owned(), path: dir.to_owned() });
    }
    let wrong = |file: &str| wrong_in(dir.join(file));
    let json = read_config(&dir.join("config.json"))?;
    let config = TransformerConfig::from_json(&json).map_err(|e| wrong("config.json")(e.to_string()))?;
    let vision_dir = options.vision.clone().unwrap_or_else(|| vision_beside(dir));
    let vision = VisionConfig::open_folder(&vision_dir)?;
    let codes = u32::try_from(vision.codebook_size).unwrap_or(u32::MAX);
    let text_dir = options.text.clone().unwrap_or_else(|| text_beside(dir));
    let text = TextTokenizer::open(&text_dir, codes).map_err(|e| wrong_in(text_dir)(e.to_string()))?;
    check_ids(&config, &text).map_err(wrong("config.json"))?;
    Ok(Settings { config, text, vision_dir, vision })
}

fn open_vision(dir: &Path, config: &VisionConfig) -> Result<(VisionTokenizer, Grid), EngineError> {
    // Codes of published tokenizers have to be those of the reference; Rhea's own were trained with what runs fastest.
    let units = if config.in_channels == 3 { Units::exact_codes() } else { Units::fast() };
    let vision = VisionTokenizer::open_for(dir, units)?;
    let (rows, cols) = vision.grid();
    let grid = Grid::new(rows, cols).map_err(|e| wrong_in(dir.to_owned())(e.to_string()))?;
    Ok((vision, grid))
}

/// Reads settings, vocabulary and headers, and adds up what they ask for.
fn describe(dir: &Path, options: &OpenOptions) -> Result<Described, EngineError> {
    let Settings { config, text, vision_dir, vision } = settings(dir, options)?;
    let weights = Weights::open_folder(dir)?;
    let (first, vocab) = (text.vocabulary().visual_base() as usize, config.vocab_size);
    let head = weights.stored("lm_head.weight", &[vocab, config.hidden_size])?;
    let asked = weights_asked();
    // Weights that are bf16 in their file lose nothing as bf16, and take half the time to read.
    let own = if head.stored_type() == StoredType::Bf16 { Format::Bf16 } else { Format::F32 };
    let arithmetic = Arithmetic { format: asked.unwrap_or(own), ..arithmetic() };
    let small = weights.bytes() <= limits::PACKED_BYTES || asked.is_some();
    let form = options.form.unwrap_or(if small { WeightForm::Packed(arithmetic) } else { WeightForm::Stored });
    let most = if options.walk && vision.in_channels == 3 { limits::WALK_CONTEXT } else { limits::USUAL_CONTEXT };
    let context = options.context.unwrap_or(config.max_position_embeddings.min(most));
    if !(1..=limits::BRANCHES).contains(&options.branches) || !(1..=limits::CONTEXT).contains(&context) {
        let (branches, most) = (options.branches, (limits::BRANCHES, limits::CONTEXT));
        let what = format!("{branches} branches of {context} tokens; allowed are 1 to {} of 1 to {}", most.0, most.1);
        return Err(EngineError::Request(what));
    }
    let stored = head.stored_type().bytes() as u64;
    let size = (context, options.branches);
    let estimate = MemoryEstimate::new(&config, (stored, first), form, size, vision_bytes(&vision_dir, &vision)?);
    Ok(Described { config, text, vision_dir, vision, weights, form, estimate, stored })
}

/// The vision tokenizer in f32, its codebook once more, and three full-size activations of a megapixel, or of its own view
/// where it draws only one size.
fn vision_bytes(dir: &Path, config: &VisionConfig) -> Result<u64, EngineError> {
    let weights = Weights::open_folder(dir)?;
    let values: usize = weights.shapes().values().map(|shape| shape.iter().product::<usize>()).sum();
    let area = if config.in_channels == 3 { 1 << 20 } else { config.resolution * config.resolution };
    Ok(4 * (values + config.codebook_size * config.embed_dim + 3 * area * config.ch) as u64)
}

fn vision_beside(dir: &Path) -> PathBuf {
    let beside = dir.join("..").join("Emu3.5-VisionTokenizer");
    let inside = dir.join("vision");
    if !inside.is_dir() && beside.is_dir() { beside } else { inside }
}

fn text_beside(dir: &Path) -> PathBuf {
    let inside = dir.join("tokenizer");
    let here = dir.join("tokenizer.json").is_file() || dir.join("emu3.tiktoken").is_file();
    if !here && inside.is_dir() { inside } else { dir.to_owned() }
}

fn wrong_in(path: PathBuf) -> impl FnOnce(String) -> EngineError {
    move |what| EngineError::Folder { what, path }
}

/// Does a folder look like one with a model's weights?
#[must_use]
pub fn has_weights(dir: &Path) -> bool {
    [WEIGHTS_FILE, INDEX_FILE].iter().any(|file| dir.join(file).is_file()) && dir.join("config.json").is_file()
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
        return Err(format!("vocab_size is {got}; text vocabulary and codebook together have {want} ids"));
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
            return Err(format!("{name} is {config}; the text vocabulary has {tokenizer}"));
        }
    }
    Ok(())
}

//! The training stages with their data: what `rhea train` runs.

use std::path::{Path, PathBuf};

use rhea_nn::vision::{VisionConfig, VisionTokenizer};
use rhea_tokens::{TextTokenizer, train_bpe};
use rhea_train::vision::{VisionRun, train_vision};
use rhea_train::world::{LossWeights, WorldIds, WorldRun, nano_config, train_world};

use crate::LessonError;
use crate::frames::{FrameStore, HELD_OUT_SEEDS};
use crate::own::OwnViews;
use crate::pictures::PictureLessons;
use crate::text::corpus;
use crate::worlds::{WorldFrames, WorldLessons};

/// Entries of the shipped model's text vocabulary, before control tokens and visual codes.
const TEXT_ENTRIES: usize = 1024;
/// Lines that the text vocabulary is learned from.
const CORPUS_LINES: usize = 20_000;

/// What all stages share.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Folder for the frame cache, checkpoints and logs.
    pub work: PathBuf,
    /// The model folder that receives the weights.
    pub model: PathBuf,
    /// First scene seed.
    pub first_seed: u64,
    /// Number of scenes.
    pub scenes: usize,
    /// Steps of the whole run.
    pub steps: u64,
    /// Samples a step.
    pub batch: usize,
    /// Peak learning rate.
    pub rate: f32,
    /// Seed of weights and random choices.
    pub seed: u64,
    /// Worker threads.
    pub shards: usize,
    /// Stop and save after this many seconds.
    pub stop_after_secs: Option<f64>,
}

fn frame_dir(stage: &Stage) -> PathBuf {
    stage.work.join(format!("frames-{}", stage.first_seed))
}

/// Renders what the frame caches lack: training scenes and the held-out ones.
///
/// # Errors
/// When seeds are outside the training range or the folder cannot be written.
pub fn frames(stage: &Stage, on_scene: &(dyn Fn(usize) + Sync)) -> Result<(FrameStore, FrameStore), LessonError> {
    let last = stage.first_seed.saturating_add(stage.scenes as u64);
    if last > HELD_OUT_SEEDS.start {
        return Err(LessonError::Seeds { first: stage.first_seed, last, allowed: 0..HELD_OUT_SEEDS.start });
    }
    let held_out = FrameStore::prepare(&stage.work.join("held-out"), HELD_OUT_SEEDS.start, 32, &|_| ())?;
    let training = FrameStore::prepare(&frame_dir(stage), stage.first_seed, stage.scenes, on_scene)?;
    Ok((training, held_out))
}

/// Trains the vision tokenizer; goes on from a checkpoint.
///
/// # Errors
/// When data or files fail, or training diverges.
pub fn vision(
    stage: &Stage,
    freeze_encoder: bool,
    start: Option<&Path>,
    on_scene: &(dyn Fn(usize) + Sync),
) -> Result<(), LessonError> {
    let (training, held_out) = frames(stage, on_scene)?;
    let run = VisionRun {
        config: VisionConfig::nano(),
        steps: stage.steps,
        batch: stage.batch,
        rate: stage.rate,
        seed: stage.seed,
        shards: stage.shards,
        freeze_encoder,
        work: stage.work.join(if freeze_encoder { "vision-decoder" } else { "vision" }),
        out: stage.model.join("vision"),
        start: start.map(Path::to_owned),
        stop_after_secs: stage.stop_after_secs,
    };
    Ok(train_vision(&run, &PictureLessons::new(&training, &held_out, stage.seed))?)
}

/// Learns the text vocabulary and writes `tokenizer.json` into the model folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn text(model: &Path, seed: u64) -> Result<usize, LessonError> {
    std::fs::create_dir_all(model).map_err(|source| LessonError::File { path: model.into(), source })?;
    train_bpe(corpus(CORPUS_LINES, seed), TEXT_ENTRIES, &model.join("tokenizer.json"))
        .map_err(|e| LessonError::Text(e.to_string()))
}

/// A short name for the state of a weights file: its length and the FNV-1a hash of its bytes.
///
/// # Errors
/// When the file cannot be read.
pub fn stamp(weights: &Path) -> Result<String, LessonError> {
    let data = std::fs::read(weights).map_err(|source| LessonError::File { path: weights.into(), source })?;
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    Ok(format!("{}-{hash:016x}", data.len()))
}

/// Trains the world model over the vision tokenizer and the text vocabulary of the model folder; goes on from a checkpoint.
///
/// # Errors
/// When data or files fail, or training diverges.
pub fn world(stage: &Stage, start: Option<&Path>, on_scene: &(dyn Fn(usize) + Sync)) -> Result<(), LessonError> {
    let (training, held_out) = frames(stage, on_scene)?;
    let vision_dir = stage.model.join("vision");
    let vision = VisionTokenizer::open(&vision_dir)?;
    let visual_count = u32::try_from(vision.codebook_size()).unwrap_or(u32::MAX);
    let text = TextTokenizer::from_file(&stage.model.join("tokenizer.json"), visual_count)
        .map_err(|e| LessonError::Text(e.to_string()))?;
    let stamp = stamp(&vision_dir.join("model.safetensors"))?;
    let own = OwnViews::prepare(&frame_dir(stage), &training, &vision, &stamp, on_scene)?;
    let own_held_out = OwnViews::prepare(&stage.work.join("held-out"), &held_out, &vision, &stamp, &|_| ())?;
    let lessons = WorldLessons {
        training: WorldFrames { frames: &training, own: &own },
        held_out: WorldFrames { frames: &held_out, own: &own_held_out },
        vision: &vision,
        text: &text,
        seed: stage.seed,
    };
    let run = WorldRun {
        config: nano_config(text.vocabulary()),
        ids: WorldIds::new(text.vocabulary())?,
        steps: stage.steps,
        batch: stage.batch,
        rate: stage.rate,
        weights: LossWeights::default(),
        seed: stage.seed,
        shards: stage.shards,
        evaluate_every: 250,
        held_out: 96,
        work: stage.work.join("world"),
        out: stage.model.clone(),
        start: start.map(Path::to_owned),
        stop_after_secs: stage.stop_after_secs,
    };
    Ok(train_world(&run, &lessons)?)
}

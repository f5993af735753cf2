//! The training stages with their data: what `rhea train` runs.

use std::path::{Path, PathBuf};

use rhea_nn::vision::VisionConfig;
use rhea_train::vision::{VisionRun, train_vision};

use crate::LessonError;
use crate::frames::{FrameStore, HELD_OUT_SEEDS};
use crate::pictures::PictureLessons;

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

/// Renders what the frame caches lack: training scenes and the held-out ones.
///
/// # Errors
/// When seeds are outside the training range or the folder cannot be written.
pub fn frames(stage: &Stage, on_scene: &(dyn Fn(usize) + Sync)) -> Result<(FrameStore, FrameStore), LessonError> {
    let held_out = FrameStore::prepare(&stage.work.join("held-out"), HELD_OUT_SEEDS.start, 32, &|_| ())?;
    let training = FrameStore::prepare(&stage.work.join("frames"), stage.first_seed, stage.scenes, on_scene)?;
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

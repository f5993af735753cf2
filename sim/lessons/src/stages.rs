//! The training stages with their data: what `rhea train` runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhea_engine::canvas_samplers::{CodeMetric, Flow};
use rhea_engine::{CanvasForm, CanvasMethod, GenerationConfig, Imagination};
use rhea_nn::vision::{VisionConfig, VisionTokenizer};
use rhea_session::Options;
use rhea_tokens::{Grid, TextTokenizer, train_bpe};
use rhea_train::Progress;
use rhea_train::vision::{VisionRun, train_vision};
use rhea_train::world::{
    CanvasNoise, Compute, FlowNoise, LossWeights, Noise, WorldIds, WorldRun, WorldSource, nano_config, train_world,
};

use crate::LessonError;
use crate::distil::{Distilled, LessonFile, answer};
use crate::frames::{FrameStore, HELD_OUT_SEEDS};
use crate::own::OwnViews;
use crate::pictures::PictureLessons;
use crate::plans::{PlanLessons, episodes};
use crate::tables::Tables;
use crate::text::corpus;
use crate::worlds::{NEXT_TOKEN_SHARE, WorldFrames, WorldLessons};

/// Entries of the shipped model's text vocabulary, before control tokens and visual codes.
const TEXT_ENTRIES: usize = 1024;
/// Lines that the text vocabulary is learned from.
const CORPUS_LINES: usize = 20_000;
/// Lessons outside the training scenes that a run of the transformer is measured on.
const HELD_OUT_LESSONS: usize = 96;

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
    /// Where the transformer's gradients are computed.
    pub compute: Compute,
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

/// Trains the vision tokenizer; goes on from a checkpoint. With `tables`, a number and the folder of the robots, some pictures are of
/// so many robot tasks, with seeds from those of the scenes on.
///
/// # Errors
/// When data or files fail, or training diverges.
pub fn vision(
    stage: &Stage,
    freeze_encoder: bool,
    tables: Option<(u64, &Path)>,
    start: Option<&Path>,
    on_scene: &(dyn Fn(usize) + Sync),
) -> Result<(), LessonError> {
    let (training, held_out) = frames(stage, on_scene)?;
    let tables = tables.map(|(count, robots)| Tables::carried_out(stage.first_seed, count, robots)).transpose()?;
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
    Ok(train_vision(&run, &PictureLessons::new(&training, &held_out, tables, stage.seed))?)
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

/// What lessons for the transformer are made from.
struct WorldData {
    training: FrameStore,
    held_out: FrameStore,
    vision: Arc<VisionTokenizer>,
    text: TextTokenizer,
    own: OwnViews,
    own_held_out: OwnViews,
}

impl WorldData {
    fn open(stage: &Stage, on_scene: &(dyn Fn(usize) + Sync)) -> Result<Self, LessonError> {
        let (training, held_out) = frames(stage, on_scene)?;
        let (vision, text) = tokenizers(&stage.model)?;
        let vision = Arc::new(vision);
        let stamp = stamp(&stage.model.join("vision/model.safetensors"))?;
        let own = OwnViews::prepare(&frame_dir(stage), &training, &vision, &stamp, on_scene)?;
        let own_held_out = OwnViews::prepare(&stage.work.join("held-out"), &held_out, &vision, &stamp, &|_| ())?;
        Ok(Self { training, held_out, vision, text, own, own_held_out })
    }

    fn lessons(&self, seed: u64, words: f32, next_token_share: f64) -> WorldLessons<'_> {
        WorldLessons {
            training: WorldFrames { frames: &self.training, own: &self.own },
            held_out: WorldFrames { frames: &self.held_out, own: &self.own_held_out },
            vision: &self.vision,
            text: &self.text,
            seed,
            words,
            next_token_share,
            plans: None,
        }
    }
}

/// Which lessons of plans stand among those of walks.
#[derive(Clone, Debug)]
pub struct PlanShare {
    /// Share of all lessons, 0 to 1.
    pub share: f32,
    /// Tasks that are planned as lessons.
    pub episodes: u64,
    /// Folder of the robots.
    pub robots: PathBuf,
}

/// The tokenizers of a model folder.
fn tokenizers(model: &Path) -> Result<(VisionTokenizer, TextTokenizer), LessonError> {
    let vision = VisionTokenizer::open(&model.join("vision"))?;
    let visual_count = u32::try_from(vision.codebook_size()).unwrap_or(u32::MAX);
    let text = TextTokenizer::from_file(&model.join("tokenizer.json"), visual_count)
        .map_err(|e| LessonError::Text(e.to_string()))?;
    Ok((vision, text))
}

/// A run of the transformer over a folder's tokenizers; `name` is that of its work folder.
fn world_run(
    stage: &Stage,
    (vision, text): (&VisionTokenizer, &TextTokenizer),
    name: &str,
    start: Option<&Path>,
) -> Result<WorldRun, LessonError> {
    Ok(WorldRun {
        config: nano_config(text.vocabulary()),
        ids: WorldIds::new(text.vocabulary())?,
        codebook: vision.codebook().to_vec(),
        steps: stage.steps,
        batch: stage.batch,
        rate: stage.rate,
        weights: LossWeights::default(),
        noise: CanvasNoise::Hole(Noise::TRAINING),
        seed: stage.seed,
        shards: stage.shards,
        compute: stage.compute.clone(),
        evaluate_every: 250,
        held_out: HELD_OUT_LESSONS,
        work: stage.work.join(name),
        out: stage.model.clone(),
        start: start.map(Path::to_owned),
        stop_after_secs: stage.stop_after_secs,
    })
}

/// Trains the world model over the vision tokenizer and the text vocabulary of the model folder; goes on from a checkpoint.
///
/// # Errors
/// When data or files fail, or training diverges.
pub fn world(
    stage: &Stage,
    (words, plans): (f32, Option<&PlanShare>),
    start: Option<&Path>,
    on_scene: &(dyn Fn(usize) + Sync),
) -> Result<(), LessonError> {
    let data = WorldData::open(stage, on_scene)?;
    let planned = plans.filter(|p| p.share > 0.0).map(|p| plan_lessons(stage, p, &data, on_scene)).transpose()?;
    let run = world_run(stage, (&data.vision, &data.text), "world", start)?;
    let share = plans.map_or(0.0, |p| p.share);
    let plans = planned.as_ref().map(|lessons| (lessons, share));
    Ok(train_world(&run, &WorldLessons { plans, ..data.lessons(stage.seed, words, NEXT_TOKEN_SHARE) })?)
}

/// Lessons of plans, with task seeds from the stage's first seed on.
fn plan_lessons(
    stage: &Stage,
    plans: &PlanShare,
    data: &WorldData,
    on_episode: &(dyn Fn(usize) + Sync),
) -> Result<PlanLessons, LessonError> {
    let dir = stage.work.join(format!("plans-{}", stage.first_seed));
    let made = episodes(&dir, (stage.first_seed, plans.episodes), &plans.robots, &data.vision, on_episode)?;
    let (rows, cols) = data.vision.grid();
    PlanLessons::new(made, Grid::new(rows, cols).map_err(|e| LessonError::Text(e.to_string()))?)
}

/// Lets the model folder answer `samples` lessons token by token, for [`dida`]; goes on where it stopped.
///
/// # Errors
/// When data or files fail, or the model does.
pub fn distil(stage: &Stage, samples: u64, on_scene: &(dyn Fn(usize) + Sync)) -> Result<(), LessonError> {
    let data = WorldData::open(stage, on_scene)?;
    // Every lesson has a next-token form here, for the prompt in it.
    let lessons = data.lessons(stage.seed, 0.0, 1.0);
    let mut teacher = Imagination::open(&stage.model)?;
    let weights = stamp(&stage.model.join("model.safetensors"))?;
    let stamp = format!("{weights} {} {} {}", stage.first_seed, data.training.scenes(), stage.seed);
    let work = stage.work.join("distil");
    std::fs::create_dir_all(&work).map_err(|source| LessonError::File { path: work.clone(), source })?;
    let [training, held_out] = Distilled::files(&stage.work);
    let (mut training, mut held_out) = (LessonFile::open(&training, &stamp)?, LessonFile::open(&held_out, &stamp)?);
    let usual = Options::default();
    let filters = (usual.picture, usual.text);
    let mut progress = Progress::new(&work, "distil", training.count as u64, samples, 1)?;
    for (index, lesson) in (0..).zip(lessons.held_out(HELD_OUT_LESSONS).map_err(LessonError::Text)?) {
        if index >= held_out.count as u64 {
            held_out.push(&answer(&mut teacher, &lesson, filters, index)?)?;
        }
    }
    for index in training.count as u64..samples {
        let lesson = lessons.sample(index).map_err(LessonError::Text)?;
        let answer = answer(&mut teacher, &lesson, filters, index)?;
        training.push(&answer)?;
        let same = answer.target_codes.iter().zip(&lesson.target_codes).filter(|(a, b)| a == b).count();
        progress.step(index, &[("like_truth", same as f32 / lesson.target_codes.len() as f32)]);
        if stage.stop_after_secs.is_some_and(|s| progress.elapsed_secs() > s) {
            break;
        }
    }
    progress.finish();
    Ok(())
}

/// Trains the model folder's weights (or those of `start`) to draw whole canvases from uniform noise along `flow`, on what
/// [`distil`] made. `out` becomes a model folder of its own. Goes on from a checkpoint.
///
/// # Errors
/// When there are no distilled lessons, files fail, or training diverges.
pub fn dida(stage: &Stage, flow: Flow, start: Option<&Path>, out: &Path) -> Result<(), LessonError> {
    let lessons = Distilled::read(&stage.work)?;
    let (vision, text) = tokenizers(&stage.model)?;
    let own = stage.model.join("model.safetensors");
    let metric = CodeMetric::new(vision.codebook(), vision.codebook_size())?;
    let run = WorldRun {
        noise: CanvasNoise::Uniform(FlowNoise { flow, metric: Arc::new(metric) }),
        out: out.to_owned(),
        ..world_run(stage, (&vision, &text), "dida", Some(start.unwrap_or(&own)))?
    };
    copy_tokenizers(&stage.model, out)?;
    let config = GenerationConfig {
        canvas_form: Some(CanvasForm::UniformNoise),
        canvas_sampler: Some(CanvasMethod::Flow(flow)),
    };
    config.write(out)?;
    Ok(train_world(&run, &lessons)?)
}

/// Copies what the weights of a model folder stand on.
fn copy_tokenizers(from: &Path, to: &Path) -> Result<(), LessonError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LessonError::File { path, source }
    };
    std::fs::create_dir_all(to.join("vision")).map_err(failed(to))?;
    for name in ["tokenizer.json", "vision/config.json", "vision/model.safetensors"] {
        std::fs::copy(from.join(name), to.join(name)).map_err(failed(&from.join(name)))?;
    }
    Ok(())
}

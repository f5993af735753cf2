//! The training loop of the world model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::transformer::{Parameters, TransformerConfig};
use rhea_nn::weights::{Stored, Weights, save};

use super::{CanvasNoise, Compute, LossWeights, WorldIds, WorldSource, WorldTrainer};
use crate::checkpoint;
use crate::optim::{Optimiser, OptimiserConfig};
use crate::progress::Progress;
use crate::shards::Shards;

/// Settings of a run.
#[derive(Clone)]
pub struct WorldRun {
    /// Sizes of the network; see [`super::nano_config`].
    pub config: TransformerConfig,
    /// Ids that sequences are built from.
    pub ids: WorldIds,
    /// Vectors of the visual codes, one row of unit length each. Fresh embeddings begin as their projection, so that codes
    /// that look alike begin alike.
    pub codebook: Vec<f32>,
    /// Steps in all; the learning rate falls along a cosine to 5 %.
    pub steps: u64,
    /// Samples a step, over all shards; 32 to 64.
    pub batch: usize,
    /// Peak learning rate, such as 1e-3.
    pub rate: f32,
    /// How much each kind of target counts.
    pub weights: LossWeights,
    /// What canvases show: [`Noise::TRAINING`](super::Noise::TRAINING) for weights with holes.
    pub noise: CanvasNoise,
    /// Seed of initial weights and noise.
    pub seed: u64,
    /// Worker threads; part of the arithmetic, so results depend on it.
    pub shards: usize,
    /// Where gradients are computed.
    pub compute: Compute,
    /// Steps between two evaluations (and checkpoints).
    pub evaluate_every: u64,
    /// Held-out samples of an evaluation.
    pub held_out: usize,
    /// Folder for checkpoints and logs.
    pub work: PathBuf,
    /// Folder that receives `config.json` and `model.safetensors`.
    pub out: PathBuf,
    /// Weights to begin with when there is no checkpoint.
    pub start: Option<PathBuf>,
    /// Stop (and save) after this many seconds, to go on later.
    pub stop_after_secs: Option<f64>,
}

/// Longest warm-up in steps; short runs warm up over a tenth.
const WARM_UP: u64 = 200;
/// Share of the peak rate that the cosine ends at.
const LAST_RATE: f64 = 0.05;

/// Warm-up, then a cosine: the learning rate as a share of its peak.
fn cosine(step: u64, total: u64) -> f32 {
    let warm = (step + 1) as f64 / WARM_UP.min(total / 10).max(1) as f64;
    let done = step as f64 / total.max(1) as f64;
    let wave = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    warm.min(LAST_RATE + (1.0 - LAST_RATE) * wave) as f32
}

/// Trains until the steps are done or the time is up; goes on from the checkpoint in `run.work` when there is one.
/// Held-out figures are lines of `log.jsonl` in `run.work`.
///
/// # Errors
/// When data cannot be read, files cannot be written, or training diverges.
pub fn train_world(run: &WorldRun, source: &dyn WorldSource) -> Result<(), NnError> {
    let parameters = match &run.start {
        Some(path) => {
            let weights = Weights::open(path)?;
            Parameters::load::<NnError>(run.config.clone(), |name, shape| weights.values_f32(name, shape))?
        }
        None => fresh(run)?,
    };
    let mut optimiser = Optimiser::new(parameters.vars().to_vec(), OptimiserConfig::default(), inner_matrix);
    let begin = checkpoint::restore(&run.work, &mut optimiser)?.map_or(0, |p| p.step);
    let shards = Shards::new(run.shards).map_err(NnError::Input)?;
    let mut trainer = WorldTrainer::new(parameters, run.ids, (run.weights, run.noise.clone()), run.seed, shards.len())
        .on(run.compute.clone());
    let mut progress = Progress::new(&run.work, "world", begin, run.steps, run.batch)?;
    let count = trainer.parameters().layout().total();
    progress.note(&format!("{count} parameters, {}", run.compute.name()));
    let held_out = source.held_out(run.held_out).map_err(NnError::Input)?;
    for step in begin..run.steps {
        let rate = run.rate * cosine(step, run.steps);
        let figures = trainer.step(&shards, source, &mut optimiser, (step, run.batch, rate))?;
        progress.step(step, &figures);
        let done = step + 1 == run.steps || run.stop_after_secs.is_some_and(|s| progress.elapsed_secs() > s);
        if done || (step + 1).is_multiple_of(run.evaluate_every.max(1)) {
            let scores = trainer.evaluate(&shards, &held_out)?;
            progress.record(step, &held_out_names(scores.figures()));
            checkpoint::write(&run.work, &optimiser, step + 1)?;
            progress.draw_curves();
            export(trainer.parameters(), &run.out)?;
        }
        if done {
            break;
        }
    }
    progress.finish();
    Ok(())
}

/// Muon is for the matrices inside the layers; embedding and head keep to AdamW.
#[must_use]
pub fn inner_matrix(name: &str) -> bool {
    name.contains("_proj")
}

/// How much of a fresh visual embedding is the code's vector; the rest is its own noise.
const CODE_SHARE: f32 = 0.9;

/// The weights that a run without a start begins with.
pub(super) fn fresh(run: &WorldRun) -> Result<Parameters, NnError> {
    let parameters = Parameters::fresh(run.config.clone(), normal(run.seed))?;
    place_codes(&parameters, run)?;
    Ok(parameters)
}

/// Lets the visual rows of embedding and head begin as one random projection of the codes' vectors.
fn place_codes(parameters: &Parameters, run: &WorldRun) -> Result<(), NnError> {
    let (count, width) = (run.ids.visual_count as usize, run.config.hidden_size);
    if count == 0 || run.codebook.is_empty() || !run.codebook.len().is_multiple_of(count) {
        return Err(NnError::Input(format!("{} values are no codebook of {count} codes", run.codebook.len())));
    }
    let dim = run.codebook.len() / count;
    let mut normal = normal(run.seed ^ 0x636f_6465);
    let projection: Vec<f32> = (0..dim * width).map(|_| normal()).collect();
    let deviation = run.config.initializer_range as f32;
    let noise = (1.0 - CODE_SHARE * CODE_SHARE).sqrt();
    for (name, var) in parameters.vars() {
        if !matches!(name.as_str(), "model.embed_tokens.weight" | "lm_head.weight") {
            continue;
        }
        let mut rows = var.flatten_all()?.to_vec1::<f32>()?;
        let visual = rows.chunks_exact_mut(width).skip(run.ids.visual_base as usize);
        for (row, code) in visual.zip(run.codebook.chunks_exact(dim)) {
            for (j, value) in row.iter_mut().enumerate() {
                let image: f32 = code.iter().zip(projection.iter().skip(j).step_by(width)).map(|(c, p)| c * p).sum();
                *value = *value * noise + CODE_SHARE * image * deviation;
            }
        }
        var.set(&Tensor::from_vec(rows, var.dims(), &Device::Cpu)?)?;
    }
    Ok(())
}

/// Marks figures as measured on held-out samples.
fn held_out_names(figures: Vec<(&'static str, f32)>) -> Vec<(&'static str, f32)> {
    std::iter::once(("held_out", 1.0)).chain(figures).collect()
}

/// Writes a model folder's `config.json` and `model.safetensors` (bf16).
///
/// # Errors
/// When the folder cannot be written.
pub fn export(parameters: &Parameters, out: &Path) -> Result<(), NnError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NnError::File { doing: "writing", path, source }
    };
    std::fs::create_dir_all(out).map_err(failed(out))?;
    let mut tensors = BTreeMap::new();
    for (name, var) in parameters.vars() {
        tensors.insert(name.clone(), (var.dims().to_vec(), var.flatten_all()?.to_vec1::<f32>()?));
    }
    save(&out.join("model.safetensors"), &tensors, Stored::Bf16)?;
    let path = out.join("config.json");
    let text = serde_json::to_string_pretty(parameters.config())
        .map_err(|e| NnError::Config { path: path.clone(), what: e.to_string() })?;
    std::fs::write(&path, text + "\n").map_err(failed(&path))
}

/// Standard normal values from a seed.
pub(super) fn normal(seed: u64) -> impl FnMut() -> f32 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    move || {
        // Box-Muller; 1 - u keeps the logarithm finite.
        let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    }
}

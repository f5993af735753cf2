//! The training loop of the vision tokenizer.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::vision::{VisionConfig, VisionNet};
use rhea_nn::weights::{Stored, Weights};

use super::codebook::{k_means, revive, to_sphere};
use super::quantise::on_sphere;
use super::step::{Phase, pictures, shard};
use super::{VisionExample, VisionSource};
use crate::checkpoint;
use crate::optim::{Optimiser, OptimiserConfig, schedule};
use crate::parameters::Trainable;
use crate::progress::{Progress, Record};
use crate::shards::Shards;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct VisionRun {
    /// Sizes of the network.
    pub config: VisionConfig,
    /// Steps in all; the learning rate falls over the last 45 %.
    pub steps: u64,
    /// Pictures a step, over all shards.
    pub batch: usize,
    /// Peak learning rate.
    pub rate: f32,
    /// Seed of initial weights and random choices.
    pub seed: u64,
    /// Worker threads; each takes an equal part of the batch.
    pub shards: usize,
    /// Train the decoder only, over codes that stay as they are.
    pub freeze_encoder: bool,
    /// Folder for checkpoints, logs and sample sheets.
    pub work: PathBuf,
    /// Folder that receives `config.json` and `model.safetensors`.
    pub out: PathBuf,
    /// Weights to begin with when there is no checkpoint.
    pub start: Option<PathBuf>,
    /// Stop (and save) after this many seconds, to go on later.
    pub stop_after_secs: Option<f64>,
}

/// Share of the run after which latents go through the codebook.
const AUTOENCODER: f64 = 0.06;
/// Share of the run after which half of the pictures come with memory.
const MEMORY_FROM: f64 = 0.2;
const SAVE_EVERY: u64 = 250;
const REVIVE_EVERY: u64 = 100;

/// Trains until the steps are done or the time is up; goes on from the checkpoint in `run.work` when there is one.
///
/// # Errors
/// When data cannot be read, files cannot be written, or training diverges.
pub fn train_vision(run: &VisionRun, source: &dyn VisionSource) -> Result<(), NnError> {
    let start = run.start.as_deref().map(Weights::open).transpose()?;
    let pretrained = start.is_some();
    let trainable = Trainable::new(run.seed, start);
    let net = VisionNet::new(&run.config, &trainable)?;
    let frozen = |name: &str| run.freeze_encoder && (name.starts_with("encoder") || name.starts_with("quant"));
    let vars: Vec<_> = trainable.vars().into_iter().filter(|(name, _)| !frozen(name)).collect();
    let mut optimiser = Optimiser::new(vars, OptimiserConfig::default(), |_| false);
    let codebook =
        trainable.vars().into_iter().find(|(name, _)| name == "quantize.embedding.weight").map(|(_, var)| var);
    let codebook = codebook.ok_or_else(|| NnError::Input("the network has no codebook".into()))?;
    let begin = checkpoint::restore(&run.work, &mut optimiser)?.map_or(0, |p| p.step);
    let shards = Shards::new(run.shards).map_err(NnError::Input)?;
    let mut progress = Progress::new(&run.work, "vision", begin, run.steps, run.batch)?;
    progress.note(&format!("{} parameters, {} kernels", trainable.count(), rhea_nn::kernels::unit().name()));
    let held_out = source.held_out(48).map_err(NnError::Input)?;
    let at = |share: f64| (run.steps as f64 * share) as u64;
    let quantise_from = if pretrained { 0 } else { at(AUTOENCODER) };
    let memory_from = if pretrained { 0 } else { at(MEMORY_FROM) };
    let dim = run.config.embed_dim;
    let mut used = vec![0u32; run.config.codebook_size];
    let per_shard = run.batch / run.shards;
    for step in begin..run.steps {
        if step == quantise_from && !pretrained {
            place_codebook(&net, source, &codebook, &shards, run.seed)?;
        }
        let phase = Phase { quantised: step >= quantise_from, encoder: !run.freeze_encoder };
        let results = shards.run(|index| {
            let memory = step >= memory_from && (step + index as u64).is_multiple_of(2);
            let examples = source.examples(step, index, per_shard, memory).map_err(NnError::Input)?;
            shard(&net, &examples, source, phase, run.seed ^ (step << 8) ^ index as u64)
        })?;
        let loss = results.iter().map(|r| r.loss).sum::<f32>() / results.len() as f32;
        let rate = run.rate * schedule(step, run.steps, 100, 0.45);
        let (mut stores, mut latents) = (Vec::new(), Vec::new());
        for result in results {
            result.codes.iter().for_each(|c| used[*c as usize] += 1);
            latents.extend(result.latents);
            stores.push(result.grads);
        }
        let grads = optimiser.mean_gradients(&stores)?;
        drop(stores);
        let norm = optimiser.step(rate, &grads)?;
        if phase.quantised && phase.encoder {
            let mut rows = codebook.flatten_all()?.to_vec1::<f32>()?;
            if (step + 1).is_multiple_of(REVIVE_EVERY) {
                if (step as f64) < run.steps as f64 * 0.8 {
                    let mut rng = ChaCha8Rng::seed_from_u64(run.seed ^ step);
                    revive(&mut rows, &used, &latents, dim, &mut rng);
                }
                used.fill(0);
            }
            to_sphere(&mut rows, dim);
            codebook.set(&Tensor::from_vec(rows, codebook.shape(), &Device::Cpu)?)?;
        }
        progress.step(step, &[("loss", loss), ("rate", rate), ("norm", norm)]);
        let done = step + 1 == run.steps || run.stop_after_secs.is_some_and(|s| progress.elapsed_secs() > s);
        if done || (step + 1).is_multiple_of(SAVE_EVERY) {
            if phase.quantised {
                let scores = shards.one(|| evaluate(&net, &held_out, &run.work.join("sample.png")))?;
                progress.record(step, &scores);
            }
            checkpoint::write(&run.work, &optimiser, step + 1)?;
            progress.draw_curves();
            export(&trainable, &run.config, &run.out)?;
        }
        if done {
            break;
        }
    }
    progress.finish();
    Ok(())
}

fn place_codebook(
    net: &VisionNet,
    source: &dyn VisionSource,
    codebook: &candle_core::Var,
    shards: &Shards,
    seed: u64,
) -> Result<(), NnError> {
    let side = net.config().resolution * net.config().patch_size;
    let dim = net.config().embed_dim;
    let all = Mutex::new(Vec::new());
    shards.run(|index| {
        for round in 0..16 {
            let examples = source.examples(u64::MAX - round, index, 16, false).map_err(NnError::Input)?;
            let x = pictures(examples.iter().map(|e| &e.picture), side)?;
            let z = on_sphere(&net.encode(&x)?.detach().flatten_to(2)?)?.flatten_all()?.to_vec1::<f32>()?;
            if let Ok(mut all) = all.lock() {
                all.push(((round, index), z));
            }
        }
        Ok(())
    })?;
    let mut all = all.into_inner().unwrap_or_default();
    all.sort_by_key(|(key, _)| *key);
    let latents: Vec<f32> = all.into_iter().flat_map(|(_, z)| z).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres = k_means(&latents, dim, net.config().codebook_size, 8, &mut rng);
    Ok(codebook.set(&Tensor::from_vec(centres, codebook.shape(), &Device::Cpu)?)?)
}

/// Round trip without memory and drawing with memory of held-out pictures; writes a sheet of truth and drawing.
fn evaluate(net: &VisionNet, examples: &[VisionExample], sheet: &Path) -> Result<Record, NnError> {
    use super::quantise::codes_of;
    use super::step::memories;
    use rhea_picture::{Sheet, depth_rel_err, psnr, save_picture, ssim};
    let figure = |r: Result<f64, rhea_picture::PictureError>| r.map_or(f32::NAN, |v: f64| v.min(60.0) as f32);
    let side = net.config().resolution * net.config().patch_size;
    let cells = side / net.config().downsampling();
    let dim = net.config().embed_dim;
    let mut rows = Vec::new();
    let (mut score, mut similar, mut depth, mut seen, mut unseen) = (vec![], vec![], vec![], vec![], vec![]);
    for part in examples.chunks(8) {
        let x = pictures(part.iter().map(|e| &e.picture), side)?;
        let latents = on_sphere(&net.encode(&x)?.detach().reshape((part.len() * cells * cells, dim))?)?;
        let codes = codes_of(&latents, net.codebook())?;
        let index = Tensor::from_vec(codes, part.len() * cells * cells, &Device::Cpu)?;
        let z = net.codebook().index_select(&index, 0)?.detach().reshape((part.len(), cells, cells, dim))?;
        let plain = net.decode(&z, None)?.flatten_all()?.to_vec1::<f32>()?;
        let guided = net.decode(&z, Some(&memories(part, side)?))?.flatten_all()?.to_vec1::<f32>()?;
        let size = side * side * 4;
        for (i, example) in part.iter().enumerate() {
            let drawn = rhea_nn::vision::picture_view(&plain[i * size..(i + 1) * size], side);
            let with = rhea_nn::vision::picture_view(&guided[i * size..(i + 1) * size], side);
            score.push(figure(psnr(&drawn, &example.picture, None)));
            similar.push(figure(ssim(&drawn, &example.picture, None)));
            depth.push(figure(depth_rel_err(&drawn, &example.picture, None)));
            if let Some(memory) = &example.memory {
                let hidden: Vec<bool> = memory.warp.valid.iter().map(|v| !v).collect();
                seen.push(figure(psnr(&with, &example.picture, Some(&memory.warp.valid))));
                if hidden.iter().filter(|h| **h).count() > 100 {
                    unseen.push(figure(psnr(&with, &example.picture, Some(&hidden))));
                }
                rows.push([example.picture.clone(), drawn, memory.warp.view.clone(), with]);
            }
        }
    }
    let mut page = Sheet::new(4, 2);
    for row in rows.iter().take(10) {
        for (view, label) in row.iter().zip(["truth", "tokens", "memory", "both"]) {
            page.add_view(view, label);
        }
    }
    if let Err(error) = page.draw().and_then(|page| save_picture(sheet, &page)) {
        tracing::warn!("sample sheet: {error}");
    }
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len().max(1) as f32;
    Ok(vec![
        ("psnr", mean(&score)),
        ("ssim", mean(&similar)),
        ("depth_rel_err", mean(&depth)),
        ("seen_psnr", mean(&seen)),
        ("unseen_psnr", mean(&unseen)),
    ])
}

fn export(trainable: &Trainable, config: &VisionConfig, out: &Path) -> Result<(), NnError> {
    let failed = |source| NnError::File { doing: "writing", path: out.into(), source };
    std::fs::create_dir_all(out).map_err(failed)?;
    let text = serde_json::to_string_pretty(config).unwrap_or_default();
    std::fs::write(out.join("config.json"), text + "\n").map_err(failed)?;
    trainable.save(&out.join("model.safetensors"), Stored::Bf16)
}

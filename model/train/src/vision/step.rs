//! One shard of one training step.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::vision::{MEMORY_CHANNELS, VisionNet, memory_values, picture_values, picture_view};

use super::quantise::{codes_of, on_sphere, quantise};
use super::{VisionExample, VisionSource};
use crate::picture_loss::picture_loss;

/// What a step trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Do latents go through the codebook?
    pub quantised: bool,
    /// Does encoder and codebook training go on?
    pub encoder: bool,
}

/// What a shard gives back.
pub struct ShardResult {
    pub grads: GradStore,
    pub loss: f32,
    pub codes: Vec<u32>,
    /// Latents on the sphere, `(n, dim)`.
    pub latents: Vec<f32>,
}

/// Pictures as `(n, side, side, 4)`.
pub fn pictures<'a>(
    views: impl ExactSizeIterator<Item = &'a rhea_picture::Rgbd>,
    side: usize,
) -> Result<Tensor, NnError> {
    let n = views.len();
    let mut data = Vec::with_capacity(n * side * side * 4);
    for view in views {
        picture_values(view, &mut data);
    }
    Ok(Tensor::from_vec(data, (n, side, side, 4), &Device::Cpu)?)
}

/// Memories as `(n, side, side, 6)`, zero where an example has none.
pub fn memories(examples: &[VisionExample], side: usize) -> Result<Tensor, NnError> {
    let mut data = Vec::with_capacity(examples.len() * side * side * MEMORY_CHANNELS);
    for example in examples {
        match &example.memory {
            Some(memory) => memory_values(&memory.warp, &mut data),
            None => data.resize(data.len() + side * side * MEMORY_CHANNELS, 0.0),
        }
    }
    Ok(Tensor::from_vec(data, (examples.len(), side, side, MEMORY_CHANNELS), &Device::Cpu)?)
}

/// Forward and backward over one shard; own drawings of pictures without memory go back to the source.
pub fn shard(
    net: &VisionNet,
    examples: &[VisionExample],
    source: &dyn VisionSource,
    phase: Phase,
    seed: u64,
) -> Result<ShardResult, NnError> {
    let config = net.config();
    let side = config.resolution * config.patch_size;
    let cells = side / config.downsampling();
    let (n, dim) = (examples.len(), config.embed_dim);
    let x = pictures(examples.iter().map(|e| &e.picture), side)?;
    let encoded = net.encode(&x)?.reshape((n * cells * cells, dim))?;
    let latents = on_sphere(&if phase.encoder { encoded } else { encoded.detach() })?;
    let (mut vectors, codes, extra) = if !phase.quantised {
        (latents.clone(), Vec::new(), None)
    } else if phase.encoder {
        let q = quantise(&latents, net.codebook())?;
        (q.vectors, q.codes, Some(q.loss))
    } else {
        let codes = codes_of(&latents, net.codebook())?;
        let index = Tensor::from_slice(&codes, codes.len(), &Device::Cpu)?;
        (net.codebook().index_select(&index, 0)?.detach(), codes, None)
    };
    let remembered = examples.iter().any(|e| e.memory.is_some());
    let memory = if remembered { Some(memories(examples, side)?) } else { None };
    if remembered && phase.quantised {
        vectors = with_warped_codes(net, examples, &vectors, side, cells, seed)?;
    }
    let drawn = net.decode(&vectors.reshape((n, cells, cells, dim))?, memory.as_ref())?;
    let mut loss = picture_loss(&drawn, &x)?;
    let value = loss.to_scalar::<f32>()?;
    if let Some(extra) = extra {
        loss = (loss + extra)?;
    }
    let grads = loss.backward()?;
    if phase.quantised {
        let values = drawn.detach().flatten_all()?.to_vec1::<f32>()?;
        for (example, values) in examples.iter().zip(values.chunks_exact(side * side * 4)) {
            if example.memory.is_none() {
                source.keep(example.key, picture_view(values, side));
            }
        }
    }
    Ok(ShardResult { grads, loss: value, codes, latents: latents.detach().flatten_all()?.to_vec1::<f32>()? })
}

/// At run time known cells carry the codes of the warped picture and the rest is predicted, sometimes wrongly. Half of the
/// remembered examples are drawn from such codes, so that the decoder learns to trust the warped pixels where they differ.
fn with_warped_codes(
    net: &VisionNet,
    examples: &[VisionExample],
    vectors: &Tensor,
    side: usize,
    cells: usize,
    seed: u64,
) -> Result<Tensor, NnError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let per = cells * cells;
    let dim = net.config().embed_dim;
    let chosen: Vec<usize> =
        (0..examples.len()).filter(|i| examples[*i].memory.is_some() && rng.random_bool(0.5)).collect();
    if chosen.is_empty() {
        return Ok(vectors.clone());
    }
    let filled = pictures(
        chosen.iter().filter_map(|i| examples[*i].memory.as_ref().map(|m| &m.filled)).collect::<Vec<_>>().into_iter(),
        side,
    )?;
    let warped = on_sphere(&net.encode(&filled)?.detach().reshape((chosen.len() * per, dim))?)?;
    let codes = codes_of(&warped, net.codebook())?;
    let size = net.config().codebook_size as u32;
    let mut index = vec![0u32; examples.len() * per];
    let mut replace = vec![0f32; examples.len() * per];
    for (slot, i) in chosen.iter().enumerate() {
        let Some(memory) = &examples[*i].memory else { continue };
        let known = known_share(&memory.warp.valid, side, cells);
        for (cell, known) in known.iter().enumerate() {
            let wrong = rng.random_bool(0.03);
            if *known >= 0.85 || wrong {
                replace[i * per + cell] = 1.0;
                index[i * per + cell] = if wrong { rng.random_range(0..size) } else { codes[slot * per + cell] };
            }
        }
    }
    let n = index.len();
    let other = net.codebook().index_select(&Tensor::from_vec(index, n, &Device::Cpu)?, 0)?.detach();
    let mask = Tensor::from_vec(replace, (n, 1), &Device::Cpu)?;
    let keep = (1.0 - &mask)?;
    Ok((vectors.broadcast_mul(&keep)? + other.broadcast_mul(&mask)?)?)
}

/// Share of valid pixels of each cell.
fn known_share(valid: &[bool], side: usize, cells: usize) -> Vec<f32> {
    let cell = side / cells;
    let mut share = vec![0.0; cells * cells];
    for (i, v) in valid.iter().enumerate() {
        if *v {
            share[(i / side / cell) * cells + i % side / cell] += 1.0 / (cell * cell) as f32;
        }
    }
    share
}

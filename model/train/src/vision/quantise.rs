//! The quantiser during training: index back-propagation on a part of the latents, straight-through on the rest.
//!
//! Index back-propagation (IBQ) sends the gradient through the softmax over all codes; done for every latent it costs as much
//! as the rest of the network, so a fixed number of rows of each batch carries it.

use candle_core::{D, Result, Tensor};
use rhea_nn::kernels::{Packed, unit};
use rhea_nn::vision::nearest_codes;

/// Rows of a shard whose gradient reaches all codes.
const SOFT_ROWS: usize = 128;
const CODEBOOK: f64 = 0.2;
const COMMIT: f64 = 0.05;
const ENTROPY: f64 = 0.01;

/// What the quantiser gives.
pub struct Quantised {
    /// Code vectors with gradient, `(n, dim)`.
    pub vectors: Tensor,
    /// Codes, `n`.
    pub codes: Vec<u32>,
    /// Codebook, commitment and usage terms.
    pub loss: Tensor,
}

/// Latents `(n, dim)` scaled to norm `sqrt(dim)`.
pub fn on_sphere(latents: &Tensor) -> Result<Tensor> {
    let dim = latents.dim(D::Minus1)? as f64;
    let norm = (latents.sqr()?.sum_keepdim(D::Minus1)? + 1e-8)?.sqrt()?;
    latents.broadcast_div(&norm)? * dim.sqrt()
}

/// Codes of latents that stand on the sphere.
pub fn codes_of(latents: &Tensor, codebook: &Tensor) -> Result<Vec<u32>> {
    let (codes, dim) = codebook.dims2()?;
    let packed = Packed::from_nk(unit(), &codebook.flatten_all()?.to_vec1::<f32>()?, codes, dim);
    Ok(nearest_codes(&latents.flatten_all()?.to_vec1::<f32>()?, &packed))
}

/// Quantises latents `(n, dim)` on the sphere.
pub fn quantise(latents: &Tensor, codebook: &Tensor) -> Result<Quantised> {
    let (n, _) = latents.dims2()?;
    let codes = codes_of(latents, codebook)?;
    let index = Tensor::from_slice(&codes, n, latents.device())?;
    let hard = codebook.index_select(&index, 0)?;
    let codebook_loss = (&hard - latents.detach())?.sqr()?.mean_all()?;
    let commit_loss = (hard.detach() - latents)?.sqr()?.mean_all()?;
    let through = (latents + (&hard - latents)?.detach())?;
    let soft_rows = SOFT_ROWS.min(n);
    let logits = latents.narrow(0, 0, soft_rows)?.matmul(&codebook.t()?)?;
    let p = candle_nn::ops::softmax(&logits, D::Minus1)?;
    let one_hot = one_hot(&codes[..soft_rows], codebook.dim(0)?, latents)?;
    let soft = (&p + (one_hot - &p)?.detach())?.matmul(codebook)?;
    let usage = (p.mean(0)? + 1e-9)?;
    let negative_entropy = (&usage * usage.log()?)?.sum_all()?;
    let vectors =
        if soft_rows == n { soft } else { Tensor::cat(&[soft, through.narrow(0, soft_rows, n - soft_rows)?], 0)? };
    let loss = ((codebook_loss * CODEBOOK)? + (commit_loss * COMMIT)? + (negative_entropy * ENTROPY)?)?;
    Ok(Quantised { vectors, codes, loss })
}

fn one_hot(codes: &[u32], size: usize, like: &Tensor) -> Result<Tensor> {
    let mut data = vec![0f32; codes.len() * size];
    for (row, code) in data.chunks_exact_mut(size).zip(codes) {
        row[*code as usize] = 1.0;
    }
    Tensor::from_vec(data, (codes.len(), size), like.device())
}

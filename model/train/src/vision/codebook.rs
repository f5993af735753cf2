//! Placing code vectors: spherical k-means at the start, revival of unused codes later.

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rhea_nn::kernels::{Packed, unit};
use rhea_nn::vision::nearest_codes;

/// Scales each row of `dim` values to norm `sqrt(dim)`, so that the largest dot product is the nearest code.
pub fn to_sphere(rows: &mut [f32], dim: usize) {
    let radius = (dim as f32).sqrt();
    for row in rows.chunks_exact_mut(dim) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        row.iter_mut().for_each(|v| *v *= radius / norm);
    }
}

/// Code vectors for latents `(n, dim)` on the sphere: Lloyd's algorithm from random latents.
pub fn k_means(latents: &[f32], dim: usize, codes: usize, rounds: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let n = latents.len() / dim;
    let mut centres = Vec::with_capacity(codes * dim);
    for i in 0..codes {
        let at = if n >= codes { i * (n / codes) } else { rng.random_range(0..n) };
        centres.extend_from_slice(&latents[at * dim..at * dim + dim]);
    }
    for _ in 0..rounds {
        let nearest = nearest_codes(latents, &Packed::from_nk(unit(), &centres, codes, dim));
        let mut sums = vec![0.0; codes * dim];
        let mut counts = vec![0u32; codes];
        for (code, latent) in nearest.iter().zip(latents.chunks_exact(dim)) {
            counts[*code as usize] += 1;
            for (s, v) in sums[*code as usize * dim..].iter_mut().zip(latent) {
                *s += *v;
            }
        }
        for (code, count) in counts.iter().enumerate() {
            if *count == 0 {
                let at = rng.random_range(0..n) * dim;
                sums[code * dim..(code + 1) * dim].copy_from_slice(&latents[at..at + dim]);
            }
        }
        to_sphere(&mut sums, dim);
        centres = sums;
    }
    centres
}

/// Replaces codes that were not used by latents of the current batch, slightly moved. Returns how many.
pub fn revive(codebook: &mut [f32], used: &[u32], latents: &[f32], dim: usize, rng: &mut ChaCha8Rng) -> usize {
    let dead: Vec<usize> = used.iter().enumerate().filter(|(_, n)| **n == 0).map(|(code, _)| code).collect();
    let n = latents.len() / dim;
    let revived = dead.len().min(n / 2);
    for (code, at) in dead.into_iter().take(revived).zip(sample(rng, n, revived)) {
        for (c, v) in codebook[code * dim..(code + 1) * dim].iter_mut().zip(&latents[at * dim..]) {
            *c = v + rng.random_range(-0.05..0.05);
        }
    }
    revived
}

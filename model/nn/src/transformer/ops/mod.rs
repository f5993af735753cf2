//! The transformer's operations over plain row-major slices, each with its backward pass.
//!
//! Rows of many sequences stand one below the other without padding, so everything but attention is a loop over rows.
//! Nothing here spawns threads: training runs one shard per thread.
//!
//! Invariant: a backward pass is the derivative of the forward pass beside it; tests compare it with finite differences.

pub mod attention;
pub mod cross_entropy;
pub mod heads;
pub mod linear;
pub mod math;
pub mod rmsnorm;
pub mod rope;
pub mod swiglu;

use multiversion::multiversion;

/// `to += from`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn add(from: &[f32], to: &mut [f32]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t += *f;
    }
}

#[cfg(test)]
pub(crate) mod check;

//! What this machine can do, and what the kernels and a peer reach of it. For `rhea bench kernels`.
//!
//! Times are wall-clock. Ours and the peer's runs alternate, so that what else the machine does meets both.

use std::hint::black_box;
use std::time::Instant;

use candle_core::{Device, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

use super::panels::{dot_pairs, multiply_adds};
use super::tiles::multiply_tiles;
use super::{Arithmetic, Format, Packed, Unit, product};

/// The array that bandwidth is measured on: larger than any cache.
const READ_BYTES: usize = 256 << 20;
/// Weights of a product with few rows are taken in turn from copies of this many bytes together, as a model's layers are
/// read one after the other: none of them is still in a cache when its turn comes again.
const COPIES_BYTES: usize = 128 << 20;
/// Rows up to which weights are taken in turn.
const FEW_ROWS: usize = 8;
/// Shortest time of one sample.
const SAMPLE_SECS: f64 = 0.02;
/// Tries of which the best one counts as the machine's limit.
const TRIES: usize = 7;

/// Measured limits of the machine, on one thread and on all of rayon's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Threads of the second numbers.
    pub threads: usize,
    /// Reading memory, GB/s.
    pub read_gb_s: [f64; 2],
    /// f32 multiply-adds in registers, GFLOP/s.
    pub f32_gflop_s: [f64; 2],
    /// The unit's bf16 tiles from the first-level cache, GFLOP/s; f32 multiply-adds where there are no tiles.
    pub bf16_gflop_s: [f64; 2],
    /// Pairs of 16-bit values in registers, which int8 weights are multiplied as, Gop/s.
    pub int8_gop_s: [f64; 2],
}

/// A product to measure: `m` rows times weights `(n, k)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Format of our weights; the peer's are f32.
    pub format: Format,
    /// Rows.
    pub m: usize,
    /// Outputs.
    pub n: usize,
    /// Inner values.
    pub k: usize,
}

/// Medians of one case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// One product of ours, seconds.
    pub ours_secs: f64,
    /// One product of the peer's, seconds.
    pub peer_secs: f64,
    /// Median of the pairs' `peer / ours`: how many times faster ours is.
    pub ratio: f64,
    /// Bytes of our weights.
    pub bytes: usize,
    /// Largest difference of the two results, relative to the root mean square of the peer's.
    pub difference: f64,
}

impl Case {
    /// Multiplications and additions.
    #[must_use]
    pub fn flop(&self) -> f64 {
        2.0 * (self.m * self.n * self.k) as f64
    }

    /// The least time that the limits allow on all threads: reading the weights once, or multiplying.
    #[must_use]
    pub fn floor_secs(&self, limits: &Limits, bytes: usize) -> f64 {
        let rate = match self.format {
            Format::F32 => limits.f32_gflop_s,
            Format::Bf16 => limits.bf16_gflop_s,
            Format::Int8 => limits.int8_gop_s,
        };
        let multiply = self.flop() / (rate[1] * 1e9);
        // Weights of many rows come from caches; reading them is no floor then.
        let read = if self.m <= FEW_ROWS { bytes as f64 / (limits.read_gb_s[1] * 1e9) } else { 0.0 };
        multiply.max(read)
    }

    /// The largest difference from f32 that rounding explains: five standard deviations of a bf16 product (2^-9 a value), or of
    /// an int8 one.
    #[must_use]
    pub fn allowed_difference(&self) -> f64 {
        match self.format {
            Format::F32 => 1e-4,
            Format::Bf16 => 0.02,
            Format::Int8 => 0.05,
        }
    }
}

/// Measures [`Limits`] with the instructions of an arithmetic.
#[must_use]
pub fn limits(arithmetic: Arithmetic) -> Limits {
    let Arithmetic { unit, isa, .. } = arithmetic;
    let threads = rayon::current_num_threads();
    let memory: Vec<u64> = (0..READ_BYTES as u64 / 8).collect();
    let read = |threads: usize| {
        let part = memory.len().div_ceil(threads);
        let secs = best(|| {
            if threads == 1 {
                black_box(add_up(&memory));
            } else {
                black_box(memory.par_chunks(part).map(add_up).reduce(|| 0, u64::wrapping_add));
            }
        });
        READ_BYTES as f64 / secs / 1e9
    };
    let f32_gflop_s = rates(threads, &|steps| multiply_adds(isa, steps));
    let bf16_gflop_s = match unit {
        Unit::F32 => f32_gflop_s,
        _ => rates(threads, &|steps| multiply_tiles(unit, steps)),
    };
    let int8_gop_s = rates(threads, &|steps| dot_pairs(isa, steps));
    Limits { threads, read_gb_s: [read(1), read(threads)], f32_gflop_s, bf16_gflop_s, int8_gop_s }
}

/// Billions of operations a second on one thread and on all; `work` says how many its steps are.
fn rates(threads: usize, work: &(dyn Fn(usize) -> usize + Sync)) -> [f64; 2] {
    const BLOCK: usize = 1000;
    let started = Instant::now();
    black_box(work(BLOCK));
    // About a twentieth of a second each.
    let steps = BLOCK * (0.05 / started.elapsed().as_secs_f64()).ceil().clamp(1.0, 1e6) as usize;
    [1, threads].map(|threads| {
        let secs = best(|| {
            if threads == 1 {
                black_box(work(steps));
            } else {
                (0..threads).into_par_iter().for_each(|_| {
                    black_box(work(steps));
                });
            }
        });
        (work(1) * steps * threads) as f64 / secs / 1e9
    })
}

/// The least time of several tries.
fn best(mut run: impl FnMut()) -> f64 {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..TRIES).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
fn add_up(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// Our product beside candle's f32 `matmul`, in `pairs` alternating pairs of samples.
///
/// # Errors
/// What candle says.
pub fn compare(arithmetic: Arithmetic, case: Case, pairs: usize) -> candle_core::Result<Timing> {
    let Case { format, m, n, k } = case;
    let x = values(m * k, 1);
    let copies = |bytes: usize| if m <= FEW_ROWS { COPIES_BYTES.div_ceil(bytes).max(1) } else { 1 };
    let w = values(n * k, 2);
    let packed = Packed::for_decoding(Arithmetic { format, ..arithmetic }, &w, n, k);
    let bytes = packed.bytes();
    let ours: Vec<Packed> = vec![packed; copies(bytes)];
    let peer = (0..copies(n * k * 4))
        .map(|_| Tensor::from_slice(&w, (n, k), &Device::Cpu)?.t()?.contiguous())
        .collect::<candle_core::Result<Vec<Tensor>>>()?;
    let left = Tensor::from_slice(&x, (m, k), &Device::Cpu)?;
    let mut out = vec![0.0; m * n];
    product(&x, m, &ours[0], None, &mut out);
    let want = left.matmul(&peer[0])?.flatten_all()?.to_vec1::<f32>()?;
    let difference = largest_difference(&out, &want);

    let (mut next_ours, mut next_peer) = (0, 0);
    let mut run_ours = |times: usize| {
        let start = Instant::now();
        for _ in 0..times {
            product(&x, m, &ours[next_ours % ours.len()], None, &mut out);
            next_ours += 1;
        }
        start.elapsed().as_secs_f64() / times as f64
    };
    let mut run_peer = |times: usize| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(left.matmul(&peer[next_peer % peer.len()])?);
            next_peer += 1;
        }
        candle_core::Result::Ok(start.elapsed().as_secs_f64() / times as f64)
    };
    let times = |secs: f64| (SAMPLE_SECS / secs).ceil().clamp(1.0, 1e5) as usize;
    // Both on one of rayon's threads, as models run: a call from outside waits for the system to wake it again.
    let samples = rayon::scope(|_| {
        let (ours_times, peer_times) = (times(run_ours(3)), times(run_peer(3)?));
        (0..pairs).map(|_| Ok((run_ours(ours_times), run_peer(peer_times)?))).collect::<candle_core::Result<Vec<_>>>()
    })?;
    Ok(Timing {
        ours_secs: median(samples.iter().map(|s| s.0)),
        peer_secs: median(samples.iter().map(|s| s.1)),
        ratio: median(samples.iter().map(|s| s.1 / s.0)),
        bytes,
        difference,
    })
}

fn largest_difference(got: &[f32], want: &[f32]) -> f64 {
    let square: f64 = want.iter().map(|v| f64::from(*v).powi(2)).sum();
    let scale = (square / want.len() as f64).sqrt();
    got.iter().zip(want).map(|(g, w)| f64::from((g - w).abs())).fold(0.0, f64::max) / scale
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Reproducible values around zero, roughly normal as weights are: sums of four uniform ones.
fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(|_| uniform() + uniform() + uniform() + uniform()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn every_format_passes_its_gate_and_takes_time() {
        let units = Unit::present().into_iter().flat_map(|unit| Isa::present().into_iter().map(move |isa| (unit, isa)));
        for (unit, isa) in units {
            for format in Format::ALL {
                let case = Case { format, m: 9, n: 48, k: 96 };
                let timing = compare(Arithmetic { unit, isa, format }, case, 1).unwrap();
                assert!(timing.difference <= case.allowed_difference(), "{format:?} {}", timing.difference);
                assert!(timing.ours_secs > 0.0 && timing.peer_secs > 0.0 && timing.bytes > 0);
            }
        }
    }

    #[test]
    fn the_floor_is_the_slower_of_reading_and_multiplying() {
        let limits = Limits {
            threads: 2,
            read_gb_s: [10.0, 20.0],
            f32_gflop_s: [50.0, 100.0],
            bf16_gflop_s: [100.0, 200.0],
            int8_gop_s: [150.0, 400.0],
        };
        let few = Case { format: Format::Bf16, m: 1, n: 1000, k: 1000 };
        assert!((few.floor_secs(&limits, 2_000_000) - 1e-4).abs() < 1e-12);
        let many = Case { m: 100, ..few };
        assert!((many.floor_secs(&limits, 2_000_000) - 1e-3).abs() < 1e-12);
        let int = Case { format: Format::Int8, ..many };
        assert!((int.floor_secs(&limits, 1_000_000) - 5e-4).abs() < 1e-12);
    }
}

//! Small vector arithmetic that the compiler turns into SIMD inside the run-time dispatched functions that use it.

use multiversion::multiversion;

/// Lanes of a reduction: the width of one AVX-512 register.
pub const LANES: usize = 16;

/// `e^x` to about 2e-7 relative, without a call, so that loops over it vectorise; NaN stays NaN, results do not overflow.
#[inline(always)]
#[must_use]
#[allow(clippy::excessive_precision, reason = "coefficients as published by Cephes' expf")]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_375 + n * 2.121_944_40e-4;
    let mut p = 1.987_569_15e-4;
    p = p * r + 1.398_199_95e-3;
    p = p * r + 8.333_451_91e-3;
    p = p * r + 4.166_579_59e-2;
    p = p * r + 1.666_666_55e-1;
    p = p * r + 5.000_000_12e-1;
    let value = p * r * r + r + 1.0;
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn fold(lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut lanes = lanes;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum a b` in a fixed order.
#[inline(always)]
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    fold(lanes) + rest
}

/// `sum a` in a fixed order.
#[inline(always)]
#[must_use]
pub fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for x in chunks {
        for i in 0..LANES {
            lanes[i] += x[i];
        }
    }
    fold(lanes) + rest
}

/// The largest value; `-inf` for an empty slice. A NaN may be passed over.
#[inline(always)]
#[must_use]
pub fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let mut largest = f32::NEG_INFINITY;
    for x in chunks.remainder() {
        largest = if *x > largest { *x } else { largest };
    }
    for x in chunks {
        for i in 0..LANES {
            lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] };
        }
    }
    lanes.iter().fold(largest, |m, x| if *x > m { *x } else { m })
}

/// Are all values finite?
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
#[must_use]
pub fn all_finite(values: &[f32]) -> bool {
    // Without an early exit the loop needs no branches.
    let mut spoilt = 0;
    for value in values {
        spoilt |= u32::from(value.to_bits() & 0x7f80_0000 == 0x7f80_0000);
    }
    spoilt == 0
}

/// `sum a` in f64, in a fixed order.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
#[must_use]
pub fn wide_sum(a: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|x| f64::from(*x)).sum();
    for x in chunks {
        for i in 0..LANES {
            lanes[i] += f64::from(x[i]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// `out = e^((values - shift) * factor)`; returns the sum, in a fixed order.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn exp_all(values: &[f32], shift: f32, factor: f32, out: &mut [f32]) -> f32 {
    for (o, v) in out.iter_mut().zip(values) {
        *o = exp((*v - shift) * factor);
    }
    sum(out)
}

/// `to += from * factor`.
#[inline(always)]
pub fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    for (t, f) in to.iter_mut().zip(from) {
        *t += *f * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_f64() {
        let mut worst = 0.0_f64;
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - want).abs() / want);
        }
        assert!(worst < 3e-7, "relative error {worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e30) < 1e-37 && exp(1e30).is_finite());
    }

    #[test]
    fn reductions_agree_with_plain_sums() {
        let a: Vec<f32> = (0..37).map(|i| (i * 7 % 11) as f32 - 4.0).collect();
        let b: Vec<f32> = (0..37).map(|i| (i * 5 % 13) as f32 - 6.0).collect();
        assert_eq!(dot(&a, &b), a.iter().zip(&b).map(|(x, y)| x * y).sum::<f32>());
        assert_eq!(sum(&a), a.iter().sum::<f32>());
        assert_eq!(max(&a), 6.0);
        assert_eq!(max(&[]), f32::NEG_INFINITY);
        assert_eq!(wide_sum(&a), f64::from(sum(&a)));
        assert!(all_finite(&a) && all_finite(&[]));
        for spoilt in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!all_finite(&[&a[..], &[spoilt]].concat()));
        }
    }
}

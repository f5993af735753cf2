//! Rounding to bf16 by AVX-512 BF16's own conversions, and softmax weights that are rounded as they are made.
//!
//! They round to the nearest, ties to even, and take subnormal values for zero, as the products of `vdpbf16ps` do anyway.
#![allow(unsafe_code, reason = "vector instructions; the entries are safe")]

use super::COLUMNS;
#[cfg(target_arch = "x86_64")]
pub(super) use imp::alternating;

/// Rounds a row; `to` may be longer and keeps its tail.
///
/// # Panics
/// When `to` is shorter, or this CPU lacks AVX-512 BF16.
pub fn round_row(from: &[f32], to: &mut [u16]) {
    assert!(to.len() >= from.len(), "{} values for {}", from.len(), to.len());
    assert!(crate::kernels::avx512::available(), "AVX-512 BF16 is not available");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the instructions, and `to` has room.
    unsafe {
        imp::row(from, to.as_mut_ptr());
    }
}

/// `(rows, width)` to pairs of rows, `(rows / 2, width)`, the first of a pair in the lower half; the last row is paired with
/// zeros where there is no other.
///
/// # Panics
/// When `width` is no multiple of 16, `to` is shorter than the pairs, or this CPU lacks AVX-512 BF16.
pub fn round_pairs(x: &[f32], width: usize, to: &mut [u32]) {
    assert!(width > 0 && width.is_multiple_of(COLUMNS) && x.len().is_multiple_of(width), "rows of {width}");
    assert!(to.len() >= (x.len() / width).div_ceil(2) * width, "{} values for {} pairs", x.len(), to.len());
    assert!(crate::kernels::avx512::available(), "AVX-512 BF16 is not available");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the instructions, rows are whole columns, and `to` has room.
    unsafe {
        imp::pairs(x, width, to.as_mut_ptr());
    }
}

/// What an online softmax keeps of each lane: the largest score, the sum of `e^(score - largest)`, and what earlier sums are
/// to be multiplied by since the last tile. One value a lane.
#[derive(Debug)]
pub struct Running<'a> {
    /// The largest score so far.
    pub largest: &'a mut [f32],
    /// The sum of weights so far.
    pub sums: &'a mut [f32],
    /// What weights of earlier tiles shrink by.
    pub factors: &'a mut [f32],
}

/// Scores `(keys, lanes)` to pairs of weights `e^(score - largest)`, `(keys / 2, lanes)`, as [`round_pairs`] pairs them; the
/// sums are of weights that are not rounded. Minus infinity is a key that is not seen.
///
/// # Panics
/// When there are no whole rows of lanes, lanes are no multiple of 16, `to` is shorter than the pairs, or this CPU lacks
/// AVX-512 BF16.
pub fn weigh_pairs(scores: &[f32], running: Running<'_>, to: &mut [u32]) {
    let lanes = running.largest.len();
    assert!(lanes > 0 && lanes.is_multiple_of(COLUMNS) && scores.len().is_multiple_of(lanes), "rows of {lanes} lanes");
    assert!(running.sums.len() == lanes && running.factors.len() == lanes, "one sum and one factor for every lane");
    assert!(to.len() >= (scores.len() / lanes).div_ceil(2) * lanes, "{} scores for {} pairs", scores.len(), to.len());
    assert!(crate::kernels::avx512::available(), "AVX-512 BF16 is not available");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the instructions, and all slices hold whole columns of lanes.
    unsafe {
        imp::weigh(scores, running, to.as_mut_ptr());
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        __m256bh, __m256i, __m512, __m512bh, __m512i, _CMP_EQ_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT,
        _mm256_mask_storeu_epi16, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps,
        _mm512_permutexvar_epi16, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set_epi16, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps,
    };

    use super::{COLUMNS, Running};

    /// # Safety
    /// The CPU has AVX-512 F, BW, VL and BF16; there is room for the row at `to`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub unsafe fn row(from: &[f32], to: *mut u16) {
        let whole = from.len() / (2 * COLUMNS) * 2 * COLUMNS;
        // SAFETY: loads and stores stay inside the row; masks cut off what lies behind it.
        unsafe {
            for i in (0..whole).step_by(2 * COLUMNS) {
                let low = _mm512_loadu_ps(from.as_ptr().add(i));
                let high = _mm512_loadu_ps(from.as_ptr().add(i + COLUMNS));
                _mm512_storeu_si512(to.add(i).cast(), bits(_mm512_cvtne2ps_pbh(high, low)));
            }
            for i in (whole..from.len()).step_by(COLUMNS) {
                let mask = u16::MAX >> (COLUMNS - COLUMNS.min(from.len() - i));
                let values = _mm512_maskz_loadu_ps(mask, from.as_ptr().add(i));
                _mm256_mask_storeu_epi16(
                    to.add(i).cast(),
                    mask,
                    std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values)),
                );
            }
        }
    }

    /// # Safety
    /// The CPU has AVX-512 F, BW and BF16; rows are whole columns, and there is room for their pairs at `to`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub unsafe fn pairs(x: &[f32], width: usize, to: *mut u32) {
        for (pair, two) in x.chunks(2 * width).enumerate() {
            for i in (0..width).step_by(COLUMNS) {
                // SAFETY: a column of sixteen in rows that are there, and its pairs.
                unsafe {
                    let even = _mm512_loadu_ps(two.as_ptr().add(i));
                    let odd = if two.len() > width {
                        _mm512_loadu_ps(two.as_ptr().add(width + i))
                    } else {
                        _mm512_setzero_ps()
                    };
                    _mm512_storeu_si512(to.add(pair * width + i).cast(), paired(even, odd));
                }
            }
        }
    }

    /// # Safety
    /// The CPU has AVX-512 F, BW and BF16; scores are whole rows of lanes, lanes whole columns, all slices of `running` have a
    /// value for each lane, and there is room for the pairs at `to`.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub unsafe fn weigh(scores: &[f32], running: Running<'_>, to: *mut u32) {
        let Running { largest, sums, factors } = running;
        let lanes = largest.len();
        let keys = scores.len() / lanes;
        let log2_e = _mm512_set1_ps(std::f32::consts::LOG2_E);
        for lane in (0..lanes).step_by(COLUMNS) {
            // SAFETY: the caller's promise, for sixteen lanes from `lane` on.
            unsafe {
                let scores = scores.as_ptr().add(lane);
                let old = _mm512_loadu_ps(largest.as_ptr().add(lane));
                // A NaN is passed over here and comes back in its own weight.
                let new = (0..keys).fold(old, |new, key| _mm512_max_ps(_mm512_loadu_ps(scores.add(key * lanes)), new));
                // Nothing is seen yet: any finite number does, and what minus infinity is above it is zero.
                let nothing = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(new, _mm512_set1_ps(f32::NEG_INFINITY));
                let top = _mm512_mask_blend_ps(nothing, new, _mm512_setzero_ps());
                let weight = |score: __m512| exp2(_mm512_mul_ps(_mm512_sub_ps(score, top), log2_e));
                // Exactly one where an earlier key remains the largest.
                let factor = weight(old);
                let mut sum = _mm512_mul_ps(_mm512_loadu_ps(sums.as_ptr().add(lane)), factor);
                for pair in 0..keys / 2 {
                    let even = weight(_mm512_loadu_ps(scores.add(2 * pair * lanes)));
                    let odd = weight(_mm512_loadu_ps(scores.add((2 * pair + 1) * lanes)));
                    sum = _mm512_add_ps(_mm512_add_ps(sum, even), odd);
                    _mm512_storeu_si512(to.add(pair * lanes + lane).cast(), paired(even, odd));
                }
                if keys % 2 == 1 {
                    let even = weight(_mm512_loadu_ps(scores.add((keys - 1) * lanes)));
                    sum = _mm512_add_ps(sum, even);
                    _mm512_storeu_si512(to.add(keys / 2 * lanes + lane).cast(), paired(even, _mm512_setzero_ps()));
                }
                _mm512_storeu_ps(largest.as_mut_ptr().add(lane), new);
                _mm512_storeu_ps(sums.as_mut_ptr().add(lane), sum);
                _mm512_storeu_ps(factors.as_mut_ptr().add(lane), factor);
            }
        }
    }

    /// `2^x` for `x` up to 127 to 8e-6 relative, far inside what bf16 keeps; zero for minus infinity, exactly one for zero, NaN
    /// for NaN. Chebyshev's polynomial of `(2^f - 1) / f` over half a unit to each side.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn exp2(x: __m512) -> __m512 {
        // The first operand wins where both are numbers and larger; a NaN in the second stays.
        let x = _mm512_max_ps(_mm512_set1_ps(-200.0), x);
        let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        let f = _mm512_sub_ps(x, n);
        let p = _mm512_fmadd_ps(_mm512_set1_ps(0.009_666_374), f, _mm512_set1_ps(0.055_838_343));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240_223_48));
        let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693_136_75));
        _mm512_scalef_ps(_mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0)), n)
    }

    /// Sixteen pairs, of `even` in the lower halves.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn paired(even: __m512, odd: __m512) -> __m512i {
        _mm512_permutexvar_epi16(alternating(), bits(_mm512_cvtne2ps_pbh(odd, even)))
    }

    /// Where 32 values of 16 bits go so that those of the lower and of the upper half alternate.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn alternating() -> __m512i {
        #[rustfmt::skip]
        let order = _mm512_set_epi16(
            31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
        );
        order
    }

    #[inline(always)]
    fn bits(halves: __m512bh) -> __m512i {
        // SAFETY: both are 64 bytes without invalid values.
        unsafe { std::mem::transmute(halves) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::convert::bf16;

    fn values(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 % 1009) as f32 / 100.0 - 5.0) * 1.01_f32.powi((i % 300) as i32)).collect()
    }

    #[test]
    fn rows_and_pairs_round_as_single_values_do() {
        if !crate::kernels::avx512::available() {
            return;
        }
        let x = values(7 * 48 + 1);
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 100] {
            let mut to = vec![7_u16; len + 1];
            round_row(&x[1..=len], &mut to);
            let want: Vec<u16> = x[1..=len].iter().map(|v| bf16(*v)).chain([7]).collect();
            assert_eq!(to, want, "a row of {len}");
        }
        let (x, width) = (&x[1..], 48);
        for rows in [1, 2, 7] {
            let mut to = vec![u32::MAX; 4 * width];
            round_pairs(&x[..rows * width], width, &mut to);
            for (i, got) in to[..rows.div_ceil(2) * width].iter().enumerate() {
                let at = |row: usize| if row < rows { u32::from(bf16(x[row * width + i % width])) } else { 0 };
                assert_eq!(*got, at(i / width * 2) | (at(i / width * 2 + 1) << 16), "pair {i} of {rows} rows");
            }
        }
    }

    #[test]
    fn weights_are_those_of_the_definition_tile_after_tile() {
        if !crate::kernels::avx512::available() {
            return;
        }
        const LANES: usize = 32;
        let mut scores: Vec<f32> = values(10 * LANES).iter().map(|v| v % 90.0).collect();
        // A lane that sees nothing, one whose first tile sees nothing, one with NaN.
        for key in 0..10 {
            scores[key * LANES + 3] = f32::NEG_INFINITY;
        }
        (0..5).for_each(|key| scores[key * LANES + 4] = f32::NEG_INFINITY);
        scores[7 * LANES + 5] = f32::NAN;
        let (mut largest, mut sums, mut factors) = ([f32::NEG_INFINITY; LANES], [0.0; LANES], [1.0; LANES]);
        let mut weights = vec![0.0_f64; 10 * LANES];
        for first in [0, 5] {
            let mut pairs = vec![0_u32; 3 * LANES];
            let running = Running { largest: &mut largest, sums: &mut sums, factors: &mut factors };
            weigh_pairs(&scores[first * LANES..(first + 5) * LANES], running, &mut pairs);
            for (i, weight) in weights[..(first + 5) * LANES].iter_mut().enumerate() {
                let (key, lane) = (i / LANES, i % LANES);
                if key < first {
                    *weight *= f64::from(factors[lane]);
                } else {
                    let pair = pairs[(key - first) / 2 * LANES + lane];
                    *weight =
                        f64::from(f32::from_bits(if (key - first) % 2 == 0 { pair << 16 } else { pair & 0xffff_0000 }));
                }
            }
        }
        for lane in 0..LANES {
            let column = || (0..10).map(|key| f64::from(scores[key * LANES + lane]));
            let top = column().fold(f64::NEG_INFINITY, f64::max);
            let exact = |score: f64| if score == f64::NEG_INFINITY { 0.0 } else { (score - top).exp() };
            let total: f64 = column().map(exact).sum();
            if lane == 5 {
                assert!(sums[lane].is_nan() && weights[7 * LANES + lane].is_nan(), "NaN is not hidden");
                continue;
            }
            assert!((f64::from(sums[lane]) - total).abs() <= 2e-5 * total, "lane {lane}: {} of {total}", sums[lane]);
            for (key, score) in column().enumerate() {
                let (got, want) = (weights[key * LANES + lane], exact(score));
                assert!((got - want).abs() <= want / 250.0 + 1e-37, "lane {lane}, key {key}: {got}, not {want}");
            }
        }
    }
}

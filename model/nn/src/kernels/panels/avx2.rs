//! [`Lanes`] with AVX2 and FMA: two registers of eight. All loads and stores are of the unaligned kind.
#![allow(unsafe_code, reason = "vector instructions behind the contract of `Lanes`")]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T1, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehdup_ps,
    _mm_movehl_ps, _mm_prefetch, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_castsi256_ps, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_storeu_ps,
};

use super::lanes::Lanes;

/// The implementation. It has no closures: they would be compiled without these instructions.
pub struct Avx2;

impl Lanes for Avx2 {
    type Float = [__m256; 2];
    type Int = [__m256i; 2];
    type Pairs = [__m256i; 2];
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { [_mm256_setzero_ps(); 2] }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn store(value: [__m256; 2], to: *mut f32) {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
    }

    #[inline(always)]
    unsafe fn even(from: *const u16) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe {
            let (low, high) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast()));
            let (low, high) = (_mm256_slli_epi32::<16>(low), _mm256_slli_epi32::<16>(high));
            [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
        }
    }

    #[inline(always)]
    unsafe fn odd(from: *const u16) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe {
            let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            let (low, high) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast()));
            let (low, high) = (_mm256_and_si256(low, upper), _mm256_and_si256(high, upper));
            [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: [__m256; 2], w: [__m256; 2], sum: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { [_mm256_fmadd_ps(x[0], w[0], sum[0]), _mm256_fmadd_ps(x[1], w[1], sum[1])] }
    }

    #[inline(always)]
    unsafe fn sum(value: [__m256; 2]) -> f32 {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe {
            let eight = _mm256_add_ps(value[0], value[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn zero_int() -> [__m256i; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    unsafe fn widen(from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe {
            let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(16).cast()));
            [_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high)]
        }
    }

    #[inline(always)]
    unsafe fn dot_pairs(x: *const i16, w: [__m256i; 2], sum: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the caller has AVX2 and FMA, and points at as many values as are read or written.
        unsafe {
            let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
            let (low, high) = (_mm256_madd_epi16(x, w[0]), _mm256_madd_epi16(x, w[1]));
            [_mm256_add_epi32(low, sum[0]), _mm256_add_epi32(high, sum[1])]
        }
    }

    #[inline(always)]
    unsafe fn scale_add(sum: [__m256i; 2], x_scale: f32, w: [__m256; 2], total: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA.
        unsafe {
            let x = _mm256_set1_ps(x_scale);
            let low = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[0]), x);
            let high = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[1]), x);
            [_mm256_fmadd_ps(low, w[0], total[0]), _mm256_fmadd_ps(high, w[1], total[1])]
        }
    }
}

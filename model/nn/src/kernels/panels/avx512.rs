//! [`Lanes`] with AVX-512 F, BW and VNNI: one register of sixteen. All loads and stores are of the unaligned kind.
#![allow(unsafe_code, reason = "vector instructions behind the contract of `Lanes`")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T1, _mm_prefetch, _mm256_loadu_si256, _mm512_and_si512, _mm512_castps512_ps256,
    _mm512_castsi512_ps, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_storeu_ps,
};

use super::avx2::Avx2;
use super::lanes::Lanes;

/// The implementation. It has no closures: they would be compiled without these instructions.
pub struct Avx512;

impl Lanes for Avx512 {
    type Float = __m512;
    type Int = __m512i;
    type Pairs = __m512i;
    const MANY_REGISTERS: bool = true;

    #[inline(always)]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller has AVX-512, and points at as many values as are read or written.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(value: __m512, to: *mut f32) {
        // SAFETY: the caller has AVX-512, and points at as many values as are read or written.
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn even(from: *const u16) -> __m512 {
        // SAFETY: the caller has AVX-512, and points at as many values as are read or written.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_loadu_si512(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn odd(from: *const u16) -> __m512 {
        // SAFETY: the caller has AVX-512, and points at as many values as are read or written.
        unsafe {
            let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(from.cast()), upper))
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: __m512, w: __m512, sum: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_fmadd_ps(x, w, sum) }
    }

    #[inline(always)]
    unsafe fn sum(value: __m512) -> f32 {
        // SAFETY: the caller has AVX-512, and with it AVX2 and FMA.
        unsafe {
            let upper = _mm512_shuffle_f32x4::<0b11_10_11_10>(value, value);
            Avx2::sum([_mm512_castps512_ps256(value), _mm512_castps512_ps256(upper)])
        }
    }

    #[inline(always)]
    unsafe fn zero_int() -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn widen(from: *const i8) -> __m512i {
        // SAFETY: the caller has AVX-512, and points at as many values as are read or written.
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn dot_pairs(x: *const i16, w: __m512i, sum: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 with VNNI, and points at as many values as are read or written.
        unsafe { _mm512_dpwssd_epi32(sum, _mm512_set1_epi32(x.cast::<i32>().read_unaligned()), w) }
    }

    #[inline(always)]
    unsafe fn scale_add(sum: __m512i, x_scale: f32, w_scale: __m512, total: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(x_scale));
            _mm512_fmadd_ps(x, w_scale, total)
        }
    }
}

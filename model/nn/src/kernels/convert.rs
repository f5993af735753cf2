//! From f32 to bf16, in the orders that tiles want.

use multiversion::multiversion;

/// Nearest bf16, ties to even.
#[inline(always)]
pub fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Rounds a row to bf16; `to` may be longer and keeps its tail.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn row_to_bf16(from: &[f32], to: &mut [u16]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = bf16(*f);
    }
}

/// Interleaves two rows: element pairs `(even[c], odd[c])`, the order of a tile's second operand.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn interleave_rows(even: &[f32], odd: &[f32], to: &mut [u32]) {
    for ((t, e), o) in to.iter_mut().zip(even).zip(odd) {
        *t = u32::from(bf16(*e)) | (u32::from(bf16(*o)) << 16);
    }
}

/// As [`interleave_rows`] for rows that are bf16 already.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn interleave_bf16(even: &[u16], odd: &[u16], to: &mut [u32]) {
    for ((t, e), o) in to.iter_mut().zip(even).zip(odd) {
        *t = u32::from(*e) | (u32::from(*o) << 16);
    }
}

/// Adds `from` to `to`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn add_row(from: &[f32], to: &mut [f32]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t += *f;
    }
}

/// `to = from + bias`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2+fma"))]
pub fn add_bias(from: &[f32], bias: &[f32], to: &mut [f32]) {
    for ((t, f), b) in to.iter_mut().zip(from).zip(bias) {
        *t = *f + *b;
    }
}

/// One value rounded as the AMX path rounds its operands.
#[cfg(test)]
pub fn rounded(value: f32) -> f32 {
    f32::from_bits(u32::from(bf16(value)) << 16)
}

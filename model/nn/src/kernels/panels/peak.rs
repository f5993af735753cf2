//! How many multiplications the CPU can do when nothing has to be read.
#![allow(unsafe_code, reason = "vector instructions; the entries are safe")]

use std::hint::black_box;

use super::COLUMNS;
use super::lanes::{Lanes, Portable};
use crate::kernels::Isa;

/// Chains that hide the latency of a multiply-add: six of sixteen columns.
const CHAINS: usize = 6;

/// Multiplies and adds `steps` times in registers, on the calling thread; returns the number of operations, two for each
/// multiply-add.
///
/// # Panics
/// When this CPU lacks the instructions.
pub fn multiply_adds(isa: Isa, steps: usize) -> usize {
    run::<false>(isa, steps);
    steps * CHAINS * COLUMNS * 2
}

/// As [`multiply_adds`], with pairs of 16-bit values, which is how int8 weights are multiplied.
///
/// # Panics
/// When this CPU lacks the instructions.
pub fn dot_pairs(isa: Isa, steps: usize) -> usize {
    run::<true>(isa, steps);
    steps * CHAINS * COLUMNS * 4
}

fn run<const INTS: bool>(isa: Isa, steps: usize) {
    assert!(isa.is_present(), "this CPU does not have {}", isa.name());
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the instructions.
        Isa::Avx512 => unsafe { avx512::<INTS>(steps) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { avx2::<INTS>(steps) },
        // SAFETY: needs no particular CPU.
        _ => unsafe { all::<Portable, INTS>(steps) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const INTS: bool>(steps: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<super::avx2::Avx2, INTS>(steps) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn avx512<const INTS: bool>(steps: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<super::avx512::Avx512, INTS>(steps) }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn all<L: Lanes, const INTS: bool>(steps: usize) {
    let mut out = [0.0_f32; COLUMNS];
    // SAFETY: the caller's promise; `out` has room for sixteen values, `pairs` holds sixteen pairs.
    unsafe {
        let (x, w) = (L::splat(black_box(0.999)), L::splat(black_box(0.001)));
        let mut sums = [L::zero(); CHAINS];
        let pairs = black_box([3_i8; 2 * COLUMNS]);
        let (left, right) = (black_box([1_i16, 2]), L::widen(pairs.as_ptr()));
        let mut ints = [L::zero_int(); CHAINS];
        for _ in 0..steps {
            for chain in 0..CHAINS {
                if INTS {
                    ints[chain] = L::dot_pairs(left.as_ptr(), right, ints[chain]);
                } else {
                    sums[chain] = L::multiply_add(sums[chain], x, w);
                }
            }
        }
        for chain in 0..CHAINS {
            L::store(L::scale_add(ints[chain], 1.0, w, sums[chain]), out.as_mut_ptr());
            black_box(&out);
        }
    }
}

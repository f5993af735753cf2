//! How many multiplications the CPU can do when nothing has to be read.
#![allow(unsafe_code, reason = "vector instructions; the entry is safe")]

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
    assert!(isa.is_present(), "this CPU does not have {}", isa.name());
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the instructions.
        Isa::Avx512 => unsafe { avx512(steps) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { avx2(steps) },
        // SAFETY: needs no particular CPU.
        _ => unsafe { all::<Portable>(steps) },
    }
    steps * CHAINS * COLUMNS * 2
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(steps: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<super::avx2::Avx2>(steps) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma")]
unsafe fn avx512(steps: usize) {
    // SAFETY: the caller's promise.
    unsafe { all::<super::avx512::Avx512>(steps) }
}

/// # Safety
/// The CPU has the instructions of `L`.
#[inline(always)]
unsafe fn all<L: Lanes>(steps: usize) {
    let mut out = [0.0_f32; COLUMNS];
    // SAFETY: the caller's promise; `out` has room for sixteen values.
    unsafe {
        let (x, w) = (L::splat(black_box(0.999)), L::splat(black_box(0.001)));
        let mut sums = [L::zero(); CHAINS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = L::multiply_add(*sum, x, w);
            }
        }
        for sum in sums {
            L::store(sum, out.as_mut_ptr());
            black_box(&out);
        }
    }
}

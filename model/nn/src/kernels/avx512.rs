//! AVX-512: the BF16 dot product over tiles (`vdpbf16ps`), and the transposition of a tile.
//!
//! Eight rows by two registers of sixteen columns stay in registers; four such strips make the 32 x 32 block that AMX makes.
#![allow(unsafe_code, reason = "vector instructions on raw pointers; `tiles.rs` makes a safe interface of them")]

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        __cpuid_count, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_shuffle_i32x4, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use crate::kernels::tiles::{Operand, Step, Target};

    /// Rows of a strip.
    const STRIP: usize = 8;
    /// Pairs of inner values in a tile.
    const PAIRS: usize = 16;

    /// Does the CPU have the BF16 dot product?
    pub fn available() -> bool {
        std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512bf16")
    }

    /// Is the BF16 dot product faster than f32 multiply-adds? AMD's cores (Zen 4 and on) do as many of both, and the dot product
    /// takes twice the values; Intel's without AMX do fewer than half as many: `RHEA_KERNELS=avx512-bf16 rhea bench kernels`
    /// on a Sapphire Rapids core without AMX says 87 Gop/s of bf16 and 142 of f32.
    pub fn pays() -> bool {
        let vendor = __cpuid_count(0, 0);
        available() && [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    }

    /// Says that the CPU has AVX-512 BF16.
    pub struct Present(());

    impl Present {
        pub fn check() -> Self {
            assert!(available(), "AVX-512 BF16 is not available");
            Self(())
        }

        /// Runs the steps and writes four f32 tiles; with `accumulate` they start from what is there.
        ///
        /// # Safety
        /// There is a step; every tile row that the steps address lies inside its operand, every output of the target behind `c`.
        pub unsafe fn run(
            &self,
            steps: &[Step],
            a: Operand<'_>,
            b: Operand<'_>,
            c: *mut f32,
            to: Target,
            accumulate: bool,
        ) {
            // SAFETY: the caller's promise; the CPU has the instructions by construction of `self`.
            unsafe { block(steps, a, b, c, to, accumulate) }
        }
    }

    /// # Safety
    /// As [`Present::run`]; the CPU has the instructions.
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn block(steps: &[Step], a: Operand<'_>, b: Operand<'_>, c: *mut f32, to: Target, accumulate: bool) {
        // The second row tile is named twice where there are no more rows: its outputs are nobody's then.
        let halves = if a.second == a.first { 1 } else { 2 };
        for strip in 0..halves * 16 / STRIP {
            let (half, row) = (strip * STRIP / 16, strip * STRIP % 16);
            // SAFETY: the caller's promise, for the eight rows from `row` on of one row tile.
            unsafe {
                let tile = if half == 0 { a.first } else { a.second };
                let left = a.data.as_ptr().add(tile).cast::<u8>().add(row * a.pitch);
                let right = [b.data.as_ptr().add(b.first).cast::<u8>(), b.data.as_ptr().add(b.second).cast::<u8>()];
                let c = c.add(half * to.lower + row * to.pitch);
                // The pitch of packed tiles is a constant that loads take without arithmetic.
                if a.pitch == 64 && b.pitch == 64 {
                    rows(steps, (left, 64), (right, 64), c, to, accumulate);
                } else {
                    rows(steps, (left, a.pitch), (right, b.pitch), c, to, accumulate);
                }
            }
        }
    }

    /// One strip of rows.
    ///
    /// # Safety
    /// As [`block`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn rows(
        steps: &[Step],
        (left, left_pitch): (*const u8, usize),
        (right, right_pitch): ([*const u8; 2], usize),
        c: *mut f32,
        to: Target,
        accumulate: bool,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); 2]; STRIP];
            if accumulate {
                for (row, sums) in sums.iter_mut().enumerate() {
                    let at = c.add(row * to.pitch);
                    *sums = [_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(to.right))];
                }
            }
            for step in steps {
                let left = left.add(step.a);
                let right = [right[0].add(step.b), right[1].add(step.b)];
                for pair in 0..PAIRS {
                    let w0 = as_bf16(_mm512_loadu_si512(right[0].add(pair * right_pitch).cast()));
                    let w1 = as_bf16(_mm512_loadu_si512(right[1].add(pair * right_pitch).cast()));
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = left.add(row * left_pitch + pair * 4).cast::<i32>().read_unaligned();
                        let x = as_bf16(_mm512_set1_epi32(x));
                        sums[0] = _mm512_dpbf16_ps(sums[0], x, w0);
                        sums[1] = _mm512_dpbf16_ps(sums[1], x, w1);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let at = c.add(row * to.pitch);
                _mm512_storeu_ps(at, sums[0]);
                _mm512_storeu_ps(at.add(to.right), sums[1]);
            }
        }
    }

    #[inline]
    fn as_bf16(bits: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes without invalid values.
        unsafe { std::mem::transmute(bits) }
    }

    /// # Safety
    /// The CPU has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn transpose16(from: &[u32; 256], to: &mut [u32; 256]) {
        // SAFETY: all loads and stores stay inside the two 256-element arrays.
        unsafe {
            let row = |i: usize| _mm512_loadu_si512(from.as_ptr().add(i * 16).cast::<__m512i>());
            let r: [__m512i; 16] = std::array::from_fn(row);
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
            }
            let mut q = t;
            for i in 0..4 {
                q[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
                q[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
                q[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
                q[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
            }
            // q[4 g + j] holds, in lane l, column 4 l + j of rows 4 g .. 4 g + 3.
            for j in 0..4 {
                let lo01 = _mm512_shuffle_i32x4::<0x44>(q[j], q[4 + j]);
                let hi01 = _mm512_shuffle_i32x4::<0xee>(q[j], q[4 + j]);
                let lo23 = _mm512_shuffle_i32x4::<0x44>(q[8 + j], q[12 + j]);
                let hi23 = _mm512_shuffle_i32x4::<0xee>(q[8 + j], q[12 + j]);
                let columns = [
                    _mm512_shuffle_i32x4::<0x88>(lo01, lo23),
                    _mm512_shuffle_i32x4::<0xdd>(lo01, lo23),
                    _mm512_shuffle_i32x4::<0x88>(hi01, hi23),
                    _mm512_shuffle_i32x4::<0xdd>(hi01, hi23),
                ];
                for (l, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_si512(to.as_mut_ptr().add((4 * l + j) * 16).cast::<__m512i>(), column);
                }
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    use crate::kernels::tiles::{Operand, Step, Target};

    pub fn available() -> bool {
        false
    }

    pub fn pays() -> bool {
        false
    }

    pub struct Present(());

    impl Present {
        pub fn check() -> Self {
            unreachable!("AVX-512 exists on x86-64 only and `available` said so")
        }

        pub unsafe fn run(&self, _: &[Step], _: Operand<'_>, _: Operand<'_>, _: *mut f32, _: Target, _: bool) {}
    }
}

#[cfg(target_arch = "x86_64")]
pub use imp::transpose16;
pub use imp::{Present, available, pays};

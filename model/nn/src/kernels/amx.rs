//! AMX bf16 tiles by inline assembly: the only assembly in Rhea.
//!
//! One micro-kernel serves every product: it walks a table of operand offsets, loads two tiles of each operand and
//! accumulates a 32 x 32 block of outputs in four tiles.
#![allow(unsafe_code, reason = "AMX has no stable intrinsics; the module offers a safe interface over slices")]

/// Elements of one bf16 operand tile: 16 rows of 32.
pub const TILE: usize = 512;
/// Outputs of one micro-kernel call: four 16 x 16 tiles, in the order (0,0) (0,1) (1,0) (1,1).
pub const BLOCK: usize = 1024;

/// One step of the micro-kernel: byte offsets added to both A and both B pointers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Step {
    /// Byte offset into operand A.
    pub a: usize,
    /// Byte offset into operand B.
    pub b: usize,
}

/// Steps of even strides, with how far they reach.
#[derive(Clone, Debug)]
pub struct Path {
    steps: Vec<Step>,
    reach_a: usize,
    reach_b: usize,
}

impl Path {
    /// `count` steps, each `stride` bytes after the one before.
    #[must_use]
    pub fn even(count: usize, stride: Step) -> Self {
        let steps = (0..count).map(|i| Step { a: i * stride.a, b: i * stride.b }).collect();
        let last = count.saturating_sub(1);
        Self { steps, reach_a: last * stride.a, reach_b: last * stride.b }
    }
}

/// Where the two row tiles and the two column tiles of a block begin, in elements, and their row pitch in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The operand's data, bf16 bits.
    pub data: &'a [u16],
    /// Element offset of the first tile at step offset 0.
    pub first: usize,
    /// Element offset of the second tile at step offset 0.
    pub second: usize,
    /// Bytes between the 16 rows of a tile.
    pub pitch: usize,
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;

    use super::{BLOCK, Operand, Path, Step};

    /// Does the CPU have AMX bf16 and AVX-512, and does the kernel let this process use the tile registers?
    pub fn available() -> bool {
        let leaf = __cpuid_count(7, 0);
        let tiles = leaf.edx & (1 << 22) != 0 && leaf.edx & (1 << 24) != 0;
        tiles && std::is_x86_feature_detected!("avx512f") && permission()
    }

    #[cfg(target_os = "linux")]
    fn permission() -> bool {
        const ARCH_PRCTL: usize = 158;
        const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
        const XFEATURE_XTILEDATA: usize = 18;
        let result: isize;
        // SAFETY: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA) reads no memory and only enables a register state.
        unsafe {
            asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
                out("rcx") _, out("r11") _, options(nostack));
        }
        result == 0
    }

    #[cfg(not(target_os = "linux"))]
    fn permission() -> bool {
        false
    }

    #[repr(C, align(64))]
    struct TileConfig {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        columns_bytes: [u16; 16],
        rows: [u8; 16],
    }

    static CONFIG: TileConfig = {
        let mut config =
            TileConfig { palette: 1, start_row: 0, reserved: [0; 14], columns_bytes: [0; 16], rows: [0; 16] };
        let mut i = 0;
        while i < 8 {
            config.columns_bytes[i] = 64;
            config.rows[i] = 16;
            i += 1;
        }
        config
    };

    /// Tile registers configured for this thread; released on drop.
    pub struct Tiles(());

    impl Tiles {
        pub fn configure() -> Self {
            assert!(super::super::unit() == super::super::Unit::AmxBf16 || available(), "AMX is not available");
            // SAFETY: AMX is available (checked above) and CONFIG is a valid 64-byte palette-1 configuration.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) };
            Self(())
        }

        /// Runs the steps and leaves the four f32 tiles in `c`; with `accumulate` they start from what `c` holds.
        pub fn block(&self, steps: &[Step], a: Operand<'_>, b: Operand<'_>, c: &mut [f32], accumulate: bool) {
            assert!(c.len() >= BLOCK && !steps.is_empty());
            for operand in [(a, true), (b, false)] {
                let (operand, is_a) = operand;
                let farthest = steps.iter().map(|s| if is_a { s.a } else { s.b }).max().unwrap_or(0);
                let end = operand.first.max(operand.second) * 2 + farthest + 15 * operand.pitch + 64;
                assert!(end <= operand.data.len() * 2, "tile operand out of range");
            }
            // SAFETY: the assertions above keep every tile row (64 bytes at `pointer + offset + row * pitch`) inside the
            // slices and the four 1 KiB stores inside `c`; tile registers are configured by construction of `self`.
            unsafe {
                let c = c.as_mut_ptr();
                if accumulate {
                    asm!("tileloadd tmm0, [{c} + {s}]", "tileloadd tmm1, [{c} + {s} + 1024]",
                        "tileloadd tmm2, [{c} + {s} + 2048]", "tileloadd tmm3, [{c} + {s} + 3072]",
                        c = in(reg) c, s = in(reg) 64usize, options(nostack, readonly));
                } else {
                    asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                }
                walk(steps, a, b);
                asm!("tilestored [{c} + {s}], tmm0", "tilestored [{c} + {s} + 1024], tmm1",
                    "tilestored [{c} + {s} + 2048], tmm2", "tilestored [{c} + {s} + 3072], tmm3",
                    c = in(reg) c, s = in(reg) 64usize, out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    options(nostack));
            }
        }

        /// As [`Tiles::block`], with the 32 x 32 outputs at row pitch `pitch` (elements) from `first` on in `out`.
        #[allow(clippy::too_many_arguments, reason = "two operands and a strided output")]
        pub fn block_to(
            &self,
            path: &Path,
            a: Operand<'_>,
            b: Operand<'_>,
            out: &mut [f32],
            first: usize,
            pitch: usize,
            accumulate: bool,
        ) {
            let inside = |o: Operand<'_>, reach: usize| {
                o.first.max(o.second) * 2 + reach + 15 * o.pitch + 64 <= o.data.len() * 2
            };
            assert!(inside(a, path.reach_a) && inside(b, path.reach_b), "tile operand out of range");
            assert!(!path.steps.is_empty() && first + 31 * pitch + 32 <= out.len(), "tile output out of range");
            // SAFETY: the assertions above keep every tile row inside the operands and the 32 rows of 32 outputs inside `out`.
            unsafe {
                let upper = out.as_mut_ptr().add(first);
                let lower = upper.add(16 * pitch);
                if accumulate {
                    asm!("tileloadd tmm0, [{u} + {s}]", "tileloadd tmm1, [{u} + {s} + 64]",
                        "tileloadd tmm2, [{l} + {s}]", "tileloadd tmm3, [{l} + {s} + 64]",
                        u = in(reg) upper, l = in(reg) lower, s = in(reg) pitch * 4, options(nostack, readonly));
                } else {
                    asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                }
                walk(&path.steps, a, b);
                asm!("tilestored [{u} + {s}], tmm0", "tilestored [{u} + {s} + 64], tmm1",
                    "tilestored [{l} + {s}], tmm2", "tilestored [{l} + {s} + 64], tmm3",
                    u = in(reg) upper, l = in(reg) lower, s = in(reg) pitch * 4,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack));
            }
        }
    }

    /// Adds the products of all steps to the four accumulator tiles.
    ///
    /// # Safety
    /// Tiles are configured, and every tile row that the steps address lies inside its operand.
    #[inline(always)]
    unsafe fn walk(steps: &[Step], a: Operand<'_>, b: Operand<'_>) {
        // SAFETY: the caller keeps all addresses inside the operands; the loop runs at least once because `steps` is not empty.
        unsafe {
            let (a0, a1) = (a.data.as_ptr().add(a.first), a.data.as_ptr().add(a.second));
            let (b0, b1) = (b.data.as_ptr().add(b.first), b.data.as_ptr().add(b.second));
            asm!(
                "2:",
                "mov {t}, [{tab}]",
                "lea {u}, [{a0} + {t}]",
                "tileloadd tmm4, [{u} + {sa}]",
                "lea {u}, [{a1} + {t}]",
                "mov {t}, [{tab} + 8]",
                "tileloadd tmm5, [{u} + {sa}]",
                "lea {u}, [{b0} + {t}]",
                "tileloadd tmm6, [{u} + {sb}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "lea {u}, [{b1} + {t}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{u} + {sb}]",
                "add {tab}, 16",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {n}",
                "jnz 2b",
                tab = inout(reg) steps.as_ptr() => _, n = inout(reg) steps.len() => _,
                t = out(reg) _, u = out(reg) _,
                a0 = in(reg) a0, a1 = in(reg) a1, b0 = in(reg) b0, b1 = in(reg) b1,
                sa = in(reg) a.pitch, sb = in(reg) b.pitch,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly));
        }
    }

    impl Drop for Tiles {
        fn drop(&mut self) {
            // SAFETY: releasing the tile state needs no operands; it was configured by this value.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }

    /// Transposes a 16 x 16 block of 32-bit values: `to[c * 16 + r] = from[r * 16 + c]`.
    pub fn transpose16(from: &[u32; 256], to: &mut [u32; 256]) {
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: AVX-512F is present.
            unsafe { transpose16_avx512(from, to) }
        } else {
            super::transpose16_plain(from, to);
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn transpose16_avx512(from: &[u32; 256], to: &mut [u32; 256]) {
        use std::arch::x86_64::{
            __m512i, _mm512_loadu_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_unpackhi_epi32,
            _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
        };
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
    use super::{Operand, Path, Step};

    pub fn available() -> bool {
        false
    }

    pub struct Tiles(());

    impl Tiles {
        pub fn configure() -> Self {
            unreachable!("AMX exists on x86-64 only and `available` said so")
        }

        pub fn block(&self, _: &[Step], _: Operand<'_>, _: Operand<'_>, _: &mut [f32], _: bool) {}

        #[allow(clippy::too_many_arguments, reason = "the signature of the other architecture")]
        pub fn block_to(&self, _: &Path, _: Operand<'_>, _: Operand<'_>, _: &mut [f32], _: usize, _: usize, _: bool) {}
    }

    pub fn transpose16(from: &[u32; 256], to: &mut [u32; 256]) {
        super::transpose16_plain(from, to);
    }
}

pub use imp::{Tiles, available, transpose16};

fn transpose16_plain(from: &[u32; 256], to: &mut [u32; 256]) {
    for r in 0..16 {
        for c in 0..16 {
            to[c * 16 + r] = from[r * 16 + c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_element() {
        let from: [u32; 256] = std::array::from_fn(|i| i as u32 * 7 + 1);
        let (mut fast, mut plain) = ([0; 256], [0; 256]);
        transpose16(&from, &mut fast);
        transpose16_plain(&from, &mut plain);
        assert_eq!(fast, plain);
    }
}

//! AMX tiles by inline assembly: the only assembly in Rhea.
//!
//! One micro-kernel serves every product of bf16: it walks a table of operand offsets, loads two tiles of each operand and
//! accumulates a 32 x 32 block of outputs in four tiles. Another multiplies bytes.
#![allow(unsafe_code, reason = "AMX has no stable intrinsics; `tiles.rs` makes a safe interface of it")]

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;

    use crate::kernels::tiles::{Operand, Step, Target};

    /// Does the CPU have AMX with bf16 and bytes and, as all that do, AVX-512 BF16, and does the kernel let this process use the
    /// tile registers?
    pub fn available() -> bool {
        let leaf = __cpuid_count(7, 0);
        let tiles = [22, 24, 25].iter().all(|bit| leaf.edx & (1 << bit) != 0);
        tiles && crate::kernels::avx512::available() && permission()
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
    pub struct Configured(());

    impl Configured {
        pub fn new() -> Self {
            assert!(super::super::unit() == super::super::Unit::AmxBf16 || available(), "AMX is not available");
            // SAFETY: AMX is available (checked above) and CONFIG is a valid 64-byte palette-1 configuration.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) };
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
            // SAFETY: the caller's promise; tile registers are configured by construction of `self`.
            unsafe {
                let (c00, c01, c10, c11) = (c, c.add(to.right), c.add(to.lower), c.add(to.lower + to.right));
                if accumulate {
                    asm!("tileloadd tmm0, [{c00} + {s}]", "tileloadd tmm1, [{c01} + {s}]",
                        "tileloadd tmm2, [{c10} + {s}]", "tileloadd tmm3, [{c11} + {s}]",
                        c00 = in(reg) c00, c01 = in(reg) c01, c10 = in(reg) c10, c11 = in(reg) c11,
                        s = in(reg) to.pitch * 4, options(nostack, readonly));
                } else {
                    asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                }
                walk(steps, a, b);
                asm!("tilestored [{c00} + {s}], tmm0", "tilestored [{c01} + {s}], tmm1",
                    "tilestored [{c10} + {s}], tmm2", "tilestored [{c11} + {s}], tmm3",
                    c00 = in(reg) c00, c01 = in(reg) c01, c10 = in(reg) c10, c11 = in(reg) c11,
                    s = in(reg) to.pitch * 4,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack));
            }
        }

        /// Sums of sixteen rows of 64 signed bytes times a tile of 16 fours of 16 columns, then of sixteen rows of unsigned bytes.
        ///
        /// # Safety
        /// `rows` are two tiles, `panel` is one, and there is room for two tiles of sums.
        pub unsafe fn bytes(&self, rows: *const u8, panel: *const u8, sums: *mut i32) {
            // SAFETY: the caller's promise; tile registers are configured by construction of `self`.
            unsafe {
                asm!(
                    "tilezero tmm0", "tilezero tmm1",
                    "tileloadd tmm4, [{rows} + {s}]", "tileloadd tmm6, [{panel} + {s}]", "tileloadd tmm5, [{low} + {s}]",
                    "tdpbssd tmm0, tmm4, tmm6", "tdpbusd tmm1, tmm5, tmm6",
                    "tilestored [{sums} + {s}], tmm0", "tilestored [{more} + {s}], tmm1",
                    rows = in(reg) rows, low = in(reg) rows.add(1024), panel = in(reg) panel, sums = in(reg) sums,
                    more = in(reg) sums.add(256), s = in(reg) 64_usize,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, options(nostack));
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

    impl Drop for Configured {
        fn drop(&mut self) {
            // SAFETY: releasing the tile state needs no operands; it was configured by this value.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    use crate::kernels::tiles::{Operand, Step, Target};

    pub fn available() -> bool {
        false
    }

    pub struct Configured(());

    impl Configured {
        pub fn new() -> Self {
            unreachable!("AMX exists on x86-64 only and `available` said so")
        }

        pub unsafe fn run(&self, _: &[Step], _: Operand<'_>, _: Operand<'_>, _: *mut f32, _: Target, _: bool) {}

        pub unsafe fn bytes(&self, _: *const u8, _: *const u8, _: *mut i32) {}
    }
}

pub use imp::{Configured, available};

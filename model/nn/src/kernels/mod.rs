//! Number crunching on plain slices: matrix products and convolutions, chosen for the CPU at run time.
//!
//! The units are AMX bf16 tiles (inline assembly, 16 x 16 outputs, f32 accumulation) where the CPU has them and f32
//! through the `gemm` crate everywhere else. `RHEA_KERNELS=f32` forces the second.
//!
//! Invariant: every element of an output is computed by the same operations in the same order whatever the number of threads.

mod amx;
mod conv;
mod convert;
mod matrix;
mod multiply;
mod product;

use std::sync::OnceLock;

pub use conv::{ConvShape, conv_backward_data, conv_backward_weight, conv_forward};
pub use matrix::{Channels, Kept, Right, Rows};
pub use multiply::{multiply, multiply_right, multiply_tn};
pub use product::{Packed, product, product_tn};

/// The arithmetic unit a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// AMX tiles: operands rounded to bf16, sums in f32.
    AmxBf16,
    /// f32 throughout.
    F32,
}

impl Unit {
    /// The name that `RHEA_KERNELS` and the status line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AmxBf16 => "amx-bf16",
            Self::F32 => "f32",
        }
    }
}

/// The best unit of this CPU, or the one that `RHEA_KERNELS` (`amx-bf16` or `f32`) asks for when it exists here.
#[must_use]
pub fn unit() -> Unit {
    static UNIT: OnceLock<Unit> = OnceLock::new();
    *UNIT.get_or_init(|| match std::env::var("RHEA_KERNELS").as_deref() {
        Ok("f32") => Unit::F32,
        _ if amx::available() => Unit::AmxBf16,
        _ => Unit::F32,
    })
}

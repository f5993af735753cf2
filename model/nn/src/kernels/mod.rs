//! Number crunching on plain slices: matrix products and convolutions, chosen for the CPU at run time.
//!
//! Two families of products stand side by side:
//! * **operands for training and convolutions** run on a [`Unit`]: bf16 tiles with f32 sums on AMX (inline assembly)
//!   or AVX-512 BF16, f32 through the `gemm` crate everywhere else;
//! * **weights for decoding** stand in panels of 16 outputs, in a [`Format`] of 4, 2 or 1 bytes a value, and are read by
//!   kernels written once over a set of vector operations and compiled for each [`Isa`]. On the units of bf16, rows are rounded
//!   to bf16 for bf16 weights; AMX multiplies these, and int8 weights of 16 rows or more, in whole tiles.
//!
//! `RHEA_KERNELS=amx-bf16|avx512-bf16|avx512|avx2|portable|f32` forces a choice, `RHEA_WEIGHTS=f32|bf16|int8` the format;
//! [`check`] says when that is impossible.
//!
//! Invariant: every element of an output is computed by the same operations in the same order whatever the number of threads.

mod amx;
mod avx512;
mod choice;
mod conv;
mod convert;
mod dense;
mod matrix;
pub mod measure;
mod multiply;
mod outer;
mod packed;
mod panels;
mod product;
mod tiles;

pub use choice::{Arithmetic, Format, Isa, KernelError, Unit, arithmetic, check, unit, weights_asked};
pub use conv::{ConvShape, conv_backward_data, conv_backward_weight, conv_forward};
pub use matrix::{Channels, Kept, Right, Rows};
pub use multiply::{multiply, multiply_right, multiply_tn};
pub use outer::product_tn;
pub use packed::Packed;
pub use panels::{
    Running, Strided, StridedPairs, dot_rows, multiply_block, multiply_pairs, round_pairs, round_row, weigh_pairs,
};
pub use product::product;
pub(crate) use tiles::{Tiles, transpose};

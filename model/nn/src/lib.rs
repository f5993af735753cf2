//! The networks: kernels, differentiable operations over candle tensors, the vision tokenizer and the transformer.
//!
//! It knows tensors and weights files; it knows nothing of prompts, worlds or windows.
//!
//! Invariant: `unsafe` code stands only in `kernels`, in the weight mapping, and where a CUDA driver is looked for and opened
//! (`device/driver.rs`, `device/cuda.rs`).

pub mod device;
mod error;
pub mod kernels;
pub mod ops;
pub mod parallel;
pub mod transformer;
pub mod vision;
pub mod weights;

pub use error::NnError;

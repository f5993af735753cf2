//! How fast the transformer is on this machine, against other engines on the same weights.
//!
//! Both sides take turns, pair by pair, so that a machine whose speed drifts does not favour one; what is reported is the
//! median of the pairs' ratios. Before a pair is timed both sides have to agree on what they compute.
//!
//! It measures the layers below a session; a session's own speed is `rhea bench explore`. Stock engines are compiled in by
//! the feature `peers` only.
//!
//! Invariant: no figure is reported for a computation that has not passed its check in the same run.

mod device;
mod error;
#[cfg(feature = "peers")]
mod gguf;
#[cfg(feature = "llama")]
mod llama;
mod model;
mod pairs;
mod parallel;
mod passes;
#[cfg(feature = "peers")]
mod products;
#[cfg(feature = "peers")]
mod quantised;
#[cfg(feature = "peers")]
mod stock;
#[cfg(feature = "peers")]
mod stock_training;
#[cfg(feature = "peers")]
mod torch;
mod training;

pub use device::{MOST_DEVICE_LAYERS, device_speed};
pub use error::BenchError;
pub use model::{LayerSizes, RandomModel};
pub use pairs::{Row, Times, alone, alternate, timed};
pub use parallel::parallel_30m;
pub use passes::{decode_30m, denoise_256};
#[cfg(feature = "peers")]
pub use products::gemm_bf16;
#[cfg(feature = "peers")]
pub use torch::{PYTHON, Torch};
pub use training::train_samples;

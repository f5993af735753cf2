//! Losses, optimiser, checkpoints and the training stages.
//!
//! It trains networks on examples that somebody else makes; it knows nothing of scenes.
//!
//! Invariant: a step depends on its number, the seed and the data source alone, so that a resumed run takes the same steps.

pub mod checkpoint;
pub mod optim;
mod parameters;
mod picture_loss;
mod progress;
mod shards;
pub mod vision;
pub mod world;

pub use parameters::Trainable;
pub use picture_loss::picture_loss;
pub use progress::{Progress, Record};
pub use shards::Shards;

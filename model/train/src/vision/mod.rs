//! Training the vision tokenizer: encoder, codebook, decoder and its look at memory, together.
//!
//! The run begins as a plain autoencoder on the sphere of latents, then places the codebook by k-means and goes on through
//! the quantiser; from a quarter of the run on, half of the pictures come with warped memory.

mod codebook;
mod quantise;
mod run;
mod step;

use rhea_picture::{Rgbd, Warp};

pub use run::{VisionRun, train_vision};

/// Which view of a source a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewKey {
    /// Scene, as the source counts.
    pub scene: u32,
    /// View of that scene.
    pub view: u32,
}

/// What memory shows of an example.
#[derive(Clone, Debug)]
pub struct MemoryExample {
    /// Earlier views warped to the example's camera.
    pub warp: Warp,
    /// The warped picture with its holes filled, as it is encoded at run time.
    pub filled: Rgbd,
}

/// One training picture.
#[derive(Clone, Debug)]
pub struct VisionExample {
    /// Which view it is.
    pub key: ViewKey,
    /// The truth.
    pub picture: Rgbd,
    /// Its memory, when it has one.
    pub memory: Option<MemoryExample>,
}

/// Where pictures come from. Answers depend on the arguments only, except for views kept by [`VisionSource::keep`].
pub trait VisionSource: Sync {
    /// `n` examples for a shard of a step; with `memory`, those that have some.
    ///
    /// # Errors
    /// When pictures cannot be read.
    fn examples(&self, step: u64, shard: usize, n: usize, memory: bool) -> Result<Vec<VisionExample>, String>;

    /// Takes the model's own drawing of a view, to be used as memory later.
    fn keep(&self, key: ViewKey, own: Rgbd);

    /// Fixed pictures outside the training set, half of them with memory.
    ///
    /// # Errors
    /// When pictures cannot be read.
    fn held_out(&self, n: usize) -> Result<Vec<VisionExample>, String>;
}

//! The pictures of an animation, one after the other, wherever they come from.

use anyhow::Result;
use rhea_picture::Rgbd;

use crate::progress::Progress;

/// Longest animation, pictures.
pub(super) const MOST_SHOTS: usize = 600;

/// Pictures of one size.
pub(super) struct Shots<'a> {
    /// Width and height, pixels.
    pub size_px: [usize; 2],
    /// How many there are.
    pub count: usize,
    /// Pictures a second.
    pub rate_hz: u32,
    /// Where they come from, in words.
    pub source: String,
    /// Makes one of them.
    pub draw: Box<dyn Fn(usize) -> Result<Rgbd> + 'a>,
}

impl Shots<'_> {
    /// Goes through them with a progress bar.
    ///
    /// # Errors
    /// When one cannot be made or used.
    pub fn each(&self, mut one: impl FnMut(Rgbd) -> Result<()>) -> Result<()> {
        let progress = Progress::new(self.count as u64);
        for index in 0..self.count {
            one((self.draw)(index)?)?;
            progress.step(index as u64 + 1, &format!("picture {}", index + 1), "");
        }
        progress.finish();
        Ok(())
    }
}

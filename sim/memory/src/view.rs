//! Stored views.

use std::sync::Arc;

use rhea_picture::Rgbd;
use rhea_scene::Pose;

/// One view of a walk, as it was first drawn.
#[derive(Clone, Debug)]
pub struct View {
    /// The picture with depth.
    pub rgbd: Arc<Rgbd>,
    /// Where it was drawn from.
    pub pose: Pose,
    /// Its visual codes, row-major.
    pub codes: Vec<u32>,
    /// Step of the walk that drew it, 0 for the first view.
    pub step: u32,
    /// Length of the longest chain of copies behind it: 0 for a true start, else 1 + the largest of the views it was drawn
    /// from. Drift grows with this, not with the number of steps.
    pub lineage: u32,
    /// What was said about it.
    pub narration: String,
}

impl View {
    /// Memory it takes, bytes, without the bookkeeping of the allocator.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rgbd.rgb.len()
            + self.rgbd.depth_m.len() * size_of::<f32>()
            + self.codes.len() * size_of::<u32>()
            + self.narration.len()
            + size_of::<Self>()
    }
}

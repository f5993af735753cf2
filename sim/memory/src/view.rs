//! Stored views.

use std::sync::Arc;

use rhea_picture::Rgbd;
use rhea_scene::Pose;

use crate::cloud::Cloud;

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

/// All views of a walk, oldest first.
///
/// Views are added at the end and, for undo, removed from the end; a stored view is never changed.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    views: Vec<View>,
    /// One per view: a coarse copy of its depth, for [`Memory::recall`]. Boxed, so that the list has little to grow by.
    clouds: Vec<Box<Cloud>>,
}

impl Memory {
    /// A memory without views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a view and returns its index.
    pub fn insert(&mut self, view: View) -> usize {
        self.clouds.push(Box::new(Cloud::of(&view.rgbd)));
        self.views.push(view);
        self.views.len() - 1
    }

    /// Removes the most recent view.
    pub fn undo(&mut self) -> Option<View> {
        self.clouds.pop();
        self.views.pop()
    }

    /// Number of views.
    #[must_use]
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Is nothing remembered?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// All views, oldest first.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The most recent view.
    #[must_use]
    pub fn latest(&self) -> Option<&View> {
        self.views.last()
    }

    /// Memory taken by all views, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.views.iter().map(View::bytes).sum::<usize>()
            + self.clouds.len() * (size_of::<Cloud>() + size_of::<Box<Cloud>>())
    }

    pub(crate) fn clouds(&self) -> &[Box<Cloud>] {
        &self.clouds
    }
}

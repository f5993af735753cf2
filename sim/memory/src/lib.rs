//! What Rhea remembers of a world: every view as it was first drawn, and how those views look from somewhere else.
//!
//! This crate knows pictures, poses and geometry. It draws nothing new and asks no model.
//!
//! Invariant: a stored view is never changed, and a warp depends on its arguments alone.

mod placement;
mod raster;
mod surface;
mod warp;

pub use warp::{MAX_SOURCES, Warper, warp};

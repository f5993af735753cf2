//! What Rhea remembers of a world: every view as it was first drawn, and how those views look from somewhere else.
//!
//! This crate knows pictures, poses and geometry. It draws nothing new and asks no model.
//!
//! Invariant: a stored view is never changed, and a warp depends on its arguments alone.

mod clearance;
mod cloud;
mod placement;
mod raster;
mod recall;
mod sample;
mod surface;
mod turn;
mod view;
mod warp;

pub use clearance::{WALKER_HEIGHT_M, WALKER_RADIUS_M, ahead_clear_m};
pub use recall::{MAX_RECALLED, Recall};
pub use view::{Memory, View};
pub use warp::{MAX_SOURCES, Warper, warp};

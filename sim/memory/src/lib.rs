//! What Rhea remembers of a world: every view as it was first drawn, the graph over them, and how those views look from
//! somewhere else.
//!
//! * [`Memory`] holds views, places, edges and edits; [`Memory::recall`] chooses and warps what a new view should agree with;
//! * [`verify()`] compares a new view with that, cell by cell;
//! * [`World`] is a memory as a file, [`MapFacts`] is it from above;
//! * [`known_after_turn`] says which cells of a turned view are known exactly, without any depth.
//!
//! This crate knows pictures, poses and geometry. It draws nothing new and asks no model.
//!
//! Invariant: a stored picture is never changed, and a warp depends on its arguments alone.

mod clearance;
mod cloud;
mod coarse;
mod error;
mod expansion;
mod frustum;
mod graph;
pub mod limits;
mod map;
mod memory;
pub mod pictures;
mod pinning;
mod pixels;
mod placement;
mod policy;
mod raster;
mod recall;
mod sample;
mod surface;
mod through;
mod turn;
mod verify;
mod view;
mod warp;
mod wide;
mod world;

pub use clearance::{WALKER_HEIGHT_M, WALKER_RADIUS_M, ahead_clear_m};
pub use error::MemoryError;
pub use expansion::{DrawnMove, measured_move};
pub use frustum::{Samples, chosen_by_frustum, sees, unseen_share};
pub use graph::{
    CELL_M, Edge, EdgeKind, Edit, HEADINGS, Insight, Node, Place, PlanMotion, Region, Role, Spread, Travel, Verdict,
    relax,
};
pub use map::{
    GROUND_CELLS, GROUND_SIDE_M, Ground, LEGEND, MapFacts, MapPlace, MapThing, MapView, Mark, Radius, map_picture,
    shown_span, verdict_rgb,
};
pub use memory::{COPY_BELOW, Memory};
pub use pinning::{TurnedView, known_after_turn, measured_turn};
pub use pixels::PixelSet;
pub use policy::Policy;
pub use recall::{MAX_RECALLED, Recall};
pub use verify::{Comparison, Thresholds, composite, keep_good_cells, verify};
pub use view::View;
pub use warp::{MAX_SOURCES, Source, Warper, warp};
pub use world::{About, Damage, Difference, Loaded, Merged, WORLD_VERSION, World, WorldError, diff};

//! The graph over the stored views: places, edges, verdicts, epochs, and the relaxation of poses.

mod edge;
mod edits;
mod node;
mod place;
mod relax;
mod sparse;

pub use edge::{Edge, EdgeKind, PlanMotion, Spread, Travel};
pub use edits::{Edit, Region};
pub use node::{Insight, Node, Role, Verdict};
pub use place::{CELL_M, HEADINGS, Place};
pub use relax::relax;

pub(crate) use edge::half_turn;
pub(crate) use edits::hole;

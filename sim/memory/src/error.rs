//! What can go wrong with a memory.

use thiserror::Error;

use crate::graph::Region;
use crate::limits::MAX_REGION_M;

/// Errors of changes to a memory; after any of them it is as it was.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MemoryError {
    /// There is no such view.
    #[error("there is no view {index}; the memory has {views}")]
    NoView {
        /// What was asked for.
        index: usize,
        /// How many there are.
        views: usize,
    },
    /// A pinned view cannot be forgotten.
    #[error("view {index} is pinned; unpin it first")]
    Pinned {
        /// The view.
        index: usize,
    },
    /// A region with impossible numbers.
    #[error("a region of {radius} m around {centre:?}; allowed are finite places and 0 to {MAX_REGION_M} m", radius = region.radius_m, centre = region.centre_m)]
    Region {
        /// The region.
        region: Region,
    },
    /// A limit is reached.
    #[error("too many {what}; allowed are {allowed}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        allowed: usize,
    },
}

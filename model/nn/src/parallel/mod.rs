//! One model on several ranks: who holds what, and how ranks talk.
//!
//! * [`Spread`] says how a model is cut (by heads and inner size, by layers, by rows, by guidance branches), [`Place`] which part of it a
//!   rank is, [`Slice`] what that part holds;
//! * [`Communicator`] is what ranks do together; [`ThreadWorld`] is its transport between threads of one process.
//!
//! It knows ranks and sizes; it does not run layers ([`crate::transformer`] does).
//!
//! Invariant: a sum over ranks has the same bits whatever the timing, and a rank that is gone is an error for all others,
//! never a wait without end.

mod communicator;
mod cores;
mod place;
mod threads;

pub use communicator::{CommError, Communicator};
pub(crate) use cores::keep_to_core;
pub use place::{Place, Slice, Spread};
pub use threads::{ThreadRank, ThreadWorld};

/// Limits on how a model is spread.
pub mod limits {
    /// Ranks of one model.
    pub const RANKS: usize = 64;
    /// Lanes for guidance branches: the conditional one, the unconditional one, the one without pictures.
    pub const LANES: usize = 3;
    /// Rows of a branch that a pass must have for each reader before they are shared out: fewer are read sooner than told about.
    pub const ROWS_OF_A_READER: usize = 8;
}

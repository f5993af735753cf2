//! Reviewing a recorded walk: where the playhead is, what is marked, what people said about steps, where two walks part.
//!
//! It knows no window and reads no pictures; a [`Tape`] works on the records of a [`crate::replay::Replay`].

mod difference;
mod labels;
mod tape;

pub use difference::{Difference, first_difference};
pub use labels::{Label, Labels, LabelsError, Opinion};
pub use tape::{Mark, SPEEDS, STEPS_PER_SECOND, Tape};

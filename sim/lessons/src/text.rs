//! The words of the training documents, from the exact truth of a scene: what is seen, how it is told, and how a telling is checked.
//!
//! The language is small and regular on purpose, so that a model of ten million parameters can learn to speak it truly:
//! "You see a red door far ahead and a blue ball on the left."
//!
//! It draws nothing and knows no tokens. Invariant: every object that [`narration`] and [`caption`] name covers at least
//! [`NAMED_SHARE`] of the view, so what they say passes [`in_view`].

mod corpus;
mod everyday;
mod memory;
mod read;
mod see;
mod speak;

pub use corpus::corpus;
pub use memory::{Judge, Told};
pub use read::{Truth, in_view, named_objects};
pub use rhea_session::{Bearing, Mention, mentions};
pub use see::{Distance, IN_VIEW_SHARE, NAMED_SHARE, Seen, visible};
pub use speak::{caption, narration, world_sentence};

#[cfg(test)]
mod tests;

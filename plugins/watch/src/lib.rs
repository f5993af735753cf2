//! Watching a robot plan in a window: the scene with its arm, the steps with their verdicts, the checks with their margins, the
//! key-frames.
//!
//! It plans nothing and judges nothing: it shows a film ([`rhea_physics::film`]) that somebody else makes while it is shown, or
//! that was recorded, and asks for changes: other words for a step, a thing moved elsewhere. The scene is drawn by the same exact ray tracer that draws the truth of key-frames, on a thread of its own.
//!
//! Invariant: no frame waits for the film or for the drawing.

#[cfg(test)]
mod action_tests;
mod compare;
#[cfg(test)]
#[path = "../../window/tests/faked/mod.rs"]
mod faked;
mod hold;
mod orbit;
mod painter;
#[cfg(test)]
mod panel_tests;
mod panels;
mod player;
mod timeline;
mod window;
mod words;

pub use orbit::Orbit;
pub use player::{End, Player, Reel};
pub use window::{Ask, Show, run as run_window};

/// Parts of the film that may wait for the window; whoever makes it waits when so many do.
pub const FILM_QUEUE: usize = 64;
/// Changes that may wait to be judged.
pub const DESK_QUEUE: usize = 2;

/// The record of a step of a recorded plan: the first record is the beginning.
#[must_use]
pub fn record_of(step: usize) -> u64 {
    step as u64 + 1
}

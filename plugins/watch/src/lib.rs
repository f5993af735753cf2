//! Watching a robot plan in a window: the scene with its arm, the steps with their verdicts, the checks with their margins, the
//! key-frames.
//!
//! It plans nothing and judges nothing: it shows a film ([`rhea_physics::film`]) that somebody else makes while it is shown. The
//! scene is drawn by the same exact ray tracer that draws the truth of key-frames, on a thread of its own.
//!
//! Invariant: no frame waits for the film or for the drawing.

mod keys;
mod orbit;
mod painter;
mod panels;
mod player;
mod window;

pub use orbit::Orbit;
pub use player::{Player, Reel};
pub use window::{Show, run as run_window};

/// Parts of the film that may wait for the window; whoever makes it waits when so many do.
pub const FILM_QUEUE: usize = 64;

//! Walking through an imagined world in a window: orders, the view, narration, a map, a text box.
//!
//! It is not the session (that is `rhea-session`) and draws nothing of a world by itself: it shows what the session thread
//! reports, and sends it commands.
//!
//! Invariant: the window never waits for the model, and no way of closing it loses an acknowledged step.

// Tests share files with those outside, which name this crate.
#[cfg(test)]
extern crate self as rhea_explore;

#[cfg(test)]
mod action_tests;
#[cfg(test)]
#[path = "../../window/tests/faked/mod.rs"]
mod faked;
mod hud;
mod link;
mod map;
mod model;
mod orders;
mod origins;
mod pacing;
#[cfg(test)]
mod panel_tests;
#[cfg(test)]
#[path = "../tests/puppet/mod.rs"]
mod puppet;
mod recent;
mod report;
mod start_page;
mod strip;
mod text_box;
mod walk;
mod window;
mod words;
mod worker;

pub use link::{MOVE_QUEUE, Phase, Refusal, SessionLink, SessionThread};
pub use model::{ModelPlugin, ModelSystems};
pub use orders::OrderPlugin;
pub use report::{Ended, Failure, Opener, Report, Summary, WalkEvent, Walker};
pub use start_page::{Chosen, Offers, StartPage, StartPagePlugin};
pub use walk::{Banner, SeenView, Walk, Weight};
pub use window::{WindowSettings, run as run_window};

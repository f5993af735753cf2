//! Walking through an imagined world in a window: input actions, the view, narration, a map, a text box.
//!
//! It is not the session (that is `rhea-session`) and draws nothing of a world by itself: it shows what the session thread
//! reports, and sends it commands.
//!
//! Invariant: the window never waits for the model, and no way of closing it loses an acknowledged step.

pub mod access;
pub mod actions;
pub mod bindings;
pub mod display;
mod help;
pub mod host;
mod hud;
mod input;
mod link;
mod map;
mod model;
mod origins;
mod pacing;
mod palette;
#[cfg(test)]
mod panel_tests;
pub mod preferences;
mod recent;
mod report;
mod screenshot;
mod settings;
mod start_page;
mod strip;
mod text_box;
pub mod theme;
pub mod user_file;
mod view;
mod walk;
mod window;
mod words;
mod worker;

pub use input::{ActionPlugin, Device, Fired, Held, InputSystems, Typing};
pub use link::{MOVE_QUEUE, Phase, Refusal, SessionLink, SessionThread};
pub use model::{ModelPlugin, ModelSystems};
pub use palette::Palette;
pub use report::{Ended, Failure, Opener, Report, Summary, WalkEvent, Walker};
pub use settings::SettingsPage;
pub use start_page::{Chosen, Offers, StartPage, StartPagePlugin};
pub use view::{Picture, Sampling, shown_size_px};
pub use walk::{Banner, SeenView, Walk, Weight};
pub use window::{WindowSettings, run as run_window};

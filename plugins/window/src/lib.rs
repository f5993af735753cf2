//! What all windows of Rhea share: the action table with its devices, palette, help and settings; how a window is opened, looks
//! and is named for screen readers; pictures and screenshots.
//!
//! It knows no walk, no recording and no plan: it says which action was asked for, and the window does it.
//!
//! Invariant: whatever the device, an action that is asked for is one of the window's own, fired once.

pub mod access;
pub mod actions;
pub mod bindings;
pub mod display;
mod exports;
mod film;
mod help;
pub mod host;
mod input;
mod pages;
mod palette;
#[cfg(test)]
mod panel_tests;
mod picture;
pub mod preferences;
mod screenshot;
mod settings;
pub mod theme;
pub mod user_file;
mod words;

pub use exports::ExportPage;
pub use film::{Film, FilmPlugin, News, add_film};
pub use help::reminders;
pub use input::{ActionPlugin, Device, Fired, Held, InputSystems, PadNews, Typing, ctrl_touched};
pub use pages::{HelpPage, Pages, load_user_files};
pub use palette::Palette;
pub use picture::{Picture, Sampling, ViewOnScreen, shown_size_px};
pub use screenshot::{ScreenshotFolder, ScreenshotPlugin, Shot, ViewToSave};
pub use settings::{SettingsPage, Wanted};

//! Reviewing a recorded walk in a window: the view of every step, what was asked and said, how it was checked, a timeline with marks.
//!
//! It walks nowhere and judges nothing: it shows a recording, also one that is still being made, and keeps what people say about its
//! steps in a file beside it.
//!
//! Invariant: no frame waits for the recording, and the recording itself is never written to.

#[cfg(test)]
mod action_tests;
#[cfg(test)]
#[path = "../../window/tests/faked/mod.rs"]
mod faked;
mod labels;
mod loader;
#[cfg(test)]
mod panel_tests;
mod panels;
mod timeline;
mod window;
mod words;

pub use labels::{KeptLabels, edit as edit_label};
pub use window::{Reviewed, branch_path, run as run_window};

//! Progress of a walk without a window: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, stdout};

use crate::say::say;
use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal a line is printed for each of this many steps, and for the first and last.
const LINE_EVERY: u64 = 10;

/// Shows how far a walk is.
pub struct Progress {
    bar: Option<ProgressBar>,
    steps: u64,
}

impl Progress {
    /// Progress over a number of steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        let bar = stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(steps);
            let style = ProgressStyle::with_template("{bar:30.cyan/blue} {pos}/{len} {per_sec:>9} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, steps }
    }

    /// A step is finished.
    pub fn step(&self, step: u64, command: &str, narration: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                bar.set_message(format!("{command}: {narration}"));
            }
            None if step <= 1 || step == self.steps || step.is_multiple_of(LINE_EVERY) => {
                say!("step {step}/{}: {command}: {narration}", self.steps);
            }
            None => {}
        }
    }

    /// A line that stays on the screen.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => say!("{line}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

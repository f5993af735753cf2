//! How far an answer is: a bar on a terminal, a line for each picture elsewhere.

use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rhea_engine::generate::Usage;

use crate::say::say;

/// Tokens, pictures, tokens per second and the time left until the limit of tokens.
pub struct AnswerProgress {
    bar: Option<ProgressBar>,
}

impl AnswerProgress {
    /// Progress towards `most` tokens.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let bar = stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(most as u64);
            let template = "{bar:16.cyan/blue} {pos}/{len} tokens, {eta} left at most, {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// The prompt is being read.
    pub fn prompt(&self, done: usize, of: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("reading the prompt, {done} of {of}"));
        }
    }

    /// Tokens were written.
    pub fn usage(&self, usage: &Usage, rows: Option<(usize, usize)>) {
        if let Some(bar) = &self.bar {
            bar.set_position(usage.tokens as u64);
            let rows = rows.map(|(done, of)| format!(", row {done} of {of}")).unwrap_or_default();
            bar.set_message(format!("{:.1} tokens/s, {} pictures{rows}", speed(usage), usage.pictures));
        }
    }

    /// A line that stays.
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

/// Tokens per second.
#[must_use]
pub fn speed(usage: &Usage) -> f64 {
    if usage.writing_secs > 0.0 { usage.tokens as f64 / usage.writing_secs } else { 0.0 }
}

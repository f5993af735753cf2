//! What a training run shows and keeps: a progress bar, and one JSON line per record in `log.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rhea_nn::NnError;

/// Named figures.
pub type Record = Vec<(&'static str, f32)>;

/// Progress of a run.
pub struct Progress {
    bar: ProgressBar,
    log: File,
    started: Instant,
    first_step: u64,
    batch: usize,
    smooth_loss: Option<f32>,
}

const LOG_EVERY: u64 = 25;

impl Progress {
    /// Begins or continues the log of `work`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(work: &Path, name: &str, first_step: u64, steps: u64, batch: usize) -> Result<Self, NnError> {
        let failed = |source| NnError::File { doing: "writing", path: work.into(), source };
        std::fs::create_dir_all(work).map_err(failed)?;
        let log = OpenOptions::new().create(true).append(true).open(work.join("log.jsonl")).map_err(failed)?;
        let bar = ProgressBar::new(steps).with_position(first_step);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta} left") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Ok(Self { bar, log, started: Instant::now(), first_step, batch, smooth_loss: None })
    }

    /// Seconds since the run (or its continuation) began.
    #[must_use]
    pub fn elapsed_secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// A line for the reader.
    pub fn note(&self, text: &str) {
        self.bar.println(text);
    }

    fn rate(&self, step: u64) -> f64 {
        (step + 1 - self.first_step) as f64 * self.batch as f64 / self.elapsed_secs().max(1e-9)
    }

    /// Counts a step; every so often its figures go to the log.
    pub fn step(&mut self, step: u64, figures: &[(&'static str, f32)]) {
        if let Some((_, loss)) = figures.iter().find(|(name, _)| *name == "loss") {
            let smooth = self.smooth_loss.map_or(*loss, |s| s * 0.95 + loss * 0.05);
            self.smooth_loss = Some(smooth);
        }
        self.bar.set_position(step + 1);
        let loss = self.smooth_loss.map_or_else(String::new, |loss| format!("loss {loss:.4}, "));
        self.bar.set_message(format!("{loss}{:.1} samples/s", self.rate(step)));
        if (step + 1).is_multiple_of(LOG_EVERY) {
            let mut all = figures.to_vec();
            all.extend(self.smooth_loss.map(|loss| ("smooth_loss", loss)));
            all.push(("samples_per_s", self.rate(step) as f32));
            self.record(step, &all);
        }
    }

    /// Appends one line to the log; figures are also shown.
    pub fn record(&mut self, step: u64, figures: &[(&'static str, f32)]) {
        let mut line = serde_json::Map::new();
        line.insert("step".into(), (step + 1).into());
        line.insert("secs".into(), self.elapsed_secs().into());
        for (name, value) in figures {
            line.insert((*name).into(), f64::from(*value).into());
        }
        let line = serde_json::Value::Object(line);
        if let Err(error) = writeln!(self.log, "{line}") {
            tracing::warn!("training log: {error}");
        }
    }

    /// Ends the bar.
    pub fn finish(&self) {
        self.bar.abandon();
    }
}

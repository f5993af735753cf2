//! What a training run shows and keeps: a progress bar, one JSON line per record in `log.jsonl`, and the curves of that file in
//! `curves.png`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rhea_nn::NnError;
use rhea_picture::{Sheet, plot, save_picture};

/// Named figures.
pub type Record = Vec<(&'static str, f32)>;

/// Progress of a run.
pub struct Progress {
    bar: ProgressBar,
    log: File,
    work: PathBuf,
    /// Each figure of the log over steps.
    curves: Curves,
    started: Instant,
    first_step: u64,
    batch: usize,
    smooth_loss: Option<f32>,
}

const LOG_EVERY: u64 = 25;
/// Sides of one curve, pixels, and curves side by side.
const CURVE_PX: (usize, usize) = (360, 160);
const CURVE_COLUMNS: usize = 2;

impl Progress {
    /// Begins or continues the log of `work`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(work: &Path, name: &str, first_step: u64, steps: u64, batch: usize) -> Result<Self, NnError> {
        let failed = |source| NnError::File { doing: "writing", path: work.into(), source };
        std::fs::create_dir_all(work).map_err(failed)?;
        let path = work.join("log.jsonl");
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let curves = curves_of(&std::fs::read_to_string(&path).map_err(failed)?);
        let bar = ProgressBar::new(steps).with_position(first_step);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta} left") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        let work = work.to_owned();
        Ok(Self { bar, log, work, curves, started: Instant::now(), first_step, batch, smooth_loss: None })
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
            extend(&mut self.curves, name, (step + 1) as f64, f64::from(*value));
        }
        let line = serde_json::Value::Object(line);
        if let Err(error) = writeln!(self.log, "{line}") {
            tracing::warn!("training log: {error}");
        }
    }

    /// Ends the bar and draws the curves.
    pub fn finish(&self) {
        self.bar.abandon();
        self.draw_curves();
    }

    /// Draws `curves.png`, one curve for each figure of the log. A disk that refuses is only a warning.
    pub fn draw_curves(&self) {
        let mut sheet = Sheet::new(CURVE_COLUMNS, 1);
        for (name, points) in &self.curves {
            let values = || points.iter().map(|p| p.1).filter(|value| value.is_finite());
            let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            if let Some(last) = points.last() {
                let label = format!("{name}: {:.4} at step {}, {least:.4} to {most:.4}", last.1, last.0);
                sheet.add(plot(points, CURVE_PX.0, CURVE_PX.1), label);
            }
        }
        if sheet.is_empty() {
            return;
        }
        let saved = sheet.draw().and_then(|page| save_picture(&self.work.join("curves.png"), &page));
        if let Err(error) = saved {
            tracing::warn!("training curves: {error}");
        }
    }
}

/// Each figure over steps.
type Curves = BTreeMap<String, Vec<(f64, f64)>>;

/// The curves of a log; torn lines are left out.
fn curves_of(log: &str) -> Curves {
    let mut curves = Curves::new();
    for line in log.lines() {
        let Ok(serde_json::Value::Object(line)) = serde_json::from_str(line) else { continue };
        let Some(step) = line.get("step").and_then(serde_json::Value::as_f64) else { continue };
        for (name, value) in line.iter().filter(|(name, _)| !["step", "secs"].contains(&name.as_str())) {
            if let Some(value) = value.as_f64() {
                extend(&mut curves, name, step, value);
            }
        }
    }
    curves
}

/// A run that was taken up at a checkpoint walks some steps again: their first figures are dropped.
fn extend(curves: &mut Curves, name: &str, step: f64, value: f64) {
    let curve = curves.entry(name.to_owned()).or_default();
    while curve.last().is_some_and(|last| last.0 >= step) {
        curve.pop();
    }
    curve.push((step, value));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_continued_run_goes_on_with_its_curves() {
        let folder = tempfile::tempdir().unwrap();
        let run = |first: u64, steps: u64| {
            let mut progress = Progress::new(folder.path(), "test", first, steps, 1).unwrap();
            (first..steps).for_each(|step| progress.record(step, &[("loss", 1.0 / (step + 1) as f32)]));
            progress.finish();
            progress.curves["loss"].iter().map(|point| point.0).collect::<Vec<f64>>()
        };
        assert_eq!(run(0, 4), [1.0, 2.0, 3.0, 4.0]);
        // The run is taken up at its checkpoint of step 2; steps 3 and 4 are walked again.
        assert_eq!(run(2, 5), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(rhea_picture::load_picture(&folder.path().join("curves.png")).unwrap().width > 300);
        std::fs::OpenOptions::new()
            .append(true)
            .open(folder.path().join("log.jsonl"))
            .unwrap()
            .write_all(b"{\"ste")
            .unwrap();
        assert_eq!(run(5, 6), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}

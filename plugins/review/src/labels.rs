//! Labels on their way to the disk, and the panel that edits one.
//!
//! Invariant: what people said is not lost with a window: what cannot be saved is tried again, and printed in the end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bevy_egui::egui::{self, RichText};
use rhea_session::review::{Label, Labels, Opinion};
use rhea_window::theme;

use crate::words;

/// Time until labels that could not be saved are tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The labels of a recording and whether they are on the disk.
pub struct KeptLabels {
    labels: Labels,
    path: PathBuf,
    /// Not on the disk yet, and when to try.
    due: Option<Instant>,
}

impl KeptLabels {
    /// The labels that lie beside a recording.
    #[must_use]
    pub fn new(labels: Labels, recording: &Path) -> Self {
        Self { labels, path: Labels::path_of(recording), due: None }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &Labels {
        &self.labels
    }

    /// The label of a record.
    #[must_use]
    pub fn get(&self, record: u64) -> Label {
        self.labels.get(record)
    }

    /// Changes the label of a record.
    pub fn set(&mut self, record: u64, label: Label) {
        self.labels.set(record, label);
        self.due = Some(Instant::now());
    }

    /// Says what somebody thinks of a record; said twice, it is taken back.
    pub fn opine(&mut self, record: u64, opinion: Opinion) {
        let label = self.get(record);
        let same = label.opinion == Some(opinion);
        self.set(record, Label { opinion: (!same).then_some(opinion), ..label });
    }

    /// Writes what is due; says why it could not.
    pub fn save(&mut self) -> Option<String> {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return None;
        }
        let saved = self.labels.save(&self.path);
        self.due = saved.is_err().then(|| Instant::now() + AGAIN);
        saved.err().map(|why| format!("{}: {why}", words::LABELS_WAIT))
    }
}

impl Drop for KeptLabels {
    fn drop(&mut self) {
        if self.due.is_none() {
            return;
        }
        if let Err(why) = self.labels.save(&self.path) {
            let text = self.labels.text().unwrap_or_default();
            let mut out = std::io::stderr();
            writeln!(out, "{}: {why}\n{}\n{text}", words::LABELS_LOST, words::LABELS_SAY).ok();
        }
    }
}

/// Edits a label; gives back the changed one.
pub fn edit(ui: &mut egui::Ui, label: &Label) -> Option<Label> {
    let mut changed = None;
    ui.horizontal(|ui| {
        for (opinion, word, tint) in
            [(Opinion::Accept, words::ACCEPT, theme::NEWS), (Opinion::Reject, words::REJECT, theme::ERROR)]
        {
            let on = label.opinion == Some(opinion);
            if ui.selectable_label(on, RichText::new(word).color(tint)).clicked() {
                changed = Some(Label { opinion: (!on).then_some(opinion), ..label.clone() });
            }
        }
    });
    let mut note = label.note.clone();
    let field = egui::TextEdit::multiline(&mut note).hint_text(words::NOTE).desired_rows(2);
    if ui.add(field).changed() {
        changed = Some(Label { note, ..changed.unwrap_or_else(|| label.clone()) });
    }
    changed
}

//! What people said about steps of a walk: a file beside its recording.
//!
//! Invariant: a file of labels belongs to one recording and says so; it is written whole or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::replay::Replay;

/// Most bytes of a file of labels.
const MAX_BYTES: u64 = 16 << 20;
/// Most letters of a note.
const MAX_NOTE: usize = 2_000;

/// What somebody thinks of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// As it should be.
    Accept,
    /// Not as it should be.
    Reject,
}

/// What somebody said about a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Is it as it should be?
    #[serde(default)]
    pub opinion: Option<Opinion>,
    /// In own words, at most 2,000 letters.
    #[serde(default)]
    pub note: String,
}

/// All that was said about a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The recording that they belong to: state and time of its first record.
    pub recording: String,
    /// By the number of the record.
    pub labels: BTreeMap<u64, Label>,
}

/// Labels that cannot be used or kept.
#[derive(Debug, Error)]
pub enum LabelsError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no file of labels.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is allowed.
        what: String,
    },
}

impl Labels {
    /// Where the labels of a recording lie: `walk.mcap` has `walk.labels.ron`.
    #[must_use]
    pub fn path_of(recording: &Path) -> PathBuf {
        recording.with_extension("labels.ron")
    }

    /// None yet, for a recording.
    #[must_use]
    pub fn none_of(replay: &Replay) -> Self {
        let first = replay.steps.first();
        let recording = first.map_or_else(String::new, |step| format!("{}-{}", step.state, step.log_time_ns));
        Self { recording, labels: BTreeMap::new() }
    }

    /// The labels that lie beside a recording; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, is no file of labels, or belongs to another recording.
    pub fn beside(replay: &Replay) -> Result<Self, LabelsError> {
        let (path, none) = (Self::path_of(replay.path()), Self::none_of(replay));
        let failed = |source| LabelsError::File { path: path.clone(), source };
        let wrong = |what: String| LabelsError::Content { path: path.clone(), what };
        let bytes = match std::fs::metadata(&path) {
            Ok(about) => about.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(none),
            Err(error) => return Err(failed(error)),
        };
        if bytes > MAX_BYTES {
            return Err(wrong(format!("{bytes} bytes; labels have at most {MAX_BYTES}")));
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let read: Self = ron::from_str(&text).map_err(|error| wrong(format!("no file of labels: {error}")))?;
        if read.recording != none.recording {
            let what = format!(
                "these labels belong to the recording {}, not to this one, {}; move the file away to begin anew",
                read.recording, none.recording
            );
            return Err(wrong(what));
        }
        Ok(read)
    }

    /// Changes what is said about a record. A label that says nothing is dropped, a longer note is cut.
    pub fn set(&mut self, record: u64, label: Label) {
        let label = Label { note: label.note.chars().take(MAX_NOTE).collect(), ..label };
        if label == Label::default() {
            self.labels.remove(&record);
        } else {
            self.labels.insert(record, label);
        }
    }

    /// What was said about a record.
    #[must_use]
    pub fn get(&self, record: u64) -> Label {
        self.labels.get(&record).cloned().unwrap_or_default()
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When a note cannot be written as text, which does not happen.
    pub fn text(&self) -> Result<String, ron::Error> {
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::new().depth_limit(3))
    }

    /// Writes the file, first under another name, so that an old one is whole until the new one is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), LabelsError> {
        let failed = |source| LabelsError::File { path: path.into(), source };
        let content = |error: ron::Error| LabelsError::Content { path: path.into(), what: error.to_string() };
        let text = self.text().map_err(content)?;
        let other = path.with_extension("new");
        let mut file = std::fs::File::create(&other).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&other, path).map_err(failed)
    }
}

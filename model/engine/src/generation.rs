//! `generation_config.json`: what the weights of a folder were trained to be decoded with.
//!
//! The file is that of other runtimes, whose fields are not looked at; Rhea's own are
//!
//! ```json
//! { "canvas_form": "uniform_noise",
//!   "canvas_sampler": { "flow": { "path": { "metric": { "alpha": 0.9, "c": 3.0 } }, "shift": 1.0 } } }
//! ```
//!
//! Without `canvas_form`, a vocabulary with canvas tokens means holes, and one without them means next-token decoding only.
//! Without `canvas_sampler`, it is the usual one of the form.

use std::path::{Path, PathBuf};

use rhea_tokens::Vocabulary;
use serde::{Deserialize, Serialize};

use crate::decoding::{CanvasForm, CanvasMethod};
use crate::denoise::CanvasIds;
use crate::error::EngineError;

/// Rhea's fields of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationConfig {
    /// What the cells of a canvas show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canvas_form: Option<CanvasForm>,
    /// How canvases are decoded when nobody says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canvas_sampler: Option<CanvasMethod>,
}

/// How a folder's canvases are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanvasSettings {
    pub form: CanvasForm,
    pub ids: CanvasIds,
    pub method: CanvasMethod,
}

impl GenerationConfig {
    /// Where the file of a model folder is.
    #[must_use]
    pub fn file(dir: &Path) -> PathBuf {
        dir.join("generation_config.json")
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), EngineError> {
        let path = Self::file(dir);
        let failed = |what: String| EngineError::Folder { what, path: path.clone() };
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(|e| failed(e.to_string()))
    }

    /// What it means for a vocabulary; `None` is next-token decoding only.
    ///
    /// # Errors
    /// When the form needs tokens that the vocabulary lacks, or the sampler does not fit the form.
    pub(crate) fn settings(&self, vocabulary: &Vocabulary) -> Result<Option<CanvasSettings>, String> {
        let (form, ids) = match self.canvas_form {
            Some(form) => {
                let lacks =
                    || "canvas_form is \"hole\", but tokenizer.json has no canvas tokens; allowed is \"uniform_noise\"";
                (form, CanvasIds::new(form, vocabulary).ok_or_else(lacks)?)
            }
            None => match CanvasIds::new(CanvasForm::Hole, vocabulary) {
                Some(ids) => (CanvasForm::Hole, ids),
                None if self.canvas_sampler.is_some() => {
                    return Err("canvas_sampler needs canvas_form, \"hole\" or \"uniform_noise\"".to_owned());
                }
                None => return Ok(None),
            },
        };
        let method = self.canvas_sampler.unwrap_or_else(|| CanvasMethod::usual(form));
        method.check(form).map_err(|e| format!("canvas_sampler: {e}"))?;
        Ok(Some(CanvasSettings { form, ids, method }))
    }
}

//! How the codes of a view are decoded: which sampler, with which settings, in how many passes.

use serde::{Deserialize, Serialize};

use crate::canvas_samplers::{EntropySettings, Flow, FlowPath};
use crate::error::EngineError;
use crate::limits;

/// What the cells of a canvas show to the model, as its weights were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanvasForm {
    /// Unknown cells are holes, cells carry canvas marks, and the output at a cell is its own code.
    Hole,
    /// Unknown cells are random codes without marks, and the output at a position is the code of the next one, as in
    /// next-token decoding (DiDA; URSA, arXiv 2510.24717).
    UniformNoise,
}

/// A sampler of canvases with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanvasMethod {
    /// The surest cells first; needs weights that know holes.
    Masked,
    /// Discrete flow.
    Flow(Flow),
    /// Cells of small joint entropy together.
    Entropy(EntropySettings),
}

impl CanvasMethod {
    /// What a form is decoded with when nobody says otherwise.
    #[must_use]
    pub fn usual(form: CanvasForm) -> Self {
        match form {
            CanvasForm::Hole => Self::Masked,
            CanvasForm::UniformNoise => Self::Flow(Flow::METRIC),
        }
    }

    /// A word for tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Flow(Flow { path: FlowPath::Metric(_), .. }) => "metric",
            Self::Flow(Flow { path: FlowPath::Mixture, .. }) => "mixture",
            Self::Entropy(_) => "entropy",
        }
    }

    /// Checks the settings, and that weights trained on `form` can be decoded so.
    ///
    /// # Errors
    /// What does not fit and what is allowed.
    pub fn check(&self, form: CanvasForm) -> Result<(), String> {
        match self {
            Self::Masked if form == CanvasForm::UniformNoise => {
                Err("masked decoding needs weights that know holes; allowed here are flow and entropy".to_owned())
            }
            Self::Masked => Ok(()),
            Self::Flow(flow) => flow.check(),
            Self::Entropy(settings) => settings.check(),
        }
    }
}

/// How the picture tokens are decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decoding {
    /// All cells at once, as the model folder says.
    Parallel {
        /// Passes over the canvas, 1 to 64.
        passes: u32,
    },
    /// All cells at once with a sampler that is named.
    Canvas {
        /// The sampler.
        method: CanvasMethod,
        /// Passes over the canvas, 1 to 64; a sampler may end before.
        passes: u32,
    },
    /// One token after the other.
    NextToken,
}

impl Decoding {
    /// A word for tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Parallel { .. } => "parallel",
            Self::Canvas { method, .. } => method.name(),
            Self::NextToken => "next-token",
        }
    }

    /// Checks a number of passes.
    pub(crate) fn check_passes(passes: u32) -> Result<(), EngineError> {
        if (1..=limits::PASSES).contains(&passes) {
            return Ok(());
        }
        Err(EngineError::Request(format!("{passes} passes; allowed are 1 to {}", limits::PASSES)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::canvas_samplers::MetricPath;

    #[test]
    fn settings_outside_their_ranges_are_refused_by_name() {
        let refuse = |method: CanvasMethod, word: &str| {
            let error = method.check(CanvasForm::UniformNoise).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        let metric = |alpha: f64, c: f64, shift: f64| {
            CanvasMethod::Flow(Flow { path: FlowPath::Metric(MetricPath { alpha, c }), shift })
        };
        refuse(metric(0.0, 3.0, 1.0), "alpha");
        refuse(metric(f64::NAN, 3.0, 1.0), "alpha");
        refuse(metric(0.9, 101.0, 1.0), "c is 101");
        refuse(metric(0.9, 3.0, 0.0), "shift");
        refuse(CanvasMethod::Flow(Flow { shift: f64::INFINITY, ..Flow::MIXTURE }), "shift");
        let entropy = |change: fn(&mut EntropySettings)| {
            let mut settings = EntropySettings::PICTURE;
            change(&mut settings);
            CanvasMethod::Entropy(settings)
        };
        refuse(entropy(|s| s.bound = -1.0), "bound");
        refuse(entropy(|s| s.first_temperature = 0.0), "first_temperature");
        refuse(entropy(|s| s.last_temperature = f32::NAN), "last_temperature");
        refuse(entropy(|s| s.sure = 21.0), "sure");
        refuse(entropy(|s| s.stable_passes = 0), "stable_passes");
        refuse(CanvasMethod::Masked, "holes");
        for form in [CanvasForm::Hole, CanvasForm::UniformNoise] {
            CanvasMethod::usual(form).check(form).unwrap();
            CanvasMethod::Entropy(EntropySettings::PICTURE).check(form).unwrap();
            CanvasMethod::Flow(Flow::MIXTURE).check(form).unwrap();
        }
    }
}

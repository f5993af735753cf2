//! Guidance and the reference's scores.

use rhea_nn::transformer::Mix;
use rhea_tokens::Vocabulary;

use super::machine::Next;
use super::request::GenerateSettings;
use crate::error::EngineError;
use crate::request::Filter;
use crate::sampler::Sampler;

/// How strongly branches are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// Of the text: `s` in `u + s (c - u)`.
    pub text: f32,
    /// Of the reference pictures: `s_img` in `f + s_img (u - f) + s (c - u)`.
    pub pictures: Option<f32>,
}

impl Scales {
    /// How so many branches become one, as [`guide`] does it.
    pub(super) fn mix(self, branches: usize) -> Mix {
        match (branches, self.pictures) {
            (1, _) => Mix::Alone,
            (3, Some(pictures)) => Mix::ThreeWay { text: self.text, pictures },
            _ => Mix::Towards(self.text),
        }
    }
}

/// The scores of one position in all branches.
#[derive(Clone, Copy, Debug)]
pub struct Branches<'a> {
    /// With the whole prompt, `c`.
    pub conditional: &'a [f32],
    /// Without task and text, `u`.
    pub unconditional: &'a [f32],
    /// Without pictures too, `f`; only three-way guidance looks at it.
    pub without_pictures: Option<&'a [f32]>,
}

/// Guided scores, in place of the conditional ones.
///
/// The reference takes log-softmax of each branch over the whole vocabulary first. That adds one number to all scores of a
/// position, which changes no draw: plain logits of the visual codes give the same tokens.
pub fn guide(conditional: &mut [f32], unconditional: &[f32], without_pictures: Option<&[f32]>, scales: Scales) {
    match (scales.pictures, without_pictures) {
        (Some(pictures), Some(without)) => {
            let mix = Mix::ThreeWay { text: scales.text, pictures };
            mix.apply(conditional, &[unconditional, without].concat());
        }
        _ => Mix::Towards(scales.text).apply(conditional, unconditional),
    }
}

/// `x - log sum e^x`, in double precision inside.
fn log_softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|v| f64::from(v - largest).exp()).sum();
    let shift = f64::from(largest) + sum.ln();
    scores.iter().map(|v| (f64::from(*v) - shift) as f32).collect()
}

/// What the reference hands to its sampler for one step: scores over the whole vocabulary, guided where a code is drawn,
/// −inf where the grammar or a filter removes a token. Temperature divides them, forced tokens included.
///
/// # Errors
/// When branches have different lengths, or a filter's numbers are out of range.
pub fn reference_scores(
    next: Next,
    vocabulary: &Vocabulary,
    branches: Branches<'_>,
    settings: &GenerateSettings,
) -> Result<Vec<f32>, EngineError> {
    let Branches { conditional, unconditional, without_pictures } = branches;
    let all = [Some(unconditional), without_pictures].into_iter().flatten();
    if let Some(other) = all.map(<[f32]>::len).find(|len| next.is_code() && *len != conditional.len()) {
        return Err(EngineError::Request(format!("branches of {} and {other} scores", conditional.len())));
    }
    let scores = if next.is_code() {
        let mut guided = log_softmax(conditional);
        let without = without_pictures.map(log_softmax);
        let scales = Scales { text: settings.guidance, pictures: settings.picture_guidance };
        guide(&mut guided, &log_softmax(unconditional), without.as_deref(), scales);
        guided
    } else {
        conditional.to_vec()
    };
    let filter = if next == Next::Text { settings.text } else { settings.picture };
    // A filter that draws greedily removes nothing.
    let filter = if filter.temperature == 0.0 { Filter { temperature: 1.0, ..filter } } else { filter };
    Sampler::new(0, filter)?.filtered(&scores, |index| next.allows(vocabulary, index as u32))
}

impl Next {
    fn is_code(self) -> bool {
        matches!(self, Self::Code { .. })
    }

    /// May this id come next, as the reference sees it?
    #[must_use]
    pub fn allows(self, vocabulary: &Vocabulary, id: u32) -> bool {
        match self {
            Self::Text => id < vocabulary.visual_base(),
            Self::Digit { least } => (least..10).any(|digit| vocabulary.number(digit as usize).next() == Some(id)),
            Self::Forced(only) => id == only,
            Self::Code { .. } => vocabulary.code(id).is_some(),
        }
    }

    /// May this id be drawn here, outside of [`super::Pace::Reference`]?
    #[must_use]
    pub fn draws(self, vocabulary: &Vocabulary, id: u32) -> bool {
        self.allows(vocabulary, id) && !is_frame(vocabulary, id)
    }
}

/// Tokens that mean nothing outside of a picture's frame or a prompt.
fn is_frame(vocabulary: &Vocabulary, id: u32) -> bool {
    let c = vocabulary.control();
    let own = [c.hole, c.partial, c.canvas];
    [c.pad, c.bos, c.bss, c.eol, c.eof, c.img, c.eoi].contains(&id) || own.contains(&Some(id))
}

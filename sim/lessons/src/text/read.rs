//! Reading a telling back, and checking it against the truth.

use rhea_scene::{Colour, Noun, Rendered, Scene};
use rhea_session::mentions;

use super::see::visible;

/// How true a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Objects named.
    pub named: usize,
    /// Of these, objects with that colour and noun that are in view.
    pub in_view: usize,
    /// Objects named with a place.
    pub placed: usize,
    /// Of these, objects in view at that place.
    pub in_place: usize,
}

/// As [`mentions`], colour and noun only.
#[must_use]
pub fn named_objects(text: &str) -> Vec<(Colour, Noun)> {
    mentions(text).into_iter().map(|mention| (mention.colour, mention.noun)).collect()
}

/// Compares a text with what a view shows.
#[must_use]
pub fn in_view(text: &str, rendered: &Rendered, scene: &Scene) -> Truth {
    let seen = visible(rendered, scene);
    let mut truth = Truth::default();
    for mention in mentions(text) {
        let matching = || seen.iter().filter(|s| (s.colour, s.noun) == (mention.colour, mention.noun));
        truth.named += 1;
        truth.in_view += usize::from(matching().next().is_some());
        if let Some(bearing) = mention.bearing {
            truth.placed += 1;
            truth.in_place += usize::from(matching().any(|s| s.bearing == bearing));
        }
    }
    truth
}

//! Reading a telling back, and checking it against the truth.

use rhea_scene::{Colour, Noun, Rendered, Scene};

use super::see::{Bearing, visible};

/// An object named in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Its colour.
    pub colour: Colour,
    /// What it is.
    pub noun: Noun,
    /// Where the text says it is, if it says so.
    pub bearing: Option<Bearing>,
}

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

/// The objects a text names: a colour word directly followed by a noun, and the place said before the next object.
///
/// There are no synonyms, and case does not matter. Any text may be given.
#[must_use]
pub fn mentions(text: &str) -> Vec<Mention> {
    // Signs become words of their own, so that "red. Door" is no red door.
    let spaced = |c: char| if c.is_alphanumeric() || c.is_whitespace() { c.to_string() } else { format!(" {c} ") };
    let text: String = text.to_lowercase().chars().map(spaced).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found: Vec<Mention> = Vec::new();
    for (index, &word) in words.iter().enumerate() {
        let noun = words.get(index + 1..).and_then(noun_at);
        let colour = Colour::ALL.into_iter().find(|colour| colour.name() == word);
        if let (Some(colour), Some(noun)) = (colour, noun) {
            found.push(Mention { colour, noun, bearing: None });
            continue;
        }
        if let (Some(bearing), Some(last)) = (bearing_of(word), found.last_mut()) {
            last.bearing = last.bearing.or(Some(bearing));
        }
    }
    found
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

/// The noun that the words begin with; nouns may have two words.
fn noun_at(words: &[&str]) -> Option<Noun> {
    Noun::ALL.into_iter().find(|noun| {
        let mut want = noun.word().split(' ').enumerate();
        want.all(|(index, part)| words.get(index) == Some(&part))
    })
}

fn bearing_of(word: &str) -> Option<Bearing> {
    match word {
        "left" => Some(Bearing::Left),
        "ahead" => Some(Bearing::Ahead),
        "right" => Some(Bearing::Right),
        _ => None,
    }
}

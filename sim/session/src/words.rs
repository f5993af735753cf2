//! The objects that a text names, and where it says they are.

use rhea_scene::{Colour, Noun};

/// In which third of the view an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Left third.
    Left,
    /// Middle third.
    Ahead,
    /// Right third.
    Right,
}

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

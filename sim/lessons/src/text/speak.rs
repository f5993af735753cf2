//! Telling what a view shows.

use rand::Rng;
use rhea_scene::{Scene, Theme};
use rhea_session::Bearing;

use super::see::{Distance, NAMED_SHARE, Seen};

/// Objects in a narration.
const MAX_NARRATED: usize = 3;

/// Objects in a caption, besides walls and floor.
const MAX_CAPTIONED: usize = 2;

/// Words and commas of a caption that names objects; most are one token each, and a prompt should stay short.
const MAX_CAPTION_WORDS: usize = 24;

/// One short sentence about the view: its largest objects with their places, or the walls when there is none.
///
/// `seen` is what [`super::visible`] gives; the generator chooses between equivalent wordings.
#[must_use]
pub fn narration(seen: &[Seen], scene: &Scene, rng: &mut impl Rng) -> String {
    narrate(seen, &scene.theme(), rng)
}

/// As [`narration`], from the words of walls and floor alone.
pub(super) fn narrate(seen: &[Seen], theme: &Theme, rng: &mut impl Rng) -> String {
    let named = worth_naming(seen, MAX_NARRATED);
    let opening = ["You see", "You see", "There is"][rng.random_range(0..3)];
    if named.is_empty() {
        let opening = if opening == "There is" { "There are only" } else { "You see" };
        return format!("{opening} {}.", theme.walls);
    }
    format!("{opening} {}.", list(&named))
}

/// A caption of the view: the place, and up to two of its objects where that stays short.
#[must_use]
pub fn caption(scene: &Scene, seen: &[Seen], rng: &mut impl Rng) -> String {
    caption_of(&scene.caption(), seen, rng)
}

/// As [`caption`], from the place's own line.
pub(super) fn caption_of(place: &str, seen: &[Seen], rng: &mut impl Rng) -> String {
    let mut named = worth_naming(seen, rng.random_range(0..=MAX_CAPTIONED));
    while !named.is_empty() {
        let text = format!("{place}, with {}", list(&named));
        if text.split(' ').count() + text.matches(',').count() <= MAX_CAPTION_WORDS {
            return text;
        }
        named.pop();
    }
    place.to_owned()
}

/// The sentence about the world that stands before every command of a walk.
#[must_use]
pub fn world_sentence(scene: &Scene) -> String {
    format!("{}.", scene.caption())
}

/// The largest objects, each phrase once.
fn worth_naming(seen: &[Seen], most: usize) -> Vec<&Seen> {
    let mut named: Vec<&Seen> = Vec::new();
    for object in seen.iter().filter(|object| object.share >= NAMED_SHARE) {
        let known = named.iter().any(|other| (other.colour, other.noun) == (object.colour, object.noun));
        if !known && named.len() < most {
            named.push(object);
        }
    }
    named
}

/// "a red door ahead, a blue ball on the left and an orange box on the right".
fn list(named: &[&Seen]) -> String {
    let mut text = String::new();
    for (index, object) in named.iter().enumerate() {
        text += match index {
            0 => "",
            _ if index + 1 == named.len() => " and ",
            _ => ", ",
        };
        let phrase = object.phrase();
        text += &format!("{} {phrase} {}", article(&phrase), place(object));
    }
    text
}

/// Where an object is, in words.
fn place(object: &Seen) -> &'static str {
    match (object.bearing, object.distance) {
        (Bearing::Left, _) => "on the left",
        (Bearing::Right, _) => "on the right",
        (Bearing::Ahead, Distance::Near) => "close ahead",
        (Bearing::Ahead, Distance::Middle) => "ahead",
        (Bearing::Ahead, Distance::Far) => "far ahead",
    }
}

/// "a" or "an".
pub(super) fn article(phrase: &str) -> &'static str {
    if phrase.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

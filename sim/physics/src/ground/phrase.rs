//! Words into noun phrases and links between them.

use super::Grounding;
use super::lexicon::{
    ARTICLES, COLOURS, FILLERS, LINKS, Link, NEUTRAL, NOUNS, PRONOUNS, SIZES, VERBS, Verb, edits, is_misspelt,
    vocabulary,
};
use crate::world::World;

/// A noun phrase as it was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Phrase {
    /// The words, for questions back.
    pub said: String,
    /// The noun; `None` for "the red one".
    pub noun: Option<String>,
    /// Colours of the scene that were named.
    pub colour: Option<String>,
    /// The smallest or largest.
    pub size: Option<i32>,
    /// A number in the name.
    pub number: Option<String>,
    /// "it".
    pub pronoun: bool,
    /// A thing or arm named by its whole name.
    pub exact: Option<String>,
    /// Was a word corrected?
    pub corrected: bool,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Verb(Verb),
    Link(Link),
    Phrase(Phrase),
    /// A direction word that is no relation: left, away, closer.
    Way(String),
    /// open, shut: says what a pull or push does.
    State(bool),
}

/// Words in lower case, without punctuation.
pub(super) fn words(text: &str) -> Vec<String> {
    // "can" is a thing, except where it asks.
    let mut lower = text.to_lowercase().replace("re-", "re");
    for who in ["you", "we", "i"] {
        lower = lower.replace(&format!("can {who} "), "please ");
    }
    lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn starts_with(words: &[String], phrase: &str) -> Option<usize> {
    let mut count = 0;
    for (i, part) in phrase.split(' ').enumerate() {
        if words.get(i).is_none_or(|w| w != part) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// Nouns that mean something in this scene, with the words of things' names.
fn known_nouns(world: &World) -> Vec<String> {
    let mut nouns: Vec<String> = NOUNS.iter().flat_map(|g| g.iter().map(|w| (*w).to_owned())).collect();
    nouns.extend(world.stage.scene.things.iter().map(|t| t.noun.to_lowercase()));
    nouns.push("table".to_owned());
    nouns.push("desk".to_owned());
    nouns.push("tabletop".to_owned());
    nouns.sort_unstable();
    nouns.dedup();
    nouns
}

fn singular(word: &str) -> &str {
    match word {
        "glass" | "shelves" => word,
        _ => word.strip_suffix('s').filter(|w| w.len() > 2).unwrap_or(word),
    }
}

/// Words with misspellings corrected, and which ones were. A word that is known is never touched.
fn spelt(words: Vec<String>, world: &World, nouns: &[String]) -> (Vec<String>, Vec<bool>) {
    let vocabulary = vocabulary(nouns);
    let names: Vec<String> = world
        .stage
        .scene
        .things
        .iter()
        .map(|t| t.name.as_str())
        .chain(world.stage.arms.iter().map(|a| a.name.as_str()))
        .flat_map(self::words)
        .collect();
    let known = |w: &str| {
        vocabulary.contains(&w)
            || vocabulary.contains(&singular(w))
            || names.iter().any(|n| n == w)
            || w.ends_with("ly")
    };
    let mut out = Vec::with_capacity(words.len());
    let mut corrected = Vec::with_capacity(words.len());
    for word in words {
        let best = if known(&word) {
            None
        } else {
            vocabulary.iter().filter(|v| is_misspelt(&word, v)).min_by_key(|v| edits(&word, v, 2))
        };
        corrected.push(best.is_some());
        out.push(best.map_or(word, |b| (*b).to_owned()));
    }
    (out, corrected)
}

/// Cuts a sentence into pieces.
pub(super) fn pieces(world: &World, text: &str) -> Result<Vec<Piece>, Grounding> {
    let nouns = known_nouns(world);
    let (words, corrected_words) = spelt(words(text), world, &nouns);
    let names: Vec<(Vec<String>, String)> = world
        .stage
        .scene
        .things
        .iter()
        .map(|t| t.name.as_str())
        .chain(world.stage.arms.iter().map(|a| a.name.as_str()))
        .map(|n| (self::words(n), n.to_owned()))
        .collect();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut phrase: Option<Phrase> = None;
    let mut stray: Option<String> = None;
    let mut at = 0;
    let close =
        |phrase: &mut Option<Phrase>, stray: &mut Option<String>, pieces: &mut Vec<Piece>| -> Result<(), Grounding> {
            if let Some(word) = stray.take() {
                // A word of a noun phrase that nothing here is called.
                return Err(Grounding::Unknown {
                    word,
                    known: world.stage.scene.things.iter().map(|t| t.name.clone()).collect(),
                });
            }
            if let Some(p) = phrase.take()
                && (p.noun.is_some()
                    || p.exact.is_some()
                    || p.pronoun
                    || p.colour.is_some()
                    || p.size.is_some()
                    || p.number.is_some())
            {
                pieces.push(Piece::Phrase(p));
            }
            Ok(())
        };
    while at < words.len() {
        let rest = &words[at..];
        let word = words[at].as_str();
        let in_phrase = phrase.as_ref().is_some_and(|p| p.noun.is_none() && p.exact.is_none());
        // A whole name wins over everything; one-word names that are nouns go the usual way.
        let whole = names
            .iter()
            .filter(|(parts, _)| parts.len() > 1 && rest.starts_with(parts))
            .max_by_key(|(parts, _)| parts.len());
        if let Some((parts, name)) = whole {
            let several =
                world.stage.scene.things.iter().filter(|t| self::words(&t.name).starts_with(parts)).count() > 1;
            if !several {
                let p = phrase.get_or_insert_default();
                if p.noun.is_some() || p.exact.is_some() {
                    close(&mut phrase, &mut stray, &mut pieces)?;
                }
                let p = phrase.get_or_insert_default();
                p.exact = Some(name.clone());
                p.said = parts.join(" ");
                at += parts.len();
                continue;
            }
        }
        if let Some((count, link)) = LINKS.iter().find_map(|(l, link)| starts_with(rest, l).map(|c| (c, *link))) {
            // "up on", "over to": a link ends the phrase before it. "take it off": nothing follows, so it is a particle.
            let followed = words[at + count..].iter().any(|w| is_nominal(w, &nouns));
            let way = count == 1 && super::side_of(word).is_some();
            if followed && !way {
                close(&mut phrase, &mut stray, &mut pieces)?;
                pieces.push(Piece::Link(link));
                at += count;
                continue;
            }
            if link == Link::From && !followed {
                close(&mut phrase, &mut stray, &mut pieces)?;
                pieces.push(Piece::Link(Link::From));
                at += count;
                continue;
            }
        }
        let is_noun = |w: &str| nouns.iter().any(|n| n == w || n == singular(w));
        let verb =
            VERBS.iter().filter_map(|(v, verb)| starts_with(rest, v).map(|c| (c, *verb))).max_by_key(|(c, _)| *c);
        // "the home position", "a wipe": behind a bare article.
        let bare = phrase.as_ref().is_some_and(|p| *p == Phrase::default());
        let noun_like = |c: usize, v: Verb| bare && !is_noun(word) && ((v == Verb::Home && c > 1) || v == Verb::Wipe);
        if let Some((count, verb)) = verb.filter(|(c, v)| noun_like(*c, *v)) {
            phrase = None;
            pieces.push(Piece::Verb(verb));
            at += count;
            continue;
        }
        if let Some((count, verb)) = verb.filter(|(c, _)| !(in_phrase && *c == 1 && is_noun(word))) {
            let has_verb = pieces.iter().any(|p| matches!(p, Piece::Verb(_)));
            // Within an adjective position ("the open drawer") or after the verb, open and shut are states.
            let state = match verb {
                Verb::Open => Some(true),
                Verb::Close if word != "cover" => Some(false),
                _ => None,
            };
            if has_verb
                && count == 1
                && let Some(open) = state
            {
                if !in_phrase {
                    close(&mut phrase, &mut stray, &mut pieces)?;
                    pieces.push(Piece::State(open));
                }
                at += 1;
                continue;
            }
            let second_verb_noun = has_verb && is_noun(word) && phrase.is_none();
            let filler = has_verb
                && (FILLERS.contains(&word) || word == "rest" || word == "home")
                && verb != Verb::Place
                && count == 1;
            if !in_phrase && !second_verb_noun && !filler {
                close(&mut phrase, &mut stray, &mut pieces)?;
                pieces.push(Piece::Verb(verb));
                at += count;
                continue;
            }
        }
        at += 1;
        if ARTICLES.contains(&word) && rest.len() > 1 && (!PRONOUNS.contains(&word) || next_is_nominal(rest, &nouns)) {
            if phrase.as_ref().is_some_and(|p| p.noun.is_some() || p.exact.is_some() || p.pronoun) {
                close(&mut phrase, &mut stray, &mut pieces)?;
            }
            phrase.get_or_insert_default();
            continue;
        }
        if PRONOUNS.contains(&word) {
            close(&mut phrase, &mut stray, &mut pieces)?;
            phrase = Some(Phrase { pronoun: true, said: word.to_owned(), ..Phrase::default() });
            close(&mut phrase, &mut stray, &mut pieces)?;
            continue;
        }
        let corrected = corrected_words.get(at - 1).copied().unwrap_or(false);
        if let Some(colour) = colour(word) {
            let p = phrase.get_or_insert_default();
            if p.noun.is_some() {
                close(&mut phrase, &mut stray, &mut pieces)?;
            }
            let p = phrase.get_or_insert_default();
            p.colour = Some(colour.to_owned());
            p.corrected |= corrected;
            push_word(&mut p.said, word);
            continue;
        }
        if let Some((_, size)) = SIZES.iter().find(|(s, _)| *s == word) {
            let p = phrase.get_or_insert_default();
            p.size = Some(*size);
            push_word(&mut p.said, word);
            continue;
        }
        if let Some(noun) = nouns.iter().find(|n| *n == word || *n == singular(word)) {
            if phrase.as_ref().is_some_and(|p| p.noun.is_some() || p.exact.is_some()) {
                close(&mut phrase, &mut stray, &mut pieces)?;
            }
            let p = phrase.get_or_insert_default();
            p.noun = Some(noun.clone());
            p.corrected |= corrected;
            push_word(&mut p.said, word);
            continue;
        }
        if word.chars().all(|c| c.is_ascii_digit()) {
            if let Some(p) = phrase.as_mut() {
                p.number = Some(word.to_owned());
                push_word(&mut p.said, word);
            }
            continue;
        }
        if super::side_of(word).is_some() && !(word == "robot" && pieces.is_empty()) && word != "you" {
            close(&mut phrase, &mut stray, &mut pieces)?;
            pieces.push(Piece::Way(word.to_owned()));
            continue;
        }
        if word == "you" && pieces.iter().any(|p| matches!(p, Piece::Link(Link::To))) {
            pieces.push(Piece::Way(word.to_owned()));
            continue;
        }
        if word == "one" && in_phrase {
            continue;
        }
        if FILLERS.contains(&word) || NEUTRAL.contains(&word) || word.ends_with("ly") {
            continue;
        }
        // An unknown word counts where a noun phrase is being said, or where nothing else explains it.
        if stray.is_none() {
            stray = Some(word.to_owned());
        }
    }
    close(&mut phrase, &mut stray, &mut pieces)?;
    Ok(pieces)
}

fn push_word(said: &mut String, word: &str) {
    if !said.is_empty() {
        said.push(' ');
    }
    said.push_str(word);
}

/// Can a word be part of a noun phrase?
fn is_nominal(word: &str, nouns: &[String]) -> bool {
    let known = nouns.iter().any(|n| n == word || n == singular(word));
    known
        || colour(word).is_some()
        || PRONOUNS.contains(&word)
        || word == "one"
        || word == "arm"
        || ARTICLES.contains(&word)
}

fn next_is_nominal(rest: &[String], nouns: &[String]) -> bool {
    rest.get(1).is_some_and(|w| {
        (is_nominal(w, nouns) && !PRONOUNS.contains(&w.as_str()))
            || SIZES.iter().any(|(s, _)| s == w)
            || NEUTRAL.contains(&w.as_str())
    })
}

fn colour(word: &str) -> Option<&'static str> {
    COLOURS.iter().find(|g| g.contains(&word)).and_then(|g| g.first()).copied()
}

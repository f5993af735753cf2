//! From free words to a skill: synonyms, adjectives, relations, pronouns, misspelt words, and an honest question back.
//!
//! Words are read left to right into a verb, noun phrases and relations; noun phrases are looked up among the things that are
//! there. Where two things fit, the answer is [`Grounding::Ambiguous`] with both; where a word that matters means nothing, it
//! is [`Grounding::Unknown`]. Nothing is guessed.
//!
//! Invariant: a skill that is returned names only things of the scene.

mod lexicon;
mod phrase;
mod resolve;
mod sentence;

use crate::limits::MAX_SENTENCE_BYTES;
use crate::skill::{Relation, Skill, Towards};
use crate::world::World;
use crate::world::facts::Side;

/// Score from which a reading is accepted.
pub const ACCEPTED: f64 = 0.85;

/// What was talked about before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The thing that "it" means.
    pub last: Option<String>,
}

impl Memory {
    /// Remembers the thing of a skill.
    pub fn note(&mut self, skill: &Skill) {
        if let Some(thing) = skill.thing() {
            self.last = Some(thing.to_owned());
        }
    }
}

/// What words mean here.
#[derive(Clone, Debug, PartialEq)]
pub enum Grounding {
    /// One skill.
    Skill {
        /// The skill.
        skill: Skill,
        /// How sure, 0.85 to 1.
        score: f64,
    },
    /// Several things fit.
    Ambiguous {
        /// The words.
        what: String,
        /// What they can mean.
        candidates: Vec<String>,
    },
    /// A word that matters means nothing here.
    Unknown {
        /// The word; empty when a part of the sentence is missing.
        word: String,
        /// What is known.
        known: Vec<String>,
    },
}

/// Reads a sentence.
#[must_use]
pub fn ground(world: &World, text: &str, memory: &Memory) -> Grounding {
    if text.len() > MAX_SENTENCE_BYTES {
        let word = format!("a sentence of {} bytes", text.len());
        return Grounding::Unknown { word, known: vec![format!("at most {MAX_SENTENCE_BYTES} bytes")] };
    }
    match sentence::read(world, text, memory) {
        Ok((skill, score)) => Grounding::Skill { skill, score },
        Err(other) => other,
    }
}

/// What a sentence asks for.
///
/// # Errors
/// Why that cannot be told, in words.
pub fn meant(world: &World, text: &str, memory: &Memory) -> Result<Skill, String> {
    match ground(world, text, memory) {
        Grounding::Skill { skill, .. } => Ok(skill),
        Grounding::Ambiguous { what, candidates } => Err(format!("`{what}` can mean: {}", candidates.join(", "))),
        Grounding::Unknown { word, known } if word.is_empty() => Err(known.join(", ")),
        Grounding::Unknown { word, known } => {
            Err(format!("`{word}` means nothing here; there are: {}", known.join(", ")))
        }
    }
}

impl Skill {
    /// Do two skills ask for the same change? Stacking is placing on, unstacking is placing on the table, pulling is pushing.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        let plain = |skill: &Self| match skill.clone() {
            Self::Stack { thing, target } => Self::Place { thing, relation: Relation::On, target },
            Self::Unstack { thing } => Self::Place { thing, relation: Relation::On, target: "table".to_owned() },
            Self::Pull { thing, to } => Self::Push { thing, to },
            other => other,
        };
        plain(self) == plain(other)
    }
}

/// The side that a word names, as a push or pull direction.
fn side_of(word: &str) -> Option<Side> {
    Some(match word {
        "left" | "leftwards" | "leftward" => Side::Left,
        "right" | "rightwards" | "rightward" => Side::Right,
        "back" | "away" | "forward" | "forwards" | "backwards" | "rear" => Side::Behind,
        "front" | "closer" | "nearer" | "here" | "me" | "you" | "yourself" | "robot" => Side::Front,
        _ => return None,
    })
}

/// Towards nothing named: pushes go away, pulls come closer.
fn default_way(pull: bool) -> Towards {
    Towards::Side(if pull { Side::Front } else { Side::Behind })
}

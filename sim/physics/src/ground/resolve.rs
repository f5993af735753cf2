//! Noun phrases into things that are there.

use super::lexicon::{Link, NOUNS};
use super::phrase::Phrase;
use super::{Grounding, Memory};
use crate::kinematics::Owner;
use crate::world::World;
use crate::world::facts::{Place, Side};

/// Relative difference of volume from which one thing is clearly the larger one.
const CLEARLY_LARGER: f64 = 1.15;

/// A name and how sure it is.
pub(super) type Found = (String, f64);

/// Do two nouns name the same kind of thing? 1 for equal words, less for synonyms, 0 for no.
fn kinship(said: &str, noun: &str) -> f64 {
    let noun = noun.to_lowercase();
    if said == noun || said.strip_suffix('s') == Some(noun.as_str()) {
        return 1.0;
    }
    if NOUNS.iter().any(|g| g.contains(&said) && g.contains(&noun.as_str())) { 0.9 } else { 0.0 }
}

/// The thing that a phrase means; `modifier` is what it is said to be on, in or beside.
pub(super) fn find(
    world: &World,
    phrase: &Phrase,
    modifier: Option<(Link, &str)>,
    memory: &Memory,
) -> Result<Found, Grounding> {
    let stage = &world.stage;
    let known = || stage.scene.things.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    let penalty = if phrase.corrected { 0.05 } else { 0.0 };
    if let Some(exact) = &phrase.exact {
        return Ok((exact.clone(), 1.0));
    }
    if phrase.pronoun {
        return memory
            .last
            .clone()
            .map(|n| (n, 0.95))
            .ok_or_else(|| Grounding::Ambiguous { what: phrase.said.clone(), candidates: known() });
    }
    if matches!(phrase.noun.as_deref(), Some("table" | "desk" | "tabletop")) {
        return Ok(("table".to_owned(), 1.0 - penalty));
    }
    let mut fits: Vec<(usize, f64)> = Vec::new();
    for (i, thing) in stage.scene.things.iter().enumerate() {
        let by_noun = phrase.noun.as_deref().map_or(0.9, |n| kinship(n, &thing.noun));
        let by_colour = phrase.colour.as_deref().is_none_or(|c| c == thing.colour.name());
        let by_number = phrase.number.as_deref().is_none_or(|n| thing.name.rsplit(['_', ' ']).next() == Some(n));
        if by_noun > 0.0 && by_colour && by_number {
            fits.push((i, by_noun));
        }
    }
    // The very word wins over its synonyms.
    let best = fits.iter().map(|f| f.1).fold(0.0, f64::max);
    fits.retain(|f| f.1 >= best - 1e-9);
    if let Some((link, other)) = modifier
        && fits.len() > 1
    {
        fits.retain(|(i, _)| related(world, *i, link, other));
    }
    if fits.len() > 1
        && let Some(size) = phrase.size
    {
        let volume = |i: usize| {
            let s = stage.thing(i).form.size_m();
            s.0 * s.1 * s.2
        };
        fits.sort_by(|a, b| volume(a.0).total_cmp(&volume(b.0)));
        if size > 0 {
            fits.reverse();
        }
        let ratio = match fits[..] {
            [a, b, ..] => volume(a.0).max(volume(b.0)) / volume(a.0).min(volume(b.0)),
            _ => f64::MAX,
        };
        if ratio >= CLEARLY_LARGER {
            fits.truncate(1);
        }
    }
    match fits[..] {
        [(i, score)] => Ok((stage.thing(i).name.clone(), score.max(0.9) - penalty)),
        [] => {
            let word =
                if phrase.said.is_empty() { phrase.noun.clone().unwrap_or_default() } else { phrase.said.clone() };
            Err(Grounding::Unknown { word, known: known() })
        }
        _ => Err(Grounding::Ambiguous {
            what: phrase.said.clone(),
            candidates: fits.iter().map(|(i, _)| stage.thing(*i).name.clone()).collect(),
        }),
    }
}

/// Does a relation hold in the scene?
fn related(world: &World, thing: usize, link: Link, other: &str) -> bool {
    let place = world.place(thing);
    if other == "table" {
        return place == Place::On(Owner::Table);
    }
    let Some(other) = world.stage.scene.find(other) else { return false };
    if thing == other {
        return false;
    }
    let beside = |side| world.is_beside(thing, side, other);
    match link {
        Link::On | Link::In | Link::From => place == Place::On(Owner::Thing(other)) || place == Place::In(other),
        Link::Left => beside(Side::Left),
        Link::Right => beside(Side::Right),
        Link::Front => beside(Side::Front),
        Link::Behind => beside(Side::Behind),
        Link::Beside | Link::To => Side::ALL.into_iter().any(beside),
    }
}

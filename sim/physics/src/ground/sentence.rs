//! Pieces into a skill.

use super::lexicon::{Link, Verb};
use super::phrase::{Phrase, Piece, pieces};
use super::resolve::{Found, find};
use super::{Grounding, Memory, default_way, side_of};
use crate::kinematics::Owner;
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::world::World;
use crate::world::facts::Place;

struct Reading<'a> {
    world: &'a World,
    memory: Memory,
    /// Noun phrases with the link before each.
    parts: Vec<(Option<Link>, Phrase)>,
    way: Option<String>,
    state: Option<bool>,
    trailing: Option<Link>,
}

/// Reads a sentence into a skill and how sure it is.
pub(super) fn read(world: &World, text: &str, memory: &Memory) -> Result<(Skill, f64), Grounding> {
    let pieces = pieces(world, text)?;
    let mut reading =
        Reading { world, memory: memory.clone(), parts: Vec::new(), way: None, state: None, trailing: None };
    let mut verbs = Vec::new();
    let mut link = None;
    for piece in pieces {
        match piece {
            Piece::Verb(verb) => verbs.push(verb),
            Piece::Link(l) => link = Some(l),
            Piece::Phrase(phrase) => reading.parts.push((link.take(), phrase)),
            Piece::Way(way) => {
                // "to the left" has no noun phrase behind its link.
                link = None;
                reading.way = Some(way);
            }
            Piece::State(open) => reading.state = Some(open),
        }
    }
    reading.trailing = link;
    // "I want the mug on the shelf": a relation without a verb asks for placing.
    let related = reading.parts.iter().skip(1).any(|(l, _)| l.is_some_and(|l| l != Link::From));
    if verbs.is_empty() && related {
        verbs.push(Verb::Place);
    }
    let Some(mut verb) = verbs.first().copied() else {
        let word = text.split_whitespace().next().unwrap_or_default().to_owned();
        return Err(Grounding::Unknown { word, known: Skill::VERBS.iter().map(|v| (*v).to_owned()).collect() });
    };
    // "move to the home position", "give it a wipe": the second word is what is to be done.
    if verbs.contains(&Verb::Home) && reading.parts.is_empty() {
        verb = Verb::Home;
    }
    if verb == Verb::Handover && verbs.contains(&Verb::Wipe) {
        verb = Verb::Wipe;
    }
    // "pick up the mug and put it on the shelf" is one placing.
    if let Some(second) = verbs.get(1).filter(|v| verb == Verb::Pick && **v != Verb::Pick) {
        verb = *second;
        reading.bind_pronouns();
    }
    reading.skill(verb)
}

impl Reading<'_> {
    /// A pronoun behind a noun phrase means that one.
    fn bind_pronouns(&mut self) {
        if let Some(at) = self.parts.iter().skip(1).position(|(_, p)| p.pronoun) {
            self.parts.remove(at + 1);
        }
    }

    fn missing(&self, what: &str) -> Grounding {
        Grounding::Unknown { word: String::new(), known: vec![format!("the sentence does not say {what}")] }
    }

    fn thing(&self, index: usize) -> Result<Found, Grounding> {
        let (_, phrase) = self.parts.get(index).ok_or_else(|| self.missing("what is meant"))?;
        find(self.world, phrase, None, &self.memory)
    }

    /// The first phrase, told apart by the second one if that is only a modifier.
    fn thing_with(&self, modifier: Option<usize>) -> Result<Found, Grounding> {
        let (_, phrase) = self.parts.first().ok_or_else(|| self.missing("what is meant"))?;
        let Some((Some(link), other)) = modifier.and_then(|m| self.parts.get(m)) else {
            return find(self.world, phrase, None, &self.memory);
        };
        // What something is taken from must be there, even if it is not needed to tell things apart.
        let (other, score) = find(self.world, other, None, &self.memory)?;
        let found = find(self.world, phrase, Some((*link, &other)), &self.memory)?;
        Ok((found.0, found.1.min(score)))
    }

    fn form(&self, name: &str) -> Option<Form> {
        self.world.stage.scene.find(name).map(|i| self.world.stage.thing(i).form)
    }

    fn is_lid(&self, name: &str) -> bool {
        matches!(self.form(name), Some(Form::Lid { .. }))
    }

    fn is_drawer(&self, name: &str) -> bool {
        matches!(self.form(name), Some(Form::Drawer { .. }))
    }

    fn skill(&self, verb: Verb) -> Result<(Skill, f64), Grounding> {
        match verb {
            Verb::Home if self.parts.is_empty() => Ok((Skill::Home, 1.0)),
            Verb::Home => Err(self.missing("what to do with the thing")),
            Verb::Pick => self.pick(),
            Verb::Place | Verb::Stack => self.place(verb),
            Verb::Unstack => self.unstack(),
            Verb::Push | Verb::Pull => self.push(verb == Verb::Pull),
            Verb::Open | Verb::Close => self.open_or_close(verb == Verb::Open),
            Verb::Pour => self.pour(),
            Verb::Handover => self.handover(),
            Verb::Regrasp => self.thing(0).map(|(thing, s)| (Skill::Regrasp { thing }, s)),
            Verb::Wipe => self.thing(0).map(|(target, s)| (Skill::Wipe { target }, s)),
            Verb::Press => self.thing(0).map(|(target, s)| (Skill::Press { target }, s)),
        }
    }

    fn pick(&self) -> Result<(Skill, f64), Grounding> {
        let last = self.parts.len().saturating_sub(1);
        let last_link = self.parts.get(last).and_then(|(l, _)| *l);
        // "take the block to the shelf" places; "take the block off the tower" unstacks; "take the lid off" opens.
        if last > 0 && last_link == Some(Link::To) {
            return self.place(Verb::Place);
        }
        if self.trailing == Some(Link::From) || self.parts.iter().any(|(l, _)| *l == Some(Link::From)) {
            let (thing, score) = self.thing_with((last > 0).then_some(1))?;
            if self.is_lid(&thing) {
                return self.lid_off(&thing, score);
            }
            let stands_on_movable = self.world.stage.scene.find(&thing).is_some_and(|i| match self.world.place(i) {
                Place::On(Owner::Thing(t)) => self.world.stage.thing(t).is_movable(),
                _ => false,
            });
            if stands_on_movable {
                return Ok((Skill::Unstack { thing }, score));
            }
            return Ok((Skill::Pick { thing }, score));
        }
        let (thing, score) = self.thing_with((last > 0).then_some(1))?;
        Ok((Skill::Pick { thing }, score))
    }

    fn lid_off(&self, lid: &str, score: f64) -> Result<(Skill, f64), Grounding> {
        let index = self.world.stage.scene.find(lid);
        match index.map(|i| self.world.place(i)) {
            Some(Place::On(Owner::Thing(t))) => {
                Ok((Skill::Open { target: self.world.stage.thing(t).name.clone() }, score))
            }
            _ => Err(self.missing("which container has the lid on")),
        }
    }

    fn place(&self, verb: Verb) -> Result<(Skill, f64), Grounding> {
        let last = self.parts.len().saturating_sub(1);
        if last == 0 {
            // "put it down": on the table.
            let (thing, score) = self.thing(0)?;
            if let Some(way) = self.way.as_deref().and_then(side_of) {
                return Ok((Skill::Push { thing, to: Towards::Side(way) }, score.min(0.9)));
            }
            return match verb {
                Verb::Place if self.trailing.is_none() => {
                    Ok((Skill::Place { thing, relation: Relation::On, target: "table".to_owned() }, score.min(0.9)))
                }
                _ => Err(self.missing("where to put it")),
            };
        }
        let (thing, own) = self.thing_with((last > 1).then_some(1))?;
        let (link, phrase) = &self.parts[last];
        let (target, other) = find(self.world, phrase, None, &self.memory)?;
        let score = own.min(other);
        let form = self.form(&target);
        let hollow = form.is_some_and(|f| f.cavity().is_some());
        let relation = match link {
            Some(Link::On) if self.is_lid(&thing) && hollow => return Ok((Skill::Close { target }, score)),
            // "on the bin", "on the drawer": what has no top takes things in.
            Some(Link::On | Link::To) if hollow && form.is_some_and(|f| f.top_m().is_none()) => Relation::In,
            Some(Link::To) if self.is_drawer(&target) => Relation::In,
            Some(Link::On | Link::To) => Relation::On,
            Some(Link::In) if target == "table" => Relation::On,
            Some(Link::In) => Relation::In,
            Some(Link::Left) => Relation::LeftOf,
            Some(Link::Right) => Relation::RightOf,
            Some(Link::Front) => Relation::FrontOf,
            Some(Link::Behind) => Relation::Behind,
            Some(Link::Beside) => {
                let candidates = Relation::ALL[2..].iter().map(|r| format!("{} {target}", r.words())).collect();
                return Err(Grounding::Ambiguous { what: "beside".to_owned(), candidates });
            }
            Some(Link::From) => {
                let table = "table".to_owned();
                return Ok((Skill::Place { thing, relation: Relation::On, target: table }, score));
            }
            None => return Err(self.missing("how the two things relate")),
        };
        if verb == Verb::Stack && relation == Relation::On {
            return Ok((Skill::Stack { thing, target }, score));
        }
        Ok((Skill::Place { thing, relation, target }, score))
    }

    fn unstack(&self) -> Result<(Skill, f64), Grounding> {
        let last = self.parts.len().saturating_sub(1);
        // "remove the block from the tower and put it on the shelf" is a placing that was read as two verbs before.
        let (thing, score) = self.thing_with((last > 0).then_some(1))?;
        if self.is_lid(&thing) {
            return self.lid_off(&thing, score);
        }
        Ok((Skill::Unstack { thing }, score))
    }

    fn push(&self, pull: bool) -> Result<(Skill, f64), Grounding> {
        let (thing, score) = self.thing(0)?;
        let form = self.form(&thing);
        if self.is_drawer(&thing) {
            let opens = self.state.unwrap_or(pull);
            let skill = if opens { Skill::Open { target: thing } } else { Skill::Close { target: thing } };
            return Ok((skill, score));
        }
        if matches!(form, Some(Form::Button { .. })) && !pull {
            return Ok((Skill::Press { target: thing }, score));
        }
        let mut score = score;
        let to = match (self.parts.get(1), self.way.as_deref().and_then(side_of)) {
            (Some((link, phrase)), _) => {
                let (target, other) = find(self.world, phrase, None, &self.memory)?;
                score = score.min(other);
                if *link == Some(Link::From) {
                    return Err(self.missing("where to push it"));
                }
                Towards::Thing(target)
            }
            (None, Some(side)) => Towards::Side(side),
            (None, None) => default_way(pull),
        };
        Ok((if pull { Skill::Pull { thing, to } } else { Skill::Push { thing, to } }, score))
    }

    fn open_or_close(&self, open: bool) -> Result<(Skill, f64), Grounding> {
        // "close the box with the lid": the lid is only the tool.
        let mut named: Vec<Found> = Vec::new();
        for index in 0..self.parts.len() {
            let found = self.thing(index)?;
            if !self.is_lid(&found.0) || self.parts.len() == 1 {
                named.push(found);
            }
        }
        let Some((target, score)) = named.into_iter().next() else { return Err(self.missing("what to open or close")) };
        if self.is_lid(&target) {
            return self.lid_off(&target, score);
        }
        Ok((if open { Skill::Open { target } } else { Skill::Close { target } }, score))
    }

    fn pour(&self) -> Result<(Skill, f64), Grounding> {
        let mut from: Option<Found> = None;
        let mut into: Option<Found> = None;
        for (index, (link, phrase)) in self.parts.iter().enumerate() {
            let is_goal = matches!(link, Some(Link::In | Link::On | Link::To));
            let content = phrase.noun.as_deref().is_some_and(|n| n.starts_with("bead") || n == "pellets");
            if content && !is_goal {
                // What is poured is named: the vessel is where it is.
                let all = self.world.of_noun("bead");
                if let Some(Place::In(vessel)) = all.first().map(|i| self.world.place(*i)) {
                    from.get_or_insert((self.world.stage.thing(vessel).name.clone(), 0.9));
                }
                continue;
            }
            let found = self.thing(index)?;
            if is_goal {
                into = Some(found);
            } else {
                from = Some(found);
            }
        }
        match (from, into) {
            (Some((from, a)), Some((into, b))) => Ok((Skill::Pour { from, into }, a.min(b))),
            (None, _) => Err(self.missing("what to pour")),
            (_, None) => Err(self.missing("where to pour it")),
        }
    }

    fn handover(&self) -> Result<(Skill, f64), Grounding> {
        let arms = &self.world.stage.arms;
        let named: Vec<usize> = (0..self.parts.len())
            .filter(|i| self.parts[*i].1.exact.as_ref().is_some_and(|e| arms.iter().any(|a| a.name == *e)))
            .collect();
        let thing =
            (0..self.parts.len()).find(|i| !named.contains(i)).ok_or_else(|| self.missing("what to hand over"))?;
        let (thing, score) = self.thing(thing)?;
        let to = match named[..] {
            [one] => self.parts[one].1.exact.clone().unwrap_or_default(),
            // "from the left arm to the right arm"
            [_, _, ..] => {
                let goal = named.iter().find(|i| self.parts[**i].0 == Some(Link::To)).or(named.last());
                goal.and_then(|i| self.parts[*i].1.exact.clone()).unwrap_or_default()
            }
            [] => {
                let holder = self.world.logic.arms.iter().position(|a| a.held.is_some());
                let others: Vec<String> =
                    arms.iter().enumerate().filter(|(i, _)| Some(*i) != holder).map(|(_, a)| a.name.clone()).collect();
                match &others[..] {
                    [only] => only.clone(),
                    _ => return Err(Grounding::Ambiguous { what: "the other arm".to_owned(), candidates: others }),
                }
            }
        };
        Ok((Skill::Handover { thing, to }, score))
    }
}

//! The world as symbols: what each skill needs and what it changes. Used by the precondition check, by the check of progress
//! and by the search planner, so that they cannot disagree.

use serde::{Deserialize, Serialize};

use crate::kinematics::Owner;
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::world::World;
use crate::world::facts::{Goal, Place, Side};
use crate::world::stage::Stage;

/// Where a thing is, in symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum At {
    /// On the table, possibly at a side of something or pushed to something.
    Table,
    /// On the table beside a thing.
    Beside(Side, usize),
    /// Pushed to a thing.
    Pushed(usize),
    /// Pushed to a side.
    Aside(Side),
    /// On a thing.
    On(usize),
    /// In a thing.
    In(usize),
    /// In a hand.
    Held(usize),
    /// Lost.
    Nowhere,
}

/// All symbols of a scene.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbols {
    /// Where each thing is.
    pub at: Vec<At>,
    /// Drawers that are out.
    pub out: Vec<bool>,
    /// Buttons that were pressed.
    pub pressed: Vec<bool>,
    /// Things that were wiped.
    pub wiped: Vec<bool>,
    /// Number of arms.
    pub arms: usize,
}

/// Why a skill cannot begin: the first condition that fails, and who is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The condition, in words.
    pub condition: String,
    /// Names.
    pub culprit: Vec<String>,
    /// A skill that would help.
    pub remedy: Option<Skill>,
}

impl Symbols {
    /// The symbols of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let things = 0..world.stage.scene.things.len();
        let at = |i: usize| match world.place(i) {
            Place::On(Owner::Thing(t)) => At::On(t),
            Place::On(_) => At::Table,
            Place::In(t) => At::In(t),
            Place::Held(arm) => At::Held(arm),
            Place::Nowhere => At::Nowhere,
        };
        Self {
            at: things.clone().map(at).collect(),
            out: things.map(|i| world.is_drawer(i) && world.is_open(i)).collect(),
            pressed: world.logic.pressed.clone(),
            wiped: world.logic.wiped.clone(),
            arms: world.logic.arms.len(),
        }
    }

    /// Things directly on or in another.
    pub fn loads(&self, thing: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.at.len()).filter(move |i| matches!(self.at[*i], At::On(t) | At::In(t) if t == thing))
    }

    fn held(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.at.iter().enumerate().filter_map(|(i, at)| if let At::Held(arm) = at { Some((i, *arm)) } else { None })
    }

    /// Is a container accessible?
    #[must_use]
    pub fn is_open(&self, stage: &Stage, container: usize) -> bool {
        match stage.thing(container).form {
            Form::Drawer { .. } => self.out[container],
            _ => !self.loads(container).any(|i| is_lid(stage, i)),
        }
    }

    /// Does a condition hold in symbols? `None` if it names something that is not there, or if symbols cannot tell.
    #[must_use]
    pub fn holds(&self, stage: &Stage, goal: &Goal) -> Option<bool> {
        let find = |name: &String| stage.scene.find(name);
        Some(match goal {
            Goal::On { thing, target } if target == "table" => {
                matches!(self.at[find(thing)?], At::Table | At::Beside(..) | At::Pushed(_) | At::Aside(_))
            }
            Goal::On { thing, target } => {
                let (thing, target) = (find(thing)?, find(target)?);
                self.at[thing] == At::On(target) || (is_mat(stage, target) && self.at[thing] == At::Pushed(target))
            }
            Goal::In { thing, target } => self.at[find(thing)?] == At::In(find(target)?),
            Goal::Beside { thing, side, target } => self.at[find(thing)?] == At::Beside(*side, find(target)?),
            Goal::Near { thing, target, .. } => {
                let (thing, target) = (find(thing)?, find(target)?);
                self.at[thing] == At::Pushed(target) || self.at[thing] == At::On(target)
            }
            Goal::Held { thing, arm } => match (self.at[find(thing)?], arm) {
                (At::Held(_), None) => true,
                (At::Held(held), Some(name)) => stage.arms.get(held).is_some_and(|a| a.name == *name),
                _ => false,
            },
            Goal::Open { target } => self.is_open(stage, find(target)?),
            Goal::Closed { target } => !self.is_open(stage, find(target)?),
            Goal::Pressed { target } => self.pressed[find(target)?],
            Goal::Wiped { target } => self.wiped[find(target)?],
            Goal::Poured { noun, into, share } => {
                let into = find(into)?;
                let all: Vec<usize> = (0..self.at.len()).filter(|i| stage.thing(*i).noun == *noun).collect();
                let inside = all.iter().filter(|i| self.at[**i] == At::In(into)).count();
                !all.is_empty() && inside as f64 >= share * all.len() as f64
            }
        })
    }

    /// Can a skill begin?
    ///
    /// # Errors
    /// The first condition that fails.
    pub fn check(&self, stage: &Stage, skill: &Skill) -> Result<(), Unmet> {
        let unmet = |condition: String, culprit: &[&str], remedy: Option<Skill>| {
            Err(Unmet { condition, culprit: culprit.iter().map(|c| (*c).to_owned()).collect(), remedy })
        };
        let find = |name: &str| {
            stage.scene.find(name).ok_or_else(|| Unmet {
                condition: format!("`{name}` exists"),
                culprit: vec![name.to_owned()],
                remedy: None,
            })
        };
        let name = |i: usize| stage.thing(i).name.as_str();
        match skill {
            Skill::Home => Ok(()),
            Skill::Pick { thing } => self.can_pick(stage, find(thing)?),
            Skill::Unstack { thing } => {
                let index = find(thing)?;
                match self.at[index] {
                    At::On(_) => self.can_pick(stage, index),
                    _ => unmet(format!("{thing} stands on another thing"), &[thing], None),
                }
            }
            Skill::Place { thing, relation, target } => {
                let index = find(thing)?;
                if target == "table" {
                    return match relation {
                        Relation::On => self.can_get(stage, index),
                        _ => unmet("things stand on the table, not in or beside it".to_owned(), &["table"], None),
                    };
                }
                self.can_put(stage, index, *relation, find(target)?)
            }
            Skill::Stack { thing, target } => {
                let (index, below) = (find(thing)?, find(target)?);
                self.can_put(stage, index, Relation::On, below)
            }
            Skill::Push { thing, to } | Skill::Pull { thing, to } => {
                let index = find(thing)?;
                if let Towards::Thing(target) = to {
                    find(target)?;
                }
                if !stage.thing(index).is_movable() {
                    return unmet(format!("{thing} can be moved"), &[thing], None);
                }
                if !matches!(self.at[index], At::Table | At::Beside(..) | At::Pushed(_) | At::Aside(_))
                    && !matches!(self.at[index], At::On(t) if is_mat(stage, t))
                {
                    return unmet(format!("{thing} stands on the table"), &[thing], None);
                }
                self.has_free_hand()
            }
            Skill::Open { target } => {
                let index = find(target)?;
                if stage.cavity(index).is_none() {
                    return unmet(format!("{target} can be opened"), &[target], None);
                }
                if self.is_open(stage, index) {
                    return unmet(format!("{target} is closed"), &[target], None);
                }
                self.has_free_hand()
            }
            Skill::Close { target } => {
                let index = find(target)?;
                if stage.cavity(index).is_none() {
                    return unmet(format!("{target} can be closed"), &[target], None);
                }
                if !self.is_open(stage, index) {
                    return unmet(format!("{target} is open"), &[target], None);
                }
                let held_lid = self.held().any(|(i, _)| is_lid(stage, i));
                if held_lid { Ok(()) } else { self.has_free_hand() }
            }
            Skill::Pour { from, into } => {
                let (cup, bowl) = (find(from)?, find(into)?);
                if stage.cavity(cup).is_none() || !stage.thing(cup).is_movable() {
                    return unmet(format!("{from} is a vessel that can be lifted"), &[from], None);
                }
                if stage.cavity(bowl).is_none() || cup == bowl {
                    return unmet(format!("{into} is another container"), &[into], None);
                }
                if !self.is_open(stage, bowl) {
                    return unmet(format!("{into} is open"), &[into], Some(Skill::Open { target: into.clone() }));
                }
                self.can_get(stage, cup)
            }
            Skill::Handover { thing, to } => {
                let index = find(thing)?;
                let Some(arm) = stage.arms.iter().position(|a| a.name == *to) else {
                    return unmet(format!("`{to}` is an arm"), &[to], None);
                };
                if self.arms < 2 {
                    return unmet("there are two arms".to_owned(), &[to], None);
                }
                if self.held().any(|(_, a)| a == arm) {
                    return unmet(format!("the hand of {to} is empty"), &[to], None);
                }
                self.can_get(stage, index)
            }
            Skill::Regrasp { thing } => {
                let index = find(thing)?;
                match self.at[index] {
                    At::Held(_) => Ok(()),
                    _ => unmet(format!("{thing} is in a hand"), &[thing], Some(Skill::Pick { thing: thing.clone() })),
                }
            }
            Skill::Wipe { target } => {
                let index = find(target)?;
                if stage.thing(index).form.top_m().is_none() {
                    return unmet(format!("{target} has a top to wipe"), &[target], None);
                }
                if let Some(load) = self.loads(index).next() {
                    return unmet(format!("nothing stands on {target}"), &[name(load)], None);
                }
                self.has_free_hand()
            }
            Skill::Press { target } => {
                let index = find(target)?;
                if !matches!(stage.thing(index).form, Form::Button { .. }) {
                    return unmet(format!("{target} is a button"), &[target], None);
                }
                self.has_free_hand()
            }
        }
    }

    fn has_free_hand(&self) -> Result<(), Unmet> {
        let busy: Vec<usize> = self.held().map(|(_, arm)| arm).collect();
        if (0..self.arms).any(|a| !busy.contains(&a)) {
            return Ok(());
        }
        Err(Unmet { condition: "a hand is empty".to_owned(), culprit: vec!["hand".to_owned()], remedy: None })
    }

    fn can_pick(&self, stage: &Stage, thing: usize) -> Result<(), Unmet> {
        let own = &stage.thing(thing).name;
        let unmet =
            |condition: String, culprit: String, remedy| Err(Unmet { condition, culprit: vec![culprit], remedy });
        if !stage.thing(thing).is_movable() {
            return unmet(format!("{own} can be moved"), own.clone(), None);
        }
        if let At::Held(_) = self.at[thing] {
            return unmet(format!("{own} is not in a hand yet"), own.clone(), None);
        }
        if self.at[thing] == At::Nowhere {
            return unmet(format!("{own} stands somewhere"), own.clone(), None);
        }
        self.has_free_hand()?;
        // A vessel is carried with its contents, everything else must be clear.
        if let Some(load) = self.loads(thing).find(|l| stage.cavity(thing).is_none() || is_lid(stage, *l)) {
            let load = stage.thing(load).name.clone();
            let remedy = Skill::Place { thing: load.clone(), relation: Relation::On, target: "table".to_owned() };
            return unmet(format!("nothing stands on {own}"), load, Some(remedy));
        }
        if let At::In(container) = self.at[thing]
            && !self.is_open(stage, container)
        {
            let container = stage.thing(container).name.clone();
            return unmet(format!("{container} is open"), container.clone(), Some(Skill::Open { target: container }));
        }
        Ok(())
    }

    fn can_get(&self, stage: &Stage, thing: usize) -> Result<(), Unmet> {
        if let At::Held(_) = self.at[thing] { Ok(()) } else { self.can_pick(stage, thing) }
    }

    fn can_put(&self, stage: &Stage, thing: usize, relation: Relation, target: usize) -> Result<(), Unmet> {
        let (own, other) = (&stage.thing(thing).name, &stage.thing(target).name);
        let unmet = |condition: String, culprit: &String, remedy| {
            Err(Unmet { condition, culprit: vec![culprit.clone()], remedy })
        };
        if thing == target {
            return unmet("a thing is put relative to another one".to_owned(), own, None);
        }
        if let At::Held(_) = self.at[target] {
            return unmet(format!("{other} is not in a hand"), other, None);
        }
        let mut below = target;
        for _ in 0..self.at.len() {
            let (At::On(next) | At::In(next)) = self.at[below] else { break };
            if next == thing {
                return unmet(format!("{other} does not stand on {own}"), other, None);
            }
            below = next;
        }
        self.can_get(stage, thing)?;
        let form = stage.thing(target).form;
        match relation {
            Relation::In if form.cavity().is_none() => unmet(format!("{other} has an inside"), other, None),
            Relation::In if !self.is_open(stage, target) => {
                unmet(format!("{other} is open"), other, Some(Skill::Open { target: other.clone() }))
            }
            Relation::On => {
                let lid_on_rim = is_lid(stage, thing) && form.cavity().is_some();
                if form.top_m().is_none() && !lid_on_rim {
                    return unmet(format!("{other} has a top to stand on"), other, None);
                }
                let taken = stage.thing(target).is_movable() && !lid_on_rim;
                match self.loads(target).find(|l| *l != thing).filter(|_| taken) {
                    Some(load) => {
                        let load = stage.thing(load).name.clone();
                        let remedy =
                            Skill::Place { thing: load.clone(), relation: Relation::On, target: "table".to_owned() };
                        unmet(format!("the top of {other} is free"), &load, Some(remedy))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The symbols after a skill that could begin. Which arm is used is a guess: the first free one.
    #[must_use]
    pub fn after(&self, stage: &Stage, skill: &Skill) -> Self {
        let mut next = self.clone();
        let find = |name: &str| stage.scene.find(name);
        let free = (0..self.arms).find(|a| self.held().all(|(_, busy)| busy != *a)).unwrap_or(0);
        match skill {
            Skill::Home | Skill::Regrasp { .. } => {}
            Skill::Pick { thing } => set(&mut next, find(thing), At::Held(free)),
            Skill::Unstack { thing } => set(&mut next, find(thing), At::Table),
            Skill::Place { thing, relation, target } => {
                let to = match (find(target), relation.side()) {
                    (None, _) => At::Table,
                    (Some(t), Some(side)) => At::Beside(side, t),
                    (Some(t), None) if *relation == Relation::In => At::In(t),
                    (Some(t), None) => At::On(t),
                };
                set(&mut next, find(thing), to);
            }
            Skill::Stack { thing, target } => {
                if let Some(t) = find(target) {
                    set(&mut next, find(thing), At::On(t));
                }
            }
            Skill::Push { thing, to } | Skill::Pull { thing, to } => {
                let to = match to {
                    Towards::Side(side) => At::Aside(*side),
                    Towards::Thing(target) => find(target).map_or(At::Table, At::Pushed),
                };
                set(&mut next, find(thing), to);
            }
            Skill::Open { target } | Skill::Close { target } => {
                let opens = matches!(skill, Skill::Open { .. });
                let Some(index) = find(target) else { return next };
                if let Form::Drawer { .. } = stage.thing(index).form {
                    next.out[index] = opens;
                } else if opens {
                    let lid = self.loads(index).find(|l| is_lid(stage, *l));
                    set(&mut next, lid, At::Table);
                } else {
                    let lid = (0..self.at.len()).find(|l| is_lid(stage, *l));
                    set(&mut next, lid, At::On(index));
                }
            }
            Skill::Pour { from, into } => {
                if let (Some(cup), Some(bowl)) = (find(from), find(into)) {
                    for load in self.loads(cup).collect::<Vec<_>>() {
                        next.at[load] = At::In(bowl);
                    }
                    if !matches!(self.at[cup], At::Held(_)) {
                        next.at[cup] = At::Held(free);
                    }
                }
            }
            Skill::Handover { thing, to } => {
                let arm = stage.arms.iter().position(|a| a.name == *to).unwrap_or(0);
                set(&mut next, find(thing), At::Held(arm));
            }
            Skill::Wipe { target } => {
                if let Some(i) = find(target) {
                    next.wiped[i] = true;
                }
            }
            Skill::Press { target } => {
                if let Some(i) = find(target) {
                    next.pressed[i] = true;
                }
            }
        }
        next
    }
}

fn set(symbols: &mut Symbols, thing: Option<usize>, to: At) {
    if let Some(at) = thing.and_then(|t| symbols.at.get_mut(t)) {
        *at = to;
    }
}

fn is_lid(stage: &Stage, thing: usize) -> bool {
    matches!(stage.thing(thing).form, Form::Lid { .. })
}

fn is_mat(stage: &Stage, thing: usize) -> bool {
    matches!(stage.thing(thing).form, Form::Mat { .. })
}

//! Sentences that people could say for a skill, to test grounding with.
//!
//! The frames were written by hand as whole sentences, with words of their own; nothing is taken from the parser's lists.
//! `{a}` is the thing, `{b}` the target. Things are named by colour and kind, by kind alone where it is the only one, or by
//! another word for the kind, and one sentence in fifteen has a letter wrong.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::world::World;
use crate::world::facts::{Place, Side};

const PICK: &[&str] = &[
    "pick up {a}",
    "grab {a}",
    "take {a}",
    "please lift {a}",
    "could you grab {a} for me?",
    "get {a}",
    "fetch {a} please",
    "I want you to pick up {a}",
    "now grasp {a}",
    "pick {a} up",
    "take hold of {a}",
    "lift {a} off the table",
    "raise {a} carefully",
    "would you pick up {a}, please",
    "seize {a} with the gripper",
];
const ON: &[&str] = &[
    "put {a} on {b}",
    "place {a} on top of {b}",
    "set {a} down on {b}",
    "move {a} onto {b}",
    "lay {a} on {b}",
    "please put {a} on {b}",
    "can you place {a} on {b}?",
    "pick up {a} and put it on {b}",
    "take {a} and place it on {b}",
    "I'd like {a} moved onto {b}",
    "drop {a} on {b} gently",
    "bring {a} over to {b}",
    "next, put {a} on {b}",
    "{a} should be placed on {b}",
    "grab {a} and set it on {b}",
    "transfer {a} onto {b}",
    "stick {a} on {b}",
];
const IN: &[&str] = &[
    "put {a} in {b}",
    "place {a} inside {b}",
    "drop {a} into {b}",
    "move {a} into {b}",
    "please put {a} into {b}",
    "throw {a} in {b}",
    "could you drop {a} in {b}",
    "pick up {a} and put it in {b}",
    "take {a} and drop it into {b}",
    "store {a} in {b}",
    "{a} should go in {b}",
    "stow {a} inside {b}",
    "set {a} inside {b}",
    "grab {a} and place it in {b}",
    "deposit {a} in {b}",
    "I want {a} in {b}",
];
const STACK: &[&str] = &[
    "stack {a} on {b}",
    "stack {a} on top of {b}",
    "pile {a} on {b}",
    "put {a} on top of {b}",
    "place {a} onto {b}",
    "build a tower: {a} on {b}",
    "please stack {a} onto {b}",
    "set {a} on {b}",
    "take {a} and stack it on {b}",
];
const SIDE: &[&str] = &[
    "put {a} {side} {b}",
    "place {a} {side} {b}",
    "move {a} {side} {b}",
    "please set {a} down {side} {b}",
    "I want {a} {side} {b}",
    "pick up {a} and put it {side} {b}",
];
const PUSH: &[&str] = &[
    "push {a} to {b}",
    "shove {a} onto {b}",
    "slide {a} over to {b}",
    "push {a} towards {b}",
    "nudge {a} onto {b}",
    "please push {a} to {b}",
];
const PUSH_SIDE: &[&str] =
    &["push {a} {way}", "shove {a} {way}", "nudge {a} {way}", "slide {a} a bit {way}", "please push {a} {way}"];
const PULL: &[&str] = &[
    "pull {a} closer",
    "drag {a} towards you",
    "pull {a} to the front",
    "pull {a} towards the robot",
    "tug {a} closer",
];
const OPEN: &[&str] = &[
    "open {a}",
    "please open {a}",
    "pull {a} open",
    "slide {a} open",
    "could you open {a}?",
    "open up {a}",
    "get {a} open",
];
const CLOSE: &[&str] = &[
    "close {a}",
    "shut {a}",
    "push {a} shut",
    "please close {a}",
    "slide {a} closed",
    "close {a} again",
    "can you shut {a}",
];
const UNLID: &[&str] = &[
    "open {a}",
    "take the lid off {a}",
    "remove the lid from {a}",
    "uncover {a}",
    "lift the lid off {a}",
    "take off the lid of {a}",
];
const POUR: &[&str] = &[
    "pour {a} into {b}",
    "empty {a} into {b}",
    "pour the beads from {a} into {b}",
    "tip {a} out into {b}",
    "pour the contents of {a} into {b}",
    "please empty {a} into {b}",
    "dump {a} into {b}",
    "pour the beads into {b}",
];
const HANDOVER: &[&str] = &[
    "hand {a} to {b}",
    "give {a} to {b}",
    "pass {a} to {b}",
    "hand {a} over to {b}",
    "hand over {a} to {b}",
    "pass {a} over to {b}",
    "let {b} have {a}",
];
const WIPE: &[&str] = &[
    "wipe {a}",
    "clean {a}",
    "wipe down {a}",
    "please wipe {a} off",
    "dust {a}",
    "give {a} a wipe",
    "wipe the top of {a}",
];
const PRESS: &[&str] =
    &["press {a}", "push {a}", "hit {a}", "tap {a}", "press down on {a}", "please press {a}", "push down {a}"];
const HOME: &[&str] = &[
    "go home",
    "return to the home position",
    "go back home",
    "move back to your rest position",
    "park the arm",
    "please go home",
    "return home",
];
const UNSTACK: &[&str] = &[
    "take {a} off {b}",
    "unstack {a}",
    "remove {a} from {b}",
    "lift {a} off {b} and put it on the table",
    "put {a} back on the table",
    "put {a} on the table",
];

/// Other words for kinds of things.
const OTHER_WORDS: &[(&str, &[&str])] = &[
    ("block", &["cube", "brick"]),
    ("mug", &["cup"]),
    ("can", &["tin"]),
    ("bin", &["basket", "container"]),
    ("bowl", &["dish"]),
    ("drawer", &["cabinet"]),
    ("mat", &["pad"]),
    ("shelf", &["rack"]),
    ("bar", &["rod", "stick"]),
    ("box", &["crate", "package"]),
    ("cup", &["mug"]),
];

struct Speaker<'a> {
    world: &'a World,
    rng: ChaCha8Rng,
}

/// Sentences for skills that make sense in a world, with what they mean.
#[must_use]
pub fn sentences(world: &World, seed: u64, count: usize) -> Vec<(String, Skill)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(77);
    let mut speaker = Speaker { world, rng };
    let mut list = Vec::new();
    for _ in 0..20 * count {
        if list.len() == count {
            break;
        }
        if let Some(sentence) = speaker.sentence() {
            list.push(sentence);
        }
    }
    list
}

impl Speaker<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.rng.next_u32() as usize % count.max(1)
    }

    fn one<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }

    fn some(&mut self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.world.stage.scene.things.len()).filter(|i| fits(*i)).collect();
        if all.is_empty() { None } else { Some(all[self.below(all.len())]) }
    }

    /// A way to name a thing so that it cannot be another one.
    fn name(&mut self, thing: usize) -> String {
        let things = &self.world.stage.scene.things;
        let t = &things[thing];
        let others = |f: &dyn Fn(&crate::scene::Thing) -> bool| things.iter().filter(|o| f(o)).count();
        let kin: &[&str] = OTHER_WORDS.iter().find(|(n, _)| *n == t.noun).map_or(&[], |(_, w)| w);
        let same_kind = |o: &crate::scene::Thing| o.noun == t.noun || kin.contains(&o.noun.as_str());
        if others(&|o| same_kind(o) && o.colour == t.colour) > 1 {
            return format!("the {}", t.name.replace('_', " "));
        }
        let alone = others(&|o| same_kind(o)) == 1;
        let words = OTHER_WORDS.iter().find(|(n, _)| *n == t.noun).map(|(_, w)| *w);
        let noun = match words {
            Some(words) if self.below(3) == 0 => self.one(words),
            _ => t.noun.as_str(),
        };
        let unused = others(&|o| o.noun == noun && o.name != t.name) == 0;
        let noun = if unused { noun } else { t.noun.as_str() };
        if alone && self.below(3) == 0 { format!("the {noun}") } else { format!("the {} {noun}", t.colour.name()) }
    }

    fn fill(&mut self, frames: &[&str], a: usize, b: Option<usize>) -> String {
        let frame = self.one(frames).to_owned();
        let a = self.name(a);
        let b = b.map(|b| self.name(b)).unwrap_or_default();
        self.misspelt(frame.replace("{a}", &a).replace("{b}", &b))
    }

    /// Swaps two letters or drops one inside a long word, now and then.
    fn misspelt(&mut self, text: String) -> String {
        if self.below(15) != 0 {
            return text;
        }
        let words: Vec<&str> = text.split(' ').collect();
        let long: Vec<usize> = (0..words.len())
            .filter(|i| words[*i].len() >= 5 && words[*i].chars().all(|c| c.is_ascii_lowercase()))
            .collect();
        if long.is_empty() {
            return text;
        }
        let at = long[self.below(long.len())];
        let mut letters: Vec<char> = words[at].chars().collect();
        let i = 1 + self.below(letters.len() - 2);
        if self.below(2) == 0 {
            letters.swap(i, i + 1);
        } else {
            letters.remove(i);
        }
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words[at] = letters.into_iter().collect();
        words.join(" ")
    }

    fn sentence(&mut self) -> Option<(String, Skill)> {
        let stage = self.world.stage.clone();
        let thing = |i: usize| stage.thing(i);
        let name = |i: usize| stage.thing(i).name.clone();
        let movable =
            |i: usize| thing(i).is_movable() && thing(i).noun != "bead" && !matches!(thing(i).form, Form::Lid { .. });
        let hollow = |i: usize| thing(i).form.cavity().is_some() && !thing(i).is_movable();
        let standing = |i: usize| {
            !thing(i).is_movable()
                && thing(i).form.top_m().is_some()
                && thing(i).form.cavity().is_none()
                && thing(i).noun != "button"
        };
        Some(match self.below(16) {
            0 | 1 => {
                let a = self.some(movable)?;
                (self.fill(PICK, a, None), Skill::Pick { thing: name(a) })
            }
            2 | 3 => {
                let (a, b) = (self.some(movable)?, self.some(standing)?);
                (self.fill(ON, a, Some(b)), Skill::Place { thing: name(a), relation: Relation::On, target: name(b) })
            }
            4 | 5 => {
                let (a, b) = (self.some(movable)?, self.some(hollow)?);
                (self.fill(IN, a, Some(b)), Skill::Place { thing: name(a), relation: Relation::In, target: name(b) })
            }
            6 => {
                let a = self.some(movable)?;
                let b = self.some(|i| i != a && movable(i) && thing(i).form.top_m().is_some())?;
                (self.fill(STACK, a, Some(b)), Skill::Stack { thing: name(a), target: name(b) })
            }
            7 => {
                let a = self.some(movable)?;
                let b = self.some(|i| i != a && thing(i).noun != "bead")?;
                let (words, relation) = [
                    ("to the left of", Relation::LeftOf),
                    ("left of", Relation::LeftOf),
                    ("to the right of", Relation::RightOf),
                    ("on the right side of", Relation::RightOf),
                    ("in front of", Relation::FrontOf),
                    ("behind", Relation::Behind),
                ][self.below(6)];
                let text = self.fill(SIDE, a, Some(b)).replace("{side}", words);
                (text, Skill::Place { thing: name(a), relation, target: name(b) })
            }
            8 => {
                let a = self.some(movable)?;
                let b = self.some(|i| matches!(thing(i).form, Form::Mat { .. }))?;
                (self.fill(PUSH, a, Some(b)), Skill::Push { thing: name(a), to: Towards::Thing(name(b)) })
            }
            9 => {
                let a = self.some(movable)?;
                let (words, side) = [
                    ("to the left", Side::Left),
                    ("to the right", Side::Right),
                    ("away", Side::Behind),
                    ("leftwards", Side::Left),
                ][self.below(4)];
                let text = self.fill(PUSH_SIDE, a, None).replace("{way}", words);
                (text, Skill::Push { thing: name(a), to: Towards::Side(side) })
            }
            10 => {
                let a = self.some(movable)?;
                (self.fill(PULL, a, None), Skill::Pull { thing: name(a), to: Towards::Side(Side::Front) })
            }
            11 => {
                let a = self.some(|i| matches!(thing(i).form, Form::Drawer { .. }))?;
                if self.below(2) == 0 {
                    (self.fill(OPEN, a, None), Skill::Open { target: name(a) })
                } else {
                    (self.fill(CLOSE, a, None), Skill::Close { target: name(a) })
                }
            }
            12 => {
                let a = {
                    let world = self.world;
                    self.some(|i| world.lid_on(i).is_some())?
                };
                (self.fill(UNLID, a, None), Skill::Open { target: name(a) })
            }
            13 => {
                let a = self.some(|i| thing(i).noun == "cup")?;
                let b = self.some(|i| thing(i).noun == "bowl")?;
                (self.fill(POUR, a, Some(b)), Skill::Pour { from: name(a), into: name(b) })
            }
            14 => {
                let a = self.some(|i| thing(i).noun == "button" || standing(i) || thing(i).noun == "bar")?;
                match thing(a).noun.as_str() {
                    "button" => (self.fill(PRESS, a, None), Skill::Press { target: name(a) }),
                    "bar" if stage.arms.len() > 1 => {
                        let to = stage.arms[self.below(2)].name.clone();
                        let spoken = format!("the {}", to.replace('_', " "));
                        let frame = self.one(HANDOVER).to_owned();
                        let own = self.name(a);
                        (frame.replace("{a}", &own).replace("{b}", &spoken), Skill::Handover { thing: name(a), to })
                    }
                    _ => (self.fill(WIPE, a, None), Skill::Wipe { target: name(a) }),
                }
            }
            _ => {
                let world = self.world;
                let stacked = self.some(|i| movable(i) && matches!(world.place(i), Place::On(crate::kinematics::Owner::Thing(t)) if thing(t).is_movable()));
                match stacked {
                    Some(a) => {
                        let Place::On(crate::kinematics::Owner::Thing(b)) = self.world.place(a) else { return None };
                        (self.fill(UNSTACK, a, Some(b)), Skill::Unstack { thing: name(a) })
                    }
                    None => (self.one(HOME).to_owned(), Skill::Home),
                }
            }
        })
    }
}

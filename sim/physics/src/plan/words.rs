//! The words around a plan: what a planner is told, and what it may answer.
//!
//! A planner reads the task in plain words, what stood on the table at the beginning, and its own steps so far with their
//! verdicts. It answers with one instruction, with "done", or with "cannot" and the check that stands in the way.

use crate::checks::Code;
use crate::kinematics::Owner;
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, spoken};
use crate::world::World;
use crate::world::facts::{Goal, Place};

/// What can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This is the next step.
    Do(Skill),
    /// Nothing is left to do.
    Done,
    /// It cannot be done, because of this check.
    Cannot(Code),
}

/// The answer that ends a plan.
const DONE: &str = "done";
/// What a refusal begins with.
const CANNOT: &str = "cannot";

impl Answer {
    /// As it is said, without a full stop.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Do(skill) => skill.to_string(),
            Self::Done => DONE.to_owned(),
            Self::Cannot(code) => format!("{CANNOT}, {}", code.name().to_lowercase()),
        }
    }

    /// The end of a plan, if a text says one: "done", or "cannot" with a check's name.
    #[must_use]
    pub fn ending(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('.').to_lowercase();
        if text == DONE {
            return Some(Self::Done);
        }
        let name = text.strip_prefix(CANNOT)?.trim_start_matches([',', ' ']);
        Code::ALL.into_iter().find(|c| c.name().to_lowercase() == name).map(Self::Cannot)
    }
}

/// A step that was proposed before, and the check that rejected it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The instruction, without a full stop.
    pub text: String,
    /// Why it was rejected; `None` when it was carried out.
    pub rejected: Option<Code>,
}

impl Told {
    /// The verdict behind the instruction, as a planner reads it.
    #[must_use]
    pub fn verdict(&self) -> String {
        self.rejected.map_or_else(|| ".".to_owned(), |code| format!(", no: {}.", code.name().to_lowercase()))
    }
}

/// Ways to say a goal; 0 is the plainest.
pub const WORDINGS: usize = 3;

/// A goal in words; `wording` below [`WORDINGS`] chooses between ways to say it.
#[must_use]
pub fn goal_text(goal: &Goal, wording: usize) -> String {
    let said = |plain: &str, other: &str, third: &str, a: &str, b: &str| {
        let frame = [plain, other, third][wording % WORDINGS];
        frame.replace("{a}", &spoken(a)).replace("{b}", &spoken(b))
    };
    match goal {
        Goal::On { thing, target } => {
            said("put the {a} on the {b}", "move the {a} onto the {b}", "the {a} should be on the {b}", thing, target)
        }
        Goal::In { thing, target } => {
            said("put the {a} in the {b}", "drop the {a} into the {b}", "the {a} should be in the {b}", thing, target)
        }
        Goal::Beside { thing, side, target } => {
            let relation = Relation::ALL.into_iter().find(|r| r.side() == Some(*side)).unwrap_or(Relation::LeftOf);
            format!("put the {} {} the {}", spoken(thing), relation.words(), spoken(target))
        }
        Goal::Near { thing, target, .. } => {
            said("push the {a} to the {b}", "slide the {a} to the {b}", "push the {a} onto the {b}", thing, target)
        }
        Goal::Held { thing, arm: Some(arm) } => {
            said("hand the {a} to the {b}", "give the {a} to the {b}", "the {b} should hold the {a}", thing, arm)
        }
        Goal::Held { thing, arm: None } => said("pick up the {a}", "take the {a}", "hold the {a}", thing, ""),
        Goal::Open { target } => said("open the {a}", "open the {a}", "the {a} should be open", target, ""),
        Goal::Closed { target } => said("close the {a}", "shut the {a}", "the {a} should be closed", target, ""),
        Goal::Pressed { target } => said("press the {a}", "push the {a} down", "press the {a}", target, ""),
        Goal::Wiped { target } => said("wipe the {a}", "clean the {a}", "wipe the {a}", target, ""),
        Goal::Poured { noun, into, .. } => said(
            "pour the {a}s into the {b}",
            "empty the {a}s into the {b}",
            "the {a}s should be in the {b}",
            noun,
            into,
        ),
    }
}

/// A task in words: its goals one after the other. `wording` 0 says all of them plainly; other numbers mix the ways.
#[must_use]
pub fn task_text(goals: &[Goal], wording: u64) -> String {
    let way = |i: usize| {
        // A few bits of the number for each goal; 0 stays 0.
        let mixed = wording.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right((7 * i as u32) % 64) >> 33;
        mixed as usize % WORDINGS
    };
    let clauses: Vec<String> = goals.iter().enumerate().map(|(i, g)| goal_text(g, way(i))).collect();
    format!("{}.", clauses.join(", "))
}

/// What stands where, in words: every thing with what carries it, drawers with their state, beads as one heap, two arms by
/// name. The order is that of the scene.
#[must_use]
pub fn scene_text(world: &World) -> String {
    let stage = &world.stage;
    let mut parts: Vec<String> = Vec::new();
    let mut heaps: Vec<&str> = Vec::new();
    for (i, thing) in stage.scene.things.iter().enumerate() {
        let below = match world.place(i) {
            Place::On(Owner::Thing(t)) => format!(" on {}", spoken(&stage.thing(t).name)),
            Place::In(t) => format!(" in {}", spoken(&stage.thing(t).name)),
            Place::Held(arm) => format!(" in {}", spoken(&stage.arms[arm].name)),
            _ => String::new(),
        };
        if thing.noun == "bead" {
            if !heaps.contains(&"bead") {
                heaps.push("bead");
                parts.push(format!("beads{below}"));
            }
            continue;
        }
        let state = match thing.form {
            Form::Drawer { .. } if world.is_open(i) => " open",
            Form::Drawer { .. } => " closed",
            _ => "",
        };
        parts.push(format!("{}{state}{below}", spoken(&thing.name)));
    }
    if stage.arms.len() > 1 {
        parts.extend(stage.arms.iter().map(|a| spoken(&a.name)));
    }
    format!("There: {}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_read_back_as_they_are_said() {
        for answer in [Answer::Done, Answer::Cannot(Code::Reach), Answer::Cannot(Code::SelfHit)] {
            assert_eq!(Answer::ending(&format!(" {}.", answer.text())), Some(answer));
        }
        assert_eq!(Answer::ending("cannot, fly"), None);
        assert_eq!(Answer::ending("open the drawer"), None);
    }

    #[test]
    fn a_task_is_said_plainly_or_in_other_words() {
        let goals = [
            Goal::On { thing: "red_block".to_owned(), target: "grey_shelf".to_owned() },
            Goal::Closed { target: "white_drawer".to_owned() },
        ];
        assert_eq!(task_text(&goals, 0), "put the red block on the grey shelf, close the white drawer.");
        let others: std::collections::BTreeSet<String> = (1..40).map(|w| task_text(&goals, w)).collect();
        assert!(others.len() >= 6, "{others:?}");
    }
}

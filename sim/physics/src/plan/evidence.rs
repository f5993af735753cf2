//! What may be said to refuse a task: only what a check has said before.

use crate::checks::Code;
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::symbolic::{Symbols, Unmet};
use crate::world::World;
use crate::world::facts::Goal;

/// Remedies that are followed from a goal's own step.
const DEPTH: usize = 6;

/// Why a goal cannot be met as it is asked for: it names what is not there, or the step that its words name cannot begin and
/// nothing would help. With the reason in words.
#[must_use]
pub fn hopeless(world: &World, goals: &[Goal]) -> Vec<(Code, String)> {
    let symbols = Symbols::of(world);
    let stage = &world.stage;
    let mut found = Vec::new();
    for goal in goals {
        match symbols.holds(stage, goal) {
            Some(true) => continue,
            None => {
                found.push((Code::Ground, format!("GROUND: a goal names something that is not there: {goal}")));
                continue;
            }
            Some(false) => {}
        }
        let Some(mut skill) = said(world, goal) else { continue };
        for _ in 0..DEPTH {
            match symbols.check(stage, &skill) {
                Err(Unmet { remedy: Some(remedy), .. }) => skill = remedy,
                Err(Unmet { condition, .. }) => {
                    found.push((Code::Pre, format!("PRE: {skill}: does not hold: {condition}")));
                    break;
                }
                Ok(()) => break,
            }
        }
    }
    found
}

/// The step that the words of a goal name.
fn said(world: &World, goal: &Goal) -> Option<Skill> {
    let place = |thing: &String, relation, target: &String| {
        Some(Skill::Place { thing: thing.clone(), relation, target: target.clone() })
    };
    match goal {
        Goal::On { thing, target } => place(thing, Relation::On, target),
        Goal::In { thing, target } => place(thing, Relation::In, target),
        Goal::Beside { thing, side, target } => {
            place(thing, Relation::ALL.into_iter().find(|r| r.side() == Some(*side))?, target)
        }
        Goal::Near { thing, target, .. } => {
            Some(Skill::Push { thing: thing.clone(), to: Towards::Thing(target.clone()) })
        }
        Goal::Held { thing, arm: Some(arm) } if world.stage.arms.len() > 1 => {
            Some(Skill::Handover { thing: thing.clone(), to: arm.clone() })
        }
        Goal::Held { thing, .. } => Some(Skill::Pick { thing: thing.clone() }),
        Goal::Open { target } => Some(Skill::Open { target: target.clone() }),
        Goal::Closed { target } => Some(Skill::Close { target: target.clone() }),
        Goal::Pressed { target } => Some(Skill::Press { target: target.clone() }),
        Goal::Wiped { target } => Some(Skill::Wipe { target: target.clone() }),
        Goal::Poured { noun, into, .. } => {
            let load = world.of_noun(noun).into_iter().next()?;
            let cup = (0..world.stage.scene.things.len())
                .find(|i| matches!(world.stage.thing(*i).form, Form::Cup { .. }) && world.loads(*i).contains(&load))?;
            Some(Skill::Pour { from: world.stage.thing(cup).name.clone(), into: into.clone() })
        }
    }
}

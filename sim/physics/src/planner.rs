//! A search planner on symbols alone: the oracle that other planners are measured against.
//!
//! A* over the skills that help an unmet goal, or that make such a skill possible. It knows which arm can reach where, and
//! nothing else of geometry; whether a plan can be carried out is found out by proposing and checking its steps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::limits::{MAX_SEARCH_STATES, MAX_STEPS};
use crate::math::V3;
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::symbolic::{At, Symbols, Unmet};
use crate::world::World;
use crate::world::facts::Goal;

/// Share of an arm's length within which it can work from above.
const WORKING_SHARE: f64 = 0.64;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq)]
pub enum NoPlan {
    /// A goal names something that is not there.
    Unknown(String),
    /// No order of skills leads to the goal; the conditions that stopped the search, without repetitions.
    Impossible(Vec<String>),
    /// The search was given up after so many states.
    TooLarge(usize),
}

/// A shortest plan from the world as it is to the goals, without the skills in `forbidden`.
///
/// # Errors
/// See [`NoPlan`].
pub fn plan(world: &World, goals: &[Goal], forbidden: &[Skill]) -> Result<Vec<Skill>, NoPlan> {
    let stage = &world.stage;
    let start = Symbols::of(world);
    let mut met_now = Vec::new();
    for goal in goals {
        match start.holds(stage, goal) {
            None => return Err(NoPlan::Unknown(format!("{goal}"))),
            // Symbols call two things near only after a push; the world knows better at the beginning.
            Some(symbolic) => met_now.push(!symbolic && world.holds(goal) == Some(true)),
        }
    }
    let unmet = |s: &Symbols| {
        let open =
            |(g, now): (&Goal, &bool)| !(s.holds(stage, g) == Some(true) || (*now && !is_touched(s, &start, world, g)));
        goals.iter().zip(&met_now).filter(|(g, now)| open((g, now))).map(|(g, _)| g).collect::<Vec<_>>()
    };
    let mut nodes: Vec<Node> = vec![(start.clone(), None, 0)];
    let mut seen: BTreeMap<Symbols, usize> = BTreeMap::new();
    seen.insert(start.clone(), 0);
    let mut open = BinaryHeap::new();
    open.push(Reverse((unmet(&start).len(), 0_usize)));
    let mut stopped: Vec<String> = Vec::new();
    while let Some(Reverse((_, at))) = open.pop() {
        let (state, _, depth) = nodes[at].clone();
        let left = unmet(&state);
        if left.is_empty() {
            return Ok(trace(&nodes, at));
        }
        if depth >= MAX_STEPS {
            continue;
        }
        for skill in helpful(world, &state, &left, &mut stopped) {
            if forbidden.contains(&skill) {
                continue;
            }
            let next = state.after(stage, &skill);
            if seen.get(&next).is_some_and(|d| *d <= depth + 1) {
                continue;
            }
            if nodes.len() >= MAX_SEARCH_STATES {
                return Err(NoPlan::TooLarge(nodes.len()));
            }
            seen.insert(next.clone(), depth + 1);
            open.push(Reverse((depth + 1 + unmet(&next).len(), nodes.len())));
            nodes.push((next, Some((at, skill)), depth + 1));
        }
    }
    stopped.sort_unstable();
    stopped.dedup();
    Err(NoPlan::Impossible(stopped))
}

/// A state, the state and skill that led to it, and the number of steps.
type Node = (Symbols, Option<(usize, Skill)>, usize);

/// Was a thing of a goal moved since the start?
fn is_touched(now: &Symbols, start: &Symbols, world: &World, goal: &Goal) -> bool {
    let named: Vec<&String> = match goal {
        Goal::Beside { thing, target, .. } | Goal::Near { thing, target, .. } => vec![thing, target],
        _ => return true,
    };
    named.into_iter().filter_map(|n| world.stage.scene.find(n)).any(|i| now.at[i] != start.at[i])
}

fn trace(nodes: &[Node], mut at: usize) -> Vec<Skill> {
    let mut plan = Vec::new();
    while let Some((before, skill)) = &nodes[at].1 {
        plan.push(skill.clone());
        at = *before;
    }
    plan.reverse();
    plan
}

/// Skills that bring an unmet goal nearer, in a fixed order.
fn helpful(world: &World, state: &Symbols, unmet: &[&Goal], stopped: &mut Vec<String>) -> Vec<Skill> {
    let stage = &world.stage;
    let mut list: Vec<Skill> = Vec::new();
    for goal in unmet {
        let Some(skill) = wanted(world, state, goal) else { continue };
        let mut skill = skill;
        // A skill that cannot begin is replaced by what makes it possible.
        for _ in 0..6 {
            match state.check(stage, &skill) {
                Ok(()) => {
                    list.push(skill);
                    break;
                }
                Err(Unmet { remedy: Some(remedy), .. }) => skill = remedy,
                Err(Unmet { condition, .. }) => {
                    stopped.push(condition);
                    break;
                }
            }
        }
    }
    // A hand that holds something else can be emptied.
    for (i, at) in state.at.iter().enumerate() {
        if let At::Held(_) = at {
            list.push(Skill::Place {
                thing: stage.thing(i).name.clone(),
                relation: Relation::On,
                target: "table".to_owned(),
            });
        }
    }
    let mut unique = Vec::new();
    for skill in list {
        if !unique.contains(&skill) {
            unique.push(skill);
        }
    }
    unique
}

fn wanted(world: &World, state: &Symbols, goal: &Goal) -> Option<Skill> {
    let stage = &world.stage;
    let place = |thing: &String, relation, target: &String| {
        let direct = Skill::Place { thing: thing.clone(), relation, target: target.clone() };
        let (a, b) = (stage.scene.find(thing)?, stage.scene.find(target));
        Some(hand_on(world, state, a, b).unwrap_or(direct))
    };
    match goal {
        Goal::On { thing, target } => {
            let movable = stage.scene.find(target).is_some_and(|t| stage.thing(t).is_movable());
            match place(thing, Relation::On, target)? {
                Skill::Place { thing, target, .. } if movable => Some(Skill::Stack { thing, target }),
                skill => Some(skill),
            }
        }
        Goal::In { thing, target } => place(thing, Relation::In, target),
        Goal::Beside { thing, side, target } => {
            let relation = Relation::ALL.into_iter().find(|r| r.side() == Some(*side))?;
            place(thing, relation, target)
        }
        Goal::Near { thing, target, .. } => {
            Some(Skill::Push { thing: thing.clone(), to: Towards::Thing(target.clone()) })
        }
        Goal::Held { thing, arm } => {
            let index = stage.scene.find(thing)?;
            let wanted = arm.as_ref().and_then(|a| stage.arms.iter().position(|b| b.name == *a));
            let can = |arm: usize| reaches(world, arm, world.pose(index).p);
            match wanted {
                Some(arm)
                    if state.at[index] != At::Held(arm)
                        && (stage.arms.len() > 1 && (!can(arm) || matches!(state.at[index], At::Held(_)))) =>
                {
                    Some(Skill::Handover { thing: thing.clone(), to: stage.arms[arm].name.clone() })
                }
                _ => Some(Skill::Pick { thing: thing.clone() }),
            }
        }
        Goal::Open { target } => Some(Skill::Open { target: target.clone() }),
        Goal::Closed { target } => Some(Skill::Close { target: target.clone() }),
        Goal::Pressed { target } => Some(Skill::Press { target: target.clone() }),
        Goal::Wiped { target } => Some(Skill::Wipe { target: target.clone() }),
        Goal::Poured { noun, into, .. } => {
            let into_index = stage.scene.find(into)?;
            let load = world.of_noun(noun).into_iter().find(|i| state.at[*i] != At::In(into_index))?;
            match state.at[load] {
                At::In(cup) if stage.thing(cup).is_movable() => {
                    Some(Skill::Pour { from: stage.thing(cup).name.clone(), into: into.clone() })
                }
                _ => Some(Skill::Place {
                    thing: stage.thing(load).name.clone(),
                    relation: Relation::In,
                    target: into.clone(),
                }),
            }
        }
    }
}

/// Can an arm work at a point?
fn reaches(world: &World, arm: usize, p: V3) -> bool {
    let place = &world.stage.arms[arm];
    let far = place.world_from_base.p - p;
    let length = place.robot.lever_m.first().copied().unwrap_or(0.0);
    V3(far.0, far.1, 0.0).norm() < WORKING_SHARE * length
}

/// A thing that no single arm can bring to its target has to change hands.
fn hand_on(world: &World, state: &Symbols, thing: usize, target: Option<usize>) -> Option<Skill> {
    let stage = &world.stage;
    if stage.arms.len() < 2 || !matches!(stage.thing(thing).form, Form::Box { .. }) {
        return None;
    }
    let goal = world.pose(target?).p;
    let from = |arm: usize| match state.at[thing] {
        At::Held(holder) => holder == arm,
        _ => reaches(world, arm, world.pose(thing).p),
    };
    if (0..stage.arms.len()).any(|a| from(a) && reaches(world, a, goal)) {
        return None;
    }
    let taker = (0..stage.arms.len()).find(|a| reaches(world, *a, goal))?;
    Some(Skill::Handover { thing: stage.thing(thing).name.clone(), to: stage.arms[taker].name.clone() })
}

//! What if: the rest of a plan judged again, after a thing was moved or a step was put into other words.
//!
//! The plan itself is not touched: the rest runs in a copy of the world as it was before a step.
//!
//! Invariant: a change that cannot be made is refused before anything runs.

use std::sync::Arc;

use crate::error::PhysicsError;
use crate::ground::{Memory, meant};
use crate::limits::MAX_STEPS;
use crate::math::{Pose, Rot, V3};
use crate::motion::ProposeOptions;
use crate::run::{Asked, Onlooker, Outcome, Run};
use crate::skill::Skill;
use crate::world::facts::Goal;
use crate::world::stage::Stage;
use crate::world::{Snapshot, World};

/// Height from which a thing that was moved is let go, metres.
const DROP_M: f64 = 0.002;
/// Distance that things keep from the middle of an arm's base, metres.
const BASE_M: f64 = 0.12;
/// Time that it gets to come to rest, seconds.
const SETTLE_SECS: f64 = 1.0;

/// What is otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Other words for the step.
    pub words: Option<String>,
    /// A thing and where on the table its middle is put, metres; it lands on what stands there.
    pub moved: Option<(usize, [f64; 2])>,
}

/// A step of the plan as it was.
#[derive(Clone, Copy, Debug)]
pub struct Was<'a> {
    /// What it did.
    pub skill: Option<&'a Skill>,
    /// In words.
    pub text: &'a str,
    /// Was it carried out?
    pub executed: bool,
}

/// The rest of a plan from one of its steps on.
pub struct Rest {
    world: World,
    earlier: Vec<Skill>,
    asked: Vec<Asked>,
}

impl Rest {
    /// The rest of a plan from step `at` (counted from 0), with a change. Steps that were rejected are not tried again, except the
    /// one at `at`.
    ///
    /// # Errors
    /// No such step, a world that cannot be restored, a thing that cannot be moved or not there, too long a plan.
    pub fn new(
        stage: &Arc<Stage>,
        before: &Snapshot,
        steps: &[Was<'_>],
        at: usize,
        change: &Change,
    ) -> Result<Self, PhysicsError> {
        let place = || format!("step {}", at + 1);
        if at >= steps.len() || steps.len() > 2 * MAX_STEPS {
            let what =
                format!("a plan of 1 to {} steps is changed at one of them; this has {}", 2 * MAX_STEPS, steps.len());
            return Err(PhysicsError::invalid(place(), what));
        }
        let mut world = World::restore(Arc::clone(stage), before)?;
        if let Some((thing, at_m)) = change.moved {
            land(&mut world, thing, at_m)?;
        }
        let done = |was: &&Was<'_>| was.executed;
        let earlier: Vec<Skill> = steps[..at].iter().filter(done).filter_map(|was| was.skill.cloned()).collect();
        let asked = |was: &Was<'_>| match was.skill {
            Some(skill) => Asked::Skill(skill.clone(), was.text.to_owned()),
            None => Asked::Words(was.text.to_owned()),
        };
        let first = match change.words.as_deref().map(str::trim) {
            Some("") => {
                return Err(PhysicsError::invalid(place(), "the new words are empty; say what the arm shall do"));
            }
            Some(words) => {
                let mut memory = Memory::default();
                earlier.iter().for_each(|skill| memory.note(skill));
                let skill = meant(&world, words, &memory).map_err(|why| PhysicsError::invalid(place(), why))?;
                Asked::Skill(skill, words.to_owned())
            }
            None => asked(&steps[at]),
        };
        let rest = steps[at + 1..].iter().filter(done).map(asked);
        Ok(Self { world, earlier, asked: std::iter::once(first).chain(rest).collect() })
    }

    /// Judges and carries out the rest; `onlooker` sees every step and moment.
    ///
    /// # Errors
    /// Only if the world cannot be copied.
    pub fn run(
        mut self,
        goals: &[Goal],
        options: &ProposeOptions,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Outcome, PhysicsError> {
        Run::new(&mut self.world, goals, *options).watched_by(onlooker).steps(&self.earlier, &self.asked)
    }
}

/// Puts a thing above everything that stands at a place of the table, and lets it come to rest.
fn land(world: &mut World, thing: usize, at_m: [f64; 2]) -> Result<(), PhysicsError> {
    let stage = Arc::clone(&world.stage);
    let things = &stage.scene.things;
    let Some(own) = things.get(thing) else {
        return Err(PhysicsError::invalid(
            "the change",
            format!("there are {} things, not thing {thing}", things.len()),
        ));
    };
    let refuse = |what: &str| Err(PhysicsError::invalid(format!("`{}`", own.name), what));
    if !own.is_movable() {
        return refuse("it is fixed; only things that an arm could move can be put elsewhere");
    }
    if world.logic.arms.iter().any(|arm| arm.held.is_some_and(|held| held.thing == thing)) {
        return refuse("an arm holds it here; choose a step before it is picked up or after it is let go");
    }
    let radius = |index: usize| {
        let size = things[index].form.size_m();
        (size.0 * size.0 + size.1 * size.1).sqrt() / 2.0
    };
    let table = &stage.scene.table;
    let inside = |k: usize| (at_m[k] - table.centre_m[k]).abs() <= table.size_m[k] / 2.0;
    if !(at_m.iter().all(|v| v.is_finite()) && inside(0) && inside(1)) {
        return refuse("this place is not on the table");
    }
    if stage.arms.iter().any(|arm| {
        let base = arm.world_from_base.p;
        V3(base.0 - at_m[0], base.1 - at_m[1], 0.0).norm() < radius(thing) + BASE_M
    }) {
        return refuse("the arm stands there");
    }
    let under = (0..things.len()).filter(|other| *other != thing).filter_map(|other| {
        let at = world.centre(other);
        let apart = V3(at.0 - at_m[0], at.1 - at_m[1], 0.0).norm();
        (apart < radius(other) + radius(thing)).then(|| at.2 + things[other].form.size_m().2 / 2.0)
    });
    let height = under.fold(0.0, f64::max) + DROP_M;
    let upright = Rot::yaw(world.pose(thing).r.heading());
    world.put(thing, Pose::new(V3(at_m[0], at_m[1], height), upright));
    world.run(SETTLE_SECS);
    if world.is_broken() || world.centre(thing).2 < 0.0 {
        return refuse("it does not stay there");
    }
    Ok(())
}

//! Equal calls give equal bytes, and a restored snapshot goes on as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_physics::execute::execute;
use rhea_physics::motion::{ProposeOptions, propose};
use rhea_physics::run::run_goals;
use rhea_physics::skill::{Relation, Skill};
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::World;

fn hashes() -> Vec<String> {
    let task = task(Family::F2, 4);
    let mut world = common::world(task.scene);
    let outcome = run_goals(&mut world, &task.goals, &ProposeOptions::default()).unwrap();
    assert!(outcome.reached());
    outcome.hashes
}

#[test]
fn three_runs_have_equal_hashes_at_every_step() {
    let first = hashes();
    assert!(!first.is_empty());
    assert_eq!(first, hashes());
    assert_eq!(first, hashes());
}

#[test]
fn a_snapshot_in_the_middle_continues_with_the_same_bytes() {
    let task = task(Family::F1, 2);
    let mut world = common::world(task.scene);
    let thing = world.stage.scene.things.iter().find(|t| t.is_movable()).unwrap().name.clone();
    let pick = Skill::Pick { thing: thing.clone() };
    let motion = propose(&world, &pick, &ProposeOptions::default());
    execute(&mut world, &motion);
    let snapshot = world.snapshot().unwrap();
    let mut copy = World::restore(world.stage.clone(), &snapshot).unwrap();
    assert_eq!(copy.snapshot().unwrap(), snapshot, "writing what was read gives the same bytes");
    let down = Skill::Place { thing, relation: Relation::On, target: "table".to_owned() };
    let motion = propose(&world, &down, &ProposeOptions::default());
    assert!(motion.stuck.is_none(), "{:?}", motion.stuck);
    assert_eq!(execute(&mut world, &motion).hashes, execute(&mut copy, &motion).hashes);
    assert_eq!(world.snapshot().unwrap(), copy.snapshot().unwrap());
}

#[test]
fn a_snapshot_of_another_scene_is_refused() {
    let one = common::world(task(Family::F1, 0).scene);
    let other = common::world(task(Family::F7, 0).scene);
    let error = World::restore(one.stage.clone(), &other.snapshot().unwrap()).err().unwrap();
    assert!(error.to_string().contains("another scene"), "{error}");
}

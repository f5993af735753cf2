//! Equal calls give equal bytes, in every profile, and a restored snapshot goes on as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_physics::checks::StepReport;
use rhea_physics::execute::execute;
use rhea_physics::motion::{Motion, ProposeOptions, propose};
use rhea_physics::run::{Onlooker, Run};
use rhea_physics::script::PlanScript;
use rhea_physics::skill::{Relation, Skill};
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::World;
use rhea_physics::world::stage::RobotShelf;

/// What release and debug builds both have to say: name, number of the step, hash of the world after it and of every 1/240 s
/// on the way there, and of the report.
const GOLDEN: &str = include_str!("golden/hashes.txt");

/// Hashes everything it sees.
#[derive(Default)]
struct Hashing {
    name: &'static str,
    lines: Vec<String>,
    moments: blake3::Hasher,
    count: usize,
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

impl Onlooker for Hashing {
    fn judged(&mut self, _: &World, _: &Motion, report: &StepReport) {
        let text = format!("{report:?}");
        self.lines.push(format!("{} judged {}", self.name, short(blake3::hash(text.as_bytes()).as_bytes())));
    }

    fn moved(&mut self, world: &World) {
        self.moments.update(&world.hash());
        self.count += 1;
    }

    fn done(&mut self, world: &World) {
        let (count, way) = (self.count, short(self.moments.finalize().as_bytes()));
        self.lines.push(format!("{} done {} after {count} moments {way}", self.name, short(&world.hash())));
    }
}

/// A generated stack by the search planner, and two scripts with sentences: a shelf and a bin, a drawer.
fn runs() -> Vec<String> {
    let task = task(Family::F2, 4);
    let mut world = common::world(task.scene);
    let mut stack = Hashing { name: "stack", ..Hashing::default() };
    let run = Run::new(&mut world, &task.goals, ProposeOptions::default()).watched_by(&mut stack);
    assert!(run.goals().unwrap().reached());
    let mut lines = stack.lines;
    for name in ["put_on_shelf", "drawer"] {
        let path = common::scenes().join("tasks").join(format!("{name}.ron"));
        let script = PlanScript::load(&path).unwrap();
        let (mut world, goals) = script.world(&path, &common::robots(), &mut RobotShelf::default()).unwrap();
        let mut hashing = Hashing { name, ..Hashing::default() };
        assert!(script.run_in(&mut world, &goals, script.own(), Some(&mut hashing)).unwrap().failed.is_empty());
        lines.extend(hashing.lines);
    }
    lines
}

#[test]
fn three_runs_in_any_profile_have_the_stored_hashes_at_every_step() {
    let golden: Vec<&str> = GOLDEN.lines().collect();
    for _ in 0..3 {
        let lines = runs();
        assert_eq!(lines, golden, "the stored list differs from:\n{}", lines.join("\n"));
    }
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

//! What tests share: the repository's robots, and worlds at rest.

#![allow(dead_code, clippy::unwrap_used, reason = "tests, each of which uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhea_physics::film::{FilmStep, Filming};
use rhea_physics::scene::TaskScene;
use rhea_physics::script::PlanScript;
use rhea_physics::world::World;
use rhea_physics::world::stage::{RobotShelf, Stage};

pub fn scenes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes")
}

pub fn robots() -> PathBuf {
    scenes().join("robots")
}

pub fn fresh(scene: TaskScene) -> World {
    let stage = Stage::new(scene, &robots(), &mut RobotShelf::default()).unwrap();
    World::new(Arc::new(stage)).unwrap()
}

pub fn world(scene: TaskScene) -> World {
    let mut world = fresh(scene);
    world.run(0.3);
    world
}

pub fn scene(things: &str) -> TaskScene {
    let text = format!("(name: \"test\", robots: [(name: \"arm\", model: \"rhea_arm7.urdf\")], things: [{things}])");
    rhea_physics::scene::parse_scene(&text, Path::new("test.ron")).unwrap()
}

/// The steps of a shipped script, and the world behind them.
pub fn film(name: &str) -> (World, Vec<FilmStep>) {
    let path = scenes().join("tasks").join(name);
    let script = PlanScript::load(&path).unwrap();
    let (mut world, goals) = script.world(&path, &robots(), &mut RobotShelf::default()).unwrap();
    let mut steps = Vec::new();
    let mut sink = |step: FilmStep| steps.push(step);
    script.run_in(&mut world, &goals, script.own(), Some(&mut Filming::new(&mut sink))).unwrap();
    (world, steps)
}

//! The shipped model as a planner of tasks that training has not seen.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use rhea_engine::Imagination;
use rhea_physics::eval::{EVALUATION_SEEDS, world_of};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::plan::{Ask, Climb, Rules, StepPlanner, legal_skills, scene_text, task_text};
use rhea_physics::run::{Outcome, Run};
use rhea_physics::tasks::{Family, task};
use rhea_physics::view::{look, scene_camera};
use rhea_physics::world::stage::RobotShelf;
use rhea_session::ModelPlanner;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn nano() -> ModelPlanner {
    ModelPlanner::new(Imagination::open(&repository().join("model/nano")).unwrap(), 1)
}

fn planned(family: Family, seed: u64, rules: Rules) -> (Outcome, bool) {
    let task = task(family, seed);
    let mut world = world_of(&task, &repository().join("scenes/robots"), &mut RobotShelf::default()).unwrap();
    let words = format!("{} {}", task_text(&task.goals, 0), scene_text(&world));
    let run = Run::new(&mut world, &task.goals, ProposeOptions::default());
    let mut planner = nano();
    let (outcome, _) = Climb::new(run, &mut planner, words, rules, &|| 0.0).run().unwrap();
    let right = match outcome.refused.as_ref().map(|refusal| refusal.code) {
        None => task.refuse.is_empty() && outcome.reached(),
        Some(code) => code.is_some_and(|code| task.refuse.contains(&code)),
    };
    (outcome, right)
}

#[test]
fn nano_plans_unseen_tasks_and_does_it_again() {
    let tasks = [Family::F1, Family::F2, Family::F5, Family::F11];
    let tasks: Vec<_> = tasks.into_iter().flat_map(|f| [(f, EVALUATION_SEEDS), (f, EVALUATION_SEEDS + 1)]).collect();
    let right = tasks.iter().filter(|(family, seed)| planned(*family, *seed, Rules::FULL).1).count();
    assert!(right + 1 >= tasks.len(), "{right} of {} tasks", tasks.len());
    let twice = [(); 2].map(|()| planned(Family::F2, EVALUATION_SEEDS, Rules::NO_MASK).0);
    assert_eq!((&twice[0].steps, &twice[0].hashes), (&twice[1].steps, &twice[1].hashes));
}

#[test]
fn a_key_frame_keeps_what_the_model_leaves_as_it_is() {
    let task = task(Family::F1, EVALUATION_SEEDS);
    let world = world_of(&task, &repository().join("scenes/robots"), &mut RobotShelf::default()).unwrap();
    let words = format!("{} {}", task_text(&task.goals, 0), scene_text(&world));
    let ask = Ask { words: &words, told: &[], world: &world, allowed: None, again: 0 };
    let skill = legal_skills(&world)[1].to_string();
    let frame = nano().key_frame(&ask, &skill).unwrap().unwrap();
    let now = look(&world, &scene_camera(&world), frame.picture.width).rgbd;
    assert_eq!((frame.picture.width, frame.picture.height, frame.tokens), (128, 128, 64));
    let near = |i: usize| (0..3).all(|k| frame.picture.rgb[3 * i + k].abs_diff(now.rgb[3 * i + k]) <= 8);
    let same = (0..128 * 128).filter(|i| near(*i)).count();
    assert!(same > 128 * 128 / 4, "{same} pixels as they are");
    assert!(same < 128 * 128, "nothing would happen");
}

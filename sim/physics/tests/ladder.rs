//! The ladder of repairs, with planners whose answers are known beforehand.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;

use rhea_physics::PhysicsError;
use rhea_physics::checks::{Code, Verdict};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::plan::{
    Account, Answer, Ask, Climb, FirstLegal, KeyFrame, Level, RandomLegal, Rules, Said, StepPlanner, Told,
    legal_skills, scene_text, task_text,
};
use rhea_physics::run::{Outcome, Run};
use rhea_physics::scene::file::load_scene;
use rhea_physics::skill::{Relation, Skill};
use rhea_physics::view::{look, scene_camera};
use rhea_physics::world::World;
use rhea_physics::world::facts::Goal;
use rhea_physics::world::stage::{RobotShelf, Stage};

/// Says one sentence after the other, whatever it is asked, and writes down what it was asked.
#[derive(Default)]
struct Recited {
    lines: VecDeque<String>,
    heard: Vec<Vec<Told>>,
    masks: Vec<Vec<Answer>>,
    drawn: Vec<String>,
}

impl Recited {
    fn new<S: Into<String>>(lines: impl IntoIterator<Item = S>) -> Self {
        Self { lines: lines.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

impl StepPlanner for Recited {
    fn name(&self) -> String {
        "recited".to_owned()
    }

    fn answer(&mut self, ask: &Ask<'_>) -> Result<Said, PhysicsError> {
        self.heard.push(ask.told.to_vec());
        self.masks.push(ask.allowed.unwrap_or_default().to_vec());
        let text = self.lines.pop_front().ok_or_else(|| PhysicsError::Planner("no line is left".to_owned()))?;
        Ok(Said { tokens: text.split(' ').count(), text, steered: false })
    }

    fn key_frame(&mut self, ask: &Ask<'_>, answer: &str) -> Result<Option<KeyFrame>, PhysicsError> {
        self.drawn.push(answer.to_owned());
        let picture = look(ask.world, &scene_camera(ask.world), 16).rgbd;
        Ok(Some(KeyFrame { picture, tokens: 64 }))
    }
}

fn world() -> World {
    let path = common::scenes().join("tasks/one_block.ron");
    let stage = Stage::new(load_scene(&path).unwrap(), path.parent().unwrap(), &mut RobotShelf::default()).unwrap();
    let mut world = World::new(Arc::new(stage)).unwrap();
    world.run(0.3);
    world
}

fn climb(
    goals: &[Goal],
    planner: &mut dyn StepPlanner,
    rules: Rules,
) -> Result<(World, Outcome, Account), PhysicsError> {
    let mut world = world();
    let words = format!("{} {}", task_text(goals, 0), scene_text(&world));
    let run = Run::new(&mut world, goals, ProposeOptions::default());
    let (outcome, account) = Climb::new(run, planner, words, rules, &|| 0.0).run()?;
    Ok((world, outcome, account))
}

fn put(thing: &str, relation: Relation, target: &str) -> String {
    Skill::Place { thing: thing.to_owned(), relation, target: target.to_owned() }.to_string()
}

fn level(account: &Account, level: Level) -> (usize, usize) {
    account.levels.iter().find(|l| l.level == level).map_or((0, 0), |l| (l.attempts, l.helped))
}

fn red_on_shelf() -> [Goal; 1] {
    [Goal::On { thing: "red_block".to_owned(), target: "shelf".to_owned() }]
}

#[test]
fn a_missing_step_is_put_in_and_nothing_is_drawn_for_what_is_rejected() {
    let goals = [Goal::In { thing: "blue_block".to_owned(), target: "cabinet".to_owned() }];
    let mut planner = Recited::new([put("blue_block", Relation::In, "cabinet"), "done".to_owned()]);
    let rules = Rules { key_frames: true, ..Rules::NO_MASK };
    let (_, outcome, account) = climb(&goals, &mut planner, rules).unwrap();
    assert!(outcome.reached(), "{:?}", outcome.refused);
    // The drawer was closed: opening it is the first of two steps, both were judged, both were drawn.
    assert_eq!(outcome.executed[0], Skill::Open { target: "cabinet".to_owned() });
    assert_eq!((outcome.executed.len(), account.asked), (2, 2));
    assert_eq!(level(&account, Level::Symbolic), (1, 1));
    let accepted = outcome.steps.iter().filter(|s| s.verdict != Verdict::Reject).count();
    assert_eq!((planner.drawn.len(), account.picture_tokens), (accepted, 64 * accepted));
    // The planner is told both steps before it ends the plan.
    assert_eq!(planner.heard[1].len(), outcome.steps.len());
    // Without this repair the same words are rejected.
    let mut planner = Recited::new([put("blue_block", Relation::In, "cabinet")]);
    let rules = Rules { resamples: 0, backtracks: 0, ..rules };
    let (_, outcome, account) = climb(&goals, &mut planner, Rules { symbolic: false, ..rules }).unwrap();
    assert_eq!(outcome.refused.unwrap().code, Some(Code::Pre));
    assert_eq!((planner.drawn.len(), account.pictures_spared), (0, 1));
}

#[test]
fn done_and_cannot_count_when_a_check_says_so() {
    let shelf = put("red_block", Relation::On, "shelf");
    let mut planner = Recited::new(["done", "cannot, reach", &shelf, "Done."]);
    let (_, outcome, account) = climb(&red_on_shelf(), &mut planner, Rules::NO_MASK).unwrap();
    assert!(outcome.reached() && !account.planner_refused);
    assert_eq!((account.asked, level(&account, Level::Resample)), (4, (2, 1)));
    // A goal about a thing that is not there is evidence: the same words end the task.
    let goals = [Goal::On { thing: "red_block".to_owned(), target: "piano".to_owned() }];
    let mut planner = Recited::new(["cannot, ground"]);
    let (_, outcome, account) = climb(&goals, &mut planner, Rules::NO_MASK).unwrap();
    assert_eq!((outcome.refused.unwrap().code, account.planner_refused), (Some(Code::Ground), true));
}

#[test]
fn a_dead_end_is_gone_back_from_and_leaves_no_trace_in_the_world() {
    let (blue, red) = (put("blue_block", Relation::On, "shelf"), put("red_block", Relation::On, "shelf"));
    let nonsense = ["fly away"; 4].map(str::to_owned);
    let lines = [blue.clone()].into_iter().chain(nonsense).chain([red.clone(), "done".to_owned()]);
    let mut planner = Recited::new(lines);
    let (there, outcome, account) = climb(&red_on_shelf(), &mut planner, Rules::NO_MASK).unwrap();
    assert!(outcome.reached());
    assert_eq!((outcome.executed.len(), level(&account, Level::Backtrack)), (1, (1, 1)));
    // The step that was taken back stays in the report, and the planner hears that it led nowhere.
    assert_eq!(outcome.steps.len(), 2);
    let told = planner.heard.last().unwrap();
    assert_eq!((told[0].text.as_str(), told[0].rejected), (blue.as_str(), Some(Code::Ground)));
    // The way without the detour ends in the same bytes.
    let mut straight = Recited::new([red, "done".to_owned()]);
    let (same, without, _) = climb(&red_on_shelf(), &mut straight, Rules::NO_MASK).unwrap();
    assert_eq!((there.hash(), outcome.hashes), (same.hash(), without.hashes));
}

#[test]
fn only_what_can_begin_may_be_said_and_what_was_turned_down_is_gone() {
    let mut planner = Recited::new(["done", "done", "done", "done"]);
    let (world, outcome, _) = climb(&red_on_shelf(), &mut planner, Rules::FULL).unwrap();
    assert!(outcome.refused.is_some() && outcome.executed.is_empty());
    let legal = legal_skills(&world);
    assert!(legal.len() > 10);
    let first: Vec<Answer> = legal.into_iter().map(Answer::Do).chain([Answer::Done]).collect();
    assert_eq!(planner.masks[0], first, "no refusal before a check has said no");
    assert!(!planner.masks[1].contains(&Answer::Done));
}

#[test]
fn senseless_planners_end_and_depend_on_their_seed_alone() {
    let run = |planner: &mut dyn StepPlanner| {
        let (world, outcome, account) = climb(&red_on_shelf(), planner, Rules::FULL).unwrap();
        (world.hash(), outcome.hashes, account)
    };
    let (one, again) = (run(&mut RandomLegal::new(1)), run(&mut RandomLegal::new(1)));
    assert_eq!(one, again);
    assert_ne!(one.1, run(&mut RandomLegal::new(2)).1);
    assert!(run(&mut FirstLegal).2.asked > 0);
}

#[test]
fn a_planner_that_fails_is_an_error_of_its_own() {
    let result = climb(&red_on_shelf(), &mut Recited::default(), Rules::FULL);
    assert!(matches!(result, Err(PhysicsError::Planner(what)) if what == "no line is left"));
}

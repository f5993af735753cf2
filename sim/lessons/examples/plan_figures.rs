//! Figures of planners on held-out tasks, level by level: `plan_figures MODEL FIRST_SEED TASKS_PER_FAMILY [ROW]`.

#![allow(clippy::print_stdout, reason = "it prints")]

use std::path::Path;
use std::time::Instant;

use rhea_engine::Imagination;
use rhea_lessons::eval::plans::{PlanFigures, evaluate_plans};
use rhea_physics::PhysicsError;
use rhea_physics::eval::EVALUATION_SEEDS;
use rhea_physics::plan::{FirstLegal, RandomLegal, Rules, StepPlanner};
use rhea_physics::tasks::Family;
use rhea_session::ModelPlanner;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, first, count, rest @ ..] = &args[..] else {
        return Err("plan_figures MODEL FIRST_SEED TASKS_PER_FAMILY [ROW]".into());
    };
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    if first < EVALUATION_SEEDS {
        return Err(format!("seeds below {EVALUATION_SEEDS} are for training").into());
    }
    let tasks: Vec<_> = Family::ALL.iter().flat_map(|(f, _)| (first..first + count).map(|s| (*f, s))).collect();
    let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/robots");
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let by_model = |seed: u64| -> Result<Box<dyn StepPlanner>, PhysicsError> {
        let model = Imagination::open(Path::new(model)).map_err(|e| PhysicsError::Planner(e.to_string()))?;
        Ok(Box::new(ModelPlanner::new(model, seed)))
    };
    let random = |seed: u64| -> Result<Box<dyn StepPlanner>, PhysicsError> { Ok(Box::new(RandomLegal::new(seed))) };
    let simple = |_: u64| -> Result<Box<dyn StepPlanner>, PhysicsError> { Ok(Box::new(FirstLegal)) };
    let rows: [(&str, &(dyn Fn(u64) -> Result<Box<dyn StepPlanner>, PhysicsError> + Sync), Rules); 7] = [
        ("full", &by_model, Rules::FULL),
        ("mask", &by_model, Rules::MASK_ONLY),
        ("no_mask", &by_model, Rules::NO_MASK),
        ("bare", &by_model, Rules::BARE),
        ("geometry", &by_model, Rules { geometry: true, ..Rules::MASK_ONLY }),
        ("first", &simple, Rules::FULL),
        ("random", &random, Rules::FULL),
    ];
    for (name, make, rules) in rows.into_iter().filter(|(name, ..)| rest.is_empty() || rest.iter().any(|r| r == name)) {
        let began = clock();
        let done = evaluate_plans(&tasks, &robots, (make, rules), 1, &clock)?;
        let f = PlanFigures::of(&done);
        println!(
            "{name}: goal {}/{}, refused right {}/{} (said so {}), came true {}/{}, {} answers of {} tokens in {:.1} s, {:.0} s in all",
            f.reached,
            f.feasible,
            f.refused,
            f.infeasible,
            f.said_so,
            f.came_true,
            f.accepted,
            f.answers,
            f.tokens,
            f.answer_secs,
            clock() - began
        );
        println!("  levels (tried, helped): {:?}", f.levels);
        for task in done.iter().filter(|t| !t.right) {
            println!("  {:?} {}: {:?} {:?}", task.family, task.seed, task.steps, task.refused);
        }
    }
    Ok(())
}

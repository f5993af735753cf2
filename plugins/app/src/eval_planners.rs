//! Planners on whole tasks for `rhea eval plans`: the model with all its repairs, with some of them, and planners without sense.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use rhea_lessons::eval::plans::{PlanFigures, PlannedTask, evaluate_plans};
use rhea_physics::PhysicsError;
use rhea_physics::plan::{FirstLegal, RandomLegal, Rules, StepPlanner};
use rhea_physics::tasks::Family;
use rhea_session::ModelPlanner;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::engine::{self, WalkEngine};
use crate::fault::WithHint as _;
use crate::say::say;

/// Who plans, and which repairs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// The model with the mask and all repairs.
    Model,
    /// The model with the mask alone.
    NoRepair,
    /// The model with all repairs, but no mask.
    NoMask,
    /// What the model says, as it says it.
    Bare,
    /// The mask, and other grasps, places and ways.
    Geometry,
    /// As geometry, and missing steps put in.
    Symbolic,
    /// The first possible answer that puts something somewhere, with all repairs.
    First,
    /// Any possible answer with equal probability, with all repairs.
    Random,
}

impl Row {
    fn rules(self) -> Rules {
        let geometry = Rules { geometry: true, ..Rules::MASK_ONLY };
        match self {
            Self::Model | Self::First | Self::Random => Rules::FULL,
            Self::NoRepair => Rules::MASK_ONLY,
            Self::NoMask => Rules::NO_MASK,
            Self::Bare => Rules::BARE,
            Self::Geometry => geometry,
            Self::Symbolic => Rules { symbolic: true, ..geometry },
        }
    }

    /// As it stands on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn planner(self, (model, engine): (&Path, &WalkEngine), seed: u64) -> Result<Box<dyn StepPlanner>, PhysicsError> {
        Ok(match self {
            Self::First => Box::new(FirstLegal),
            Self::Random => Box::new(RandomLegal::new(seed)),
            _ => {
                let model = engine::open(model, engine).map_err(|e| PhysicsError::Planner(e.to_string()))?;
                Box::new(ModelPlanner::of(model, seed))
            }
        })
    }
}

/// Which rows on which tasks.
pub struct Planners<'a> {
    /// The rows.
    pub rows: &'a [Row],
    /// Tasks of [`Row::Model`].
    pub tasks: &'a [(Family, u64)],
    /// Tasks of all other rows.
    pub fewer: &'a [(Family, u64)],
    /// The model's folder.
    pub model: &'a Path,
    /// Where it works.
    pub engine: WalkEngine,
    /// Where the robots are.
    pub robots: &'a Path,
    /// Tasks side by side.
    pub threads: usize,
}

/// What a row did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowDone {
    /// Name of the row, as on the command line.
    pub row: String,
    /// Its tasks, in order.
    pub tasks: Vec<PlannedTask>,
    /// Seconds that they took, one after the other.
    pub secs: f64,
}

/// Lets the rows work on their tasks; `tell` hears of each row.
///
/// # Errors
/// A model that cannot be read or cannot answer.
pub fn work(planners: &Planners<'_>, tell: &mut dyn FnMut(&str, usize)) -> Result<Vec<RowDone>> {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let mut done = Vec::with_capacity(planners.rows.len());
    for row in planners.rows {
        let tasks = if *row == Row::Model { planners.tasks } else { planners.fewer };
        let began = clock();
        let make = |seed: u64| row.planner((planners.model, &planners.engine), seed);
        let threads = planners.threads.min(tasks.len()).max(1);
        let planned = evaluate_plans(tasks, planners.robots, (&make, row.rules()), threads, &clock)
            .hint("Name a model folder with --model DIR, or leave planners out with --planners.")?;
        let secs = (clock() - began) * threads as f64;
        tell(&row.name(), tasks.len());
        done.push(RowDone { row: row.name(), tasks: planned, secs });
    }
    Ok(done)
}

/// Prints the rows; JSON: the summary of the model, and every row.
#[must_use]
pub fn told(done: &[RowDone]) -> (Value, Value) {
    let mut rows = Map::new();
    say!(
        "{:<10} {:>15} {:>15} {:>15} {:>9} {:>10} {:>9}",
        "planner",
        "goal",
        "refused right",
        "came true",
        "answers",
        "ms/answer",
        "s/task"
    );
    for RowDone { row, tasks, secs } in done {
        let figures = PlanFigures::of(tasks);
        let key = row.replace('-', "_");
        print(&key, &figures, secs / tasks.len().max(1) as f64);
        rows.insert(key, as_json(&figures));
        if *row == Row::Model.name() {
            for task in tasks.iter().filter(|task| !task.right) {
                let why = task.refused.as_ref().map_or("the goals do not hold", |(_, says)| says);
                say!("  {:?} seed {}: {}", task.family, task.seed, why.chars().take(140).collect::<String>());
            }
            for (level, tried, helped) in figures.levels.iter().filter(|(_, tried, _)| *tried > 0) {
                say!("  {level:?}: tried {tried} times, helped {helped} times");
            }
        }
    }
    let of = |row: &str, what: &str| rows.get(row).and_then(|r| r.get(what)).cloned().unwrap_or(Value::Null);
    let model = json!({
        "goal": of("model", "goal"),
        "executable": of("model", "executable"),
        "refused_right": of("model", "refused_right"),
        "goal_no_repair": of("no_repair", "goal"),
        "goal_no_mask": of("no_mask", "goal"),
    });
    (model, Value::Object(rows))
}

fn print(row: &str, f: &PlanFigures, secs: f64) {
    let of = |part: usize, whole: usize| format!("{part}/{whole} {:>3.0} %", 100.0 * part as f64 / whole.max(1) as f64);
    say!(
        "{:<10} {:>15} {:>15} {:>15} {:>9} {:>10.1} {:>9.2}",
        row,
        of(f.reached, f.feasible),
        of(f.refused, f.infeasible),
        of(f.came_true, f.accepted),
        f.answers,
        1e3 * f.answer_secs / f.answers.max(1) as f64,
        secs
    );
}

fn as_json(f: &PlanFigures) -> Value {
    let of = |part: usize, whole: usize| if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) };
    let levels: Map<String, Value> = f
        .levels
        .iter()
        .map(|(level, tried, helped)| (format!("{level:?}").to_lowercase(), json!({"tried": tried, "helped": helped})))
        .collect();
    json!({
        "goal": of(f.reached, f.feasible),
        "feasible": f.feasible,
        "refused_right": of(f.refused, f.infeasible),
        "infeasible": f.infeasible,
        "refused_by_itself": of(f.said_so, f.infeasible),
        "executable": of(f.came_true, f.accepted),
        "accepted": f.accepted,
        "answers": f.answers,
        "tokens": f.tokens,
        "levels": levels,
    })
}

//! Planners on tasks whose end is known: goal reached, steps that came true, refusals with the right code.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rhea_physics::PhysicsError;
use rhea_physics::checks::Code;
use rhea_physics::eval::{Clock, world_of};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::plan::{Account, Climb, Level, Rules, StepPlanner, scene_text, task_text};
use rhea_physics::run::Run;
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::stage::RobotShelf;
use serde::{Deserialize, Serialize};

/// How one task went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedTask {
    /// The family.
    pub family: Family,
    /// The seed.
    pub seed: u64,
    /// Can it be done?
    pub feasible: bool,
    /// Goal reached, or refused with a right code.
    pub right: bool,
    /// Executed steps that were not taken back.
    pub executed: usize,
    /// Why it was refused.
    pub refused: Option<(Option<Code>, String)>,
    /// Every judged step: words, and the code that rejected it.
    pub steps: Vec<(String, Option<Code>)>,
    /// What the ladder did.
    pub account: Account,
}

/// Figures of a planner over tasks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanFigures {
    /// Tasks that can be done, and those of them whose goal was reached.
    pub feasible: usize,
    /// See [`Self::feasible`].
    pub reached: usize,
    /// Tasks that cannot be done, and those of them that were refused with a right code.
    pub infeasible: usize,
    /// See [`Self::infeasible`].
    pub refused: usize,
    /// Accepted steps, and those of them after which the world was as they say.
    pub accepted: usize,
    /// See [`Self::accepted`].
    pub came_true: usize,
    /// Refusals that the planner itself said, among the right ones.
    pub said_so: usize,
    /// Answers, their text tokens and seconds.
    pub answers: usize,
    /// See [`Self::answers`].
    pub tokens: usize,
    /// See [`Self::answers`].
    pub answer_secs: f64,
    /// Attempts of each level, and how often it helped.
    pub levels: Vec<(Level, usize, usize)>,
}

impl PlanFigures {
    /// Sums up tasks.
    #[must_use]
    pub fn of(tasks: &[PlannedTask]) -> Self {
        let mut sum = Self { levels: Level::ALL.map(|l| (l, 0, 0)).to_vec(), ..Self::default() };
        for task in tasks {
            let right = usize::from(task.right);
            if task.feasible {
                sum.feasible += 1;
                sum.reached += right;
            } else {
                sum.infeasible += 1;
                sum.refused += right;
                sum.said_so += usize::from(task.right && task.account.planner_refused);
            }
            sum.accepted += task.steps.iter().filter(|(_, code)| code.is_none()).count();
            sum.came_true += task.account.came_true;
            sum.answers += task.account.asked;
            sum.tokens += task.account.tokens;
            sum.answer_secs += task.account.answer_secs;
            for count in &task.account.levels {
                for (level, attempts, helped) in &mut sum.levels {
                    if *level == count.level {
                        *attempts += count.attempts;
                        *helped += count.helped;
                    }
                }
            }
        }
        sum
    }
}

/// Makes a planner; called once a thread.
pub type MakePlanner<'a> = &'a (dyn Fn(u64) -> Result<Box<dyn StepPlanner>, PhysicsError> + Sync);

/// Lets a planner work on tasks, spread over `threads`; the results are in the order of the tasks and do not depend on how many.
///
/// # Errors
/// A robot file that cannot be read, or a planner that cannot answer.
pub fn evaluate_plans(
    tasks: &[(Family, u64)],
    robots: &Path,
    (make, rules): (MakePlanner<'_>, Rules),
    threads: usize,
    clock: &(dyn Fn() -> f64 + Sync),
) -> Result<Vec<PlannedTask>, PhysicsError> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Result<PlannedTask, PhysicsError>)>> = Mutex::new(Vec::new());
    let work = || {
        let mut shelf = RobotShelf::default();
        let mut planner: Option<Box<dyn StepPlanner>> = None;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((family, seed)) = tasks.get(index).copied() else { return };
            let mut go = || {
                let planner = match &mut planner {
                    Some(planner) => planner,
                    none => none.insert(make(seed)?),
                };
                run((family, seed), robots, &mut shelf, (planner.as_mut(), rules), &|| clock())
            };
            let result = go();
            found.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, result)| result).collect()
}

fn run(
    (family, seed): (Family, u64),
    robots: &Path,
    shelf: &mut RobotShelf,
    (planner, rules): (&mut dyn StepPlanner, Rules),
    clock: Clock<'_>,
) -> Result<PlannedTask, PhysicsError> {
    planner.begin(seed);
    let task = task(family, seed);
    let mut world = world_of(&task, robots, shelf)?;
    // Plain words: other wordings are the business of the grounding figures.
    let words = format!("{} {}", task_text(&task.goals, 0), scene_text(&world));
    let run = Run::new(&mut world, &task.goals, ProposeOptions::default());
    let (outcome, account) = Climb::new(run, planner, words, rules, clock).run()?;
    let feasible = task.refuse.is_empty();
    let refused = outcome.refused.as_ref();
    let right = if feasible {
        outcome.reached()
    } else {
        refused.and_then(|r| r.code).is_some_and(|code| task.refuse.contains(&code))
    };
    Ok(PlannedTask {
        family,
        seed,
        feasible,
        right,
        executed: outcome.executed.len(),
        refused: refused.map(|r| (r.code, r.says.clone())),
        steps: outcome.steps.iter().map(|s| (s.text.clone(), s.first_code)).collect(),
        account,
    })
}

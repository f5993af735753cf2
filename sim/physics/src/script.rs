//! Plan scripts: a scene, what is asked, and what is expected, as a RON file that a command can run.
//!
//! ```ron
//! (
//!     scene: File("one_block.ron"),           // or Generated(family: F2, seed: 7)
//!     say: ["put the red block on the shelf"], // sentences in order; without them the planner works on `goals`
//!     goals: [On(thing: "red_block", target: "shelf")],
//!     seed: 1,
//!     faults: [(step: 2, wrong: TooFast(times: 1.5))], // made wrong with the second step that is judged
//!     expect: [Rejected(step: 2, code: SPEED)], // or Reached, StepsAtMost(3), NoRejects, Refuse(code: REACH)
//! )
//! ```
//!
//! A fault is planted before the step is judged. One that the checks let through changes nothing of the motion that is carried
//! out but its speed and path.
//!
//! Invariant: a script that loads names existing files and known codes, so running it can fail in the plan only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::checks::{Code, StepReport};
use crate::error::PhysicsError;
use crate::eval::Clock;
use crate::limits::{MAX_FAULTS, MAX_GOALS, MAX_SENTENCE_BYTES, MAX_STEPS};
use crate::motion::ProposeOptions;
use crate::plan::{Account, Climb, Rules, StepPlanner, scene_text, task_text};
use crate::run::{Onlooker, Outcome, PlantedFault, Run};
use crate::scene::file::{load_scene, parse_ron, read_text};
use crate::tasks::{Family, task};
use crate::world::World;
use crate::world::facts::Goal;
use crate::world::stage::{RobotShelf, Stage};

/// Where the scene comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SceneSource {
    /// A scene file, relative to the script.
    File(String),
    /// A generated task; its goals count if the script has none.
    Generated {
        /// The family.
        family: Family,
        /// The seed.
        seed: u64,
    },
}

/// What has to come true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Expect {
    /// Every step was accepted and every goal holds.
    Reached,
    /// The task is refused, with this code first.
    Refuse {
        /// The code.
        code: Code,
    },
    /// At most so many steps are executed.
    StepsAtMost(usize),
    /// No step was rejected on the way.
    NoRejects,
    /// A step is rejected, with this code first.
    Rejected {
        /// Number of the step, from 1, rejected ones counted.
        step: usize,
        /// The code.
        code: Code,
    },
}

/// A script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanScript {
    /// The scene.
    pub scene: SceneSource,
    /// Sentences, in order.
    #[serde(default)]
    pub say: Vec<String>,
    /// What has to hold at the end.
    #[serde(default)]
    pub goals: Vec<Goal>,
    /// Seed of path search.
    #[serde(default = "one")]
    pub seed: u64,
    /// What is made wrong on the way.
    #[serde(default)]
    pub faults: Vec<PlantedFault>,
    /// What has to come true.
    pub expect: Vec<Expect>,
}

fn one() -> u64 {
    1
}

/// Who makes the steps of a script.
pub enum By<'p> {
    /// The symbolic search, towards the goals.
    Search,
    /// The sentences of the script, in order, with missing steps put in.
    Sentences,
    /// A planner that answers step by step: it is told the sentences, or else the goals in words, and works towards the goals.
    Steps {
        /// Who answers.
        planner: &'p mut dyn StepPlanner,
        /// The repairs that are allowed.
        rules: Rules,
        /// The clock of the report.
        clock: Clock<'p>,
    },
}

/// What a run wrote down: the report file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The planner that made the steps.
    pub planner: String,
    /// The scene's name.
    pub scene: String,
    /// Every judged step.
    pub steps: Vec<StepReport>,
    /// Hash of the world after every executed step.
    pub hashes: Vec<String>,
    /// The goals, each with its verdict.
    pub goals: Vec<crate::checks::Check>,
    /// Why it was refused.
    pub refused: Option<(Option<Code>, String)>,
    /// What a planner that answers step by step, and the repairs of its steps, took.
    #[serde(default)]
    pub account: Option<Account>,
    /// Expectations that did not come true; empty is good.
    pub failed: Vec<String>,
}

impl PlanScript {
    /// Reads a script.
    ///
    /// # Errors
    /// File, line and what is allowed.
    pub fn load(path: &Path) -> Result<Self, PhysicsError> {
        let text = read_text("the plan script", path)?;
        let script: Self = parse_ron(&text, path)?;
        let most = |what, got, max| {
            if got <= max {
                Ok(())
            } else {
                Err(PhysicsError::TooMany { place: path.display().to_string(), what, got, max })
            }
        };
        most("sentences", script.say.len(), MAX_STEPS)?;
        most("goals", script.goals.len(), MAX_GOALS)?;
        most("bytes of a sentence", script.say.iter().map(String::len).max().unwrap_or(0), MAX_SENTENCE_BYTES)?;
        most("faults", script.faults.len(), MAX_FAULTS)?;
        for fault in &script.faults {
            let place = format!("{}: fault at step {}", path.display(), fault.step);
            fault.wrong.check(&place)?;
            if !(1..=2 * MAX_STEPS).contains(&fault.step) {
                return Err(PhysicsError::invalid(place, format!("steps are counted from 1 to {}", 2 * MAX_STEPS)));
            }
        }
        Ok(script)
    }

    /// Loads the world and the goals; scenes and their robots lie relative to the script, robots of generated ones in `robots`.
    ///
    /// # Errors
    /// A scene or robot that cannot be read.
    pub fn world(
        &self,
        script: &Path,
        robots: &Path,
        shelf: &mut RobotShelf,
    ) -> Result<(World, Vec<Goal>), PhysicsError> {
        let (scene, mut goals) = match &self.scene {
            SceneSource::File(name) => (load_scene(&script.parent().unwrap_or(Path::new(".")).join(name))?, Vec::new()),
            SceneSource::Generated { family, seed } => {
                let task = task(*family, *seed);
                (task.scene, task.goals)
            }
        };
        let folder = self.robots_folder(script, robots);
        if !self.goals.is_empty() {
            goals.clone_from(&self.goals);
        }
        let mut world = World::new(Arc::new(Stage::new(scene, &folder, shelf)?))?;
        world.run(0.5);
        Ok((world, goals))
    }

    /// What has to hold at the end: goals of a generated task are for its planner; sentences are measured by the script's own
    /// goals.
    #[must_use]
    pub fn wanted<'g>(&'g self, goals: &'g [Goal]) -> &'g [Goal] {
        if self.say.is_empty() { goals } else { &self.goals }
    }

    /// The folder that the robots of its scene are relative to.
    #[must_use]
    pub fn robots_folder(&self, script: &Path, robots: &Path) -> PathBuf {
        match &self.scene {
            SceneSource::File(name) => {
                let path = script.parent().unwrap_or(Path::new(".")).join(name);
                path.parent().unwrap_or(Path::new(".")).to_owned()
            }
            SceneSource::Generated { .. } => robots.to_owned(),
        }
    }

    /// Who makes the steps when nobody else is named: the sentences, or else the search.
    #[must_use]
    pub fn own(&self) -> By<'static> {
        if self.say.is_empty() { By::Search } else { By::Sentences }
    }

    /// Runs it.
    ///
    /// # Errors
    /// A scene or robot that cannot be read, a fault that cannot be planted where it is meant to be.
    pub fn run(&self, script: &Path, robots: &Path, shelf: &mut RobotShelf) -> Result<PlanReport, PhysicsError> {
        let (mut world, goals) = self.world(script, robots, shelf)?;
        self.run_in(&mut world, &goals, self.own(), None)
    }

    /// Runs it in the world and with the goals of [`Self::world`]; `onlooker` sees every step and moment.
    ///
    /// # Errors
    /// A fault that cannot be planted where it is meant to be; a planner that works towards goals where there are none, or that
    /// cannot answer.
    pub fn run_in(
        &self,
        world: &mut World,
        goals: &[Goal],
        by: By<'_>,
        onlooker: Option<&mut dyn Onlooker>,
    ) -> Result<PlanReport, PhysicsError> {
        let goals = self.wanted(goals);
        if goals.is_empty() && !matches!(by, By::Sentences) {
            let what = "there are no goals to plan towards; allowed: `goals: [..]`, or a generated scene without `say`";
            return Err(PhysicsError::invalid("the plan script", what));
        }
        let words = match self.say.is_empty() {
            true => task_text(goals, 0),
            false => format!("{}.", self.say.join(", ")),
        };
        let words = format!("{words} {}", scene_text(world));
        let scene = world.stage.scene.name.clone();
        let options = ProposeOptions { seed: self.seed, ..ProposeOptions::default() };
        let run = Run::new(world, goals, options).with_faults(&self.faults);
        let run = match onlooker {
            Some(onlooker) => run.watched_by(onlooker),
            None => run,
        };
        let (planner, outcome, account) = match by {
            By::Search => ("symbolic search".to_owned(), run.goals()?, None),
            By::Sentences => {
                ("the sentences of the script, with missing steps put in".to_owned(), run.text(&self.say)?, None)
            }
            By::Steps { planner, rules, clock } => {
                let name = planner.name();
                let (outcome, account) = Climb::new(run, planner, words, rules, clock).run()?;
                (name, outcome, Some(account))
            }
        };
        let failed = self.expect.iter().filter_map(|e| unmet(e, &outcome)).collect();
        Ok(PlanReport {
            planner,
            scene,
            steps: outcome.steps,
            hashes: outcome.hashes,
            goals: outcome.goals,
            refused: outcome.refused.map(|r| (r.code, r.says)),
            account,
            failed,
        })
    }
}

/// Says how an expectation did not come true.
fn unmet(expect: &Expect, outcome: &Outcome) -> Option<String> {
    let rejects = outcome.steps.iter().filter(|s| s.verdict == crate::checks::Verdict::Reject).count();
    let refused = outcome.refused.as_ref();
    match expect {
        Expect::Reached if outcome.reached() => None,
        Expect::Reached => {
            let goal =
                outcome.goals.iter().find(|c| c.verdict == crate::checks::Verdict::Reject).map(|c| c.note.clone());
            Some(format!("expected Reached, but {}", refused.map(|r| r.says.clone()).or(goal).unwrap_or_default()))
        }
        Expect::Refuse { code } => match refused {
            Some(r) if r.code == Some(*code) => None,
            Some(r) => Some(format!(
                "expected Refuse({}), but it was refused with {}: {}",
                code.name(),
                r.code.map_or("no code", Code::name),
                r.says
            )),
            None => Some(format!("expected Refuse({}), but nothing was refused", code.name())),
        },
        Expect::StepsAtMost(most) if outcome.executed.len() <= *most => None,
        Expect::StepsAtMost(most) => {
            Some(format!("expected at most {most} steps, but {} were executed", outcome.executed.len()))
        }
        Expect::Rejected { step, code } => {
            let judged = step.checked_sub(1).and_then(|i| outcome.steps.get(i));
            let said = judged.map_or("there was no such step".to_owned(), |s| format!("it says: {}", s.says));
            let right = judged.is_some_and(|s| s.first_code == Some(*code));
            (!right).then(|| format!("expected step {step} to be rejected with {}, but {said}", code.name()))
        }
        Expect::NoRejects if rejects == 0 => None,
        Expect::NoRejects => Some(format!("expected no rejected step, but {rejects} were")),
    }
}

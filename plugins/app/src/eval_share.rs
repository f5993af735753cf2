//! Shares of `rhea eval plans`: the figures of every n-th task as data, put together again to what one process would have found.
//!
//! Invariant: figures that were put together do not depend on how many shares there were, but for times.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use rhea_batch::Shard;
use rhea_physics::checks::STAGES;
use rhea_physics::eval::{self, EVALUATION_SEEDS, GroundingFigures, TaskResult};
use rhea_physics::faults::{self, Kind, KindFigures};
use rhea_physics::tasks::Family;
use rhea_physics::world::stage::{Contacts, RobotShelf};
use serde::{Deserialize, Serialize};

use crate::engine::WalkEngine;
use crate::eval_planners::{Planners, Row, RowDone, work};
use crate::fault::{Fault, WithHint as _};

/// Version of the file.
const VERSION: u16 = 1;
/// Most bytes of a file of figures.
const MAX_BYTES: u64 = 256 << 20;
/// Sentences for each scene.
const SENTENCES: usize = 5;
/// Examples that are kept of sentences, and of each kind of fault.
const EXAMPLES: (usize, usize) = (40, 5);
/// Everything that is checked, as it is shipped.
const ALL_CHECKS: (Range<usize>, Contacts) = (0..STAGES.len(), Contacts::Tuned);
/// Scenes in which each kind of fault is planted for a baseline.
const BASELINE_SCENES: u64 = 5;
const HINT: &str = "Take scenes/robots from the repository.";

/// What fewer checks, or rapier's own contacts, are measured on the same faults.
pub const BASELINES: [&str; 6] = [
    "accept everything",
    "words and preconditions",
    "motion and grasp",
    "statics",
    "all, rapier's contacts",
    "all, as shipped",
];

fn baseline(row: usize) -> (Range<usize>, Contacts) {
    match row {
        0 => (0..0, Contacts::Tuned),
        1 => (0..1, Contacts::Tuned),
        2 => (1..2, Contacts::Tuned),
        3 => (2..3, Contacts::Tuned),
        4 => (0..STAGES.len(), Contacts::Rapier),
        _ => ALL_CHECKS,
    }
}

/// What is measured.
pub struct Asked<'a> {
    /// Families with their seeds.
    pub families: &'a [(Family, Range<u64>)],
    /// Planners that answer step by step.
    pub planners: &'a [Row],
    /// Tasks of each family for planners other than the model with all repairs.
    pub ablation_tasks: u64,
    /// Scenes in which faults are planted.
    pub faults: u64,
    /// Paraphrases of the scenes, or are sentences given by a file?
    pub paraphrases: bool,
    /// The model's folder; needed where planners are.
    pub model: Option<&'a Path>,
    /// Where the model works.
    pub engine: WalkEngine,
    /// Where the robots are.
    pub robots: &'a Path,
    /// Tasks of planners side by side.
    pub threads: usize,
}

/// Figures of a kind of fault in the scenes of one seed.
type KindRow = (Kind, KindFigures);

/// What was found, by task and seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    version: u16,
    /// The search planner.
    pub oracle: Vec<TaskResult>,
    /// Planners that answer step by step.
    pub planners: Vec<RowDone>,
    /// Paraphrases of each scene.
    grounding: Vec<(Family, u64, GroundingFigures)>,
    /// Planted faults of each seed.
    faults: Vec<(u64, Vec<KindRow>)>,
    /// The same with fewer checks, by row of [`BASELINES`].
    baselines: Vec<(usize, u64, Vec<KindRow>)>,
}

/// Measures a share; `tell` hears how much of it is done: parts, of how many, what.
///
/// # Errors
/// A robot or model that cannot be read, or a model that cannot answer.
pub fn measure(asked: &Asked<'_>, share: Shard, tell: &mut dyn FnMut(usize, usize, &str)) -> Result<Found> {
    let all = |most: u64| {
        let of = |(family, seeds): &(Family, Range<u64>)| {
            let (family, seeds) = (*family, seeds.start..seeds.end.min(seeds.start.saturating_add(most)));
            seeds.map(move |seed| (family, seed))
        };
        mine(asked.families.iter().flat_map(of), share)
    };
    let (tasks, fewer) = (all(u64::MAX), all(asked.ablation_tasks));
    let seeds = |scenes: u64| EVALUATION_SEEDS..EVALUATION_SEEDS + scenes;
    let fault_seeds: Vec<u64> = mine(seeds(asked.faults), share);
    let few = asked.faults.min(BASELINE_SCENES);
    let rows = (0..BASELINES.len()).flat_map(|row| seeds(few).map(move |seed| (row, seed)));
    let rows: Vec<(usize, u64)> = mine(rows, share);

    let on = |row: &Row| if *row == Row::Model { tasks.len() } else { fewer.len() };
    let parts = 2 * tasks.len() + asked.planners.iter().map(on).sum::<usize>() + fault_seeds.len() + rows.len();
    let mut done = 0;
    let mut tell = |more: usize, what: &str| {
        done += more;
        tell(done, parts, what);
    };
    let mut shelf = RobotShelf::default();
    let mut oracle = Vec::with_capacity(tasks.len());
    for (family, seed) in &tasks {
        oracle.push(eval::run_task(*family, *seed, asked.robots, &mut shelf).hint(HINT)?);
        tell(1, "search planner");
    }
    let planners = match asked.model {
        Some(model) => {
            let (rows, robots, threads) = (asked.planners, asked.robots, asked.threads);
            let engine = asked.engine.clone();
            let planners = Planners { rows, tasks: &tasks, fewer: &fewer, model, engine, robots, threads };
            work(&planners, &mut |row, count| tell(count, row))?
        }
        None => Vec::new(),
    };
    let mut grounding = Vec::new();
    for (family, seed) in tasks.iter().filter(|_| asked.paraphrases) {
        let scene = [(*family, *seed..*seed + 1)];
        grounding.push((*family, *seed, eval::grounding(&scene, SENTENCES, asked.robots).hint(HINT)?));
        tell(1, "grounding");
    }
    let mut faults = Vec::with_capacity(fault_seeds.len());
    for seed in fault_seeds {
        faults.push((seed, faults::table(seed..seed + 1, ALL_CHECKS, asked.robots).hint(HINT)?));
        tell(1, "planted faults");
    }
    let mut baselines = Vec::with_capacity(rows.len());
    for (row, seed) in rows {
        baselines.push((row, seed, faults::table(seed..seed + 1, baseline(row), asked.robots).hint(HINT)?));
        tell(1, "fewer checks");
    }
    Ok(Found { version: VERSION, oracle, planners, grounding, faults, baselines })
}

fn mine<T>(all: impl Iterator<Item = T>, share: Shard) -> Vec<T> {
    all.enumerate().filter(|(index, _)| share.has(*index)).map(|(_, item)| item).collect()
}

/// Place of a family in tables.
fn place(family: Family) -> usize {
    Family::ALL.iter().position(|(known, _)| *known == family).unwrap_or(usize::MAX)
}

/// Puts shares together.
///
/// # Errors
/// When two of them have the same task: it would count twice.
pub fn put_together(shares: Vec<Found>) -> Result<Found> {
    let empty = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (oracle, planners, grounding, faults, baselines) = empty;
    let mut all = Found { version: VERSION, oracle, planners, grounding, faults, baselines };
    for share in shares {
        all.oracle.extend(share.oracle);
        all.grounding.extend(share.grounding);
        all.faults.extend(share.faults);
        all.baselines.extend(share.baselines);
        for row in share.planners {
            match all.planners.iter_mut().find(|known| known.row == row.row) {
                Some(known) => {
                    known.tasks.extend(row.tasks);
                    known.secs += row.secs;
                }
                None => all.planners.push(row),
            }
        }
    }
    all.oracle.sort_by_key(|task| (place(task.family), task.seed));
    all.planners.iter_mut().for_each(|row| row.tasks.sort_by_key(|task| (place(task.family), task.seed)));
    all.grounding.sort_by_key(|(family, seed, _)| (place(*family), *seed));
    all.faults.sort_by_key(|(seed, _)| *seed);
    all.baselines.sort_by_key(|(row, seed, _)| (*row, *seed));
    let twice = |key: Option<String>| match key {
        None => Ok(()),
        Some(what) => {
            Err(Fault::new(format!("{what} is in two shares"), "Name every file once, of shares that do not overlap."))
        }
    };
    twice(double(all.oracle.iter().map(|t| (t.family, t.seed))).map(|(f, s)| format!("{f:?} seed {s}")))?;
    for row in &all.planners {
        let double = double(row.tasks.iter().map(|t| (t.family, t.seed)));
        twice(double.map(|(f, s)| format!("{f:?} seed {s} of {}", row.row)))?;
    }
    twice(double(all.faults.iter().map(|(s, _)| *s)).map(|s| format!("seed {s} of the planted faults")))?;
    Ok(all)
}

fn double<T: Ord + Copy>(mut keys: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = BTreeSet::new();
    keys.find(|key| !seen.insert(*key))
}

impl Found {
    /// The paraphrases of all scenes.
    #[must_use]
    pub fn grounding(&self) -> GroundingFigures {
        let mut sum = GroundingFigures::default();
        for (_, _, one) in &self.grounding {
            sum.sentences += one.sentences;
            sum.exact += one.exact;
            sum.wrong_object += one.wrong_object;
            sum.wrong_skill += one.wrong_skill;
            sum.asked += one.asked;
            sum.examples.extend(one.examples.iter().cloned());
        }
        sum.examples.truncate(EXAMPLES.0);
        sum
    }

    /// The planted faults, by kind.
    #[must_use]
    pub fn faults(&self) -> Vec<KindRow> {
        summed(self.faults.iter().map(|(_, rows)| rows))
    }

    /// What a row of [`BASELINES`] found of them.
    #[must_use]
    pub fn baseline(&self, row: usize) -> Vec<KindRow> {
        summed(self.baselines.iter().filter(|(of, _, _)| *of == row).map(|(_, _, rows)| rows))
    }

    /// Writes the figures.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).hint("This is a fault in Rhea.")?;
        std::fs::write(path, bytes).hint(format!("Choose another file than {}.", path.display()))
    }

    /// Reads figures.
    ///
    /// # Errors
    /// A file that cannot be read, is too long, or has something else in it.
    pub fn load(path: &Path) -> Result<Self> {
        let hint = "`rhea eval plans --share i/n --figures FILE` writes such files.";
        let said = |what: String| Fault::new(format!("{}: {what}", path.display()), hint);
        let length = std::fs::metadata(path).map_err(|e| said(e.to_string()))?.len();
        if length > MAX_BYTES {
            return Err(said(format!("{length} bytes; allowed are at most {MAX_BYTES}")).into());
        }
        let bytes = std::fs::read(path).map_err(|e| said(e.to_string()))?;
        let found: Self = serde_json::from_slice(&bytes).map_err(|e| said(e.to_string()))?;
        if found.version != VERSION {
            return Err(said(format!("version {}; this program reads version {VERSION}", found.version)).into());
        }
        Ok(found)
    }
}

fn summed<'a>(parts: impl Iterator<Item = &'a Vec<KindRow>>) -> Vec<KindRow> {
    let mut sum: Vec<KindRow> = Kind::ALL.map(|kind| (kind, KindFigures::default())).into_iter().collect();
    for (kind, one) in parts.flatten() {
        let Some((_, to)) = sum.iter_mut().find(|(known, _)| known == kind) else { continue };
        to.found += one.found;
        to.planted += one.planted;
        to.right_code += one.right_code;
        to.by_stage.iter_mut().zip(one.by_stage).for_each(|(sum, more)| *sum += more);
        to.below_passed += one.below_passed;
        to.below += one.below;
        to.clean_passed += one.clean_passed;
        to.clean += one.clean;
        to.examples.extend(one.examples.iter().cloned());
        to.examples.truncate(EXAMPLES.1);
    }
    sum
}

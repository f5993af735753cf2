//! `rhea eval plans`: kinematics, planted faults, planners and grounding, in numbers.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum as _};
use rhea_batch::Shard;
use rhea_physics::eval::laws::{self, LawFigures};
use rhea_physics::eval::{self, EVALUATION_SEEDS, GroundingFigures};
use rhea_physics::ground::{Memory, ground};
use rhea_physics::skill::Skill;
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::stage::RobotShelf;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::ModelArgs;
use crate::engine::{EngineArgs, WalkEngine};
use crate::eval_planners::Row;
use crate::eval_share::{Asked, Found, measure, put_together};
use crate::eval_table::tell;
use crate::fault::{Fault, WithHint as _};
use crate::plan::ROBOTS;
use crate::progress::Progress;
use crate::say::say;
use crate::{eval_workers, place};

/// Poses for inverse kinematics.
const IK_POSES: usize = 1_000;
/// Towers whose settling is timed.
const SETTLE_SAMPLES: usize = 21;
/// Most tasks side by side: each has a model of its own.
const MOST_THREADS: usize = 8;
/// Most bytes of a file of instructions.
const MAX_INSTRUCTIONS_BYTES: u64 = 16 << 20;
const HINT: &str = "Take scenes/robots from the repository.";

/// How much of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct EvalPlansArgs {
    /// Families, such as F1,F3; all when left out.
    #[arg(long, value_name = "F1,..", value_delimiter = ',')]
    pub families: Vec<String>,
    /// Tasks of each family, counted from the first evaluation seed; 30 or 40 when left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000), conflicts_with = "seeds")]
    pub tasks: Option<u64>,
    /// Seeds of the tasks of each family, the last one included; at least 1,000,000, for smaller ones are training seeds.
    #[arg(long, value_name = "A..B", value_parser = crate::eval::seeds)]
    pub seeds: Option<Range<u64>>,
    /// Step-by-step planners that are measured; all when left out.
    #[arg(long, value_name = "NAME,..", value_enum, value_delimiter = ',', num_args = 0.., default_values_t = Row::value_variants().to_vec())]
    pub planners: Vec<Row>,
    /// Tasks of each family that planners other than the model with all repairs work on.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub ablation_tasks: u64,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Scenes in which each kind of fault is planted; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub faults: u64,
    /// Own sentences: one JSON object a line with seed, family, text and expected (a skill).
    #[arg(long, value_name = "FILE")]
    pub instructions: Option<PathBuf>,
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Worker processes on this machine that share the tasks; figures do not depend on how many.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with_all = ["share", "merge"])]
    pub workers: u32,
    /// Measure only every n-th task, from the i-th on, and write what was found to --figures.
    #[arg(long, value_name = "i/n", requires = "figures", conflicts_with_all = ["json", "instructions"])]
    pub share: Option<Shard>,
    /// What a share found, for --merge.
    #[arg(long, value_name = "FILE.json", requires = "share")]
    pub figures: Option<PathBuf>,
    /// Measure nothing: put the figures of shares together and print them.
    #[arg(long, value_name = "FILE.json", num_args = 1.., conflicts_with_all = ["share", "instructions"])]
    pub merge: Vec<PathBuf>,
    /// Sentences are somebody else's business.
    #[arg(long, hide = true, requires = "share")]
    pub no_paraphrases: bool,
    /// Tasks of planners side by side [default: all cores, up to 8].
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: Option<u32>,
}

/// A line of `--instructions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instruction {
    seed: u64,
    family: Family,
    text: String,
    expected: Skill,
}

/// Measures and prints.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(args: &EvalPlansArgs) -> Result<ExitCode> {
    let start = Instant::now();
    if !args.merge.is_empty() {
        let shares = args.merge.iter().map(|path| Found::load(path)).collect::<Result<Vec<_>>>()?;
        let document = tell(&put_together(shares)?, None)?;
        crate::eval::write_json(args.json.as_ref(), &document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let robots = place::shipped(ROBOTS)?;
    let families = families(args)?;
    let model = if args.planners.is_empty() { None } else { Some(place::model_folder(args.model.model.as_deref())?) };
    let engine = match &model {
        Some(folder) => args.engine.local(folder)?,
        None => WalkEngine::inside(),
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (cores / engine.ranks()).clamp(1, MOST_THREADS);
    let asked = Asked {
        families: &families,
        planners: &args.planners,
        ablation_tasks: args.ablation_tasks,
        faults: args.faults,
        paraphrases: args.instructions.is_none() && !args.no_paraphrases,
        model: model.as_deref(),
        engine,
        robots: &robots,
        threads: args.threads.map_or(threads, |threads| threads as usize),
    };
    if let (Some(share), Some(path)) = (args.share, &args.figures) {
        let found = measured(&asked, share)?;
        found.save(path)?;
        say!("share {share}: {} tasks, figures in {}", found.oracle.len(), path.display());
        return Ok(ExitCode::SUCCESS);
    }
    // Times first, while nothing else runs.
    let machine = machine(&robots)?;
    let found = match args.workers {
        1 => measured(&asked, Shard::WHOLE)?,
        workers => put_together(eval_workers::run(args, workers, asked.threads)?)?,
    };
    let own = args.instructions.as_ref();
    let own = own.map(|path| own_sentences(path, &robots, &mut RobotShelf::default())).transpose()?;
    let mut document = tell(&found, own)?;
    say!("took {:.0} s", start.elapsed().as_secs_f64());
    if let (Value::Object(all), Value::Object(machine)) = (&mut document, machine) {
        all.extend(machine);
    }
    crate::eval::write_json(args.json.as_ref(), &document)?;
    Ok(ExitCode::SUCCESS)
}

fn measured(asked: &Asked<'_>, share: Shard) -> Result<Found> {
    let mut bar: Option<Progress> = None;
    let found = measure(asked, share, &mut |done, parts, what| {
        bar.get_or_insert_with(|| Progress::new(parts as u64)).step(done as u64, what, "");
    });
    bar.iter().for_each(Progress::finish);
    found
}

/// What one machine does by itself: kinematics, times, laws.
fn machine(robots: &Path) -> Result<Value> {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let (arm, _) = RobotShelf::default().get(&robots.join("rhea_arm7.urdf")).hint(HINT)?;
    let ik = eval::inverse_kinematics(&arm, IK_POSES, 5, &clock);
    say!("inverse kinematics: {} of {} poses, median {:.3} ms", ik.solved, ik.poses, ik.median_ms);
    let (p50, p95) = eval::check_times(EVALUATION_SEEDS..EVALUATION_SEEDS + 40, robots, &clock).hint(HINT)?;
    say!("all checks of a pick-and-place step: median {p50:.1} ms, p95 {p95:.1} ms");
    let (settle_ms, whole_ms) = eval::settle_times(SETTLE_SAMPLES, robots, &clock).hint(HINT)?;
    say!("a tower of ten cubes settles: median {settle_ms:.1} ms until it rests, {whole_ms:.1} ms for the whole 2 s");
    let (grips, towers) = (laws::grips(), laws::towers(robots).hint(HINT)?);
    let agree = |law: &str, band: String, f: &LawFigures| {
        say!("{law}: simulation and law agree on {} of {} cases, outside a band of {band}", f.agree, f.cases);
    };
    agree("grasp force", format!("{:.0} % of the force", 100.0 * laws::GRIP_BAND), &grips);
    agree("tower statics", format!("{:.1} mm", 1e3 * laws::TOWER_BAND_M), &towers);
    for differs in grips.differ.iter().chain(&towers.differ) {
        say!("  differs: {differs}");
    }
    Ok(json!({
        "ik": {"solved": ik.solved as f64 / ik.poses as f64, "median_ms": ik.median_ms},
        "check_ms": {"p50": p50, "p95": p95},
        "settle_ms": {"rested": settle_ms, "whole": whole_ms},
        "laws": {"grips": {"agree": grips.agree, "cases": grips.cases}, "towers": {"agree": towers.agree, "cases": towers.cases}},
    }))
}

fn families(args: &EvalPlansArgs) -> Result<Vec<(Family, Range<u64>)>> {
    let known = || Family::ALL.iter().map(|(f, _)| format!("{f:?}")).collect::<Vec<_>>().join(", ");
    for name in &args.families {
        if !Family::ALL.iter().any(|(f, _)| format!("{f:?}") == *name) {
            return Err(Fault::new(format!("there is no family {name}"), format!("Families are {}.", known())).into());
        }
    }
    let wanted = |f: &Family| args.families.is_empty() || args.families.contains(&format!("{f:?}"));
    let seeds = |count: u64| {
        let first = EVALUATION_SEEDS..EVALUATION_SEEDS + args.tasks.unwrap_or(count);
        args.seeds.clone().unwrap_or(first)
    };
    Ok(Family::ALL.into_iter().filter(|(f, _)| wanted(f)).map(|(f, count)| (f, seeds(count))).collect())
}

/// Grounds the sentences of a file.
fn own_sentences(path: &Path, robots: &Path, shelf: &mut RobotShelf) -> Result<GroundingFigures> {
    let hint = "One JSON object a line: {\"seed\":7,\"family\":\"F1\",\"text\":\"...\",\"expected\":{\"Pick\":{\"thing\":\"red_block\"}}}.";
    let size = std::fs::metadata(path).hint(hint)?.len();
    if size > MAX_INSTRUCTIONS_BYTES {
        let what = format!("{} has {size} bytes; allowed are at most {MAX_INSTRUCTIONS_BYTES}", path.display());
        return Err(Fault::new(what, "Split the file.").into());
    }
    let text = std::fs::read_to_string(path).hint(hint)?;
    let mut figures = GroundingFigures::default();
    for (line, json) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let item: Instruction = serde_json::from_str(json)
            .map_err(|e| Fault::new(format!("{}:{}: {e}", path.display(), line + 1), hint))?;
        let world = eval::world_of(&task(item.family, item.seed), robots, shelf).hint(hint)?;
        figures.count(&item.text, &item.expected, &ground(&world, &item.text, &Memory::default()));
    }
    Ok(figures)
}

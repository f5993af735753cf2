//! `rhea eval plans`: kinematics, planted faults, planners and grounding, in numbers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum as _};
use rhea_physics::checks::STAGES;
use rhea_physics::eval::laws::{self, LawFigures};
use rhea_physics::eval::{self, EVALUATION_SEEDS, GroundingFigures};
use rhea_physics::faults::{self, KindFigures};
use rhea_physics::ground::{Memory, ground};
use rhea_physics::skill::Skill;
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::stage::{Contacts, RobotShelf};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::ModelArgs;
use crate::engine::EngineArgs;
use crate::eval_planners::{Planners, Row, measure};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::plan::ROBOTS;
use crate::say::say;

/// Poses for inverse kinematics.
const IK_POSES: usize = 1_000;
/// Sentences for each scene.
const SENTENCES: usize = 5;
/// Towers whose settling is timed.
const SETTLE_SAMPLES: usize = 21;
/// Most tasks side by side: each has a model of its own.
const MOST_THREADS: usize = 8;
/// Most bytes of a file of instructions.
const MAX_INSTRUCTIONS_BYTES: u64 = 16 << 20;

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
    /// Scenes in which each kind of fault is planted.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub faults: u64,
    /// Own sentences: one JSON object a line with seed, family, text and expected (a skill).
    #[arg(long, value_name = "FILE")]
    pub instructions: Option<PathBuf>,
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
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

/// Everything that is checked, as it is shipped.
const ALL_CHECKS: (Range<usize>, Contacts) = (0..STAGES.len(), Contacts::Tuned);
/// Scenes in which each kind of fault is planted for a baseline.
const BASELINE_SCENES: u64 = 5;

/// What fewer checks, or rapier's own contacts, find of the same faults.
fn baselines(scenes: u64, robots: &Path) -> Result<Value> {
    let rows = [
        ("accept everything", (0..0, Contacts::Tuned)),
        ("words and preconditions", (0..1, Contacts::Tuned)),
        ("motion and grasp", (1..2, Contacts::Tuned)),
        ("statics", (2..3, Contacts::Tuned)),
        ("all, rapier's contacts", (0..STAGES.len(), Contacts::Rapier)),
        ("all, as shipped", ALL_CHECKS),
    ];
    say!("{:<24} {:>7} {:>9} {:>10} {:>12}", "checks", "recall", "precision", "right code", "clean, 0.8");
    let mut told = BTreeMap::new();
    for (name, how) in rows {
        let table = faults::table(EVALUATION_SEEDS..EVALUATION_SEEDS + scenes, how, robots)
            .hint("Take scenes/robots from the repository.")?;
        let sum = |part: fn(&KindFigures) -> usize| table.iter().map(|(_, f)| part(f)).sum::<usize>();
        let of = |part: usize, whole: usize| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
        let (planted, found, right) = (sum(|f| f.planted), sum(|f| f.found), sum(|f| f.right_code));
        let (clean, passed) = (sum(|f| f.clean + f.below), sum(|f| f.clean_passed + f.below_passed));
        let recall = of(found, planted);
        let (precision, right) = (of(found, found + clean - passed), of(right, found));
        let shown = |share: f64| if share.is_nan() { "-".to_owned() } else { format!("{share:.3}") };
        let (a, b, c) = (shown(recall), shown(precision), shown(right));
        say!("{name:<24} {a:>7} {b:>9} {c:>10} {passed:>6}/{clean}");
        told.insert(
            name,
            json!({"recall": recall, "precision": precision, "right_code": right, "clean_pass": of(passed, clean)}),
        );
    }
    Ok(json!(told))
}

/// Measures and prints.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(args: &EvalPlansArgs) -> Result<ExitCode> {
    let robots = place::shipped(ROBOTS)?;
    let hint = "Take scenes/robots from the repository.";
    let families = families(args)?;
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let mut shelf = RobotShelf::default();
    let model = if args.planners.is_empty() { None } else { Some(place::model_folder(args.model.model.as_deref())?) };

    let (arm, _) = shelf.get(&robots.join("rhea_arm7.urdf")).hint(hint)?;
    let ik = eval::inverse_kinematics(&arm, IK_POSES, 5, &clock);
    say!("inverse kinematics: {} of {} poses, median {:.3} ms", ik.solved, ik.poses, ik.median_ms);
    let (p50, p95) = eval::check_times(EVALUATION_SEEDS..EVALUATION_SEEDS + 40, &robots, &clock).hint(hint)?;
    say!("all checks of a pick-and-place step: median {p50:.1} ms, p95 {p95:.1} ms");
    let (settle_ms, whole_ms) = eval::settle_times(SETTLE_SAMPLES, &robots, &clock).hint(hint)?;
    say!("a tower of ten cubes settles: median {settle_ms:.1} ms until it rests, {whole_ms:.1} ms for the whole 2 s");
    let (grips, towers) = (laws::grips(), laws::towers(&robots).hint(hint)?);
    let agree = |law: &str, band: String, f: &LawFigures| {
        say!("{law}: simulation and law agree on {} of {} cases, outside a band of {band}", f.agree, f.cases);
    };
    agree("grasp force", format!("{:.0} % of the force", 100.0 * laws::GRIP_BAND), &grips);
    agree("tower statics", format!("{:.1} mm", 1e3 * laws::TOWER_BAND_M), &towers);
    for differs in grips.differ.iter().chain(&towers.differ) {
        say!("  differs: {differs}");
    }

    let (mut reached, mut feasible, mut refused, mut infeasible) = (0, 0, 0, 0);
    let mut by_family = BTreeMap::new();
    for (family, seeds) in &families {
        let mut right = 0;
        for seed in seeds.clone() {
            let result = eval::run_task(*family, seed, &robots, &mut shelf).hint(hint)?;
            right += u64::from(result.right);
            if result.feasible {
                feasible += 1;
                reached += u64::from(result.right);
            } else {
                infeasible += 1;
                refused += u64::from(result.right);
            }
            if !result.right {
                say!("  {family:?} seed {seed}: {}", result.says.chars().take(160).collect::<String>());
            }
        }
        let count = seeds.end - seeds.start;
        say!("{family:?}: {right} of {count}");
        by_family.insert(format!("{family:?}"), json!({"right": right, "tasks": count}));
    }
    say!(
        "symbolic search: goal reached on {reached} of {feasible} feasible tasks, {refused} of {infeasible} infeasible ones refused with the right code"
    );

    let (model, planners) = match &model {
        Some(model) => planned(args, &families, model, &robots)?,
        None => (Value::Null, Value::Null),
    };

    let grounding = match &args.instructions {
        Some(path) => own_sentences(path, &robots, &mut shelf)?,
        None => eval::grounding(&families, SENTENCES, &robots).hint(hint)?,
    };
    let share = |part: usize| part as f64 / grounding.sentences.max(1) as f64;
    say!(
        "grounding: exact {:.2} %, wrong object {:.2} %, asked back {:.2} % of {} sentences",
        100.0 * share(grounding.exact),
        100.0 * share(grounding.wrong_object),
        100.0 * share(grounding.asked),
        grounding.sentences
    );
    for example in grounding.examples.iter().take(8) {
        say!("  {}", example.chars().take(200).collect::<String>());
    }

    let table = faults::table(EVALUATION_SEEDS..EVALUATION_SEEDS + args.faults, ALL_CHECKS, &robots).hint(hint)?;
    say!("{:<22} {:>7} {:>9} {:>10} {:>9} {:>9}", "fault", "recall", "precision", "right code", "0.8 pass", "clean");
    let (mut clean, mut passed) = (0, 0);
    let mut by_stage = [0; STAGES.len()];
    let mut kinds = BTreeMap::new();
    for (kind, f) in &table {
        say!(
            "{:<22} {:>7.3} {:>9.3} {:>10.3} {:>5}/{:<3} {:>5}/{:<3}",
            kind.name(),
            f.recall(),
            f.precision(),
            f.right(),
            f.below_passed,
            f.below,
            f.clean_passed,
            f.clean
        );
        for example in f.examples.iter().take(2) {
            say!("    {}", example.chars().take(160).collect::<String>());
        }
        by_stage.iter_mut().zip(f.by_stage).for_each(|(sum, found)| *sum += found);
        clean += f.clean + f.below;
        passed += f.clean_passed + f.below_passed;
        kinds.insert(
            kind.name(),
            json!({"recall": f.recall(), "precision": f.precision(), "right_code": f.right(), "planted": f.planted,
            "below_pass": f.below_passed, "below": f.below, "clean_pass": f.clean_passed, "clean": f.clean}),
        );
    }
    let clean_pass = passed as f64 / clean.max(1) as f64;
    let planted: usize = table.iter().map(|(_, f)| f.planted).sum();
    let by_stage = STAGES.iter().zip(by_stage.map(|found| found as f64 / planted.max(1) as f64));
    let by_stage: BTreeMap<&str, f64> = by_stage.map(|(stage, found)| (*stage, found)).collect();
    for (stage, found) in &by_stage {
        say!("found by {stage}: {:.1} % of the planted faults", 100.0 * found);
    }
    say!("clean and below the threshold: {passed} of {clean} pass ({:.2} %)", 100.0 * clean_pass);
    let baselines = baselines(args.faults.min(BASELINE_SCENES), &robots)?;
    say!("took {:.0} s", clock());

    if let Some(path) = &args.json {
        let of = |part: u64, whole: u64| if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) };
        let document = json!({
            "ik": {"solved": ik.solved as f64 / ik.poses as f64, "median_ms": ik.median_ms},
            "faults": kinds,
            "clean_pass": clean_pass,
            "oracle": {"goal": of(reached, feasible), "refused_right": of(refused, infeasible), "families": by_family},
            "model": model,
            "planners": planners,
            "found_by_stage": by_stage,
            "baselines": baselines,
            "grounding": {"exact": share(grounding.exact), "wrong_object": share(grounding.wrong_object), "sentences": grounding.sentences},
            "check_ms": {"p50": p50, "p95": p95},
            "settle_ms": {"rested": settle_ms, "whole": whole_ms},
            "laws": {"grips": {"agree": grips.agree, "cases": grips.cases}, "towers": {"agree": towers.agree, "cases": towers.cases}},
        });
        let text = serde_json::to_string_pretty(&document).hint("This is a fault in Rhea.")?;
        std::fs::write(path, text).hint(format!("Choose another file than {}.", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
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

/// The planners that answer step by step.
fn planned(
    args: &EvalPlansArgs,
    families: &[(Family, Range<u64>)],
    model: &Path,
    robots: &Path,
) -> Result<(Value, Value)> {
    let first = |most: u64| {
        let of = |(family, seeds): &(Family, Range<u64>)| {
            let (family, seeds) = (*family, seeds.start..seeds.end.min(seeds.start.saturating_add(most)));
            seeds.map(move |seed| (family, seed))
        };
        families.iter().flat_map(of).collect::<Vec<_>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let (tasks, fewer) = (first(u64::MAX), first(args.ablation_tasks));
    let engine = args.engine.local()?;
    measure(&Planners { rows: &args.planners, tasks: &tasks, fewer: &fewer, model, engine, robots, threads })
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

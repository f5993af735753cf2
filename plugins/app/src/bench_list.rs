//! `rhea bench`: every figure that the project promises, in one run and one list.
//!
//! Products, passes and training run beside a peer in alternating pairs and pass a check first; without the feature `peers`
//! passes and training run alone. A walk's figures come from `rhea bench explore` in a process of its own, because they count
//! from the start of a process, and because the kernels are chosen once in a process.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rhea_bench::Row;
use rhea_engine::Imagination;
use rhea_lessons::eval::{WayFigures, compare_decodings};
use rhea_lessons::frames::TRAINING_SEEDS;
use rhea_nn::kernels::{Format, measure};
use rhea_physics::eval::{self as physics, EVALUATION_SEEDS};
use serde::Serialize;

use crate::cli::BenchListArgs;
use crate::fault::WithHint as _;
use crate::plan::ROBOTS;
use crate::progress::Progress;
use crate::say::say;
use crate::{bench, bench_device, bench_kernels, machine, place};

/// All names, in the order of the list.
pub const NAMES: [&str; 14] = [
    "gemm_bf16_m256",
    "gemm_bf16_m1024",
    "gemv_int8_m1",
    "gemv_int8_m2",
    "decode_30m",
    "denoise_256",
    "parallel_30m",
    "picture_dida_vs_ar",
    "explore_step",
    "explore_step_avx2",
    "first_view",
    "train_samples",
    "plan_checks",
    "tower_settle",
];
/// Scenes whose pick-and-place steps are judged, and towers that settle.
const PLAN_SAMPLES: u64 = 40;
/// Scenes whose views are drawn in both ways of decoding.
const DECODING_SCENES: u64 = 8;
/// Steps of a walk.
const STEPS: &str = "60";
/// Pairs of samples of a product.
const PAIRS: usize = 15;

/// A line of the list, with what it took to measure it.
#[derive(Clone, Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    /// Processor time of the measurement, both sides, seconds.
    cpu_s: Option<f64>,
    /// Most memory resident during the measurement, MB; a walk's process counts for itself.
    peak_mb: Option<f64>,
}

/// Runs the list.
///
/// # Errors
/// When a side fails its check, or the model or the JSON file cannot be used.
pub fn run(args: &BenchListArgs) -> Result<ExitCode> {
    let folder = place::model_folder(args.model.model.as_deref())?;
    if let Some(device) = &args.device {
        let rows = bench_device::rows(&folder, device, usize::from(args.layers))?;
        head();
        let line = |row| Line { row, cpu_s: None, peak_mb: machine::peak_mb() };
        let lines: Vec<Line> = rows.into_iter().map(line).collect();
        lines.iter().for_each(print_line);
        return write(args, &lines);
    }
    let limits = measure::limits(rhea_nn::kernels::arithmetic());
    bench_kernels::print_limits(&limits, rhea_nn::kernels::arithmetic());
    say!();
    head();
    let mut lines = Vec::new();
    let mut walk = None;
    for name in NAMES.into_iter().filter(|name| args.only.is_empty() || args.only.iter().any(|only| only == name)) {
        machine::forget_peak();
        let before = machine::processor_secs();
        let product = |format, m| products(format, m, &limits);
        let rows = match name {
            "gemm_bf16_m256" => product(Format::Bf16, 256)?,
            "gemm_bf16_m1024" => product(Format::Bf16, 1024)?,
            "gemv_int8_m1" => product(Format::Int8, 1)?,
            "gemv_int8_m2" => product(Format::Int8, 2)?,
            "decode_30m" => rhea_bench::decode_30m()?,
            "denoise_256" => rhea_bench::denoise_256()?,
            "parallel_30m" => rhea_bench::parallel_30m()?,
            "picture_dida_vs_ar" => vec![decodings(&folder)?],
            "train_samples" => vec![rhea_bench::train_samples()?],
            "plan_checks" | "tower_settle" => vec![plan_times(name)?],
            walked => {
                let forced = (walked == "explore_step_avx2").then_some("avx2");
                let figures = match (forced, walk) {
                    (None, Some(figures)) => figures,
                    _ => walk_alone(&folder, forced)?,
                };
                if forced.is_none() {
                    walk = Some(figures);
                }
                vec![walk_row(walked, figures)]
            }
        };
        let cpu_s = machine::processor_secs().zip(before).map(|(after, before)| after - before);
        for row in rows {
            let line = Line { row, cpu_s, peak_mb: machine::peak_mb() };
            print_line(&line);
            lines.push(line);
        }
    }
    write(args, &lines)
}

/// The words above the columns.
fn head() {
    say!(
        "{:24} {:>10} {:>10} {:10} {:>7} {:>9} {:>7} {:>7}  peer",
        "",
        "ours",
        "peer",
        "",
        "ratio",
        "of floor",
        "cpu s",
        "MB"
    );
}

/// Writes the numbers as JSON where that is wanted.
fn write(args: &BenchListArgs, lines: &[Line]) -> Result<ExitCode> {
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(lines).context("writing the numbers as JSON")?;
        std::fs::write(path, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
            .hint("Choose another file with --json.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_line(line: &Line) {
    let Line { row, cpu_s, peak_mb } = line;
    let or_dash =
        |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    let floor = row.floor_share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let peer = if row.peer_name.is_empty() { "none" } else { row.peer_name };
    say!(
        "{:24} {:>10.2} {:>10} {:10} {:>7} {floor:>9} {:>7} {:>7}  {peer}",
        row.name,
        row.ours,
        or_dash(row.peer, 2),
        row.unit,
        or_dash(row.ratio, 2),
        or_dash(*cpu_s, 1),
        or_dash(*peak_mb, 0),
    );
}

/// A product beside candle, and in bf16 beside PyTorch where there is one.
fn products(format: Format, m: usize, limits: &measure::Limits) -> Result<Vec<Row>> {
    let row = bench_kernels::named(format, m, PAIRS, limits)?;
    #[cfg(feature = "peers")]
    if format == Format::Bf16
        && let Some(mut torch) = rhea_bench::Torch::start()?
    {
        let beside = rhea_bench::gemm_bf16(m, &mut torch)?;
        let floor_share = row.floor_share.map(|share| share * beside.ours / row.ours);
        return Ok(vec![row, Row { floor_share, ..beside }]);
    }
    Ok(vec![row])
}

/// The same views by the folder's own parallel decoding and by its next-token decoding.
fn decodings(folder: &Path) -> Result<Row> {
    let mut model = Imagination::open(folder).hint("Name a model folder with --model DIR; `rhea doctor` says more.")?;
    let seeds = TRAINING_SEEDS.end..TRAINING_SEEDS.end + DECODING_SCENES;
    let progress = Progress::new(DECODING_SCENES);
    let pair = compare_decodings(&mut model, seeds, &mut |done| progress.step(done as u64, "scenes", ""))?;
    progress.finish();
    let say_way = |name: &str, way: WayFigures| {
        let WayFigures { codes_secs, view_secs, seen_psnr, unseen_psnr, mean_passes } = way;
        let (codes, view) = (codes_secs * 1e3, view_secs * 1e3);
        say!(
            "  {name:12} codes {codes:6.1} ms, view {view:6.1} ms, {mean_passes:5.1} passes, seen {seen_psnr:.2} dB, unseen \
             {unseen_psnr:.2} dB"
        );
    };
    say_way("parallel", pair.parallel);
    say_way("next-token", pair.next_token);
    say!("  {:12} codes {:.2} times, view {:.2} times as fast", "ratio", pair.codes_ratio, pair.view_ratio);
    Ok(Row {
        name: "picture_dida_vs_ar".to_owned(),
        ours: pair.parallel.codes_secs * 1e3,
        peer: Some(pair.next_token.codes_secs * 1e3),
        peer_name: "the same weights, next-token decoding",
        ratio: Some(pair.codes_ratio),
        unit: "ms/picture",
        floor_share: None,
    })
}

/// Median time of all checks of a pick-and-place step, or of ten cubes until they rest.
fn plan_times(name: &str) -> Result<Row> {
    let robots = place::shipped(ROBOTS)?;
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let (ours, unit) = if name == "plan_checks" {
        let seeds = EVALUATION_SEEDS..EVALUATION_SEEDS + PLAN_SAMPLES;
        (physics::check_times(seeds, &robots, &clock)?.0, "ms/step")
    } else {
        (physics::settle_times(PLAN_SAMPLES as usize, &robots, &clock)?.0, "ms")
    };
    Ok(alone(name, ours, unit))
}

/// A figure without a peer.
fn alone(name: &str, ours: f64, unit: &'static str) -> Row {
    Row { name: name.to_owned(), ours, peer: None, peer_name: "", ratio: None, unit, floor_share: None }
}

/// What `rhea bench explore` found.
#[derive(Clone, Copy)]
struct Walk {
    views_per_s: f64,
    first_view_s: f64,
}

/// `rhea bench explore` in a process of its own, with kernels forced where a name is given.
fn walk_alone(folder: &Path, kernels: Option<&str>) -> Result<Walk> {
    let recording = bench::Recording::new()?;
    let json = recording.path("walk.json");
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.args(["bench", "explore", "--steps", STEPS, "--model"]).arg(folder).arg("--json").arg(&json);
    if let Some(kernels) = kernels {
        command.env("RHEA_KERNELS", kernels);
    }
    let done = command.output().context("starting `rhea bench explore`")?;
    if !done.status.success() {
        bail!("`rhea bench explore` failed: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    let text = std::fs::read_to_string(&json).context("reading what `rhea bench explore` wrote")?;
    let figures: serde_json::Value = serde_json::from_str(&text).context("reading what `rhea bench explore` wrote")?;
    let figure = |name: &str| figures[name].as_f64().with_context(|| format!("`rhea bench explore` gave no {name}"));
    Ok(Walk { views_per_s: figure("views_per_s")?, first_view_s: figure("first_view_s")? })
}

fn walk_row(name: &str, walk: Walk) -> Row {
    let (ours, unit) = if name == "first_view" { (walk.first_view_s, "s") } else { (walk.views_per_s, "views/s") };
    alone(name, ours, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_line_has_the_promised_names() {
        let row = walk_row("first_view", Walk { views_per_s: 9.0, first_view_s: 0.5 });
        assert_eq!((row.ours, row.unit), (0.5, "s"));
        let json = serde_json::to_value(Line { row, cpu_s: Some(1.0), peak_mb: None }).unwrap_or_default();
        for name in ["name", "ours", "peer", "peer_name", "ratio", "unit", "floor_share"] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}

//! `rhea eval`: how true the model's pictures and words are, on scenes it was not trained on.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use rhea_engine::canvas_samplers::{EntropySettings, Flow};
use rhea_engine::{CanvasMethod, Decoding, Speak};
use rhea_lessons::eval::returns::{HORIZONS, Method};
use rhea_lessons::eval::{EvalOptions, Figures, WORD_SEEDS, evaluate_walks, evaluate_words};
use rhea_lessons::frames::TRAINING_SEEDS;
use rhea_lessons::stages;
use rhea_picture::{Sheet, save_picture};
use rhea_session::Options;

use crate::cli::ModelArgs;
use crate::engine::{self, EngineArgs};
use crate::eval_plans::EvalPlansArgs;
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::progress::Progress;
use crate::say::say;

/// What `rhea eval` measures.
#[derive(Debug, Subcommand)]
pub enum EvalWhat {
    /// Round trip, next view, revisits and narration against exact truth.
    Walks(EvalWalksArgs),
    /// Narration at several levels of certainty: how many objects are named, and how many of them are in view.
    Words(EvalWordsArgs),
    /// Robot plans: kinematics, planted faults, the search planner, grounding of free text.
    Plans(EvalPlansArgs),
}

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Eight scenes, a start again after 40 steps, and single next views.
    Smoke,
    /// Returns after 40, 100 and 400 steps by every method: six scenes, one walk in each.
    Quick,
    /// The same on 24 scenes with all walks: hours.
    Full,
}

/// How views are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecodingName {
    /// One token after the other.
    NextToken,
    /// Holes, the surest cells first.
    Masked,
    /// Discrete flow, near codes first.
    Metric,
    /// Discrete flow, the true code or noise.
    Mixture,
    /// Cells of small joint entropy together, with an early end.
    Entropy,
}

impl DecodingName {
    /// The decoding in a number of passes, by default as many as it is usually given; a sampler may end before.
    fn decoding(self, passes: Option<u32>) -> Result<Decoding> {
        let (method, usual) = match self {
            Self::NextToken if passes.is_some() => {
                let what = "--passes has no meaning for next-token decoding".to_owned();
                return Err(Fault::new(what, "Leave --passes out, or choose another --decoding.").into());
            }
            Self::NextToken => return Ok(Decoding::NextToken),
            Self::Masked => (CanvasMethod::Masked, Options::NEW_PASSES),
            Self::Metric => (CanvasMethod::Flow(Flow::METRIC), Options::NEW_FLOW_PASSES),
            Self::Mixture => (CanvasMethod::Flow(Flow::MIXTURE), Options::NEW_FLOW_PASSES),
            // As many as published for DiffusionGemma.
            Self::Entropy => (CanvasMethod::Entropy(EntropySettings::PICTURE), 48),
        };
        Ok(Decoding::Canvas { method, passes: passes.unwrap_or(usual) })
    }
}

/// `rhea eval walks`.
#[derive(Clone, Debug, Args)]
pub struct EvalWalksArgs {
    /// How much to measure.
    #[arg(long, value_enum, default_value_t = Tier::Smoke)]
    pub tier: Tier,
    /// Scene seeds, the last one included; at least 1,000,000, for smaller ones are training seeds.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Option<Range<u64>>,
    /// Decode all views in this way [default: as the model was trained, with passes by what memory knows].
    #[arg(long, value_enum, value_name = "NAME")]
    pub decoding: Option<DecodingName>,
    /// Passes over a canvas, 1 to 64 [default: 3 masked, 25 along a flow, up to 48 by entropy].
    #[arg(long, value_name = "N", requires = "decoding", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub passes: Option<u32>,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a contact sheet: truth and drawing along one walk of each scene.
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Tiers quick and full: only these methods, such as ours,none.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = method)]
    pub methods: Vec<Method>,
    /// Tiers quick and full: walk no farther than this, 40, 100 or 400 steps.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = steps)]
    pub steps: usize,
    /// With --methods: measure verifier, edits, turns, narration and recall too, as without it.
    #[arg(long, requires = "methods")]
    pub extras: bool,
    /// Tiers quick and full: write the poses and first views for another system to draw, and stop.
    #[arg(long, value_name = "DIR", conflicts_with = "frames")]
    pub plan: Option<PathBuf>,
    /// Tiers quick and full: score another system's pictures, in a folder that --plan has begun.
    #[arg(long, value_name = "DIR")]
    pub frames: Option<PathBuf>,
    /// Tiers quick and full: write the figures of every walk as JSON.
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
}

fn method(text: &str) -> Result<Method, String> {
    let names = || Method::ALL.map(Method::name).join(", ");
    Method::ALL
        .into_iter()
        .find(|m| m.name() == text)
        .ok_or_else(|| format!("no method {text:?}; allowed are {}", names()))
}

fn steps(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|steps| HORIZONS.contains(steps));
    known.ok_or_else(|| format!("{text:?}: allowed are 40, 100 and 400"))
}

/// `rhea eval words`.
#[derive(Clone, Debug, Args)]
pub struct EvalWordsArgs {
    /// How many of the scenes that training held out, 1 to 32.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=32))]
    pub scenes: u64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub(crate) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong =
        || format!("{text:?} is no range of seeds; allowed is A..B with whole numbers, such as 1000000..1000007");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let first: u64 = first.trim().replace(['_', ','], "").parse().map_err(|_| wrong())?;
    let last: u64 = last.trim().trim_start_matches('=').replace(['_', ','], "").parse().map_err(|_| wrong())?;
    if first < TRAINING_SEEDS.end || last < first || last == u64::MAX {
        return Err(format!("{text:?}: A must be at least {} and not above B", TRAINING_SEEDS.end));
    }
    Ok(first..last + 1)
}

/// Runs the benchmark.
///
/// # Errors
/// When the model or the output files cannot be used.
pub fn run(what: &EvalWhat) -> Result<ExitCode> {
    match what {
        EvalWhat::Walks(args) if args.tier == Tier::Smoke => walks(args),
        EvalWhat::Walks(args) => crate::eval_returns::run(args),
        EvalWhat::Words(args) => words(args),
        EvalWhat::Plans(args) => crate::eval_plans::run(args),
    }
}

fn open(model: &ModelArgs, engine: &EngineArgs) -> Result<(Box<dyn Speak>, PathBuf)> {
    let folder = place::model_folder(model.model.as_deref())?;
    Ok((engine::open(&folder, &engine.local(&folder)?)?, folder))
}

pub(crate) fn write_json(path: Option<&PathBuf>, figures: &impl serde::Serialize) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(figures)? + "\n";
    std::fs::write(path, text)
        .map_err(|e| Fault::new(format!("cannot write {}: {e}", path.display()), "Choose another --json FILE."))?;
    Ok(())
}

fn walks(args: &EvalWalksArgs) -> Result<ExitCode> {
    let decoding = args.decoding.map(|name| name.decoding(args.passes)).transpose()?;
    let (mut model, folder) = open(&args.model, &args.engine)?;
    let stamp = stages::stamp(&folder.join("model.safetensors")).hint("Look at the model folder.")?;
    let seeds = args.seeds.clone().unwrap_or(TRAINING_SEEDS.end..TRAINING_SEEDS.end + 8);
    let progress = Progress::new(seeds.end - seeds.start);
    let sheet = args.sheet.is_some().then(|| Sheet::new(9, 1));
    let mut options = EvalOptions { seeds, decoding, sheet };
    let figures =
        evaluate_walks(model.as_mut(), &stamp, &mut options, &mut |done| progress.step(done as u64, "scenes", ""))
            .hint("Choose other scenes with --seeds A..B.")?;
    progress.finish();
    for line in table(&figures).lines() {
        say!("{line}");
    }
    write_json(args.json.as_ref(), &figures)?;
    if let (Some(path), Some(sheet)) = (&args.sheet, options.sheet) {
        sheet.draw().and_then(|page| save_picture(path, &page)).hint("Choose another --sheet FILE.png.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn words(args: &EvalWordsArgs) -> Result<ExitCode> {
    let (mut model, _) = open(&args.model, &args.engine)?;
    let progress = Progress::new(args.scenes);
    let seeds = WORD_SEEDS.start..WORD_SEEDS.start + args.scenes;
    let figures = evaluate_words(model.as_mut(), seeds, &mut |done| progress.step(done as u64, "scenes", ""))
        .hint("The model cannot narrate; `rhea doctor` says more.")?;
    progress.finish();
    say!("least sure   views   named   in view   in place");
    for f in &figures {
        let (in_view, in_place) = (percent(f.in_view), percent(f.in_place));
        say!("{:>10.2} {:>7} {:>7} {in_view:>9} {in_place:>9}", f.least_sure, f.views, f.named);
    }
    write_json(args.json.as_ref(), &figures)?;
    Ok(ExitCode::SUCCESS)
}

fn table(f: &Figures) -> String {
    let mut out = format!("model {}, scenes {} to {}\n", f.model, f.seeds[0], f.seeds[1]);
    let mut line = |name: &str, value: String| out += &format!("{name:<44} {value}\n");
    let d = &f.decoding;
    line("decoding", format!("{}, {:.1} passes a view over {} views", d.name, d.mean_passes, d.views));
    line("round trip PSNR", format!("{:.2} dB", f.round_trip.psnr));
    line("round trip SSIM", format!("{:.3}", f.round_trip.ssim));
    line("round trip depth, median relative error", format!("{:.1} %", f.round_trip.depth_rel_err * 100.0));
    line("next view, seen region, true memory", format!("{:.2} dB", f.next_view.seen_psnr));
    line("next view, seen region, own memory", format!("{:.2} dB", f.next_view.seen_psnr_own));
    line("next view, unseen region", format!("{:.2} dB", f.next_view.unseen_psnr));
    line(
        "sharpness against truth, seen / unseen",
        format!("{:.2} / {:.2}", f.next_view.seen_sharpness, f.next_view.unseen_sharpness),
    );
    for (name, walk) in [("out and back", f.revisit.out_and_back_40), ("spin", f.revisit.spin_40)] {
        let text = format!("{:.2} / {:.2} / {:.2} dB", walk.ours, walk.last_view, walk.frozen);
        line(&format!("{name}, 40 steps: ours / last view / frozen"), text);
        line(
            &format!("{name}, generated start: return / start"),
            format!("{:.2} / {:.2} dB", walk.own, walk.own_start),
        );
    }
    let n = &f.narration;
    line(
        "narration with memory, in view or seen",
        format!("{} ({} told of out of memory)", percent(n.in_memory), n.recalled),
    );
    line("narration with memory, directions right", format!("{} of {}", percent(n.direction), n.directions));
    line("narration with memory, steps right", format!("{} of {}", percent(n.step), n.recalled));
    line("narration, named objects in view", format!("{} of {}", percent(f.narration.in_view), f.narration.named));
    out
}

/// A share; a dash where nothing was counted.
fn percent(share: f64) -> String {
    if share.is_nan() { "-".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn decodings_have_their_usual_passes_unless_told() {
        let passes = |name: DecodingName, passes: Option<u32>| match name.decoding(passes).unwrap() {
            Decoding::Canvas { method, passes } => (method.name(), passes),
            other => (other.name(), 0),
        };
        assert_eq!(passes(DecodingName::Masked, None), ("masked", 3));
        assert_eq!(passes(DecodingName::Metric, None), ("metric", 25));
        assert_eq!(passes(DecodingName::Mixture, Some(9)), ("mixture", 9));
        assert_eq!(passes(DecodingName::Entropy, None), ("entropy", 48));
        assert_eq!(passes(DecodingName::NextToken, None), ("next-token", 0));
        assert!(DecodingName::NextToken.decoding(Some(3)).is_err());
    }

    #[test]
    fn ranges_of_seeds_are_read_and_training_seeds_refused() {
        assert_eq!(seeds("1000000..1000003"), Ok(1_000_000..1_000_004));
        assert_eq!(seeds("1_000_005..=1_000_005"), Ok(1_000_005..1_000_006));
        for wrong in ["", "5", "a..b", "0..10", "999999..1000003", "1000009..1000003", "1..2..3"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}

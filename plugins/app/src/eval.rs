//! `rhea eval`: how true the model's pictures and words are, on scenes it was not trained on.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use rhea_engine::Imagination;
use rhea_lessons::eval::{EvalOptions, Figures, evaluate_walks};
use rhea_lessons::frames::TRAINING_SEEDS;
use rhea_lessons::stages;
use rhea_picture::{Sheet, save_picture};

use crate::cli::ModelArgs;
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::progress::Progress;
use crate::say::say;

/// What `rhea eval` measures.
#[derive(Debug, Subcommand)]
pub enum EvalWhat {
    /// Round trip, next view, revisits and narration against exact truth.
    Walks(EvalWalksArgs),
}

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Eight scenes.
    Smoke,
}

/// `rhea eval walks`.
#[derive(Clone, Debug, Args)]
pub struct EvalWalksArgs {
    /// How many scenes, unless --seeds says so.
    #[arg(long, value_enum, default_value_t = Tier::Smoke)]
    pub tier: Tier,
    /// Scene seeds, the last one included; at least 1,000,000, for smaller ones are training seeds.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Option<Range<u64>>,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a contact sheet: truth and drawing along one walk of each scene.
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
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
pub fn run(args: &EvalWalksArgs) -> Result<ExitCode> {
    let folder = place::model_folder(args.model.model.as_deref())?;
    let mut model =
        Imagination::open(&folder).hint("Name a model folder with --model DIR; `rhea doctor` says more.")?;
    let stamp = stages::stamp(&folder.join("model.safetensors")).hint("Look at the model folder.")?;
    let Tier::Smoke = args.tier;
    let seeds = args.seeds.clone().unwrap_or(TRAINING_SEEDS.end..TRAINING_SEEDS.end + 8);
    let progress = Progress::new(seeds.end - seeds.start);
    let mut options = EvalOptions { seeds, sheet: args.sheet.is_some().then(|| Sheet::new(9, 1)) };
    let figures =
        evaluate_walks(&mut model, &stamp, &mut options, &mut |done| progress.step(done as u64, "scenes", ""))
            .hint("Choose other scenes with --seeds A..B.")?;
    progress.finish();
    for line in table(&figures).lines() {
        say!("{line}");
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        std::fs::write(path, text)
            .map_err(|e| Fault::new(format!("cannot write {}: {e}", path.display()), "Choose another --json FILE."))?;
    }
    if let (Some(path), Some(sheet)) = (&args.sheet, options.sheet) {
        sheet.draw().and_then(|page| save_picture(path, &page)).hint("Choose another --sheet FILE.png.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(f: &Figures) -> String {
    let mut out = format!("model {}, scenes {} to {}\n", f.model, f.seeds[0], f.seeds[1]);
    let mut line = |name: &str, value: String| out += &format!("{name:<44} {value}\n");
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
    line("narration, named objects in view", format!("{:.1} % of {}", f.narration.in_view * 100.0, f.narration.named));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_seeds_are_read_and_training_seeds_refused() {
        assert_eq!(seeds("1000000..1000003"), Ok(1_000_000..1_000_004));
        assert_eq!(seeds("1_000_005..=1_000_005"), Ok(1_000_005..1_000_006));
        for wrong in ["", "5", "a..b", "0..10", "999999..1000003", "1000009..1000003", "1..2..3"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}

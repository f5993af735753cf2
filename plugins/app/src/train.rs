//! `rhea train`: the stages that make the shipped model.
//!
//! Stages, in order: `text` (vocabulary), `vision` (tokenizer of views), `world` (the transformer), and for drawing from
//! uniform noise `distil` (the model's own pictures) and `dida` (another model folder, trained on them). Frames are rendered
//! when a stage needs them. Every stage saves as it goes, and started again goes on where it stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use rhea_engine::canvas_samplers::Flow;
use rhea_lessons::frames::{FrameStore, HELD_OUT_SEEDS};
use rhea_lessons::stages::{self, PlanShare, Stage};
use rhea_train::world::Compute;

use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::plan::ROBOTS;
use crate::progress::Progress;
use crate::say::say;

/// The library under the networks spreads small operations over threads that wait actively; every training worker keeps to
/// its own core instead. The setting is read once per process, so training runs in a child that has it.
const LIBRARY_THREADS: &str = "CANDLE_NUM_THREADS";

/// Stages of `rhea train`.
#[derive(Debug, Subcommand)]
pub enum TrainStage {
    /// Learn the text vocabulary (seconds).
    Text(TrainArgs),
    /// Render the views of scenes that other stages train on, without training (minutes).
    Frames(FramesArgs),
    /// Train the vision tokenizer (hours).
    Vision(VisionArgs),
    /// Train the world model over the finished vision tokenizer (hours).
    World(WorldArgs),
    /// Let the world model draw and talk token by token, as lessons for `dida` (hours).
    Distil(DistilArgs),
    /// Train the world model to draw whole pictures from uniform noise, on what `distil` made (hours).
    Dida(DidaArgs),
}

/// What all stages take.
#[derive(Clone, Debug, Args)]
pub struct TrainArgs {
    /// Model folder to write [default: model/nano of the repository].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Folder for frames, checkpoints, logs and sample sheets [default: ~/.cache/rhea/train].
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Steps of the whole run; a stopped run goes on when called with the same number.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub steps: u64,
    /// Samples a step.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub batch: u16,
    /// Peak learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 8e-4)]
    pub rate: f32,
    /// Number of scenes to learn from.
    #[arg(long, value_name = "N", default_value_t = 1200)]
    pub scenes: usize,
    /// First scene seed; seeds stay below 999,900.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub first_seed: u64,
    /// Seed of weights and random choices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Worker threads; part of the arithmetic, so a run keeps its number [default: all cores].
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Weights to begin with when there is no checkpoint.
    #[arg(long, value_name = "FILE.safetensors")]
    pub start: Option<PathBuf>,
    /// Save and stop after this many minutes.
    #[arg(long, value_name = "MINUTES")]
    pub minutes: Option<f64>,
}

/// `rhea train frames`.
#[derive(Clone, Debug, Args)]
pub struct FramesArgs {
    /// Folder for the frames, in a folder of their own [default: ~/.cache/rhea/train].
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Number of scenes.
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub scenes: u32,
    /// First scene seed; seeds stay below 999,900.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub first_seed: u64,
}

/// `rhea train vision`.
#[derive(Clone, Debug, Args)]
pub struct VisionArgs {
    /// What all stages take.
    #[command(flatten)]
    pub common: TrainArgs,
    /// Train the decoder only; the codes stay as they are, and the world model with them.
    #[arg(long, requires = "start")]
    pub freeze_encoder: bool,
    /// Robot tasks that some of the pictures show, with seeds from --first-seed on.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub tables: u64,
}

/// `rhea train world`.
#[derive(Clone, Debug, Args)]
pub struct WorldArgs {
    /// What all stages take.
    #[command(flatten)]
    pub common: TrainArgs,
    /// Where gradients are computed: cpu, or CUDA devices as cuda:0 or cuda:0,cuda:1.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Share of lessons that are words about a finished view alone, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub words: u8,
    /// Share of lessons that are robot plans, in percent; the others, words included, are walks.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub plans: u8,
    /// Tasks that are planned for these lessons, all families in turn, with seeds from --first-seed on.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
}

/// `rhea train distil`.
#[derive(Clone, Debug, Args)]
pub struct DistilArgs {
    /// What all stages take; the teacher is --model.
    #[command(flatten)]
    pub common: TrainArgs,
    /// Lessons in all; a stopped run goes on when called with the same number.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub samples: u64,
}

/// `rhea train dida`.
#[derive(Clone, Debug, Args)]
pub struct DidaArgs {
    /// What all stages take; weights to begin with are those of --model unless --start names others.
    #[command(flatten)]
    pub common: TrainArgs,
    /// Model folder to write [default: dida-model in the work folder].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where gradients are computed: cpu, or CUDA devices as cuda:0 or cuda:0,cuda:1.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Noise that keeps the true code or shows a random one, instead of near codes first.
    #[arg(long)]
    pub mixture: bool,
    /// Time shift, 0.05 to 20: above 1 more training happens among heavy noise.
    #[arg(long, value_name = "SHIFT", default_value_t = 1.0)]
    pub shift: f64,
}

fn work_folder(named: Option<&Path>) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_default();
    named.map_or_else(|| cache.join("rhea").join("train"), Path::to_path_buf)
}

/// Renders scenes; it trains nothing, so it needs no process of its own.
fn frames(args: &FramesArgs) -> Result<ExitCode> {
    let last = args.first_seed.saturating_add(u64::from(args.scenes));
    let hint = "Look at --first-seed, --scenes and --work.";
    if last > HELD_OUT_SEEDS.start {
        let what =
            format!("scene seeds {} to {last}; allowed are seeds below {}", args.first_seed, HELD_OUT_SEEDS.start);
        return Err(Fault::new(what, hint).into());
    }
    let folder = work_folder(args.work.as_deref()).join(format!("frames-{}", args.first_seed));
    let progress = Progress::new(u64::from(args.scenes));
    let store = FrameStore::prepare(&folder, args.first_seed, args.scenes as usize, &|done| {
        progress.step(done as u64, "scenes", "");
    });
    progress.finish();
    say!("{} scenes in {}", store.hint(hint)?.scenes(), folder.display());
    Ok(ExitCode::SUCCESS)
}

impl TrainArgs {
    fn stage(&self) -> Stage {
        Stage {
            work: work_folder(self.work.as_deref()),
            model: self.model.clone().unwrap_or_else(|| place::repository().join("model/nano")),
            first_seed: self.first_seed,
            scenes: self.scenes,
            steps: self.steps,
            batch: usize::from(self.batch),
            rate: self.rate,
            seed: self.seed,
            shards: self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            compute: Compute::Kernels,
            stop_after_secs: self.minutes.map(|m| m * 60.0),
        }
    }
}

fn compute(device: &str) -> Result<Compute> {
    Compute::parse(device).map_err(|what| Fault::new(what, "Choose another --device.").into())
}

/// Runs a stage.
///
/// # Errors
/// When seeds, folders or data are wrong, or training diverges.
pub fn run(stage: &TrainStage) -> Result<ExitCode> {
    if let TrainStage::Frames(args) = stage {
        return frames(args);
    }
    if std::env::var_os(LIBRARY_THREADS).is_none() {
        let status = std::process::Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env(LIBRARY_THREADS, "1")
            .status()?;
        return Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from));
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("preparing scenes {pos} {spinner}") {
        bar.set_style(style);
    }
    let on_scene = |done: usize| bar.set_position(done as u64);
    let hint = "Look at --first-seed, --scenes, --work and --model; `rhea train --help` says more.";
    match stage {
        TrainStage::Frames(_) => {}
        TrainStage::Text(args) => {
            let stage = args.stage();
            let merges = stages::text(&stage.model, stage.seed).hint(hint)?;
            say!("{} text entries in {}", merges, stage.model.join("tokenizer.json").display());
        }
        TrainStage::Vision(args) => {
            let robots = if args.tables > 0 { Some(place::shipped(ROBOTS)?) } else { None };
            let tables = robots.as_deref().map(|robots| (args.tables, robots));
            stages::vision(&args.common.stage(), args.freeze_encoder, tables, args.common.start.as_deref(), &on_scene)
                .hint(hint)?;
        }
        TrainStage::World(args) => {
            let words = f32::from(args.words) / 100.0;
            let stage = Stage { compute: compute(&args.device)?, ..args.common.stage() };
            let share = f32::from(args.plans) / 100.0;
            let robots = if args.plans > 0 { place::shipped(ROBOTS)? } else { PathBuf::new() };
            let plans = PlanShare { share, episodes: args.episodes, robots };
            stages::world(&stage, (words, Some(&plans)), args.common.start.as_deref(), &on_scene).hint(hint)?;
        }
        TrainStage::Distil(args) => stages::distil(&args.common.stage(), args.samples, &on_scene).hint(hint)?,
        TrainStage::Dida(args) => {
            let flow = Flow { shift: args.shift, ..if args.mixture { Flow::MIXTURE } else { Flow::METRIC } };
            flow.check().hint("Choose another --shift.")?;
            let stage = Stage { compute: compute(&args.device)?, ..args.common.stage() };
            let out = args.out.clone().unwrap_or_else(|| stage.work.join("dida-model"));
            let hint = "`rhea train distil` makes the lessons, in the same --work folder.";
            stages::dida(&stage, flow, args.common.start.as_deref(), &out).hint(hint)?;
            say!("the model is in {}; `rhea --model` walks with it", out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

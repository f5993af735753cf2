//! `rhea export`: recordings in forms that other programs read.

mod animation;
mod cameras;
mod lerobot;
mod page;
mod parquet;
mod plan;
mod record;
mod shots;
mod story;
mod walk;
mod webp;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rhea_picture::name_source;
use rhea_session::replay::ReplayReader;
use sha2::{Digest as _, Sha256};

use crate::fault::{Fault, WithHint as _};

/// How an MCAP file begins.
const MCAP: &[u8] = b"\x89MCAP";
/// What to do about a place that cannot be written to.
const WRITE_HINT: &str = "Choose a place that you may write to with --out PATH.";

/// `rhea export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// A walk or a plan, recorded by `rhea explore` or `rhea plan`, or the record of an answer, written by `rhea imagine` or by
    /// Emu3.5's own tools.
    #[arg(value_name = "RECORDING.mcap|ANSWER.pb")]
    pub file: PathBuf,
    /// More plans for one dataset (--to lerobot).
    #[arg(value_name = "PLAN.mcap")]
    pub more: Vec<PathBuf>,
    /// What a recording becomes [default: html].
    #[arg(long, value_name = "FORM", value_enum)]
    pub to: Option<ExportForm>,
    /// Output file or folder [default: of the same name beside the file; results/NAME for an answer].
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Pictures a second of an animation [default: 4 of a walk, 10 of a plan].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rate: Option<u32>,
}

/// What a recording can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportForm {
    /// One page with everything in it, for any browser, without a network.
    Html,
    /// An animation, for places that show nothing else.
    Gif,
    /// An animation with every pixel exact, for browsers and chats.
    Webp,
    /// Every picture and its depth as PNG.
    Frames,
    /// All views on one contact sheet (PNG).
    Sheet,
    /// Views, depths and cameras of a walk as transforms.json, for NeRF and splatting tools.
    Transforms,
    /// Plans as a LeRobot v3 dataset: joint values, pictures, sub-tasks, causes of failure.
    Lerobot,
    /// Words and pictures as a record of Emu3.5 (protobuf, emu3p5.story), for its own tools.
    Record,
}

/// Writes what is asked for.
///
/// # Errors
/// When the file is neither a walk, a plan nor an answer, or the output cannot be written.
pub fn run(args: &ExportArgs) -> Result<ExitCode> {
    if !args.more.is_empty() && args.to != Some(ExportForm::Lerobot) {
        let hint = "Only --to lerobot makes one thing of several recordings.";
        return Err(Fault::new("several files for one export", hint).into());
    }
    let mut head = Vec::with_capacity(MCAP.len());
    let opened = std::fs::File::open(&args.file).and_then(|file| file.take(MCAP.len() as u64).read_to_end(&mut head));
    opened
        .map_err(|error| format!("{}: {error}", args.file.display()))
        .hint("Name a walk or plan (.mcap, written by `rhea explore` or `rhea plan`) or an answer (.pb, written by `rhea imagine`).")?;
    if head != MCAP {
        return record::export_record(args);
    }
    let is_plan = ReplayReader::open(&args.file).hint(walk::DAMAGED_HINT)?.header.plan.is_some();
    if is_plan { plan::export_plan(args) } else { walk::export_walk(args) }
}

/// Where a form goes when nobody says.
fn beside(file: &Path, form: ExportForm) -> PathBuf {
    match form {
        ExportForm::Html => file.with_extension("html"),
        ExportForm::Gif => file.with_extension("gif"),
        ExportForm::Webp => file.with_extension("webp"),
        ExportForm::Sheet => file.with_extension("png"),
        ExportForm::Frames => file.with_extension("frames"),
        ExportForm::Transforms => file.with_extension("transforms"),
        ExportForm::Lerobot => file.with_extension("lerobot"),
        ExportForm::Record => file.with_extension("pb"),
    }
}

/// Writes into every numbered picture of a folder where it comes from.
fn name_sources(folder: &Path, source: &str) -> Result<()> {
    let numbered = |name: &str| {
        let stem = name.strip_suffix(".png")?;
        Some(stem.strip_suffix("_depth").unwrap_or(stem).bytes().all(|byte| byte.is_ascii_digit()))
    };
    for entry in std::fs::read_dir(folder).hint(WRITE_HINT)? {
        let path = entry.hint(WRITE_HINT)?.path();
        if path.file_name().and_then(|name| numbered(name.to_str()?)).unwrap_or(false) {
            name_source(&path, source).hint(WRITE_HINT)?;
        }
    }
    Ok(())
}

/// SHA-256 of a file, 64 hex digits.
fn sha256(file: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(file)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(part) if count > 0 => hash.update(part),
            _ => break,
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing into a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    Ok(text)
}

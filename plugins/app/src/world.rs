//! `rhea world`: saved worlds as files: what is in them, forks, merges, differences, maps, and worlds made from recordings.
//!
//! Invariant: no command writes over a file that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use rhea_memory::{EdgeKind, Ground, Loaded, MapFacts, World, diff, map_picture};
use rhea_picture::save_picture;
use rhea_session::replay::{ReplayReader, world_of};
use rhea_session::{Landmark, Landmarks, damage_in_words};

use crate::fault::{Fault, WithHint as _};
use crate::say::{complain, say};

const FILE_HINT: &str = "Worlds are written by `rhea explore`: walk.world in the output folder, and --save-world FILE.";
const WRITE_HINT: &str = "Choose a place that you may write to with --out FILE.";

/// What `rhea world` does.
#[derive(Clone, Debug, Subcommand)]
pub enum WorldWhat {
    /// Say what a world holds, and what of its file is damaged.
    Info {
        /// A saved world.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a world of its own from the first steps of another, to go on from there.
    Fork {
        /// A saved world.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The last step that the fork has; 0 is the first view.
        #[arg(long, value_name = "STEP")]
        step: u32,
        /// The fork.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Bring two forks of one world together; where both drew a place, the first one's view stays.
    Merge {
        /// A saved world.
        #[arg(value_name = "FIRST")]
        first: PathBuf,
        /// Another fork of it.
        #[arg(value_name = "SECOND")]
        second: PathBuf,
        /// Both together.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say how two worlds differ. The exit code is 0 in any case.
    Diff {
        /// A saved world.
        #[arg(value_name = "FIRST")]
        first: PathBuf,
        /// A saved world.
        #[arg(value_name = "SECOND")]
        second: PathBuf,
    },
    /// Draw the map: places, edges, what was seen, verdicts, and what was recalled for the latest view.
    Map {
        /// A saved world.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The picture.
        #[arg(long, value_name = "FILE.png")]
        out: PathBuf,
    },
    /// Make the world of a recorded walk, when it was not saved or its file is lost.
    Rebuild {
        /// A recording, written by `rhea explore`.
        #[arg(value_name = "WALK.mcap")]
        replay: PathBuf,
        /// The world that the recorded walk went on from.
        #[arg(long, value_name = "FILE")]
        onto: Option<PathBuf>,
        /// The world.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Does what was asked.
///
/// # Errors
/// When a file is no world, worlds have nothing in common, or a result cannot be written or is there already.
pub fn run(what: &WorldWhat) -> Result<ExitCode> {
    match what {
        WorldWhat::Info { file } => info(file)?,
        WorldWhat::Fork { file, step, out } => fork(file, *step, out)?,
        WorldWhat::Merge { first, second, out } => merge(first, second, out)?,
        WorldWhat::Diff { first, second } => {
            let (first, second) = (open(first)?, open(second)?);
            say!("{}", diff(&first, &second));
        }
        WorldWhat::Map { file, out } => map(file, out)?,
        WorldWhat::Rebuild { replay, onto, out } => {
            free(out)?;
            let base = onto.as_deref().map(open).transpose()?;
            let recorded =
                ReplayReader::open(replay).hint("Recordings end in .mcap and lie in the output folder of the walk.")?;
            if let Some(torn) = &recorded.torn {
                complain!("warning: the recording breaks off at byte {}: {}", torn.offset, torn.reason);
            }
            let world =
                world_of(&recorded, base).hint("Name the world that the walk went on from with --onto FILE.")?;
            save(&world, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a world and says what of it is damaged.
fn open(path: &Path) -> Result<World> {
    let Loaded { world, damage } = World::load(path).hint(FILE_HINT)?;
    if !damage.is_empty() {
        let name = path.display().to_string();
        complain!("warning: {}", damage_in_words(&name, &damage, world.memory.len()));
    }
    Ok(world)
}

/// Refuses to write over a file.
///
/// # Errors
/// When there is one.
pub fn free(out: &Path) -> Result<()> {
    if out.exists() {
        let what = format!("{} is there already, and a world is never written over", out.display());
        return Err(Fault::new(what, "Choose another name, or move the old file away.").into());
    }
    Ok(())
}

fn save(world: &World, out: &Path) -> Result<()> {
    let bytes = world.save(out).hint(WRITE_HINT)?;
    let views = world.memory.len();
    say!("{}: {views} views, {:.1} KiB a view", out.display(), bytes as f64 / 1024.0 / views.max(1) as f64);
    Ok(())
}

fn fork(file: &Path, step: u32, out: &Path) -> Result<()> {
    free(out)?;
    let world = open(file)?;
    let last = world.memory.len().saturating_sub(1);
    if step as usize > last {
        let what = format!("{} has steps 0 to {last}, not {step}", file.display());
        return Err(Fault::new(what, "Name one of its steps with --step STEP.").into());
    }
    save(&world.forked(step as usize + 1), out)
}

fn merge(first: &Path, second: &Path, out: &Path) -> Result<()> {
    free(out)?;
    let (mut world, other) = (open(first)?, open(second)?);
    let merged = world.merge(&other).hint("Merge forks of one world: `rhea world fork` makes them.")?;
    say!(
        "{} views in common, {} came in, {} of them of places drawn otherwise",
        merged.common,
        merged.added,
        merged.outvoted
    );
    save(&world, out)
}

fn map(file: &Path, out: &Path) -> Result<()> {
    let world = open(file)?;
    let mut ground = Ground::default();
    ground.update(&world.memory);
    let facts = MapFacts::of(&world.memory, &ground, Landmarks::of(&world.memory).on_the_map());
    save_picture(out, &map_picture(&facts, &world.about.world)).hint(WRITE_HINT)?;
    say!("map: {}", out.display());
    Ok(())
}

fn info(file: &Path) -> Result<()> {
    let Loaded { world, damage } = World::load(file).hint(FILE_HINT)?;
    let (about, memory) = (&world.about, &world.memory);
    let bytes = std::fs::metadata(file).map_or(0, |about| about.len());
    let line = |name: &str, value: String| say!("{name:<12} {value}");
    line("world", about.world.clone());
    line("began with", about.start.clone());
    let weights = about.model_hash.as_ref().map_or_else(String::new, |hash| format!(" ({hash})"));
    line("drawn by", format!("{}{weights}, Rhea {}, seed {}", about.model, about.rhea, about.seed));
    let (w, h, views) = (about.camera.width, about.camera.height, memory.len());
    let each = bytes as f64 / 1024.0 / views.max(1) as f64;
    line("views", format!("{views} of {w} x {h} px, {} drawn in all, {each:.1} KiB a view", about.drawn));
    line("places", format!("{}", memory.places().len()));
    let edges = |kind: EdgeKind| memory.edges().iter().filter(|edge| edge.kind == kind).count();
    let (steps, turns, loops) = (edges(EdgeKind::Step), edges(EdgeKind::Turn), edges(EdgeKind::Loop));
    line("edges", format!("{steps} steps, {turns} turns, {loops} loops"));
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    memory.nodes().iter().for_each(|node| *verdicts.entry(node.verdict.word()).or_default() += 1);
    line("verdicts", verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", "));
    let lineage = memory.views().iter().map(|view| view.lineage).max().unwrap_or(0);
    let kept = |of: fn(&rhea_memory::Node) -> bool| memory.nodes().iter().filter(|node| of(node)).count();
    let (pinned, forgotten) = (kept(|node| node.pinned), kept(|node| node.forgotten));
    line(
        "memory",
        format!("{} edits, {pinned} pinned, {forgotten} forgotten, longest lineage {lineage}", memory.edits().len()),
    );
    let things: Vec<String> = Landmarks::of(memory).all().iter().take(12).map(Landmark::phrase).collect();
    line("things", if things.is_empty() { "none with a name yet".to_owned() } else { things.join(", ") });
    if damage.is_empty() {
        line("file", "whole".to_owned());
    } else {
        line("file", damage_in_words("the file", &damage, views));
    }
    Ok(())
}

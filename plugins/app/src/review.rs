//! `rhea review`: what a recorded walk or plan holds, in a window, as text, pictures or one sheet.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use crossbeam::channel::bounded;
use rhea_memory::World;
use rhea_physics::view::camera_of;
use rhea_review::{Reviewed, branch_path, run_window};
use rhea_session::plans::RecordedPlan;
use rhea_session::replay::{self, Replay, ReplayReader};
use rhea_session::review::{Labels, first_difference};
use rhea_watch::{DESK_QUEUE, FILM_QUEUE, Show, run_window as run_plan_window};
use rhea_window::display;

use crate::cli::ReviewArgs;
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::plan::{Desk, ROBOTS};
use crate::say::say;

const FILE_HINT: &str =
    "Replays are written by `rhea explore` and `rhea plan --out DIR`; they end in .mcap and lie in the output folder.";
const WRITE_HINT: &str = "Choose a place that you may write to.";

/// Does what the arguments say; opens the window when they say nothing.
///
/// # Errors
/// When the file is no replay, something cannot be written, or nothing was asked for and there can be no window.
pub fn run(args: &ReviewArgs) -> Result<ExitCode> {
    let replay = ReplayReader::open(&args.file).hint(FILE_HINT)?;
    let beside = args.beside.as_deref().map(ReplayReader::open).transpose().hint(FILE_HINT)?;
    let mut asked = false;
    if args.list {
        asked = true;
        say!("{}", replay::list(&replay).trim_end());
    }
    if let Some(folder) = &args.frames {
        asked = true;
        let count = replay::frames(&replay, folder).hint(WRITE_HINT)?;
        say!("{count} views in {}", folder.display());
    }
    if let Some(file) = &args.sheet {
        asked = true;
        replay::sheet(&replay, file).hint(WRITE_HINT)?;
        say!("contact sheet: {}", file.display());
    }
    if let Some(file) = &args.labels {
        asked = true;
        write_labels(&replay, file)?;
    }
    if let Some(record) = args.branch {
        asked = true;
        let out = args.out.clone().unwrap_or_else(|| branch_path(&args.file, record));
        branch(&args.file, args.base.as_deref(), record, &out)
            .map_err(|what| Fault::new(what, "`rhea review FILE --list` has its records; --base FILE.world names the world that a walk goes on from."))?;
        say!("the world at record {record}: {}", out.display());
    }
    let parted = beside.as_ref().and_then(|other| first_difference(&replay, other));
    if args.diff {
        return Ok(match &parted {
            Some(parted) => {
                say!("they part at record {}: {}", parted.record, parted.what);
                ExitCode::FAILURE
            }
            None => {
                say!("no record differs");
                ExitCode::SUCCESS
            }
        });
    }
    if !asked && replay.header.plan.is_some() && beside.is_none() {
        return plan(args, replay);
    }
    if !asked {
        let labels = Labels::beside(&replay).hint("Labels lie beside their recording.")?;
        let (file, base) = (args.file.clone(), args.base.clone());
        let branch = Arc::new(move |record: usize| -> Result<PathBuf, String> {
            let out = branch_path(&file, record);
            branch(&file, base.as_deref(), record, &out)?;
            Ok(out)
        });
        let reviewed = Reviewed { replay, labels, beside: beside.map(|other| (other, parted)), branch };
        display::check().and_then(|()| run_window(reviewed)).map_err(|why| {
            Fault::new(format!("no window: {why}"), "Without one there are --list, --sheet FILE.png and --frames DIR.")
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the window of a recorded plan; what is changed there is judged and recorded beside it.
fn plan(args: &ReviewArgs, replay: Replay) -> Result<ExitCode> {
    let labels = Labels::beside(&replay).hint("Labels lie beside their recording.")?;
    let robots = place::shipped(ROBOTS)?;
    let recorded = RecordedPlan::new(replay, &robots).hint("`rhea review FILE --list` says what of it is whole.")?;
    let camera = camera_of(&recorded.stage);
    let (reels, film) = bounded(FILM_QUEUE);
    let (desk, asks) = bounded(DESK_QUEUE);
    let screenshots = args.file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let stage = Arc::clone(&recorded.stage);
    let show = Show { stage, first: recorded.first, camera, film, desk: Some(desk), screenshots };
    let path = args.file.clone();
    let thread = std::thread::Builder::new().name("desk".to_owned());
    let serve = move || {
        let desk = Desk::new(path, robots, reels, asks);
        if desk.introduce(labels) && desk.follow(0) {
            desk.serve();
        }
    };
    thread.spawn(serve).hint("Close other programs and try again.")?;
    display::check().and_then(|()| run_plan_window(show)).map_err(|why| {
        Fault::new(format!("no window: {why}"), "Without one there are --list, --sheet FILE.png and --frames DIR.")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Saves the world of a recording as it was at a record.
fn branch(file: &Path, base: Option<&Path>, record: usize, out: &Path) -> Result<(), String> {
    if out.exists() {
        return Err(format!("{} is there already", out.display()));
    }
    let mut replay = ReplayReader::open(file).map_err(|error| error.to_string())?;
    if replay.header.plan.is_some() {
        let file = file.display();
        return Err(format!("{file} is a robot plan; in the window of `rhea review {file}` its steps are changed"));
    }
    if record >= replay.steps.len() {
        return Err(format!(
            "{} has records 0 to {}, not {record}",
            file.display(),
            replay.steps.len().saturating_sub(1)
        ));
    }
    replay.steps.truncate(record + 1);
    let base = base.map(World::load).transpose().map_err(|error| error.to_string())?;
    let world = replay::world_of(&replay, base.map(|loaded| loaded.world)).map_err(|error| error.to_string())?;
    world.save(out).map(drop).map_err(|error| error.to_string())
}

fn write_labels(replay: &Replay, file: &Path) -> Result<()> {
    let labels = Labels::beside(replay).hint("Labels lie beside their recording.")?;
    let text = serde_json::to_string_pretty(&labels).hint("This is a fault in Rhea.")? + "\n";
    std::fs::write(file, text).hint(WRITE_HINT)?;
    say!("{} labels: {}", labels.labels.len(), file.display());
    Ok(())
}

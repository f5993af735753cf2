//! `rhea review`: what a recorded walk or plan holds, in a window, as text, pictures or one sheet.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use crossbeam::channel::bounded;
use rhea_memory::World;
use rhea_physics::recheck::Change;
use rhea_physics::scene::TaskScene;
use rhea_physics::view::camera_of;
use rhea_review::{Reviewed, branch_path, run_window};
use rhea_session::plans::RecordedPlan;
use rhea_session::replay::{self, Replay, ReplayReader};
use rhea_session::review::{Labels, first_difference};
use rhea_watch::{Ask, DESK_QUEUE, FILM_QUEUE, Reel, Show, run_window as run_plan_window};
use rhea_window::display;

use crate::cli::ReviewArgs;
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::plan::{Desk, ROBOTS, print_step, rejudge};
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
        if replay.header.plan.is_some() {
            return plan_branch(args, replay, record);
        }
        if args.words.is_some() || args.moved.is_some() {
            let what = format!("{} is a walk; --words and --moved change robot plans", args.file.display());
            return Err(Fault::new(what, "`rhea explore --world FILE.world` walks on from a branch.").into());
        }
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

/// Has the rest of a plan judged again from the step of a record on.
fn plan_branch(args: &ReviewArgs, replay: Replay, record: usize) -> Result<ExitCode> {
    const HINT: &str = "`rhea review FILE --list` has the steps; like --branch 2 --words \"put the red block in the bin\", or \
                        --branch 1 --moved red_block=0.45,-0.1.";
    let robots = place::shipped(ROBOTS)?;
    let recorded = RecordedPlan::new(replay, &robots).hint("`rhea review FILE --list` says what of it is whole.")?;
    let file = args.file.display();
    let fault = |what: String| Fault::new(what, HINT);
    if args.words.is_none() && args.moved.is_none() {
        return Err(fault(format!("{file} is a robot plan: --branch wants a change, --words or --moved")).into());
    }
    if args.out.is_some() {
        return Err(fault("branches of a plan are recorded beside it; --out is for walks".to_owned()).into());
    }
    let steps = recorded.film(0).hint(HINT)?.len();
    let Some(step) = record.checked_sub(1).filter(|step| *step < steps) else {
        return Err(fault(format!("{file} has steps 1 to {steps}, not {record}")).into());
    };
    let moved = args.moved.as_deref().map(|text| moved(text, &recorded.stage.scene)).transpose().map_err(fault)?;
    let ask = Ask { step, change: Change { words: args.words.clone(), moved } };
    let mut tell = |reel: Reel| match reel {
        Reel::Step(step) => print_step(step.report.step, step.report.verdict, &step.report.text, &step.report.says),
        Reel::Over { says, .. } => say!("{says}"),
        _ => {}
    };
    let branch = rejudge(&args.file, &args.file, &robots, &ask, &mut tell).hint(HINT)?;
    say!("recorded: {}", branch.display());
    Ok(ExitCode::SUCCESS)
}

/// A thing of a scene and where it is put, metres.
fn moved(text: &str, scene: &TaskScene) -> Result<(usize, [f64; 2]), String> {
    let wrong = || format!("{text:?} is no move; like red_block=0.45,-0.1");
    let (thing, at) = text.split_once('=').ok_or_else(wrong)?;
    let (x, y) = at.split_once(',').ok_or_else(wrong)?;
    let metres = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(wrong);
    let names = || scene.things.iter().map(|thing| thing.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = scene.find(thing.trim()).ok_or_else(|| format!("there is no {thing:?} here; there are {}", names()))?;
    Ok((found, [metres(x)?, metres(y)?]))
}

/// Saves the world of a recording as it was at a record.
fn branch(file: &Path, base: Option<&Path>, record: usize, out: &Path) -> Result<(), String> {
    if out.exists() {
        return Err(format!("{} is there already", out.display()));
    }
    let mut replay = ReplayReader::open(file).map_err(|error| error.to_string())?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_physics::scene::load_scene;

    use super::*;

    #[test]
    fn moves_name_a_thing_and_a_place() {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/tasks");
        let scene = load_scene(&tasks.join("one_block.ron")).unwrap();
        let (thing, at) = moved("red_block = 0.45, -0.1", &scene).unwrap();
        assert_eq!((scene.things[thing].name.as_str(), at), ("red_block", [0.45, -0.1]));
        for (text, why) in [
            ("red_block", "is no move"),
            ("red_block=1", "is no move"),
            ("red_block=1,nan", "is no move"),
            ("piano=1,2", "there are red_block"),
        ] {
            assert!(moved(text, &scene).unwrap_err().contains(why), "{text}");
        }
    }
}

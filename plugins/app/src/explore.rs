//! `rhea explore`: the walk in a window, and the decision to walk without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use rhea_explore::{Offers, SessionThread, Summary, WindowSettings, display, run_window};
use rhea_memory::World;
use rhea_session::ScriptStart;

use crate::cli::ExploreArgs;
use crate::fault::WithHint as _;
use crate::opener::{Saving, SessionOpener};
use crate::say::{complain, say};
use crate::{headless, place, world};

/// The walk that runs when no script is named.
pub const SAMPLE_WALK: &str = "scenes/walks/square.ron";
/// Seed of a walk in a window.
const DEFAULT_SEED: u64 = 1;
/// How long a closing window waits for the session thread. Acknowledged steps are on disk in any case.
const PATIENCE: Duration = Duration::from_secs(10);

/// Walks in a window, or headless when that is asked for or when there can be no window.
///
/// # Errors
/// When the model, the start, the script or the output folder cannot be used.
pub fn run(args: &ExploreArgs) -> Result<ExitCode> {
    if args.headless {
        return headless::run(args);
    }
    if let Err(why) = display::check() {
        return without_window(&why, args);
    }
    let folder = place::model_folder(args.model.model.as_deref())?;
    let start = named_start(args);
    check_save(args)?;
    let out = place::output_folder(args.out.as_deref())?;
    let (seed, saving) =
        (args.seed.unwrap_or(DEFAULT_SEED), Saving { also: args.save_world.clone(), adopt: args.adopt });
    let offers = offers(&folder)?;
    let engine = args.engine.local(&folder)?;
    let opener = SessionOpener::new(folder, engine, out.clone(), seed, saving);
    // The model loads while the window opens.
    let (thread, link) = SessionThread::start(Box::new(opener), start).hint("Close other programs and try again.")?;
    let shown = run_window(link, WindowSettings { out: out.clone(), offers });
    let summary = thread.finish(PATIENCE);
    // Only an empty folder goes: that of a window in which nothing was walked.
    std::fs::remove_dir(&out).ok();
    match shown {
        Ok(()) => {
            farewell(summary.as_ref());
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => without_window(&why, args),
    }
}

/// What the start page offers.
fn offers(model: &Path) -> Result<Offers> {
    let files = |folder: &str| {
        let folder = place::repository().join(folder);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = entries.filter(|file| file.extension().is_some_and(|e| e == "ron")).collect();
        files.sort();
        files
    };
    let name = model.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Offers {
        scenes: files("scenes/worlds"),
        tasks: files("scenes/tasks"),
        walks: place::output_home()?,
        model: format!("{name}, in {}", model.display()),
        program: std::env::current_exe().unwrap_or_else(|_| "rhea".into()),
    })
}

fn without_window(why: &display::NoWindow, args: &ExploreArgs) -> Result<ExitCode> {
    say!("No window: {why}.");
    say!("Walking without one, along {SAMPLE_WALK}.");
    headless::run(args)
}

/// The start that the arguments name, if they name one.
#[must_use]
pub fn named_start(args: &ExploreArgs) -> Option<ScriptStart> {
    let world = args.world.clone().map(|path| match is_saved_world(&path) {
        true => ScriptStart::World(path),
        false => ScriptStart::Scene(path),
    });
    let caption = args.caption.clone().map(ScriptStart::Caption);
    world.or(caption).or_else(|| args.picture.clone().map(ScriptStart::Picture))
}

/// Is this a saved world rather than a scene? By its first bytes, or by its name where it has none.
fn is_saved_world(path: &Path) -> bool {
    World::is_file(path) || path.extension().is_some_and(|extension| extension == "world")
}

/// Refuses, before anything is walked, to write the world over a file that is not the one it came from. Of a damaged file that will
/// be written over, a copy stays.
///
/// # Errors
/// When there is such a file, or the copy cannot be made.
pub fn check_save(args: &ExploreArgs) -> Result<()> {
    let Some(out) = &args.save_world else { return Ok(()) };
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    let same = args.world.as_deref().and_then(canonical).is_some_and(|world| canonical(out) == Some(world));
    if !same {
        return world::free(out);
    }
    if World::load(out).is_ok_and(|loaded| !loaded.damage.is_empty()) {
        let mut copy = out.clone().into_os_string();
        copy.push(".damaged");
        let copy = PathBuf::from(copy);
        world::free(&copy)?;
        std::fs::copy(out, &copy).hint("Save the world elsewhere with --save-world FILE.")?;
        complain!("warning: {} is damaged; a copy of it stays in {}", out.display(), copy.display());
    }
    Ok(())
}

/// Says where the walk is.
fn farewell(summary: Option<&Summary>) {
    let Some(summary) = summary else {
        say!("The session did not end in time; every step that was shown as done is in the recording.");
        return;
    };
    for problem in &summary.problems {
        complain!("warning: {problem}");
    }
    let steps = if summary.steps == 1 { "1 step".to_owned() } else { format!("{} steps", summary.steps) };
    say!("{steps} walked.");
    for file in &summary.replays {
        say!("Recorded: {}", file.display());
        let saved = file.with_extension("world");
        if saved.is_file() {
            say!("Go on from there: rhea explore --world {}", saved.display());
        }
    }
    if let Some(file) = summary.replays.last() {
        say!("Look at it again: rhea review {} --sheet sheet.png", file.display());
    }
}

//! Scripted walks: what they leave in a folder, and the scripts that ship with Rhea.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{Painter, SIDE_PX, repository};
use rhea_picture::load_picture;
use rhea_scene::Scene;
use rhea_session::replay::{ReplayReader, list};
use rhea_session::{
    Command, FixedClock, HeadlessOptions, Script, ScriptStart, SessionError, SessionEvent, Summary, run_script,
};

fn script(steps: &[&str]) -> Script {
    let steps = steps.iter().map(|text| Command::parse(text).unwrap()).collect();
    Script { start: ScriptStart::Caption("a small hall".to_owned()), seed: 5, steps }
}

fn run(script: &Script, model: &mut Painter, out: &Path, options: &HeadlessOptions) -> Result<Summary, SessionError> {
    let clock = FixedClock { next_secs: 1_700_000_000.0, tick_secs: 0.125 };
    run_script(script, model, out, options, Box::new(clock), &mut |_| {})
}

#[test]
fn a_walk_leaves_replay_sheet_narration_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/er");
    let script = script(&["turn left 30 degrees", "undo", "go forward 0.5 m", "go forward 90 m"]);
    let options = HeadlessOptions { frames: true, ..HeadlessOptions::default() };
    let summary = run(&script, &mut Painter::default(), &out, &options).unwrap();
    assert_eq!((summary.steps, summary.views, summary.clipped, summary.unrecorded), (4, 4, 1, 0));
    assert!(!summary.stopped && summary.warnings.is_empty());
    assert!(summary.views_per_s > 0.0 && summary.first_view_s > 0.0);

    let replay = ReplayReader::open(&summary.replay).unwrap();
    assert_eq!((replay.steps.len(), replay.header.seed), (5, 5));
    let table = list(&replay);
    assert_eq!(table.lines().count(), 2 + 1 + 5 + 1, "{table}");
    assert!(table.contains("undo") && table.contains("5 records, finished"), "{table}");

    let words = std::fs::read_to_string(&summary.narration).unwrap();
    assert_eq!(words.lines().count(), 3, "the view that was taken back is not told: {words}");
    assert!(words.contains("go forward 0.5 m: You see paint"), "{words}");
    let sheet = load_picture(&summary.sheet).unwrap();
    assert!(sheet.width >= 3 * SIDE_PX && sheet.height > SIDE_PX);
    let frames: Vec<_> = std::fs::read_dir(summary.frames.unwrap()).unwrap().collect();
    assert_eq!(frames.len(), 8, "colour and depth of four views");
    let last = replay.view(4).unwrap();
    assert_eq!(load_picture(&out.join("frames/00004.png")).unwrap().rgb, last.rgb);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    std::fs::create_dir(folder.path().join("walk.mcap")).unwrap();
    for out in [file.join("out"), folder.path().to_path_buf()] {
        let mut model = Painter::default();
        let error = run(&script(&["turn left"]), &mut model, &out, &HeadlessOptions::default()).unwrap_err();
        assert!(error.to_string().contains("choose"), "{error}");
        assert!(model.requests.is_empty());
    }
}

#[test]
fn a_walk_that_breaks_off_is_written_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Painter { fails_at: Some(2), ..Painter::default() };
    let error = run(&script(&["turn left", "turn left"]), &mut model, folder.path(), &HeadlessOptions::default());
    assert!(matches!(error, Err(SessionError::Engine(_))));
    let replay = ReplayReader::open(&folder.path().join("walk.mcap")).unwrap();
    assert_eq!((replay.kept().len(), replay.torn), (2, None));
    assert!(folder.path().join("sheet.png").is_file());
}

#[test]
fn a_walk_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let options = HeadlessOptions::default();
    let script = script(&["turn left"; 50]);
    let clock = Box::new(FixedClock { next_secs: 0.0, tick_secs: 0.1 });
    let summary = run_script(&script, &mut Painter::default(), folder.path(), &options, clock, &mut |progress| {
        if matches!(progress.event, SessionEvent::ViewReady(view) if view.step == 10) {
            options.stop.cancel();
        }
    })
    .unwrap();
    assert!(summary.stopped);
    assert_eq!((summary.steps, summary.views), (10, 11));
    assert_eq!(ReplayReader::open(&summary.replay).unwrap().torn, None);
}

#[test]
fn an_undo_too_many_is_only_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let walk = script(&["undo", "turn left"]);
    let summary = run(&walk, &mut Painter::default(), folder.path(), &HeadlessOptions::default()).unwrap();
    assert_eq!((summary.steps, summary.warnings.len()), (2, 1));
}

#[test]
fn the_shipped_walks_return_to_their_start_without_touching_anything() {
    let root = repository("");
    let mut found = 0;
    for entry in std::fs::read_dir(root.join("scenes/walks")).unwrap() {
        let path = entry.unwrap().path();
        let script = Script::load(&path, &root).unwrap();
        let ScriptStart::Scene(scene) = &script.start else { panic!("{path:?} does not start in a scene") };
        let scene = Scene::from_ron(&std::fs::read_to_string(scene).unwrap()).unwrap();
        let start = scene.starts()[0];
        let mut pose = start;
        for (number, command) in script.steps.iter().enumerate() {
            let Command::Move(step) = command else { panic!("{path:?}: {command} is no move") };
            let (end, cut) = scene.clip(&pose, &pose.apply(step));
            assert!(!cut, "{path:?}: step {number} ({command}) runs into something at {pose:?}");
            pose = end;
        }
        for axis in 0..3 {
            assert!((pose.position_m[axis] - start.position_m[axis]).abs() < 1e-3, "{path:?} ends at {pose:?}");
        }
        assert!((pose.yaw_rad - start.yaw_rad).abs() < 1e-3, "{path:?} ends at {pose:?}");
        let steps =
            path.file_stem().unwrap().to_string_lossy().trim_start_matches(|c: char| !c.is_ascii_digit()).parse();
        assert!(steps.is_err() || steps == Ok(script.steps.len()), "{path:?} has {} steps", script.steps.len());
        found += 1;
    }
    assert!(found >= 4);
}

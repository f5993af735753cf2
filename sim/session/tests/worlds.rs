//! Worlds as files: saved by every walk, taken up again, made from a recording, damaged.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::Painter;
use rhea_memory::{World, diff};
use rhea_session::replay::{ReplayReader, world_of};
use rhea_session::{Command, FixedClock, HeadlessOptions, Script, ScriptStart, SessionError, Summary, run_script};

fn walk(start: ScriptStart, steps: &[&str], out: &Path, options: &HeadlessOptions) -> Result<Summary, SessionError> {
    walk_with(&mut Painter::default(), start, steps, out, options)
}

fn walk_with(
    model: &mut Painter,
    start: ScriptStart,
    steps: &[&str],
    out: &Path,
    options: &HeadlessOptions,
) -> Result<Summary, SessionError> {
    let steps = steps.iter().map(|text| Command::parse(text).unwrap()).collect();
    let script = Script { start, seed: 5, steps };
    let clock = FixedClock { next_secs: 1_700_000_000.0, tick_secs: 0.125 };
    run_script(&script, model, out, options, Box::new(clock), &mut |_| {})
}

fn hall() -> ScriptStart {
    ScriptStart::Caption("a small hall".to_owned())
}

fn load(path: &Path) -> World {
    let loaded = World::load(path).unwrap();
    assert!(loaded.damage.is_empty(), "{:?}", loaded.damage);
    loaded.world
}

const FIRST: [&str; 7] =
    ["turn left 30 degrees", "go forward 0.5 m", "undo", "go forward 0.4 m", "pin", "turn right 60 degrees", "edit"];
const THEN: [&str; 5] = ["forget this place", "turn left 90 degrees", "undo", "go back 0.3 m", "turn around"];

#[test]
fn a_walk_that_is_taken_up_again_goes_on_as_if_it_had_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let options = HeadlessOptions::default();
    let whole = walk(hall(), &[&FIRST[..], &THEN].concat(), &out("whole"), &options).unwrap();
    let first = walk(hall(), &FIRST, &out("first"), &options).unwrap();
    let second = walk(ScriptStart::World(first.world.clone()), &THEN, &out("second"), &options).unwrap();
    let (whole_world, resumed) = (load(&whole.world), load(&second.world));
    let difference = diff(&whole_world, &resumed);
    assert!(difference.is_none(), "{difference}");
    assert_eq!(whole_world.memory.edges(), resumed.memory.edges());
    assert_eq!(whole_world.about, resumed.about);
    assert_eq!(load(&first.world).memory.len(), 5, "the file that was taken up is as it was");
    assert!(second.map.is_file() && second.world_bytes > 0 && second.world_views == resumed.memory.len());

    // The recordings hold the same worlds.
    let replay = |summary: &Summary| ReplayReader::open(&summary.replay).unwrap();
    let rebuilt = world_of(&replay(&whole), None).unwrap();
    assert!(diff(&whole_world, &rebuilt).is_none(), "{}", diff(&whole_world, &rebuilt));
    assert_eq!(rebuilt.about, whole_world.about);
    let onto = world_of(&replay(&second), Some(load(&first.world))).unwrap();
    assert!(diff(&resumed, &onto).is_none(), "{}", diff(&resumed, &onto));
    assert_eq!(onto.about, resumed.about);
    // Also when the file has meanwhile gone on; but no other world will do.
    assert!(diff(&resumed, &world_of(&replay(&second), Some(resumed.clone())).unwrap()).is_none());
    let alone = world_of(&replay(&second), None).unwrap_err().to_string();
    assert!(alone.contains("name its file"), "{alone}");
    let other = walk(ScriptStart::Caption("a barn".into()), &FIRST, &out("other"), &options).unwrap();
    let other = World { about: whole_world.about.clone(), memory: load(&other.world).forked(2).memory };
    assert!(world_of(&replay(&second), Some(other)).is_err());
}

#[test]
fn a_walk_that_breaks_off_leaves_its_world() {
    let folder = tempfile::tempdir().unwrap();
    let also: PathBuf = folder.path().join("kept.world");
    let options = HeadlessOptions { save_world: Some(also.clone()), ..HeadlessOptions::default() };
    let mut model = Painter { fails_at: Some(3), ..Painter::default() };
    let out = folder.path().join("out");
    let error = walk_with(&mut model, hall(), &["turn left", "turn left", "turn left"], &out, &options);
    assert!(matches!(error, Err(SessionError::Engine(_))));
    for path in [out.join("walk.world"), also] {
        assert_eq!(load(&path).memory.len(), 3, "{path:?}");
    }
    assert!(out.join("map.png").is_file());
}

#[test]
fn worlds_that_are_damaged_or_of_another_model_are_told_and_what_is_whole_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let options = HeadlessOptions::default();
    let saved = walk(hall(), &["turn left", "turn left", "turn left", "turn left"], &out("saved"), &options).unwrap();
    let bytes = std::fs::read(&saved.world).unwrap();
    let go_on = |bytes: &[u8], name: &str, options: &HeadlessOptions| {
        let path = out(name);
        std::fs::write(&path, bytes).unwrap();
        walk(ScriptStart::World(path), &["turn right"], &out("on"), options)
    };
    // A flipped bit in the middle costs one view; the rest is walked in.
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 4;
    let summary = go_on(&altered, "altered.world", &options).unwrap();
    assert_eq!(summary.world_views, 5 - 1 + 1);
    let warning = summary.warnings.first().unwrap();
    assert!(warning.contains("altered.world") && warning.contains("4 views could"), "{warning}");
    let cut = go_on(&bytes[..bytes.len() * 3 / 4], "cut.world", &options).unwrap();
    assert!(cut.warnings[0].contains("cut short") && (2..6).contains(&cut.world_views), "{:?}", cut.warnings);
    assert!(matches!(go_on(b"no world at all", "no.world", &options), Err(SessionError::World(_))));
    assert!(matches!(go_on(&bytes[..30], "head.world", &options), Err(SessionError::World(_))));

    let mut foreign = load(&saved.world);
    foreign.about.model = "somebody else".to_owned();
    let foreign = foreign.to_bytes().unwrap();
    let refused = go_on(&foreign, "foreign.world", &options).unwrap_err().to_string();
    assert!(refused.contains("somebody else") && refused.contains("painter"), "{refused}");
    let adopted = go_on(&foreign, "foreign.world", &HeadlessOptions { adopt: true, ..options }).unwrap();
    let world = load(&adopted.world);
    assert_eq!((world.about.model.as_str(), world.memory.len()), ("painter", 6));
    let known: Vec<bool> = world.memory.views().iter().map(|view| !view.codes.is_empty()).collect();
    assert_eq!(known, [false, false, false, false, false, true], "codes of another model are not kept");
}

#[test]
fn a_pose_that_is_no_number_is_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    let saved = walk(hall(), &["turn left"], folder.path(), &HeadlessOptions::default()).unwrap();
    let mut world = load(&saved.world);
    let mut view = world.memory.views()[1].clone();
    view.pose.position_m[2] = f32::NAN;
    world.memory.insert(view);
    let error = world.to_bytes().unwrap_err().to_string();
    assert!(error.contains("view 2") && error.contains("NaN"), "{error}");
    assert!(world.save(&saved.world).is_err());
    assert_eq!(load(&saved.world).memory.len(), 2, "the old file is as it was");
}

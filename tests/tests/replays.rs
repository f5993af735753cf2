//! The recorded sessions in `replays/`, one per format, still open and still say the same.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use rhea_memory::{World, diff};
use rhea_physics::checks::{Code, Verdict};
use rhea_session::plans::RecordedPlan;
use rhea_session::replay::{RecordKind, ReplayReader, world_of};

#[test]
fn the_first_format_opens_whole() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replays/square-v1.mcap");
    let replay = ReplayReader::open(&file).unwrap();
    assert!(replay.torn.is_none());
    assert_eq!((replay.header.format, replay.header.camera.width, replay.steps.len()), (1, 128, 17));
    let commands: Vec<&str> = replay.steps.iter().map(|step| step.command.as_str()).collect();
    assert_eq!(commands[1..4], ["go forward 0.5 m", "go forward 0.5 m", "turn left 45 degrees"]);
    assert_eq!(replay.codes(16).unwrap().codes.len(), 64);
    assert_eq!(replay.view(16).unwrap().width, 128);
}

#[test]
fn the_second_format_opens_whole_and_its_world_comes_back() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replays/room-v2.mcap");
    let replay = ReplayReader::open(&file).unwrap();
    assert!(replay.torn.is_none());
    assert_eq!((replay.header.format, replay.header.camera.width), (2, 128));
    let kinds = |kind: RecordKind| replay.steps.iter().filter(|step| step.kind == kind).count();
    assert_eq!([RecordKind::Start, RecordKind::Step, RecordKind::Undo, RecordKind::Note].map(kinds), [1, 8, 1, 2]);
    let checked: Vec<_> = replay.steps.iter().filter_map(|step| step.check.as_ref()).collect();
    assert_eq!(checked.len(), 8, "every drawn view says how it stood to memory");
    assert_eq!(checked.iter().filter(|check| check.reopened_m.is_some()).count(), 1, "one edit");
    assert!(checked.iter().all(|check| check.cells.len() == 64 && !check.candidates.is_empty()));

    let world = world_of(&replay, None).unwrap();
    assert_eq!((world.memory.len(), world.memory.edits().len()), (replay.kept().len(), 1));
    assert!(world.memory.nodes()[3].pinned);
    assert_eq!(world.memory.latest().unwrap().rgbd.rgb, replay.view(replay.steps.len() - 1).unwrap().rgb);
    let loaded = World::from_bytes(&world.to_bytes().unwrap(), &file).unwrap();
    assert!(loaded.damage.is_empty() && diff(&world, &loaded.world).is_none());
}

#[test]
fn the_third_format_is_a_plan_with_its_motion_and_key_frames() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let replay = ReplayReader::open(&home.join("replays/stack-v3.mcap")).unwrap();
    assert!(replay.torn.is_none());
    assert_eq!((replay.header.format, replay.header.model.as_str()), (3, "nano"));
    let plan = RecordedPlan::new(replay, &home.join("scenes/robots")).unwrap();
    let film = plan.film(0).unwrap();
    let told: Vec<_> = film.iter().map(|step| (step.executed, step.report.verdict, step.report.first_code)).collect();
    assert_eq!(told, [(false, Verdict::Reject, Some(Code::Speed)), (true, Verdict::Pass, None)]);
    // The rejected step moved faster than the one that was carried out: its film is shorter.
    assert!(film[0].stills.len() < film[1].stills.len() && film[1].stills.len() > 60);
    assert!(film[1].imagined.as_ref().is_some_and(|drawn| drawn.width == 128));
    assert_eq!(plan.end().map(|(says, end)| (says, end.good)), Some(("all expectations came true".to_owned(), true)));
}

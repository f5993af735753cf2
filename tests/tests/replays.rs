//! The recorded sessions in `replays/`, one per format, still open and still say the same.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use rhea_session::replay::ReplayReader;

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

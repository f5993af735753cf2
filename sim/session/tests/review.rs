//! Reviewing recordings: what stands out, what people say about steps, where two walks part.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{append, header, read, repository, small_replay};
use rhea_session::replay::{Replay, ReplayReader, ReplayWriter};
use rhea_session::review::{Label, Labels, LabelsError, Mark, Opinion, Tape, first_difference};

/// A recording in a folder of its own.
fn recorded(folder: &std::path::Path, records: u64) -> Replay {
    let path = folder.join("walk.mcap");
    std::fs::write(&path, small_replay(records).0).unwrap();
    ReplayReader::open(&path).unwrap()
}

#[test]
fn the_view_on_screen_is_the_last_one_that_was_not_taken_back() {
    let replay = read(&small_replay(7).0).unwrap();
    let mut tape = Tape::new(&replay.steps);
    let shown: Vec<_> = (0..7)
        .map(|record| {
            tape.go(record);
            tape.shows()
        })
        .collect();
    // Record 4 takes record 3 back.
    assert_eq!(shown, [0, 1, 2, 3, 2, 5, 6].map(Some));
    assert_eq!((tape.mark(4), tape.mark(3)), (Some(Mark::Undone), None));
    assert_eq!(tape.search("CLIPPED"), [3], "notes count as words");
    let longer = read(&small_replay(12).0).unwrap();
    tape.take(&longer.steps);
    assert_eq!((tape.at(), tape.len()), (6, 12), "the playhead stays while the file grows");
}

#[test]
fn a_real_walk_has_its_marks_where_the_list_has_them() {
    let replay = ReplayReader::open(&repository("replays/room-v2.mcap")).unwrap();
    let tape = Tape::new(&replay.steps);
    assert!(
        tape.len() > 5
            && (0..tape.len())
                .all(|record| replay.view(record).is_err() || tape.mark(record).is_none_or(|m| m != Mark::Failed))
    );
    assert_eq!(first_difference(&replay, &replay), None);
}

#[test]
fn two_walks_part_at_their_first_difference() {
    let one = read(&small_replay(6).0).unwrap();
    assert_eq!(first_difference(&one, &read(&small_replay(6).0).unwrap()), None);
    let shorter = first_difference(&one, &read(&small_replay(4).0).unwrap()).unwrap();
    assert_eq!((shorter.record, shorter.what.as_str()), (4, "one has 6 records, the other 4"));
    // Another seed changes every state, and nothing that was drawn, asked or said.
    let walk = |numbers: &[u64]| {
        let disk = common::Disk::default();
        let other = rhea_session::replay::Header { seed: 8, ..header() };
        let mut writer = ReplayWriter::new(disk.clone(), &other, 0.0).unwrap();
        numbers.iter().for_each(|n| append(&mut writer, *n).unwrap());
        writer.finish().unwrap();
        read(&disk.bytes()).unwrap()
    };
    assert_eq!(first_difference(&one, &walk(&[0, 1, 2, 3, 4, 5])), None);
    let parted = first_difference(&one, &walk(&[0, 1, 3, 3, 4, 5])).unwrap();
    assert_eq!(parted.record, 2);
    assert!(parted.what.contains("0.300"), "it stands elsewhere: {}", parted.what);
}

#[test]
fn labels_lie_beside_their_recording_and_belong_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let replay = recorded(folder.path(), 5);
    let mut labels = Labels::beside(&replay).unwrap();
    assert!(labels.labels.is_empty());
    labels.set(2, Label { opinion: Some(Opinion::Reject), note: "the door is gone".to_owned() });
    labels.set(3, Label { note: "x".repeat(5_000), ..Label::default() });
    labels.set(4, Label { opinion: Some(Opinion::Accept), note: String::new() });
    labels.set(4, Label::default());
    let path = Labels::path_of(replay.path());
    labels.save(&path).unwrap();
    let read_back = Labels::beside(&replay).unwrap();
    assert_eq!(read_back, labels);
    assert_eq!(read_back.get(3).note.chars().count(), 2_000);
    assert_eq!(read_back.labels.keys().copied().collect::<Vec<_>>(), [2, 3], "a label that says nothing is none");
    // The same file beside another walk.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = elsewhere.path().join("walk.mcap");
    let disk = common::Disk::default();
    let mut writer =
        ReplayWriter::new(disk.clone(), &rhea_session::replay::Header { seed: 9, ..header() }, 0.0).unwrap();
    append(&mut writer, 0).unwrap();
    writer.finish().unwrap();
    std::fs::write(&other, disk.bytes()).unwrap();
    let other = ReplayReader::open(&other).unwrap();
    let theirs = Labels::path_of(other.path());
    std::fs::copy(&path, &theirs).unwrap();
    assert!(matches!(Labels::beside(&other), Err(LabelsError::Content { what, .. }) if what.contains("belong to")));
    for wrong in ["", "(recording: \"x\")", "[1, 2]", "(recording: \"x\", labels: {1: (opinion: Some(maybe))})"] {
        std::fs::write(&theirs, wrong).unwrap();
        assert!(Labels::beside(&other).unwrap_err().to_string().contains("walk.labels.ron"), "{wrong}");
    }
    // What cannot be written leaves the old file whole.
    assert!(labels.save(&folder.path().join("missing/walk.labels.ron")).is_err());
    assert_eq!(Labels::beside(&replay).unwrap(), labels);
}

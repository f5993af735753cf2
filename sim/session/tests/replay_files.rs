//! Replay files: written, read back, cut, damaged, and read by somebody else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::{append, assert_record, header, read, small_replay};
use rhea_session::replay::{FORMAT_VERSION, FileStorage, RecordKind, ReplayError, ReplayReader, ReplayWriter};

#[test]
fn what_is_written_is_read_back() {
    let (bytes, _) = small_replay(7);
    let replay = read(&bytes).unwrap();
    assert_eq!(replay.header, header());
    assert_eq!(replay.torn, None);
    assert_eq!(replay.steps.len(), 7);
    for n in 0..7 {
        assert_record(&replay, n);
    }
    assert_eq!(replay.steps[3].note.as_deref(), Some("clipped"));
    assert_eq!(replay.steps[4].kind, RecordKind::Undo);
    assert_eq!(replay.kept(), [0, 1, 2, 5, 6], "the undo takes back record 3");
    assert!(replay.view(4).is_err() && replay.view(7).is_err());
}

#[test]
fn the_mcap_crate_reads_it_too() {
    let (bytes, _) = small_replay(5);
    let mut counts = BTreeMap::new();
    for message in mcap::MessageStream::new(&bytes).unwrap() {
        let message = message.unwrap();
        serde_json::from_slice::<serde_json::Value>(&message.data).unwrap();
        *counts.entry(message.channel.topic.clone()).or_insert(0) += 1;
    }
    let want = [
        ("/command", 5),
        ("/depth", 4),
        ("/narration", 4),
        ("/pose", 5),
        ("/recall", 4),
        ("/session", 1),
        ("/step", 5),
        ("/tokens", 4),
        ("/view", 4),
    ];
    assert_eq!(counts, want.map(|(topic, count)| (topic.to_owned(), count)).into());
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    assert_eq!(summary.stats.unwrap().chunk_count, 6, "one chunk for the session and one for each record");
}

#[test]
fn the_same_walk_has_the_same_state_and_another_has_not() {
    let states =
        |records| read(&small_replay(records).0).unwrap().steps.iter().map(|s| s.state.clone()).collect::<Vec<_>>();
    let (first, second) = (states(6), states(6));
    assert_eq!(first, second);
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 6, "no two states agree");
    let mut other = header();
    other.seed = 8;
    let mut writer = ReplayWriter::new(common::Disk::default(), &other, 0.0).unwrap();
    append(&mut writer, 0).unwrap();
    assert_ne!(format!("{:016x}", writer.state()), first[0], "the header is part of the state");
}

#[test]
fn a_file_cut_anywhere_keeps_its_whole_steps() {
    let (bytes, ends) = small_replay(4);
    let mut checked = 0;
    for cut in 0..bytes.len() {
        // A record counts as soon as its chunk is whole; the chunk's index behind it may be missing.
        let whole = ends.iter().filter(|end| **end <= cut).count();
        match read(&bytes[..cut]) {
            Err(error) => {
                assert!(cut < ends[0], "{error} at {cut}");
                assert!(matches!(error, ReplayError::Foreign { .. }), "{error}");
            }
            Ok(replay) => {
                let found = replay.steps.len() + 1;
                assert!(found == whole || found == whole + 1, "{found} records, {whole} ends at {cut}");
                for n in checked..replay.steps.len() {
                    assert_record(&replay, n);
                }
                checked = replay.steps.len();
                if let Some(torn) = &replay.torn {
                    assert_eq!(torn.offset + torn.lost_bytes, cut as u64);
                    assert!(torn.offset >= ends[whole.saturating_sub(1)] as u64 || found > whole, "{torn:?} at {cut}");
                } else {
                    assert_eq!(replay.steps.len(), 4, "a silent loss at {cut}");
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_changes_a_step() {
    let (bytes, _) = small_replay(3);
    let clean = read(&bytes).unwrap();
    let mut damaged = bytes.clone();
    for bit in (0..bytes.len() * 8).step_by(37) {
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(replay) = read(&damaged) {
            // Only the log times lie outside of all checksums that a single step can be checked with.
            assert_eq!(replay.header, clean.header);
            for (step, want) in replay.steps.iter().zip(&clean.steps) {
                assert_eq!(step, want, "bit {bit}");
            }
            assert!(replay.steps.len() == 3 || replay.torn.is_some(), "a silent loss at bit {bit}");
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn hostile_lengths_are_refused_without_allocating() {
    let (bytes, ends) = small_replay(2);
    for length in [u64::MAX, u64::MAX - 8, 1 << 63, 1 << 40, bytes.len() as u64] {
        for start in [ends[0], ends[1]] {
            let mut hostile = bytes.clone();
            hostile[start + 1..start + 9].copy_from_slice(&length.to_le_bytes());
            let replay = read(&hostile).unwrap();
            let torn = replay.torn.unwrap();
            assert_eq!(torn.offset, start as u64);
            assert!(torn.reason.contains(&length.to_string()), "{torn:?}");
        }
    }
}

#[test]
fn foreign_files_are_named_as_such() {
    let png = b"\x89PNG\r\n\x1a\n and so on, long enough to be looked at".as_slice();
    let mut other = Vec::new();
    mcap::Writer::new(std::io::Cursor::new(&mut other)).unwrap().finish().unwrap();
    for (bytes, word) in [(b"".as_slice(), "0 bytes"), (png, "MCAP"), (&other, "profile")] {
        let error = read(bytes).unwrap_err();
        assert!(matches!(error, ReplayError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(matches!(ReplayReader::open(Path::new("/nowhere/walk.mcap")), Err(ReplayError::Read { .. })));
    assert!(ReplayReader::open(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err(), "a folder is no replay");
    assert!(matches!(FileStorage::create(Path::new("/nowhere/walk.mcap")), Err(ReplayError::Create { .. })));
}

#[test]
fn a_later_format_is_refused_by_name() {
    let mut later = header();
    later.format = FORMAT_VERSION + 1;
    later.rhea = "3.1.4".to_owned();
    let disk = common::Disk::default();
    let mut writer = ReplayWriter::new(disk.clone(), &later, 0.0).unwrap();
    writer.finish().unwrap();
    let error = read(&disk.bytes()).unwrap_err();
    let newer = FORMAT_VERSION + 1;
    assert!(matches!(error, ReplayError::Version { found, .. } if found == newer), "{error}");
    assert!(error.to_string().contains("3.1.4"), "{error}");
}

/// Runs only where a Python with the `mcap` package is found: `python3`, or the one named by `RHEA_PYTHON`.
#[test]
fn python_reads_it_too() {
    let python = std::env::var("RHEA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_mcap = Command::new(&python).args(["-c", "import mcap"]).output().is_ok_and(|run| run.status.success());
    if !has_mcap {
        eprintln!("skipped: {python} has no package mcap (pip install mcap, or set RHEA_PYTHON)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/read_mcap.py");
    let (bytes, ends) = small_replay(5);
    for (name, bytes, flag) in
        [("whole.mcap", &bytes[..], None), ("killed.mcap", &bytes[..ends[3] + 100], Some("--unfinished"))]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let run = Command::new(&python).arg(&script).arg(&file).args(flag).output().unwrap();
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
        let steps = if flag.is_none() { 5 } else { 3 };
        assert!(text.contains(&format!("/step rhea.Step {steps}\n")), "{text}");
        assert!(text.contains(&format!("/view foxglove.CompressedImage {}\n", steps.min(4))), "{text}");
    }
}

//! Shared by the tests of this crate.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests; each file uses a part")]

mod disk;
mod painter;

pub use disk::{Disk, Fault};
pub use painter::{PAINTED_M, Painter, SIDE_PX, colour};

use std::io::Cursor;
use std::path::Path;

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};
use rhea_session::replay::{
    Codes, FORMAT_VERSION, Header, NarrationNote, NewRecord, PlanPart, RecallNote, RecordKind, Replay, ReplayError,
    ReplayReader, ReplayWriter, Storage, Timings,
};

/// A header for tests.
pub fn header() -> Header {
    Header {
        rhea: "0.1.0".to_owned(),
        format: FORMAT_VERSION,
        model: "stand-in".to_owned(),
        model_hash: None,
        camera: Camera::square(8),
        seed: 7,
        start: "a test".to_owned(),
        world: "a small room".to_owned(),
        plan: None,
    }
}

/// The view number `n` of a replay made by [`small_replay`].
pub fn picture(n: u64) -> Rgbd {
    let mut random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let rgb = (0..8 * 8 * 3).map(|_| next() as u8).collect();
    let depth_m = (0..8 * 8).map(|_| 0.2 + (next() % 5000) as f32 * 0.01).collect();
    Rgbd::new(8, 8, rgb, depth_m).unwrap()
}

/// The pose of record `n`.
pub fn pose(n: u64) -> Pose {
    Pose { position_m: [0.1 * n as f32, 1.5, -0.3], yaw_rad: 0.7 * n as f32, pitch_rad: -0.1 }
}

/// Appends record `n`: the start, a step, or for every fifth an undo.
pub fn append<S: Storage>(writer: &mut ReplayWriter<S>, n: u64) -> Result<(), ReplayError> {
    let view = picture(n);
    let codes = Codes { rows: 1, cols: 2, codes: vec![n as u32, 4095] };
    let recall = RecallNote {
        sources: vec![0, n],
        coverage: 0.5,
        lineage: 2,
        agreement_db: Some(31.25),
        own: rhea_memory::PixelSet::new([false, true, true]),
    };
    let narration = NarrationNote { text: format!("view {n}: \"a door\""), cut: n % 2 == 1 };
    let undo = n % 5 == 4;
    let kind = match n {
        0 => RecordKind::Start,
        _ if undo => RecordKind::Undo,
        _ => RecordKind::Step,
    };
    let record = NewRecord {
        kind,
        step: n,
        command: "go forward 0.5 m",
        note: (n == 3).then_some("clipped"),
        pose: pose(n),
        recall: (!undo).then_some(&recall),
        check: None,
        view: (!undo).then_some((&view, &codes)),
        narration: (!undo).then_some(&narration),
        plan: PlanPart::None,
        timings: Timings { recall_secs: 0.01, imagine_secs: 0.25, narrate_secs: 0.1 },
    };
    writer.append(&record, 1_700_000_000.0 + n as f64)
}

/// A finished replay of `records` records, and its length after the header and after each record.
pub fn small_replay(records: u64) -> (Vec<u8>, Vec<usize>) {
    let disk = Disk::default();
    let mut writer = ReplayWriter::new(disk.clone(), &header(), 1_700_000_000.0).unwrap();
    writer.store().unwrap();
    let mut ends = vec![disk.bytes().len()];
    for n in 0..records {
        append(&mut writer, n).unwrap();
        ends.push(disk.bytes().len());
    }
    writer.finish().unwrap();
    (disk.bytes(), ends)
}

/// Reads a replay from bytes.
pub fn read(bytes: &[u8]) -> Result<Replay, ReplayError> {
    ReplayReader::read(Box::new(Cursor::new(bytes.to_vec())), Path::new("test.mcap"))
}

/// Panics unless record `n` of a replay is what [`append`] wrote, pictures included.
pub fn assert_record(replay: &Replay, n: usize) {
    let step = &replay.steps[n];
    assert_eq!((step.record, step.step), (n as u64, n as u64));
    assert_eq!(step.pose, pose(n as u64));
    if step.kind == RecordKind::Undo {
        assert!(!step.has_view() && step.narration.is_none());
        return;
    }
    let (view, want) = (replay.view(n).unwrap(), picture(n as u64));
    assert_eq!(view.rgb, want.rgb);
    for (depth, want) in view.depth_m.iter().zip(&want.depth_m) {
        assert!((depth / want - 1.0).abs() < 1e-4, "depth {depth} of {want} m in record {n}");
    }
    assert_eq!(replay.codes(n).unwrap().codes, [n as u32, 4095]);
    assert_eq!(step.narration.as_ref().unwrap().text, format!("view {n}: \"a door\""));
    assert_eq!(step.recall.as_ref().unwrap().agreement_db, Some(31.25));
}

/// A file of the repository.
pub fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

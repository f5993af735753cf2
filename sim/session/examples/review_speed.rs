//! How long a replay of 10,000 steps takes to open, how quickly its steps are read in any order, and what memory that needs:
//! `cargo run --release -p rhea-session --example review_speed [STEPS]`.

#![allow(clippy::print_stdout, reason = "it prints")]

use std::time::Instant;

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Move, Pose};
use rhea_session::replay::{
    Codes, FileStorage, Header, NarrationNote, NewRecord, PlanPart, RecallNote, RecordKind, ReplayReader, ReplayWriter,
    Timings, WALK_FORMAT,
};
use rhea_session::review::Tape;

/// Side of the views, pixels.
const SIDE: usize = 128;
/// Steps that are read in any order.
const SCRUBBED: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let path = std::env::temp_dir().join(format!("rhea-review-speed-{}.mcap", std::process::id()));
    write(&path, steps)?;
    let bytes = std::fs::metadata(&path)?.len();

    let before = resident_mb();
    let began = Instant::now();
    let replay = ReplayReader::open(&path)?;
    let opened = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut tape = Tape::new(&replay.steps);
    let indexed = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut sum = 0_u64;
    for n in 0..SCRUBBED {
        // Strides that are prime to the number of steps go everywhere.
        tape.go(n * 7_919 % replay.steps.len());
        let shows = tape.shows().ok_or("a step without a view")?;
        sum += u64::from(replay.view(shows)?.rgb[0]);
    }
    let scrubbed = SCRUBBED as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let hits = tape.search("red door").len();
    let searched = began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    println!("{steps} steps of {SIDE} x {SIDE} px, {:.0} MB on disk", bytes as f64 / 1e6);
    println!("opens in {opened:.2} s, and {:.1} ms for marks and words", 1e3 * indexed);
    println!("reads {scrubbed:.0} steps/s in any order (a check on what was read: {sum})");
    println!("finds words in {hits} steps in {:.1} ms", 1e3 * searched);
    println!("takes {:.0} MB of memory", resident_mb() - before);
    Ok(())
}

fn write(path: &std::path::Path, steps: u64) -> Result<(), Box<dyn std::error::Error>> {
    let camera = Camera::square(SIDE);
    let header = Header {
        rhea: env!("CARGO_PKG_VERSION").to_owned(),
        format: WALK_FORMAT,
        model: "none".to_owned(),
        model_hash: None,
        camera,
        seed: 1,
        start: "made for measuring".to_owned(),
        world: String::new(),
        plan: None,
    };
    let mut writer = ReplayWriter::new(FileStorage::create(path)?, &header, 0.0)?;
    let codes = Codes { rows: 8, cols: 8, codes: vec![7; 64] };
    let mut pose = Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
    let mut view = Rgbd::filled(SIDE, SIDE, [90, 110, 130]);
    for step in 0..steps {
        // Every view is another one, as rich in detail as a drawn one.
        for (i, value) in view.rgb.iter_mut().enumerate() {
            *value = (i as u64 / 3 % 61 + step * 13 + (i as u64 / 997) % 7) as u8;
        }
        for (i, depth_m) in view.depth_m.iter_mut().enumerate() {
            *depth_m = 1.0 + (i as u64 % 128 + step % 50) as f32 / 40.0;
        }
        let thing = if step.is_multiple_of(10) { "red door" } else { "blue ball" };
        let narration = NarrationNote { text: format!("You see a {thing} ahead."), cut: false };
        let recall =
            RecallNote { sources: vec![0], coverage: 0.5, lineage: 1, agreement_db: Some(30.0), ..Default::default() };
        let record = NewRecord {
            kind: if step == 0 { RecordKind::Start } else { RecordKind::Step },
            step,
            command: "turn left 15 degrees",
            note: None,
            pose,
            recall: Some(&recall),
            check: None,
            view: Some((&view, &codes)),
            narration: Some(&narration),
            plan: PlanPart::None,
            timings: Timings::default(),
        };
        writer.append(&record, step as f64)?;
        pose = pose.apply(&Move::turn_deg(15.0));
    }
    writer.finish()?;
    Ok(())
}

/// Resident memory of this process, MB; 0 where the system does not say.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).map_or(0.0, |kb| kb / 1024.0)
}

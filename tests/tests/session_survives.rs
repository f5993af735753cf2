//! A walk of 400 steps in a process of its own: killed in the middle it loses no acknowledged step, and left alone it keeps
//! nothing in memory but its views.
//!
//! The process is this test program again, walking with a stand-in for the model; what is tested is session, memory and replay.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rhea_engine::{Cancel, EngineError, Imagine, Imagined, NarrationRequest, TextPiece, ViewRequest, ViewTimings};
use rhea_picture::{Rgbd, Warp};
use rhea_session::replay::{FileStorage, RecordKind, ReplayReader};
use rhea_session::{ExploreSession, Options, Script, Setup, Start, StepControl};

const SCRIPT: &str = "scenes/walks/long400.ron";
/// Tells the child where to write; without it the child's test does nothing.
const CHILD_FILE: &str = "RHEA_TEST_WALK_FILE";
/// How many walks are killed: 6 by default.
const KILLS: &str = "RHEA_TEST_KILLS";
/// Growth of the process that is not views: the index of the replay and what the allocator keeps back, bytes.
const SLACK_BYTES: usize = 4 << 20;

/// Keeps what memory knows and paints the rest.
struct StandIn {
    side_px: usize,
}

impl StandIn {
    fn coded(view: Rgbd) -> Imagined {
        Imagined {
            view,
            codes: vec![7; 16],
            rows: 4,
            cols: 4,
            doubted: Vec::new(),
            passes: 1,
            timings: ViewTimings::default(),
        }
    }
}

impl Imagine for StandIn {
    fn name(&self) -> &str {
        "stand-in"
    }

    fn side_px(&self) -> usize {
        self.side_px
    }

    fn imagine(&mut self, request: &ViewRequest, _: &Cancel) -> Result<Imagined, EngineError> {
        let mut view = Rgbd::filled(self.side_px, self.side_px, [request.seed as u8, 120, 90]);
        view.depth_m.fill(6.0);
        if let Some(memory) = &request.memory {
            for (i, _) in memory.valid.iter().enumerate().filter(|(_, valid)| **valid) {
                view.rgb[i * 3..i * 3 + 3].copy_from_slice(&memory.view.rgb[i * 3..i * 3 + 3]);
                view.depth_m[i] = memory.view.depth_m[i];
            }
        }
        Ok(Self::coded(view))
    }

    fn narrate(
        &mut self,
        _: &NarrationRequest,
        _: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        on_text(TextPiece { text: "You see paint.", probability: 0.5 });
        Ok("You see paint.".to_owned())
    }

    fn round_trip(&mut self, view: &Rgbd, _: Option<&Warp>) -> Result<Imagined, EngineError> {
        Ok(Self::coded(view.clone()))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Resident memory of this process, bytes; `None` where the system does not tell.
fn resident_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

/// Not a test of its own: the walk of the other process. Prints `acknowledged N` after each step and its memory twice.
#[test]
fn child_walk() {
    let Some(file) = std::env::var_os(CHILD_FILE) else { return };
    let script = Script::load(&root().join(SCRIPT), &root()).unwrap();
    let start = Start::of_script(&script.start).unwrap();
    let mut model = StandIn { side_px: 48 };
    let setup = Setup::new(Options::default(), Some(Box::new(FileStorage::create(Path::new(&file)).unwrap())));
    let control = StepControl::default();
    let (mut session, report) = ExploreSession::start(&start, setup, &mut model, &control, &mut |_| {}).unwrap();
    let mut out = std::io::stdout();
    assert!(report.recorded);
    writeln!(out, "\nacknowledged 0").unwrap();
    for command in script.steps {
        let report = session.step(command, &mut model, &StepControl::default(), &mut |_| {}).unwrap();
        assert!(report.recorded);
        writeln!(out, "acknowledged {}", report.step).unwrap();
        out.flush().unwrap();
        if report.step % 380 == 20 {
            writeln!(out, "memory {} {}", resident_bytes().unwrap_or(0), session.memory().bytes()).unwrap();
        }
    }
    session.finish().unwrap();
    writeln!(out, "finished").unwrap();
}

fn spawn(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_walk", "--nocapture"])
        .env(CHILD_FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The number in the last line `acknowledged N`.
fn last_acknowledged(lines: &str) -> Option<usize> {
    lines.lines().rev().find_map(|line| line.strip_prefix("acknowledged ")?.parse().ok())
}

#[test]
fn a_killed_walk_loses_no_acknowledged_step() {
    let kills: usize = std::env::var(KILLS).map_or(6, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for kill in 0..kills {
        let file = folder.path().join(format!("{kill}.mcap"));
        let mut child = spawn(&file);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let wait_for = 1 + kill * 37 % 60;
        let mut seen = String::new();
        while last_acknowledged(&seen) != Some(wait_for) {
            assert!(lines.read_line(&mut seen).unwrap() > 0, "the walk ended early: {seen}");
        }
        // Somewhere in the next steps: while drawing, encoding or writing.
        std::thread::sleep(Duration::from_micros(kill as u64 * 1_700 % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // What was acknowledged between the last look and the kill is still in the pipe; a cut last line is no promise.
        lines.read_to_string(&mut seen).unwrap();
        let whole = &seen[..seen.rfind('\n').unwrap() + 1];
        let acknowledged = last_acknowledged(whole).unwrap();
        assert!(!whole.contains("finished"));

        let replay = ReplayReader::open(&file).unwrap();
        let found = replay.steps.len() - 1;
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "kill {kill}: {acknowledged} steps were acknowledged, {found} are there"
        );
        assert!(replay.torn.is_some(), "a killed recording has no end");
        for (index, step) in replay.steps.iter().enumerate() {
            assert_eq!((step.record, step.step), (index as u64, index as u64));
            assert!(matches!(step.kind, RecordKind::Start | RecordKind::Step));
        }
        for index in [0, found / 2, found] {
            assert_eq!(replay.view(index).unwrap().width, 48);
        }
    }
}

#[test]
fn four_hundred_steps_keep_only_their_views() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("walk.mcap");
    let output = spawn(&file).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("finished"), "{text}");
    let replay = ReplayReader::open(&file).unwrap();
    assert_eq!((replay.steps.len(), &replay.torn), (401, &None), "the replay is complete");
    let memory: Vec<[usize; 2]> = text
        .lines()
        .filter_map(|line| {
            let (resident, views) = line.strip_prefix("memory ")?.split_once(' ')?;
            Some([resident.parse().ok()?, views.parse().ok()?])
        })
        .collect();
    let [[resident_20, views_20], [resident_400, views_400]] = memory[..] else { panic!("{text}") };
    if resident_20 == 0 {
        eprintln!("skipped: this system does not tell how much memory a process has");
        return;
    }
    let (grown, stored) = (resident_400.saturating_sub(resident_20), views_400 - views_20);
    assert!(grown <= stored + SLACK_BYTES, "grown by {grown} bytes, of which {stored} are views");
}

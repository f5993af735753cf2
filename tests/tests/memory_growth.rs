//! A walk with the shipped model holds on to its stored views and to nothing else, to the byte.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use rhea_engine::Imagination;
use rhea_session::replay::FileStorage;
use rhea_session::{Command, ExploreSession, Options, Setup, Start, StepControl};

/// What a step may keep besides its view: notes of the memory's own lists, which grow by doubling.
const SPARE_BYTES_A_STEP: i64 = 512;
/// Until recall has used as many views as it ever does: the buffers of the warp are kept.
const WARM_STEPS: usize = 64;
const STEPS: usize = 22;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn a_walk_keeps_its_views_and_nothing_else() {
    // The counter follows one thread, so all work is done on one.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::create(&folder.path().join("walk.mcap")).unwrap();
        let mut model = Imagination::open(&repository("model/nano")).unwrap();
        let start = Start::scene_file(&repository("scenes/worlds/room.ron")).unwrap();
        let setup = Setup::new(Options::default(), Some(Box::new(storage)));
        let control = StepControl::default();
        let (mut session, _) = ExploreSession::start(&start, setup, &mut model, &control, &mut |_| ()).unwrap();
        let mut walk = |steps: usize| {
            let before = session.memory().bytes();
            for step in 0..steps {
                let command = if step % 2 == 0 { "turn right 15 degrees" } else { "go forward 0.1 m" };
                let report =
                    session.step(Command::Text(command.to_owned()), &mut model, &control, &mut |_| ()).unwrap();
                assert!(report.recorded);
            }
            (session.memory().bytes() - before) as i64
        };
        walk(WARM_STEPS);
        let mut stored = 0;
        let live = allocation_counter::measure(|| stored = walk(STEPS)).bytes_current;
        println!("{STEPS} steps: {live} bytes more are held, {stored} of them stored views");
        assert!(stored > 0, "the walk drew no view");
        assert!((live - stored).abs() <= SPARE_BYTES_A_STEP * STEPS as i64, "{live} bytes held, {stored} stored");
    });
}

//! Plans as recordings: what was judged and how it moved is read back, and a branch begins as its plan did.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{Disk, repository};
use rhea_physics::film::{FilmStep, Filming, Still};
use rhea_physics::script::PlanScript;
use rhea_physics::world::World;
use rhea_physics::world::stage::RobotShelf;
use rhea_session::FixedClock;
use rhea_session::plans::{PlanError, PlanRecorder, PlanStart, RecordedPlan, as_they_were};
use rhea_session::replay::{EndNote, RecordKind, Replay, ReplayError, ReplayReader};
use rhea_session::review::{Mark, Tape, first_difference};

fn clock() -> Box<FixedClock> {
    Box::new(FixedClock { next_secs: 1.0, tick_secs: 1.0 })
}

/// Records a shipped script; gives back its film too.
fn recorded(name: &str) -> (Vec<u8>, Vec<FilmStep>) {
    let path = repository("scenes/tasks").join(name);
    let script = PlanScript::load(&path).unwrap();
    let robots = repository("scenes/robots");
    let (mut world, goals) = script.world(&path, &robots, &mut RobotShelf::default()).unwrap();
    let disk = Disk::default();
    let start = PlanStart {
        world: &world,
        robots: Path::new("/nowhere"),
        goals: script.wanted(&goals),
        words: "some words",
        planner: "sentences",
        model_hash: None,
        seed: 1,
    };
    let mut recorder = PlanRecorder::new(Box::new(disk.clone()), clock(), &start).unwrap();
    let mut film = Vec::new();
    let mut sink = |step: FilmStep| {
        recorder.step(&step).unwrap();
        film.push(step);
    };
    script.run_in(&mut world, &goals, script.own(), Some(&mut Filming::new(&mut sink))).unwrap();
    recorder.end("over", &EndNote { good: true, ..EndNote::default() }).unwrap();
    (disk.bytes(), film)
}

fn read(bytes: &[u8]) -> Replay {
    common::read(bytes).unwrap()
}

fn plan(bytes: &[u8]) -> RecordedPlan {
    RecordedPlan::new(read(bytes), &repository("scenes/robots")).unwrap()
}

/// Numbers in JSON are read back to rounding.
fn alike(one: &[Still], other: &[Still]) -> bool {
    let numbers = |still: &Still| -> Vec<f64> {
        let things = still
            .things
            .iter()
            .flat_map(|pose| [pose.p.0, pose.p.1, pose.p.2, pose.r.w, pose.r.v.0, pose.r.v.1, pose.r.v.2]);
        still.q.iter().flatten().chain(&still.opening_m).chain(&still.tray_m).copied().chain(things).collect()
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| {
            let (a, b) = (numbers(a), numbers(b));
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12)
        })
}

#[test]
fn a_plan_is_read_back_and_its_worlds_to_the_bit() {
    let (bytes, film) = recorded("fault_off_edge.ron");
    let plan = plan(&bytes);
    assert_eq!(
        (plan.records(), plan.end().map(|(says, end)| (says, end.good))),
        (vec![1, 2], Some(("over".into(), true)))
    );
    let again = plan.film(0).unwrap();
    assert_eq!(again.len(), film.len());
    for (read, made) in again.iter().zip(&film) {
        assert_eq!(
            (read.executed, &read.report.says, &read.report.skill),
            (made.executed, &made.report.says, &made.report.skill)
        );
        assert_eq!(read.report.checks.len(), made.report.checks.len());
        for (one, other) in read.report.checks.iter().zip(&made.report.checks) {
            assert_eq!((one.code, one.verdict, &one.culprit), (other.code, other.verdict, &other.culprit));
            assert!((one.value - other.value).abs() < 1e-12 && (one.margin - other.margin).abs() < 1e-12);
        }
        assert!(alike(&read.stills, &made.stills));
        assert_eq!(read.before, made.before, "the world is kept to the bit");
        assert_eq!(read.truth.rgb, made.truth.rgb);
    }
    // The recorded world goes on as the one that it was taken from.
    let mut world = World::restore(plan.stage.clone(), &again[1].before).unwrap();
    let mut other = World::restore(plan.stage.clone(), &film[1].before).unwrap();
    world.run(0.5);
    other.run(0.5);
    assert_eq!(world.hash(), other.hash());
    // The same tools as for walks: marks, search, differences.
    let mut tape = Tape::new(&plan.replay.steps);
    assert_eq!((tape.mark(1), tape.mark(2)), (None, Some(Mark::Failed)));
    assert!(tape.seek_grave(true) && tape.at() == 2 && tape.search("support") == [2]);
    assert_eq!(first_difference(&plan.replay, &read(&bytes)), None);
    assert_eq!(plan.replay.steps[2].kind, RecordKind::Failed);
}

#[test]
fn a_recording_that_is_still_made_or_breaks_off_has_its_whole_steps() {
    let (bytes, film) = recorded("fault_off_edge.ron");
    let mut seen = 0;
    for cut in (0..bytes.len()).step_by(bytes.len() / 40) {
        let Ok(replay) = common::read(&bytes[..cut]) else { continue };
        let Ok(plan) = RecordedPlan::new(replay, &repository("scenes/robots")) else { continue };
        let steps = plan.film(0).unwrap();
        assert!(steps.len() >= seen && steps.len() <= film.len());
        assert!(steps.iter().zip(&film).all(|(read, made)| alike(&read.stills, &made.stills)));
        seen = steps.len();
    }
    assert!(seen >= 1);
}

#[test]
fn a_branch_begins_as_its_plan_did_and_says_so() {
    let (bytes, film) = recorded("put_on_shelf.ron");
    let of = plan(&bytes);
    let disk = Disk::default();
    let mut recorder = PlanRecorder::branch(Box::new(disk.clone()), clock(), &of, 1).unwrap();
    recorder.end("cut here", &EndNote::default()).unwrap();
    let branch = plan(&disk.bytes());
    assert_eq!(branch.film(0).unwrap().len(), 1);
    assert!(alike(&branch.film(0).unwrap()[0].stills, &film[0].stills));
    assert_eq!(branch.replay.header.plan.as_ref().unwrap().branch_of, Some(("test.mcap".to_owned(), 1)));
    assert!(as_they_were(&film).iter().all(|was| was.executed), "nothing was taken back");
    // A world that is judged in again was gone back to: what was done in between was taken back.
    let mut back = film.clone();
    back.push(film[0].clone());
    assert_eq!(
        as_they_were(&back).iter().map(|was| was.executed).collect::<Vec<_>>(),
        [vec![false; film.len()], vec![true]].concat()
    );
}

#[test]
fn walks_are_no_plans_and_plans_are_no_walks() {
    let walk = ReplayReader::open(&repository("replays/room-v2.mcap")).unwrap();
    let refused = RecordedPlan::new(walk, Path::new(".")).err().unwrap();
    assert!(matches!(refused, PlanError::Walk(_)), "{refused}");
    let (bytes, _) = recorded("fault_off_edge.ron");
    let refused = rhea_session::replay::remembered(&read(&bytes)).err().unwrap();
    assert!(matches!(refused, ReplayError::Missing { .. }) && refused.to_string().contains("robot plan"), "{refused}");
    let lost = RecordedPlan::new(read(&bytes), Path::new("/nowhere/at/all")).err().unwrap().to_string();
    assert!(lost.contains("/nowhere/at/all"), "{lost}");
}

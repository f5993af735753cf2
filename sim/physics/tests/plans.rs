//! Whole tasks, planted faults and scripts.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_physics::checks::STAGES;
use rhea_physics::eval::{EVALUATION_SEEDS, run_task};
use rhea_physics::faults::{Kind, KindFigures, Wrong, table};
use rhea_physics::run::PlantedFault;
use rhea_physics::script::{Expect, PlanScript};
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::stage::{Contacts, RobotShelf};

#[test]
fn the_search_planner_solves_tasks_of_every_family_and_refuses_what_cannot_be_done() {
    let mut shelf = RobotShelf::default();
    for (family, _) in Family::ALL {
        for seed in EVALUATION_SEEDS..=EVALUATION_SEEDS {
            let result = run_task(family, seed, &common::robots(), &mut shelf).unwrap();
            assert!(result.right, "{result:?}");
        }
    }
}

#[test]
fn one_seed_gives_one_task_and_another_seed_another() {
    for (family, _) in Family::ALL {
        assert_eq!(task(family, 9), task(family, 9));
        assert_ne!(task(family, 9).scene, task(family, 10).scene);
        task(family, 9).scene.check().unwrap();
    }
}

#[test]
fn planted_faults_are_found_with_the_right_code_and_clean_twins_pass() {
    let rows = table(0..1, (0..STAGES.len(), Contacts::Tuned), &common::robots()).unwrap();
    // Fewer checks find less, and none finds nothing.
    let found = |stages| table(0..1, (stages, Contacts::Tuned), &common::robots()).unwrap();
    let sum = |rows: &[(Kind, KindFigures)]| rows.iter().map(|(_, f)| f.found).sum::<usize>();
    assert_eq!(sum(&found(0..0)), 0);
    assert!((1..sum(&rows)).contains(&sum(&found(1..2))));
    assert_eq!(rows.len(), Kind::ALL.len());
    for (kind, figures) in rows {
        assert_eq!((figures.found, figures.right_code), (figures.planted, figures.planted), "{kind:?} {figures:?}");
        assert_eq!(
            (figures.below_passed, figures.clean_passed),
            (figures.below, figures.clean),
            "{kind:?} {figures:?}"
        );
    }
}

#[test]
fn the_scripts_of_the_repository_keep_what_they_promise() {
    let mut shelf = RobotShelf::default();
    let mut scripts = 0;
    for entry in std::fs::read_dir(common::scenes().join("tasks")).unwrap() {
        let path = entry.unwrap().path();
        // What has no `expect` is a scene.
        if !std::fs::read_to_string(&path).unwrap().contains("expect:") {
            rhea_physics::scene::load_scene(&path).unwrap();
            continue;
        }
        let report = PlanScript::load(&path).unwrap().run(&path, &common::robots(), &mut shelf).unwrap();
        let says: Vec<_> = report.steps.iter().map(|s| &s.says).collect();
        assert!(report.failed.is_empty(), "{}: {:?} {says:?}", path.display(), report.failed);
        scripts += 1;
    }
    assert!(scripts >= 12, "{scripts}");
}

#[test]
fn an_expectation_that_does_not_come_true_is_reported() {
    let path = common::scenes().join("tasks/too_far.ron");
    let mut script = PlanScript::load(&path).unwrap();
    script.expect = vec![Expect::Reached];
    let report = script.run(&path, &common::robots(), &mut RobotShelf::default()).unwrap();
    assert!(report.failed.len() == 1 && report.failed[0].contains("REACH"), "{:?}", report.failed);
}

#[test]
fn a_fault_that_fits_no_step_and_an_unknown_thing_are_said() {
    let path = common::scenes().join("tasks/fault_off_edge.ron");
    let script = PlanScript::load(&path).unwrap();
    let run = |wrong: Wrong| {
        let faults = vec![PlantedFault { step: 1, wrong }];
        let script = PlanScript { faults, ..script.clone() };
        script.run(&path, &common::robots(), &mut RobotShelf::default()).unwrap_err().to_string()
    };
    let nothing = run(Wrong::PutsBeside { by_m: [0.1, 0.0] });
    assert!(nothing.contains("PutsBeside") && nothing.contains("puts nothing down"), "{nothing}");
    let nobody = run(Wrong::Vanishes { thing: "crown".to_owned() });
    assert!(nobody.contains("no thing `crown`") && nobody.contains("red_block"), "{nobody}");
}

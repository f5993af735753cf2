//! `--device` and `--parallel` of walks, plans and evaluations: the plan is printed, files are those of one rank, and what cannot be
//! is refused with what can.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use rhea_child::{ChildEngine, Launch, Patience};
use rhea_engine::{Cancel, Imagine as _, ModelFolder, OpenOptions, Speak as _};

/// Steps of the walk that is compared.
const STEPS: &str = "3";
/// What a walk leaves and a clock does not get into.
const FILES: [&str; 4] = ["sheet.png", "narration.txt", "map.png", "walk.world"];

/// The program in f32, where sums in another order move no token; without settings of whoever runs the test.
fn rhea(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhea"));
    command.args(arguments).env("XDG_CONFIG_HOME", home).env("RHEA_WEIGHTS", "f32").env("RHEA_KERNELS", "f32");
    for name in ["RHEA_DEVICE", "RHEA_PARALLEL", "RHEA_ENGINE", "RHEA_MODEL"] {
        command.env_remove(name);
    }
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_walk_leaves_the_same_files_however_its_model_is_spread() {
    let home = tempfile::tempdir().unwrap();
    let walk = |out: &Path, more: &[&str]| {
        let walk = ["explore", "--headless", "--free", STEPS, "--out", out.to_str().unwrap()];
        let output = rhea(home.path(), &[&walk[..], more].concat()).output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        (said, FILES.map(|file| std::fs::read(out.join(file)).unwrap()))
    };
    let (said, want) = walk(&home.path().join("alone"), &[]);
    assert!(!said.contains("Plan:"), "nobody asked for a plan: {said}");
    for (number, plan) in ["tp=2", "cfg=2", "layers=2", "context=2", "tp=2,cfg=2"].iter().enumerate() {
        let mut more = vec!["--parallel", *plan];
        // One of them in a process of its own, which is told of devices and plan.
        more.extend_from_slice(if number == 1 { &["--device", "cpu", "--engine", "process"] } else { &[] });
        let (said, files) = walk(&home.path().join(number.to_string()), &more);
        let (printed, opened) = (said.find("Plan: ").unwrap(), said.find(" opened in ").unwrap());
        assert!(printed < opened && said.contains("rank 1 on cpu: weights"), "{said}");
        assert_eq!(said.contains("in a process of its own"), number == 1, "{said}");
        for (name, (file, want)) in FILES.iter().zip(files.iter().zip(&want)) {
            assert!(file == want, "{name} of a walk with {plan} differs");
        }
    }
}

#[test]
fn a_walk_on_a_device_leaves_the_same_files() {
    let home = tempfile::tempdir().unwrap();
    let walk = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        let walk = ["explore", "--headless", "--free", STEPS, "--out", out.to_str().unwrap()];
        let output = rhea(home.path(), &[&walk[..], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        (said(&output), FILES.map(|file| std::fs::read(out.join(file)).unwrap()))
    };
    let (_, want) = walk("kernels", &[]);
    for (name, plan) in [("device", "tp=1"), ("readers", "context=2")] {
        let (said, files) = walk(name, &["--device", "candle", "--parallel", plan]);
        assert!(said.contains("rank 0 on candle: weights"), "{said}");
        for (file, (got, want)) in FILES.iter().zip(files.iter().zip(&want)) {
            assert!(got == want, "{file} of a walk with {plan} differs");
        }
    }
}

#[test]
fn every_job_with_a_model_refuses_what_is_not_there_and_says_what_is() {
    let home = tempfile::tempdir().unwrap();
    let task = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/tasks/stack.ron");
    let task = task.to_str().unwrap();
    let jobs: [&[&str]; 6] = [
        &["explore", "--headless"],
        &["plan", task, "--planner", "model"],
        &["eval", "walks"],
        &["eval", "words"],
        &["eval", "plans", "--planners", "model"],
        &["bench", "explore"],
    ];
    for job in jobs {
        for (more, says) in [
            (["--device", "cuda:0"], "there is no cuda:0 here; there are: cpu"),
            (["--parallel", "tp=3"], "4 heads over 2 key heads can be cut into [1, 2, 4]"),
            (["--parallel", "cfg=3"], "allowed are 1 to 2"),
        ] {
            let output = rhea(home.path(), &[job, &more].concat()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{job:?} {more:?}");
            let said = said(&output);
            assert!(said.contains(says) && said.contains("hint: Choose another"), "{job:?} {more:?}: {said}");
        }
        let output = rhea(home.path(), &[job, &["--parallel", "tp=2,layers"]].concat()).output().unwrap();
        assert!(output.status.code() == Some(2) && said(&output).contains("allowed are auto, tp=N"), "{job:?}");
    }
}

#[test]
fn settings_of_devices_and_plans_say_where_they_come_from() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("rhea");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("config.ron");
    let show = |variable: Option<&str>, more: &[&str]| {
        let mut command = rhea(home.path(), &[&["config", "show", "--origin"], more].concat());
        if let Some(value) = variable {
            command.env("RHEA_PARALLEL", value);
        }
        let output = command.output().unwrap();
        (output.status.success(), said(&output))
    };
    let line = |said: &str, name: &str| {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let (_, plain) = show(None, &[]);
    assert_eq!([line(&plain, "device"), line(&plain, "parallel")], ["auto [default]", "auto [default]"]);
    std::fs::write(&file, "(device: \"cpu\", parallel: \"layers=2\")").unwrap();
    let place = format!("[file {}]", file.display());
    let (_, filed) = show(None, &[]);
    assert_eq!(line(&filed, "device"), format!("cpu {place}"));
    assert_eq!(line(&filed, "parallel"), format!("layers=2 {place}"));
    let (_, told) = show(Some("tp=2,cfg=2"), &[]);
    assert_eq!(line(&told, "parallel"), "tp=2,cfg=2 [environment RHEA_PARALLEL]");
    let (_, flagged) = show(Some("tp=2,cfg=2"), &["--parallel", "context=2"]);
    assert_eq!(line(&flagged, "parallel"), "tp=1,context=2 [flag --parallel]");
    // What is printed for programs has no plan in it.
    let output = rhea(home.path(), &["doctor", "--json", "--parallel", "tp=2"]).output().unwrap();
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(findings["possible"], true);
    let (good, wrong) = show(Some("tp=none"), &[]);
    assert!(!good && wrong.contains("RHEA_PARALLEL: ") && wrong.contains("allowed are auto"), "{wrong}");
    std::fs::write(&file, "(device: \"gpu\")").unwrap();
    let (good, wrong) = show(None, &[]);
    assert!(!good && wrong.contains("config.ron: device: ") && wrong.contains("allowed are auto, cpu"), "{wrong}");
}

#[test]
fn a_device_that_is_gone_is_done_without_and_that_is_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/nano");
    let arguments = |more: &[&str]| {
        let all = ["engine-child", "--model", folder.to_str().unwrap()].into_iter().chain(more.iter().copied());
        all.map(Into::into).collect()
    };
    let program = Path::new(env!("CARGO_BIN_EXE_rhea"));
    let open =
        |launch: Launch| ChildEngine::open(launch, ModelFolder::open_text(&folder, &OpenOptions::default()).unwrap());
    let (first, environment) = (arguments(&["--device", "cuda:4096"]), Vec::new());
    let mut launch = Launch {
        program: program.to_path_buf(),
        arguments: first,
        again: None,
        environment,
        patience: Patience::default(),
    };
    // No machine has this many devices: it is refused where it is the user's wish, and done without where a process was lost.
    let refused = open(launch.clone()).err().unwrap().to_string();
    assert!(refused.contains("there is no cuda:4096 here"), "{refused}");
    launch.arguments = arguments(&["--device", "candle"]);
    launch.again = Some(arguments(&["--device", "cuda:4096", "--what-is-left"]));
    let mut engine = open(launch).unwrap();
    assert_eq!(engine.mended(), Vec::<String>::new());
    let first = engine.choose(&[1], &[vec![2], vec![3]], &Cancel::default()).unwrap();
    let kill = format!("kill -KILL {}", engine.process_id().unwrap());
    Command::new("sh").args(["-c", &kill]).status().unwrap();
    while engine.choose(&[1], &[vec![2]], &Cancel::default()).is_err() {}
    let told = engine.mended().join("; ");
    assert!(told.contains("The model now runs on the processor: devices: there is no cuda:4096 here"), "{told}");
    let second = engine.choose(&[1], &[vec![2], vec![3]], &Cancel::default()).unwrap();
    assert_eq!(first.index, second.index);
}

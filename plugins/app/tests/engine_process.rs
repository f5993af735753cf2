//! The model in a process of its own, lost in every way there is: a walk goes on as if nothing had happened.
//!
//! The process is the program itself. The long measure is
//! `cargo test --release -p rhea-app --test engine_process -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod harm;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harm::{Harm, Harmed};
use rhea_child::{ChildEngine, Launch, Patience};
use rhea_engine::{
    Cancel, Decoding, EngineError, Filter, Imagination, Imagine, ModelFolder, OpenOptions, ViewRequest, ViewTask,
};
use rhea_physics::eval::{EVALUATION_SEEDS, world_of};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::plan::{Climb, Rules, scene_text, task_text};
use rhea_physics::run::Run;
use rhea_physics::tasks::{Family, task};
use rhea_physics::world::stage::RobotShelf;
use rhea_session::{
    Command as Move, ExploreSession, ModelPlanner, Options, Script, SessionError, SessionEvent, Setup, Start,
    StepControl,
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn nano() -> PathBuf {
    repository("model/nano")
}

fn launch(program: &Path, arguments: &[&str], silence: Duration) -> Launch {
    let arguments = arguments.iter().map(Into::into).collect();
    let patience = Patience { silence, ..Patience::default() };
    Launch { program: program.to_path_buf(), arguments, again: None, environment: Vec::new(), patience }
}

/// The program, serving the shipped model.
fn child(silence: Duration) -> ChildEngine {
    let folder = nano();
    let arguments = ["engine-child", "--model", folder.to_str().unwrap()];
    open(launch(Path::new(env!("CARGO_BIN_EXE_rhea")), &arguments, silence)).unwrap()
}

fn open(launch: Launch) -> Result<ChildEngine, EngineError> {
    ChildEngine::open(launch, ModelFolder::open_text(&nano(), &OpenOptions::default()).unwrap())
}

/// What was walked: codes and pixels of each view, and its words where they were not cut.
#[derive(Debug, Default, PartialEq)]
struct Walked {
    views: Vec<(Vec<u32>, Vec<u8>)>,
    words: Vec<Option<String>>,
}

/// What was told of what went wrong.
#[derive(Debug, Default)]
struct Reported {
    failed: Vec<String>,
    broken_off: Vec<String>,
    mended: Vec<String>,
}

/// Walks; a step that fails is walked again.
fn walk(steps: &[Move], model: &mut dyn Imagine) -> (Walked, Reported) {
    let (mut walked, mut reported) = (Walked::default(), Reported::default());
    let start = Start::scene_file(&repository("scenes/worlds/room.ron")).unwrap();
    let setup = Setup::new(Options::default(), None);
    let control = StepControl::default();
    let (mut session, _) = ExploreSession::start(&start, setup, model, &control, &mut |_| ()).unwrap();
    for step in steps {
        let report = loop {
            let before = session.memory().len();
            let done = session.step(step.clone(), model, &StepControl::default(), &mut |event| match event {
                SessionEvent::Warning(text) if text.contains("broke off") => reported.broken_off.push(text),
                SessionEvent::Warning(text) if text.contains("process") => reported.mended.push(text),
                _ => {}
            });
            match done {
                Ok(report) => break report,
                Err(SessionError::Engine(error)) => reported.failed.push(error.to_string()),
                Err(error) => panic!("{error}"),
            }
            assert_eq!(session.memory().len(), before, "a failed step changes nothing");
        };
        let view = session.memory().latest().unwrap();
        walked.views.push((view.codes.clone(), view.rgbd.rgb.clone()));
        walked.words.push(report.narration.filter(|words| !words.cut).map(|words| words.text));
    }
    (walked, reported)
}

/// Walks inside and in a process that is harmed, and compares.
fn compare(steps: &[Move], harms: Vec<(u64, Harm, Duration)>, silence: Duration) -> (Harmed, Reported) {
    let (inside, calm) = walk(steps, &mut Imagination::open(&nano()).unwrap());
    assert!(calm.failed.is_empty() && calm.broken_off.is_empty());
    let mut harmed = Harmed::new(child(silence), harms.into());
    let (outside, reported) = walk(steps, &mut harmed);
    assert_eq!(outside.views.len(), steps.len());
    for (step, (out, inside)) in outside.views.iter().zip(&inside.views).enumerate() {
        assert!(out == inside, "the view of step {step} is another");
    }
    let mut cut = 0;
    // What memory reminds of rests on what was said before, so words that were cut may change it later.
    let own = |words: &str| words.split("Remember: ").next().map(|own| own.trim_end().to_owned());
    for (step, (out, inside)) in outside.words.iter().zip(&inside.words).enumerate() {
        match out {
            Some(words) => assert_eq!(own(words), inside.as_deref().and_then(own), "step {step}"),
            None => cut += 1,
        }
    }
    assert_eq!(cut, reported.broken_off.len(), "no words are lost without being told of: {reported:?}");
    (harmed, reported)
}

fn moves(count: usize) -> Vec<Move> {
    let all = ["turn right 20 degrees", "go forward 0.3 m", "turn left 35 degrees", "go forward 0.2 m"];
    (0..count).map(|step| Move::Text(all[step % all.len()].to_owned())).collect()
}

#[test]
fn a_walk_whose_process_is_lost_in_three_ways_is_the_same_walk() {
    let harms = [(3, Harm::Hang), (8, Harm::Kill), (9, Harm::OutOfMemory)];
    let harms = harms.map(|(at, harm)| (at, harm, Duration::from_millis(5))).to_vec();
    let (harmed, reported) = compare(&moves(8), harms, Duration::from_millis(1500));
    assert_eq!(harmed.struck, [Harm::Hang, Harm::Kill, Harm::OutOfMemory]);
    let all = [&reported.failed[..], &reported.broken_off, &reported.mended, &harmed.elsewhere].concat();
    assert_eq!(all.len(), 3, "every loss is told of, once: {reported:?}");
    for kind in KINDS {
        assert!(all.iter().any(|told| told_of(told) == kind), "{kind}: {all:?}");
    }
    assert_eq!(harmed.engine.restarts().len(), 3);
}

/// How losses are told.
const KINDS: [&str; 3] = ["killed", "silent", "no memory"];

/// Without memory a process ends by its allocator (signal 6), or by whatever asked for memory that it was refused.
fn told_of(told: &str) -> &'static str {
    if told.contains("signal 9") {
        return KINDS[0];
    }
    if told.contains("has said nothing") {
        return KINDS[1];
    }
    // Without memory a process ends in the first place that asks for some: with an error, a panic, or the thread that reads requests.
    let refused =
        ["memory could not be had", "internal error", "ended with code"].iter().any(|part| told.contains(part));
    if refused { KINDS[2] } else { "otherwise" }
}

/// Losses of the long measure.
const LONG: [(Harm, usize); 3] = [(Harm::Kill, 50), (Harm::Hang, 10), (Harm::OutOfMemory, 10)];

#[test]
#[ignore = "minutes: the measure of a walk of 400 steps"]
fn four_hundred_steps_with_seventy_losses_are_the_same_walk() {
    let script = Script::load(&repository("scenes/walks/long400.ron"), &repository("")).unwrap();
    assert_eq!(script.steps.len(), 400);
    let mut kinds: VecDeque<Harm> = VecDeque::new();
    for index in 0..50 {
        kinds.push_back(Harm::Kill);
        if index % 5 == 0 {
            kinds.extend([Harm::OutOfMemory, Harm::Hang]);
        }
    }
    // Moments all over a request, by a generator that is as good as any.
    let mut state = 7_u64;
    let mut at = 4;
    let harms = kinds.into_iter().map(|harm| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Memory is refused to a process that was just started: at the request that tries again what was lost.
        at += if harm == Harm::OutOfMemory { 1 } else { 12 };
        (at, harm, Duration::from_micros((state >> 40) % 60_000))
    });
    let began = Instant::now();
    let (harmed, reported) = compare(&script.steps, harms.collect(), Duration::from_secs(2));
    for (harm, count) in LONG {
        assert_eq!(harmed.struck.iter().filter(|struck| **struck == harm).count(), count);
    }
    let told = reported.failed.len() + reported.broken_off.len() + reported.mended.len() + harmed.elsewhere.len();
    let mut secs: Vec<f64> = harmed.engine.restarts().iter().map(|restart| restart.secs).collect();
    secs.sort_unstable_by(f64::total_cmp);
    println!(
        "400 steps, {} losses: 50 x kill -9, 10 x SIGSTOP, 10 x no memory; 400 views and all whole words as inside, but for reminders",
        harmed.struck.len()
    );
    println!(
        "told of {told}: {} failed steps that were walked again, {} narrations broken off, {} lost between two requests",
        reported.failed.len(),
        reported.broken_off.len(),
        reported.mended.len() + harmed.elsewhere.len()
    );
    println!(
        "{} restarts: median {:.3} s, least {:.3} s, most {:.3} s; everything {:.0} s",
        secs.len(),
        secs[secs.len() / 2],
        secs[0],
        secs[secs.len() - 1],
        began.elapsed().as_secs_f64()
    );
    let mut kinds: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    let all = [&reported.failed[..], &reported.broken_off, &reported.mended, &harmed.elsewhere].concat();
    for told in &all {
        *kinds.entry(told_of(told)).or_default() += 1;
    }
    println!("as they were told: {kinds:?}");
    let refused: Vec<&String> =
        all.iter().filter(|told| told_of(told) == KINDS[2] && told.contains("it said")).collect();
    println!("of the 10 without memory, {} ended when memory was refused, the others by SIGABRT", refused.len());
    println!("such as: {}", refused.first().map_or("", |told| told.as_str()));
    assert_eq!(KINDS.map(|kind| kinds.get(kind).copied().unwrap_or(0)), [50, 10, 10], "{all:?}");
    assert_eq!(told, harmed.struck.len(), "{reported:?}");
    assert_eq!(secs.len(), harmed.struck.len());
}

fn request(passes: u32) -> ViewRequest {
    ViewRequest {
        task: ViewTask::TextToImage,
        world: String::new(),
        prompt: "a room with teal walls".to_owned(),
        memory: None,
        decoding: Decoding::Parallel { passes },
        picture: Filter { temperature: 0.7, top_k: 0, top_p: 0.9 },
        guidance: None,
        shown: None,
        seed: 3,
    }
}

#[test]
fn a_wish_to_cancel_reaches_the_process() {
    let mut engine = child(Duration::from_secs(10));
    let process = engine.process_id();
    let calm = Cancel::default();
    let long = Instant::now();
    engine.imagine(&request(64), &calm).unwrap();
    let long = long.elapsed();
    let cancel = Cancel::default();
    let flag = cancel.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(long / 4);
        flag.cancel();
        Instant::now()
    });
    let outcome = engine.imagine(&request(64), &cancel);
    let took = canceller.join().unwrap().elapsed();
    assert!(matches!(outcome, Err(EngineError::Cancelled)), "{outcome:?}");
    println!("a view of {long:?}; from the wish to the end of the request {took:?}");
    assert!(took < long / 2, "{took:?} of {long:?}");
    // The same process goes on, and draws what a model that was never interrupted draws.
    let after = engine.imagine(&request(3), &calm).unwrap();
    let inside = Imagination::open(&nano()).unwrap().imagine(&request(3), &calm).unwrap();
    assert_eq!((after.codes, after.view), (inside.codes, inside.view));
    assert_eq!((engine.process_id(), engine.restarts().len()), (process, 0));
}

#[test]
fn a_planner_in_a_process_plans_as_inside() {
    let task = task(Family::F2, EVALUATION_SEEDS);
    let plan = |mut planner: ModelPlanner| {
        let mut world = world_of(&task, &repository("scenes/robots"), &mut RobotShelf::default()).unwrap();
        let words = format!("{} {}", task_text(&task.goals, 0), scene_text(&world));
        let run = Run::new(&mut world, &task.goals, ProposeOptions::default());
        let rules = Rules { key_frames: true, ..Rules::FULL };
        let (outcome, _) = Climb::new(run, &mut planner, words, rules, &|| 0.0).run().unwrap();
        (outcome.steps, outcome.hashes)
    };
    let inside = plan(ModelPlanner::new(Imagination::open(&nano()).unwrap(), 1));
    assert!(!inside.1.is_empty());
    assert!(plan(ModelPlanner::new(child(Duration::from_secs(10)), 1)) == inside, "another plan");
}

#[test]
fn what_is_no_engine_or_another_or_talks_too_much_is_told_apart() {
    let says = |text: &str| {
        let script = format!("printf '{text}'; exec sleep 5");
        let Err(error) = open(launch(Path::new("/bin/sh"), &["-c", &script], Duration::from_secs(1))) else {
            panic!("opened {text}")
        };
        error.to_string()
    };
    assert!(says("HTTP/1.1 404 Not Found").contains("no engine of Rhea"));
    let other = says(r"RHEA-ENG\007\000\000\000");
    assert!(other.contains("version 7") && other.contains("version 3"), "{other}");
    let large = says(r"RHEA-ENG\003\000\000\000\377\377\377\377\000\000\000\000");
    assert!(large.contains("4294967295 bytes") && large.contains("up to 67108864"), "{large}");
    let silent = says("");
    assert!(silent.contains("said nothing"), "{silent}");
    let Err(gone) = open(launch(Path::new("/bin/sh"), &["-c", "echo no luck >&2; exit 3"], Duration::from_secs(1)))
    else {
        panic!("opened a process that was gone")
    };
    assert!(gone.to_string().contains("code 3") && gone.to_string().contains("no luck"), "{gone}");
    let Err(missing) = open(launch(Path::new("/no/such/program"), &[], Duration::from_secs(1))) else {
        panic!("opened nothing")
    };
    assert!(missing.to_string().contains("/no/such/program"), "{missing}");
    let arguments = ["engine-child", "--model", "/no/such/model"];
    let program = Path::new(env!("CARGO_BIN_EXE_rhea"));
    let Err(refused) = open(launch(program, &arguments, Duration::from_secs(10))) else { panic!("opened no model") };
    assert!(refused.to_string().contains("/no/such/model"), "{refused}");
}

#[test]
fn a_user_who_starts_the_other_end_by_hand_is_told_so() {
    let mut engine = Command::new(env!("CARGO_BIN_EXE_rhea"))
        .args(["engine-child", "--model", nano().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    engine.stdin.take().unwrap().write_all(b"is anybody there?\n").unwrap();
    let mut said = String::new();
    engine.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("hint:") && said.contains("not by hand"), "{said}");
    assert!(!engine.wait().unwrap().success());
}

/// Children of a process, as the system lists them.
fn children_of(process: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    listed.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Is there such a process, and does it still run?
fn runs(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

#[test]
fn the_process_ends_with_the_program_that_started_it() {
    let out = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_rhea"))
        .args(["explore", "--headless", "--free", "400", "--engine", "process", "--out", out.path().to_str().unwrap()])
        .env_remove("RHEA_MODEL")
        .current_dir(repository(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let replay = out.path().join("walk.mcap");
    // In the middle of the walk: something is being drawn most of the time.
    while std::fs::metadata(&replay).map_or(0, |file| file.len()) < 200_000 {
        assert!(Instant::now() < patience && parent.try_wait().unwrap().is_none(), "no walk");
        std::thread::sleep(Duration::from_millis(20));
    }
    let children: Vec<u32> = (0..1000).flat_map(|_| children_of(parent.id())).take(1).collect();
    if children.is_empty() {
        eprintln!("skipped: this system does not list a process's children");
        parent.kill().unwrap();
        parent.wait().unwrap();
        return;
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    let killed = Instant::now();
    while children.iter().any(|child| runs(*child)) {
        assert!(killed.elapsed() < Duration::from_secs(5), "it goes on alone");
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("ended {:?} after its parent", killed.elapsed());
}

#[test]
fn a_headless_walk_leaves_the_same_files_either_way() {
    let out = tempfile::tempdir().unwrap();
    let walk = |engine: &str| {
        let folder = out.path().join(engine);
        let arguments = ["explore", "--headless", "--free", "4", "--engine", engine, "--out", folder.to_str().unwrap()];
        let mut rhea = Command::new(env!("CARGO_BIN_EXE_rhea"));
        let output = rhea.args(arguments).env_remove("RHEA_MODEL").current_dir(repository("")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ["sheet.png", "narration.txt", "map.png"].map(|file| std::fs::read(folder.join(file)).unwrap())
    };
    assert!(walk("inside") == walk("process"), "another walk");
}

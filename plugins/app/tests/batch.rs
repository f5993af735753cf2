//! Batches against a real nats-server: workers that are killed, a server that restarts, jobs that cannot be done.
//!
//! `RHEA_TEST_BATCH=full` makes it 200 jobs, 4 workers, 20 kills, 2 restarts; by default it is less, for every day.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use common::{Server, done, good, job_list, nats_server, refused, repository, rhea, signal, wait_for};
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

/// How much is done.
struct Size {
    jobs: u64,
    workers: usize,
    kills: u64,
    restarts: u64,
}

fn size() -> Size {
    match std::env::var("RHEA_TEST_BATCH").as_deref() {
        Ok("full") => Size { jobs: 200, workers: 4, kills: 20, restarts: 2 },
        _ => Size { jobs: 14, workers: 2, kills: 3, restarts: 1 },
    }
}

/// A worker process with its lines in a file.
struct Worker {
    child: Child,
    lines: PathBuf,
}

impl Worker {
    fn start(home: &Path, server: &str, number: usize) -> Self {
        let lines = home.join(format!("worker-{number}.txt"));
        let (out, error) =
            (File::create(&lines).unwrap(), File::create(home.join(format!("worker-{number}.err"))).unwrap());
        let mut command = rhea(home, &["batch", "worker", "--name", "night", "--server", server, "--until-done"]);
        Self { child: command.stdout(out).stderr(error).spawn().unwrap(), lines }
    }

    /// Jobs that it began and did not finish.
    fn in_hand(&self) -> bool {
        let text = std::fs::read_to_string(&self.lines).unwrap();
        text.lines().last().is_some_and(|line| line.starts_with("begin "))
    }
}

fn status(home: &Path, server: &str, name: &str) -> Option<Value> {
    let command = rhea(home, &["batch", "status", "--name", name, "--json", "--server", server, "--timeout", "2"]);
    let (code, out, _) = done(command);
    (code == Some(0)).then(|| serde_json::from_str(&out).unwrap())
}

fn count(status: &Value, what: &str) -> u64 {
    status[what].as_u64().unwrap()
}

fn entries(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn killed_workers_and_a_restarted_server_lose_no_job_and_do_none_twice() {
    let Some(program) = nats_server() else { return };
    let Size { jobs, workers, kills, restarts } = size();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut server = Server::start(&program, &home.join("nats"), &[]);
    let url = server.url();
    // The last job loads and cannot be done: the thing that is to vanish is not there.
    let spoiled = "(scene: Generated(family: F1, seed: 1000000), \
        faults: [(step: 1, wrong: Vanishes(thing: \"nothing\"))], expect: [])";
    std::fs::write(home.join("spoiled.ron"), spoiled).unwrap();
    let list = job_list(home, jobs, "Plan(script: \"spoiled.ron\", planner: search),");
    let list = list.to_str().unwrap();
    let submit = ["batch", "submit", list, "--name", "night", "--lost-after", "2", "--server", &url];
    assert!(good(rhea(home, &submit)).contains(&format!("{} jobs queued, 0 waiting", jobs + 1)));
    assert!(good(rhea(home, &submit)).contains(&format!("0 jobs queued, {} waiting", jobs + 1)), "twice is once");

    let began = Instant::now();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(8);
    let mut all: Vec<Worker> = (0..workers).map(|number| Worker::start(home, &url, number)).collect();
    let mut started = workers;
    let (mut killed, mut restarted, mut busy) = (0, 0, 0);
    while killed < kills {
        // Spread over the whole run, at any moment of a job.
        let wanted = killed * jobs / (kills + 1);
        wait_for("results", Duration::from_secs(300), || {
            status(home, &url, "night").is_some_and(|now| count(&now, "done") >= wanted)
        });
        std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
        let victim = rng.random_range(0..workers);
        busy += u64::from(all[victim].in_hand());
        all[victim].child.kill().unwrap();
        all[victim].child.wait().unwrap();
        all[victim] = Worker::start(home, &url, started);
        started += 1;
        killed += 1;
        if restarted < restarts && killed * (restarts + 1) >= (restarted + 1) * kills {
            server.restart();
            restarted += 1;
        }
    }
    for worker in &mut all {
        let lines = worker.lines.clone();
        wait_for("workers end when nothing is left", Duration::from_secs(300), || {
            worker.child.try_wait().unwrap().is_some()
        });
        let said = std::fs::read_to_string(&lines).unwrap();
        assert!(worker.child.wait().unwrap().success() && said.contains("nothing left"), "{said}");
    }
    let secs = began.elapsed().as_secs_f64();

    let now = status(home, &url, "night").unwrap();
    let numbers = ["jobs", "done", "waiting", "handed_out"].map(|what| count(&now, what));
    assert_eq!(numbers, [jobs + 1, jobs, 0, 0], "{now}");
    let aside = now["aside"].as_array().unwrap();
    assert_eq!(aside.len(), 1, "{now}");
    let (name, reason) = (aside[0]["job"].as_str().unwrap(), aside[0]["reason"].as_str().unwrap());
    assert!(name.starts_with("plan-spoiled-") && reason.contains("error:"), "{name}: {reason}");
    assert_eq!(aside[0]["tries"], 3);

    let out = home.join("out");
    let collect =
        || rhea(home, &["batch", "collect", "--name", "night", "--server", &url, "--out", out.to_str().unwrap()]);
    let (code, said, error) = done(collect());
    assert_eq!(code, Some(1), "one job has no result: {said}{error}");
    assert!(said.contains(&format!("{jobs} results fetched, 0 were there")), "{said}");
    let summary: Value = serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    let results = summary["results"].as_array().unwrap();
    let ids: BTreeSet<&str> = results.iter().map(|row| row["job"].as_str().unwrap()).collect();
    assert_eq!((results.len() as u64, ids.len() as u64), (jobs, jobs), "none twice");
    assert_eq!(summary["missing"].as_array().unwrap().len(), 0, "none lost");
    let folders = entries(&out).into_iter().filter(|name| name.starts_with("plan-")).collect::<Vec<_>>();
    assert_eq!(folders.iter().map(String::as_str).collect::<BTreeSet<_>>(), ids);
    let (_, said, _) = done(collect());
    assert!(
        said.contains(&format!("0 results fetched, {jobs} were there")),
        "what is there is not fetched again: {said}"
    );

    // A result is what the program makes of the same script by itself.
    for seed in [1_000_000, 1_000_000 + jobs - 1] {
        let (script, report) = (home.join(format!("plan{seed}.ron")), home.join("alone.ron"));
        let words = ["plan", script.to_str().unwrap(), "--planner", "search", "--report", report.to_str().unwrap()];
        done(rhea(home, &words));
        let folder = folders.iter().find(|name| name.starts_with(&format!("plan-plan{seed}-"))).unwrap();
        let ours = std::fs::read_to_string(out.join(folder).join("report.ron")).unwrap();
        assert_eq!(ours, std::fs::read_to_string(&report).unwrap(), "{folder}");
    }
    let said: String =
        (0..started).map(|n| std::fs::read_to_string(home.join(format!("worker-{n}.txt"))).unwrap()).collect();
    let begun = said.lines().filter(|line| line.starts_with("begin ")).count();
    println!(
        "{jobs} results and 1 job set aside by {workers} workers in {secs:.1} s: {killed} workers killed, {busy} of them with a job in hand, \
         {restarted} server restarts, {begun} tries begun"
    );

    // What was set aside can be mended and put back; here it fails again.
    let again = ["batch", "submit", "--again", "--name", "night", "--server", &url];
    assert!(good(rhea(home, &again)).contains("1 jobs that were set aside are in the queue again"));
    assert_eq!(status(home, &url, "night").unwrap()["aside"].as_array().unwrap().len(), 0);
    good(rhea(home, &["batch", "worker", "--name", "night", "--until-done", "--server", &url]));
    assert_eq!(status(home, &url, "night").unwrap()["aside"].as_array().unwrap().len(), 1);
    // Children of killed workers ended and cleared up; what a worker left between two jobs, the last worker has removed.
    let empty = || entries(&home.join("tmp")).is_empty();
    wait_for("nothing is left in the temporary folder", Duration::from_secs(60), empty);
}

#[test]
fn a_worker_that_is_told_to_end_gives_its_job_back() {
    let Some(program) = nats_server() else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start(&program, &home.join("nats"), &[]);
    let url = server.url();
    let walk = repository().join("scenes/walks/long400.ron");
    // A minute without a sign would be too long to wait for: if the job comes back before, it was given back.
    let submit = [
        "batch",
        "submit",
        "--walk",
        walk.to_str().unwrap(),
        "--name",
        "night",
        "--lost-after",
        "60",
        "--server",
        &url,
    ];
    good(rhea(home, &submit));
    let mut worker = Worker::start(home, &url, 0);
    wait_for("the job begins", Duration::from_secs(20), || worker.in_hand());
    signal(worker.child.id(), "TERM");
    wait_for("it ends", Duration::from_secs(5), || worker.child.try_wait().unwrap().is_some());
    let said = std::fs::read_to_string(&worker.lines).unwrap();
    assert!(said.contains("given back walk-long400-") && said.contains("stopped: 0 results"), "{said}");
    wait_for("the walk's process ended too", Duration::from_secs(5), || entries(&home.join("tmp")).is_empty());
    let mut next = Worker::start(home, &url, 1);
    wait_for("another worker has it long before the minute is over", Duration::from_secs(10), || next.in_hand());
    next.child.kill().unwrap();
    next.child.wait().unwrap();
}

#[test]
fn a_worker_that_was_only_slow_leaves_the_result_of_another_as_it_is() {
    let Some(program) = nats_server() else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start(&program, &home.join("nats"), &[]);
    let url = server.url();
    let list = job_list(home, 1, "");
    let submit = ["batch", "submit", list.to_str().unwrap(), "--name", "night", "--lost-after", "1", "--server", &url];
    good(rhea(home, &submit));
    let mut slow = Worker::start(home, &url, 0);
    wait_for("the job begins", Duration::from_secs(20), || slow.in_hand());
    signal(slow.child.id(), "STOP");
    let other = good(rhea(home, &["batch", "worker", "--name", "night", "--until-done", "--server", &url]));
    assert!(other.contains("handed out for the 2. time") && other.contains("1 results"), "{other}");
    let collect = |out: &Path| {
        good(rhea(home, &["batch", "collect", "--name", "night", "--server", &url, "--out", out.to_str().unwrap()]));
        let folder = entries(out).into_iter().find(|name| name.starts_with("plan-")).unwrap();
        std::fs::read_to_string(out.join(folder).join("result.json")).unwrap()
    };
    let first = collect(&home.join("first"));
    signal(slow.child.id(), "CONT");
    wait_for("the slow one ends", Duration::from_secs(20), || slow.child.try_wait().unwrap().is_some());
    assert!(slow.child.wait().unwrap().success());
    assert_eq!(collect(&home.join("second")), first, "one result, the first one");
    assert_eq!(count(&status(home, &url, "night").unwrap(), "done"), 1);
}

#[test]
fn what_is_no_server_or_does_not_let_us_in_gets_one_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let status = |url: &str| rhea(home, &["batch", "status", "--name", "night", "--server", url, "--timeout", "2"]);
    let nobody = format!("nats://127.0.0.1:{}", common::free_port());
    assert!(refused(status(&nobody)).contains("no answer of a NATS server at nats://127.0.0.1:"));
    assert!(refused(status("http://127.0.0.1:80")).contains("allowed are nats://host:port"));
    assert!(refused(rhea(home, &["batch", "status", "--name", "night"])).contains("no server is named"));

    // Something that speaks, but something else.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("nats://{}", other.local_addr().unwrap());
    let speaks = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(500));
    });
    let said = refused(status(&at));
    assert!(said.contains("no answer of a NATS server"), "{said}");
    speaks.join().unwrap();

    let Some(program) = nats_server() else { return };
    let server = Server::start(&program, &home.join("nats"), &["--user", "me", "--pass", "secret"]);
    let url = server.url();
    assert!(refused(status(&url)).contains("does not let us in"));
    let key = home.join("key");
    let with_key = |text: &str| {
        std::fs::write(&key, text).unwrap();
        let words = ["batch", "status", "--name", "night", "--server", &url, "--credentials", key.to_str().unwrap()];
        refused(rhea(home, &words))
    };
    let said = with_key("me:wrong");
    assert!(said.contains("does not let us in") && !said.contains("wrong"), "{said}");
    assert!(with_key("me:secret").contains("there is no batch \"night\""));
    let mut by_environment = status(&url);
    by_environment.env("RHEA_NATS_USER", "me").env("RHEA_NATS_PASSWORD", "secret");
    assert!(refused(by_environment).contains("there is no batch \"night\""));

    // More than a message may have is refused before anything is sent.
    let long = home.join("long.ron");
    let words =
        format!("(scene: Generated(family: F1, seed: 1), say: [\"pick\"], expect: []) // {}", "x".repeat(600 << 10));
    std::fs::write(&long, words).unwrap();
    let said = refused(rhea(
        home,
        &["batch", "submit", "--plan", long.to_str().unwrap(), "--name", "night", "--server", &nobody],
    ));
    assert!(said.contains("bytes; allowed are at most 524288"), "{said}");
}

#[test]
fn shares_without_a_server_make_the_same_folder() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let list = job_list(
        home,
        3,
        "EvalPlans(families: [\"F1\"], seeds: (1000000, 1000001), per_job: 1), Frames(seeds: (7, 7), per_job: 4),",
    );
    let out = home.join("out");
    let share = |shard: &str| {
        rhea(home, &["batch", "run", list.to_str().unwrap(), "--out", out.to_str().unwrap(), "--shard", shard])
    };
    let collect = || rhea(home, &["batch", "collect", "--out", out.to_str().unwrap()]);
    good(share("1/2"));
    let (code, said, _) = done(collect());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("3 of 6 jobs done") && said.contains("3 not done yet"), "{said}");
    let second = good(share("2/2"));
    assert!(second.contains("3 results, 0 were there"), "{second}");
    assert!(good(collect()).contains("6 of 6 jobs done, 6 passed"));
    assert!(good(share("2/2")).contains("0 results, 3 were there"), "what is done is not done again");

    // Figures of shares are put together to what one process finds.
    let figures =
        entries(&out).into_iter().filter(|n| n.starts_with("eval-")).map(|n| out.join(n).join("figures.json"));
    let figures: Vec<String> = figures.map(|path| path.to_str().unwrap().to_owned()).collect();
    let mut words = vec!["eval", "plans", "--merge"];
    words.extend(figures.iter().map(String::as_str));
    let merged = good(rhea(home, &words));
    let whole = home.join("whole.json");
    let one = [
        "eval",
        "plans",
        "--families",
        "F1",
        "--seeds",
        "1000000..1000001",
        "--faults",
        "0",
        "--share",
        "1/1",
        "--figures",
    ];
    good(rhea(home, &[&one[..], &[whole.to_str().unwrap(), "--planners"]].concat()));
    assert_eq!(merged, good(rhea(home, &["eval", "plans", "--merge", whole.to_str().unwrap()])));
    let twice = rhea(home, &["eval", "plans", "--merge", whole.to_str().unwrap(), whole.to_str().unwrap()]);
    assert!(refused(twice).contains("is in two shares"));

    let frames = entries(&out).into_iter().find(|n| n.starts_with("frames-7-1-")).unwrap();
    let views = std::fs::metadata(out.join(frames).join("frames-7/frames.bin")).unwrap().len();
    assert_eq!(views, 20 * 128 * 128 * 6, "20 views, 6 bytes a pixel");

    // A folder with something else in it is left alone.
    std::fs::write(home.join("plan1000000.ron.txt"), "").unwrap();
    let here = rhea(home, &["batch", "run", list.to_str().unwrap(), "--out", home.to_str().unwrap()]);
    assert!(refused(here).contains("has files of others"));
    let (code, _, said) = done(share("3/2"));
    assert!(code == Some(2) && said.contains("i from 1 to n"), "{said}");
}

#[test]
fn walks_come_through_the_queue_as_the_program_walks_them_alone() {
    let Some(program) = nats_server() else { return };
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start(&program, &home.join("nats"), &[]);
    let url = server.url();
    let script = home.join("stroll.ron");
    let steps = "[\"turn left 15 degrees\", \"go forward 0.25 m\", \"turn right 30 degrees\"]";
    std::fs::write(&script, format!("(start: Scene(\"scenes/worlds/room.ron\"), seed: 5, steps: {steps})")).unwrap();
    let list = home.join("jobs.ron");
    let jobs = "(version: 1, tries: 3, jobs: [Walk(script: \"stroll.ron\", seeds: (1, 4)), \
        EvalPlans(families: [\"F1\"], seeds: (1000000, 1000001), planners: [\"model\"], per_job: 1)])";
    std::fs::write(&list, jobs).unwrap();
    let list = list.to_str().unwrap();
    let submit = ["batch", "submit", list, "--name", "night", "--lost-after", "2", "--server", &url];
    assert!(good(rhea(home, &submit)).contains("6 jobs queued"));

    // All jobs have the model and the spread of their worker, in f32, where they change no token. One worker is killed over a job.
    let words = ["batch", "worker", "--name", "night", "--until-done", "--parallel", "tp=2", "--server", &url];
    let start = |number: usize| {
        let lines = home.join(format!("worker-{number}.txt"));
        let mut command = rhea(home, &words);
        command.env("RHEA_WEIGHTS", "f32").env("RHEA_KERNELS", "f32").stdout(File::create(&lines).unwrap());
        Worker { child: command.spawn().unwrap(), lines }
    };
    let mut workers: Vec<Worker> = (0..2).map(start).collect();
    wait_for("a job in hand", Duration::from_secs(60), || workers[0].in_hand());
    workers[0].child.kill().unwrap();
    workers[0].child.wait().unwrap();
    workers[0] = start(2);
    for worker in &mut workers {
        wait_for("workers end", Duration::from_secs(300), || worker.child.try_wait().unwrap().is_some());
        assert!(worker.child.wait().unwrap().success());
    }

    let out = home.join("out");
    let collect = ["batch", "collect", "--name", "night", "--server", &url, "--out", out.to_str().unwrap()];
    let said = good(rhea(home, &collect));
    assert!(said.contains("6 results fetched") && said.contains("6 of 6 jobs done, 6 passed"), "{said}");
    let folders = entries(&out);
    let walks: Vec<&String> = folders.iter().filter(|name| name.starts_with("walk-stroll-")).collect();
    assert_eq!(walks.len(), 4, "{folders:?}");
    let mut seen = BTreeSet::new();
    for seed in 1..=4 {
        let alone = home.join(format!("alone-{seed}"));
        let number = seed.to_string();
        let words = ["explore", "--headless", "--script", script.to_str().unwrap(), "--seed", &number, "--out"];
        let mut command = rhea(home, &[&words[..], &[alone.to_str().unwrap()]].concat());
        command.env("RHEA_WEIGHTS", "f32").env("RHEA_KERNELS", "f32");
        good(command);
        let sheet = std::fs::read(alone.join("sheet.png")).unwrap();
        let same = |name: &&&String| std::fs::read(out.join(name).join("sheet.png")).unwrap() == sheet;
        let twin = walks.iter().find(same).unwrap_or_else(|| panic!("no walk of the batch is that of seed {seed}"));
        for file in ["narration.txt", "map.png", "walk.world"] {
            let [ours, want] = [out.join(twin), alone.clone()].map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(ours == want, "{file} of {twin} differs from that of seed {seed}");
        }
        assert!(out.join(twin).join("walk.mcap").is_file(), "the replay came too");
        seen.insert((*twin).clone());
    }
    assert_eq!(seen.len(), 4, "each walk is that of one seed");
}

//! Answers of a model in a process of its own: the same answers, whatever happens to the process.
//!
//! The process is the program itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rhea_child::{ChildEngine, ChildGenerator, Launch, Patience};
use rhea_engine::generate::{
    Answers, FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, Generator, Prompt, Usage,
};
use rhea_engine::{Cancel, Decoding, EngineError, ModelFolder, OpenOptions};
use rhea_picture::Picture;
use rhea_tokens::prompts::Task;

fn nano() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/nano")
}

/// Guided and long enough for two answers.
fn options() -> OpenOptions {
    OpenOptions { context: Some(600), branches: 2, ..OpenOptions::default() }
}

fn launch(more: &[&str]) -> Launch {
    let folder = nano();
    let arguments = [&["engine-child", "--model", folder.to_str().unwrap()], more].concat();
    Launch {
        program: env!("CARGO_BIN_EXE_rhea").into(),
        arguments: arguments.into_iter().map(Into::into).collect(),
        again: None,
        environment: Vec::new(),
        patience: Patience::default(),
    }
}

fn child() -> ChildGenerator {
    let text = ModelFolder::open_text(&nano(), &options()).unwrap();
    ChildGenerator::open(launch(&["--branches", "2", "--context", "600"]), text).unwrap()
}

/// A picture token by token, with previews, and words behind it.
fn request(answers: &mut dyn Answers) -> GenerateRequest {
    let usual = answers.settings_for(Task::Explore);
    let settings = GenerateSettings {
        decoding: Decoding::NextToken,
        guidance: 2.0,
        preview_rows: 3,
        picture_area: 128 * 128,
        ..usual
    };
    let text = "a room with teal walls".to_owned();
    let pictures = vec![Picture::filled(96, 80, [20, 130, 140])];
    GenerateRequest { prompt: Prompt::Task { task: Task::Explore, text, pictures }, size: None, settings, seed: 9 }
}

/// An answer and what was heard of it, without times.
fn hear(
    answers: &mut dyn Answers,
    cancel: &Cancel,
    each: &mut dyn FnMut(&GenerateEvent),
) -> (Result<Generated, EngineError>, Vec<GenerateEvent>) {
    let request = request(answers);
    let mut heard = Vec::new();
    let untimed = |usage: Usage| Usage { reading_secs: 0.0, writing_secs: 0.0, ..usage };
    let generated = answers.generate(&request, cancel, &mut |event| {
        each(&event);
        heard.push(match event {
            GenerateEvent::Usage(usage) => GenerateEvent::Usage(untimed(usage)),
            other => other,
        });
    });
    (generated.map(|generated| Generated { usage: untimed(generated.usage), ..generated }), heard)
}

fn kill(process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_process_answers_as_the_model_inside_and_so_does_the_next_one() {
    let calm = Cancel::default();
    let mut inside = Generator::new(ModelFolder::open_with(&nano(), &options()).unwrap()).unwrap();
    let (want, want_heard) = hear(&mut inside, &calm, &mut |_| ());
    let want = want.unwrap();
    assert!(want_heard.iter().any(|event| matches!(event, GenerateEvent::PicturePartial { preview: Some(_), .. })));
    assert!(want_heard.iter().any(|event| matches!(event, GenerateEvent::PictureDone { .. })));

    let mut child = child();
    assert_eq!(child.context(), Answers::context(&inside));
    assert_eq!(child.only_grid(), Answers::only_grid(&inside));
    for task in Task::ALL {
        assert_eq!(Answers::settings_for(&child, task), Answers::settings_for(&inside, task));
    }
    let (got, heard) = hear(&mut child, &calm, &mut |_| ());
    assert_eq!((got.unwrap(), &heard), (want.clone(), &want_heard));

    // Killed in the middle of the picture: one error that says so, and the next process gives the whole answer.
    let process = child.process_id().unwrap();
    let mut alive = true;
    let (lost, _) = hear(&mut child, &calm, &mut |event| {
        if matches!(event, GenerateEvent::PicturePartial { .. }) && std::mem::take(&mut alive) {
            kill(process);
        }
    });
    let told = lost.unwrap_err();
    assert!(matches!(told, EngineError::Elsewhere(_)) && !alive, "{told}");
    assert!(told.to_string().contains("signal 9") && told.to_string().contains("while answering"), "{told}");
    let (got, heard) = hear(&mut child, &calm, &mut |_| ());
    assert_eq!((got.unwrap(), heard), (want.clone(), want_heard));
    assert_eq!(child.restarts().len(), 1);
    assert_ne!(child.process_id(), Some(process));

    // Cancelled: what was written until then is the answer.
    let cancel = Cancel::default();
    let (cut, _) = hear(&mut child, &cancel, &mut |event| {
        if matches!(event, GenerateEvent::PicturePartial { .. }) {
            cancel.cancel();
        }
    });
    let cut = cut.unwrap();
    assert_eq!(cut.finish, FinishReason::Cancelled);
    assert!(cut.ids.len() < want.ids.len() && want.ids.starts_with(&cut.ids), "{} ids", cut.ids.len());
    assert_eq!(child.restarts().len(), 1);
}

#[test]
fn a_turn_whose_process_is_lost_is_written_again() {
    let home = tempfile::tempdir().unwrap();
    let start = |name: &str, engine: &str| {
        let out = home.path().join(name);
        let turns = ["turn left 15 degrees", "go forward 0.3 m"].into_iter().cycle().take(10);
        let mut rhea = Command::new(env!("CARGO_BIN_EXE_rhea"));
        rhea.args(["imagine", "--task", "explore", "--prompt", "a room with teal walls", "--seed", "4"]);
        rhea.args(turns.flat_map(|turn| ["--then", turn])).args(["--engine", engine, "--out", out.to_str().unwrap()]);
        rhea.arg("--model").arg(nano()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (rhea.spawn().unwrap(), out)
    };
    let files = |folder: &Path| {
        let read = |file: std::fs::DirEntry| (file.file_name(), std::fs::read(file.path()).unwrap());
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| read(file.unwrap())).collect();
        files.sort();
        files
    };
    let (inside, want) = start("inside", "inside");
    assert!(inside.wait_with_output().unwrap().status.success());
    let (mut outside, got) = start("outside", "process");
    let began = Instant::now();
    while !got.join("002_00_image.png").is_file() {
        assert!(outside.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60), "no picture");
        std::thread::sleep(Duration::from_millis(1));
    }
    let process = outside.id();
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let Some(child) = children.split_whitespace().next() else {
        eprintln!("skipped: this system does not list a process's children");
        outside.kill().unwrap();
        outside.wait().unwrap();
        return;
    };
    kill(child.parse().unwrap());
    let output = outside.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("signal 9"), "{said}");
    assert!(files(&got) == files(&want), "another answer: {said}");
}

#[test]
fn a_process_for_walks_answers_no_questions_and_the_other_way_round() {
    let text = || ModelFolder::open_text(&nano(), &options()).unwrap();
    let Err(walks) = ChildGenerator::open(launch(&[]), text()) else { panic!("opened") };
    assert!(walks.to_string().contains("answers no questions"), "{walks}");
    let Err(answers) = ChildEngine::open(launch(&["--branches", "1"]), text()) else { panic!("opened") };
    assert!(answers.to_string().contains("draws no walks"), "{answers}");
    let Err(form) = ChildGenerator::open(launch(&["--branches", "1", "--quant", "q9"]), text()) else {
        panic!("opened")
    };
    assert!(form.to_string().contains("\"q9\" is no form of weights"), "{form}");
}

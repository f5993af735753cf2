//! The commands around answers, run as a user runs them, with the shipped model.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use rhea_picture::load_picture;
use rhea_record::{Story, viewer_files};

fn rhea(arguments: &[&str]) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhea"));
    // No model but the one in the repository, and an empty cache.
    command.current_dir(repository).env_remove("RHEA_MODEL").env("HF_HUB_CACHE", "/no/such/cache");
    command.args(arguments).output().unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = rhea(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(arguments: &[&str]) -> String {
    let output = rhea(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_answer_is_a_folder_and_a_record() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (one, two, walk) = (place("one"), place("two"), place("walk"));
    let imagine = ["imagine", "--task", "t2i", "--prompt", "a room with teal walls", "--seed", "5", "--out"];
    succeeds(&[&imagine[..], &[&one]].concat());
    succeeds(&[&imagine[..], &[&two]].concat());
    let record = Path::new(&one).join("answer.pb");
    assert_eq!(
        std::fs::read(&record).unwrap(),
        std::fs::read(Path::new(&two).join("answer.pb")).unwrap(),
        "the same seed"
    );
    let story = Story::load(&record).unwrap();
    assert_eq!(story.question, "a room with teal walls");
    let picture = load_picture(&Path::new(&one).join("001_00_image.png")).unwrap();
    assert_eq!((picture.width, picture.height), (128, 128));
    assert!(picture.rgb.iter().max() > picture.rgb.iter().min(), "something is drawn");

    // The exported folder is the one that was written while the answer came.
    let out = place("exported");
    succeeds(&["export", record.to_str().unwrap(), "--out", &out]);
    for (name, content) in viewer_files(&story) {
        assert_eq!(std::fs::read(Path::new(&out).join(&name)).unwrap(), *content, "{name}");
        assert_eq!(std::fs::read(Path::new(&one).join(&name)).unwrap(), *content, "{name}");
    }

    // A walk that goes on, from a picture: each turn draws one more.
    let start = Path::new(&one).join("001_00_image.png");
    let turns =
        ["imagine", "--task", "explore", "--prompt", "go forward 0.5 m", "--then", "turn left 15 degrees", "--image"];
    let said = succeeds(&[&turns[..], &[start.to_str().unwrap(), "--out", &walk]].concat());
    assert!(said.contains("picture 2: 128 x 128 px"), "{said}");
    let story = Story::load(&Path::new(&walk).join("answer.pb")).unwrap();
    let pictures = story.clips.iter().flat_map(|clip| &clip.segments).flat_map(|segment| &segment.images).count();
    assert_eq!((story.reference_images.len(), pictures), (1, 2));
}

#[test]
fn models_are_listed_checked_and_never_fetched() {
    let list = succeeds(&["models", "list"]);
    assert!(list.contains("model/nano") && list.contains("BAAI/Emu3.5-VisionTokenizer"), "{list}");
    let checked = succeeds(&["models", "verify", "model/nano"]);
    assert_eq!(checked.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{checked}");
    let missing = fails(&["models", "where", "BAAI/Emu3.5"]);
    assert!(
        missing.contains("hf download BAAI/Emu3.5") && missing.contains("68.2 GB") && missing.contains("Apache-2.0")
    );
    let missing = fails(&["imagine", "--task", "t2i", "--prompt", "a", "--model", "BAAI/Emu3.5-Image", "--out", "/no"]);
    assert!(missing.contains("hf download BAAI/Emu3.5-Image"), "{missing}");

    // A folder whose weights were cut short.
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/nano").join(file);
        let bytes = std::fs::read(from).unwrap();
        let length = if file == "model.safetensors" { bytes.len() / 2 } else { bytes.len() };
        std::fs::write(folder.path().join(file), &bytes[..length]).unwrap();
    }
    let output = rhea(&["models", "verify", folder.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("BAD  weights") && said.contains("BAD  vision"), "{said}");
}

#[test]
fn what_cannot_be_done_is_said_in_two_lines() {
    let words = ["imagine", "--prompt", "a fox", "--out", "/proc/none", "--task"];
    let cases: [(&[&str], &str); 6] = [
        (&["t2i", "--aspect", "5:4"], "5:4"),
        (&["t2i", "--config", "/no/such.ron"], "/no/such.ron"),
        (&["x2i", "--image", "/no/such.png"], "/no/such.png"),
        (&["story", "--then", "more"], "one turn"),
        (&["t2i"], "/proc/none"),
        (&["t2i", "--model", "/no/such/folder"], "/no/such/folder"),
    ];
    for (more, says) in cases {
        let said = fails(&[&words[..], more].concat());
        assert!(said.contains(says) && said.lines().count() == 2, "{said}");
    }
    let said = fails(&["export", "Cargo.toml"]);
    assert!(said.contains("no record of a story") && said.lines().count() == 2, "{said}");
}

#[test]
fn ranks_draw_what_one_rank_draws_and_wrong_plans_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let imagine = ["imagine", "--task", "t2i", "--prompt", "a room with teal walls", "--seed", "5", "--cfg", "3"];
    let record = |name: &str, more: &[&str]| {
        let out = place(name);
        let said = succeeds(&[&imagine[..], &["--out", &out], more].concat());
        (std::fs::read(Path::new(&out).join("answer.pb")).unwrap(), said)
    };
    let (alone, _) = record("alone", &[]);
    // Branches on ranks of their own change no bit, whatever the weights are held as.
    let (apart, said) = record("apart", &["--device", "cpu", "--parallel", "cfg=2"]);
    assert!(said.contains("Plan: tp=1,cfg=2 on 2 ranks: as asked for"), "{said}");
    assert!(said.contains("rank 1 on cpu: weights") && said.contains("keys and values"), "{said}");
    assert_eq!(apart, alone);
    let out = place("none");
    let plan = [&imagine[..], &["--out", &out, "--plan-only"]].concat();
    let said = succeeds(&[&plan[..], &["--parallel", "layers=3"]].concat());
    assert!(said.contains("layers=3 on 3 ranks") && !Path::new(&out).exists(), "{said}");
    let said = succeeds(&["models", "plan", "--parallel", "tp=4,cfg=2", "--context", "512"]);
    assert!(said.contains("2 branches of 512 tokens") && said.contains("It fits."), "{said}");
    for (more, says) in [
        (&["--device", "cuda:0"][..], "there is no cuda:0 here; there are: cpu"),
        (&["--device", "cuda:1,1"], "cuda:1 is named twice"),
        (&["--parallel", "tp=3"], "[1, 2, 4]"),
        (&["--parallel", "layers=9"], "6 layers"),
        (&["--parallel", "cfg=3"], "allowed are 1 to 2"),
    ] {
        let said = fails(&[&plan[..], more].concat());
        assert!(said.contains(says), "{more:?}: {said}");
    }
}

//! Walk scripts: a start and a list of commands in a RON file, for headless runs, benchmarks and samples.
//!
//! ```ron
//! (
//!     start: Scene("scenes/worlds/room.ron"), // or Caption("a red room"), Picture("photo.png"), World("saved.world")
//!     seed: 1,
//!     steps: [
//!         "go forward 0.5 m",
//!         Repeat(3, ["turn left 30 degrees", "look up 10 degrees"]),
//!         "undo",
//!     ],
//! )
//! ```
//!
//! `"action TurnLeft"` does what the action of that name does in the window; which ones there are is told by whoever loads the script
//! ([`Script::load_with`]).
//!
//! A script is data: every command is checked while it is read, so a script that loads can be walked to its end.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use thiserror::Error;

use crate::command::Command;
use crate::limits::{MAX_SCRIPT_BYTES, MAX_SCRIPT_STEPS, MAX_TEXT_BYTES};

/// A walk that can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Where the walk begins.
    pub start: ScriptStart,
    /// Seed of the session.
    pub seed: u64,
    /// The commands, repetitions written out.
    pub steps: Vec<Command>,
}

/// Before the name of an action.
const ACTION: &str = "action ";

/// The command of an action by its name; `None` for one that there is not, or that is no command.
pub type Actions<'a> = &'a dyn Fn(&str) -> Option<Command>;

/// Where a scripted walk begins; files exist when the script was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptStart {
    /// The first view of a scene file.
    Scene(PathBuf),
    /// A view imagined from a caption.
    Caption(String),
    /// A picture file.
    Picture(PathBuf),
    /// Where the walk of a saved world stopped.
    World(PathBuf),
}

/// What can be wrong with a walk script.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The file could not be read.
    #[error("cannot read the walk script: {source} ({path})")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not a script.
    #[error("{path}:{line}:{column}: {what}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what is allowed.
        what: String,
    },
    /// The file or the walk is too long.
    #[error("the walk script has {found} {what}; allowed are at most {allowed} ({path})")]
    TooLong {
        /// Bytes or steps.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many may be.
        allowed: u64,
        /// The file.
        path: PathBuf,
    },
    /// A file named in the script is not there.
    #[error("the walk script names a file that is not there: {name:?}; looked in {looked} ({path})")]
    NoSuchFile {
        /// As written in the script.
        name: String,
        /// The places that were tried.
        looked: String,
        /// The script.
        path: PathBuf,
    },
}

impl Script {
    /// Reads a script. Files that it names are looked for under `root` (the repository) first, then beside the script.
    ///
    /// # Errors
    /// When the file cannot be read, is too long, is not a script (with line and column), or names a file that is not there.
    pub fn load(path: &Path, root: &Path) -> Result<Self, ScriptError> {
        Self::load_with(path, root, &|_| None)
    }

    /// As [`Script::load`], with actions by name.
    ///
    /// # Errors
    /// As [`Script::load`], and when an action has no command.
    pub fn load_with(path: &Path, root: &Path, actions: Actions<'_>) -> Result<Self, ScriptError> {
        let read = |source| ScriptError::Read { path: path.to_path_buf(), source };
        let found = std::fs::metadata(path).map_err(read)?.len();
        if found > MAX_SCRIPT_BYTES {
            let path = path.to_path_buf();
            return Err(ScriptError::TooLong { what: "bytes", found, allowed: MAX_SCRIPT_BYTES, path });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse_with(&text, path, root, actions)
    }

    /// Reads a script from its text; `path` is where it came from.
    ///
    /// # Errors
    /// As [`Script::load`].
    pub fn parse(text: &str, path: &Path, root: &Path) -> Result<Self, ScriptError> {
        Self::parse_with(text, path, root, &|_| None)
    }

    fn parse_with(text: &str, path: &Path, root: &Path, actions: Actions<'_>) -> Result<Self, ScriptError> {
        let raw: RawScript = ron::from_str(text).map_err(|error| ScriptError::Syntax {
            path: path.to_path_buf(),
            line: error.span.start.line,
            column: error.span.start.col,
            what: error.code.to_string(),
        })?;
        let found = count(&raw.steps);
        let allowed = MAX_SCRIPT_STEPS as u64;
        if found > allowed {
            return Err(ScriptError::TooLong { what: "steps", found, allowed, path: path.to_path_buf() });
        }
        let mut steps = Vec::new();
        expand(&raw.steps, actions, &mut steps).map_err(|name| {
            let said = format!("{ACTION}{name}");
            let line = text.lines().position(|line| line.contains(&said)).unwrap_or(0);
            let column = text.lines().nth(line).and_then(|line| line.find(&said)).unwrap_or(0);
            let what = format!(
                "no action {name:?} can be walked; F1 in the window and its keys.ron have their names, such as TurnLeft"
            );
            ScriptError::Syntax { path: path.to_path_buf(), line: line + 1, column: column + 1, what }
        })?;
        let start = match raw.start {
            RawStart::Scene(Text(name)) => ScriptStart::Scene(find(&name, path, root)?),
            RawStart::Picture(Text(name)) => ScriptStart::Picture(find(&name, path, root)?),
            RawStart::World(Text(name)) => ScriptStart::World(find(&name, path, root)?),
            RawStart::Caption(Text(caption)) => ScriptStart::Caption(caption),
        };
        Ok(Self { start, seed: raw.seed, steps })
    }
}

#[derive(Deserialize)]
#[serde(rename = "Walk", deny_unknown_fields)]
struct RawScript {
    start: RawStart,
    #[serde(default)]
    seed: u64,
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(rename = "Start")]
enum RawStart {
    Scene(Text),
    Caption(Text),
    Picture(Text),
    World(Text),
}

enum RawStep {
    Do(Command),
    Action(String),
    Repeat(u32, Vec<RawStep>),
}

/// A string of limited length.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        check_length::<D::Error>(&text)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom("the text is empty"));
        }
        Ok(Self(text))
    }
}

fn check_length<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(E::custom(format!("text of {} bytes; allowed are at most {MAX_TEXT_BYTES}", text.len())));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for RawStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = RawStep;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a command such as \"go forward 0.5 m\", or Repeat(times, [steps])")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawStep, E> {
        check_length::<E>(text)?;
        if let Some(name) = text.strip_prefix(ACTION) {
            return Ok(RawStep::Action(name.trim().to_owned()));
        }
        Command::parse(text).map(RawStep::Do).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<RawStep, A::Error> {
        let missing = |_| A::Error::custom("Repeat needs two parts: Repeat(times, [steps])");
        let times = parts.next_element()?.ok_or(()).map_err(missing)?;
        let steps = parts.next_element()?.ok_or(()).map_err(missing)?;
        Ok(RawStep::Repeat(times, steps))
    }
}

/// Steps after all repetitions; saturates.
fn count(steps: &[RawStep]) -> u64 {
    steps.iter().fold(0, |sum: u64, step| {
        sum.saturating_add(match step {
            RawStep::Do(_) | RawStep::Action(_) => 1,
            RawStep::Repeat(times, steps) => u64::from(*times).saturating_mul(count(steps)),
        })
    })
}

/// Writes repetitions out; fails with the name of an action that has no command.
fn expand<'s>(steps: &'s [RawStep], actions: Actions<'_>, out: &mut Vec<Command>) -> Result<(), &'s str> {
    for step in steps {
        match step {
            RawStep::Do(command) => out.push(command.clone()),
            RawStep::Action(name) => out.push(actions(name).ok_or(name.as_str())?),
            RawStep::Repeat(times, steps) => {
                // A repetition of nothing is skipped: its count is not limited by the number of steps.
                for _ in 0..if count(steps) == 0 { 0 } else { *times } {
                    expand(steps, actions, out)?;
                }
            }
        }
    }
    Ok(())
}

fn find(name: &str, script: &Path, root: &Path) -> Result<PathBuf, ScriptError> {
    let beside = script.parent().unwrap_or(Path::new(""));
    let places = [root.join(name), beside.join(name)];
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.clone());
    }
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ");
    Err(ScriptError::NoSuchFile { name: name.to_owned(), looked, path: script.to_path_buf() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, ScriptError> {
        Script::parse(text, Path::new("walk.ron"), Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    #[test]
    fn repetitions_are_written_out_in_order() {
        let script = parse(
            r#"(start: Caption("a room"), seed: 7, steps: [
                "go forward 1 m", Repeat(2, ["turn left 30 degrees", Repeat(2, ["undo"])]), Repeat(4000000000, []),
            ])"#,
        )
        .unwrap();
        let texts: Vec<String> = script.steps.iter().map(ToString::to_string).collect();
        let turn = Command::parse("turn left 30 degrees").unwrap().to_string();
        let first = Command::parse("go forward 1 m").unwrap().to_string();
        assert_eq!(texts, [&first, &turn, "undo", "undo", &turn, "undo", "undo"]);
        assert_eq!(script.seed, 7);
        assert_eq!(script.start, ScriptStart::Caption("a room".to_owned()));
    }

    #[test]
    fn an_unknown_command_is_named_with_its_line() {
        let error =
            parse("(\n  start: Caption(\"a room\"),\n  steps: [\n    \"fly to the moon\",\n  ],\n)").unwrap_err();
        let ScriptError::Syntax { line, what, .. } = &error else { panic!("{error}") };
        assert_eq!(*line, 4, "{error}");
        assert!(what.contains("\"fly\""), "{error}");
        assert!(what.contains("turn left"), "says what is allowed: {error}");
    }

    #[test]
    fn damaged_scripts_are_errors_with_a_place() {
        for text in [
            "",
            "(",
            "(start: Caption(\"a\"), steps: [\"undo\"",
            "(start: Castle(\"a\"), steps: [])",
            "(start: Caption(\"a\"), steps: [Repeat(2)])",
            "(start: Caption(\"a\"), steps: [Repeat(-2, [])])",
            "(start: Caption(\"a\"), steps: [12])",
            "(start: Caption(\"a\"), walk: [])",
            "(start: Caption(\" \"), steps: [])",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(&error, ScriptError::Syntax { line: 1.., column: 1.., .. }), "{text}: {error}");
        }
    }

    #[test]
    fn actions_are_what_their_loader_says() {
        let (path, root) = (Path::new("walk.ron"), Path::new("."));
        let actions = |name: &str| (name == "Back").then_some(Command::Undo);
        let load = |text: &str| Script::parse_with(text, path, root, &actions);
        let script = load("(start: Caption(\"a\"), steps: [Repeat(2, [\"action Back\"]), \"undo\"])").unwrap();
        assert_eq!(script.steps, vec![Command::Undo; 3]);
        let error = load("(start: Caption(\"a\"), steps: [\n  \"undo\",\n  \"action Fly\",\n])").unwrap_err();
        assert!(matches!(error, ScriptError::Syntax { line: 3, column: 4, .. }), "{error}");
        assert!(error.to_string().contains("\"Fly\""), "{error}");
    }

    #[test]
    fn limits_hold() {
        let long = format!("(start: Caption(\"{}\"), steps: [])", "a".repeat(MAX_TEXT_BYTES + 1));
        assert!(parse(&long).unwrap_err().to_string().contains("4096"));
        let many = "(start: Caption(\"a\"), steps: [Repeat(1000, [Repeat(1000, [Repeat(1000, [\"undo\"])])])])";
        let ScriptError::TooLong { found, .. } = parse(many).unwrap_err() else { panic!() };
        assert_eq!(found, 1_000_000_000);
        let deep = format!("(start: Caption(\"a\"), steps: [{}{}])", "Repeat(1,[".repeat(5000), "])".repeat(5000));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn files_are_found_under_the_root_or_beside_the_script() {
        let find = |name: &str| {
            Script::parse(
                &format!("(start: Picture({name:?}), steps: [])"),
                &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/walk.ron"),
                Path::new(env!("CARGO_MANIFEST_DIR")),
            )
        };
        assert!(find("Cargo.toml").is_ok());
        assert!(find("script.rs").is_ok());
        let error = find("nowhere.png").unwrap_err().to_string();
        assert!(error.contains("nowhere.png") && error.contains("looked in"), "{error}");
    }
}

//! Settings and where they come from: a flag goes before the environment, that before the user's file, that before the default.
//!
//! The file is RON text, `rhea/config.ron` under the XDG config folder: `(model: "my/model", out: "walks", device: "cpu")`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Result;
use rhea_explore::bindings::{self, Bindings};
use rhea_explore::preferences::{self, Preferences};
use rhea_explore::user_file::{self, UserFolder};
use rhea_nn::kernels::weights_asked;
use serde::{Deserialize, Serialize};

use crate::cli::{ConfigWhat, Everywhere};
use crate::engine::EngineArgs;
use crate::fault::WithHint as _;
use crate::place::{self, MODEL_VARIABLE};
use crate::say::{complain, say};
use crate::spread::SpreadChoice;

/// Name of the file.
const FILE: &str = "config.ron";
/// Environment variable with the place of the log file.
pub const LOG_VARIABLE: &str = "RHEA_LOG_FILE";
const MEND: &str = "Mend or remove the file; like (model: \"my/model\", out: \"walks\", log_file: \"rhea.log\").";

/// What the user's file may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// Model folder, or the name of a model in the cache of Hugging Face's tools.
    #[serde(deserialize_with = "path")]
    pub model: Option<PathBuf>,
    /// Folder in which output folders are numbered.
    #[serde(deserialize_with = "path")]
    pub out: Option<PathBuf>,
    /// Where to log.
    #[serde(deserialize_with = "path")]
    pub log_file: Option<PathBuf>,
    /// Where the model works, as on the command line.
    #[serde(deserialize_with = "text")]
    pub engine: Option<String>,
    /// Devices that the model runs on, as on the command line.
    #[serde(deserialize_with = "text")]
    pub device: Option<String>,
    /// How it is spread over them, as on the command line.
    #[serde(deserialize_with = "text")]
    pub parallel: Option<String>,
}

/// A path that may be left out but needs no `Some(..)`.
fn path<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    PathBuf::deserialize(from).map(Some)
}

/// As [`path`], for words.
fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

impl ConfigFile {
    /// The user's file; empty when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is not such a file.
    pub fn of_user() -> Result<Self> {
        UserFolder::of_system().file(FILE).map_or_else(|| Ok(Self::default()), |file| Self::load(&file))
    }

    fn load(file: &Path) -> Result<Self> {
        let Some(text) = user_file::read(file).hint(MEND)? else { return Ok(Self::default()) };
        ron::from_str(&text).map_err(|e| format!("{}: {e}", file.display())).hint(MEND)
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Env(&'static str),
    /// A file of the user.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File(file) => write!(f, "file {}", file.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The first of flag, variable and file that says anything, with its origin.
#[must_use]
pub fn first(
    flag: (&'static str, Option<&Path>),
    variable: Option<&'static str>,
    file: Option<&Path>,
) -> Option<(PathBuf, Origin)> {
    let named = flag.1.map(|value| (value.to_path_buf(), Origin::Flag(flag.0)));
    let told = || variable.and_then(|name| Some((variable_path(name)?, Origin::Env(name))));
    named.or_else(told).or_else(|| file.map(|value| (value.to_path_buf(), Origin::File(config_file()))))
}

/// As [`first`], for what is written in words: the values of variable and file, a field of `config.ron`, are read here.
///
/// # Errors
/// When they cannot be read as what they should be.
pub fn chosen<T: FromStr<Err = String> + Clone>(
    (flag, value): (&'static str, Option<&T>),
    name: &'static str,
    (field, file): (&'static str, Option<String>),
) -> Result<Option<(T, Origin)>> {
    if let Some(value) = value {
        return Ok(Some((value.clone(), Origin::Flag(flag))));
    }
    if let Some(text) = variable(name) {
        let value = text.parse().map_err(|e| format!("{name}: {e}")).hint("Set it to one of these, or unset it.")?;
        return Ok(Some((value, Origin::Env(name))));
    }
    let Some(text) = file else { return Ok(None) };
    let file = config_file();
    let hint = format!("Set `{field}` to one of these, or leave it out.");
    let value = text.parse().map_err(|e| format!("{}: {field}: {e}", file.display())).hint(hint)?;
    Ok(Some((value, Origin::File(file))))
}

/// The place of the user's file; empty where there is no folder for it.
#[must_use]
pub fn config_file() -> PathBuf {
    UserFolder::of_system().file(FILE).unwrap_or_default()
}

/// The words of a variable; `None` when it is not set or empty.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    variable_path(name).map(|value| value.to_string_lossy().into_owned())
}

fn variable_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The place of the log file, if there is to be one.
///
/// # Errors
/// When the user's file cannot be used.
pub fn log_file(everywhere: &Everywhere) -> Result<Option<PathBuf>> {
    let file = ConfigFile::of_user()?.log_file;
    Ok(first(("--log-file", everywhere.log_file.as_deref()), Some(LOG_VARIABLE), file.as_deref()).map(|(path, _)| path))
}

#[derive(Serialize)]
struct Setting {
    name: &'static str,
    value: String,
    origin: Origin,
}

/// Carries out `rhea config`.
///
/// # Errors
/// When one of the user's files cannot be used.
pub fn run(what: &ConfigWhat, everywhere: &Everywhere) -> Result<ExitCode> {
    let ConfigWhat::Show { origin, json, model, engine } = what;
    let settings = settings(everywhere, model.model.as_deref(), engine)?;
    if *json {
        say!("{}", serde_json::to_string_pretty(&settings)?);
        return Ok(ExitCode::SUCCESS);
    }
    for Setting { name, value, origin: from } in &settings {
        if *origin { say!("{name:18} {value}  [{from}]") } else { say!("{name:18} {value}") }
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(everywhere: &Everywhere, model: Option<&Path>, engine: &EngineArgs) -> Result<Vec<Setting>> {
    let file = ConfigFile::of_user()?;
    let shown = |found: Option<(PathBuf, Origin)>, usual: String| match found {
        Some((value, origin)) => (value.display().to_string(), origin),
        None => (usual, Origin::Default),
    };
    let setting = |name, (value, origin)| Setting { name, value, origin };
    let shipped =
        || place::model_folder(None).map_or_else(|e| format!("none: {e}"), |folder| folder.display().to_string());
    let model = first(("--model", model), Some(MODEL_VARIABLE), file.model.as_deref());
    let usual_model = if model.is_none() { shipped() } else { String::new() };
    let log = first(("--log-file", everywhere.log_file.as_deref()), Some(LOG_VARIABLE), file.log_file.as_deref());
    let mut all = vec![
        setting("model", shown(model, usual_model)),
        setting("out", shown(first(("--out", None), None, file.out.as_deref()), place::OUTPUT_HOME.to_owned())),
        setting("log_file", shown(log, "none".to_owned())),
    ];
    let (choice, origin) = engine.choice()?;
    all.push(Setting { name: "engine", value: choice.to_string(), origin });
    let SpreadChoice { device, parallel } = engine.spread.choice()?;
    all.push(Setting { name: "device", value: device.0.to_string(), origin: device.1 });
    all.push(Setting { name: "parallel", value: parallel.0.to_string(), origin: parallel.1 });
    let kernels = rhea_nn::kernels::arithmetic();
    let weights = weights_asked().map_or_else(|| "as stored".to_owned(), |form| form.name().to_owned());
    for (name, variable, value) in
        [("kernels", "RHEA_KERNELS", kernels.isa.name().to_owned()), ("weights", "RHEA_WEIGHTS", weights)]
    {
        let origin = variable_path(variable).map_or(Origin::Default, |_| Origin::Env(variable));
        all.push(Setting { name, value, origin });
    }
    all.extend(of_the_window(&UserFolder::of_system())?);
    Ok(all)
}

/// What the window's two files say.
fn of_the_window(folder: &UserFolder) -> Result<Vec<Setting>> {
    let (Some(liked), Some(keys)) = (folder.file(preferences::FILE), folder.file(bindings::FILE)) else {
        return Ok(Vec::new());
    };
    let (likes, usual) = (Preferences::load(&liked).hint("Mend or remove the file.")?, Preferences::default());
    let origin = |differs: bool, file: &Path| if differs { Origin::File(file.to_path_buf()) } else { Origin::Default };
    let mut all = Vec::new();
    for (name, value, differs) in [
        ("size_percent", likes.size_percent.to_string(), likes.size_percent != usual.size_percent),
        ("smooth", likes.smooth.to_string(), likes.smooth != usual.smooth),
        ("calm", likes.calm.to_string(), likes.calm != usual.calm),
        ("tap_to_walk", likes.tap_to_walk.to_string(), likes.tap_to_walk != usual.tap_to_walk),
        ("dead_zone_percent", likes.dead_zone_percent.to_string(), likes.dead_zone_percent != usual.dead_zone_percent),
    ] {
        all.push(Setting { name, value, origin: origin(differs, &liked) });
    }
    let (own, conflicts) = Bindings::load(&keys).hint("Mend or remove the file.")?;
    let changed = own.changed();
    let value = if changed.is_empty() { "as usual".to_owned() } else { changed.join("; ") };
    all.push(Setting { name: "keys", value, origin: origin(!changed.is_empty(), &keys) });
    for conflict in conflicts {
        complain!("warning: {conflict}; F2 in the window changes keys");
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_engine::spread::ParallelRequest;

    use super::*;

    #[test]
    fn a_file_may_say_any_part_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(ConfigFile::load(&file).unwrap(), ConfigFile::default());
        std::fs::write(&file, "(out: \"walks\")").unwrap();
        assert_eq!(ConfigFile::load(&file).unwrap().out, Some(PathBuf::from("walks")));
        std::fs::write(&file, "(device: \"cpu\", parallel: \"tp=2\")").unwrap();
        let read = ConfigFile::load(&file).unwrap();
        assert_eq!((read.device.as_deref(), read.parallel.as_deref()), (Some("cpu"), Some("tp=2")));
        std::fs::write(&file, "(speed: 3)").unwrap();
        let why = ConfigFile::load(&file).unwrap_err().to_string();
        assert!(why.contains("config.ron") && why.contains("speed"), "{why}");
    }

    #[test]
    fn words_are_read_wherever_they_stand_and_wrong_ones_name_their_place() {
        let (nobody, plan) = ("RHEA_NO_SUCH_VARIABLE", |text: &str| text.parse::<ParallelRequest>().unwrap());
        let from_file =
            |text: &str| chosen::<ParallelRequest>(("--parallel", None), nobody, ("parallel", Some(text.into())));
        let (value, origin) = from_file("tp=2").unwrap().unwrap();
        assert!(value == plan("tp=2") && matches!(origin, Origin::File(_)));
        let told = from_file("tp=none").unwrap_err().to_string();
        assert!(told.contains("parallel: ") && told.contains("allowed are auto, tp=N"), "{told}");
        let flag =
            chosen(("--parallel", Some(&plan("cfg=2"))), nobody, ("parallel", Some("tp=none".to_owned()))).unwrap();
        assert_eq!(flag, Some((plan("cfg=2"), Origin::Flag("--parallel"))));
        // Set for every test by cargo, and no plan.
        let told = chosen::<ParallelRequest>(("--parallel", None), "CARGO_PKG_NAME", ("parallel", None)).unwrap_err();
        assert!(told.to_string().contains("CARGO_PKG_NAME: ") && told.to_string().contains("allowed are"), "{told}");
        assert_eq!(chosen::<ParallelRequest>(("--parallel", None), nobody, ("parallel", None)).unwrap(), None);
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let (flag, file) = (Path::new("of the flag"), Path::new("of the file"));
        let nobody = Some("RHEA_NO_SUCH_VARIABLE");
        assert_eq!(first(("--x", Some(flag)), nobody, Some(file)).unwrap(), (flag.into(), Origin::Flag("--x")));
        let (value, origin) = first(("--x", None), nobody, Some(file)).unwrap();
        assert!(value == file && matches!(origin, Origin::File(_)));
        assert_eq!(first(("--x", None), nobody, None), None);
        // Set for every test by cargo.
        let (_, origin) = first(("--x", None), Some("CARGO_MANIFEST_DIR"), Some(file)).unwrap();
        assert_eq!(origin, Origin::Env("CARGO_MANIFEST_DIR"));
    }
}

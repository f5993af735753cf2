//! Where a model works: in this program, in a process of its own, or behind a server.
//!
//! A flag goes before `RHEA_ENGINE`, that before `engine` of the user's `config.ron`, that before `inside`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rhea_child::{ChildEngine, Launch, Patience, Served, fingerprint, serve};
use rhea_engine::{EngineError, Imagination, ModelFolder, OpenOptions, Speak};
use rhea_remote::{Client, Endpoint, Key, RemoteGenerator};

use crate::config::{ConfigFile, Origin, config_file, variable};
use crate::fault::{Fault, WithHint as _};
use crate::place;

/// Environment variable with the place.
pub const ENGINE_VARIABLE: &str = "RHEA_ENGINE";
/// Environment variable with the seconds for which a process may get no further.
pub const PATIENCE_VARIABLE: &str = "RHEA_ENGINE_PATIENCE";
/// Environment variable with the key of a server.
pub const KEY_VARIABLE: &str = "RHEA_ENGINE_KEY";
/// Environment variable with the place of a file that holds the key.
pub const KEY_FILE_VARIABLE: &str = "RHEA_ENGINE_KEY_FILE";
/// Environment variable with the place of a file of certificates to trust.
pub const CA_VARIABLE: &str = "RHEA_ENGINE_CA";
/// Name of the hidden job that serves.
pub const CHILD_JOB: &str = "engine-child";
/// How often a walk without a window tries a step again after its engine was lost.
pub const TRIES_AGAIN: u32 = 3;
/// What to do about a model that cannot be opened.
pub const MODEL_HINT: &str = "Name a model folder with --model DIR; `rhea doctor` says more.";
/// Seconds of [`PATIENCE_VARIABLE`].
const PATIENCE_SECS: std::ops::RangeInclusive<u64> = 1..=86_400;

/// Where a model works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// In this program.
    #[default]
    Inside,
    /// In a process of its own: its crash is one failed step.
    Process,
    /// Behind a server that speaks vLLM's completions with token ids.
    Server(String),
}

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "inside" => Ok(Self::Inside),
            "process" => Ok(Self::Process),
            url if url.starts_with("http://") || url.starts_with("https://") => Ok(Self::Server(url.to_owned())),
            _ => Err(format!(
                "{text:?} is no engine; allowed are inside, process, http://HOST:PORT and https://HOST:PORT"
            )),
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Inside => "inside",
            Self::Process => "process",
            Self::Server(url) => url,
        })
    }
}

/// Where the model works.
#[derive(Clone, Debug, Default, Args)]
pub struct EngineArgs {
    /// Where the model works: inside this program, in a process of its own, whose crash is one failed step, or behind a server
    /// [default: $RHEA_ENGINE, else that of config.ron, else inside].
    #[arg(long, value_name = "inside|process|URL", value_parser = EngineChoice::from_str)]
    pub engine: Option<EngineChoice>,
}

impl EngineArgs {
    /// The choice, and where it comes from.
    ///
    /// # Errors
    /// When variable or file say something else than an engine.
    pub fn choice(&self) -> Result<(EngineChoice, Origin)> {
        if let Some(choice) = &self.engine {
            return Ok((choice.clone(), Origin::Flag("--engine")));
        }
        if let Some(text) = variable(ENGINE_VARIABLE) {
            let choice = text.parse().map_err(|e| format!("{ENGINE_VARIABLE}: {e}")).hint("Set it to one of these.")?;
            return Ok((choice, Origin::Env(ENGINE_VARIABLE)));
        }
        if let Some(text) = ConfigFile::of_user()?.engine {
            let file = config_file();
            let choice =
                text.parse().map_err(|e| format!("{}: {e}", file.display())).hint("Set `engine` to one of these.")?;
            return Ok((choice, Origin::File(file)));
        }
        Ok((EngineChoice::default(), Origin::Default))
    }

    /// The choice of a job that draws views or plans, which no server does.
    ///
    /// # Errors
    /// As [`Self::choice`], and when a server is chosen.
    pub fn local(&self) -> Result<EngineChoice> {
        match self.choice()? {
            (EngineChoice::Server(url), origin) => {
                let what = format!(
                    "the engine {url} ({origin}) answers `rhea imagine` only: views with memory need the model's own decoder"
                );
                Err(Fault::new(what, "Take --engine inside or --engine process here.").into())
            }
            (choice, _) => Ok(choice),
        }
    }
}

/// Opens a model for walks and plans.
///
/// # Errors
/// When the model, or the process, cannot be opened.
pub fn open(folder: &Path, choice: &EngineChoice) -> Result<Box<dyn Speak>> {
    match choice {
        EngineChoice::Process => {
            let launch = launch(folder)?;
            let text = ModelFolder::open_text(folder, &walking()).hint(MODEL_HINT)?;
            Ok(Box::new(ChildEngine::open(launch, text).hint(MODEL_HINT)?))
        }
        _ => Ok(Box::new(Imagination::open(folder).hint(MODEL_HINT)?)),
    }
}

/// Opens the tokenizers of a folder and reaches the server that has its model. The key is that of [`KEY_VARIABLE`], else that in the
/// file of [`KEY_FILE_VARIABLE`], else there is none.
///
/// # Errors
/// When the address, the key or the certificates cannot be used, or the server cannot be reached or is something else.
pub fn open_server(folder: &Path, url: &str, options: &OpenOptions) -> Result<RemoteGenerator> {
    let endpoint = Endpoint::parse(url).hint("Name the server with --engine, such as http://localhost:8000.")?;
    let key_hint =
        format!("The key is that of {KEY_VARIABLE}, else the one in the file that {KEY_FILE_VARIABLE} names.");
    let key = match (variable(KEY_VARIABLE), variable(KEY_FILE_VARIABLE)) {
        (Some(key), _) => Some(Key::new(&key, KEY_VARIABLE).hint(&key_hint)?),
        (None, Some(file)) => Some(Key::read(Path::new(&file)).hint(&key_hint)?),
        (None, None) => None,
    };
    let certificates = variable(CA_VARIABLE).map(PathBuf::from);
    let client = Client::new(endpoint, key, certificates.as_deref(), rhea_remote::Patience::default())
        .hint(format!("{CA_VARIABLE} names a PEM file of the certificates to trust."))?;
    let options = OpenOptions { vision: Some(place::vision_folder(folder)?), ..options.clone() };
    let hint = format!("Is `vllm serve` running there, with this model? {key_hint}");
    RemoteGenerator::open(folder, &options, client).hint(hint)
}

/// As [`Imagination::open`] opens a folder.
fn walking() -> OpenOptions {
    OpenOptions { walk: true, ..OpenOptions::default() }
}

fn launch(folder: &Path) -> Result<Launch> {
    let program = std::env::current_exe().hint("The program's own file is needed for --engine process.")?;
    let arguments = vec![CHILD_JOB.into(), "--model".into(), folder.as_os_str().to_owned()];
    Ok(Launch { program, arguments, environment: Vec::new(), patience: patience()? })
}

fn patience() -> Result<Patience> {
    let Some(text) = variable(PATIENCE_VARIABLE) else { return Ok(Patience::default()) };
    let secs = text.parse().ok().filter(|secs| PATIENCE_SECS.contains(secs));
    let (least, most) = (PATIENCE_SECS.start(), PATIENCE_SECS.end());
    let wrong = || format!("{PATIENCE_VARIABLE} is {text:?}; allowed are {least} to {most} seconds");
    let stall = Duration::from_secs(secs.ok_or_else(wrong).hint("Set it to the seconds that one pass may take.")?);
    Ok(Patience { stall, ..Patience::default() })
}

/// `rhea engine-child`: the other end of `--engine process`.
#[derive(Clone, Debug, Args)]
pub struct ChildArgs {
    /// The model folder.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
}

/// Serves the program that started this one, over standard input and output, until it hangs up.
///
/// # Errors
/// When whoever started this program is not Rhea.
pub fn run_child(args: &ChildArgs) -> Result<ExitCode> {
    // Where memory runs out, this process goes and the walk stays. A system that does not allow it decides by itself.
    std::fs::write("/proc/self/oom_score_adj", "500").ok();
    let folder = args.model.clone();
    let open = move || -> Result<Served, EngineError> {
        let model = Box::new(Imagination::open(&folder)?);
        let fingerprint = fingerprint(&folder)
            .map_err(|e| EngineError::Folder { what: format!("cannot be read: {e}"), path: folder.clone() })?;
        Ok(Served { model, fingerprint })
    };
    serve(std::io::stdin(), std::io::stdout(), open, || std::process::exit(0))
        .hint("This job is started by `rhea --engine process`, not by hand.")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_a_word_or_an_address() {
        for text in ["inside", "process", "http://localhost:8000", "https://gpu.example:443/v1"] {
            assert_eq!(text.parse::<EngineChoice>().unwrap().to_string(), text);
        }
        for wrong in ["", "Inside", "ftp://x", "localhost:8000"] {
            assert!(wrong.parse::<EngineChoice>().unwrap_err().contains("allowed are"), "{wrong}");
        }
        let server = EngineArgs { engine: Some(EngineChoice::Server("http://x".to_owned())) };
        assert!(server.local().unwrap_err().to_string().contains("rhea imagine"));
    }
}

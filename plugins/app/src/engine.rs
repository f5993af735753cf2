//! Where a model works: in this program, in a process of its own, or behind a server.
//!
//! A flag goes before `RHEA_ENGINE`, that before `engine` of the user's `config.ron`, that before `process` for
//! models on CUDA devices and `inside` for others.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rhea_child::{ChildEngine, ChildGenerator, Launch, Patience};
use rhea_engine::spread::{DeviceInfo, ParallelPlan, devices_found};
use rhea_engine::{EngineError, Imagination, ModelFolder, OpenOptions, Speak};
use rhea_remote::{Client, Endpoint, Key, RemoteGenerator};

use crate::config::{ConfigFile, Origin, chosen, variable};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::spread::{SpreadArgs, SpreadChoice, Tell, placed, print_plan};

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
/// Flag of the job that serves: devices that are not there any more are done without.
const WHAT_IS_LEFT: &str = "--what-is-left";
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
    /// [default: $RHEA_ENGINE, else that of config.ron, else process on CUDA devices and inside on the processor].
    #[arg(long, value_name = "inside|process|URL", value_parser = EngineChoice::from_str)]
    pub engine: Option<EngineChoice>,
    /// Where the model runs.
    #[command(flatten)]
    pub spread: SpreadArgs,
}

impl EngineArgs {
    /// The choice, and where it comes from. Where nobody says anything, a model on a CUDA device works in a process of its own:
    /// drivers fail in ways that no program survives.
    ///
    /// # Errors
    /// When variable or file say something else than an engine, or devices are named that are not there.
    pub fn choice(&self) -> Result<(EngineChoice, Origin)> {
        self.choice_among(&devices_found())
    }

    fn choice_among(&self, there: &[DeviceInfo]) -> Result<(EngineChoice, Origin)> {
        let file = ConfigFile::of_user()?.engine;
        if let Some(found) = chosen(("--engine", self.engine.as_ref()), ENGINE_VARIABLE, ("engine", file))? {
            return Ok(found);
        }
        let on_cuda = self.spread.choice()?.on_cuda(there);
        let hint = "Choose another --device; `rhea doctor` says what this machine has.";
        let usual = if on_cuda.hint(hint)? { EngineChoice::Process } else { EngineChoice::Inside };
        Ok((usual, Origin::Default))
    }

    /// The engine of a job that draws views or plans, which no server does. Where devices or a spread are asked for, the plan is
    /// printed and checked.
    ///
    /// # Errors
    /// As [`Self::choice`], when a server is chosen, and when the plan cannot be followed.
    pub fn local(&self, folder: &Path) -> Result<WalkEngine> {
        self.local_told(folder, print_plan)
    }

    /// As [`Self::local`], for those who print something else.
    ///
    /// # Errors
    /// As [`Self::local`].
    pub fn local_told(&self, folder: &Path, tell: Tell) -> Result<WalkEngine> {
        let choice = match self.choice()? {
            (EngineChoice::Server(url), origin) => {
                let what = format!(
                    "the engine {url} ({origin}) answers `rhea imagine` only: views with memory need the model's own decoder"
                );
                return Err(Fault::new(what, "Take --engine inside or --engine process here.").into());
            }
            (choice, _) => choice,
        };
        let plan = self.spread.plan(folder, &walking(), tell)?;
        let SpreadChoice { device, parallel } = self.spread.choice()?;
        Ok(WalkEngine { choice, plan, spread: SpreadArgs { device: Some(device.0), parallel: Some(parallel.0) } })
    }
}

/// Where a model for walks and plans works, and how it is spread.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkEngine {
    choice: EngineChoice,
    plan: Option<ParallelPlan>,
    /// What the plan was made of, for a process that makes it again.
    spread: SpreadArgs,
}

impl WalkEngine {
    /// In this program, on one rank.
    #[must_use]
    pub fn inside() -> Self {
        Self { choice: EngineChoice::Inside, plan: None, spread: SpreadArgs::default() }
    }

    /// Where it works.
    #[must_use]
    pub fn choice(&self) -> &EngineChoice {
        &self.choice
    }

    /// Ranks of one model. Models side by side would take the cores from each other's ranks.
    #[must_use]
    pub fn ranks(&self) -> usize {
        self.plan.as_ref().map_or(1, |plan| plan.ranks.len())
    }
}

/// Opens a model for walks and plans.
///
/// # Errors
/// When the model, or the process, cannot be opened.
pub fn open(folder: &Path, engine: &WalkEngine) -> Result<Box<dyn Speak>> {
    match engine.choice {
        EngineChoice::Process => {
            let spread = engine.plan.as_ref().map(|_| &engine.spread);
            let launch = launch(child_arguments(folder, spread, None), spread.is_some())?;
            let text = ModelFolder::open_text(folder, &walking()).hint(MODEL_HINT)?;
            Ok(Box::new(ChildEngine::open(launch, text).hint(MODEL_HINT)?))
        }
        _ => Ok(Box::new(open_inside(folder, engine.plan.as_ref()).hint(MODEL_HINT)?)),
    }
}

/// Opens a model in this program, as a plan says.
///
/// # Errors
/// As [`Imagination::open`].
pub fn open_inside(folder: &Path, plan: Option<&ParallelPlan>) -> Result<Imagination, EngineError> {
    Imagination::new(ModelFolder::open_with(folder, &placed(walking(), plan))?)
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
#[must_use]
pub fn walking() -> OpenOptions {
    OpenOptions { walk: true, ..OpenOptions::default() }
}

/// Opens a model that answers questions in a process of its own. `plan` says whether it is spread, and `spread` how.
///
/// # Errors
/// When the process cannot be started or cannot open the model.
pub fn open_answers(
    folder: &Path,
    spread: &SpreadChoice,
    plan: Option<&ParallelPlan>,
    options: &OpenOptions,
) -> Result<ChildGenerator> {
    let spread = plan.map(|_| SpreadArgs { device: Some(spread.device.0.clone()), parallel: Some(spread.parallel.0) });
    let launch = launch(child_arguments(folder, spread.as_ref(), Some(options)), plan.is_some())?;
    let text = ModelFolder::open_text(folder, options).hint(MODEL_HINT)?;
    ChildGenerator::open(launch, text).hint(MODEL_HINT)
}

fn launch(arguments: Vec<OsString>, devices: bool) -> Result<Launch> {
    let program = std::env::current_exe().hint("The program's own file is needed for --engine process.")?;
    // A device that is lost may not come back.
    let again = devices.then(|| arguments.iter().cloned().chain([WHAT_IS_LEFT.into()]).collect());
    Ok(Launch { program, arguments, again, environment: Vec::new(), patience: patience()? })
}

/// The command line of the process. Without a spread it is told nothing of devices, so that it opens the model as it would be here;
/// with `answers` it opens it for questions.
fn child_arguments(folder: &Path, spread: Option<&SpreadArgs>, answers: Option<&OpenOptions>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![CHILD_JOB.into(), "--model".into(), folder.as_os_str().to_owned()];
    let mut add = |name: &str, value: Option<String>| {
        arguments.extend(value.into_iter().flat_map(|value| [name.into(), value.into()]));
    };
    if let Some(SpreadArgs { device, parallel }) = spread {
        add("--device", device.as_ref().map(ToString::to_string));
        add("--parallel", parallel.as_ref().map(ToString::to_string));
    }
    if let Some(options) = answers {
        add("--branches", Some(options.branches.to_string()));
        add("--context", options.context.map(|context| context.to_string()));
        add("--quant", options.form.map(|form| form.name().to_owned()));
    }
    arguments
}

fn patience() -> Result<Patience> {
    let Some(text) = variable(PATIENCE_VARIABLE) else { return Ok(Patience::default()) };
    let secs = text.parse().ok().filter(|secs| PATIENCE_SECS.contains(secs));
    let (least, most) = (PATIENCE_SECS.start(), PATIENCE_SECS.end());
    let wrong = || format!("{PATIENCE_VARIABLE} is {text:?}; allowed are {least} to {most} seconds");
    let stall = Duration::from_secs(secs.ok_or_else(wrong).hint("Set it to the seconds that one pass may take.")?);
    Ok(Patience { stall, ..Patience::default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;
    use rhea_engine::spread::Device;
    use rhea_nn::transformer::WeightForm;

    use super::*;
    use crate::cli::{Cli, Job};

    #[test]
    fn an_engine_is_a_word_or_an_address() {
        for text in ["inside", "process", "http://localhost:8000", "https://gpu.example:443/v1"] {
            assert_eq!(text.parse::<EngineChoice>().unwrap().to_string(), text);
        }
        for wrong in ["", "Inside", "ftp://x", "localhost:8000"] {
            assert!(wrong.parse::<EngineChoice>().unwrap_err().contains("allowed are"), "{wrong}");
        }
        let server = EngineArgs { engine: Some(EngineChoice::Server("http://x".to_owned())), ..EngineArgs::default() };
        assert!(server.local(Path::new("nowhere")).unwrap_err().to_string().contains("rhea imagine"));
    }

    #[test]
    fn models_on_cuda_devices_work_in_a_process_unless_told() {
        let gpu = |n| DeviceInfo { device: Device::Cuda(n), name: "a GPU".to_owned(), free_bytes: Some(80 << 30) };
        let (with, without) = ([DeviceInfo::processor(), gpu(0), gpu(1)], [DeviceInfo::processor()]);
        let choice = |engine: Option<EngineChoice>, device: Option<&str>, there: &[DeviceInfo]| {
            let spread = SpreadArgs { device: device.map(|text| text.parse().unwrap()), parallel: None };
            EngineArgs { engine, spread }.choice_among(there).map_err(|e| e.to_string())
        };
        let usual = |choice| Ok((choice, Origin::Default));
        assert_eq!(choice(None, None, &with), usual(EngineChoice::Process));
        assert_eq!(choice(None, Some("cuda:1"), &with), usual(EngineChoice::Process));
        assert_eq!(choice(None, Some("cpu"), &with), usual(EngineChoice::Inside));
        assert_eq!(choice(None, None, &without), usual(EngineChoice::Inside));
        let flag = (EngineChoice::Inside, Origin::Flag("--engine"));
        assert_eq!(choice(Some(EngineChoice::Inside), Some("cuda:0"), &with), Ok(flag));
        let told = choice(None, Some("cuda:2"), &with).unwrap_err();
        assert!(told.contains("no cuda:2 here; there are: cpu, cuda:0, cuda:1"), "{told}");
    }

    #[test]
    fn a_process_is_told_the_devices_and_the_plan() {
        let nano = place::repository().join("model/nano");
        let spread = SpreadArgs { device: Some("cpu".parse().unwrap()), parallel: Some("tp=2".parse().unwrap()) };
        let engine = EngineArgs { engine: Some(EngineChoice::Process), spread: spread.clone() }.local(&nano).unwrap();
        assert_eq!((engine.choice(), engine.ranks()), (&EngineChoice::Process, 2));
        let words = child_arguments(&nano, Some(&engine.spread), None);
        assert_eq!(words[3..], ["--device", "cpu", "--parallel", "tp=2"]);
        assert_eq!(child_arguments(&nano, None, None).len(), 3);
        // What the process reads of it is what was meant.
        let read = |words: Vec<OsString>| {
            let line = std::iter::once(OsString::from("rhea")).chain(words);
            match Cli::try_parse_from(line).unwrap().job {
                Some(Job::EngineChild(read)) => read,
                _ => panic!("another job"),
            }
        };
        let walks = read(words);
        assert!(walks.answers().unwrap().is_none());
        assert_eq!((&walks.model, &walks.spread), (&nano, &spread));
        let form = WeightForm::named("q8_0");
        let options = OpenOptions { context: Some(700), branches: 2, form, ..OpenOptions::default() };
        let questions = read(child_arguments(&nano, Some(&spread), Some(&options)));
        assert_eq!((&questions.model, &questions.spread), (&nano, &spread));
        let opened = questions.answers().unwrap().unwrap();
        assert_eq!((opened.context, opened.branches, opened.form), (options.context, options.branches, options.form));
    }
}

//! The command line: what can be typed, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rhea_engine::limits::CONTEXT;
use rhea_engine::spread::DeviceRequest;
use rhea_tokens::prompts::Task;

use crate::batch::BatchWhat;
use crate::engine::EngineArgs;
use crate::engine_child::ChildArgs;
use crate::eval::EvalWhat;
use crate::export::ExportArgs;
use crate::plan::PlanArgs;
use crate::spread::SpreadArgs;
use crate::train::TrainStage;
use crate::world::WorldWhat;

/// Exit codes, part of `--help`.
const AFTER_HELP: &str = "Exit codes: 0 all went well, 1 something failed (one line says what and what to do), \
2 the command line is wrong.\n\nThe model folder is --model DIR, else $RHEA_MODEL, else that of the user's config.ron, else \
model/nano of the repository.";

/// Walk through worlds that a model imagines.
#[derive(Debug, Parser)]
#[command(name = "rhea", version, about, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without it, `explore`.
    #[command(subcommand)]
    pub job: Option<Job>,
    /// The options of `explore`, for when no job is named.
    #[command(flatten)]
    pub explore: ExploreArgs,
    /// Options of every job.
    #[command(flatten)]
    pub everywhere: Everywhere,
}

/// Options of every job.
#[derive(Clone, Debug, Default, Args)]
pub struct Everywhere {
    /// Append what the program does, line by line with its time, to a file [default: $RHEA_LOG_FILE, else no file].
    #[arg(long, value_name = "FILE", global = true)]
    pub log_file: Option<PathBuf>,
}

/// `rhea config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigWhat {
    /// Print the settings.
    Show {
        /// Say where each comes from: flag, environment, file or default.
        #[arg(long)]
        origin: bool,
        /// Print them as JSON, with their origins.
        #[arg(long)]
        json: bool,
        /// The model.
        #[command(flatten)]
        model: ModelArgs,
        /// Where the model works.
        #[command(flatten)]
        engine: EngineArgs,
    },
}

/// One job of the program.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Walk through an imagined world: in a window, or headless along a script.
    #[command(after_help = "Without a display, or with libraries missing, the sample walk runs headless instead.\n\
        Headless, Rhea writes the replay, a contact sheet and the narration to the output folder.")]
    Explore(ExploreArgs),
    /// Make pictures, stories and instructions from words and pictures.
    #[command(
        after_help = "Rhea writes every part of the answer as a numbered file, the whole as index.html, and the record \
        answer.pb, which Emu3.5's own tools read.\n\
        With --engine http://HOST:PORT (#MODEL) the transformer works behind a server that speaks vLLM's completions with token ids; \
        the tokenizers of --model stay here. $RHEA_ENGINE_KEY, or the file that $RHEA_ENGINE_KEY_FILE names, has its key, and \
        $RHEA_ENGINE_CA names a PEM file of certificates to trust."
    )]
    Imagine(ImagineArgs),
    /// Make a recorded walk a page, an animation, pictures or cameras for 3D tools, or an answer a folder with a page.
    #[command(
        after_help = "A walk's page and animation have the walk as it ended: what was taken back is left out. Each \
        output names the recording and its SHA-256. An answer becomes a folder in the layout of Emu3.5's viewer."
    )]
    Export(ExportArgs),
    /// Carry out a robot task in simulation, every step judged by physics.
    #[command(
        after_help = "A script with sentences is carried out as it is; goals are the model's to plan, or those of the \
        symbolic search with --planner search.\n\
        A script can plant faults and expect verdicts; see scenes/tasks.\n\
        Exit codes: 0 everything that the script expects came true; 1 an expectation failed (`expectation failed: ...` on \
        standard output), or the script could not be run (`error: ...` on standard error); 2 the command line is wrong."
    )]
    Plan(PlanArgs),
    /// Look into a recorded walk: in a window, or as text, pictures, labels, a world to go on from.
    Review(ReviewArgs),
    /// Measure speed and memory on this machine, on two of its cores.
    Bench(BenchArgs),
    /// Measure how true the model's pictures and words are.
    Eval {
        /// What to measure.
        #[command(subcommand)]
        what: EvalWhat,
    },
    /// Many plans, walks, evaluations and renderings at once: a queue on a NATS server, or shares of a list without one.
    #[command(
        after_help = "Jobs come from a list or from scripts; `submit` puts them into a queue, any number of workers on any number of \
        machines does them, `collect` fetches what came of them. A worker that dies loses its job to another; a job that fails \
        again and again is set aside with its reason. `run` needs no server."
    )]
    Batch {
        /// What to do.
        #[command(subcommand)]
        what: BatchWhat,
    },
    /// Train the shipped model, stage by stage.
    Train {
        /// The stage.
        #[command(subcommand)]
        stage: TrainStage,
    },
    /// Which models are at hand, whether they are whole, where they are. Nothing is downloaded.
    Models {
        /// What to do.
        #[command(subcommand)]
        what: ModelsWhat,
    },
    /// Look into saved worlds, fork, merge and compare them, draw their maps.
    World {
        /// What to do.
        #[command(subcommand)]
        what: WorldWhat,
    },
    /// Which settings hold, and where they come from.
    #[command(
        after_help = "A flag goes before the environment, that before the user's files, those before the default. The files \
        are config.ron (model, out, log_file, engine, device, parallel), window.ron and keys.ron in rhea/ under the XDG config folder."
    )]
    Config {
        /// What to do.
        #[command(subcommand)]
        what: ConfigWhat,
    },
    /// Check what this machine offers: processor, display, gamepads, model, folders.
    Doctor(DoctorArgs),
    /// Serve a model to the program that started this one.
    #[command(hide = true)]
    EngineChild(ChildArgs),
    /// Print what a shell needs to complete Rhea's command line.
    #[command(after_help = "bash: rhea completions bash > ~/.local/share/bash-completion/completions/rhea")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual as man pages, one for each job.
    Man {
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Where the model is.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelArgs {
    /// Model folder, or the name of a model in the cache of Hugging Face's tools.
    #[arg(long, value_name = "DIR|ORG/NAME")]
    pub model: Option<PathBuf>,
}

/// `rhea explore`.
#[derive(Clone, Debug, Default, Args)]
pub struct ExploreArgs {
    /// Begin with the first view of a scene (FILE.ron), or go on where a saved world (FILE.world) stopped.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["caption", "picture"])]
    pub world: Option<PathBuf>,
    /// Begin with a view imagined from these words.
    #[arg(long, value_name = "TEXT", conflicts_with = "picture")]
    pub caption: Option<String>,
    /// Begin with a picture of any size.
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Seed of everything random; the same seed, start and moves give the same walk [default: 1, or the script's]. A saved world
    /// keeps its own.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Walk without a window, along a script.
    #[arg(long)]
    pub headless: bool,
    /// The script to walk headless [default: scenes/walks/square.ron].
    #[arg(long, value_name = "FILE.ron", requires = "headless")]
    pub script: Option<PathBuf>,
    /// Walk headless by itself for so many steps: to where most is unseen, and regularly back to an old place.
    #[arg(long, value_name = "N", requires = "headless", conflicts_with = "script", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub free: Option<u32>,
    /// Output folder [default: the next free rhea-out/walk-NNN].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Save the world here too, besides walk.world in the output folder; the file of --world may be named again.
    #[arg(long, value_name = "FILE")]
    pub save_world: Option<PathBuf>,
    /// Go on in a world that another model drew: its pictures are kept, its codes are not.
    #[arg(long, requires = "world")]
    pub adopt: bool,
}

/// `rhea imagine`.
#[derive(Clone, Debug, Args)]
pub struct ImagineArgs {
    /// The kind of answer.
    #[arg(long, value_name = "TASK", value_parser = clap::builder::PossibleValuesParser::new(Task::ALL.map(Task::tag)))]
    pub task: String,
    /// What is wanted, in words.
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// What comes next, in a walk or a plan that goes on (explore and vla); may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub then: Vec<String>,
    /// A picture to go by; may be given several times.
    #[arg(long = "image", value_name = "FILE")]
    pub images: Vec<PathBuf>,
    /// Size of the pictures: a ratio such as 4:3, auto (the model chooses), or rows x columns of 16 px cells.
    #[arg(long, value_name = "4:3|auto|HxW")]
    pub aspect: Option<String>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Output folder [default: the next free rhea-out/imagine-NNN].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of everything random; the same seed, words and pictures give the same answer.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How strongly pictures follow the words; 1 is no more than the model does by itself, and takes half the work.
    #[arg(long, value_name = "F")]
    pub cfg: Option<f32>,
    /// How weights are held: as stored, or quantised while they are loaded: q8_0 and q4_k on the processor, fp8 on CUDA devices.
    #[arg(long, value_name = "FORM", value_parser = ["q8_0", "q4_k", "fp8", "stored"])]
    pub quant: Option<String>,
    /// Tokens that prompt and answer may have together.
    #[arg(long, value_name = "N", value_parser = parse_context)]
    pub context: Option<usize>,
    /// Print what the model would need where, and stop.
    #[arg(long)]
    pub plan_only: bool,
    /// Settings for everything else, and for what is not given here.
    #[arg(long, value_name = "FILE.ron")]
    pub config: Option<PathBuf>,
}

fn parse_context(text: &str) -> Result<usize, String> {
    let context = text.parse().ok().filter(|context| (1..=CONTEXT).contains(context));
    context.ok_or_else(|| format!("allowed are 1 to {CONTEXT} tokens"))
}

/// `rhea models`.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelsWhat {
    /// List the shipped model, what was fetched, and what could be.
    List,
    /// Check every part of a folder without loading its weights.
    Verify {
        /// A folder of a model or of a vision tokenizer.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print what a model would need on each rank and device, and whether that fits. Nothing is loaded.
    Plan {
        /// A model folder, or the name of a model in the cache of Hugging Face's tools [default: the model that `rhea` takes].
        #[arg(value_name = "DIR|ORG/NAME")]
        folder: Option<PathBuf>,
        /// Where it would run.
        #[command(flatten)]
        spread: SpreadArgs,
        /// How weights are held [default: as for `rhea imagine`].
        #[arg(long, value_name = "FORM", value_parser = ["q8_0", "q4_k", "fp8", "stored"])]
        quant: Option<String>,
        /// Tokens of a branch.
        #[arg(long, value_name = "N", value_parser = parse_context)]
        context: Option<usize>,
        /// Branches: 1 without guidance, 2 with, 3 with guidance by reference pictures.
        #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
        branches: u8,
    },
    /// Print the folder of a model in the cache of Hugging Face's tools, or how to fetch it.
    Where {
        /// Its name.
        #[arg(value_name = "ORG/NAME")]
        name: String,
    },
    /// Floors of time and memory on GPUs, as tables: computed from sizes and the cards' sheets, nothing is measured.
    Capacity {
        /// The model [default: the sizes of the published Emu3.5].
        #[command(flatten)]
        model: ModelArgs,
        /// Tokens before a picture.
        #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
        context: u32,
    },
}

/// `rhea review`.
#[derive(Clone, Debug, Args)]
pub struct ReviewArgs {
    /// A replay, written by `rhea explore` or `rhea plan`, finished or not.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Another replay to show beside it, beginning where the two part.
    #[arg(value_name = "OTHER")]
    pub beside: Option<PathBuf>,
    /// Print every record: command, pose, recall, narration.
    #[arg(long)]
    pub list: bool,
    /// Write every view as PNG to a folder.
    #[arg(long, value_name = "DIR")]
    pub frames: Option<PathBuf>,
    /// Write all views on one contact sheet.
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Write what people said about its steps as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub labels: Option<PathBuf>,
    /// Say where it parts from OTHER; the exit code is 1 when it does.
    #[arg(long, requires = "beside")]
    pub diff: bool,
    /// Save the world of a walk as it was at a record (0 is the start), to go on from; of a plan, have the steps from this one on
    /// judged again after a change (--words, --moved) and recorded beside it.
    #[arg(long, value_name = "RECORD")]
    pub branch: Option<usize>,
    /// Other words for the step of the plan that --branch names.
    #[arg(long, value_name = "TEXT", requires = "branch")]
    pub words: Option<String>,
    /// A thing that is put elsewhere on the table before that step, metres from the robot: red_block=0.45,-0.1.
    #[arg(long, value_name = "THING=X,Y", requires = "branch")]
    pub moved: Option<String>,
    /// The saved world that the walk went on from, if it did: branches need it.
    #[arg(long, value_name = "FILE.world")]
    pub base: Option<PathBuf>,
    /// Where the branch goes [default: beside the replay].
    #[arg(long, value_name = "FILE.world", requires = "branch")]
    pub out: Option<PathBuf>,
}

/// `rhea bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// One thing with all its numbers; without it, the list of all.
    #[command(subcommand)]
    pub what: Option<BenchWhat>,
    /// The options of the list.
    #[command(flatten)]
    pub list: BenchListArgs,
}

/// The list of `rhea bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchListArgs {
    /// Measure these only.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(crate::bench_list::NAMES))]
    pub only: Vec<String>,
    /// Measure a device instead: cuda:N, or candle, which runs on the processor what CUDA devices run. The shipped model has to say the
    /// same tokens there and on the processor; then layers as wide as the published model's are timed beside what memory allows.
    #[arg(long, value_name = "DEVICE", value_parser = str::parse::<DeviceRequest>, conflicts_with = "only")]
    pub device: Option<DeviceRequest>,
    /// Layers that are timed on a device; half as many are timed too, and 64 computed from both.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "device", value_parser = clap::value_parser!(u8).range(2..=16))]
    pub layers: u8,
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// What `rhea bench` measures by itself.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    /// A scripted walk: time to the first view, views per second, memory.
    Explore(BenchExploreArgs),
    /// Matrix products beside candle's and beside the limits of this machine.
    Kernels(BenchKernelsArgs),
}

/// `rhea bench kernels`.
#[derive(Clone, Debug, Args)]
pub struct BenchKernelsArgs {
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Pairs of alternating samples for each product.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=101))]
    pub pairs: u32,
}

/// `rhea bench explore`.
#[derive(Clone, Debug, Args)]
pub struct BenchExploreArgs {
    /// Steps to walk.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,
    /// Write the numbers as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Scene to walk in [default: scenes/worlds of the walk scenes/walks/square.ron].
    #[arg(long, value_name = "FILE.ron")]
    pub world: Option<PathBuf>,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model runs.
    #[command(flatten)]
    pub spread: SpreadArgs,
    /// Seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `rhea doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON instead.
    #[arg(long)]
    pub json: bool,
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Where the model works.
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_says_its_exit_codes() {
        Cli::command().debug_assert();
        assert!(Cli::command().render_help().to_string().contains("Exit codes"));
    }

    #[test]
    fn no_words_mean_explore_and_two_starts_are_refused() {
        assert!(Cli::try_parse_from(["rhea"]).unwrap().job.is_none());
        let short = Cli::try_parse_from(["rhea", "--caption", "a red room"]).unwrap();
        assert_eq!((short.job.is_none(), short.explore.caption.as_deref()), (true, Some("a red room")));
        assert!(Cli::try_parse_from(["rhea", "explore", "--caption", "a", "--picture", "b.png"]).is_err());
        assert!(Cli::try_parse_from(["rhea", "explore", "--script", "walk.ron"]).is_err(), "a script needs --headless");
        assert!(Cli::try_parse_from(["rhea", "explore", "--free", "9"]).is_err(), "walking by itself needs --headless");
        assert!(Cli::try_parse_from(["rhea", "explore", "--headless", "--free", "9", "--script", "walk.ron"]).is_err());
        assert!(Cli::try_parse_from(["rhea", "explore", "--adopt"]).is_err(), "there is nothing to adopt");
        assert!(Cli::try_parse_from(["rhea", "world", "fork", "a.world", "--step", "3", "--out", "b.world"]).is_ok());
        assert!(Cli::try_parse_from(["rhea", "world", "fork", "a.world", "--out", "b.world"]).is_err());
        assert!(
            Cli::try_parse_from(["rhea", "review", "walk.mcap", "--diff"]).is_err(),
            "there is nothing to part from"
        );
        assert!(Cli::try_parse_from(["rhea", "review", "walk.mcap", "--list", "--frames", "f"]).is_ok());
        let imagine = ["rhea", "imagine", "--task", "t2i", "--prompt", "a fox"];
        assert!(Cli::try_parse_from(imagine).is_ok());
        assert!(Cli::try_parse_from(imagine.into_iter().chain(["--quant", "q3"])).is_err());
        assert!(Cli::try_parse_from(imagine.into_iter().chain(["--context", "0"])).is_err());
        let spread = |device: &'static str, parallel: &'static str| {
            let more = ["--device", device, "--parallel", parallel];
            Cli::try_parse_from(imagine.into_iter().chain(more)).map_err(|e| e.to_string())
        };
        assert!(spread("cpu", "tp=2,cfg=2").is_ok() && spread("cuda:0,1", "layers").is_ok());
        assert!(spread("cuda:0,1,0", "auto").unwrap_err().contains("cuda:0 is named twice"));
        assert!(spread("gpu", "auto").unwrap_err().contains("allowed are auto, cpu"));
        assert!(spread("cpu", "tp=2,layers").unwrap_err().contains("exclude each other"));
        assert!(Cli::try_parse_from(["rhea", "imagine", "--task", "sing", "--prompt", "a fox"]).is_err());
        assert!(Cli::try_parse_from(["rhea", "bench", "explore", "--steps", "0"]).is_err());
        assert!(Cli::try_parse_from(["rhea", "bench", "--only", "first_view,decode_30m"]).is_ok());
        assert!(Cli::try_parse_from(["rhea", "bench", "--only", "speed"]).is_err());
    }
}

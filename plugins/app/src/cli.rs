//! The command line: what can be typed, as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::eval::EvalWhat;
use crate::plan::PlanArgs;
use crate::train::TrainStage;

/// Exit codes, part of `--help`.
const AFTER_HELP: &str = "Exit codes: 0 all went well, 1 something failed (one line says what and what to do), \
2 the command line is wrong.\n\nThe model folder is --model DIR, else $RHEA_MODEL, else model/nano of the repository.";

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
}

/// One job of the program.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Walk through an imagined world: in a window, or headless along a script.
    #[command(after_help = "Without a display, or with libraries missing, the sample walk runs headless instead.\n\
        Headless, Rhea writes the replay, a contact sheet and the narration to the output folder.")]
    Explore(ExploreArgs),
    /// Carry out a robot task in simulation, every step judged by physics.
    #[command(after_help = "The planner is a symbolic search, or the script's own sentences; no model takes part.\n\
        The exit code is 0 if everything that the script expects came true, else 1.")]
    Plan(PlanArgs),
    /// Look into a recorded walk.
    Review(ReviewArgs),
    /// Measure speed and memory on this machine, on two of its cores.
    Bench(BenchArgs),
    /// Measure how true the model's pictures and words are.
    Eval {
        /// What to measure.
        #[command(subcommand)]
        what: EvalWhat,
    },
    /// Train the shipped model, stage by stage.
    Train {
        /// The stage.
        #[command(subcommand)]
        stage: TrainStage,
    },
    /// Check what this machine offers: processor, display, gamepads, model, folders.
    Doctor(DoctorArgs),
}

/// Where the model is.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelArgs {
    /// Model folder.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
}

/// `rhea explore`.
#[derive(Clone, Debug, Default, Args)]
pub struct ExploreArgs {
    /// Begin with the first view of a scene.
    #[arg(long, value_name = "FILE.ron", conflicts_with_all = ["caption", "picture"])]
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
    /// Seed of everything random; the same seed, start and moves give the same walk [default: 1, or the script's].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Walk without a window, along a script.
    #[arg(long)]
    pub headless: bool,
    /// The script to walk headless [default: scenes/walks/square.ron].
    #[arg(long, value_name = "FILE.ron", requires = "headless")]
    pub script: Option<PathBuf>,
    /// Output folder [default: the next free rhea-out/walk-NNN].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `rhea review`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("view").required(true).multiple(true))]
pub struct ReviewArgs {
    /// A replay, written by `rhea explore`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print every record: command, pose, recall, narration.
    #[arg(long, group = "view")]
    pub list: bool,
    /// Write every view as PNG to a folder.
    #[arg(long, value_name = "DIR", group = "view")]
    pub frames: Option<PathBuf>,
    /// Write all views on one contact sheet.
    #[arg(long, value_name = "FILE.png", group = "view")]
    pub sheet: Option<PathBuf>,
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
    /// Seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// `rhea doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
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
        assert!(Cli::try_parse_from(["rhea", "review", "walk.mcap"]).is_err(), "review must be told what to show");
        assert!(Cli::try_parse_from(["rhea", "review", "walk.mcap", "--list", "--frames", "f"]).is_ok());
        assert!(Cli::try_parse_from(["rhea", "bench", "explore", "--steps", "0"]).is_err());
        assert!(Cli::try_parse_from(["rhea", "bench", "--only", "first_view,decode_30m"]).is_ok());
        assert!(Cli::try_parse_from(["rhea", "bench", "--only", "speed"]).is_err());
    }
}

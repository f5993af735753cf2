//! `rhea review`: what a recorded walk holds, as text, pictures or one sheet.

use std::process::ExitCode;

use anyhow::Result;
use rhea_session::replay::{self, ReplayReader};

use crate::cli::ReviewArgs;
use crate::fault::WithHint as _;
use crate::say::say;

const FILE_HINT: &str =
    "Replays are written by `rhea explore`; they end in .mcap and lie in the output folder of the walk.";
const WRITE_HINT: &str = "Choose a place that you may write to.";

/// Does what the arguments say, in the order list, frames, sheet.
///
/// # Errors
/// When the file is no replay, or something cannot be written.
pub fn run(args: &ReviewArgs) -> Result<ExitCode> {
    let replay = ReplayReader::open(&args.file).hint(FILE_HINT)?;
    if args.list {
        say!("{}", replay::list(&replay).trim_end());
    }
    if let Some(folder) = &args.frames {
        let count = replay::frames(&replay, folder).hint(WRITE_HINT)?;
        say!("{count} views in {}", folder.display());
    }
    if let Some(file) = &args.sheet {
        replay::sheet(&replay, file).hint(WRITE_HINT)?;
        say!("contact sheet: {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

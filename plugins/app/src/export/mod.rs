//! `rhea export`: recordings in forms that other programs read.

mod animation;
mod cameras;
mod page;
mod record;
mod walk;
mod webp;

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::ExportArgs;
use crate::fault::WithHint as _;

/// How an MCAP file begins.
const MCAP: &[u8] = b"\x89MCAP";

/// Writes what is asked for.
///
/// # Errors
/// When the file is neither a walk nor an answer, or the output cannot be written.
pub fn run(args: &ExportArgs) -> Result<ExitCode> {
    let mut head = Vec::with_capacity(MCAP.len());
    let opened = std::fs::File::open(&args.file).and_then(|file| file.take(MCAP.len() as u64).read_to_end(&mut head));
    opened
        .map_err(|error| format!("{}: {error}", args.file.display()))
        .hint("Name a walk (.mcap, written by `rhea explore`) or an answer (.pb, written by `rhea imagine`).")?;
    if head == MCAP { walk::export_walk(args) } else { record::export_record(args) }
}

//! A record of an answer as a folder, in the layout of the reference's viewer, with one page to look at.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use rhea_record::{Story, export};

use super::ExportArgs;
use crate::fault::{Fault, WithHint as _};
use crate::say::say;

/// Writes the folder.
///
/// # Errors
/// When a form of walks is asked for, the file is no record, or the folder cannot be written.
pub fn export_record(args: &ExportArgs) -> Result<ExitCode> {
    if args.to.is_some() {
        let hint = "Leave --to out: a record becomes a folder with a page that shows it all.";
        return Err(Fault::new("--to is for recordings of walks and plans, and this is none", hint).into());
    }
    let story = Story::load(&args.file)
        .hint("Records are written by `rhea imagine` and by Emu3.5's own tools; they end in .pb.")?;
    // The viewer's own default: a folder beside the record.
    let beside = || {
        let stem = args.file.file_stem().unwrap_or_default();
        args.file.parent().unwrap_or(Path::new("")).join("results").join(stem)
    };
    let folder = args.out.clone().unwrap_or_else(beside);
    let count = export(&story, &folder).hint("Choose a folder that you may write to with --out DIR.")?;
    say!("{count} files in {}; index.html shows them all", folder.display());
    Ok(ExitCode::SUCCESS)
}

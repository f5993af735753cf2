//! `rhea completions` and `rhea man`: both come from the command line's own definition.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::fault::WithHint as _;
use crate::say::say;

/// Prints a shell's completions.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rhea", &mut script);
    let mut out = std::io::stdout().lock();
    match out.write_all(&script).and_then(|()| out.flush()) {
        // Whoever reads may have read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes `rhea.1` and a page for each job.
///
/// # Errors
/// When the folder cannot be written.
pub fn pages(folder: &Path) -> Result<ExitCode> {
    let hint = "Choose a folder that you may write to with --out DIR.";
    std::fs::create_dir_all(folder).hint(hint)?;
    clap_mangen::generate_to(Cli::command(), folder).hint(hint)?;
    say!("man pages in {}; look at them with `man {}`", folder.display(), folder.join("rhea.1").display());
    Ok(ExitCode::SUCCESS)
}

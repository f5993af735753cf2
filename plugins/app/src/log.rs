//! `--log-file`: what the program does, line by line with its time, in a file.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::fault::WithHint as _;

/// What still goes to the terminal.
const TERMINAL_FILTER: &str = "error,wgpu_hal=off,winit=off,calloop=off";
/// What goes into the file: all that Rhea says, and the warnings of others.
const FILE_FILTER: &str = "warn,rhea=debug,wgpu_hal=error,naga=error";

/// Appends what is logged from now on to a file. Warnings still go to the terminal.
///
/// # Errors
/// When the file cannot be opened for writing.
pub fn begin(path: &Path) -> Result<()> {
    let file = File::options().create(true).append(true).open(path);
    let file = file
        .map_err(|e| format!("cannot write the log file {}: {e}", path.display()))
        .hint("Choose another --log-file.")?;
    let lines = fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(EnvFilter::new(FILE_FILTER));
    let colours = std::io::stderr().is_terminal();
    let terminal = fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let terminal = terminal.with_filter(EnvFilter::new(TERMINAL_FILTER));
    tracing::subscriber::set_global_default(Registry::default().with(lines).with(terminal))?;
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    tracing::info!(target: "rhea", version = env!("CARGO_PKG_VERSION"), command = words.join(" "), "began");
    Ok(())
}

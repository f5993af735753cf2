//! `--log-file`: what the program does, line by line with its time, in a file.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;
use rhea_explore::host::LOG_FILTER;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::fault::WithHint as _;

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
    let terminal = fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new(LOG_FILTER));
    tracing::subscriber::set_global_default(Registry::default().with(lines).with(terminal))?;
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    tracing::info!(target: "rhea", version = env!("CARGO_PKG_VERSION"), command = words.join(" "), "began");
    Ok(())
}

//! What can go wrong with a replay file.

use std::io;
use std::path::PathBuf;

use rhea_picture::PictureError;
use thiserror::Error;

use super::message::FORMAT_VERSION;

/// Errors of reading and writing replays.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file could not be created.
    #[error("cannot create the replay: {source}; choose a folder that can be written ({path})")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be opened or read.
    #[error("cannot read the replay: {source} ({path})")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk refused; what was recorded before is safe, and the rest is tried again with the next record.
    #[error(
        "the replay could not be written: {source}; {waiting_bytes} bytes wait in memory and are tried again at the next step"
    )]
    Write {
        /// What the system said.
        source: io::Error,
        /// Bytes not yet on the disk.
        waiting_bytes: usize,
    },
    /// The disk refused for so long that recording ended.
    #[error(
        "recording has ended: {waiting_bytes} bytes could not be written; the replay is whole up to byte {good_bytes}"
    )]
    GivenUp {
        /// Bytes that were dropped.
        waiting_bytes: usize,
        /// Length of the whole part of the file.
        good_bytes: u64,
    },
    /// The recording was already finished.
    #[error("the replay is finished; nothing can be added")]
    Finished,
    /// A value could not be put into a record.
    #[error("a step could not be put into the replay: {0}")]
    Encode(String),
    /// This is no replay at all.
    #[error("not a Rhea replay: {what} ({path}); expected an MCAP file written by `rhea explore`")]
    Foreign {
        /// What was found instead.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A replay of a later layout.
    #[error(
        "the replay has format {found}, written by Rhea {made_by}; this Rhea reads formats 1 to {FORMAT_VERSION} ({path})"
    )]
    Version {
        /// The file's format.
        found: u32,
        /// Who wrote it.
        made_by: String,
        /// The file.
        path: PathBuf,
    },
    /// A picture inside the replay could not be read.
    #[error("record {record} of the replay: {what}")]
    Picture {
        /// Number of the record.
        record: u64,
        /// What is wrong.
        what: String,
    },
    /// A request for a record or picture that is not there.
    #[error("the replay has no {what}")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// A picture could not be written or drawn.
    #[error(transparent)]
    Draw(#[from] PictureError),
    /// A folder for pictures could not be made.
    #[error("cannot write pictures: {source} ({path})")]
    Export {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

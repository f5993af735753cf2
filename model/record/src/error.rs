//! What can be wrong with a record.

use std::path::PathBuf;

use rhea_picture::PictureError;

use crate::limits::{MAX_PARTS, MAX_RECORD_BYTES};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no message.
    #[error("no record of a story: {what} at byte {at}")]
    Format {
        /// What is wrong.
        what: &'static str,
        /// Where in the file.
        at: usize,
    },
    /// A record with too many parts.
    #[error("the record has more than {MAX_PARTS} clips, segments, pictures and scores")]
    Parts,
    /// A file that is too long.
    #[error("the record has {size} bytes; up to {MAX_RECORD_BYTES} are allowed: {}", path.display())]
    TooLong {
        /// Its size.
        size: u64,
        /// Where.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read" or "write".
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A picture could not be encoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

//! What can go wrong between text, pictures and ids.

use std::path::PathBuf;

use crate::picture::PictureFault;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// A file could not be read or written.
    #[error("cannot {action} the tokenizer file: {source}: {}", path.display())]
    File {
        /// "read" or "write".
        action: &'static str,
        /// Why not.
        source: std::io::Error,
        /// Where.
        path: PathBuf,
    },
    /// A tokenizer file that is no byte-level BPE with Emu's control tokens.
    #[error("unusable text vocabulary: {0}")]
    Format(String),
    /// A control token that the grammar needs is not in the tokenizer file.
    #[error("the tokenizer has no token {0:?}")]
    MissingToken(&'static str),
    /// Something is larger than its limit.
    #[error("{what} has {size} {unit}, at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The unit of size and limit.
        unit: &'static str,
        /// The largest size allowed.
        limit: u64,
    },
    /// A number outside its range.
    #[error("{what} is {value}, allowed is {min} to {max}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// A size that nobody knows.
    #[error("{got:?} is no picture size; allowed are auto, {ratios}, or rows x columns of 16 px cells such as 55x73")]
    Aspect {
        /// What was asked for.
        got: String,
        /// The ratios there are.
        ratios: String,
    },
    /// A picture with the wrong number of codes.
    #[error("a picture of {rows} x {cols} cells needs {} codes, got {got}", rows * cols)]
    CodeCount {
        /// Rows of the picture.
        rows: usize,
        /// Columns of the picture.
        cols: usize,
        /// Codes given.
        got: usize,
    },
    /// Ids that are no picture.
    #[error("no picture: {0}")]
    Picture(#[from] PictureFault),
    /// The text tokenizer refused a text.
    #[error("cannot encode the text: {0}")]
    Encode(String),
}

//! What can go wrong with jobs, servers and result folders.

use std::path::PathBuf;

use thiserror::Error;

/// Any failure of this crate. Every message says what, where and what is allowed.
#[derive(Debug, Error)]
pub enum BatchError {
    /// A file or folder could not be used.
    #[error("cannot {what}: {source} ({path})")]
    File {
        /// Such as "read the job list".
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// There is more of something than allowed.
    #[error("{place}: {found} {what}; allowed are at most {allowed}")]
    TooMany {
        /// Where.
        place: String,
        /// Bytes, jobs, files, and so on.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many may be.
        allowed: u64,
    },
    /// A value that is not allowed, with what is.
    #[error("{place}: {what}")]
    Invalid {
        /// Where.
        place: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// Something that another version of the program wrote.
    #[error("{place} is of version {found}; this program reads version {allowed}")]
    Version {
        /// What it is.
        place: String,
        /// Its version.
        found: u64,
        /// Ours.
        allowed: u16,
    },
    /// What came back is not what was stored.
    #[error("{place}: the content of {file} does not have the digest that its list says")]
    Digest {
        /// Which result.
        place: String,
        /// Which file.
        file: String,
    },
    /// The output folder has something of others.
    #[error("{path} {what}", path = .path.display())]
    Foreign {
        /// What stands in the way.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// The server cannot be reached, or is none.
    #[error("no answer of a NATS server at {server}: {what}")]
    Connect {
        /// Its address, without credentials.
        server: String,
        /// Why.
        what: String,
    },
    /// The server answered, and refused.
    #[error("the server {server} does not let us in: {what}")]
    Refused {
        /// Its address.
        server: String,
        /// Why.
        what: String,
    },
    /// Something was asked of the server and not done.
    #[error("the server did not {what}: {said}")]
    Server {
        /// Such as "take the job".
        what: &'static str,
        /// What it said.
        said: String,
    },
    /// There is no such batch.
    #[error("there is no batch {0:?} on this server")]
    NoBatch(String),
}

impl BatchError {
    /// A file that could not be used.
    pub(crate) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { what, source, path }
    }

    /// A value that is not allowed.
    pub(crate) fn invalid(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), what: what.into() }
    }

    /// Something that the server did not do.
    #[cfg(feature = "nats")]
    pub(crate) fn server<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Server { what, said: error.to_string() }
    }

    /// Refuses more than is allowed.
    pub(crate) fn at_most(
        place: impl Into<String>,
        what: &'static str,
        found: u64,
        allowed: u64,
    ) -> Result<(), BatchError> {
        if found <= allowed { Ok(()) } else { Err(Self::TooMany { place: place.into(), what, found, allowed }) }
    }
}

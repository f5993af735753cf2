//! What can go wrong with a server.

use rhea_engine::EngineError;
use thiserror::Error;

use crate::limits;

/// Errors of a model behind a server.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// An address that cannot be used.
    #[error(
        "the address {url:?} {what}; allowed is http://HOST:PORT or https://HOST:PORT, with #MODEL behind it where the server has several"
    )]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// A key that cannot be used.
    #[error("the key in {place} {what}")]
    Key {
        /// Where it was looked for.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file of certificates that cannot be used.
    #[error("the certificates in {place} {what}")]
    Certificates {
        /// The file.
        place: String,
        /// What is wrong with them.
        what: String,
    },
    /// The server does not let the caller in.
    #[error("the server {url} refuses {key} (status {status}): it is missing, wrong or has expired{}", quoted(said))]
    Refused {
        /// The server.
        url: String,
        /// Which key was sent.
        key: String,
        /// 401 or 403.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The server does not speak as expected.
    #[error("{url} is no server of completions with token ids (vLLM 0.11 or later): {what}")]
    SomethingElse {
        /// The server.
        url: String,
        /// What it did instead.
        what: String,
    },
    /// The server takes the request for a wrong one.
    #[error("the server {url} does not take the request (status {status}){}", quoted(said))]
    Request {
        /// The server.
        url: String,
        /// Its status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The server was not reached, or was lost, after all attempts.
    #[error(
        "the server {url} {what} while {doing}; tried {tries} times. What was written until then stands; ask again when it is back"
    )]
    Lost {
        /// The server.
        url: String,
        /// What happened last.
        what: String,
        /// What it was at.
        doing: String,
        /// Attempts.
        tries: u32,
    },
    /// More than is allowed came.
    #[error("the server {url} sent {what} of more than {limit} bytes")]
    TooLarge {
        /// The server.
        url: String,
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// An id that may not stand here came.
    #[error(
        "the server {url} drew id {id} where only {allowed} may stand: it does not honour allowed_token_ids, or serves another model"
    )]
    Id {
        /// The server.
        url: String,
        /// The id.
        id: u32,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The server has no such model.
    #[error("the server {url} has no model {asked:?}; it has {has}")]
    Model {
        /// The server.
        url: String,
        /// What was asked for.
        asked: String,
        /// What it has.
        has: String,
    },
    /// Guidance that would fetch too much.
    #[error(
        "guidance behind a server fetches the log-probabilities of all {codes} codes twice for each code; allowed are up to {} codes: take \
         guidance 1, or a server that has it built in",
        limits::GUIDED_CODES
    )]
    Guidance {
        /// Codes of the codebook.
        codes: usize,
    },
}

impl From<RemoteError> for EngineError {
    fn from(error: RemoteError) -> Self {
        Self::Elsewhere(Box::new(error))
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

/// The beginning of what a server said, in one line.
pub(crate) fn shortened(said: &str) -> String {
    let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limits::SAID_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

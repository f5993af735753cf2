//! A model behind a server that speaks vLLM's completions with token ids.
//!
//! * [`RemoteGenerator`] answers questions as [`rhea_engine::generate::Generator`] does, with the transformer elsewhere: prompts are
//!   made here, text is drawn by the server in one stream, the frame of a picture is written here, its codes are drawn by the
//!   server row by row from the visual half of the vocabulary, and both tokenizers stay here;
//! * [`Endpoint`] is an address with what its server said of itself;
//! * [`Key`] is the key, from the environment or a file.
//!
//! Each row is one request that begins with everything before it, so a server that keeps prefixes (`--enable-prefix-caching`) reads
//! it once. What is drawn greedily is what the model inside draws, as far as both compute the same logits; what is drawn at a
//! temperature comes from the server's own generator, seeded with the request's seed.
//!
//! Guidance compares two prompts at every code. The server knows nothing of it, so it costs two requests a code that bring the
//! log-probabilities of all codes: see [`limits::GUIDED_CODES`].
//!
//! It draws no canvases and no views with depth memory: for those the model has to be inside.
//!
//! Invariant: an id that the grammar does not allow is never taken from a server.

mod answer;
mod api;
mod client;
mod endpoint;
mod error;
mod guided;
mod key;
mod lines;
mod watcher;

pub use answer::RemoteGenerator;
pub use client::{Client, Patience};
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use key::Key;

/// Limits on what is taken from a server.
pub mod limits {
    /// Bytes of an address.
    pub const URL_BYTES: usize = 2048;
    /// Bytes of a file with a key, and of a key.
    pub const KEY_BYTES: u64 = 16 << 10;
    /// Bytes of a file with certificates.
    pub const CA_BYTES: u64 = 1 << 20;
    /// Bytes of a list of models, of an error's text.
    pub const SHORT_BYTES: u64 = 1 << 20;
    /// Bytes of one event of a stream; the log-probabilities of [`GUIDED_CODES`] codes are the longest that is asked for.
    pub const EVENT_BYTES: usize = 16 << 20;
    /// Bytes of a whole stream.
    pub const STREAM_BYTES: u64 = 256 << 20;
    /// How long a connection is taken to be open after its last answer; servers close theirs after five seconds and more.
    pub const IDLE: std::time::Duration = std::time::Duration::from_secs(4);
    /// Events that wait to be looked at.
    pub const QUEUE: usize = 64;
    /// Characters of a server's text that an error repeats.
    pub const SAID_CHARS: usize = 200;
    /// Seconds that a server may ask to be left alone for.
    pub const RETRY_AFTER_SECS: u64 = 30;
    /// Codes of a codebook whose log-probabilities are fetched for guidance, twice a code, with the rest of the vocabulary. That is 0.4 MB
    /// a code for 5,137 ids; for the 282,926 of the published models it would be 20 MB, and a plug-in of the server is the way to go.
    pub const GUIDED_CODES: usize = 16_384;
}

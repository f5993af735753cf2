//! Requests, sampling, KV memory and decoding over a loaded model folder.
//!
//! It knows tokens, pictures and devices; it knows nothing of worlds or robots.
//!
//! Invariant: the same request on the same folder gives the same tokens, whatever else is being served.

mod error;
mod request;

pub use error::EngineError;
pub use request::{
    Cancel, Decoding, Filter, Imagine, Imagined, NarrationRequest, ViewRequest, ViewTask,
};

//! Scenes and walks as training documents, and the benchmarks whose truth is known exactly.
//!
//! It joins scenes and memory with the training loops; it draws no window and trains nothing itself.
//!
//! Invariant: no lesson is made from a scene seed outside the training range, and no score from one inside it.

pub mod distil;
mod error;
pub mod eval;
pub mod frames;
pub mod own;
pub mod pictures;
pub mod plans;
pub mod stages;
mod tables;
pub mod text;
pub mod worlds;

pub use error::LessonError;

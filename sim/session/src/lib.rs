//! rhea-session.

pub mod clock;
pub mod limits;
pub mod replay;

//! Where a model runs: devices, and how it is spread over them.
//!
//! * [`DeviceRequest`] is what a user asks for (`auto`, `cpu`, `cuda:0,1`), [`DeviceInfo`] what there is;
//! * [`ParallelRequest`] is how it shall be spread (`tp=4,cfg=2`, `layers`), [`ParallelPlan`] what comes of it: bytes of every
//!   rank, keys and values of the context, and why.
//!
//! It adds up sizes; nothing is loaded.
//!
//! Invariant: a plan that is too large for its devices is refused with its numbers and with one that fits, where there is one.

mod device;
mod plan;
mod request;
mod sizes;
mod words;

pub use device::{Device, DeviceInfo, DeviceRequest, devices_found};
pub use plan::{ParallelPlan, RankPlan};
pub use request::ParallelRequest;
pub use sizes::ModelSizes;

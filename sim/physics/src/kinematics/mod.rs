//! How an arm gets somewhere: inverse kinematics, collision along a path, path search and timing.
//!
//! Invariant: nothing here moves a joint beyond its limits, and a path that is called free was tested without gaps.

mod collide;
mod ik;
mod rrt;
mod timing;

pub use collide::{ArmShape, CLEAR_M, Clearance, Held, Obstacle, Obstacles, Owner, self_pairs};
pub use ik::{IkOptions, IkSolution, solve};
pub use rrt::{PathSearch, find_path};
pub use timing::{Timed, USED_SHARE, least_secs};

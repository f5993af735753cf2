//! Arms: read from URDF or MJCF into one model with forward kinematics, Jacobian, limits, holding torque and self-collision pairs.
//!
//! The model is own code in f64: rapier's URDF reader drops effort, velocity and mimic, and its multibodies are slower than
//! what a plan needs. A robot here is one serial chain from the base to the hand, with an optional two-finger gripper.
//!
//! Invariant: a [`RobotModel`] has 1 to 12 joints with finite limits, lower below upper, and a speed limit above zero.

mod mesh;
mod mjcf;
mod model;
mod tree;
mod urdf;

use std::path::Path;

use crate::error::PhysicsError;
use crate::scene::file::read_text;

pub(crate) use model::extent_m;
pub use model::{Finger, Frames, GRAVITY, Gripper, Joint, JointKind, RobotModel, Segment};

/// Reads a robot: MJCF for `.xml` and `.mjcf`, URDF for everything else.
///
/// # Errors
/// The file, a mesh it names, or a value in it.
pub fn load_robot(path: &Path) -> Result<RobotModel, PhysicsError> {
    let text = read_text("the robot", path)?;
    let is_mjcf = path.extension().is_some_and(|e| e == "xml" || e == "mjcf");
    let tree = if is_mjcf { mjcf::parse(&text, path)? } else { urdf::parse(&text, path)? };
    RobotModel::from_tree(tree)
}

/// A robot from the text of a URDF file; meshes are looked for beside `path`.
///
/// # Errors
/// See [`load_robot`].
pub fn parse_urdf(text: &str, path: &Path) -> Result<RobotModel, PhysicsError> {
    RobotModel::from_tree(urdf::parse(text, path)?)
}

/// A robot from the text of an MJCF file; meshes are looked for beside `path`.
///
/// # Errors
/// See [`load_robot`].
pub fn parse_mjcf(text: &str, path: &Path) -> Result<RobotModel, PhysicsError> {
    RobotModel::from_tree(mjcf::parse(text, path)?)
}

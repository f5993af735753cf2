//! What URDF and MJCF have in common: links with solids, joined by joints.

use crate::math::{Pose, V3};
use crate::robot::JointKind;
use crate::scene::form::Solid;

/// A robot as its file spells it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub name: String,
    pub links: Vec<RawLink>,
    pub joints: Vec<RawJoint>,
}

/// A link; solids and centre of mass in its own frame.
#[derive(Clone, Debug, Default)]
pub(super) struct RawLink {
    pub name: String,
    pub mass_kg: f64,
    pub com: V3,
    pub solids: Vec<Solid>,
}

/// A joint between two links of the tree.
#[derive(Clone, Debug)]
pub(super) struct RawJoint {
    pub name: String,
    /// `None` joins rigidly.
    pub kind: Option<JointKind>,
    pub parent: usize,
    pub child: usize,
    pub parent_from_joint: Pose,
    pub axis: V3,
    pub lower: f64,
    pub upper: f64,
    /// 0 where the file says nothing.
    pub velocity: f64,
    /// Infinite where the file says nothing.
    pub acceleration: f64,
    /// 0 where the file says nothing.
    pub effort: f64,
}

//! URDF: read by `urdf-rs`, checked here.

use std::collections::BTreeMap;
use std::path::Path;

use urdf_rs::{Geometry, JointType};

use super::mesh;
use super::tree::{RawJoint, RawLink, Tree};
use crate::error::PhysicsError;
use crate::limits::{MAX_LINKS, MAX_SHAPES};
use crate::math::{PI, Pose, Rot, V3};
use crate::robot::JointKind;
use crate::scene::form::{Prim, Solid};

/// Reads the text of a URDF file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Tree, PhysicsError> {
    // The XML reader's own errors carry the place; the tree reader of `urdf-rs` does not.
    if let Err(error) = roxmltree::Document::parse(text) {
        let at = error.pos();
        return Err(PhysicsError::Syntax {
            path: path.to_owned(),
            line: at.row as usize,
            column: at.col as usize,
            what: error.to_string(),
        });
    }
    let place = format!("robot {}", path.display());
    let robot = urdf_rs::read_from_string(text).map_err(|e| PhysicsError::invalid(place.clone(), e.to_string()))?;
    let most = |what, got, max| {
        if got <= max { Ok(()) } else { Err(PhysicsError::TooMany { place: place.clone(), what, got, max }) }
    };
    most("links", robot.links.len(), MAX_LINKS)?;
    most("collision shapes", robot.links.iter().map(|l| l.collision.len()).sum(), MAX_SHAPES)?;
    let mut tree = Tree { name: robot.name.clone(), ..Tree::default() };
    let mut index = BTreeMap::new();
    for link in &robot.links {
        let origin = pose(&link.inertial.origin);
        let mut solids = Vec::new();
        for collision in &link.collision {
            let outer = pose(&collision.origin);
            let solid = solid(&collision.geometry, path)?;
            solids.push(Solid { owner_from_solid: outer * solid.owner_from_solid, ..solid });
        }
        index.insert(link.name.clone(), tree.links.len());
        tree.links.push(RawLink { name: link.name.clone(), mass_kg: link.inertial.mass.value, com: origin.p, solids });
    }
    for joint in &robot.joints {
        let find = |name: &str| {
            index.get(name).copied().ok_or_else(|| PhysicsError::Unknown {
                place: format!("joint `{}`", joint.name),
                what: "link",
                name: name.to_owned(),
                known: index.keys().cloned().collect::<Vec<_>>().join(", "),
            })
        };
        let kind = match joint.joint_type {
            JointType::Revolute | JointType::Continuous => Some(JointKind::Revolute),
            JointType::Prismatic => Some(JointKind::Prismatic),
            JointType::Fixed => None,
            JointType::Floating | JointType::Planar | JointType::Spherical => {
                let what = "this kind of joint is not supported; allowed are revolute, continuous, prismatic, fixed";
                return Err(PhysicsError::invalid(format!("joint `{}`", joint.name), what));
            }
        };
        let turns_on = joint.joint_type == JointType::Continuous;
        tree.joints.push(RawJoint {
            name: joint.name.clone(),
            kind,
            parent: find(&joint.parent.link)?,
            child: find(&joint.child.link)?,
            parent_from_joint: pose(&joint.origin),
            axis: V3::of(*joint.axis.xyz),
            lower: if turns_on { -PI } else { joint.limit.lower },
            upper: if turns_on { PI } else { joint.limit.upper },
            velocity: joint.limit.velocity,
            acceleration: joint.limit.acceleration,
            effort: joint.limit.effort,
        });
    }
    Ok(tree)
}

fn pose(origin: &urdf_rs::Pose) -> Pose {
    let [roll, pitch, yaw] = *origin.rpy;
    Pose::new(V3::of(*origin.xyz), Rot::rpy(roll, pitch, yaw))
}

fn solid(geometry: &Geometry, path: &Path) -> Result<Solid, PhysicsError> {
    let prim = match geometry {
        Geometry::Box { size } => Prim::Box(V3::of(**size) * 0.5),
        Geometry::Cylinder { radius, length } => Prim::Cylinder(length / 2.0, *radius),
        Geometry::Capsule { radius, length } => Prim::Capsule(length / 2.0, *radius),
        Geometry::Sphere { radius } => Prim::Ball(*radius),
        Geometry::Mesh { filename, scale } => {
            return mesh::bounding_box(filename, scale.map_or(V3(1.0, 1.0, 1.0), |s| V3::of(*s)), path);
        }
    };
    Ok(Solid { owner_from_solid: Pose::IDENTITY, prim })
}

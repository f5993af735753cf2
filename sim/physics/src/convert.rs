//! The border to rapier: f64 poses and solids become f32 poses and shapes, and back. Nothing else converts.

use rapier3d::math::{Pose as RapierPose, Rotation, Vector};
use rapier3d::parry::shape::SharedShape;

use crate::math::{PI, Pose, Rot, V3};
use crate::scene::form::{Prim, Solid};

/// A vector for rapier.
pub(crate) fn vector(v: V3) -> Vector {
    Vector::new(v.0 as f32, v.1 as f32, v.2 as f32)
}

/// A vector from rapier.
pub(crate) fn from_vector(v: Vector) -> V3 {
    V3(f64::from(v.x), f64::from(v.y), f64::from(v.z))
}

/// A pose for rapier.
pub(crate) fn pose(p: Pose) -> RapierPose {
    let r = p.r.renormed();
    let rotation = Rotation::from_xyzw(r.v.0 as f32, r.v.1 as f32, r.v.2 as f32, r.w as f32);
    RapierPose::from_parts(vector(p.p), rotation)
}

/// A pose from rapier.
pub(crate) fn from_pose(p: &RapierPose) -> Pose {
    let q = p.rotation;
    let r = Rot { w: f64::from(q.w), v: V3(f64::from(q.x), f64::from(q.y), f64::from(q.z)) };
    Pose::new(from_vector(p.translation), r.renormed())
}

/// A convex shape for rapier and its place in the frame of its owner; rapier's cylinders stand along y, ours along z.
pub(crate) fn shape(solid: &Solid) -> (Pose, SharedShape) {
    let at = solid.owner_from_solid;
    let up = Pose::new(V3::ZERO, Rot::about(V3(1.0, 0.0, 0.0), PI / 2.0));
    match solid.prim {
        Prim::Box(h) => (at, SharedShape::cuboid(h.0 as f32, h.1 as f32, h.2 as f32)),
        Prim::Cylinder(h, r) => (at * up, SharedShape::cylinder(h as f32, r as f32)),
        Prim::Capsule(h, r) => (at, SharedShape::capsule_z(h as f32, r as f32)),
        Prim::Ball(r) => (at, SharedShape::ball(r as f32)),
    }
}

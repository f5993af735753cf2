//! Which shapes can a bundle of rays meet? Four planes around the bundle, tested against the boxes of the tree.

use parry3d::math::Vec3;
use parry3d::partitioning::{Bvh, TraversalAction};

/// Four half spaces `normal . p >= offset`; what lies wholly outside one of them cannot be met.
pub(super) struct Bundle {
    planes: [(Vec3, f32); 4],
}

impl Bundle {
    /// The pyramid from `apex` through four corner directions in order around it, made wider by `margin` metres.
    pub(super) fn pyramid(apex: Vec3, corners: [Vec3; 4], margin: f32) -> Self {
        let middle = corners[0] + corners[1] + corners[2] + corners[3];
        Self {
            planes: std::array::from_fn(|i| {
                let mut normal = corners[i].cross(corners[(i + 1) % 4]).normalize_or_zero();
                if normal.dot(middle) < 0.0 {
                    normal = -normal;
                }
                (normal, normal.dot(apex) - margin)
            }),
        }
    }

    /// The endless column between `low` and `high` along two directions across it.
    pub(super) fn column(axes: [Vec3; 2], low: [f32; 2], high: [f32; 2]) -> Self {
        Self { planes: [(axes[0], low[0]), (-axes[0], -high[0]), (axes[1], low[1]), (-axes[1], -high[1])] }
    }

    /// Does the box between `mins` and `maxs` reach into the bundle? May say yes when it only comes close.
    fn reaches(&self, mins: Vec3, maxs: Vec3) -> bool {
        self.planes.iter().all(|&(normal, offset)| {
            let x = if normal.x > 0.0 { maxs.x } else { mins.x };
            let y = if normal.y > 0.0 { maxs.y } else { mins.y };
            let z = if normal.z > 0.0 { maxs.z } else { mins.z };
            normal.x * x + normal.y * y + normal.z * z >= offset
        })
    }

    /// Names every leaf of `bvh` that may be met, with the corners of its box.
    pub(super) fn collect(&self, bvh: &Bvh, mut found: impl FnMut(u32, Vec3, Vec3)) {
        bvh.traverse(|node| {
            let (mins, maxs) = (node.mins(), node.maxs());
            if !self.reaches(mins, maxs) {
                return TraversalAction::Prune;
            }
            if let Some(leaf) = node.leaf_data() {
                found(leaf, mins, maxs);
            }
            TraversalAction::Continue
        });
    }
}

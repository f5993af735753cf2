//! Where a ray meets a solid, in f64.

use crate::math::{Pose, V3};
use crate::scene::form::Prim;

/// A ray; the direction need not have length one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ray {
    pub from: V3,
    pub along: V3,
}

/// A solid in the world with a sphere around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub world_from_solid: Pose,
    pub solid_from_world: Pose,
    pub prim: Prim,
    pub radius_m: f64,
}

/// Parameter of the ray and the normal of length one that looks at its origin.
pub(super) type Hit = (f64, V3);

/// Hits nearer than this are the surface that the ray starts on.
const NEAREST: f64 = 1e-6;

impl Body {
    pub fn new(world_from_solid: Pose, prim: Prim) -> Self {
        let radius_m = match prim {
            Prim::Box(h) => h.norm(),
            Prim::Cylinder(h, r) => (h * h + r * r).sqrt(),
            Prim::Capsule(h, r) => h + r,
            Prim::Ball(r) => r,
        };
        Self { world_from_solid, solid_from_world: world_from_solid.inv(), prim, radius_m }
    }

    /// The nearest hit before `most`.
    pub fn hit(&self, ray: Ray, most: f64) -> Option<Hit> {
        let to = self.world_from_solid.p - ray.from;
        let square = ray.along.dot(ray.along);
        let middle = to.dot(ray.along) / square;
        let off = to - ray.along * middle;
        if off.dot(off) > self.radius_m * self.radius_m || middle * square.sqrt() < -self.radius_m {
            return None;
        }
        let local = Ray { from: self.solid_from_world.point(ray.from), along: self.solid_from_world.r.turn(ray.along) };
        let (t, normal) = match self.prim {
            Prim::Box(half) => boxed(local, half),
            Prim::Ball(r) => ball(local, V3::ZERO, r),
            Prim::Cylinder(h, r) => cylinder(local, h, r),
            Prim::Capsule(h, r) => capsule(local, h, r),
        }?;
        (t > NEAREST && t < most).then(|| (t, self.world_from_solid.r.turn(normal)))
    }
}

fn boxed(ray: Ray, half: V3) -> Option<Hit> {
    let (from, along, half) = (ray.from.array(), ray.along.array(), half.array());
    let (mut enter, mut leave, mut axis) = (f64::MIN, f64::MAX, 0);
    for i in 0..3 {
        if along[i].abs() < 1e-12 {
            if from[i].abs() > half[i] {
                return None;
            }
            continue;
        }
        let (a, b) = ((-half[i] - from[i]) / along[i], (half[i] - from[i]) / along[i]);
        let (near, far) = if a < b { (a, b) } else { (b, a) };
        if near > enter {
            (enter, axis) = (near, i);
        }
        leave = leave.min(far);
    }
    if enter > leave || leave < 0.0 {
        return None;
    }
    let mut normal = [0.0; 3];
    normal[axis] = -along[axis].signum();
    Some((enter, V3(normal[0], normal[1], normal[2])))
}

fn ball(ray: Ray, centre: V3, r: f64) -> Option<Hit> {
    let o = ray.from - centre;
    let (a, b, c) = (ray.along.dot(ray.along), o.dot(ray.along), o.dot(o) - r * r);
    let under = b * b - a * c;
    if under < 0.0 {
        return None;
    }
    let t = (-b - under.sqrt()) / a;
    Some((t, (o + ray.along * t) * (1.0 / r)))
}

/// The side of an endless cylinder about z, where `|z|` is at most `half`.
fn side(ray: Ray, half: f64, r: f64) -> Option<Hit> {
    let (o, d) = (ray.from, ray.along);
    let (a, b, c) = (d.0 * d.0 + d.1 * d.1, o.0 * d.0 + o.1 * d.1, o.0 * o.0 + o.1 * o.1 - r * r);
    let under = b * b - a * c;
    if a < 1e-12 || under < 0.0 {
        return None;
    }
    let t = (-b - under.sqrt()) / a;
    let p = o + d * t;
    (p.2.abs() <= half).then(|| (t, V3(p.0 / r, p.1 / r, 0.0)))
}

fn cylinder(ray: Ray, half: f64, r: f64) -> Option<Hit> {
    let mut best = side(ray, half, r);
    if ray.along.2.abs() > 1e-12 {
        let up = -ray.along.2.signum();
        let t = (up * half - ray.from.2) / ray.along.2;
        let p = ray.from + ray.along * t;
        if p.0 * p.0 + p.1 * p.1 <= r * r && best.is_none_or(|b| t < b.0) {
            best = Some((t, V3(0.0, 0.0, up)));
        }
    }
    best
}

fn capsule(ray: Ray, half: f64, r: f64) -> Option<Hit> {
    let ends = [half, -half].map(|z| ball(ray, V3(0.0, 0.0, z), r));
    ends.into_iter().flatten().chain(side(ray, half, r)).min_by(|a, b| a.0.total_cmp(&b.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ray_down_the_axis_meets_every_solid_at_its_top() {
        let ray = Ray { from: V3(0.2, -0.1, 3.0), along: V3(0.0, 0.0, -2.0) };
        let at = Pose::at(V3(0.2, -0.1, 0.5));
        for (prim, top) in [
            (Prim::Box(V3(0.1, 0.2, 0.3)), 0.8),
            (Prim::Cylinder(0.3, 0.1), 0.8),
            (Prim::Capsule(0.3, 0.1), 0.9),
            (Prim::Ball(0.25), 0.75),
        ] {
            let (t, normal) = Body::new(at, prim).hit(ray, f64::MAX).unwrap_or((f64::NAN, V3::ZERO));
            assert!((3.0 - 2.0 * t - top).abs() < 1e-12, "{prim:?} {t}");
            assert!((normal.2 - 1.0).abs() < 1e-12, "{prim:?} {normal:?}");
        }
        let aside = Ray { from: V3(1.2, -0.1, 3.0), ..ray };
        assert!(Body::new(at, Prim::Ball(0.25)).hit(aside, f64::MAX).is_none());
    }
}

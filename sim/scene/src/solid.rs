//! The placed shapes that rays and the walker meet.

use crate::object::{Part, Shape};
use parry3d::bounding_volume::Aabb;
use parry3d::math::Vec3;

/// A shape at its place in the world, turned about the vertical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Solid {
    pub(crate) centre: Vec3,
    /// Cosine and sine of the yaw.
    pub(crate) cos: f32,
    pub(crate) sin: f32,
    pub(crate) form: Form,
    /// Index of its material.
    pub(crate) material: u32,
    /// Object id, 0 for the shell.
    pub(crate) id: u16,
    /// Does it throw shadows?
    pub(crate) casts: bool,
    /// Half extents along the world's axes where it is a box that lines up with them.
    aligned: Option<Vec3>,
}

/// A ray with the reciprocals that boxes need. The direction need not be a unit vector.
#[derive(Clone, Copy)]
pub(crate) struct Ray {
    pub(crate) origin: Vec3,
    pub(crate) dir: Vec3,
    inverse: Vec3,
}

impl Ray {
    #[inline]
    pub(crate) fn new(origin: Vec3, dir: Vec3) -> Self {
        Self { origin, dir, inverse: reciprocal(dir) }
    }

    /// The point at a ray parameter.
    #[inline]
    pub(crate) fn at(&self, t: f32) -> Vec3 {
        self.origin + self.dir * t
    }
}

/// The shape itself, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Box { half: Vec3 },
    Sphere { radius: f32 },
    Cylinder { radius: f32, half_height: f32 },
}

/// Where on a surface a ray ends: outward normal, and the two coordinates and their axes along the surface.
pub(crate) struct Touch {
    pub(crate) normal: Vec3,
    pub(crate) u: f32,
    pub(crate) v: f32,
    pub(crate) u_axis: Vec3,
    pub(crate) v_axis: Vec3,
    /// Half the size of the face along `u` and `v`; 0 where the face is curved.
    pub(crate) half: [f32; 2],
    /// Is this the face towards the shape's own `+z`?
    pub(crate) front: bool,
}

/// Shortest ray length that counts as a hit.
const MIN_HIT: f32 = 1e-4;
/// A box whose yaw is this close to a quarter turn counts as lined up with the world.
const ALIGNED: f32 = 1e-6;

impl Solid {
    /// A shape turned by a yaw given as cosine and sine.
    pub(crate) fn new(centre: Vec3, [cos, sin]: [f32; 2], form: Form, material: u32, id: u16, casts: bool) -> Self {
        let aligned = match form {
            Form::Box { half } if sin.abs() < ALIGNED => Some(half),
            Form::Box { half } if cos.abs() < ALIGNED => Some(Vec3::new(half.z, half.y, half.x)),
            _ => None,
        };
        Self { centre, cos, sin, form, material, id, casts, aligned }
    }

    /// A part of an object placed in the world.
    pub(crate) fn of_part(part: &Part, position: [f32; 3], yaw_rad: f32, material: u32, id: u16) -> Self {
        let (sin, cos) = yaw_rad.sin_cos();
        let [x, y, z] = part.centre_m;
        let centre = Vec3::from_array(position) + Vec3::new(cos * x + sin * z, y, cos * z - sin * x);
        let (sin, cos) = (yaw_rad + part.yaw_deg.to_radians()).sin_cos();
        let form = match part.shape {
            Shape::Box { half_m } => Form::Box { half: Vec3::from_array(half_m) },
            Shape::Sphere { radius_m } => Form::Sphere { radius: radius_m },
            Shape::Cylinder { radius_m, half_height_m } => {
                Form::Cylinder { radius: radius_m, half_height: half_height_m }
            }
        };
        Self::new(centre, [cos, sin], form, material, id, true)
    }

    /// World vector to the shape's own frame.
    #[inline]
    fn own_from_world(&self, v: Vec3) -> Vec3 {
        Vec3::new(self.cos * v.x - self.sin * v.z, v.y, self.sin * v.x + self.cos * v.z)
    }

    /// Vector in the shape's own frame to the world.
    #[inline]
    fn world_from_own(&self, v: Vec3) -> Vec3 {
        Vec3::new(self.cos * v.x + self.sin * v.z, v.y, self.cos * v.z - self.sin * v.x)
    }

    /// Box around the shape.
    pub(crate) fn aabb(&self) -> Aabb {
        let half = match self.form {
            Form::Box { half } => {
                let (c, s) = (self.cos.abs(), self.sin.abs());
                Vec3::new(c * half.x + s * half.z, half.y, s * half.x + c * half.z)
            }
            Form::Sphere { radius } => Vec3::splat(radius),
            Form::Cylinder { radius, half_height } => Vec3::new(radius, half_height, radius),
        };
        Aabb::new(self.centre - half, self.centre + half)
    }

    /// Ray parameter of the first entry between [`MIN_HIT`] and `max`, for a ray that starts outside.
    #[inline]
    pub(crate) fn hit(&self, ray: &Ray, max: f32) -> Option<f32> {
        let o = ray.origin - self.centre;
        if let Some(half) = self.aligned {
            return slabs(o, ray.inverse, half, max);
        }
        let dir = ray.dir;
        match self.form {
            Form::Box { half } => slabs(self.own_from_world(o), reciprocal(self.own_from_world(dir)), half, max),
            Form::Sphere { radius } => {
                let a = dir.dot(dir);
                let b = o.dot(dir);
                let c = o.dot(o) - radius * radius;
                let disc = b * b - a * c;
                if disc < 0.0 {
                    return None;
                }
                let t = (-b - disc.sqrt()) / a;
                (t > MIN_HIT && t < max).then_some(t)
            }
            Form::Cylinder { radius, half_height } => {
                let inverse = ray.inverse.y;
                let (a, b) = ((-half_height - o.y) * inverse, (half_height - o.y) * inverse);
                let (mut enter, mut leave) = (a.min(b), a.max(b));
                let q = dir.x * dir.x + dir.z * dir.z;
                let b = o.x * dir.x + o.z * dir.z;
                let c = o.x * o.x + o.z * o.z - radius * radius;
                if q > 1e-12 {
                    let disc = b * b - q * c;
                    if disc < 0.0 {
                        return None;
                    }
                    let root = disc.sqrt();
                    enter = enter.max((-b - root) / q);
                    leave = leave.min((-b + root) / q);
                } else if c > 0.0 {
                    return None;
                }
                (enter <= leave && enter > MIN_HIT && enter < max).then_some(enter)
            }
        }
    }

    /// The surface at a point on it.
    pub(crate) fn touch(&self, point: Vec3) -> Touch {
        let p = self.own_from_world(point - self.centre);
        let curved = |normal: Vec3, u: f32, v: f32| Touch {
            normal,
            u,
            v,
            u_axis: Vec3::X,
            v_axis: Vec3::Y,
            half: [0.0; 2],
            front: false,
        };
        match self.form {
            Form::Box { half } => {
                let over = p.abs() - half;
                let (normal, u, v, u_axis, v_axis, size) = if over.x >= over.y && over.x >= over.z {
                    (Vec3::X * p.x.signum(), p.z, p.y, Vec3::Z, Vec3::Y, [half.z, half.y])
                } else if over.y >= over.z {
                    (Vec3::Y * p.y.signum(), p.x, p.z, Vec3::X, Vec3::Z, [half.x, half.z])
                } else {
                    (Vec3::Z * p.z.signum(), p.x, p.y, Vec3::X, Vec3::Y, [half.x, half.y])
                };
                Touch {
                    normal: self.world_from_own(normal),
                    u,
                    v,
                    u_axis: self.world_from_own(u_axis),
                    v_axis: self.world_from_own(v_axis),
                    half: size,
                    front: normal.z > 0.5,
                }
            }
            Form::Sphere { radius } => curved(self.world_from_own(p) / radius, p.x, p.y),
            Form::Cylinder { radius, half_height } => {
                let flat = (p.x * p.x + p.z * p.z).sqrt();
                if flat - radius > p.y.abs() - half_height {
                    let normal = Vec3::new(p.x, 0.0, p.z) / flat.max(1e-6);
                    curved(self.world_from_own(normal), p.x, p.y)
                } else {
                    curved(Vec3::Y * p.y.signum(), p.x, p.z)
                }
            }
        }
    }

    /// Distance from a point to the surface; negative inside.
    pub(crate) fn distance(&self, point: Vec3) -> f32 {
        let o = point - self.centre;
        match self.form {
            Form::Box { half } => {
                let over = self.own_from_world(o).abs() - half;
                let out = Vec3::new(high(over.x, 0.0), high(over.y, 0.0), high(over.z, 0.0));
                out.length() + low(high(high(over.x, over.y), over.z), 0.0)
            }
            Form::Sphere { radius } => o.length() - radius,
            Form::Cylinder { radius, half_height } => {
                let side = (o.x * o.x + o.z * o.z).sqrt() - radius;
                let cap = o.y.abs() - half_height;
                let (a, b) = (high(side, 0.0), high(cap, 0.0));
                (a * a + b * b).sqrt() + low(high(side, cap), 0.0)
            }
        }
    }

    /// Distance on the floor plan from `(x, z)` to the shape seen from above; negative inside.
    pub(crate) fn plan_distance(&self, x: f32, z: f32) -> f32 {
        let o = Vec3::new(x - self.centre.x, 0.0, z - self.centre.z);
        match self.form {
            Form::Box { half } => {
                let p = self.own_from_world(o).abs();
                let (a, b) = (p.x - half.x, p.z - half.z);
                let out = a.max(0.0) * a.max(0.0) + b.max(0.0) * b.max(0.0);
                out.sqrt() + a.max(b).min(0.0)
            }
            Form::Sphere { radius } | Form::Cylinder { radius, .. } => o.length() - radius,
        }
    }
}

/// Entry of a ray into a box around the origin, given the reciprocal of its direction.
#[inline]
fn slabs(o: Vec3, inverse: Vec3, half: Vec3, max: f32) -> Option<f32> {
    let middle = -o * inverse;
    let reach = half * inverse.abs();
    let (near, far) = (middle - reach, middle + reach);
    let enter = high(high(near.x, near.y), near.z);
    let leave = low(low(far.x, far.y), far.z);
    (enter <= leave && enter > MIN_HIT && enter < max).then_some(enter)
}

/// The smaller of two numbers that are not NaN: one instruction, where `f32::min` takes several.
#[inline]
fn low(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The larger of two numbers that are not NaN.
#[inline]
fn high(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `1 / v` kept finite, so that slabs never meet `0 * inf`.
#[inline]
fn reciprocal(v: Vec3) -> Vec3 {
    let one = |x: f32| 1.0 / if x.abs() > 1e-9 { x } else { 1e-9_f32.copysign(x) };
    Vec3::new(one(v.x), one(v.y), one(v.z))
}

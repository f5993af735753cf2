//! Vectors, rotations and rigid transforms in f64.
//!
//! Own code instead of a library, because every bit has to be the same on every machine: transcendental functions come from
//! `libm`, everything else is plus, minus, times, divide and square root, which IEEE 754 rounds exactly.

use std::ops::{Add, Mul, Neg, Sub};

use rand::RngCore;
use serde::{Deserialize, Serialize};

/// Half a turn, radians.
pub const PI: f64 = std::f64::consts::PI;

/// A random number from 0 to 1.
pub(crate) fn unit(rng: &mut impl RngCore) -> f64 {
    f64::from(rng.next_u32()) / f64::from(u32::MAX)
}

/// A number from 0 to 1 of a sequence that begins at `start` and fills the range evenly (golden-ratio steps).
pub(crate) fn golden(index: usize, start: f64) -> f64 {
    (index as f64 * 0.618_033_988_75 + start).fract()
}

/// Three numbers: a point, a direction, an axis times an angle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct V3(pub f64, pub f64, pub f64);

impl V3 {
    /// Nothing.
    pub const ZERO: Self = Self(0.0, 0.0, 0.0);
    /// Straight up; the world's z.
    pub const UP: Self = Self(0.0, 0.0, 1.0);

    /// From an array.
    #[must_use]
    pub const fn of(a: [f64; 3]) -> Self {
        Self(a[0], a[1], a[2])
    }

    /// As an array.
    #[must_use]
    pub const fn array(self) -> [f64; 3] {
        [self.0, self.1, self.2]
    }

    /// Scalar product.
    #[must_use]
    pub fn dot(self, o: Self) -> f64 {
        self.0 * o.0 + self.1 * o.1 + self.2 * o.2
    }

    /// Vector product.
    #[must_use]
    pub fn cross(self, o: Self) -> Self {
        Self(self.1 * o.2 - self.2 * o.1, self.2 * o.0 - self.0 * o.2, self.0 * o.1 - self.1 * o.0)
    }

    /// Length.
    #[must_use]
    pub fn norm(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The same direction with length one; `None` for a vector too short to have one.
    #[must_use]
    pub fn unit(self) -> Option<Self> {
        let n = self.norm();
        (n > 1e-12).then(|| self * (1.0 / n))
    }

    /// Distance between two points.
    #[must_use]
    pub fn distance(self, o: Self) -> f64 {
        (self - o).norm()
    }

    /// Are all three numbers finite?
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.array().iter().all(|v| v.is_finite())
    }
}

impl Add for V3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0, self.1 + o.1, self.2 + o.2)
    }
}

impl Sub for V3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self(self.0 - o.0, self.1 - o.1, self.2 - o.2)
    }
}

impl Mul<f64> for V3 {
    type Output = Self;
    fn mul(self, k: f64) -> Self {
        Self(self.0 * k, self.1 * k, self.2 * k)
    }
}

impl Neg for V3 {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// A rotation as a unit quaternion `w + xi + yj + zk`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rot {
    /// Real part.
    pub w: f64,
    /// Imaginary part.
    pub v: V3,
}

impl Rot {
    /// No rotation.
    pub const IDENTITY: Self = Self { w: 1.0, v: V3::ZERO };

    /// By an angle in radians about an axis of length one.
    #[must_use]
    pub fn about(axis: V3, angle: f64) -> Self {
        Self { w: libm::cos(angle / 2.0), v: axis * libm::sin(angle / 2.0) }
    }

    /// About the world's z.
    #[must_use]
    pub fn yaw(angle: f64) -> Self {
        Self::about(V3::UP, angle)
    }

    /// URDF's fixed-axis roll, pitch, yaw: `Rz(yaw) Ry(pitch) Rx(roll)`.
    #[must_use]
    pub fn rpy(roll: f64, pitch: f64, yaw: f64) -> Self {
        Self::yaw(yaw) * Self::about(V3(0.0, 1.0, 0.0), pitch) * Self::about(V3(1.0, 0.0, 0.0), roll)
    }

    /// From a rotation vector: axis times angle.
    #[must_use]
    pub fn exp(vector: V3) -> Self {
        let angle = vector.norm();
        if angle < 1e-12 {
            Self { w: 1.0, v: vector * 0.5 }.renormed()
        } else {
            Self::about(vector * (1.0 / angle), angle)
        }
    }

    /// The rotation vector, of length 0 to pi.
    #[must_use]
    pub fn log(self) -> V3 {
        let (w, v) = if self.w < 0.0 { (-self.w, -self.v) } else { (self.w, self.v) };
        let s = v.norm();
        if s < 1e-12 { v * 2.0 } else { v * (2.0 * libm::atan2(s, w) / s) }
    }

    /// The angle of the rotation, 0 to pi.
    #[must_use]
    pub fn angle(self) -> f64 {
        self.log().norm()
    }

    /// The inverse.
    #[must_use]
    pub fn inv(self) -> Self {
        Self { w: self.w, v: -self.v }
    }

    /// A vector rotated.
    #[must_use]
    pub fn turn(self, p: V3) -> V3 {
        let t = self.v.cross(p) * 2.0;
        p + t * self.w + self.v.cross(t)
    }

    /// Heading of the rotated x axis in the world's horizontal plane.
    #[must_use]
    pub fn heading(self) -> f64 {
        let x = self.turn(V3(1.0, 0.0, 0.0));
        libm::atan2(x.1, x.0)
    }

    /// Angle between the rotated z axis and straight up.
    #[must_use]
    pub fn tilt(self) -> f64 {
        libm::acos(self.turn(V3::UP).2.clamp(-1.0, 1.0))
    }

    /// A part of the way from this rotation to another along the shortest arc.
    #[must_use]
    pub fn towards(self, to: Self, share: f64) -> Self {
        self * Self::exp((self.inv() * to).log() * share)
    }

    /// Scaled back to length one, against rounding that adds up.
    #[must_use]
    pub fn renormed(self) -> Self {
        let n = (self.w * self.w + self.v.dot(self.v)).sqrt();
        if n > 1e-12 { Self { w: self.w / n, v: self.v * (1.0 / n) } } else { Self::IDENTITY }
    }
}

impl Mul for Rot {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self { w: self.w * o.w - self.v.dot(o.v), v: o.v * self.w + self.v * o.w + self.v.cross(o.v) }
    }
}

/// A rigid transform: first rotate, then move. `world_from_link` maps a point of the link to the world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Translation, metres.
    pub p: V3,
    /// Rotation.
    pub r: Rot,
}

impl Pose {
    /// No change.
    pub const IDENTITY: Self = Self { p: V3::ZERO, r: Rot::IDENTITY };

    /// A translation.
    #[must_use]
    pub const fn at(p: V3) -> Self {
        Self { p, r: Rot::IDENTITY }
    }

    /// From its parts.
    #[must_use]
    pub const fn new(p: V3, r: Rot) -> Self {
        Self { p, r }
    }

    /// A point mapped.
    #[must_use]
    pub fn point(self, p: V3) -> V3 {
        self.p + self.r.turn(p)
    }

    /// The inverse.
    #[must_use]
    pub fn inv(self) -> Self {
        let r = self.r.inv();
        Self { p: -r.turn(self.p), r }
    }

    /// Straight line in space, shortest arc in rotation.
    #[must_use]
    pub fn towards(self, to: Self, share: f64) -> Self {
        Self { p: self.p + (to.p - self.p) * share, r: self.r.towards(to.r, share).renormed() }
    }
}

impl Mul for Pose {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self { p: self.point(o.p), r: self.r * o.r }
    }
}

/// Solves the symmetric positive definite system `a x = b` of up to six unknowns by Cholesky; `None` if it is not one.
#[must_use]
pub fn solve6(a: &[[f64; 6]; 6], b: &[f64; 6]) -> Option<[f64; 6]> {
    let mut l = [[0.0; 6]; 6];
    for i in 0..6 {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            if i == j {
                let d = a[i][i] - dot;
                if d <= 0.0 {
                    return None;
                }
                l[i][i] = d.sqrt();
            } else {
                l[i][j] = (a[i][j] - dot) / l[j][j];
            }
        }
    }
    let mut y = [0.0; 6];
    for i in 0..6 {
        y[i] = (b[i] - (0..i).map(|k| l[i][k] * y[k]).sum::<f64>()) / l[i][i];
    }
    let mut x = [0.0; 6];
    for i in (0..6).rev() {
        x[i] = (y[i] - (i + 1..6).map(|k| l[k][i] * x[k]).sum::<f64>()) / l[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roll_pitch_yaw_turns_about_fixed_axes_in_this_order() {
        // Roll by 90 degrees takes y to z; a yaw of 90 degrees after it leaves z where it is.
        let turned = Rot::rpy(PI / 2.0, 0.0, PI / 2.0).turn(V3(0.0, 1.0, 0.0));
        assert!(turned.distance(V3::UP) < 1e-12, "{turned:?}");
    }

    #[test]
    fn logarithm_undoes_exponential_up_to_half_a_turn() {
        for vector in [V3(0.0, 0.0, 1e-14), V3(0.3, -0.2, 0.9), V3(3.0, 0.5, -0.4)] {
            assert!(Rot::exp(vector).log().distance(vector) < 1e-9);
        }
    }

    #[test]
    fn a_transform_times_its_inverse_is_nothing() {
        let pose = Pose::new(V3(0.4, -1.0, 2.0), Rot::rpy(0.3, -0.8, 2.2));
        let back = pose * pose.inv();
        assert!(back.p.norm() < 1e-12 && back.r.angle() < 1e-12);
    }

    #[test]
    fn the_solver_solves_and_refuses_what_is_not_positive() {
        let mut a = [[0.0; 6]; 6];
        for (i, row) in a.iter_mut().enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                *v = if i == j { 4.0 + i as f64 } else { 0.5 };
            }
        }
        let want = [1.0, -2.0, 3.0, 0.5, 0.0, -1.0];
        let b: [f64; 6] = std::array::from_fn(|i| (0..6).map(|j| a[i][j] * want[j]).sum());
        let got = solve6(&a, &b).unwrap_or_default();
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12), "{got:?}");
        assert!(solve6(&[[0.0; 6]; 6], &b).is_none());
    }
}

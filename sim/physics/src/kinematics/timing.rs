//! When a path is where: speeds and accelerations under each joint's limits.

use crate::robot::RobotModel;

/// Share of the limits that plans use; the rest is margin for whoever executes them.
pub const USED_SHARE: f64 = 0.75;

/// A path of joint values with its duration; it starts and ends at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// Joint values.
    pub path: Vec<Vec<f64>>,
    /// Seconds.
    pub duration_secs: f64,
}

/// The shortest time for a path that starts and ends at rest, moving along it with one trapezoid of speed.
///
/// The path's parameter runs 0 to 1 by the largest joint motion relative to its speed limit; acceleration of parts whose
/// direction changes is bounded by the worst part. For a straight motion of one joint this is exactly
/// `d / v + v / a`, or `2 sqrt(d / a)` when full speed is not reached.
#[must_use]
pub fn least_secs(robot: &RobotModel, path: &[Vec<f64>]) -> f64 {
    let (length, share_per_secs, share_per_secs2) = measure(robot, path);
    if length < 1e-9 {
        return 0.0;
    }
    let (v, a) = (share_per_secs, share_per_secs2);
    if v * v / a >= 1.0 { 2.0 * (1.0 / a).sqrt() } else { 1.0 / v + v / a }
}

/// (length, largest speed, largest acceleration), the latter two in shares of the whole path.
fn measure(robot: &RobotModel, path: &[Vec<f64>]) -> (f64, f64, f64) {
    let pieces = lengths(robot, path);
    let total: f64 = pieces.iter().sum();
    let (mut v, mut a) = (f64::MAX, f64::MAX);
    for (pair, piece) in path.windows(2).zip(&pieces) {
        if *piece < 1e-12 {
            continue;
        }
        for (segment, (from, to)) in robot.segments.iter().zip(pair[0].iter().zip(&pair[1])) {
            let per_share = (to - from).abs() / (piece / total);
            if per_share > 1e-9 {
                v = v.min(segment.joint.velocity / per_share);
                a = a.min(segment.joint.acceleration / per_share);
            }
        }
    }
    (total, v, a)
}

/// Length of each piece of a path: largest joint motion in seconds at full speed.
fn lengths(robot: &RobotModel, path: &[Vec<f64>]) -> Vec<f64> {
    let piece = |a: &[f64], b: &[f64]| {
        robot
            .segments
            .iter()
            .zip(a.iter().zip(b))
            .map(|(s, (a, b))| (b - a).abs() / s.joint.velocity)
            .fold(0.0, f64::max)
    };
    path.windows(2).map(|w| piece(&w[0], &w[1])).collect()
}

impl Timed {
    /// A path at the usual share of the limits.
    #[must_use]
    pub fn new(robot: &RobotModel, path: Vec<Vec<f64>>) -> Self {
        // A trapezoid at share k of speed and k^2 of acceleration takes 1/k of the time.
        let duration_secs = least_secs(robot, &path) / USED_SHARE;
        Self { path, duration_secs }
    }

    /// Samples evenly in time, ends included, at most `step_secs` apart.
    #[must_use]
    pub fn samples(&self, robot: &RobotModel, step_secs: f64) -> Vec<Vec<f64>> {
        let count = (self.duration_secs / step_secs).ceil().max(1.0) as usize;
        let pieces = lengths(robot, &self.path);
        let total: f64 = pieces.iter().sum();
        let (_, v, a) = measure(robot, &self.path);
        (0..=count).map(|i| self.at(i as f64 / count as f64, &pieces, total, v, a)).collect()
    }

    /// Joint values at a share of the duration.
    fn at(&self, share: f64, pieces: &[f64], total: f64, v: f64, a: f64) -> Vec<f64> {
        let (Some(first), Some(last)) = (self.path.first(), self.path.last()) else { return Vec::new() };
        if total < 1e-9 {
            return last.clone();
        }
        let mut left = trapezoid(share, v * v / a) * total;
        for (pair, piece) in self.path.windows(2).zip(pieces) {
            if left <= *piece && *piece > 1e-12 {
                let s = left / piece;
                return pair[0].iter().zip(&pair[1]).map(|(x, y)| x + (y - x) * s).collect();
            }
            left -= piece;
        }
        if share < 0.5 { first.clone() } else { last.clone() }
    }
}

/// Way against time, both 0 to 1, of a motion whose ramps take `k = v^2/a` of the way (both ramps together; 1 and more: no plateau).
fn trapezoid(t: f64, k: f64) -> f64 {
    let k = k.clamp(1e-6, 1.0);
    // With T = 1: full speed is 1 + k, each ramp lasts k / (1 + k).
    let ramp = k / (1.0 + k);
    let top = 1.0 + k;
    if t < ramp {
        0.5 * top / ramp * t * t
    } else if t <= 1.0 - ramp {
        top * (t - ramp / 2.0)
    } else {
        1.0 - 0.5 * top / ramp * (1.0 - t) * (1.0 - t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trapezoid_runs_from_rest_to_rest_and_is_symmetric() {
        for k in [0.1, 0.5, 1.0] {
            assert!(trapezoid(0.0, k).abs() < 1e-12 && (trapezoid(1.0, k) - 1.0).abs() < 1e-12);
            assert!((trapezoid(0.5, k) - 0.5).abs() < 1e-12);
            let (before, after) = (trapezoid(0.3, k), trapezoid(0.7, k));
            assert!((before + after - 1.0).abs() < 1e-12);
        }
    }
}

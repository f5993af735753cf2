//! Inverse kinematics: clamped damped least squares with restarts.
//!
//! `dq = J^T (J J^T + l^2 I)^-1 e`, every iterate clamped to the limits, with a pull to the middle of the ranges in the null
//! space. rapier's solver is not used because it does not know joint limits and has no restarts.

use crate::limits::{MAX_IK_ITERATIONS, MAX_IK_STARTS};
use crate::math::{Pose, V3, solve6};
use crate::robot::RobotModel;

/// Damping far from the goal; it fades with the error, so that the last steps are Newton's.
const DAMPING: f64 = 0.05;
/// Longest step towards the goal, metres and radians.
const MAX_STEP: (f64, f64) = (0.15, 0.3);
/// Distance that iterates keep from the limits, radians.
const LIMIT_MARGIN: f64 = 0.01;

/// What is asked of a solution.
#[derive(Clone, Copy, Debug)]
pub struct IkOptions {
    /// Largest error of position, metres.
    pub position_m: f64,
    /// Largest error of rotation, radians.
    pub rotation_rad: f64,
    /// Most starts, 1 to 64.
    pub starts: usize,
}

impl Default for IkOptions {
    fn default() -> Self {
        // Ten times finer than what the reach check asks for (1 mm, 0.5 degrees).
        Self { position_m: 1e-4, rotation_rad: 8e-4, starts: MAX_IK_STARTS }
    }
}

/// The best that was found.
#[derive(Clone, Debug)]
pub struct IkSolution {
    /// Joint values, always inside the limits.
    pub q: Vec<f64>,
    /// Error of position, metres.
    pub position_m: f64,
    /// Error of rotation, radians.
    pub rotation_rad: f64,
    /// Are both errors within what was asked?
    pub solved: bool,
    /// Starts that were used.
    pub starts: usize,
}

/// Joint values that bring the tool point to a pose. `near` is the first start, the ranges' middle the second, then a Halton
/// sequence that fills the joint space evenly. Deterministic: equal arguments give equal bits.
#[must_use]
pub fn solve(robot: &RobotModel, world_from_base: Pose, goal: Pose, near: &[f64], options: &IkOptions) -> IkSolution {
    let mut best: Option<IkSolution> = None;
    let starts = options.starts.clamp(1, MAX_IK_STARTS);
    for start in 0..starts {
        let mut q: Vec<f64> = match start {
            0 => near.to_vec(),
            1 => robot.middle(),
            _ => halton_start(robot, start),
        };
        q.resize(robot.dof(), 0.0);
        clamp(robot, &mut q);
        let mut found = descend(robot, world_from_base, goal, q, options);
        found.starts = start + 1;
        let better = best.as_ref().is_none_or(|b| cost(&found) < cost(b));
        if found.solved {
            return found;
        }
        if better {
            best = Some(found);
        }
    }
    let mut best = best.unwrap_or_else(|| IkSolution {
        q: robot.middle(),
        position_m: f64::MAX,
        rotation_rad: f64::MAX,
        solved: false,
        starts,
    });
    best.starts = starts;
    best
}

/// Errors as one number: 1 mm weighs as much as half a degree.
fn cost(s: &IkSolution) -> f64 {
    s.position_m + s.rotation_rad * (1e-3 / 8.7e-3)
}

fn clamp(robot: &RobotModel, q: &mut [f64]) {
    for (segment, q) in robot.segments.iter().zip(q) {
        let (lower, upper) = (segment.joint.lower, segment.joint.upper);
        let margin = LIMIT_MARGIN.min((upper - lower) / 4.0);
        *q = q.clamp(lower + margin, upper - margin);
    }
}

fn halton_start(robot: &RobotModel, index: usize) -> Vec<f64> {
    const PRIMES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    let radical = |mut n: u64, base: u64| {
        let (mut f, mut r) = (1.0, 0.0);
        while n > 0 {
            f /= base as f64;
            r += f * (n % base) as f64;
            n /= base;
        }
        r
    };
    // The first members of a Halton sequence are regular; 20 are skipped.
    let share = |prime| radical(index as u64 + 20, prime);
    robot.posture(|joint| PRIMES.get(joint).map_or(0.5, |prime| share(*prime)))
}

fn errors(goal: Pose, tcp: Pose) -> (V3, V3) {
    (goal.p - tcp.p, (goal.r * tcp.r.inv()).log())
}

fn descend(robot: &RobotModel, base: Pose, goal: Pose, mut q: Vec<f64>, options: &IkOptions) -> IkSolution {
    let n = robot.dof();
    let mut best = (f64::MAX, q.clone(), f64::MAX, f64::MAX);
    let mut stalled = 0;
    for _ in 0..MAX_IK_ITERATIONS {
        let frames = robot.frames(base, &q);
        let (mut linear, mut angular) = errors(goal, frames.tcp);
        let (e_p, e_r) = (linear.norm(), angular.norm());
        let solved = e_p <= options.position_m && e_r <= options.rotation_rad;
        let cost = e_p + 0.3 * e_r;
        if cost < best.0 * 0.999 || solved {
            stalled = 0;
        } else {
            stalled += 1;
        }
        if cost < best.0 {
            best = (cost, q.clone(), e_p, e_r);
        }
        if solved {
            return IkSolution { q, position_m: e_p, rotation_rad: e_r, solved: true, starts: 0 };
        }
        // Ten steps without progress: pressed against limits, another start is cheaper.
        if stalled > 10 {
            break;
        }
        if e_p > MAX_STEP.0 {
            linear = linear * (MAX_STEP.0 / e_p);
        }
        if e_r > MAX_STEP.1 {
            angular = angular * (MAX_STEP.1 / e_r);
        }
        let jacobian = robot.jacobian(&frames);
        let row = |(l, a): &(V3, V3)| [l.0, l.1, l.2, a.0, a.1, a.2];
        let damping = DAMPING * DAMPING * (cost / 0.1).min(1.0) + 1e-8;
        let mut jjt = [[0.0; 6]; 6];
        for column in jacobian.iter().map(row) {
            for i in 0..6 {
                for j in 0..6 {
                    jjt[i][j] += column[i] * column[j];
                }
            }
        }
        for (i, r) in jjt.iter_mut().enumerate() {
            r[i] += damping;
        }
        let e = [linear.0, linear.1, linear.2, angular.0, angular.1, angular.2];
        // Null space: z - J^+ J z, with z pulling to the middle while the goal is far.
        let pull: Vec<f64> = if n > 6 && cost > 0.02 {
            robot.segments.iter().zip(&q).map(|(s, q)| 0.05 * (0.5 * (s.joint.lower + s.joint.upper) - q)).collect()
        } else {
            vec![0.0; n]
        };
        let mut rhs = e;
        for (column, z) in jacobian.iter().map(row).zip(&pull) {
            for i in 0..6 {
                rhs[i] -= column[i] * z;
            }
        }
        let Some(y) = solve6(&jjt, &rhs) else { break };
        for ((column, z), q) in jacobian.iter().map(row).zip(&pull).zip(&mut q) {
            *q += z + (0..6).map(|i| column[i] * y[i]).sum::<f64>();
        }
        clamp(robot, &mut q);
    }
    IkSolution { q: best.1, position_m: best.2, rotation_rad: best.3, solved: false, starts: 0 }
}

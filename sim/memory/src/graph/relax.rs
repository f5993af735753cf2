//! Pose relaxation: after a loop was closed, the error that has grown along the way is shared out over its edges.
//!
//! Gauss-Newton on (x, z, yaw) of every view; each step solves its linear system directly ([`super::sparse`]).

use rhea_scene::Pose;

use super::edge::{Edge, half_turn};
use super::sparse::{Linear, Vector, solve};

/// Gauss-Newton steps at most.
const STEPS: usize = 12;
/// Ends when no pose moves more than this, metres or radians.
const SETTLED: f64 = 1e-5;
/// Smallest variance that an edge may claim: exact edges weigh much, not infinitely. 1 mm, and as much at 2 m.
const LEAST_WAY_M2: f64 = 1e-6;
const LEAST_TURN_RAD2: f64 = 2.5e-7;
/// A loop edge whose error is above this many standard deviations pulls no harder than at it (Huber).
const HUBER: f64 = 3.0;

/// Moves `poses` so that they fit `edges` best in the sense of least squares; the first pose stays. Returns the root mean square
/// of the edges' errors before and after, in standard deviations.
///
/// Edges with an index that is not there are left out. Poses keep height and elevation.
pub fn relax(poses: &mut [Pose], edges: &[Edge]) -> (f64, f64) {
    let count = poses.len();
    let mut state: Vec<Vector> =
        poses.iter().map(|p| [f64::from(p.position_m[0]), f64::from(p.position_m[2]), f64::from(p.yaw_rad)]).collect();
    let usable: Vec<&Edge> = edges
        .iter()
        .filter(|e| (e.from as usize) < count && (e.to as usize) < count && e.from != e.to && e.motion.is_finite())
        .collect();
    let held = anchors(count, &usable);
    let rms = |state: &[Vector]| {
        let sum: f64 = usable.iter().map(|e| error(e, state).iter().map(|v| v * v).sum::<f64>()).sum();
        (sum / (3 * usable.len()).max(1) as f64).sqrt()
    };
    let before = rms(&state);
    if count < 2 || before < 1e-3 {
        return (before, before);
    }
    for _ in 0..STEPS {
        let linear: Vec<Linear> = usable.iter().map(|e| linearise(e, &state)).collect();
        let moved = solve(&linear, &held);
        let mut largest = 0.0_f64;
        for (pose, by) in state.iter_mut().zip(&moved) {
            for (value, by) in pose.iter_mut().zip(by) {
                *value += by;
                largest = largest.max(by.abs());
            }
        }
        if !largest.is_finite() {
            return (before, before);
        }
        if largest < SETTLED {
            break;
        }
    }
    for (pose, [x, z, yaw]) in poses.iter_mut().zip(&state).skip(1) {
        pose.position_m[0] = *x as f32;
        pose.position_m[2] = *z as f32;
        pose.yaw_rad = half_turn(*yaw as f32);
    }
    (before, rms(&state))
}

/// The first node of every part that hangs together: those stay where they are.
fn anchors(count: usize, edges: &[&Edge]) -> Vec<bool> {
    let mut first: Vec<usize> = (0..count).collect();
    fn root(first: &mut [usize], mut node: usize) -> usize {
        while first[node] != node {
            first[node] = first[first[node]];
            node = first[node];
        }
        node
    }
    for edge in edges {
        let (a, b) = (root(&mut first, edge.from as usize), root(&mut first, edge.to as usize));
        first[a.max(b)] = a.min(b);
    }
    (0..count).map(|node| root(&mut first, node) == node).collect()
}

fn sigmas(edge: &Edge) -> [f64; 2] {
    [
        f64::from(edge.spread.way_m2).max(LEAST_WAY_M2).sqrt(),
        f64::from(edge.spread.turn_rad2).max(LEAST_TURN_RAD2).sqrt(),
    ]
}

/// Error of an edge in standard deviations.
fn error(edge: &Edge, state: &[Vector]) -> Vector {
    let ([x0, z0, yaw0], [x1, z1, yaw1]) = (state[edge.from as usize], state[edge.to as usize]);
    let (s, c) = yaw0.sin_cos();
    let (dx, dz) = (x1 - x0, z1 - z0);
    let turn = f64::from(half_turn((yaw1 - yaw0) as f32 - edge.motion.turn_rad));
    let [way, heading] = sigmas(edge);
    [
        (-s * dx - c * dz - f64::from(edge.motion.ahead_m)) / way,
        (c * dx - s * dz - f64::from(edge.motion.right_m)) / way,
        turn / heading,
    ]
}

fn linearise(edge: &Edge, state: &[Vector]) -> Linear {
    let ([x0, z0, yaw0], [x1, z1, _]) = (state[edge.from as usize], state[edge.to as usize]);
    let (s, c) = yaw0.sin_cos();
    let (dx, dz) = (x1 - x0, z1 - z0);
    let (ahead, right) = (-s * dx - c * dz, c * dx - s * dz);
    let [way, heading] = sigmas(edge);
    let mut error = error(edge, state);
    let mut by_from = [[s, c, -right], [-c, s, ahead], [0.0, 0.0, -1.0]];
    let mut by_to = [[-s, -c, 0.0], [c, -s, 0.0], [0.0, 0.0, 1.0]];
    let size = error.iter().map(|v| v * v).sum::<f64>().sqrt();
    let weight = if edge.kind == super::EdgeKind::Loop && size > HUBER { (HUBER / size).sqrt() } else { 1.0 };
    for (row, sigma) in [way, way, heading].into_iter().enumerate() {
        for column in 0..3 {
            by_from[row][column] *= weight / sigma;
            by_to[row][column] *= weight / sigma;
        }
        error[row] *= weight;
    }
    Linear { from: edge.from as usize, to: edge.to as usize, by_from, by_to, error }
}

#[cfg(test)]
mod tests {
    use super::super::edge::{EdgeKind, PlanMotion, Spread};
    use super::*;

    fn pose(x: f32, z: f32, yaw_rad: f32) -> Pose {
        Pose { position_m: [x, 1.5, z], yaw_rad, pitch_rad: 0.0 }
    }

    /// `laps` rounds of a square; the walker counts each metre as 1.01 m and turns 0.2 degrees too little, so the dead
    /// reckoning drifts. True poses, drifted poses, edges; a loop edge wherever a corner is seen again.
    fn drifting(laps: usize, side: usize) -> (Vec<Pose>, Vec<Pose>, Vec<Edge>) {
        let truth: Vec<Pose> = {
            let mut poses = vec![pose(0.0, 0.0, 0.0)];
            for n in 0..laps * 4 * side {
                let last = poses[n];
                let turn_rad = if n % side == side - 1 { std::f32::consts::FRAC_PI_2 } else { 0.0 };
                poses.push(last.apply(&rhea_scene::Move { forward_m: 0.5, turn_rad, ..Default::default() }));
            }
            poses
        };
        let mut drifted = vec![truth[0]];
        let mut edges = Vec::new();
        let spread = Spread { way_m2: 1e-4, turn_rad2: 1e-5 };
        for n in 1..truth.len() {
            let exact = PlanMotion::between(&truth[n - 1], &truth[n]);
            let motion = PlanMotion { ahead_m: exact.ahead_m * 1.01, turn_rad: exact.turn_rad - 0.0035, ..exact };
            let last = drifted[n - 1];
            let (s, c) = last.yaw_rad.sin_cos();
            drifted.push(pose(
                last.position_m[0] - s * motion.ahead_m + c * motion.right_m,
                last.position_m[2] - c * motion.ahead_m - s * motion.right_m,
                half_turn(last.yaw_rad + motion.turn_rad),
            ));
            let commanded = None;
            edges.push(Edge { from: n as u32 - 1, to: n as u32, kind: EdgeKind::Step, commanded, motion, spread });
            if n >= 4 * side && n % side == 0 {
                let from = n - 4 * side;
                let motion = PlanMotion::between(&truth[from], &truth[n]);
                let spread = Spread { way_m2: 1e-6, turn_rad2: 1e-7 };
                edges.push(Edge { from: from as u32, to: n as u32, kind: EdgeKind::Loop, commanded, motion, spread });
            }
        }
        (truth, drifted, edges)
    }

    fn worst_m(a: &[Pose], b: &[Pose]) -> f32 {
        let apart =
            |(a, b): (&Pose, &Pose)| (a.position_m[0] - b.position_m[0]).hypot(a.position_m[2] - b.position_m[2]);
        a.iter().zip(b).map(apart).fold(0.0, f32::max)
    }

    #[test]
    fn closing_loops_takes_most_of_the_drift_away() {
        let (truth, drifted, edges) = drifting(5, 20);
        assert_eq!(truth.len(), 401);
        let mut relaxed = drifted.clone();
        let began = std::time::Instant::now();
        let (before, after) = relax(&mut relaxed, &edges);
        println!("401 poses, {} edges: {:.2} ms", edges.len(), began.elapsed().as_secs_f64() * 1e3);
        let (was, is) = (worst_m(&truth, &drifted), worst_m(&truth, &relaxed));
        assert!(was > 1.0 && is < 0.12 * was, "{was} m became {is} m");
        assert!(after < 0.5 * before, "{before} became {after}");
        assert_eq!(relaxed[0], drifted[0], "the first view is the anchor");
    }

    #[test]
    fn exact_walks_are_left_alone_and_strange_edges_left_out() {
        let (truth, _, _) = drifting(1, 5);
        let spread = Spread::EXACT;
        let edge = |from: u32, to: u32| Edge {
            from,
            to,
            kind: EdgeKind::Step,
            commanded: None,
            motion: PlanMotion::between(&truth[from as usize % truth.len()], &truth[to as usize % truth.len()]),
            spread,
        };
        let edges: Vec<Edge> =
            (1..truth.len() as u32).map(|n| edge(n - 1, n)).chain([edge(3, 3), edge(0, 999)]).collect();
        let mut poses = truth.clone();
        relax(&mut poses, &edges);
        assert_eq!(poses, truth);
    }

    #[test]
    fn one_loop_spreads_the_error_evenly() {
        // Three steps of 1 m ahead that a loop says are 3.3 m in all: each takes a third of the 0.3 m.
        let mut poses: Vec<Pose> = (0..4).map(|n| pose(0.0, -(n as f32), 0.0)).collect();
        let spread = Spread { way_m2: 0.01, turn_rad2: 1e-6 };
        let ahead = |m: f32| PlanMotion { ahead_m: m, ..PlanMotion::default() };
        let edge = |from, to, kind, m, spread| Edge { from, to, kind, commanded: None, motion: ahead(m), spread };
        let mut edges: Vec<Edge> = (0..3).map(|n| edge(n, n + 1, EdgeKind::Step, 1.0, spread)).collect();
        edges.push(edge(0, 3, EdgeKind::Loop, 3.3, Spread { way_m2: 1e-6, turn_rad2: 1e-6 }));
        // The loop is 300 of its own standard deviations off at first, so Huber's weight grows over the steps.
        for _ in 0..8 {
            relax(&mut poses, &edges);
        }
        for (n, pose) in poses.iter().enumerate() {
            assert!((pose.position_m[2] + 1.1 * n as f32).abs() < 0.01, "{n}: {}", pose.position_m[2]);
        }
    }
}

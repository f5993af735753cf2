//! How long recall among 10,000 views and the relaxation of 401 poses take on one core:
//! `cargo run --release -p rhea-memory --example graph_speed`.

use std::f32::consts::FRAC_PI_2;
use std::sync::Arc;
use std::time::Instant;

use rhea_memory::{Edge, EdgeKind, Memory, PlanMotion, Policy, Spread, View, Warper, relax};
use rhea_scene::{Camera, Move, Pose, Renderer, SceneKind, Threads, generate};

const VIEWS: usize = 10_000;

fn main() {
    recall();
    relaxation();
}

/// A field of 20 x 21 places with 24 headings each, and a walk across it.
fn recall() {
    let scene = generate(SceneKind::Room, 7);
    let renderer = Renderer::new(&scene);
    let camera = Camera::square(128);
    let Some(start) = scene.starts().first().copied() else { return };
    let drawn: Vec<(Arc<_>, Pose)> = (0..24)
        .map(|n| {
            let pose = start.apply(&Move::turn_deg(15.0 * n as f32));
            (Arc::new(renderer.render(&pose, &camera, Threads::One).rgbd), pose)
        })
        .collect();
    let mut memory = Memory::new();
    for n in 0..VIEWS {
        let (rgbd, pose) = &drawn[n % drawn.len()];
        let [x, y, z] = pose.position_m;
        let position_m = [x + 0.3 * (n / 24 % 20) as f32, y, z + 0.3 * (n / 480) as f32];
        let pose = Pose { position_m, ..*pose };
        let (rgbd, step) = (Arc::clone(rgbd), n as u32);
        memory.insert(View { rgbd, pose, codes: Vec::new(), step, lineage: 1, narration: String::new() });
    }
    let mut warper = Warper::default();
    let mut one = |n: usize| {
        let turned = start.apply(&Move::turn_deg(37.0 * n as f32));
        let [x, y, z] = turned.position_m;
        let across = (n % 21) as f32;
        let pose = Pose { position_m: [x + 0.27 * across, y, z + 0.28 * across], ..turned };
        let recall = memory.recall_by(Policy::Graph(6), &mut warper, &camera, &pose);
        assert!(!recall.used.is_empty());
    };
    let mut millis: Vec<f64> = (0..63).map(|n| passed(1, || one(n))[0]).collect();
    millis.sort_by(f64::total_cmp);
    let (least, median) = (millis[0], millis[millis.len() / 2]);
    let mut n = 0;
    let [_, busy] = passed(500, || {
        one(n);
        n += 1;
    });
    println!(
        "recall among {VIEWS} views, with the warp: least {least:.2} ms, median {median:.2} ms; {busy:.2} ms of this core"
    );
}

/// Milliseconds that `times` calls take each: on the clock, and on a processor (where the system does not say, 0).
fn passed(times: u32, mut call: impl FnMut()) -> [f64; 2] {
    let busy = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split(' ').next()?.parse::<f64>().ok()
    };
    let (began, before) = (Instant::now(), busy());
    (0..times).for_each(|_| call());
    let each = 1.0 / f64::from(times);
    let busy_ms = before.zip(busy()).map_or(0.0, |(before, after)| (after - before) * 1e-6);
    [began.elapsed().as_secs_f64() * 1e3 * each, busy_ms * each]
}

/// Five rounds of a square with dead reckoning that drifts, and a loop edge wherever a corner is seen again.
fn relaxation() {
    let (laps, side) = (5, 20);
    let mut truth = vec![Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 }];
    for n in 0..laps * 4 * side {
        let turn_rad = if n % side == side - 1 { FRAC_PI_2 } else { 0.0 };
        truth.push(truth[n].apply(&Move { forward_m: 0.5, turn_rad, ..Move::default() }));
    }
    let mut drifted = vec![truth[0]];
    let mut edges = Vec::new();
    let edge = |from: usize, to: usize, kind, motion, way_m2, turn_rad2| Edge {
        from: from as u32,
        to: to as u32,
        kind,
        commanded: None,
        motion,
        spread: Spread { way_m2, turn_rad2 },
    };
    for n in 1..truth.len() {
        let exact = PlanMotion::between(&truth[n - 1], &truth[n]);
        let motion = PlanMotion { ahead_m: exact.ahead_m * 1.01, turn_rad: exact.turn_rad - 0.0035, ..exact };
        let turned = drifted[n - 1].apply(&Move { turn_rad: motion.turn_rad, ..Move::default() });
        let (s, c) = drifted[n - 1].yaw_rad.sin_cos();
        let mut next = turned;
        next.position_m[0] += c * motion.right_m - s * motion.ahead_m;
        next.position_m[2] += -s * motion.right_m - c * motion.ahead_m;
        drifted.push(next);
        edges.push(edge(n - 1, n, EdgeKind::Step, motion, 1e-4, 1e-5));
        if n >= 4 * side && n % side == 0 {
            let from = n - 4 * side;
            edges.push(edge(from, n, EdgeKind::Loop, PlanMotion::between(&truth[from], &truth[n]), 1e-6, 1e-7));
        }
    }
    let apart = |poses: &[Pose]| {
        let far = |(a, b): (&Pose, &Pose)| (a.position_m[0] - b.position_m[0]).hypot(a.position_m[2] - b.position_m[2]);
        poses.iter().zip(&truth).map(far).fold(0.0, f32::max)
    };
    let mut relaxed = drifted.clone();
    let [elapsed, busy] = passed(100, || {
        relaxed.clone_from(&drifted);
        relax(&mut relaxed, &edges);
    });
    println!(
        "relaxation of {} poses over {} edges: {elapsed:.2} ms, {busy:.2} ms of this core; worst error {:.2} m became {:.2} m",
        truth.len(),
        edges.len(),
        apart(&drifted),
        apart(&relaxed)
    );
}

//! Commands as text, poses after moves, and walking into things.
#![allow(clippy::unwrap_used, reason = "tests")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_scene::limits::WALKER_RADIUS_M;
use rhea_scene::{Move, MoveError, Pose, Scene, SceneKind, generate};
use std::f32::consts::PI;

/// A move from metres and degrees: ahead, right, turn, look.
fn of(forward_m: f32, right_m: f32, turn_deg: f32, look_deg: f32) -> Move {
    Move { forward_m, right_m, turn_rad: turn_deg.to_radians(), look_rad: look_deg.to_radians() }
}

fn close(a: &Move, b: &Move, slack: f32) -> bool {
    let d = [a.forward_m - b.forward_m, a.right_m - b.right_m, a.turn_rad - b.turn_rad, a.look_rad - b.look_rad];
    d.iter().all(|v| v.abs() <= slack)
}

#[test]
fn commands_are_understood() {
    let cases = [
        ("go forward 2 m", of(2.0, 0.0, 0.0, 0.0)),
        ("forward 0.5", of(0.5, 0.0, 0.0, 0.0)),
        ("Forward", of(0.5, 0.0, 0.0, 0.0)),
        ("walk straight ahead 75cm.", of(0.75, 0.0, 0.0, 0.0)),
        ("move forward by two metres", of(2.0, 0.0, 0.0, 0.0)),
        ("take 3 steps forward", of(1.5, 0.0, 0.0, 0.0)),
        ("go half a metre back", of(-0.5, 0.0, 0.0, 0.0)),
        ("back 1 m", of(-1.0, 0.0, 0.0, 0.0)),
        ("step left 0.25 m", of(0.0, -0.25, 0.0, 0.0)),
        ("strafe right", of(0.0, 0.5, 0.0, 0.0)),
        ("left 2 m", of(0.0, -2.0, 0.0, 0.0)),
        ("left", of(0.0, 0.0, 15.0, 0.0)),
        ("right 30 deg", of(0.0, 0.0, -30.0, 0.0)),
        ("turn left 15 degrees", of(0.0, 0.0, 15.0, 0.0)),
        ("rotate to the right by 90\u{b0}", of(0.0, 0.0, -90.0, 0.0)),
        ("look left 20 degrees", of(0.0, 0.0, 20.0, 0.0)),
        ("turn around", of(0.0, 0.0, 180.0, 0.0)),
        ("look up 10 degrees", of(0.0, 0.0, 0.0, 10.0)),
        ("look down", of(0.0, 0.0, 0.0, -15.0)),
        ("turn right 30 degrees and go forward 1 m", of(1.0, 0.0, -30.0, 0.0)),
        ("turn left 45, then step right 1 m and look up", of(0.0, 1.0, 45.0, 15.0)),
        ("stay", of(0.0, 0.0, 0.0, 0.0)),
        // What is said first happens first: 1 m ahead and then a left turn is 1 m to the right of the new heading.
        ("go forward 1 m and turn left 90 degrees", of(0.0, 1.0, 90.0, 0.0)),
        ("forward 1 m, turn right 90 degrees, forward 1 m", of(1.0, -1.0, -90.0, 0.0)),
    ];
    for (text, want) in cases {
        let got = Move::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(close(&got, &want, 1e-5), "{text}: {got:?}, not {want:?}");
    }
}

#[test]
fn nonsense_is_refused_with_what_is_allowed() {
    use MoveError as E;
    type Check = fn(&E) -> bool;
    let cases: [(&str, Check); 22] = [
        ("", |e| matches!(e, E::Empty)),
        (" , . and then", |e| matches!(e, E::Empty)),
        ("fly to the moon", |e| matches!(e, E::Word { .. })),
        ("go to the red door", |e| matches!(e, E::Word { .. })),
        ("forward back", |e| matches!(e, E::Word { .. })),
        ("turn left left 3 3", |e| matches!(e, E::Word { .. })),
        ("go", |e| matches!(e, E::Direction { .. })),
        ("go 3 m", |e| matches!(e, E::Direction { .. })),
        ("go up 3 m", |e| matches!(e, E::Direction { .. })),
        ("turn forward", |e| matches!(e, E::Direction { .. })),
        ("walk around", |e| matches!(e, E::Direction { .. })),
        ("turn left 2 m", |e| matches!(e, E::Unit { want: "degrees", .. })),
        ("go forward 30 degrees", |e| matches!(e, E::Unit { want: "metres", .. })),
        ("go forward 101 m", |e| matches!(e, E::Number { .. })),
        ("go forward nan m", |e| matches!(e, E::Number { .. })),
        ("go forward inf m", |e| matches!(e, E::Number { .. })),
        ("go forward 1e30 m", |e| matches!(e, E::Number { .. })),
        ("go forward -1 m", |e| matches!(e, E::Number { .. })),
        ("turn left 361 degrees", |e| matches!(e, E::Number { .. })),
        ("forward 90 m and forward 90 m", |e| matches!(e, E::Number { .. })),
        ("turn left 300 and turn left 300", |e| matches!(e, E::Number { .. })),
        ("look up NaN degrees", |e| matches!(e, E::Number { .. })),
    ];
    for (text, right) in cases {
        let error = Move::parse(text).unwrap_err();
        assert!(right(&error), "{text}: {error:?}");
        let message = error.to_string();
        assert!(message.contains("allowed are") && message.contains("turn left 15 degrees and go forward 0.5 m"));
    }
    assert!(matches!(Move::parse(&"go ".repeat(1_000)), Err(E::TooLong { .. })));
}

#[test]
fn the_sentence_of_a_move_reads_back() {
    assert_eq!(of(0.5, 0.0, 15.0, 0.0).command(), "turn left 15 degrees and go forward 0.5 m");
    assert_eq!(
        of(-1.0, -0.25, -30.0, 10.0).command(),
        "turn right 30 degrees and go back 1 m and step left 0.25 m and look up 10 degrees"
    );
    assert_eq!(of(0.0, 0.0, 180.0, 0.0).command(), "turn around");
    assert_eq!(of(0.0, 0.0, 0.0, -0.001).command(), "stay");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..2_000 {
        let mut part = |most: f32| {
            let zero = rng.random::<f32>() < 0.3;
            let value: f32 = rng.random_range(-most..most);
            if zero { 0.0 } else { (value * 100.0).round() / 100.0 }
        };
        let step = of(part(99.0), part(99.0), part(359.0), part(60.0));
        let text = step.command();
        let back = Move::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(close(&back, &step, 2e-4), "{text}: {back:?}, not {step:?}");
    }
}

#[test]
fn poses_follow_moves() {
    let start = Pose { position_m: [1.0, 1.5, 2.0], yaw_rad: 0.0, pitch_rad: 0.0 };
    let at = |pose: &Pose, want: [f32; 3]| pose.position_m.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(at(&start.apply(&Move::forward(1.0)), [1.0, 1.5, 1.0]), "yaw 0 looks along -z");
    assert!(at(&start.apply(&of(0.0, 1.0, 0.0, 0.0)), [2.0, 1.5, 2.0]), "right is +x");
    // The way is told in the heading after the turn: 90 degrees left looks along -x.
    assert!(at(&start.apply(&of(1.0, 0.0, 90.0, 0.0)), [0.0, 1.5, 2.0]));
    // Looking up does not lift the walker.
    assert!(at(&start.apply(&of(1.0, 0.0, 0.0, 40.0)), [1.0, 1.5, 1.0]));
    assert!((start.apply(&of(0.0, 0.0, 0.0, 200.0)).pitch_rad - PI / 3.0).abs() < 1e-5);
    assert!((start.apply(&of(0.0, 0.0, 0.0, -200.0)).pitch_rad + PI / 3.0).abs() < 1e-5);
    let mut pose = start;
    for _ in 0..100 {
        pose = pose.apply(&Move::turn_deg(77.0));
        assert!(pose.yaw_rad > -PI && pose.yaw_rad <= PI);
    }
    let wanted = (100.0 * 77.0_f64).rem_euclid(360.0).to_radians();
    assert!((f64::from(pose.yaw_rad).rem_euclid(2.0 * std::f64::consts::PI) - wanted).abs() < 1e-3);
}

#[test]
fn a_walker_stops_before_a_wall_and_says_so() {
    let scene = Scene::from_ron(
        r##"Scene(name: "bare", kind: Room, outline_m: [(-3, -3), (3, -3), (3, 3), (-3, 3)],
            walls: (height_m: 2.6, material: Flat("white")), floor: Flat("white"), above: Ceiling(Flat("white")),
            objects: [(id: 1, noun: Box, colour: Red, position_m: (0, 0, -1), size_m: (0.8, 0.5, 0.8)),
                      (id: 2, noun: Rug, colour: Red, position_m: (2, 0, 0), size_m: (1.5, 0.02, 1.5))],
            starts: [(x_m: 0, z_m: 1, yaw_deg: 0)])"##,
    )
    .unwrap();
    let start = scene.starts()[0];
    // The box begins at z = -0.6; the walker's body ends 0.25 m before his eye.
    let (end, cut) = scene.clip(&start, &start.apply(&Move::forward(3.0)));
    assert!(cut && (end.position_m[2] - (-0.6 + WALKER_RADIUS_M)).abs() < 0.03, "{end:?}");
    let (end, cut) = scene.clip(&start, &start.apply(&Move::forward(-10.0)));
    assert!(cut && (end.position_m[2] - (3.0 - WALKER_RADIUS_M)).abs() < 0.03, "{end:?}");
    // Past the box, over the rug, turning on the spot: nothing is cut.
    let aside = scene.clip(&start, &start.apply(&of(0.0, 2.0, 0.0, 0.0))).0;
    let (end, cut) = scene.clip(&aside, &aside.apply(&Move::forward(3.0)));
    assert!(!cut && (end.position_m[2] + 2.0).abs() < 1e-5);
    let turned = start.apply(&of(0.0, 0.0, 170.0, 20.0));
    assert_eq!(scene.clip(&start, &turned), (turned, false));
    // Along a wall that he touches he may go on.
    let touching = scene.clip(&start, &start.apply(&of(0.0, 10.0, 0.0, 0.0))).0;
    let (end, cut) = scene.clip(&touching, &touching.apply(&Move::forward(2.0)));
    assert!(!cut, "{end:?}");
    let lost = Pose { position_m: [f32::NAN, 1.5, 0.0], ..start };
    let (end, cut) = scene.clip(&start, &lost);
    assert!(cut && end.position_m == start.position_m);
}

#[test]
fn random_walks_never_end_in_a_wall() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut cuts = 0;
    for seed in 0..24 {
        let scene = generate(SceneKind::ALL[(seed % 3) as usize], seed);
        let mut pose = scene.starts()[0];
        for _ in 0..150 {
            let step =
                of(rng.random_range(-1.0..4.0), rng.random_range(-1.0..1.0), rng.random_range(-180.0..180.0), 0.0);
            let (end, cut) = scene.clip(&pose, &pose.apply(&step));
            pose = end;
            cuts += usize::from(cut);
            let [x, _, z] = pose.position_m;
            let free = scene.clearance_m(x, z, 1.0);
            assert!(scene.contains(x, z), "{}: left the outline at {x}, {z}", scene.name());
            assert!(free > WALKER_RADIUS_M - 0.005, "{}: {free} m from a wall", scene.name());
        }
    }
    assert!(cuts > 500, "only {cuts} of 3,600 moves met a wall");
}

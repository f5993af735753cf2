//! Scene files: the shipped worlds, the way there and back, and what is said about mistakes.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_scene::limits::MAX_FILE_BYTES;
use rhea_scene::{Scene, SceneError, SceneKind, generate};

fn world(name: &str) -> String {
    let path = format!("{}/../../scenes/worlds/{name}.ron", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn shipped_worlds_open() {
    for (name, kind, caption) in [
        ("room", SceneKind::Room, "a room with cream and teal walls and a tan plank floor"),
        ("corridor", SceneKind::Corridor, "a corridor with cream and blue walls and a checked floor"),
        ("courtyard", SceneKind::Courtyard, "a courtyard with sand block walls and a checked floor under the sky"),
    ] {
        let scene = Scene::from_ron(&world(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scene.kind(), kind);
        assert_eq!(scene.caption(), caption);
        assert!(scene.objects().len() >= 14);
        for start in scene.starts() {
            let [x, _, z] = start.position_m;
            assert!(scene.clearance_m(x, z, 1.0) > 0.5, "{name}: a start is tight");
        }
    }
}

#[test]
fn a_written_scene_reads_back_the_same() {
    for name in ["room", "corridor", "courtyard"] {
        let scene = Scene::from_ron(&world(name)).unwrap();
        assert_eq!(Scene::from_ron(&scene.to_ron().unwrap()).unwrap(), scene);
    }
    for kind in SceneKind::ALL {
        for seed in 0..8 {
            let scene = generate(kind, seed);
            assert_eq!(Scene::from_ron(&scene.to_ron().unwrap()).unwrap(), scene);
        }
    }
}

#[test]
fn a_seed_stands_for_its_scene() {
    let scene = Scene::from_ron("Generated(kind: Corridor, seed: 7)").unwrap();
    assert_eq!(scene, generate(SceneKind::Corridor, 7));
}

#[test]
fn mistakes_are_named_with_line_and_column() {
    let good = world("room");
    // What is replaced, by what, and what the message must say.
    let cases: [(&str, &str, &[&str]); 9] = [
        ("noun: Sofa", "noun: Sofaa", &["Sofaa", "Sofa", "Fountain"]),
        ("colour: Orange", "colour: Tangerine", &["Tangerine", "Red", "Black"]),
        ("height_m: 2.7", "heigt_m: 2.7", &["heigt_m", "height_m", "skirting"]),
        ("\"#d2a26c\"", "\"#d2a2\"", &["#d2a2", "#rrggbb"]),
        ("size_m: (2.1, 0.85, 0.9)", "size_m: (2.1, NaN, 0.9)", &["object 1", "size_m", "0.005 to 40"]),
        ("size_m: (2.1, 0.85, 0.9)", "size_m: (2.1, -1, 0.9)", &["orange sofa", "-1"]),
        ("kind: Room", "kind: Rom", &["Rom", "Room", "Courtyard"]),
        ("id: 16,", "id: 70000,", &[]),
        ("starts: [", "starts: [[", &[]),
    ];
    for (find, replace, wanted) in cases {
        assert!(good.contains(find), "{find} is in the world");
        let error = Scene::from_ron(&good.replacen(find, replace, 1)).unwrap_err();
        assert!(matches!(error, SceneError::Syntax { .. }), "{replace}: {error}");
        let line = good[..good.find(find).unwrap()].lines().count();
        let place = format!("line {line}, column");
        for text in wanted.iter().copied().chain([place.as_str()]) {
            assert!(error.to_string().contains(text), "{replace}: {text:?} is not in \"{error}\"");
        }
    }
}

#[test]
fn scenes_that_cannot_be_are_refused() {
    let good = world("room");
    let cases: [(&str, &str, &str); 8] = [
        ("id: 2,", "id: 1,", "object id 1: used twice"),
        ("id: 2,", "id: 0,", "0 is reserved"),
        ("x_m: 0.3, z_m: 1.7", "x_m: 30.0, z_m: 1.7", "start 1 at x 30 m, z 1.7 m is outside the outline"),
        ("x_m: 0.3, z_m: 1.7", "x_m: 0.0, z_m: -2.5", "object 1 (orange sofa)"),
        ("x_m: 0.3, z_m: 1.7", "x_m: 0.3, z_m: 2.95", "too close to"),
        ("height_m: 2.7", "height_m: inf", "walls: height_m is inf, allowed are 0.3 to 12"),
        ("strength: 0.8", "strength: -1.0", "lamp 1: strength is -1"),
        ("(-3.5, -3.0), (3.5, -3.0), (3.5, 3.0), (-3.5, 3.0)", "(0, 0), (1, 1)", "at least 3 corners"),
    ];
    for (find, replace, wanted) in cases {
        assert!(good.contains(find), "{find} is in the world");
        let error = Scene::from_ron(&good.replacen(find, replace, 1)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{replace}: {wanted:?} is not in \"{error}\"");
    }
    let many = "(id: 99, noun: Ball, colour: Red, position_m: (0, 0, 0), size_m: (1, 1, 1)),".repeat(10_001);
    let error = Scene::from_ron(&good.replacen("objects: [", &format!("objects: [{many}"), 1)).unwrap_err();
    assert!(matches!(error, SceneError::TooMany { what: "objects", max: 10_000, .. }), "{error}");
    let error = Scene::from_ron(&" ".repeat(MAX_FILE_BYTES + 1)).unwrap_err();
    assert!(matches!(error, SceneError::FileSize { .. }), "{error}");
}

#[test]
fn a_mutated_file_is_an_error_or_a_scene_but_never_a_crash() {
    let good = world("courtyard").into_bytes();
    let mut state = 9_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..1 + next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = b"0123456789-().,:[]\"#naie"[next(24)],
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok(text) = String::from_utf8(bytes) {
            // The outcome is free, only a panic would fail.
            drop(Scene::from_ron(&text));
        }
    }
}

//! The view against formulas, and against itself on other numbers of threads.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_picture::FARTHEST_M;
use rhea_scene::{Camera, Colour, Move, Noun, Object, Pose, Renderer, Scene, SceneKind, Threads, generate};

/// A room of 6 x 6 x 2.6 m with one red ball of radius 0.5 m on the floor at (0.4, -1).
const BALL_ROOM: &str = r##"Scene(
    name: "ball", kind: Room,
    outline_m: [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)],
    walls: (height_m: 2.6, material: Flat("cream")),
    floor: Check(a: "white", b: "teal", size_m: 1.0),
    above: Ceiling(Flat("white")),
    lamps: [(position_m: (0.0, 2.4, 0.0), reach_m: 8.0, strength: 0.8, paint: "white")],
    objects: [(id: 7, noun: Ball, colour: Red, position_m: (0.4, 0.0, -1.0), size_m: (1.0, 1.0, 1.0))],
    starts: [(x_m: 0.0, z_m: 2.0, yaw_deg: 0.0)],
)"##;

fn poses() -> Vec<Pose> {
    let pose = |position_m, yaw_rad, pitch_rad| Pose { position_m, yaw_rad, pitch_rad };
    vec![pose([0.0, 1.5, 2.0], 0.0, 0.0), pose([-1.2, 1.5, 1.0], -0.6, -0.3), pose([2.0, 1.5, -2.0], 1.9, 0.2)]
}

/// Direction through a pixel from the documented conventions, in double precision.
fn direction(pose: &Pose, camera: &Camera, x: usize, y: usize) -> [f64; 3] {
    let focal = camera.width as f64 / 2.0 / (f64::from(camera.fov_x_rad) / 2.0).tan();
    let right = (x as f64 + 0.5 - camera.width as f64 / 2.0) / focal;
    let up = (camera.height as f64 / 2.0 - y as f64 - 0.5) / focal;
    let (sy, cy) = f64::from(pose.yaw_rad).sin_cos();
    let (sp, cp) = f64::from(pose.pitch_rad).sin_cos();
    // Pitch about the right axis first, then yaw about the vertical.
    let (ahead, height) = (cp - sp * up, sp + cp * up);
    [right * cy - ahead * sy, height, -right * sy - ahead * cy]
}

/// Planar depth and id of what a ray meets in the ball room.
fn truth(origin: [f64; 3], d: [f64; 3]) -> (f64, u16) {
    let mut best = (f64::MAX, 0);
    for (axis, low, high) in [(0, -3.0, 3.0), (1, 0.0, 2.6), (2, -3.0, 3.0)] {
        let bound = if d[axis] > 0.0 { high } else { low };
        let t = (bound - origin[axis]) / d[axis];
        if t > 0.0 && t < best.0 {
            best = (t, 0);
        }
    }
    let o = [origin[0] - 0.4, origin[1] - 0.5, origin[2] + 1.0];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let (a, b, c) = (dot(d, d), dot(o, d), dot(o, o) - 0.25);
    let disc = b * b - a * c;
    if disc > 0.0 {
        let t = (-b - disc.sqrt()) / a;
        if t > 0.0 && t < best.0 {
            best = (t, 7);
        }
    }
    best
}

#[test]
fn depth_and_ids_of_planes_and_a_sphere() {
    let scene = Scene::from_ron(BALL_ROOM).unwrap();
    let renderer = Renderer::new(&scene);
    let camera = Camera { width: 96, height: 64, fov_x_rad: 1.2 };
    for pose in poses() {
        let view = renderer.render(&pose, &camera, Threads::One);
        let (mut wrong, mut ball) = (0, 0);
        for y in 0..camera.height {
            for x in 0..camera.width {
                let at = y * camera.width + x;
                let (depth, id) = truth(pose.position_m.map(f64::from), direction(&pose, &camera, x, y));
                // The lamp's disc hangs 7 cm below the ceiling and is not in the formula.
                let lamp = depth - f64::from(view.rgbd.depth_m[at]);
                if (view.ids[at] != id || lamp.abs() > 2e-4 * depth) && !(0.0..0.8).contains(&lamp) {
                    wrong += 1;
                }
                ball += usize::from(id == 7);
            }
        }
        // A ray that grazes the ball may fall on either side of its rim.
        assert!(wrong <= 2, "{wrong} pixels differ at {pose:?}");
        assert!(ball > 0 || pose.yaw_rad > 1.0, "the ball is in sight");
    }
}

#[test]
fn every_thread_count_gives_the_same_bytes() {
    for kind in SceneKind::ALL {
        let scene = generate(kind, 3);
        let renderer = Renderer::new(&scene);
        let pose = scene.starts()[0].apply(&Move { look_rad: 0.2, turn_rad: 0.3, ..Move::default() });
        let camera = Camera::square(100);
        let alone = renderer.render(&pose, &camera, Threads::One);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let together = pool.install(|| Renderer::new(&scene).render(&pose, &camera, Threads::All));
            assert!(alone == together, "{kind:?} differs with {threads} threads");
        }
    }
}

#[test]
fn the_sky_is_far_and_has_no_id() {
    let scene = generate(SceneKind::Courtyard, 1);
    let pose = scene.starts()[0].apply(&Move { look_rad: 1.0, ..Move::default() });
    let view = Renderer::new(&scene).render(&pose, &Camera::square(32), Threads::One);
    // Straight up in the middle of the upper edge there is sky unless a crown hangs over the start.
    let sky = view.rgbd.depth_m.iter().zip(&view.ids).filter(|(depth, _)| **depth == FARTHEST_M);
    let (count, named) = sky.fold((0, 0), |(count, named), (_, id)| (count + 1, named + usize::from(*id != 0)));
    assert!(count > 200, "only {count} pixels of sky");
    assert_eq!(named, 0);
}

#[test]
fn a_shadow_lies_under_the_ball() {
    let scene = Scene::from_ron(BALL_ROOM).unwrap();
    let mut bare = scene.spec().clone();
    bare.objects.clear();
    let bare = Scene::new(bare).unwrap();
    let pose = poses()[0];
    let camera = Camera::square(128);
    let with = Renderer::new(&scene).render(&pose, &camera, Threads::One);
    let without = Renderer::new(&bare).render(&pose, &camera, Threads::One);
    let light = |view: &rhea_scene::Rendered, at: usize| -> i32 {
        view.rgbd.rgb[at * 3..at * 3 + 3].iter().map(|c| i32::from(*c)).sum()
    };
    let floor = (0..128 * 128).filter(|at| with.ids[*at] == 0);
    let darker = floor.clone().filter(|at| light(&without, *at) - light(&with, *at) > 60).count();
    let brighter =
        floor.filter(|at| light(&with, *at) - light(&without, *at) > 60 && neighbours(&with.ids, *at)).count();
    assert!(darker > 60, "shadow of {darker} pixels");
    assert_eq!(brighter, 0, "a ball does not light up its surroundings");
}

/// Are the pixels left and right the shell too?
fn neighbours(ids: &[u16], at: usize) -> bool {
    ids.get(at.wrapping_sub(1)) == Some(&0) && ids.get(at + 1) == Some(&0)
}

#[test]
fn a_moved_object_moves_in_the_view_and_nothing_else_does() {
    let scene = Scene::from_ron(BALL_ROOM).unwrap();
    let mut spec = scene.spec().clone();
    spec.objects.push(Object {
        id: 9,
        noun: Noun::Box,
        colour: Colour::Green,
        position_m: [-1.5, 0.0, -1.5],
        yaw_deg: 20.0,
        size_m: [0.6, 0.6, 0.6],
        material: None,
        parts: Vec::new(),
    });
    let more = Scene::new(spec).unwrap();
    let camera = Camera::square(64);
    let (a, b) = (
        Renderer::new(&scene).render(&poses()[0], &camera, Threads::One),
        Renderer::new(&more).render(&poses()[0], &camera, Threads::One),
    );
    let changed = a.ids.iter().zip(&b.ids).filter(|(a, b)| a != b).count();
    let boxed = b.ids.iter().filter(|id| **id == 9).count();
    assert!(boxed > 20);
    assert_eq!(changed, boxed);
}

#[test]
fn odd_cameras_and_poses_do_no_harm() {
    let scene = Scene::from_ron(BALL_ROOM).unwrap();
    let renderer = Renderer::new(&scene);
    for (width, height) in [(0, 0), (1, 1), (7, 3), (3, 9), (0, 5), (5, 0)] {
        let camera = Camera { width, height, fov_x_rad: 1.0 };
        let view = renderer.render(&poses()[0], &camera, Threads::All);
        assert_eq!(view.ids.len(), width * height);
        assert_eq!(view.rgbd.rgb.len(), width * height * 3);
    }
    let lost = Pose { position_m: [f32::NAN, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: f32::INFINITY };
    let view = renderer.render(&lost, &Camera::square(16), Threads::One);
    assert!(view.rgbd.depth_m.iter().all(|depth| depth.is_finite()));
    let inside = Pose { position_m: [0.4, 0.5, -1.0], yaw_rad: 0.0, pitch_rad: 0.0 };
    let view = renderer.render(&inside, &Camera::square(16), Threads::One);
    assert!(view.rgbd.depth_m.iter().all(|depth| depth.is_finite()));
}

/// Colour error on edge pixels against the mean of 8 x 8 finer pixels, of the view and of the single finer pixel in the middle.
#[test]
fn edges_are_smooth() {
    const FINE: usize = 8;
    let scene = Scene::from_ron(BALL_ROOM).unwrap();
    let renderer = Renderer::new(&scene);
    let side = 64;
    let view = renderer.render(&poses()[1], &Camera::square(side), Threads::One);
    let fine = renderer.render(&poses()[1], &Camera::square(side * FINE), Threads::All);
    let linear = |byte: u8| (f64::from(byte) / 255.0).powf(2.2);
    let (mut smooth, mut jagged, mut edges) = (0.0, 0.0, 0);
    for y in 0..side {
        for x in 0..side {
            let block = || (0..FINE * FINE).map(|i| (x * FINE + i % FINE, y * FINE + i / FINE));
            if !block().any(|(bx, by)| fine.ids[by * side * FINE + bx] != fine.ids[y * FINE * side * FINE + x * FINE]) {
                continue;
            }
            edges += 1;
            for channel in 0..3 {
                let mean = block().map(|(bx, by)| linear(fine.rgbd.pixel(bx, by)[channel])).sum::<f64>() / 64.0;
                let middle = fine.rgbd.pixel(x * FINE + FINE / 2, y * FINE + FINE / 2)[channel];
                smooth += (linear(view.rgbd.pixel(x, y)[channel]) - mean).abs();
                jagged += (linear(middle) - mean).abs();
            }
        }
    }
    assert!(edges > 30, "only {edges} edge pixels");
    assert!(smooth < jagged * 0.5, "error {smooth:.2} against {jagged:.2} without smoothing");
}

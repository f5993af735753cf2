//! The warp against worlds that can be drawn exactly.
#![allow(clippy::unwrap_used, reason = "tests")]

mod analytic;

use analytic::{Panel, blue, checks, draw, pose, psnr_valid, red, warp_and_truth, waves};
use rhea_memory::{Warper, warp};
use rhea_picture::{FARTHEST_M, Rgbd};
use rhea_scene::{Camera, Pose};

const ENDLESS: ([f32; 2], [f32; 2]) = ([-60.0; 2], [60.0; 2]);

fn wall() -> Panel {
    Panel { axis: 2, at: -4.0, low: ENDLESS.0, high: ENDLESS.1, texture: waves }
}

fn floor() -> Panel {
    Panel { axis: 1, at: 0.0, low: ENDLESS.0, high: ENDLESS.1, texture: checks }
}

/// A red panel 1 m wide, 2 m in front of the eye, before a blue wall 4 m away.
fn box_before_wall() -> [Panel; 2] {
    [
        Panel { axis: 2, at: -2.0, low: [-0.5, 0.8], high: [0.5, 2.2], texture: red },
        Panel { axis: 2, at: -4.0, low: ENDLESS.0, high: ENDLESS.1, texture: blue },
    ]
}

fn colour(view: &Rgbd, i: usize) -> [u8; 3] {
    view.pixel(i % view.width, i / view.width)
}

#[test]
fn the_same_pose_returns_the_same_picture() {
    let here = pose(0.3, 0.2, 17.0, -9.0);
    let panels = [box_before_wall(), [floor(), wall()]];
    let camera = Camera::square(128);
    let source = draw(&panels.into_iter().flatten().collect::<Vec<_>>(), &camera, &here);
    let warp = warp(&[(&source, &here)], &camera, &here);
    assert_eq!(warp.view, source);
    assert!(warp.valid.iter().all(|v| *v));
    assert!(warp.magnification.iter().all(|m| (m - 1.0).abs() < 1e-5));
    assert!(warp.source.iter().all(|s| *s == 0));
}

#[test]
fn a_wall_looks_right_from_anywhere() {
    let from = pose(0.0, 0.0, 0.0, 0.0);
    for to in
        [pose(0.5, 0.0, 0.0, 0.0), pose(0.0, -1.0, 0.0, 0.0), pose(-0.7, -0.5, 20.0, 5.0), pose(0.1, 0.4, -12.0, 0.0)]
    {
        let (warp, truth) = warp_and_truth(&[wall()], &from, &to);
        let psnr = psnr_valid(&warp, &truth);
        assert!(psnr > 38.0, "{psnr} dB at {to:?}");
        for i in (0..warp.valid.len()).filter(|i| warp.valid[*i]) {
            let relative = (warp.view.depth_m[i] / truth.depth_m[i] - 1.0).abs();
            assert!(relative < 1e-3, "depth off by {relative} at {i}");
        }
    }
}

#[test]
fn what_is_in_sight_is_valid_without_pinholes() {
    let camera = Camera::square(128);
    let from = pose(0.0, 0.0, 0.0, 0.0);
    let to = pose(0.4, -0.8, 15.0, -4.0);
    let (warp, truth) = warp_and_truth(&[wall()], &from, &to);
    let (mut inside, mut missing) = (0, 0);
    for y in 0..128 {
        for x in 0..128 {
            // Unproject the true depth, project into the source.
            let f = camera.focal_px();
            let i = y * 128 + x;
            let (a, b, d) = ((x as f32 - 63.5) / f, (63.5 - y as f32) / f, truth.depth_m[i]);
            let (r, u, n) = (to.right(), to.up(), to.forward());
            let p: [f32; 3] =
                std::array::from_fn(|k| d * (a * r[k] + b * u[k] + n[k]) + to.position_m[k] - from.position_m[k]);
            let (sx, sy) = (f * p[0] / -p[2], f * p[1] / -p[2]);
            if sx.abs() < 63.9 && sy.abs() < 63.9 {
                inside += 1;
                missing += usize::from(!warp.valid[i]);
            } else if sx.abs() > 64.1 || sy.abs() > 64.1 {
                assert!(!warp.valid[i], "pixel {x} {y} was never seen");
            }
        }
    }
    assert!(inside > 8_000 && missing == 0, "{missing} of {inside} are holes");
}

#[test]
fn a_turn_is_a_homography_whatever_the_depth() {
    let (from, to) = (pose(0.0, 0.0, 5.0, -3.0), pose(0.0, 0.0, 27.0, 6.0));
    let camera = Camera::square(128);
    let mut source = draw(&[wall(), floor()], &camera, &from);
    let good = warp(&[(&source, &from)], &camera, &to);
    // Nonsense depths change nothing but the depth.
    for (i, depth) in source.depth_m.iter_mut().enumerate() {
        *depth = 0.5 + (i * 7919 % 97) as f32;
    }
    let bad = warp(&[(&source, &from)], &camera, &to);
    assert_eq!((&good.view.rgb, &good.valid), (&bad.view.rgb, &bad.valid));
    // Independent: H = K R K^-1 with rotation matrices built from angles, and cubic interpolation in plain words.
    let f = f64::from(camera.focal_px());
    let mut compared = 0;
    for i in 0..128 * 128 {
        let target = [(i % 128) as f64 - 63.5, 63.5 - (i / 128) as f64, -f];
        let world = turn_y(turn_x(target, f64::from(to.pitch_rad)), f64::from(to.yaw_rad));
        let back = turn_x(turn_y(world, -f64::from(from.yaw_rad)), -f64::from(from.pitch_rad));
        let (u, v) = (64.0 + f * back[0] / -back[2], 64.0 - f * back[1] / -back[2]);
        let inside = back[2] < 0.0 && u > 2.0 && v > 2.0 && u < 126.0 && v < 126.0;
        if !inside {
            continue;
        }
        assert!(good.valid[i]);
        for c in 0..3 {
            let mut want = 0.0;
            for y in (v - 0.5).floor() as i32 - 1..(v - 0.5).floor() as i32 + 3 {
                for x in (u - 0.5).floor() as i32 - 1..(u - 0.5).floor() as i32 + 3 {
                    let weight = keys(u - 0.5 - f64::from(x)) * keys(v - 0.5 - f64::from(y));
                    want += weight * f64::from(source.pixel(x as usize, y as usize)[c]);
                }
            }
            // Half a level of rounding and 1/512 px of place.
            assert!((want.clamp(0.0, 255.0) - f64::from(good.view.rgb[i * 3 + c])).abs() < 1.1);
        }
        compared += 1;
    }
    assert!(compared > 7_000, "{compared}");
}

/// The kernel of cubic convolution, a = -1/2.
fn keys(distance: f64) -> f64 {
    match distance.abs() {
        d if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
        d if d < 2.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
        _ => 0.0,
    }
}

fn turn_x([x, y, z]: [f64; 3], angle: f64) -> [f64; 3] {
    let (s, c) = angle.sin_cos();
    [x, c * y - s * z, s * y + c * z]
}

fn turn_y([x, y, z]: [f64; 3], angle: f64) -> [f64; 3] {
    let (s, c) = angle.sin_cos();
    [c * x + s * z, y, c * z - s * x]
}

#[test]
fn nothing_bleeds_through_and_nothing_is_doubled() {
    let panels = box_before_wall();
    let from = pose(0.0, 0.0, 0.0, 0.0);
    let sideways = pose(0.4, 0.0, 0.0, 0.0);
    for to in [sideways, pose(0.0, -0.8, 0.0, 0.0), pose(-0.5, -0.4, -8.0, 0.0), pose(0.2, 0.6, 0.0, 5.0)] {
        let (warp, truth) = warp_and_truth(&panels, &from, &to);
        let is_box = |depth: f32| depth < 3.1;
        // Away from the outline, whose place within a source pixel is unknown, side and colour must be right.
        let clear = |i: usize| {
            let (x, y) = (i % 128, i / 128);
            let around =
                (y.max(1) - 1..=(y + 1).min(127)).flat_map(|v| (x.max(1) - 1..=(x + 1).min(127)).map(move |u| (u, v)));
            around.into_iter().all(|(u, v)| is_box(truth.depth_m[v * 128 + u]) == is_box(truth.depth_m[i]))
        };
        let (mut shape, mut ghost) = (0, 0);
        for i in (0..warp.valid.len()).filter(|i| warp.valid[*i] && clear(*i)) {
            shape += usize::from(is_box(warp.view.depth_m[i]) != is_box(truth.depth_m[i]));
            let off = colour(&warp.view, i).iter().zip(colour(&truth, i)).any(|(a, b)| a.abs_diff(b) > 60);
            ghost += usize::from(off);
        }
        assert!(shape == 0, "{shape} px on the wrong side of the outline");
        assert!(ghost < 20, "{ghost} px with a ghost colour");
        let hole = warp.valid.iter().filter(|v| !**v).count();
        // The wall beside the box moves by 7.6 px: that strip was hidden by the 53 px high box.
        assert!(to != sideways || hole > 300, "what the box hid cannot be known, but only {hole} px are open");
        let psnr = psnr_valid(&warp, &truth);
        assert!(psnr > 27.0, "{psnr} dB");
    }
}

#[test]
fn the_sky_turns_but_does_not_shift() {
    let camera = Camera::square(64);
    let from = pose(0.0, 0.0, 0.0, 20.0);
    let mut source = Rgbd::filled(64, 64, [10, 20, 30]);
    for (i, byte) in source.rgb.iter_mut().enumerate() {
        *byte = (i / 3 % 64 * 3) as u8;
    }
    let to = Pose { position_m: [5.0, 1.0, -9.0], ..from };
    let warp = warp(&[(&source, &from)], &camera, &to);
    assert_eq!(warp.view.rgb, source.rgb);
    assert!(warp.view.depth_m.iter().all(|d| *d == FARTHEST_M));
}

#[test]
fn the_oldest_view_keeps_its_pixels_until_a_newer_one_is_nearer_or_finer() {
    let camera = Camera::square(64);
    let at = |z| pose(0.0, z, 0.0, 0.0);
    let wall = |depth: f32, rgb| {
        let mut view = Rgbd::filled(64, 64, rgb);
        view.depth_m.fill(depth);
        view
    };
    let target = at(0.0);
    let middle = 32 * 64 + 32;
    let pick = |old: (&Rgbd, &Pose), new: (&Rgbd, &Pose)| warp(&[old, new], &camera, &target).source[middle];
    // The same wall seen from 4.4 m and from 3 m: the older one stays.
    let (old, new) = (wall(4.4, [255, 0, 0]), wall(3.0, [0, 255, 0]));
    assert_eq!(pick((&old, &at(0.4)), (&new, &at(-1.0))), 0);
    // Seen from 8 m, it is too coarse: the newer one replaces it.
    let far = wall(8.0, [255, 0, 0]);
    assert_eq!(pick((&far, &at(4.0)), (&new, &at(-1.0))), 1);
    // Something stands 3 m before the target's eye, and the older view, 0.6 m before the wall, could not know.
    let occluder = wall(2.0, [0, 0, 255]);
    let close = wall(0.6, [255, 0, 0]);
    assert_eq!(pick((&close, &at(-3.4)), (&occluder, &at(-1.0))), 1);
    // Where it has looked through that spot to the wall, nothing stands there.
    assert_eq!(pick((&old, &at(0.4)), (&occluder, &at(-1.0))), 0);
    // A farther surface in the newer view does not come through.
    let behind = wall(9.0, [0, 0, 255]);
    assert_eq!(pick((&old, &at(0.4)), (&behind, &at(-1.0))), 0);
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let camera = Camera::square(128);
    let panels = [box_before_wall(), [floor(), wall()]].into_iter().flatten().collect::<Vec<_>>();
    let poses = [pose(0.0, 0.0, 0.0, 0.0), pose(0.5, -0.2, 20.0, 0.0), pose(-0.3, 0.5, -15.0, 3.0)];
    let views = poses.map(|p| draw(&panels, &camera, &p));
    let sources: Vec<_> = views.iter().zip(&poses).collect();
    let target = pose(0.1, -0.5, 8.0, 0.0);
    let mut warper = Warper::default();
    let first = warper.warp(&sources, &camera, &target);
    let mut again = warper.warp(&sources[1..], &Camera::square(96), &poses[0]);
    warper.warp_into(&sources, &camera, &target, &mut again);
    assert_eq!(first, again);
    let other = std::thread::scope(|s| s.spawn(|| warp(&sources, &camera, &target)).join()).unwrap();
    assert_eq!(first, other);
}

#[test]
fn odd_sizes_and_no_sources_are_fine() {
    let camera = Camera { width: 33, height: 20, fov_x_rad: Camera::FOV_X_RAD };
    let here = pose(0.0, 0.0, 0.0, 0.0);
    assert_eq!(warp(&[], &camera, &here).coverage(), 0.0);
    let tiny = Rgbd::filled(1, 1, [9, 9, 9]);
    let empty = Rgbd::filled(0, 0, [9, 9, 9]);
    let there = pose(0.5, -1.0, 30.0, 0.0);
    let warped = warp(&[(&empty, &there), (&tiny, &there), (&tiny, &here)], &camera, &here);
    assert_eq!(warped.view.rgb.len(), 33 * 20 * 3);
    let big = draw(&[wall()], &Camera::square(256), &there);
    let small = warp(&[(&big, &there)], &camera, &here);
    assert!(small.coverage() > 0.3);
    let middle = small.magnification.iter().find(|m| **m > 0.0).copied().unwrap_or(0.0);
    assert!(middle < 0.3, "{middle}");
}

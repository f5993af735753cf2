//! A world small enough to be drawn exactly, without the scene crate: textured rectangles facing an axis, and a sky.

#![allow(dead_code, reason = "each test file uses its part")]

use rhea_memory::Warper;
use rhea_picture::{FARTHEST_M, Rgbd, Warp};
use rhea_scene::{Camera, Pose};

/// A rectangle at `at` along `axis`, spanning `low` to `high` on the other two axes (in the order x, y, z).
pub struct Panel {
    pub axis: usize,
    pub at: f32,
    pub low: [f32; 2],
    pub high: [f32; 2],
    pub texture: fn(f32, f32) -> [f32; 3],
}

/// Soft waves, at least 0.7 m long.
pub fn waves(a: f32, b: f32) -> [f32; 3] {
    [
        128.0 + 60.0 * (a * 5.0).sin() + 40.0 * (b * 3.0 + 1.0).cos(),
        128.0 + 80.0 * (b * 6.0 + a).sin(),
        120.0 + 50.0 * (a * 4.0 - b * 4.0).cos(),
    ]
}

pub fn red(_: f32, _: f32) -> [f32; 3] {
    [220.0, 30.0, 20.0]
}

pub fn blue(_: f32, _: f32) -> [f32; 3] {
    [20.0, 40.0, 210.0]
}

/// Checks of 0.75 m.
pub fn checks(a: f32, b: f32) -> [f32; 3] {
    if ((a / 0.75).floor() + (b / 0.75).floor()) as i64 % 2 == 0 { [200.0, 190.0, 160.0] } else { [90.0, 60.0, 50.0] }
}

/// Draws the panels with 4 x 4 rays a pixel; depth is that of the ray through the middle.
pub fn draw(panels: &[Panel], camera: &Camera, pose: &Pose) -> Rgbd {
    let mut view = Rgbd::filled(camera.width, camera.height, [150, 190, 230]);
    for y in 0..camera.height {
        for x in 0..camera.width {
            let i = y * camera.width + x;
            let mut sum = [0.0_f32; 3];
            for k in 0..16 {
                let (dx, dy) = ((k % 4) as f32 / 4.0 + 0.125, (k / 4) as f32 / 4.0 + 0.125);
                let colour = shoot(panels, camera, pose, x as f32 + dx, y as f32 + dy).1;
                for c in 0..3 {
                    sum[c] += colour[c] / 16.0;
                }
            }
            view.rgb[i * 3..i * 3 + 3].copy_from_slice(&sum.map(|v| (v + 0.5) as u8));
            view.depth_m[i] = shoot(panels, camera, pose, x as f32 + 0.5, y as f32 + 0.5).0;
        }
    }
    view
}

fn shoot(panels: &[Panel], camera: &Camera, pose: &Pose, x_px: f32, y_px: f32) -> (f32, [f32; 3]) {
    let f = camera.focal_px();
    let (a, b) = ((x_px - camera.width as f32 * 0.5) / f, (camera.height as f32 * 0.5 - y_px) / f);
    let (r, u, n) = (pose.right(), pose.up(), pose.forward());
    let ray: [f32; 3] = std::array::from_fn(|k| a * r[k] + b * u[k] + n[k]);
    let mut best = (FARTHEST_M, [150.0, 190.0, 230.0]);
    for panel in panels {
        let depth = (panel.at - pose.position_m[panel.axis]) / ray[panel.axis];
        if !(depth > 0.05 && depth < best.0) {
            continue;
        }
        let hit: [f32; 3] = std::array::from_fn(|k| pose.position_m[k] + depth * ray[k]);
        let (p, q) = match panel.axis {
            0 => (hit[1], hit[2]),
            1 => (hit[0], hit[2]),
            _ => (hit[0], hit[1]),
        };
        if p >= panel.low[0] && p <= panel.high[0] && q >= panel.low[1] && q <= panel.high[1] {
            best = (depth, (panel.texture)(p, q));
        }
    }
    best
}

pub fn pose(x: f32, z: f32, yaw_degrees: f32, pitch_degrees: f32) -> Pose {
    Pose { position_m: [x, 1.5, z], yaw_rad: yaw_degrees.to_radians(), pitch_rad: pitch_degrees.to_radians() }
}

/// Warps one view drawn at `from`, and draws the truth at `to`.
pub fn warp_and_truth(panels: &[Panel], from: &Pose, to: &Pose) -> (Warp, Rgbd) {
    let camera = Camera::square(128);
    let source = draw(panels, &camera, from);
    (Warper::default().warp(&[(&source, from)], &camera, to), draw(panels, &camera, to))
}

/// Peak signal to noise ratio over the valid pixels, dB.
pub fn psnr_valid(warp: &Warp, truth: &Rgbd) -> f64 {
    let mut sum = 0.0;
    let mut count = 0.0;
    for i in (0..warp.valid.len()).filter(|i| warp.valid[*i]) {
        for c in 0..3 {
            let d = f64::from(warp.view.rgb[i * 3 + c]) - f64::from(truth.rgb[i * 3 + c]);
            sum += d * d;
            count += 1.0;
        }
    }
    10.0 * (255.0 * 255.0 / (sum / count).max(1e-9)).log10()
}

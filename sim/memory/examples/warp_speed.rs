//! How long warps of 128 x 128 views and a recall take on one core: `cargo run --release -p rhea-memory --example warp_speed`.

#[path = "../tests/analytic/mod.rs"]
mod analytic;

use analytic::{Panel, checks, draw, pose, red, waves};
use std::sync::Arc;

use rhea_memory::{Memory, View, Warper};
use rhea_picture::Warp;
use rhea_scene::Camera;

fn main() {
    let (low, high) = ([-60.0; 2], [60.0; 2]);
    let panels = [
        Panel { axis: 1, at: 0.0, low, high, texture: checks },
        Panel { axis: 1, at: 2.8, low, high, texture: waves },
        Panel { axis: 2, at: -5.0, low, high, texture: waves },
        Panel { axis: 0, at: 3.0, low, high, texture: waves },
        Panel { axis: 0, at: -3.0, low, high, texture: checks },
        Panel { axis: 2, at: -2.5, low: [-0.5, 0.0], high: [0.5, 1.7], texture: red },
        Panel { axis: 2, at: -3.5, low: [-2.5, 0.0], high: [-1.5, 1.2], texture: red },
    ];
    let camera = Camera::square(128);
    let poses = [pose(0.0, 0.0, 0.0, 0.0), pose(0.5, -0.2, 20.0, 0.0), pose(-0.3, 0.5, -15.0, 3.0)];
    let views = poses.map(|p| draw(&panels, &camera, &p));
    let sources: Vec<_> = views.iter().zip(&poses).collect();
    let mut warper = Warper::default();
    let mut out = Warp::empty(128, 128);
    for (what, used, target) in [
        ("three views, moved", &sources[..], pose(0.1, -0.4, 8.0, 0.0)),
        ("one view, moved", &sources[..1], pose(0.1, -0.4, 8.0, 0.0)),
        ("one view, turned", &sources[..1], pose(0.0, 0.0, 15.0, 0.0)),
        ("one view, same pose", &sources[..1], pose(0.0, 0.0, 0.0, 0.0)),
    ] {
        // The fastest of many: the machine may be doing other things.
        let mut best = f64::MAX;
        for _ in 0..400 {
            let start = std::time::Instant::now();
            warper.warp_into(used, &camera, &target, &mut out);
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("{what}: {best:.2} ms, {:.0} % covered", 100.0 * out.coverage());
    }
    let mut memory = Memory::new();
    for i in 0..400_u32 {
        let k = i as usize % poses.len();
        let around = i as f32 * 0.37;
        let pose = pose(around.sin(), 1.5 * around.cos(), i as f32 * 29.0, 0.0);
        let rgbd = Arc::new(views[k].clone());
        memory.insert(View { rgbd, pose, codes: Vec::new(), step: i, lineage: i % 20, narration: String::new() });
    }
    let mut best = f64::MAX;
    let mut used = Vec::new();
    for _ in 0..60 {
        let start = std::time::Instant::now();
        used = memory.recall_with(&mut warper, &camera, &pose(0.1, -0.4, 8.0, 0.0), 4).used;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("recall among 400 views: {best:.2} ms with the warp of {} of them", used.len());
}

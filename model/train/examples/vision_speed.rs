//! Prints how fast the vision tokenizer trains on made-up pictures: `cargo run --release -p rhea-train --example vision_speed`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use rhea_nn::vision::VisionConfig;
use rhea_picture::{Rgbd, Warp};
use rhea_train::vision::{MemoryExample, ViewKey, VisionExample, VisionRun, VisionSource, train_vision};

struct Gradients;

fn picture(k: u32) -> Rgbd {
    let rgb = (0..128 * 128).flat_map(|i: u32| [(i + k) as u8, (i / 128 * k) as u8, k as u8]).collect();
    let depth = (0..128 * 128).map(|i: u32| 1.0 + (i % 128) as f32 * 0.05).collect();
    Rgbd { width: 128, height: 128, rgb, depth_m: depth }
}

impl VisionSource for Gradients {
    fn examples(&self, step: u64, shard: usize, n: usize, memory: bool) -> Result<Vec<VisionExample>, String> {
        let one = |i: usize| {
            let view = picture((step as u32).wrapping_mul(31) + (shard * n + i) as u32);
            let mut warp = Warp::empty(128, 128);
            warp.view = view.clone();
            warp.valid.iter_mut().step_by(2).for_each(|v| *v = true);
            let memory = memory.then(|| MemoryExample { warp, filled: view.clone() });
            VisionExample { key: ViewKey { scene: 0, view: i as u32 }, picture: view, memory }
        };
        Ok((0..n).map(one).collect())
    }

    fn keep(&self, _: ViewKey, _: Rgbd) {}

    fn held_out(&self, n: usize) -> Result<Vec<VisionExample>, String> {
        self.examples(7, 0, n, true)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join("rhea-vision-speed");
    let shards = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    for (steps, stop) in [(12, 1e9), (60, 1e9)] {
        let run = VisionRun {
            config: VisionConfig::nano(),
            steps,
            batch: 16 * shards,
            rate: 1e-3,
            seed: 1,
            shards,
            freeze_encoder: false,
            work: dir.clone(),
            out: dir.join("out"),
            start: None,
            stop_after_secs: Some(stop),
        };
        let start = std::time::Instant::now();
        train_vision(&run, &Gradients)?;
        println!("{steps} steps in {:.2} s", start.elapsed().as_secs_f64());
    }
    println!("{}", std::fs::read_to_string(dir.join("log.jsonl"))?);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

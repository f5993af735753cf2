use rhea_lessons::stages::{Stage, vision, frames, text, world};
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n = |i: usize, d: f64| a.get(i).and_then(|v| v.parse().ok()).unwrap_or(d);
    let stage = Stage { work: "/root/.cache/rhea-train".into(), model: "/root/.cache/rhea-train/model".into(), first_seed: n(8, 0.0) as u64,
        scenes: n(2, 64.0) as usize, steps: n(3, 100.0) as u64, batch: 32, rate: n(4, 8e-4) as f32, seed: 1, shards: n(5, 2.0) as usize, stop_after_secs: Some(n(6, 1e9)) };
    let t = std::time::Instant::now();
    if a[1] == "frames" { frames(&stage, &|n| if n % 64 == 0 { eprintln!("{n} {:?}", t.elapsed()) }).unwrap(); return; }
    if a[1] == "text" { println!("{:?}", text(&stage.model, 1)); return; }
    if a[1] == "world" { let mut s = stage.clone(); s.batch = n(7, 48.0) as usize; world(&s, None, &|n| if n % 64 == 0 { eprintln!("{n} {:?}", t.elapsed()) }).unwrap(); return; }
    vision(&stage, false, None, &|n| if n % 64 == 0 { eprintln!("{n} {:?}", t.elapsed()) }).unwrap();
}

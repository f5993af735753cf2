//! Warps against the truth in generated scenes: `cargo run --release -p rhea-memory --example warp_sheet -- SHEET.png`.
//!
//! In fours: source view, warp, truth, difference; first single moves, then views recalled off a walk. Prints the PSNR over the valid
//! pixels.

use std::path::PathBuf;
use std::sync::Arc;

use rhea_memory::{Memory, View, Warper};
use rhea_picture::{Rgbd, Sheet, psnr, save_picture};
use rhea_scene::{Camera, Move, Renderer, Threads, generate_any};

/// Forward, left (metres) and left turn (degrees) of each row.
const MOVES: [(&str, f32, f32, f32); 7] = [
    ("forward 0.5", 0.5, 0.0, 0.0),
    ("turn 22.5", 0.0, 0.0, 22.5),
    ("side 0.3", 0.0, 0.3, 0.0),
    ("fwd .5 turn 15", 0.5, 0.0, 15.0),
    ("back 0.5", -0.5, 0.0, 0.0),
    ("back 1 turn 10", -1.0, 0.0, -10.0),
    ("forward 1.5", 1.5, 0.0, 0.0),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "warp_sheet.png".into()));
    let seeds: Vec<u64> = (900_000..900_000 + std::env::args().nth(2).map_or(Ok(6), |n| n.parse())?).collect();
    let camera = Camera::square(128);
    let mut warper = Warper::default();
    let mut sheet = Sheet::new(8, 2);
    let mut sums = [(0.0_f64, 0.0_f64, 0.0_f64); MOVES.len()];
    for (n, seed) in seeds.iter().enumerate() {
        let scene = generate_any(*seed);
        let renderer = Renderer::new(&scene);
        let Some(start) = scene.starts().first().copied() else { continue };
        let source = renderer.render(&start, &camera, Threads::All).rgbd;
        for (row, (name, forward_m, left_m, left_deg)) in MOVES.into_iter().enumerate() {
            let step = Move { forward_m, right_m: -left_m, turn_rad: left_deg.to_radians(), ..Move::default() };
            let pose = scene.clip(&start, &start.apply(&step)).0;
            let truth = renderer.render(&pose, &camera, Threads::All).rgbd;
            let warp = warper.warp(&[(&source, &start)], &camera, &pose);
            let db = psnr(&warp.view, &truth, Some(&warp.valid))?;
            let inner = psnr(&warp.view, &truth, Some(&away_from_edges(&truth, &warp.valid)))?;
            sums[row].0 += db.min(60.0);
            sums[row].1 += inner.min(60.0);
            sums[row].2 += f64::from(warp.coverage());
            if n < 4 && [0, 2, 3, 5].contains(&row) {
                sheet.add_view(&source, format!("{seed} source"));
                sheet.add_view(&warp.view, format!("{name} {db:.1} dB"));
                sheet.add_view(&truth, "truth");
                sheet.add_view(&difference(&warp.view, &truth, &warp.valid), "difference x3");
            }
        }
    }
    let recalled = recall_rows(&seeds, &camera, &mut sheet)?;
    let count = seeds.len() as f64;
    for ((name, ..), (db, inner, coverage)) in MOVES.iter().zip(sums) {
        let (db, inner, covered) = (db / count, inner / count, 100.0 * coverage / count);
        println!("{name:>16}: {db:.1} dB on valid pixels, {inner:.1} dB away from silhouettes, {covered:.0} % valid");
    }
    println!(
        "recalled from 10 views of a walk: {:.1} dB on valid pixels, {:.0} % valid",
        recalled.0,
        100.0 * recalled.1
    );
    save_picture(&path, &sheet.draw()?)?;
    Ok(())
}

/// Walks ten steps, then asks memory for views off the way; mean PSNR and coverage.
fn recall_rows(seeds: &[u64], camera: &Camera, sheet: &mut Sheet) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let (mut sum, mut covered, mut count) = (0.0, 0.0, 0.0);
    for (n, seed) in seeds.iter().enumerate() {
        let scene = generate_any(*seed);
        let renderer = Renderer::new(&scene);
        let Some(mut pose) = scene.starts().first().copied() else { continue };
        let mut memory = Memory::new();
        for step in 0..10 {
            let rgbd = Arc::new(renderer.render(&pose, camera, Threads::All).rgbd);
            let lineage = u32::from(step > 0);
            memory.insert(View { rgbd, pose, codes: Vec::new(), step, lineage, narration: String::new() });
            let turn = if step % 3 == 2 { 40.0 } else { 15.0 };
            pose = scene.clip(&pose, &pose.apply(&Move { forward_m: 0.4, ..Move::turn_deg(turn) })).0;
        }
        for (k, back) in [(1, -0.3), (4, 0.2), (7, -0.2)] {
            let step = Move { right_m: 0.25, forward_m: back, ..Move::turn_deg(-12.0) };
            let from = memory.views()[k].pose;
            let target = scene.clip(&from, &from.apply(&step)).0;
            let truth = renderer.render(&target, camera, Threads::All).rgbd;
            let recall = memory.recall(camera, &target, 4);
            let db = psnr(&recall.warp.view, &truth, Some(&recall.warp.valid))?;
            (sum, covered, count) = (sum + db, covered + f64::from(recall.warp.coverage()), count + 1.0);
            if n < 3 && k != 7 {
                let share = 100.0 * recall.warp.coverage();
                sheet.add_view(&memory.views()[k].rgbd, format!("{seed} step {k}"));
                sheet.add_view(&recall.warp.view, format!("recall {db:.1} dB {share:.0} %"));
                sheet.add_view(&truth, format!("truth {:?}", recall.used));
                sheet.add_view(&difference(&recall.warp.view, &truth, &recall.warp.valid), "difference x3");
            }
        }
    }
    Ok((sum / count, covered / count))
}

/// Valid pixels whose neighbours in the truth lie on one surface.
fn away_from_edges(truth: &Rgbd, valid: &[bool]) -> Vec<bool> {
    let (w, h) = (truth.width, truth.height);
    let at = |x: usize, y: usize| 1.0 / truth.depth_m[y * w + x];
    let flat = |x: usize, y: usize| {
        let bend = |a: f32, b: f32, c: f32| (a - 2.0 * b + c).abs() <= 0.01 * b;
        x > 0
            && y > 0
            && x + 1 < w
            && y + 1 < h
            && bend(at(x - 1, y), at(x, y), at(x + 1, y))
            && bend(at(x, y - 1), at(x, y), at(x, y + 1))
    };
    (0..w * h).map(|i| valid[i] && flat(i % w, i / w)).collect()
}

fn difference(a: &Rgbd, b: &Rgbd, valid: &[bool]) -> Rgbd {
    let mut shown = Rgbd::filled(a.width, a.height, [0, 0, 60]);
    for i in (0..valid.len()).filter(|i| valid[*i]) {
        for c in i * 3..i * 3 + 3 {
            shown.rgb[c] = (u32::from(a.rgb[c].abs_diff(b.rgb[c])) * 3).min(255) as u8;
        }
    }
    shown
}

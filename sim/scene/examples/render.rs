//! Draws contact sheets of generated scenes and prints the time per view.
//!
//! `cargo run --release -p rhea-scene --example render -- FOLDER [SIDE_PX] [FIRST_SEED]`
#![allow(clippy::print_stdout, reason = "an example talks on the terminal")]

use image::{Rgb, RgbImage};
use rhea_scene::{Camera, Move, Renderer, SceneKind, Threads, generate};
use std::time::Instant;

const COLUMNS: u32 = 6;
const ROWS: u32 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("name a folder for the pictures")?;
    let side: usize = args.next().map_or(Ok(128), |text| text.parse())?;
    let first: u64 = args.next().map_or(Ok(0), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    let camera = Camera::square(side);
    for kind in SceneKind::ALL {
        let px = side as u32 + 4;
        let mut sheet = RgbImage::from_pixel(px * COLUMNS, px * ROWS, Rgb([30, 30, 34]));
        let (mut made, mut prepared, mut drawn, mut views) = (0.0, 0.0, 0.0, 0);
        for row in 0..ROWS {
            let clock = Instant::now();
            let scene = generate(kind, first + u64::from(row));
            made += clock.elapsed().as_secs_f64();
            let clock = Instant::now();
            let renderer = Renderer::new(&scene);
            prepared += clock.elapsed().as_secs_f64();
            let starts = scene.starts();
            println!("{}: {} with {} objects", scene.name(), scene.caption(), scene.objects().len());
            for column in 0..COLUMNS {
                let mut pose = starts[(column / 2) as usize % starts.len()];
                if column % 2 == 1 {
                    pose = pose.apply(&Move::turn_deg(60.0));
                }
                let (mut view, mut best) = (renderer.render(&pose, &camera, Threads::One), f64::MAX);
                for _ in 0..3 {
                    let clock = Instant::now();
                    view = renderer.render(&pose, &camera, Threads::One);
                    best = best.min(clock.elapsed().as_secs_f64());
                }
                drawn += best;
                views += 1;
                for y in 0..side {
                    for x in 0..side {
                        sheet.put_pixel(
                            column * px + 2 + x as u32,
                            row * px + 2 + y as u32,
                            Rgb(view.rgbd.pixel(x, y)),
                        );
                    }
                }
            }
        }
        sheet.save(format!("{folder}/{}.png", kind.word()))?;
        let per = |seconds: f64, count: u32| seconds * 1e3 / f64::from(count);
        println!(
            "{}: generate {:.1} ms, prepare {:.1} ms, view {:.2} ms",
            kind.word(),
            per(made, ROWS),
            per(prepared, ROWS),
            per(drawn, views)
        );
    }
    Ok(())
}

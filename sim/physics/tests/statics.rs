//! Towers against the law of statics, outside a band of a fifth: n cubes, each shifted by d, stand while d <= s / n.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fmt::Write as _;
use std::time::Instant;

use rhea_physics::checks::{settle, support_of};

fn tower(cubes: usize, shift: f64) -> String {
    let mut things = String::new();
    for i in 0..cubes {
        let on = if i == 0 { String::new() } else { format!("on: \"c{}\",", i - 1) };
        let x = 0.4 + shift * i as f64;
        write!(things, "(name: \"c{i}\", noun: \"block\", colour: Red, form: Box(size_m: (0.05, 0.05, 0.05)), mass_kg: 0.1, {on} at_m: ({x}, 0.2)),").unwrap();
    }
    things
}

#[test]
fn twelve_towers_stand_or_fall_as_statics_says() {
    for cubes in 2..=7_usize {
        for (share, stands) in [(0.8, true), (1.2, false)] {
            let mut world = common::fresh(common::scene(&tower(cubes, 0.05 / cubes as f64 * share)));
            // Contacts exist after a few steps; a falling tower has hardly begun to fall by then.
            for _ in 0..6 {
                world.step();
            }
            let before = world.centre(cubes - 1).2;
            let margin = support_of(&world, cubes - 1).margin_m;
            settle(&mut world, cubes - 1);
            let fell = (0.05 * cubes as f64 - 0.025) - world.centre(cubes - 1).2 > 0.005;
            assert_eq!(!fell, stands, "{cubes} cubes at {share}: top was at {before}");
            assert_eq!(margin > 0.0, stands, "{cubes} cubes at {share}: margin {margin}");
        }
    }
}

#[test]
fn a_tower_of_ten_settles_quickly_and_does_not_sink() {
    let mut world = common::world(common::scene(&tower(10, 0.0)));
    let start = Instant::now();
    let settled = settle(&mut world, 9);
    let millis = start.elapsed().as_secs_f64() * 1e3;
    assert!(settled.moved_m < 5e-4, "{settled:?}");
    assert!((world.centre(9).2 - 0.475).abs() < 3e-3, "{:?}", world.centre(9));
    // Promised are 15 ms; the bound leaves room for a busy machine.
    assert!(millis < 60.0, "{millis} ms");
}

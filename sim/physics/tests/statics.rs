//! The simulation against laws in closed form.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Instant;

use rhea_physics::checks::settle;
use rhea_physics::eval::laws;
use rhea_physics::world::stage::RobotShelf;

#[test]
fn grips_hold_and_drop_as_the_law_of_friction_says_outside_a_band_of_a_tenth() {
    let figures = laws::grips();
    assert_eq!((figures.agree, figures.cases), (24, 24), "{:?}", figures.differ);
}

#[test]
fn towers_stand_and_fall_as_statics_says_outside_a_band_of_a_millimetre_and_a_half() {
    let figures = laws::towers(&common::robots()).unwrap();
    assert_eq!((figures.agree, figures.cases), (12, 12), "{:?}", figures.differ);
}

#[test]
fn a_tower_of_ten_settles_quickly_and_does_not_sink() {
    let mut world = laws::tower(10, 0.0, &common::robots(), &mut RobotShelf::default()).unwrap();
    world.run(0.3);
    let start = Instant::now();
    let settled = settle(&mut world, 9);
    let millis = start.elapsed().as_secs_f64() * 1e3;
    assert!(settled.moved_m < 5e-4, "{settled:?}");
    assert!((world.centre(9).2 - 0.475).abs() < 3e-3, "{:?}", world.centre(9));
    // Promised are 15 ms; the bound leaves room for a busy machine.
    assert!(millis < 60.0, "{millis} ms");
}

//! What is shown of a run is what was judged and done.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::film;
use rhea_physics::checks::Code;
use rhea_physics::film::Still;
use rhea_physics::kinematics::Owner;
use rhea_physics::scene::spec::ZoneRule;
use rhea_physics::view::{Drawing, look, scene_camera};

#[test]
fn an_executed_step_ends_as_the_world_does_and_a_rejected_one_shows_what_was_judged() {
    let (world, steps) = film("fault_off_edge.ron");
    let [pick, place] = &steps[..] else { panic!("{} steps", steps.len()) };
    assert!(pick.executed && !place.executed);
    assert_eq!(place.report.first_code, Some(Code::Support));
    assert_eq!(pick.stills.last().unwrap(), &Still::of(&world), "nothing happened after the pick");
    let block = world.stage.scene.find("red_block").unwrap();
    let height = |still: &Still| still.things[block].p.2;
    assert!(height(&pick.stills[0]) < 0.01 && height(pick.stills.last().unwrap()) > 0.08, "it was lifted");
    // The rejected step is rehearsed: the block ends on the shelf, 12 cm high, although it never got there.
    assert!((height(place.stills.last().unwrap()) - 0.12).abs() < 0.01, "{}", height(place.stills.last().unwrap()));
    // The tool never moves farther between two stills than its speed allows.
    let fastest = pick.way.windows(2).map(|w| w[0].distance(w[1])).fold(0.0, f64::max);
    assert!(fastest > 0.0 && fastest < 0.1, "{fastest}");
    assert_eq!(place.truth, look(&world, &scene_camera(&world), 128).rgbd);
}

#[test]
fn threads_and_tiles_change_nothing_and_culprits_change_their_own_pixels() {
    let (world, _) = film("fault_off_edge.ron");
    let camera = scene_camera(&world);
    let mut drawing = Drawing::new(&world.stage, &Still::of(&world));
    let plain = drawing.draw(&camera, [150, 90], 1);
    assert_eq!(plain, drawing.draw(&camera, [150, 90], 3));
    drawing.mark(&world.stage, &["red_block".to_owned()], [255, 0, 0]);
    let marked = drawing.draw(&camera, [150, 90], 2);
    let block = Some(Owner::Thing(world.stage.scene.find("red_block").unwrap()));
    let (mut inside, mut outside) = (0, 0);
    for i in 0..plain.owners.len() {
        let differs = plain.rgbd.rgb[i * 3..i * 3 + 3] != marked.rgbd.rgb[i * 3..i * 3 + 3];
        // A pixel at the block's edge is partly the block's.
        let (x, y) = (i % 150, i / 150);
        let around =
            (y.saturating_sub(1)..=y + 1).flat_map(|y| (x.saturating_sub(1)..=x + 1).map(move |x| y * 150 + x));
        let near_block = around.into_iter().any(|j| plain.owners.get(j) == Some(&block));
        inside += usize::from(differs && near_block);
        outside += usize::from(differs && !near_block);
    }
    assert!(inside > 20 && outside == 0, "{inside} and {outside} pixels");
}

#[test]
fn zones_shine_through_in_the_window_and_are_in_no_key_frame() {
    let (world, _) = film("keep_out.ron");
    let camera = scene_camera(&world);
    let plain = look(&world, &camera, 64);
    let mut drawing = Drawing::new(&world.stage, &Still::of(&world));
    drawing.glaze(&world.stage, ZoneRule::KeepOut, [255, 0, 0]);
    let glazed = drawing.draw(&camera, [64, 64], 1);
    assert_eq!(plain.owners, glazed.owners);
    let redder = plain.rgbd.rgb.chunks(3).zip(glazed.rgbd.rgb.chunks(3)).filter(|(a, b)| b[0] > a[0] || b[1] < a[1]);
    assert!(redder.count() > 50);
}

//! Remembering, recalling and walking, in worlds that can be drawn exactly.
#![allow(clippy::unwrap_used, reason = "tests")]

mod analytic;

use std::sync::Arc;

use analytic::{Panel, blue, checks, draw, pose, psnr_valid, red, waves};
use rhea_memory::{Insight, MAX_RECALLED, Memory, Recall, View, ahead_clear_m, warp};
use rhea_picture::{FARTHEST_M, Rgbd, Trust};
use rhea_scene::{Camera, Pose};

/// A room of 8 m by 8 m around the origin, 3 m high, with a pillar.
fn room() -> Vec<Panel> {
    let wall = |axis, at| {
        let (low, high) = if axis == 0 { ([0.0, -4.0], [3.0, 4.0]) } else { ([-4.0, 0.0], [4.0, 3.0]) };
        Panel { axis, at, low, high, texture: waves }
    };
    let flat = |at, texture| Panel { axis: 1, at, low: [-4.0; 2], high: [4.0; 2], texture };
    let mut panels =
        vec![wall(0, -4.0), wall(0, 4.0), wall(2, -4.0), wall(2, 4.0), flat(0.0, checks), flat(3.0, waves)];
    panels.push(Panel { axis: 2, at: -1.0, low: [0.5, 0.0], high: [1.3, 3.0], texture: red });
    panels
}

fn seen(world: &[Panel], pose: Pose, lineage: u32) -> View {
    let rgbd = Arc::new(draw(world, &Camera::square(64), &pose));
    View { rgbd, pose, codes: vec![1, 2, 3], step: 0, lineage, narration: "a room".into() }
}

fn remember(world: &[Panel], poses: &[(Pose, u32)]) -> Memory {
    let mut memory = Memory::new();
    for (pose, lineage) in poses {
        memory.insert(seen(world, *pose, *lineage));
    }
    memory
}

#[test]
fn views_come_and_go_at_the_end() {
    let world = room();
    let mut memory = remember(&world, &[(pose(0.0, 0.0, 0.0, 0.0), 0)]);
    assert_eq!(memory.insert(seen(&world, pose(0.0, 0.0, 90.0, 0.0), 1)), 1);
    assert_eq!((memory.len(), memory.latest().unwrap().lineage), (2, 1));
    // At least the pixels: 3 bytes of colour and 4 of depth.
    assert!((2 * 64 * 64 * 7..2 * 64 * 64 * 9).contains(&memory.bytes()));
    assert_eq!(memory.undo().unwrap().pose.yaw_rad, 90.0_f32.to_radians());
    assert_eq!(memory.undo().unwrap().narration, "a room");
    assert!(memory.undo().is_none() && memory.is_empty());
    let nothing = memory.recall(&Camera::square(64), &pose(0.0, 0.0, 0.0, 0.0), 3);
    assert_eq!((nothing.used.len(), nothing.lineage, nothing.warp.coverage()), (0, 0, 0.0));
}

#[test]
fn what_looks_there_is_recalled_and_nothing_else() {
    let world = room();
    let poses = [-135.0, 0.0, 90.0, 180.0].map(|yaw| (pose(0.0, 1.0, yaw, 0.0), 0));
    let memory = remember(&world, &poses);
    let recall = memory.recall(&Camera::square(64), &pose(0.2, 0.8, 45.0, 0.0), 4);
    // The latest view looks the other way.
    assert_eq!(recall.used, [1, 2]);
    assert_eq!(recall.lineage, 1);
    // Ten of the eighty degrees lie between the two views.
    assert!(recall.warp.coverage() > 0.82, "{}", recall.warp.coverage());
    let truth = draw(&world, &Camera::square(64), &pose(0.2, 0.8, 45.0, 0.0));
    let psnr = psnr_valid(&recall.warp, &truth);
    assert!(psnr > 26.0, "{psnr} dB");
}

#[test]
fn recall_covers_nearly_as_much_as_all_views_together() {
    let world = room();
    let mut poses = Vec::new();
    for i in 0..24 {
        let around = i as f32 * 0.7;
        poses.push((pose(1.8 * around.sin() - 0.9, 1.5 * around.cos() + 0.3, i as f32 * 47.0, 0.0), i));
    }
    let memory = remember(&world, &poses);
    let camera = Camera::square(64);
    for target in [
        pose(-0.5, 0.5, 10.0, 0.0),
        pose(0.6, 1.4, 100.0, 5.0),
        pose(-1.5, -1.0, 200.0, -5.0),
        pose(-1.0, 2.0, -60.0, 0.0),
    ] {
        let all: Vec<(&Rgbd, &Pose)> = memory.views().iter().map(|v| (&*v.rgbd, &v.pose)).collect();
        let possible = warp(&all, &camera, &target).coverage();
        let recall = memory.recall(&camera, &target, 4);
        let covered = recall.warp.coverage();
        assert!(recall.used.len() <= 4 && recall.used.is_sorted());
        assert!(covered > possible - 0.06, "{covered} of {possible} at {target:?} with {:?}", recall.used);
    }
}

#[test]
fn a_room_behind_the_wall_is_not_recalled() {
    // Two views of this room, and one from the room behind its far wall, looking away from it.
    let mut world = room();
    world.pop();
    world.push(Panel { axis: 2, at: -12.0, low: [-9.0, 0.0], high: [9.0, 3.0], texture: blue });
    let poses = [(pose(0.0, -5.0, 0.0, 0.0), 0), (pose(-1.0, 0.0, 0.0, 0.0), 0), (pose(-1.0, 2.0, 0.0, 0.0), 0)];
    let memory = remember(&world, &poses);
    let recall = memory.recall(&Camera::square(64), &pose(-1.0, 1.0, 0.0, 0.0), 6);
    assert!(!recall.used.contains(&0), "{:?}", recall.used);
}

#[test]
fn old_short_lineage_is_preferred_and_the_latest_view_always_comes_along() {
    let world = room();
    let here = pose(-1.0, 1.0, 0.0, 0.0);
    let near = |dx: f32| pose(-1.0 + dx, 1.0, 0.0, 0.0);
    let memory = remember(&world, &[(near(0.05), 0), (near(0.03), 4), (near(-0.02), 8), (near(0.1), 9)]);
    let recall = memory.recall(&Camera::square(64), &here, 2);
    assert_eq!(recall.used, [0, 3]);
    // The latest view fills a corner at most, so it does not count.
    assert_eq!(recall.lineage, 1);
    assert_eq!(memory.recall(&Camera::square(64), &here, 1).used, [3]);
    assert!(memory.recall(&Camera::square(64), &here, 99).used.len() <= MAX_RECALLED);
    assert_eq!(memory.recall(&Camera::square(64), &here, 0).used.len(), 0);
}

#[test]
fn what_the_model_drew_itself_is_loose_from_elsewhere_and_what_was_given_never_is() {
    let (world, camera) = (room(), Camera::square(64));
    let count = |recall: &Recall, trust: Trust| recall.warp.trust.iter().filter(|other| **other == trust).count();
    let mut memory = remember(&world, &[(pose(0.0, 0.0, 0.0, 0.0), 0)]);
    let aside = pose(1.0, 0.0, 40.0, 0.0);
    let first = memory.recall(&camera, &aside, 6);
    assert_eq!(count(&first, Trust::Given), 64 * 64);
    let own = first.own.flags(64 * 64);
    assert!((0..64 * 64).all(|i| own[i] != first.warp.valid[i]) && own.contains(&true) && own.contains(&false));
    memory.add(seen(&world, aside, 1), &Insight { own: first.own.clone(), ..Insight::default() });

    // From the same place it is as it was drawn; what the first view shows is given still.
    let again = memory.recall(&camera, &aside, 6);
    assert_eq!(again.own, first.own);
    assert_eq!((count(&again, Trust::Loose), count(&again, Trust::Drawn)), (0, own.iter().filter(|own| **own).count()));

    let further = pose(1.4, 0.2, 60.0, 0.0);
    let later = memory.recall(&camera, &further, 6);
    assert!(count(&later, Trust::Loose) > 500 && count(&later, Trust::Drawn) == 0);
    let of_the_second = |i: usize| later.used[usize::from(later.warp.source[i])] == 1;
    assert!((0..64 * 64).filter(|i| later.warp.trust[*i] == Trust::Loose).all(of_the_second));
    memory.pin(1, true).unwrap();
    assert_eq!(count(&memory.recall(&camera, &further, 6), Trust::Loose), 0);
}

#[test]
fn the_same_memory_recalls_the_same() {
    let world = room();
    let poses: Vec<_> = (0..12).map(|i| (pose(0.2 * i as f32 - 1.0, 1.0, 31.0 * i as f32, 0.0), i)).collect();
    let memory = remember(&world, &poses);
    let recall = |memory: &Memory| memory.recall(&Camera::square(64), &pose(0.0, 1.5, 40.0, 0.0), 3);
    let (a, b) = (recall(&memory), recall(&memory.clone()));
    assert_eq!((a.used, a.warp, a.lineage), (b.used, b.warp, b.lineage));
}

#[test]
fn a_walker_stops_before_what_he_sees() {
    let camera = Camera::square(128);
    let box_ahead = Panel { axis: 2, at: -3.0, low: [-0.5, 0.0], high: [0.5, 1.0], texture: red };
    let floor = Panel { axis: 1, at: 0.0, low: [-60.0; 2], high: [60.0; 2], texture: checks };
    let lamp = Panel { axis: 2, at: -1.5, low: [-0.5, 1.9], high: [0.5, 2.4], texture: red };
    let world = [box_ahead, floor, lamp];
    for pitch in [0.0, -15.0, 10.0] {
        let here = pose(0.0, 0.0, 0.0, pitch);
        let view = draw(&world, &camera, &here);
        let clear = |degrees: f32| ahead_clear_m(&view, &camera, &here, degrees.to_radians());
        // The flat front is reached by the body's front, 0.25 m ahead of its middle; the lamp hangs above his head.
        let ahead = clear(0.0).unwrap();
        assert!((ahead - 2.75).abs() < 0.03, "{ahead} at pitch {pitch}");
        // 20 degrees to the left he passes the box: its edge is 0.5 m / 3 m = 9.5 degrees off.
        assert_eq!(clear(20.0), Some(FARTHEST_M));
        assert_eq!(clear(-20.0), Some(FARTHEST_M));
        // 13 degrees to the left his shoulder meets its corner.
        assert!(clear(13.0).unwrap() < 3.1, "{:?}", clear(13.0));
        assert_eq!(clear(50.0), None);
        assert_eq!(clear(180.0), None);
    }
    let up = pose(0.0, 0.0, 0.0, 55.0);
    assert_eq!(ahead_clear_m(&draw(&world, &camera, &up), &camera, &up, 0.0), None);
}

#[test]
fn single_wrong_depths_do_not_stop_anybody() {
    let camera = Camera::square(128);
    let here = pose(0.0, 0.0, 0.0, 0.0);
    let mut view =
        draw(&[Panel { axis: 2, at: -6.0, low: [-60.0; 2], high: [60.0; 2], texture: waves }], &camera, &here);
    for x in 62..66 {
        view.depth_m[66 * 128 + x] = 0.5;
    }
    let clear = ahead_clear_m(&view, &camera, &here, 0.0).unwrap();
    assert!((clear - 5.75).abs() < 0.05, "{clear}");
}

//! A world as a file: saved, damaged, forked, merged, compared, edited; and recall over many views.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use rhea_memory::{
    About, Insight, Memory, Policy, Region, Role, Travel, Verdict, View, Warper, World, WorldError, diff,
    known_after_turn, measured_turn, pictures,
};
use rhea_scene::{Camera, Move, Pose, Renderer, SceneKind, Threads, generate};

const SIDE: usize = 64;

struct Walk {
    renderer: Renderer,
    world: World,
}

impl Walk {
    fn new() -> Self {
        let scene = generate(SceneKind::Room, 7);
        let about = About {
            rhea: "0.1.0".into(),
            model: "exact".into(),
            model_hash: None,
            camera: Camera::square(SIDE),
            start: "a test".into(),
            world: "a room.".into(),
            seed: 1,
            drawn: 0,
        };
        let mut walk = Self { renderer: Renderer::new(&scene), world: World { about, memory: Memory::new() } };
        walk.see(scene.starts()[0], Move::default());
        walk
    }

    fn see(&mut self, pose: Pose, commanded: Move) {
        let memory = &mut self.world.memory;
        let recall = memory.recall(&Camera::square(SIDE), &pose, 6);
        let mut view = self.renderer.render(&pose, &Camera::square(SIDE), Threads::One).rgbd;
        pictures::round_depth(&mut view);
        let insight = Insight {
            verdict: Verdict::agreed(recall.warp.coverage()),
            sources: recall.used.clone(),
            fresh_share: recall.fresh_share(),
            own: recall.own.clone(),
            motion: Some(Travel { commanded, measured: None }),
        };
        let step = memory.len() as u32;
        let narration = format!("view {step}");
        let (rgbd, lineage) = (Arc::new(view), recall.lineage);
        memory.add(View { rgbd, pose, codes: vec![step; 64], step, lineage, narration }, &insight);
        if insight.verdict == Verdict::Revisited {
            memory.close_loop(None);
        }
    }

    fn turn(&mut self, times: usize, degrees: f32) {
        for _ in 0..times {
            let step = Move::turn_deg(degrees);
            let pose = self.world.memory.latest().unwrap().pose.apply(&step);
            self.see(pose, step);
        }
    }
}

fn load(bytes: &[u8]) -> Result<rhea_memory::Loaded, WorldError> {
    World::from_bytes(bytes, Path::new("test.world"))
}

#[test]
fn a_second_round_copies_nothing_and_closes_loops() {
    let mut walk = Walk::new();
    walk.turn(48, 15.0);
    let memory = &walk.world.memory;
    let recalled = memory.nodes().iter().filter(|node| node.is_recalled()).count();
    assert!(recalled <= 25, "{recalled} of {} views are recalled", memory.len());
    let lineage = |index: usize| memory.views()[index].lineage;
    assert!(lineage(40) <= lineage(16) + 2, "{} after {}", lineage(40), lineage(16));
    assert!(memory.edges().len() > memory.len(), "loops were closed");
    assert!(memory.nodes().iter().skip(26).all(|node| node.role == Role::Copy));
}

#[test]
fn a_saved_world_comes_back_whole_and_small() {
    let mut walk = Walk::new();
    walk.turn(6, 30.0);
    walk.world.memory.pin(2, true).unwrap();
    assert!(walk.world.memory.forget(2).is_err());
    walk.world.memory.edit(Region { centre_m: [0.0, 1.0, -1.0], radius_m: 0.4 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.world");
    let bytes = walk.world.save(&path).unwrap();
    let loaded = World::load(&path).unwrap();
    assert!(loaded.damage.is_empty(), "{:?}", loaded.damage);
    assert!(diff(&walk.world, &loaded.world).is_none());
    assert_eq!(loaded.world.memory.edges(), walk.world.memory.edges());
    let pose = walk.world.memory.views()[0].pose.apply(&Move::turn_deg(20.0));
    let recall = |world: &World| world.memory.recall(&Camera::square(SIDE), &pose, 6).warp;
    assert_eq!(recall(&walk.world), recall(&loaded.world), "a walk goes on as if it had never stopped");
    assert!(bytes < 7 * (64 << 10) / 4, "{bytes} bytes for 7 views of a quarter of the shipped size");
}

#[test]
fn a_damaged_world_loads_what_is_whole_and_says_what_is_not() {
    let mut walk = Walk::new();
    walk.turn(5, 30.0);
    let bytes = walk.world.to_bytes().unwrap();
    let mut lost = 0;
    for at in (12..bytes.len()).step_by(bytes.len() / 60) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x55;
        match load(&altered) {
            Ok(loaded) => {
                assert!(!loaded.damage.is_empty(), "byte {at}");
                assert!(loaded.world.memory.len() >= 5);
                lost += 6 - loaded.world.memory.len();
            }
            Err(error) => assert!(matches!(error, WorldError::Foreign { .. }), "{error}"),
        }
        if let Ok(loaded) = load(&bytes[..at]) {
            assert!(!loaded.damage.is_empty() && loaded.world.memory.len() <= 6, "cut at {at}");
        }
    }
    assert!(lost > 10, "most bytes are pictures");
    assert!(load(b"PNG").is_err());
    let mut later = bytes;
    later[8] = 9;
    assert!(matches!(load(&later), Err(WorldError::Version { found: 9, .. })));
    let mut wrong = walk.world.clone();
    let mut view = wrong.memory.views()[0].clone();
    view.pose.yaw_rad = f32::NAN;
    wrong.memory.insert(view);
    assert!(matches!(wrong.to_bytes(), Err(WorldError::View { index: 6, .. })));
}

#[test]
fn forks_merge_and_strangers_do_not() {
    let mut first = Walk::new();
    first.turn(4, 30.0);
    let mut second = Walk { renderer: Renderer::new(&generate(SceneKind::Room, 7)), world: first.world.forked(3) };
    second.turn(3, -45.0);
    let difference = diff(&first.world, &second.world);
    assert_eq!((difference.same, difference.only_first.len(), difference.only_second.len()), (3, 2, 3));
    let merged = first.world.merge(&second.world).unwrap();
    assert_eq!((merged.common, merged.added), (3, 3));
    assert_eq!(first.world.memory.len(), 8);
    assert_eq!(first.world.merge(&second.world).unwrap().added, 0, "merging again adds nothing");
    let stranger = World { memory: Memory::new(), ..second.world.clone() };
    assert!(matches!(first.world.merge(&stranger), Err(WorldError::NothingInCommon)));
}

#[test]
fn an_edited_place_does_not_bring_the_old_view_back_and_undo_does() {
    let mut walk = Walk::new();
    walk.turn(2, 20.0);
    let camera = Camera::square(SIDE);
    let pose = walk.world.memory.views()[0].pose;
    let known = |world: &World| world.memory.recall(&camera, &pose, 6).warp.coverage();
    assert!(known(&walk.world) > 0.99);
    let depth_m = walk.world.memory.views()[0].rgbd.depth_m[SIDE / 2 * SIDE + SIDE / 2];
    let forward = pose.forward();
    let centre_m = std::array::from_fn(|k| pose.position_m[k] + forward[k] * depth_m);
    walk.world.memory.edit(Region { centre_m, radius_m: 0.5 }).unwrap();
    let warp = walk.world.memory.recall(&camera, &pose, 6).warp;
    assert!(!warp.valid[SIDE / 2 * SIDE + SIDE / 2], "the middle is open");
    assert!((0.2..0.999).contains(&warp.coverage()), "{}", warp.coverage());
    walk.turn(1, 10.0);
    walk.world.memory.undo().unwrap();
    assert!(known(&walk.world) > 0.99, "undo takes the edit back with its view");
    assert!(walk.world.memory.edit(Region { centre_m: [f32::NAN; 3], radius_m: 1.0 }).is_err());
}

#[test]
fn turns_are_known_and_measured_without_depth() {
    let renderer = Renderer::new(&generate(SceneKind::Room, 7));
    let camera = Camera { width: 256, height: 256, fov_x_rad: 75.0_f32.to_radians() };
    let from = generate(SceneKind::Room, 7).starts()[0];
    let draw = |pose: &Pose| renderer.render(pose, &camera, Threads::One).rgbd;
    for (degrees, least) in [(10.0_f32, 2.5), (15.0, 2.3)] {
        let to = from.apply(&Move::turn_deg(degrees));
        let turned = known_after_turn(&draw(&from), &camera, &from, &to, 32, 32);
        let ratio = turned.step_ratio();
        println!("{degrees} degrees: {ratio:.2}x fewer steps");
        assert!(ratio > least, "{degrees}: {ratio}");
        let really = from.apply(&Move::turn_deg(degrees + 1.7));
        let measured = measured_turn(&draw(&from), &draw(&really), &camera, &from, degrees.to_radians()).unwrap();
        assert!((measured.to_degrees() - degrees - 1.7).abs() < 0.15, "{}", measured.to_degrees());
    }
}

#[test]
fn ten_thousand_views_are_recalled_in_milliseconds() {
    let scene = generate(SceneKind::Room, 7);
    let renderer = Renderer::new(&scene);
    let camera = Camera::square(128);
    let start = scene.starts()[0];
    let views: Vec<_> = (0..24)
        .map(|n| {
            let pose = start.apply(&Move::turn_deg(15.0 * n as f32));
            (Arc::new(renderer.render(&pose, &camera, Threads::One).rgbd), pose)
        })
        .collect();
    let mut memory = Memory::new();
    for n in 0..10_000_usize {
        let (rgbd, pose) = &views[n % views.len()];
        let [x, y, z] = pose.position_m;
        let position_m = [x + 0.3 * (n / 24 % 20) as f32, y, z + 0.3 * (n / 480) as f32];
        let pose = Pose { position_m, ..*pose };
        memory.insert(View {
            rgbd: Arc::clone(rgbd),
            pose,
            codes: vec![],
            step: n as u32,
            lineage: 1,
            narration: String::new(),
        });
    }
    let mut warper = Warper::default();
    let mut millis = Vec::new();
    for n in 0..21 {
        let turned = start.apply(&Move::turn_deg(37.0 * n as f32));
        let [x, y, z] = turned.position_m;
        let pose = Pose { position_m: [x + 0.27 * n as f32, y, z + 0.28 * n as f32], ..turned };
        let began = std::time::Instant::now();
        let recall = memory.recall_by(Policy::Graph(6), &mut warper, &camera, &pose);
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(!recall.used.is_empty());
    }
    millis.sort_by(f64::total_cmp);
    println!("recall and warp at 10,000 views: median {:.2} ms", millis[10]);
    assert!(millis[10] < 50.0, "{millis:?}");
}

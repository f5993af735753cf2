//! Generated scenes: the same every time, nothing overlaps, walks can begin.
#![allow(clippy::unwrap_used, reason = "tests")]

use parry3d::math::{Pose3, Rot3, Vec3};
use parry3d::query::intersection_test;
use parry3d::shape::{Ball, Cuboid, Cylinder, SharedShape};
use rhea_scene::limits::START_CLEARANCE_M;
use rhea_scene::{Noun, Object, Scene, SceneKind, Shape, generate, generate_any};
use std::collections::BTreeSet;

const SEEDS: u64 = 100;

fn all() -> impl Iterator<Item = Scene> {
    (0..SEEDS).map(|seed| generate(SceneKind::ALL[(seed % 3) as usize], seed))
}

#[test]
fn the_same_seed_gives_the_same_scene() {
    let mut seen = BTreeSet::new();
    for kind in SceneKind::ALL {
        for seed in 0..20 {
            let text = generate(kind, seed).to_ron().unwrap();
            assert_eq!(text, generate(kind, seed).to_ron().unwrap());
            assert!(seen.insert(text), "{kind:?} {seed} repeats another scene");
        }
    }
    let kinds: BTreeSet<SceneKind> = (0..40).map(|seed| generate_any(seed).kind()).collect();
    assert_eq!(kinds.len(), 3);
    assert_eq!(generate_any(u64::MAX), generate_any(u64::MAX));
}

#[test]
fn scenes_hold_enough_things_with_names_of_their_own() {
    for scene in all() {
        let objects = scene.objects();
        assert!((6..=14).contains(&objects.len()), "{}: {} objects", scene.name(), objects.len());
        let names: BTreeSet<String> = objects.iter().map(Object::phrase).collect();
        assert_eq!(names.len(), objects.len(), "{}: two things share a name", scene.name());
    }
}

/// The parts of an object as parry shapes, 5 mm smaller, so that touching is not overlapping.
fn bodies(object: &Object) -> Vec<(Pose3, SharedShape)> {
    const SLACK: f32 = 0.005;
    let turn = |yaw_deg: f32| Rot3::from_axis_angle(Vec3::Y, yaw_deg.to_radians());
    let world = Pose3::from_parts(Vec3::from_array(object.position_m), turn(object.yaw_deg));
    let parts = object.shapes();
    let shapes = parts.iter().map(|part| {
        let local = Pose3::from_parts(Vec3::from_array(part.centre_m), turn(part.yaw_deg));
        let shape: SharedShape = match part.shape {
            Shape::Box { half_m: [x, y, z] } => {
                SharedShape::new(Cuboid::new(Vec3::new(x - SLACK, (y - SLACK).max(0.001), z - SLACK)))
            }
            Shape::Sphere { radius_m } => SharedShape::new(Ball::new(radius_m - SLACK)),
            Shape::Cylinder { radius_m, half_height_m } => {
                SharedShape::new(Cylinder::new(half_height_m - SLACK, radius_m - SLACK))
            }
        };
        (world * local, shape)
    });
    shapes.collect()
}

#[test]
fn things_do_not_overlap() {
    for scene in all() {
        let solid: Vec<&Object> = scene.objects().iter().filter(|object| object.noun != Noun::Rug).collect();
        let placed: Vec<_> = solid.iter().map(|object| bodies(object)).collect();
        for (i, first) in placed.iter().enumerate() {
            for (j, second) in placed.iter().enumerate().skip(i + 1) {
                let far = {
                    let (a, b) = (Vec3::from_array(solid[i].centre_m()), Vec3::from_array(solid[j].centre_m()));
                    a.distance(b) > solid[i].bounding_radius_m() + solid[j].bounding_radius_m() + 0.3
                };
                if far {
                    continue;
                }
                for (pose, shape) in first {
                    for (other_pose, other) in second {
                        let meets =
                            intersection_test(pose, shape.as_ref(), other_pose, other.as_ref()).unwrap().intersecting;
                        assert!(!meets, "{}: {} and {}", scene.name(), solid[i].phrase(), solid[j].phrase());
                    }
                }
            }
        }
    }
}

#[test]
fn things_stay_inside_the_walls_and_partitions() {
    for scene in all() {
        let spec = scene.spec();
        for object in scene.objects() {
            for (pose, shape) in bodies(object) {
                let aabb = shape.compute_aabb(&pose);
                let on_wall = matches!(object.noun, Noun::Door | Noun::Window | Noun::Picture);
                for corner in aabb.vertices() {
                    let inward = Vec3::from_array(object.centre_m()) - corner;
                    let nudged = corner + inward.normalize_or_zero() * 0.05;
                    assert!(
                        scene.contains(nudged.x, nudged.z) || aabb.extents().x > 0.3 && object.yaw_deg % 90.0 != 0.0,
                        "{}: {} pokes out at {corner}",
                        scene.name(),
                        object.phrase()
                    );
                }
                for wall in spec.partitions.iter().filter(|_| !on_wall) {
                    let (a, b) = (wall.from_m, wall.to_m);
                    let along = Vec3::new(b[0] - a[0], 0.0, b[1] - a[1]);
                    let height = (spec.walls.height_m - wall.base_m) * 0.5;
                    let cuboid = Cuboid::new(Vec3::new(along.length() * 0.5, height, wall.thickness_m * 0.5));
                    let middle = Vec3::new((a[0] + b[0]) * 0.5, wall.base_m + height, (a[1] + b[1]) * 0.5);
                    let turn = Rot3::from_axis_angle(Vec3::Y, (-along.z).atan2(along.x));
                    let meets = intersection_test(&Pose3::from_parts(middle, turn), &cuboid, &pose, shape.as_ref());
                    assert!(!meets.unwrap().intersecting, "{}: {} is in a partition", scene.name(), object.phrase());
                }
            }
        }
    }
}

#[test]
fn walks_begin_on_free_floor() {
    for scene in all() {
        let starts = scene.starts();
        assert!(!starts.is_empty());
        for start in starts {
            let [x, y, z] = start.position_m;
            assert_eq!(y, 1.5);
            assert!(scene.contains(x, z), "{}: a start is outside", scene.name());
            let free = scene.clearance_m(x, z, 2.0);
            assert!(free >= START_CLEARANCE_M - 1e-3, "{}: only {free} m free", scene.name());
        }
    }
}

//! Faults in motions, grasps and placements.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_scene::Colour;

use super::scenes::Setting;
use super::wrong::{Wrong, detour};
use super::{Made, Planted, pick, place};
use crate::checks::Code;
use crate::checks::thresholds::{
    FILL_SHARE, FORCE_SAFETY, LIFT_MPS2, LIMIT_RAD, OVERLAP_M, REACH_M, SELF_M, SETTLE_RAD, SPARE_WIDTH_M, TORQUE_SHARE,
};
use crate::kinematics::ArmShape;
use crate::math::{Pose, Rot, V3, unit};
use crate::robot::GRAVITY;
use crate::scene::form::Form;
use crate::scene::spec::{TaskScene, Thing};
use crate::skill::{Relation, Skill};
use crate::world::World;
use crate::world::stage::Arm;

const BLOCK: &str = "red_block";

/// A step of a skill in a scene that may be changed; `None` where no motion is found.
fn made(setting: &mut Setting<'_>, skill: Skill, change: impl Fn(&mut TaskScene)) -> Made {
    let mut scene = setting.scene(Vec::new());
    change(&mut scene);
    let world = setting.world(scene)?;
    let planted = Planted::clean(world, skill);
    Ok(planted.motion.stuck.is_none().then_some(planted))
}

fn red(scene: &mut TaskScene) -> &mut Thing {
    // The first thing of these scenes is the red block.
    &mut scene.things[0]
}

pub(super) fn reach_too_far(setting: &mut Setting<'_>, scale: f64) -> Made {
    let angle = setting.between(30, 0.0, 2.0 * crate::math::PI);
    let planted = made(setting, pick(BLOCK), |_| {})?;
    let by = V3(libm::cos(angle), libm::sin(angle), 0.0) * (REACH_M * scale);
    with(planted, &Wrong::MissesGrasp { by_m: by.array() })
}

/// Does one thing wrong.
fn with(planted: Option<Planted>, wrong: &Wrong) -> Made {
    planted.map(|p| p.spoiled(wrong)).transpose()
}

pub(super) fn joint_limit(setting: &mut Setting<'_>, scale: f64) -> Made {
    let planted = made(setting, pick(BLOCK), |_| {})?;
    if scale == 0.0 {
        return Ok(planted);
    }
    with(planted, &Wrong::BeyondLimit { by_rad: -LIMIT_RAD * (1.0 - scale) })
}

pub(super) fn over_speed(setting: &mut Setting<'_>, scale: f64) -> Made {
    let planted = made(setting, pick(BLOCK), |_| {})?;
    if scale == 0.0 {
        return Ok(planted);
    }
    with(planted, &Wrong::TooFast { times: scale })
}

/// A post that stands out of the way until a motion is proposed.
fn post(height_m: f64) -> Thing {
    let form = Form::Box { size_m: [0.04, 0.04, height_m] };
    Thing { fixed: true, ..Thing::new("post", "post", Colour::Grey, form, [0.15, 0.6]) }
}

/// Moves the post to the side of the grasped block on which nothing but the wanted overlap can happen.
fn hit(setting: &mut Setting<'_>, scale: f64, height_m: f64, axis: V3, reach_m: f64) -> Made {
    // A gap of more than what is warned about.
    const GAP_M: f64 = 0.011;
    let planted = made(setting, pick(BLOCK), |scene| scene.things.push(post(height_m)))?;
    let Some(mut p) = planted else { return Ok(None) };
    let grasp = p.motion.targets.iter().find(|t| t.label == "grasp").map_or(Pose::IDENTITY, |t| t.world_from_tcp);
    let Some(index) = p.world.stage.scene.find("post") else { return Ok(None) };
    for sign in [1.0, -1.0] {
        let side = grasp.r.turn(axis * sign);
        let at = |overlap: f64| {
            let at = grasp.p + side * (reach_m + 0.02 - overlap);
            Pose::new(V3(at.0, at.1, 0.0), Rot::yaw(libm::atan2(side.1, side.0)))
        };
        p.world.put(index, at(-GAP_M));
        p.reclaim();
        if p.judge()?.verdict != crate::checks::Verdict::Reject {
            if scale > 0.0 {
                p.world.put(index, at(OVERLAP_M * scale));
                p.reclaim();
            }
            return Ok(Some(p));
        }
    }
    Ok(None)
}

pub(super) fn arm_scene_hit(setting: &mut Setting<'_>, scale: f64) -> Made {
    // The hand is 13 cm wide along the closing axis.
    // The post is higher than the hand at the grasp, and lower than the fingers on their way there.
    hit(setting, scale, 0.105, V3(0.0, 1.0, 0.0), 0.065)
}

pub(super) fn held_hit(setting: &mut Setting<'_>, scale: f64) -> Made {
    // Lower than the hand, beside the block: only what is held can hit it.
    hit(setting, scale, 0.06, V3(1.0, 0.0, 0.0), 0.025)
}

pub(super) fn self_hit(setting: &mut Setting<'_>, scale: f64) -> Made {
    let planted = made(setting, pick(BLOCK), |_| {})?;
    let Some(mut p) = planted else { return Ok(None) };
    if scale > 0.0 {
        let Some(posture) = folded(&p, SELF_M * (1.0 - scale), setting.seed) else { return Ok(None) };
        detour(&p.world, &mut p.step, &mut p.motion, posture);
    }
    Ok(Some(p))
}

/// A posture near the start of the motion at which the arm is a given distance from itself, with nothing else near.
fn folded(planted: &Planted, distance_m: f64, seed: u64) -> Option<Vec<f64>> {
    let Arm { robot, world_from_base, .. } = &planted.world.stage.arms[0];
    let leg = planted.motion.legs.first()?;
    let around = leg.before.around(&planted.world, 0);
    let shape = ArmShape::new(robot, leg.before.opening_m[0], None);
    let start = leg.timed.path.first()?;
    let own = |q: &[f64]| shape.to_self(&robot.frames(*world_from_base, q), 0.1).distance_m;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..300 {
        // Upper arm nearly upright, elbow and wrist folded to the same side: only then the fingers come back to the arm.
        let side = unit(&mut rng) < 0.5;
        let far: Vec<f64> = robot
            .segments
            .iter()
            .zip(start)
            .enumerate()
            .map(|(i, (s, from))| {
                let (low, high) = (s.joint.lower + 0.012, s.joint.upper - 0.012);
                match i {
                    0 => *from,
                    3 | 5 => {
                        if side {
                            low
                        } else {
                            high
                        }
                    }
                    4 => 0.2 * (unit(&mut rng) - 0.5),
                    _ => 0.3 * (low + (high - low) * unit(&mut rng)),
                }
            })
            .collect();
        if own(&far) > distance_m - 3e-4 || own(start) < 0.02 {
            continue;
        }
        // Between start and there the distance falls through the wanted one; the first time is searched for.
        let at = |share: f64| -> Vec<f64> { start.iter().zip(&far).map(|(a, b)| a + (b - a) * share).collect() };
        let step = (1..=400).map(|i| f64::from(i) / 400.0).find(|s| own(&at(*s)) < distance_m)?;
        let (mut low, mut high) = (step - 1.0 / 400.0, step);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if own(&at(middle)) < distance_m { high = middle } else { low = middle }
        }
        let posture = at(high);
        let clear = |a: &[f64], b: &[f64]| {
            let (scene, own) = shape.sweep(*world_from_base, a, b, &around, -0.05);
            scene.distance_m > 0.011 && own.distance_m > distance_m - 2e-4
        };
        if clear(start, &posture) {
            return Some(posture);
        }
    }
    None
}

pub(super) fn too_wide(setting: &mut Setting<'_>, scale: f64) -> Made {
    let mut scene = setting.scene(Vec::new());
    let side = if scale > 0.0 { 0.09 * scale - SPARE_WIDTH_M } else { 0.05 };
    red(&mut scene).form = Form::Box { size_m: [side, side, 0.05] };
    let world = setting.world(scene)?;
    Ok(Some(Planted::clean(world, pick(BLOCK))))
}

pub(super) fn not_antipodal(setting: &mut Setting<'_>, scale: f64) -> Made {
    let (radius, mu) = (0.025, 0.3);
    let planted = made(setting, pick(BLOCK), |scene| {
        let can = red(scene);
        can.form = Form::Cylinder { radius_m: radius, height_m: 0.08 };
        can.friction = mu;
    })?;
    // Beside the middle of a can, surfaces lean away from the pads.
    with(planted, &Wrong::GraspsBeside { by_m: radius * libm::sin(libm::atan(mu) * scale) })
}

pub(super) fn too_heavy(setting: &mut Setting<'_>, scale: f64, code: Code) -> Made {
    if code == Code::Force {
        let mu = 0.3;
        return made(setting, pick(BLOCK), |scene| {
            let block = red(scene);
            block.friction = mu;
            if scale > 0.0 {
                // The gripper of these scenes presses with 70 N.
                block.mass_kg = scale * 70.0 * 2.0 * mu / (FORCE_SAFETY * (GRAVITY + LIFT_MPS2));
            }
        });
    }
    let planted = made(setting, pick(BLOCK), |scene| red(scene).mass_kg = 2.0)?;
    let Some(mut p) = planted else { return Ok(None) };
    if scale > 0.0 {
        // The same load on weaker joints.
        let Some(check) = p.judge()?.checks.into_iter().find(|c| c.code == Code::Torque) else { return Ok(None) };
        let mut stage = (*p.world.stage).clone();
        let mut robot = (*stage.arms[0].robot).clone();
        for segment in &mut robot.segments {
            segment.joint.effort *= check.value / (TORQUE_SHARE * scale);
        }
        stage.arms[0].robot = Arc::new(robot);
        p.world.stage = Arc::new(stage);
    }
    Ok(Some(p))
}

/// Lets the block go somewhere else than planned.
fn misplaced(setting: &mut Setting<'_>, skill: Skill, to: impl Fn(&World, Pose) -> Pose) -> Made {
    let planted = made(setting, skill, |_| {})?;
    Ok(planted.map(|mut p| {
        if let Some(placed) = &mut p.motion.placed {
            placed.pose = to(&p.world, placed.pose);
        }
        p
    }))
}

pub(super) fn off_edge(setting: &mut Setting<'_>, scale: f64) -> Made {
    let along = setting.between(40, -0.05, 0.05);
    misplaced(setting, place(BLOCK, Relation::On, "brown_shelf"), |world, pose| {
        let shelf = world.stage.scene.find("brown_shelf").map_or(Pose::IDENTITY, |i| world.pose(i));
        // The shelf is 20 cm deep; at scale 1 the block's middle is over the edge.
        let x = 0.1 - 0.025 * (1.0 - scale);
        Pose::new(V3(shelf.p.0 + x, shelf.p.1 + along, pose.p.2), Rot::IDENTITY)
    })
}

pub(super) fn unstable_stack(setting: &mut Setting<'_>, scale: f64) -> Made {
    let sign = if setting.seed.is_multiple_of(2) { 1.0 } else { -1.0 };
    misplaced(setting, place(BLOCK, Relation::On, "blue_block"), |world, pose| {
        let below = world.stage.scene.find("blue_block").map_or(Pose::IDENTITY, |i| world.pose(i));
        Pose::new(V3(below.p.0, below.p.1 + sign * 0.025 * scale, pose.p.2), below.r)
    })
}

pub(super) fn tilted_place(setting: &mut Setting<'_>, scale: f64) -> Made {
    let planted = made(setting, place(BLOCK, Relation::On, "brown_shelf"), |_| {})?;
    with(planted, &Wrong::PutsTilted { by_deg: (SETTLE_RAD * scale).to_degrees() })
}

pub(super) fn overfull(setting: &mut Setting<'_>, scale: f64) -> Made {
    // The bin's cavity is 18.4 x 18.4 x 5.2 cm; a filler takes one side of it, the block goes to the other.
    let volume = 0.184 * 0.184 * 0.052;
    let height = if scale > 0.0 { (FILL_SHARE * scale * volume - 0.05 * 0.05 * 0.05) / (0.1 * 0.18) } else { 0.03 };
    let mut scene = setting.scene(Vec::new());
    let filler = Form::Box { size_m: [0.1, 0.18, height] };
    scene.things.push(Thing {
        on: Some("grey_bin".to_owned()),
        mass_kg: 0.3,
        ..Thing::new("filler", "parcel", Colour::White, filler, [0.461, -0.38])
    });
    let world = setting.world(scene)?;
    let planted = Planted::clean(world, place(BLOCK, Relation::In, "grey_bin"));
    Ok(Some(planted).filter(|p| p.motion.stuck.is_none()))
}

pub(super) fn does_not_fit(setting: &mut Setting<'_>, scale: f64) -> Made {
    let mut scene = setting.scene(Vec::new());
    let length = if scale > 0.0 { 0.16 * scale } else { 0.07 };
    red(&mut scene).form = Form::Box { size_m: [0.05, length, 0.05] };
    for thing in scene.things.iter_mut().filter(|t| t.name == "grey_bin") {
        thing.form = Form::Bin { size_m: [0.176, 0.176, 0.06], wall_m: 0.008 };
    }
    let world = setting.world(scene)?;
    Ok(Some(Planted::clean(world, place(BLOCK, Relation::In, "grey_bin"))))
}

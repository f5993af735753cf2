//! Writes towers, grips, arms and planned picks as MJCF, with what this crate says about them, for `tests/peers/mujoco_verdicts.py`.
//!
//! `cargo run --release -p rhea-physics --example second_engine -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rhea_physics::checks::{Claim, Code, Course, Step, Verdict, check_step, try_grasps};
use rhea_physics::eval::laws::{GripCase, TOWER_BAND_M, TowerCase};
use rhea_physics::export::{grip_mjcf, robot_mjcf, world_mjcf};
use rhea_physics::math::{Pose, V3};
use rhea_physics::motion::{Motion, ProposeOptions, Then, propose};
use rhea_physics::robot::GRAVITY;
use rhea_physics::scene::{Form, TaskScene, Thing};
use rhea_physics::skill::Skill;
use rhea_physics::world::World;
use rhea_physics::world::fingers::{HOLD_SECS, SQUEEZE_SECS};
use rhea_physics::world::stage::{RobotShelf, Stage};
use serde_json::{Value, json};

/// Ways beyond a tower's bound, metres: both ends of the band, and inside of it.
const BEYOND_M: [f64; 6] = [-2.0 * TOWER_BAND_M, -TOWER_BAND_M, -2e-4, 2e-4, TOWER_BAND_M, 2.0 * TOWER_BAND_M];
/// Postures in which arms are compared.
const POSTURES: usize = 50;
/// Mass in kilograms and friction of what the arm picks up; it presses with 70 N.
const PICKS: [(f64, f64); 12] = [
    (0.1, 0.6),
    (0.5, 0.3),
    (1.0, 0.8),
    (1.5, 0.3),
    (2.0, 0.6),
    (2.4, 0.3),
    (3.0, 0.3),
    (4.5, 0.3),
    (5.5, 0.3),
    (6.5, 0.3),
    (3.2, 0.2),
    (4.4, 0.2),
];

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    std::fs::create_dir_all(&folder)?;
    let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/robots");
    let mut shelf = RobotShelf::default();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);

    let mut towers = Vec::new();
    for (index, case) in TowerCase::at(&BEYOND_M).into_iter().enumerate() {
        let file = format!("tower{index:02}.xml");
        write(&file, world_mjcf(&case.world(&robots, &mut shelf)?))?;
        let (stands, margin_m) = case.simulated(&robots, &mut shelf)?;
        towers.push(json!({"name": case.to_string(), "file": file, "top": format!("c{}", case.cubes - 1),
            "in_band": case.beyond_m.abs() < TOWER_BAND_M, "law": case.law(), "ours": stands, "margin_m": margin_m}));
    }
    let mut grips = Vec::new();
    let cube = GripCase::cube();
    for (index, case) in GripCase::all().into_iter().enumerate() {
        let file = format!("grip{index:02}.xml");
        let test = case.test(&cube);
        write(&file, grip_mjcf(&test))?;
        grips.push(json!({"name": case.to_string(), "file": file, "force_n": test.force_n, "law": case.law(),
            "ours": case.simulated()}));
    }
    let mut arms = Vec::new();
    for name in ["rhea_arm7.urdf", "rhea_arm5.urdf"] {
        let (robot, _) = shelf.get(&robots.join(name))?;
        let file = name.replace(".urdf", ".xml");
        write(&file, robot_mjcf(&robot))?;
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let postures = (0..POSTURES).map(|_| {
            let mut unit = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
            let q: Vec<f64> =
                robot.segments.iter().map(|s| s.joint.lower + (s.joint.upper - s.joint.lower) * unit()).collect();
            let frames = robot.frames(Pose::IDENTITY, &q);
            let torque = robot.holding_torque(&frames, 0.0, V3::ZERO);
            let r = frames.tcp.r;
            json!({"q": q, "tcp": frames.tcp.p.array(), "quat": [r.w, r.v.0, r.v.1, r.v.2], "torque": torque})
        });
        arms.push(json!({"name": robot.name, "file": file, "postures": postures.collect::<Vec<_>>()}));
    }
    let mut picks = Vec::new();
    for (index, (mass_kg, friction)) in PICKS.into_iter().enumerate() {
        let file = format!("pick{index:02}.xml");
        let (text, pick) = pick(mass_kg, friction, &robots, &mut shelf)?;
        write(&file, text)?;
        picks.push(json!({"name": format!("pick of {mass_kg} kg, friction {friction}"), "file": file, "case": pick}));
    }
    let cases = json!({"towers": towers, "grips": grips, "squeeze_secs": SQUEEZE_SECS, "hold_secs": HOLD_SECS,
        "gravity": GRAVITY, "slip_m": rhea_physics::checks::thresholds::SLIP_M, "arms": arms, "picks": picks});
    write("cases.json", serde_json::to_string(&cases)?)?;
    Ok(())
}

/// An arm that takes a block and lifts it: the world, the way of its joints, and what the checks say.
fn pick(mass_kg: f64, friction: f64, robots: &Path, shelf: &mut RobotShelf) -> Done<(String, Value)> {
    let mut scene = TaskScene::with_arm("pick", "rhea_arm7.urdf");
    let block = Thing::new("block", "block", rhea_scene::Colour::Red, Form::Box { size_m: [0.05; 3] }, [0.45, 0.1]);
    scene.things.push(Thing { mass_kg, friction, ..block });
    let mut world = World::new(Arc::new(Stage::new(scene, robots, shelf)?))?;
    world.run(0.3);
    let text = world_mjcf(&world);
    let skill = Skill::Pick { thing: "block".to_owned() };
    let motion = propose(&world, &skill, &ProposeOptions::default());
    let step = Step {
        claim: Some(Claim::meant(&world, &motion)),
        duration_secs: Some(motion.duration_secs()),
        skill: Some(skill),
        ..Step::default()
    };
    let report = check_step(&world, 1, &step, &motion, &Course::default())?;
    let held = try_grasps(&world, &motion)?.iter().all(|c| c.verdict != Verdict::Reject);
    let robot = &world.stage.arms[0].robot;
    let gripper = robot.needs_gripper()?;
    let case = json!({
        "arm": world.stage.arms[0].name, "joints": robot.segments.iter().map(|s| s.joint.name.clone()).collect::<Vec<_>>(),
        "opening_m": motion.legs.first().map(|l| l.before.opening_m[0]), "force_n": gripper.force_n, "legs": legs(&world, &motion),
        "ours": held, "need_n": report.checks.iter().find(|c| c.code == Code::Force).map(|c| c.value),
        "accepted": report.verdict != Verdict::Reject, "first_code": report.first_code.map(Code::name),
    });
    Ok((text, case))
}

/// Joint values every 2 ms of each leg, and whether the hand closes at its end.
fn legs(world: &World, motion: &Motion) -> Vec<Value> {
    let leg = |l: &rhea_physics::motion::Leg| {
        let path = l.timed.samples(&world.stage.arms[l.arm].robot, 0.002);
        json!({"label": l.label, "duration_secs": l.timed.duration_secs, "grips": matches!(l.then, Then::Grip(_)), "path": path})
    };
    motion.legs.iter().map(leg).collect()
}

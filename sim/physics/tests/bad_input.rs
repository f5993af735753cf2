//! Bad robots and scripts: what, where, and what is allowed; never a panic.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::Arc;

use rhea_physics::motion::{ProposeOptions, propose};
use rhea_physics::robot::{load_robot, parse_mjcf, parse_urdf};
use rhea_physics::script::PlanScript;
use rhea_physics::skill::Skill;
use rhea_physics::world::World;
use rhea_physics::world::stage::{RobotShelf, Stage};

fn with_mesh(name: &str) -> String {
    format!(
        r#"<robot name="m"><link name="base"/><link name="a"><collision><geometry><mesh filename="{name}"/></geometry></collision></link>
<joint name="j" type="revolute"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="1" velocity="1"/></joint></robot>"#
    )
}

#[test]
fn meshes_outside_the_folder_or_missing_are_refused() {
    let at = common::robots().join("m.urdf");
    let outside = parse_urdf(&with_mesh("../../Cargo.toml"), &at).unwrap_err().to_string();
    assert!(outside.contains("outside the robot's folder"), "{outside}");
    let absolute = parse_urdf(&with_mesh("/etc/passwd"), &at).unwrap_err().to_string();
    assert!(absolute.contains("outside the robot's folder"), "{absolute}");
    let missing = parse_urdf(&with_mesh("nothing.stl"), &at).unwrap_err().to_string();
    assert!(missing.contains("nothing.stl"), "{missing}");
}

#[test]
fn broken_robots_say_where() {
    let syntax =
        parse_urdf("<robot name='x'>\n<link name='a'>\n</robot>", Path::new("x.urdf")).unwrap_err().to_string();
    assert!(syntax.starts_with("x.urdf:3:"), "{syntax}");
    let text = std::fs::read_to_string(common::robots().join("rhea_arm7.urdf")).unwrap();
    let limits =
        parse_urdf(&text.replace("lower=\"-2.4\"", "lower=\"NaN\""), Path::new("x.urdf")).unwrap_err().to_string();
    assert!(limits.contains("j4_elbow") && limits.contains("finite"), "{limits}");
    let link = parse_urdf(&text.replace("child link=\"forearm_a\"", "child link=\"forearm_z\""), Path::new("x.urdf"))
        .unwrap_err()
        .to_string();
    assert!(link.contains("no link `forearm_z`") && link.contains("forearm_a"), "{link}");
    let free = "<mujoco><worldbody><body name='b'><freejoint/></body></worldbody></mujoco>";
    let free = parse_mjcf(free, Path::new("x.xml")).unwrap_err().to_string();
    assert!(free.starts_with("x.xml:1:") && free.contains("freejoint"), "{free}");
    assert!(load_robot(Path::new("nowhere.urdf")).unwrap_err().to_string().contains("nowhere.urdf"));
}

#[test]
fn an_arm_without_a_gripper_cannot_pick_and_says_so() {
    let text = std::fs::read_to_string(common::robots().join("rhea_arm7.urdf")).unwrap();
    let cut = text.split("  <joint name=\"finger_left_slide\"").next().unwrap();
    let bare = format!(
        "{cut}<joint name=\"tcp_mount\" type=\"fixed\"><parent link=\"hand\"/><child link=\"tcp\"/><origin xyz=\"0 0 0.12\"/></joint></robot>"
    );
    let robot = parse_urdf(&bare, Path::new("bare.urdf")).unwrap();
    assert!(robot.needs_gripper().unwrap_err().to_string().contains("no gripper"));
    let scene = common::scene(
        "(name: \"b\", noun: \"block\", colour: Red, form: Box(size_m: (0.05, 0.05, 0.05)), at_m: (0.45, 0.1)),",
    );
    let mut stage = Stage::new(scene, &common::robots(), &mut RobotShelf::default()).unwrap();
    stage.arms[0].robot = Arc::new(robot);
    let world = World::new(Arc::new(stage)).unwrap();
    let motion = propose(&world, &Skill::Pick { thing: "b".to_owned() }, &ProposeOptions::default());
    assert!(motion.stuck.is_some());
    let lost = propose(&world, &Skill::Pick { thing: "crown".to_owned() }, &ProposeOptions::default());
    assert!(lost.stuck.is_some_and(|s| s.note.contains("crown")));
}

#[test]
fn a_script_with_a_typo_names_line_and_what_is_allowed() {
    let folder = std::env::temp_dir().join("rhea-physics-bad-script");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("typo.ron");
    std::fs::write(&path, "(\n    scene: Generated(family: F2, seed: 4),\n    expect: [Reeched],\n)").unwrap();
    let error = PlanScript::load(&path).unwrap_err().to_string();
    assert!(error.contains("typo.ron:3:") && error.contains("Reached"), "{error}");
    let fault = |wrong: &str| {
        std::fs::write(
            &path,
            format!("(\n    scene: File(\"none.ron\"),\n    faults: [(step: 1, wrong: {wrong})],\n    expect: [],\n)"),
        )
        .unwrap();
        PlanScript::load(&path).unwrap_err().to_string()
    };
    let typo = fault("TooFest(times: 2.0)");
    assert!(typo.contains("typo.ron:3:") && typo.contains("TooFast"), "{typo}");
    let nan = fault("Weighs(thing: \"b\", mass_kg: NaN)");
    assert!(nan.contains("typo.ron") && nan.contains("mass_kg is NaN") && nan.contains("0.001 to 50"), "{nan}");
    std::fs::write(&path, "(\n    scene: File(\"none.ron\"),\n    expect: [],\n)").unwrap();
    let error = PlanScript::load(&path)
        .unwrap()
        .run(&path, &common::robots(), &mut RobotShelf::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.ron"), "{error}");
}

//! Arms against calculus and against each other: derivatives by differences, torque by energy, URDF against MJCF.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::time::Instant;

use rhea_physics::eval::inverse_kinematics;
use rhea_physics::kinematics::{Timed, least_secs};
use rhea_physics::math::{Pose, Rot, V3};
use rhea_physics::robot::{GRAVITY, RobotModel, load_robot, parse_mjcf, parse_urdf};

fn arm(name: &str) -> RobotModel {
    load_robot(&common::robots().join(name)).unwrap()
}

const BASE: Pose = Pose::IDENTITY;

#[test]
fn a_thousand_reachable_poses_are_found_inside_the_limits() {
    let start = Instant::now();
    let figures = inverse_kinematics(&arm("rhea_arm7.urdf"), 1_000, 11, &|| start.elapsed().as_secs_f64());
    assert!(figures.solved >= 990, "{figures:?}");
    assert!(figures.median_ms <= 2.0, "{figures:?}");
}

#[test]
fn the_small_arm_finds_its_own_poses_too() {
    let figures = inverse_kinematics(&arm("rhea_arm5.urdf"), 200, 3, &|| 0.0);
    assert!(figures.solved >= 190, "{figures:?}");
}

#[test]
fn the_jacobian_is_the_derivative_of_the_tool_pose() {
    for name in ["rhea_arm7.urdf", "rhea_arm5.urdf"] {
        let robot = arm(name);
        let q: Vec<f64> = (0..robot.dof()).map(|i| 0.3 - 0.17 * i as f64).collect();
        let frames = robot.frames(BASE, &q);
        for (i, (linear, angular)) in robot.jacobian(&frames).into_iter().enumerate() {
            let mut moved = q.clone();
            moved[i] += 1e-6;
            let tcp = robot.frames(BASE, &moved).tcp;
            let by_difference = ((tcp.p - frames.tcp.p) * 1e6, (tcp.r * frames.tcp.r.inv()).log() * 1e6);
            assert!(
                linear.distance(by_difference.0) < 1e-5 && angular.distance(by_difference.1) < 1e-5,
                "{name} joint {i}"
            );
        }
    }
}

#[test]
fn holding_torque_is_the_derivative_of_potential_energy() {
    let robot = arm("rhea_arm7.urdf");
    let q = [0.2, 0.7, -0.4, 1.1, 0.3, 0.9, -0.2];
    let energy = |q: &[f64]| -> f64 {
        let frames = robot.frames(BASE, q);
        let own: f64 =
            robot.segments.iter().zip(&frames.segments).map(|(s, f)| s.mass_kg * GRAVITY * f.point(s.com).2).sum();
        own + 1.5 * GRAVITY * frames.tcp.p.2
    };
    let frames = robot.frames(BASE, &q);
    for (i, torque) in robot.holding_torque(&frames, 1.5, frames.tcp.p).into_iter().enumerate() {
        let (mut more, mut less) = (q, q);
        more[i] += 1e-5;
        less[i] -= 1e-5;
        let by_energy = (energy(&more) - energy(&less)) / 2e-5;
        assert!((torque - by_energy).abs() < 1e-5, "joint {i}: {torque} and {by_energy}");
    }
}

const URDF: &str = r#"<robot name="two"><link name="base"/><link name="a"><collision><origin xyz="0 0 0.1"/><geometry><capsule radius="0.02" length="0.2"/></geometry></collision></link>
<link name="b"/><link name="tcp"/>
<joint name="one" type="revolute"><parent link="base"/><child link="a"/><origin xyz="0 0 0.1" rpy="0 0 0.5"/><axis xyz="0 1 0"/><limit lower="-1" upper="2" effort="5" velocity="1"/></joint>
<joint name="two" type="revolute"><parent link="a"/><child link="b"/><origin xyz="0.03 0 0.2"/><axis xyz="1 0 0"/><limit lower="-1.5" upper="1.5" effort="4" velocity="2"/></joint>
<joint name="end" type="fixed"><parent link="b"/><child link="tcp"/><origin xyz="0 0 0.15" rpy="0 0.3 0"/></joint></robot>"#;

const MJCF: &str = r#"<mujoco model="two"><compiler angle="radian"/><worldbody><body name="base"><body name="a" pos="0 0 0.1" euler="0 0 0.5">
<joint name="one" type="hinge" axis="0 1 0" range="-1 2" actuatorfrcrange="-5 5"/><geom type="capsule" fromto="0 0 0 0 0 0.2" size="0.02"/>
<body name="b" pos="0.03 0 0.2"><joint name="two" axis="1 0 0" range="-1.5 1.5"/><site name="tcp" pos="0 0 0.15" euler="0 0.3 0"/></body></body></body></worldbody>
<actuator><motor joint="two" forcerange="-4 4"/></actuator></mujoco>"#;

#[test]
fn the_same_arm_as_urdf_and_as_mjcf_moves_the_same() {
    let (a, b) = (parse_urdf(URDF, Path::new("two.urdf")).unwrap(), parse_mjcf(MJCF, Path::new("two.xml")).unwrap());
    for q in [[0.0, 0.0], [0.7, -0.9], [-0.6, 1.3]] {
        let (x, y) = (a.frames(BASE, &q).tcp, b.frames(BASE, &q).tcp);
        assert!(x.p.distance(y.p) < 1e-12 && (x.r.inv() * y.r).angle() < 1e-7, "{x:?} {y:?}");
    }
    for (s, t) in a.segments.iter().zip(&b.segments) {
        assert_eq!((s.joint.lower, s.joint.upper, s.joint.effort), (t.joint.lower, t.joint.upper, t.joint.effort));
        assert_eq!(s.solids.len(), t.solids.len());
    }
}

#[test]
fn one_joint_takes_the_time_that_the_trapezoid_says() {
    let robot = arm("rhea_arm7.urdf");
    let (v, a) = (robot.segments[0].joint.velocity, robot.segments[0].joint.acceleration);
    let to = |d: f64| vec![vec![0.0; 7], [vec![d], vec![0.0; 6]].concat()];
    assert!((least_secs(&robot, &to(2.0)) - (2.0 / v + v / a)).abs() < 1e-9);
    assert!((least_secs(&robot, &to(0.2)) - 2.0 * (0.2 / a).sqrt()).abs() < 1e-9);
    // Measured speeds of the samples keep to the limit.
    let timed = Timed { path: to(2.0), duration_secs: least_secs(&robot, &to(2.0)) };
    let samples = timed.samples(&robot, 0.01);
    let step = timed.duration_secs / (samples.len() - 1) as f64;
    let fastest = samples.windows(2).map(|w| (w[1][0] - w[0][0]).abs() / step).fold(0.0, f64::max);
    assert!(fastest <= v * (1.0 + 1e-9) && fastest > 0.95 * v, "{fastest} {v}");
}

#[test]
fn tools_look_down_where_they_should() {
    let pose = rhea_physics::world::stage::looking_down(V3(0.4, 0.1, 0.2), 0.7);
    assert!(pose.r.turn(V3::UP).distance(V3(0.0, 0.0, -1.0)) < 1e-12);
    assert!((Rot::yaw(0.7).turn(V3(1.0, 0.0, 0.0))).distance(pose.r.turn(V3(1.0, 0.0, 0.0))) < 1e-12);
}

#[test]
fn an_arm_that_is_written_as_mjcf_and_read_again_moves_and_weighs_the_same() {
    for name in ["rhea_arm7.urdf", "rhea_arm5.urdf"] {
        let robot = arm(name);
        let again = parse_mjcf(&rhea_physics::export::robot_mjcf(&robot), Path::new("again.xml")).unwrap();
        let q: Vec<f64> = (0..robot.dof()).map(|i| 0.4 - 0.23 * i as f64).collect();
        let (a, b) = (robot.frames(BASE, &q), again.frames(BASE, &q));
        assert!(a.tcp.p.distance(b.tcp.p) < 1e-12 && (a.tcp.r.inv() * b.tcp.r).angle() < 1e-7, "{name}");
        let torque = |r: &RobotModel| r.holding_torque(&r.frames(BASE, &q), 0.0, V3::ZERO);
        for (x, y) in torque(&robot).iter().zip(torque(&again)) {
            assert!((x - y).abs() < 1e-9, "{name}: {x} {y}");
        }
        let (x, y) = (robot.gripper.unwrap(), again.gripper.unwrap());
        assert!((x.max_opening_m - y.max_opening_m).abs() < 1e-12 && (x.force_n - y.force_n).abs() < 1e-12, "{name}");
    }
}

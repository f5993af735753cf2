//! Robots, worlds and grip tests as MJCF, so that another engine can be asked the same question.
//!
//! Shapes, masses, friction, limits and poses are written as they are; damping and contact softness are left to whoever
//! simulates. MuJoCo takes the larger friction of two surfaces where this crate takes the smaller: things are written with
//! priority, so that a thing's own value counts against table and pads.
//!
//! Invariant: a robot that was written and read again moves the same.

use crate::math::{Pose, V3};
use crate::robot::{JointKind, RobotModel};
use crate::scene::form::{Prim, Solid};
use crate::world::World;
use crate::world::fingers::{FINGER_KG, GripTest, pad_solids};

/// Radius of gyration of links, whose files are read without moments of inertia, metres.
const GYRATION_M: f64 = 0.05;
/// Attributes of what moves freely: meets everything, its own friction counts.
const THING: &str = "contype=\"1\" conaffinity=\"3\" priority=\"1\"";
/// Attributes of what stands: meets things only.
const FIXED: &str = "contype=\"4\" conaffinity=\"1\"";
/// Attributes of arms: meet things only, as in [`World`].
const ARM: &str = "contype=\"2\" conaffinity=\"0\"";

/// An element tree in the making.
#[derive(Default)]
struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    fn line(&mut self, text: &str) {
        self.text.push_str(&"  ".repeat(self.open.len()));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn open(&mut self, tag: &'static str, attributes: &str) {
        self.line(&format!("<{tag}{}{attributes}>", if attributes.is_empty() { "" } else { " " }));
        self.open.push(tag);
    }

    fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.line(&format!("</{tag}>"));
        }
    }

    fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn head(model: &str) -> Self {
        let mut xml = Self::default();
        xml.open("mujoco", &format!("model=\"{}\"", escaped(model)));
        xml.line("<compiler angle=\"radian\" autolimits=\"true\"/>");
        xml.open("worldbody", "");
        xml
    }

    /// Geoms of one owner; the mass is shared out by volume.
    fn solids(&mut self, solids: &[Solid], mass_kg: Option<f64>, friction: f64, kind: &str) {
        let volume: f64 = solids.iter().map(Solid::volume_m3).sum();
        for solid in solids {
            let (shape, size) = match solid.prim {
                Prim::Box(h) => ("box", format!("{} {} {}", h.0, h.1, h.2)),
                Prim::Cylinder(h, r) => ("cylinder", format!("{r} {h}")),
                Prim::Capsule(h, r) => ("capsule", format!("{r} {h}")),
                Prim::Ball(r) => ("sphere", format!("{r}")),
            };
            let mass = mass_kg.map_or_else(String::new, |m| format!(" mass=\"{}\"", m * solid.volume_m3() / volume));
            let place = placed(solid.owner_from_solid);
            self.line(&format!(
                "<geom type=\"{shape}\" size=\"{size}\" {place}{mass} friction=\"{friction}\" {kind}/>"
            ));
        }
    }

    fn inertial(&mut self, mass_kg: f64, com: V3) {
        let moment = mass_kg.max(1e-6) * GYRATION_M * GYRATION_M;
        let mass = mass_kg.max(1e-6);
        self.line(&format!(
            "<inertial pos=\"{}\" mass=\"{mass}\" diaginertia=\"{moment} {moment} {moment}\"/>",
            vector(com)
        ));
    }

    /// An arm and its fingers; names get a prefix, so that two arms can stand in one file.
    fn arm(&mut self, robot: &RobotModel, world_from_base: Pose, prefix: &str) {
        self.open("body", &format!("name=\"{prefix}base\" {}", placed(world_from_base)));
        self.solids(&robot.base_solids, None, 1.0, ARM);
        let last = robot.dof().saturating_sub(1);
        for (index, segment) in robot.segments.iter().enumerate() {
            let joint = &segment.joint;
            let name = escaped(&segment.name);
            self.open("body", &format!("name=\"{prefix}{name}\" {}", placed(segment.previous_from_joint)));
            let kind = if joint.kind == JointKind::Revolute { "hinge" } else { "slide" };
            self.joint(
                &format!("{prefix}{}", escaped(&joint.name)),
                kind,
                joint.axis,
                joint.lower,
                joint.upper,
                joint.effort,
            );
            // The last segment's mass counts the fingers, which are bodies of their own here.
            let fingers = robot.gripper.iter().filter(|_| index == last).flat_map(|g| &g.fingers);
            let (mass, com) = fingers.fold((segment.mass_kg, segment.com * segment.mass_kg), |(m, c), f| {
                (m - f.mass_kg, c - f.hand_from_finger.point(f.com) * f.mass_kg)
            });
            self.inertial(mass, com * (1.0 / mass.max(1e-9)));
            self.solids(&segment.solids, None, 1.0, ARM);
        }
        self.line(&format!("<site name=\"{prefix}tcp\" {}/>", placed(robot.hand_from_tcp)));
        if let Some(gripper) = &robot.gripper {
            for (side, finger) in ["left", "right"].iter().zip(&gripper.fingers) {
                self.open("body", &format!("name=\"{prefix}finger_{side}\" {}", placed(finger.hand_from_finger)));
                let axis = finger.hand_from_finger.r.inv().turn(finger.axis);
                let name = format!("{prefix}finger_{side}_slide");
                self.joint(&name, "slide", axis, 0.0, gripper.max_opening_m / 2.0, gripper.force_n);
                self.inertial(finger.mass_kg, finger.com);
                self.solids(&finger.solids, None, 1.0, ARM);
                self.close();
            }
        }
        for _ in 0..=robot.dof() {
            self.close();
        }
    }

    fn joint(&mut self, name: &str, kind: &str, axis: V3, lower: f64, upper: f64, effort: f64) {
        self.line(&format!(
            "<joint name=\"{name}\" type=\"{kind}\" axis=\"{}\" range=\"{lower} {upper}\" actuatorfrcrange=\"-{effort} {effort}\"/>",
            vector(axis)
        ));
    }
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn vector(v: V3) -> String {
    format!("{} {} {}", v.0, v.1, v.2)
}

fn placed(pose: Pose) -> String {
    format!("pos=\"{}\" quat=\"{} {}\"", vector(pose.p), pose.r.w, vector(pose.r.v))
}

/// A robot alone, its base at the origin.
#[must_use]
pub fn robot_mjcf(robot: &RobotModel) -> String {
    let mut xml = Xml::head(&robot.name);
    xml.arm(robot, Pose::IDENTITY, "");
    xml.finish()
}

/// A world as it is now: table, things, drawers and arms, everything at its present pose. Arms are written at joint values 0;
/// names of their parts begin with the arm's name and a dot.
#[must_use]
pub fn world_mjcf(world: &World) -> String {
    let stage = &world.stage;
    let mut xml = Xml::head(&stage.scene.name);
    xml.solids(&[stage.table_solid()], None, stage.scene.table.friction, FIXED);
    for index in 0..stage.scene.things.len() {
        let thing = stage.thing(index);
        let movable = thing.is_movable();
        xml.open("body", &format!("name=\"{}\" {}", escaped(&thing.name), placed(world.pose(index))));
        if movable {
            xml.line("<freejoint/>");
        }
        let kind = if movable { THING } else { FIXED };
        xml.solids(&stage.solids[index], Some(thing.mass_kg), thing.friction, kind);
        xml.close();
        if !stage.sliding[index].is_empty() {
            xml.open("body", &placed(world.cavity_pose(index)));
            xml.solids(&stage.sliding[index], None, thing.friction, FIXED);
            xml.close();
        }
    }
    for arm in &stage.arms {
        xml.arm(&arm.robot, arm.world_from_base, &format!("{}.", escaped(&arm.name)));
    }
    xml.finish()
}

/// A grip test: a free thing between two fingers that slide along y (joints `finger_left`, `finger_right`, positive is apart).
/// Gravity and the fingers' force are for whoever runs it.
#[must_use]
pub fn grip_mjcf(test: &GripTest<'_>) -> String {
    let mut xml = Xml::head("grip");
    xml.open("body", &format!("name=\"thing\" {}", placed(test.tcp_from_thing)));
    xml.line("<freejoint/>");
    xml.solids(test.solids, Some(test.mass_kg), test.friction, THING);
    xml.close();
    for (side, name) in [(1.0, "left"), (-1.0, "right")] {
        let (at, pad) = pad_solids(test, side);
        xml.open("body", &placed(Pose::at(at)));
        xml.line(&format!("<joint name=\"finger_{name}\" type=\"slide\" axis=\"0 {side} 0\"/>"));
        xml.solids(&[pad], Some(FINGER_KG), test.friction.max(1.0), ARM);
        xml.close();
    }
    xml.finish()
}

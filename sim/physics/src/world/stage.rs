//! A scene with its robots loaded and its shapes worked out: what does not change while a plan runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::PhysicsError;
use crate::kinematics::{ArmShape, IkOptions, Obstacles, Owner, solve};
use crate::math::{PI, Pose, Rot, V3, golden};
use crate::robot::{RobotModel, load_robot};
use crate::scene::form::{Cavity, Prim, Solid};
use crate::scene::spec::{TaskScene, Thing, ZoneRule};

/// Thickness of the table, metres.
pub const TABLE_M: f64 = 0.05;
/// Starts from which a resting posture is chosen.
const HOME_STARTS: usize = 24;

/// An arm in its place.
#[derive(Clone, Debug)]
pub struct Arm {
    /// What the scene calls it.
    pub name: String,
    /// The robot.
    pub robot: Arc<RobotModel>,
    /// Where its base stands.
    pub world_from_base: Pose,
    /// Where it rests.
    pub home: Vec<f64>,
}

/// How contacts are simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contacts {
    /// Stiff and close, for a table of small things.
    #[default]
    Tuned,
    /// As rapier does by itself; to compare with.
    Rapier,
}

/// A scene, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The scene.
    pub scene: TaskScene,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Solids of each thing.
    pub solids: Vec<Vec<Solid>>,
    /// Solids of each thing's sliding part; empty but for drawers.
    pub sliding: Vec<Vec<Solid>>,
    /// How contacts are simulated.
    pub contacts: Contacts,
}

/// Robots by file, read once; and what all stages that are set up from it have in common.
#[derive(Debug, Default)]
pub struct RobotShelf {
    robots: BTreeMap<std::path::PathBuf, (Arc<RobotModel>, Vec<f64>)>,
    contacts: Contacts,
}

impl RobotShelf {
    /// An empty shelf for stages with these contacts.
    #[must_use]
    pub fn with(contacts: Contacts) -> Self {
        Self { contacts, ..Self::default() }
    }

    /// The robot of a file.
    ///
    /// # Errors
    /// See [`load_robot`].
    pub fn get(&mut self, path: &Path) -> Result<(Arc<RobotModel>, Vec<f64>), PhysicsError> {
        if let Some(found) = self.robots.get(path) {
            return Ok(found.clone());
        }
        let robot = Arc::new(load_robot(path)?);
        let home = resting_posture(&robot);
        self.robots.insert(path.to_owned(), (robot.clone(), home.clone()));
        Ok((robot, home))
    }
}

impl Stage {
    /// Loads the scene's robots; their files are relative to `folder`.
    ///
    /// # Errors
    /// A value of the scene or a robot that cannot be read.
    pub fn new(scene: TaskScene, folder: &Path, shelf: &mut RobotShelf) -> Result<Self, PhysicsError> {
        scene.check()?;
        let mut arms = Vec::new();
        for place in &scene.robots {
            let (robot, home) = shelf.get(&folder.join(&place.model))?;
            let world_from_base = Pose::new(V3::of(place.base_m), Rot::yaw(place.yaw_deg * PI / 180.0));
            arms.push(Arm { name: place.name.clone(), robot, world_from_base, home });
        }
        let solids = scene.things.iter().map(|t| t.form.solids()).collect();
        let sliding = scene.things.iter().map(|t| t.form.sliding_solids()).collect();
        Ok(Self { scene, arms, solids, sliding, contacts: shelf.contacts })
    }

    /// A thing by index.
    #[must_use]
    pub fn thing(&self, index: usize) -> &Thing {
        &self.scene.things[index]
    }

    /// The name of an owner, for reports.
    #[must_use]
    pub fn owner_name(&self, owner: Owner) -> String {
        let thing = |i: usize| self.scene.things.get(i).map_or("?", |t| t.name.as_str());
        match owner {
            Owner::Table => "table".to_owned(),
            Owner::Thing(i) => thing(i).to_owned(),
            Owner::Tray(i) => format!("drawer of {}", thing(i)),
            Owner::Zone(i) => self.scene.zones.get(i).map_or("?", |z| z.name.as_str()).to_owned(),
            Owner::Arm(i) => self.arms.get(i).map_or("?", |a| a.name.as_str()).to_owned(),
        }
    }

    /// Where each thing stands at first.
    ///
    /// # Errors
    /// Supports that make no sense; see [`TaskScene::order`].
    pub fn first_poses(&self) -> Result<Vec<Pose>, PhysicsError> {
        let things = &self.scene.things;
        let mut poses = vec![Pose::IDENTITY; things.len()];
        for index in self.scene.order()? {
            let thing = &things[index];
            let below = thing.on.as_deref().and_then(|name| self.scene.find(name));
            let height = below.map_or(0.0, |below| {
                let form = &things[below].form;
                let up = form.cavity().map_or_else(|| form.top_m().unwrap_or(0.0), |c| c.floor.2);
                // A lid lies on the rim, everything else on the floor of a container.
                let lid = matches!(thing.form, crate::scene::form::Form::Lid { .. });
                poses[below].p.2 + if lid && form.cavity().is_some() { form.size_m().2 } else { up }
            });
            poses[index] =
                Pose::new(V3(thing.at_m[0], thing.at_m[1], height + thing.lift_m), Rot::yaw(thing.yaw_rad()));
        }
        Ok(poses)
    }

    /// The room inside a thing, in the frame of its moving part.
    #[must_use]
    pub fn cavity(&self, thing: usize) -> Option<Cavity> {
        self.thing(thing).form.cavity()
    }

    /// The zones of a rule, each as a solid with its index.
    pub fn zones(&self, rule: ZoneRule) -> impl Iterator<Item = (usize, Solid)> + '_ {
        self.scene.zones.iter().enumerate().filter(move |(_, z)| z.rule == rule).map(|(index, zone)| {
            let prim = Prim::Box(V3::of(zone.size_m) * 0.5);
            (index, Solid { owner_from_solid: Pose::at(V3::of(zone.centre_m)), prim })
        })
    }

    /// The table as a solid.
    #[must_use]
    pub fn table_solid(&self) -> Solid {
        let table = &self.scene.table;
        let centre = V3(table.centre_m[0], table.centre_m[1], -TABLE_M / 2.0);
        let half = V3(table.size_m[0] / 2.0, table.size_m[1] / 2.0, TABLE_M / 2.0);
        Solid { owner_from_solid: Pose::at(centre), prim: Prim::Box(half) }
    }
}

/// A tool pose that looks straight down, the fingers closing along `yaw + 90 degrees`.
#[must_use]
pub fn looking_down(p: V3, yaw: f64) -> Pose {
    Pose::new(p, Rot::yaw(yaw) * Rot::about(V3(1.0, 0.0, 0.0), PI))
}

/// A posture with the tool in front of the base and looking down, the elbow as high as it goes and free of collisions.
fn resting_posture(robot: &RobotModel) -> Vec<f64> {
    let reach = robot.lever_m.first().copied().unwrap_or(0.5);
    let mut table = Obstacles::default();
    let half = V3(5.0, 5.0, TABLE_M / 2.0);
    table.add(
        Owner::Table,
        Pose::IDENTITY,
        &[Solid { owner_from_solid: Pose::at(V3(0.0, 0.0, -TABLE_M / 2.0)), prim: Prim::Box(half) }],
    );
    let shape = ArmShape::new(robot, 0.0, None);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for share in [0.36, 0.3, 0.42, 0.5] {
        let goal = looking_down(V3(share * reach, 0.0, 0.3 * reach), 0.0);
        for start in 0..HOME_STARTS {
            // Spread starts by golden-ratio steps in every joint.
            let near = robot.posture(|joint| golden(start * (joint + 1), 0.5));
            let options = IkOptions { starts: 1, ..IkOptions::default() };
            let found = solve(robot, Pose::IDENTITY, goal, &near, &options);
            if !found.solved {
                continue;
            }
            let frames = robot.frames(Pose::IDENTITY, &found.q);
            if shape.to_scene(&frames, &table, 0.02).distance_m < 0.02 || shape.to_self(&frames, 0.01).distance_m < 0.01
            {
                continue;
            }
            // High joints, and joints near the middle of their ranges.
            let height: f64 = frames.segments.iter().map(|f| f.p.2).sum();
            let middle: f64 = robot
                .segments
                .iter()
                .zip(&found.q)
                .map(|(s, q)| ((q - 0.5 * (s.joint.lower + s.joint.upper)) / (s.joint.upper - s.joint.lower)).abs())
                .sum();
            let score = height - reach * middle;
            if best.as_ref().is_none_or(|(b, _)| score > *b) {
                best = Some((score, found.q));
            }
        }
        if best.is_some() {
            break;
        }
    }
    best.map_or_else(|| robot.middle(), |(_, q)| q)
}

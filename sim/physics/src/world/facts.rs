//! What is where, said in relations: on, in, held, open. Grounded in contacts and exact poses, not in pictures.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::World;
use crate::convert;
use crate::kinematics::Owner;
use crate::math::V3;
use crate::scene::form::Form;

/// Share of a drawer's travel from which it counts as open.
const OPEN_SHARE: f64 = 0.8;
/// How far a closed drawer may be out, metres.
const CLOSED_M: f64 = 0.005;
/// Contacts whose normal is within 30 degrees of straight up carry.
pub const CARRY_COS: f64 = 0.866_025_403_784;
/// Gaps up to this count as touching, metres.
const TOUCH_M: f64 = 0.001;

/// Where a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Carried by something.
    On(Owner),
    /// Inside a container.
    In(usize),
    /// In a hand.
    Held(usize),
    /// Nothing carries it: it falls, or it fell off the table.
    Nowhere,
}

/// A side of a thing, as seen by someone behind the robots who looks along +x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// Towards +y.
    Left,
    /// Towards -y.
    Right,
    /// Nearer to the viewer, -x.
    Front,
    /// Farther away, +x.
    Behind,
}

impl Side {
    /// All sides.
    pub const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Front, Self::Behind];

    /// Direction of length one.
    #[must_use]
    pub fn direction(self) -> V3 {
        match self {
            Self::Left => V3(0.0, 1.0, 0.0),
            Self::Right => V3(0.0, -1.0, 0.0),
            Self::Front => V3(-1.0, 0.0, 0.0),
            Self::Behind => V3(1.0, 0.0, 0.0),
        }
    }
}

/// One condition of a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Goal {
    /// A thing stands on another, or on the table when `target` is "table".
    On {
        /// The thing.
        thing: String,
        /// Below it.
        target: String,
    },
    /// A thing is inside a container.
    In {
        /// The thing.
        thing: String,
        /// The container.
        target: String,
    },
    /// A thing stands on the table at a side of another.
    Beside {
        /// The thing.
        thing: String,
        /// Which side.
        side: Side,
        /// Of what.
        target: String,
    },
    /// The middles of two things are at most so far apart.
    Near {
        /// The thing.
        thing: String,
        /// The other.
        target: String,
        /// Metres, seen from above.
        within_m: f64,
    },
    /// A thing is in a hand.
    Held {
        /// The thing.
        thing: String,
        /// Which arm; any when left out.
        #[serde(default)]
        arm: Option<String>,
    },
    /// A drawer is open, or a container has no lid on.
    Open {
        /// The drawer or container.
        target: String,
    },
    /// A drawer is shut, or a container has its lid on.
    Closed {
        /// The drawer or container.
        target: String,
    },
    /// A button was pressed.
    Pressed {
        /// The button.
        target: String,
    },
    /// A thing was wiped.
    Wiped {
        /// The thing.
        target: String,
    },
    /// At least a share of all things of a noun is inside a container.
    Poured {
        /// Noun of the things, such as "bead".
        noun: String,
        /// The container.
        into: String,
        /// Share, 0 to 1.
        share: f64,
    },
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On { thing, target } => write!(f, "{thing} on {target}"),
            Self::In { thing, target } => write!(f, "{thing} in {target}"),
            Self::Beside { thing, side: Side::Left, target } => write!(f, "{thing} left of {target}"),
            Self::Beside { thing, side: Side::Right, target } => write!(f, "{thing} right of {target}"),
            Self::Beside { thing, side: Side::Front, target } => write!(f, "{thing} in front of {target}"),
            Self::Beside { thing, side: Side::Behind, target } => write!(f, "{thing} behind {target}"),
            Self::Near { thing, target, within_m } => write!(f, "{thing} within {within_m} m of {target}"),
            Self::Held { thing, arm: Some(arm) } => write!(f, "{thing} held by {arm}"),
            Self::Held { thing, arm: None } => write!(f, "{thing} held"),
            Self::Open { target } => write!(f, "{target} open"),
            Self::Closed { target } => write!(f, "{target} closed"),
            Self::Pressed { target } => write!(f, "{target} pressed"),
            Self::Wiped { target } => write!(f, "{target} wiped"),
            Self::Poured { noun, into, share } => write!(f, "{:.0} % of all {noun} in {into}", 100.0 * share),
        }
    }
}

/// A contact that a thing has.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// With whom.
    pub with: Owner,
    /// Where.
    pub point: V3,
    /// From the other one into the thing.
    pub normal: V3,
    /// Overlap, metres; negative is a gap.
    pub depth_m: f64,
}

impl World {
    fn owner_of(&self, collider: rapier3d::prelude::ColliderHandle) -> Option<Owner> {
        if collider == self.handles.table {
            return Some(Owner::Table);
        }
        let body = self.physics.colliders.get(collider)?.parent()?;
        let at = |list: &[Option<rapier3d::prelude::RigidBodyHandle>]| list.iter().position(|h| *h == Some(body));
        let arm = |lists: &[Vec<rapier3d::prelude::RigidBodyHandle>]| lists.iter().position(|l| l.contains(&body));
        at(&self.handles.things)
            .map(Owner::Thing)
            .or_else(|| at(&self.handles.trays).map(Owner::Tray))
            .or_else(|| arm(&self.handles.arms).or_else(|| arm(&self.handles.fingers)).map(Owner::Arm))
    }

    /// All contacts of a thing as of the last step, in a fixed order.
    #[must_use]
    pub fn touches(&self, thing: usize) -> Vec<Touch> {
        let Some(body) = self.handles.things[thing].and_then(|h| self.physics.bodies.get(h)) else { return Vec::new() };
        let mut touches = Vec::new();
        for own in body.colliders() {
            for pair in self.physics.contact_pairs_with(*own) {
                let first = pair.collider1 == *own;
                let other = if first { pair.collider2 } else { pair.collider1 };
                let (Some(with), Some(base)) = (self.owner_of(other), self.physics.colliders.get(pair.collider1))
                else {
                    continue;
                };
                let Some(contacts) = pair.rigid() else { continue };
                for manifold in &contacts.manifolds {
                    let normal = convert::from_vector(base.position().rotation * manifold.local_n1);
                    for contact in manifold.points.iter().filter(|c| f64::from(c.dist) < TOUCH_M) {
                        let point = convert::from_vector(base.position().transform_point(contact.local_p1));
                        let normal = if first { -normal } else { normal };
                        touches.push(Touch { with, point, normal, depth_m: -f64::from(contact.dist) });
                    }
                }
            }
        }
        touches
    }

    /// Middle of a thing's upright bounding box, in the world.
    #[must_use]
    pub fn centre(&self, thing: usize) -> V3 {
        self.pose(thing).point(V3(0.0, 0.0, self.stage.thing(thing).form.size_m().2 / 2.0))
    }

    /// The container a point is in; the smallest if there are several.
    fn container_at(&self, thing: usize, point: V3) -> Option<usize> {
        let inside = |c: &usize| {
            *c != thing
                && self.stage.cavity(*c).is_some_and(|room| room.holds(self.cavity_pose(*c).inv().point(point), 0.0))
        };
        let volume = |c: &usize| self.stage.cavity(*c).map_or(f64::MAX, |r| r.volume_m3());
        (0..self.stage.scene.things.len()).filter(inside).min_by(|a, b| volume(a).total_cmp(&volume(b)))
    }

    /// Where a thing is.
    #[must_use]
    pub fn place(&self, thing: usize) -> Place {
        if let Some(arm) = self.logic.arms.iter().position(|a| a.held.is_some_and(|h| h.thing == thing)) {
            return Place::Held(arm);
        }
        if !self.stage.thing(thing).is_movable() {
            return Place::On(Owner::Table);
        }
        let centre = self.centre(thing);
        if let Some(container) = self.container_at(thing, centre) {
            return Place::In(container);
        }
        let carriers =
            self.touches(thing).into_iter().filter(|t| t.normal.2 >= CARRY_COS && !matches!(t.with, Owner::Arm(_)));
        // What stands partly on a thing and partly on the table stands on the thing.
        match carriers.map(|t| t.with).max() {
            Some(Owner::Table) | None if centre.2 < 0.2 => self.mat_at(centre).map_or_else(
                || if self.is_on_table(thing) { Place::On(Owner::Table) } else { Place::Nowhere },
                |mat| Place::On(Owner::Thing(mat)),
            ),
            Some(Owner::Tray(i)) => Place::In(i),
            Some(owner) => Place::On(owner),
            None => Place::Nowhere,
        }
    }

    fn is_on_table(&self, thing: usize) -> bool {
        self.touches(thing).iter().any(|t| t.with == Owner::Table)
    }

    fn mat_at(&self, point: V3) -> Option<usize> {
        let on = |i: &usize| match self.stage.thing(*i).form {
            Form::Mat { size_m } => {
                let p = self.pose(*i).inv().point(point);
                p.0.abs() <= size_m[0] / 2.0 && p.1.abs() <= size_m[1] / 2.0
            }
            _ => false,
        };
        (0..self.stage.scene.things.len()).find(on)
    }

    /// Things that stand directly on or lie in another.
    #[must_use]
    pub fn loads(&self, thing: usize) -> Vec<usize> {
        let carried = |i: &usize| match self.place(*i) {
            Place::On(Owner::Thing(t)) | Place::In(t) => t == thing,
            _ => false,
        };
        (0..self.stage.scene.things.len())
            .filter(|i| *i != thing && self.stage.thing(*i).is_movable())
            .filter(carried)
            .collect()
    }

    /// The lid on a container.
    #[must_use]
    pub fn lid_on(&self, container: usize) -> Option<usize> {
        let lids = (0..self.stage.scene.things.len()).filter(|i| matches!(self.stage.thing(*i).form, Form::Lid { .. }));
        lids.into_iter().find(|i| self.place(*i) == Place::On(Owner::Thing(container)))
    }

    /// Is a thing a drawer?
    #[must_use]
    pub fn is_drawer(&self, thing: usize) -> bool {
        matches!(self.stage.thing(thing).form, Form::Drawer { .. })
    }

    /// Is a container accessible? A drawer must be out, another container without its lid.
    #[must_use]
    pub fn is_open(&self, container: usize) -> bool {
        match self.stage.thing(container).form {
            Form::Drawer { travel_m, .. } => self.logic.tray_m[container] >= OPEN_SHARE * travel_m,
            _ => self.lid_on(container).is_none(),
        }
    }

    /// Is a container shut?
    #[must_use]
    pub fn is_closed(&self, container: usize) -> bool {
        match self.stage.thing(container).form {
            Form::Drawer { .. } => self.logic.tray_m[container] <= CLOSED_M,
            _ => self.lid_on(container).is_some(),
        }
    }

    /// Does a condition hold? `None` if it names something that is not there.
    #[must_use]
    pub fn holds(&self, goal: &Goal) -> Option<bool> {
        let find = |name: &String| self.stage.scene.find(name);
        Some(match goal {
            Goal::On { thing, target } if target == "table" => self.place(find(thing)?) == Place::On(Owner::Table),
            Goal::On { thing, target } => self.place(find(thing)?) == Place::On(Owner::Thing(find(target)?)),
            Goal::In { thing, target } => {
                let (thing, target) = (find(thing)?, find(target)?);
                self.place(thing) == Place::In(target) && self.share_inside(thing, target) >= 0.95
            }
            Goal::Beside { thing, side, target } => {
                let (thing, target) = (find(thing)?, find(target)?);
                self.is_beside(thing, *side, target)
            }
            Goal::Near { thing, target, within_m } => {
                let way = self.centre(find(thing)?) - self.centre(find(target)?);
                V3(way.0, way.1, 0.0).norm() <= *within_m
            }
            Goal::Held { thing, arm } => {
                let held = self.place(find(thing)?);
                match arm {
                    None => matches!(held, Place::Held(_)),
                    Some(arm) => held == Place::Held(self.stage.arms.iter().position(|a| a.name == *arm)?),
                }
            }
            Goal::Open { target } => self.is_open(find(target)?),
            Goal::Closed { target } => self.is_closed(find(target)?),
            Goal::Pressed { target } => self.logic.pressed[find(target)?],
            Goal::Wiped { target } => self.logic.wiped[find(target)?],
            Goal::Poured { noun, into, share } => {
                let into = find(into)?;
                let all: Vec<usize> = self.of_noun(noun);
                let inside = all.iter().filter(|i| self.place(**i) == Place::In(into)).count();
                !all.is_empty() && inside as f64 >= share * all.len() as f64
            }
        })
    }

    /// Things of a noun.
    #[must_use]
    pub fn of_noun(&self, noun: &str) -> Vec<usize> {
        (0..self.stage.scene.things.len()).filter(|i| self.stage.thing(*i).noun == noun).collect()
    }

    /// Does a thing stand at a side of another: clearly in that direction, and not far?
    #[must_use]
    pub fn is_beside(&self, thing: usize, side: Side, target: usize) -> bool {
        let way = self.centre(thing) - self.centre(target);
        let along = way.dot(side.direction());
        let across = V3(way.0, way.1, 0.0) - side.direction() * along;
        along > 0.02 && along < 0.4 && across.norm() < along
    }

    /// Share of 64 sample points of a thing that are inside a container; the part above the rim counts as inside, as long as it
    /// is between the walls and the thing's lower half is below the rim.
    #[must_use]
    pub fn share_inside(&self, thing: usize, container: usize) -> f64 {
        let Some(room) = self.stage.cavity(container) else { return 0.0 };
        let size = self.stage.thing(thing).form.size_m();
        let round =
            matches!(self.stage.thing(thing).form, Form::Cylinder { .. } | Form::Ball { .. } | Form::Cup { .. });
        let (pose, inverse) = (self.pose(thing), self.cavity_pose(container).inv());
        let tall = crate::scene::form::Cavity { depth_m: room.depth_m + size.2 / 2.0, ..room };
        let mut inside = 0;
        for i in 0..64 {
            let corner = |k: i32| (f64::from((i >> (2 * k)) & 3) / 3.0 - 0.5) * 0.98;
            // The four corners of a round thing's box are outside of it.
            let squeeze = if round { 0.707 } else { 1.0 };
            let p = V3(corner(0) * size.0 * squeeze, corner(1) * size.1 * squeeze, (corner(2) + 0.5) * size.2);
            inside += i32::from(tall.holds(inverse.point(pose.point(p)), 0.002));
        }
        f64::from(inside) / 64.0
    }
}

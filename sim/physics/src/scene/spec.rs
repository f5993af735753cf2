//! A task scene as a file spells it: plain data, metres, kilograms and degrees.

use std::collections::BTreeSet;

use rhea_scene::Colour;
use serde::{Deserialize, Serialize};

use crate::error::{PhysicsError, in_range};
use crate::limits::{
    FRICTION, MASS_KG, MAX_ARMS, MAX_CAMERAS, MAX_COORDINATE_M, MAX_NAME_CHARS, MAX_THINGS, MAX_ZONES,
};
use crate::math::PI;
use crate::scene::form::Form;

/// Everything on and around one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskScene {
    /// Title.
    pub name: String,
    /// The table.
    #[serde(default)]
    pub table: Table,
    /// One or two arms.
    pub robots: Vec<RobotPlace>,
    /// The things.
    pub things: Vec<Thing>,
    /// Views of the scene.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<CameraSpec>,
    /// Space that is not the arms' own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
}

/// An upright box of space with a rule for arms and what they hold; it stops nothing by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its name; unique.
    pub name: String,
    /// The rule.
    pub rule: ZoneRule,
    /// Its middle.
    pub centre_m: [f64; 3],
    /// Its sides.
    pub size_m: [f64; 3],
}

/// What holds inside of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ZoneRule {
    /// Nothing of an arm but its base, and nothing it holds, comes in.
    KeepOut,
    /// People are near: the tool point moves at most [`crate::checks::thresholds::NEAR_PEOPLE_MPS`].
    Slow,
}

/// The table; the middle of its top is the origin of the world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Where the middle of the top is, relative to the first robot's base at usual placing.
    pub centre_m: [f64; 2],
    /// Sides along x and y.
    pub size_m: [f64; 2],
    /// Coefficient of friction of the top.
    pub friction: f64,
    /// Colour of the top.
    pub colour: Colour,
}

impl Default for Table {
    fn default() -> Self {
        Self { centre_m: [0.45, 0.0], size_m: [1.3, 1.4], friction: 0.6, colour: Colour::Brown }
    }
}

/// An arm and where it is mounted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotPlace {
    /// What it is called in this scene.
    pub name: String,
    /// Robot file (.urdf or .xml), relative to the scene file.
    pub model: String,
    /// Where its base stands.
    #[serde(default)]
    pub base_m: [f64; 3],
    /// Where its base looks, degrees about z.
    #[serde(default)]
    pub yaw_deg: f64,
}

/// A thing on the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// Its name; unique.
    pub name: String,
    /// What people call it: block, mug, bowl, shelf ...
    pub noun: String,
    /// Its colour.
    pub colour: Colour,
    /// Its shape.
    pub form: Form,
    /// Mass.
    #[serde(default = "default_mass")]
    pub mass_kg: f64,
    /// Coefficient of friction against anything.
    #[serde(default = "default_friction")]
    pub friction: f64,
    /// Where the middle of its underside stands.
    pub at_m: [f64; 2],
    /// Heading, degrees about z.
    #[serde(default)]
    pub yaw_deg: f64,
    /// The thing it stands on or in; the table when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Height above what it stands on at first, metres: it falls.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lift_m: f64,
    /// Screwed to the table?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// Largest tilt while it is carried, degrees: an open vessel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upright_deg: Option<f64>,
    /// Largest force that does not break it, newtons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragile_n: Option<f64>,
}

fn default_mass() -> f64 {
    0.1
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn default_friction() -> f64 {
    0.6
}

/// A pinhole camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraSpec {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub eye_m: [f64; 3],
    /// What it looks at.
    pub at_m: [f64; 3],
    /// Vertical field of view, degrees.
    pub fov_deg: f64,
}

impl Thing {
    /// A thing at a place, with usual mass and friction.
    #[must_use]
    pub fn new(name: impl Into<String>, noun: &str, colour: Colour, form: Form, at_m: [f64; 2]) -> Self {
        Self {
            name: name.into(),
            noun: noun.to_owned(),
            colour,
            form,
            mass_kg: default_mass(),
            friction: default_friction(),
            at_m,
            yaw_deg: 0.0,
            on: None,
            lift_m: 0.0,
            fixed: false,
            upright_deg: None,
            fragile_n: None,
        }
    }

    /// Heading, radians.
    #[must_use]
    pub fn yaw_rad(&self) -> f64 {
        self.yaw_deg * PI / 180.0
    }

    /// Can it be moved?
    #[must_use]
    pub fn is_movable(&self) -> bool {
        !self.fixed && self.form.is_movable()
    }

    fn check(&self) -> Result<(), PhysicsError> {
        let place = format!("thing `{}`", self.name);
        check_name(&place, &self.name)?;
        check_name(&place, &self.noun)?;
        in_range(&place, "mass_kg", self.mass_kg, MASS_KG)?;
        in_range(&place, "friction", self.friction, FRICTION)?;
        for value in self.at_m {
            in_range(&place, "at_m", value, [-MAX_COORDINATE_M, MAX_COORDINATE_M])?;
        }
        in_range(&place, "yaw_deg", self.yaw_deg, [-360.0, 360.0])?;
        in_range(&place, "lift_m", self.lift_m, [0.0, 1.0])?;
        if let Some(tilt) = self.upright_deg {
            in_range(&place, "upright_deg", tilt, [1.0, 90.0])?;
        }
        if let Some(force) = self.fragile_n {
            in_range(&place, "fragile_n", force, [0.1, 10_000.0])?;
        }
        self.form.check(&place)
    }
}

fn check_name(place: &str, name: &str) -> Result<(), PhysicsError> {
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if fits && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ') {
        return Ok(());
    }
    let what = format!("a name has 1 to {MAX_NAME_CHARS} letters, digits, blanks or underscores");
    Err(PhysicsError::invalid(place, what))
}

impl TaskScene {
    /// An empty table of the usual size with one arm.
    #[must_use]
    pub fn with_arm(name: impl Into<String>, model: &str) -> Self {
        let arm = RobotPlace { name: "arm".to_owned(), model: model.to_owned(), base_m: [0.0; 3], yaw_deg: 0.0 };
        Self {
            name: name.into(),
            table: Table::default(),
            robots: vec![arm],
            things: Vec::new(),
            cameras: Vec::new(),
            zones: Vec::new(),
        }
    }

    /// The thing of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.things.iter().position(|t| t.name == name)
    }

    /// All names, for messages.
    #[must_use]
    pub fn names(&self) -> String {
        self.things.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Checks every number, name and support.
    ///
    /// # Errors
    /// The first thing that is not allowed, where it is, and what is allowed.
    pub fn check(&self) -> Result<(), PhysicsError> {
        let most = |what, got, max| {
            if got <= max { Ok(()) } else { Err(PhysicsError::TooMany { place: "scene".to_owned(), what, got, max }) }
        };
        most("things", self.things.len(), MAX_THINGS)?;
        most("robots", self.robots.len(), MAX_ARMS)?;
        most("cameras", self.cameras.len(), MAX_CAMERAS)?;
        most("zones", self.zones.len(), MAX_ZONES)?;
        if self.robots.is_empty() {
            return Err(PhysicsError::invalid("scene", "there is no robot; there must be one or two"));
        }
        let around = [-MAX_COORDINATE_M, MAX_COORDINATE_M];
        for (value, field) in
            self.table.size_m.iter().map(|v| (v, "size_m")).chain(self.table.centre_m.iter().map(|v| (v, "centre_m")))
        {
            in_range("table", field, *value, if field == "size_m" { [0.2, 2.0 * MAX_COORDINATE_M] } else { around })?;
        }
        in_range("table", "friction", self.table.friction, FRICTION)?;
        let mut names = BTreeSet::new();
        for thing in &self.things {
            thing.check()?;
            if !names.insert(thing.name.as_str()) || thing.name == "table" {
                return Err(PhysicsError::invalid(
                    format!("thing `{}`", thing.name),
                    "the name is taken; every thing needs its own",
                ));
            }
        }
        for robot in &self.robots {
            let place = format!("robot `{}`", robot.name);
            check_name(&place, &robot.name)?;
            for value in robot.base_m {
                in_range(&place, "base_m", value, around)?;
            }
            in_range(&place, "yaw_deg", robot.yaw_deg, [-360.0, 360.0])?;
            if !names.insert(robot.name.as_str()) {
                return Err(PhysicsError::invalid(place, "the name is taken; every robot needs its own"));
            }
        }
        for zone in &self.zones {
            let place = format!("zone `{}`", zone.name);
            check_name(&place, &zone.name)?;
            for value in zone.centre_m {
                in_range(&place, "centre_m", value, around)?;
            }
            for value in zone.size_m {
                in_range(&place, "size_m", value, [1e-3, 2.0 * MAX_COORDINATE_M])?;
            }
            if !names.insert(zone.name.as_str()) {
                return Err(PhysicsError::invalid(place, "the name is taken; every zone needs its own"));
            }
        }
        for camera in &self.cameras {
            let place = format!("camera `{}`", camera.name);
            for value in camera.eye_m.iter().chain(&camera.at_m) {
                in_range(&place, "position", *value, [-10.0, 10.0])?;
            }
            in_range(&place, "fov_deg", camera.fov_deg, [5.0, 150.0])?;
        }
        self.order().map(|_| ())
    }

    /// The things in an order in which every support comes before what stands on it.
    ///
    /// # Errors
    /// A support that does not exist, cannot carry, or stands on itself.
    pub fn order(&self) -> Result<Vec<usize>, PhysicsError> {
        let mut order = Vec::with_capacity(self.things.len());
        let mut placed = vec![false; self.things.len()];
        while order.len() < self.things.len() {
            let before = order.len();
            for (index, thing) in self.things.iter().enumerate().filter(|(i, _)| !placed[*i]).collect::<Vec<_>>() {
                let place = || format!("thing `{}`", thing.name);
                let ready = match &thing.on {
                    None => true,
                    Some(name) => {
                        let below = self.find(name).ok_or_else(|| PhysicsError::Unknown {
                            place: place(),
                            what: "thing to stand on",
                            name: name.clone(),
                            known: self.names(),
                        })?;
                        let carrier = &self.things[below];
                        if carrier.form.top_m().is_none() && carrier.form.cavity().is_none() {
                            return Err(PhysicsError::invalid(
                                place(),
                                format!("`{name}` has no top and no inside to stand on"),
                            ));
                        }
                        placed[below]
                    }
                };
                if ready {
                    order.push(index);
                }
            }
            for index in &order[before..] {
                placed[*index] = true;
            }
            if order.len() == before {
                return Err(PhysicsError::invalid(
                    "scene",
                    "things stand on each other in a circle; one must stand on the table",
                ));
            }
        }
        Ok(order)
    }
}

//! A scene as a file spells it: plain data, metres and degrees.

use crate::colour::Paint;
use crate::generate;
use crate::limits::{
    MAX_COORDINATE_M, MAX_CORNERS, MAX_LAMPS, MAX_NAME_CHARS, MAX_OBJECTS, MAX_PARTITIONS, MAX_STARTS, WALL_HEIGHT_M,
};
use crate::material::Material;
use crate::object::Object;
use crate::scene::in_range;
use crate::{Pose, SceneError, limits::EYE_HEIGHT_M};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What kind of place a scene is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SceneKind {
    /// One furnished room, or two joined by a doorway.
    Room,
    /// A maze of corridors.
    Corridor,
    /// A walled yard under the sky.
    Courtyard,
}

impl SceneKind {
    /// All kinds, in a fixed order.
    pub const ALL: [Self; 3] = [Self::Room, Self::Corridor, Self::Courtyard];

    /// The word used in captions.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Corridor => "corridor",
            Self::Courtyard => "courtyard",
        }
    }
}

/// Everything a scene is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneSpec {
    /// Title for menus.
    pub name: String,
    /// What kind of place it is.
    pub kind: SceneKind,
    /// Corners of the floor as `(x, z)`, in order around it; walls stand outside along every edge.
    pub outline_m: Vec<[f32; 2]>,
    /// The walls along the outline.
    pub walls: Walls,
    /// Walls inside the outline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// The floor.
    pub floor: Material,
    /// What is overhead.
    pub above: Above,
    /// Light sources indoors; under a sky the sun shines too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lamps: Vec<Lamp>,
    /// The things in it.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// Where a walk may begin; the first one is the default.
    pub starts: Vec<Start>,
}

/// Walls along the outline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Walls {
    /// Height; also the height of the ceiling.
    pub height_m: f32,
    /// Look.
    pub material: Material,
    /// A skirting board of 12 cm in this paint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skirting: Option<Paint>,
}

/// A straight wall inside the outline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// One end `(x, z)`.
    pub from_m: [f32; 2],
    /// Other end `(x, z)`.
    pub to_m: [f32; 2],
    /// Thickness.
    #[serde(default = "default_thickness_m")]
    pub thickness_m: f32,
    /// Height of its lower edge; 2 m over a doorway.
    #[serde(default)]
    pub base_m: f32,
    /// Look; the same as the outer walls when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
}

fn default_thickness_m() -> f32 {
    0.14
}

/// What is overhead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Above {
    /// A ceiling at the height of the walls.
    Ceiling(Material),
    /// Open sky.
    Sky(Sky),
}

/// The sky, the sun and the land around a courtyard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sky {
    /// Colour overhead.
    pub zenith: Paint,
    /// Colour at the horizon.
    pub horizon: Paint,
    /// Heading of the sun, degrees; 0 is `-z`, positive turns left.
    pub sun_yaw_deg: f32,
    /// Height of the sun above the horizon, degrees.
    pub sun_height_deg: f32,
    /// Colour of sunlight.
    pub sun: Paint,
    /// Soft clouds?
    #[serde(default)]
    pub clouds: bool,
    /// Silhouette of hills at the horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hills: Option<Paint>,
    /// The land outside the walls.
    pub land: Paint,
}

/// A lamp under the ceiling: a level disc that shines in all directions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lamp {
    /// Centre, metres.
    pub position_m: [f32; 3],
    /// How far it reaches, metres.
    pub reach_m: f32,
    /// Strength: 0.3 dim, 0.7 usual, 1.2 bright.
    pub strength: f32,
    /// Colour of its light.
    pub paint: Paint,
}

/// A place where a walk may begin, at eye height.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// East, metres.
    pub x_m: f32,
    /// South, metres.
    pub z_m: f32,
    /// Heading, degrees; 0 looks along `-z`, positive turns left.
    pub yaw_deg: f32,
}

impl Start {
    /// The pose of the walker's eye.
    #[must_use]
    pub fn pose(&self) -> Pose {
        Pose { position_m: [self.x_m, EYE_HEIGHT_M, self.z_m], yaw_rad: self.yaw_deg.to_radians(), pitch_rad: 0.0 }
    }
}

/// A scene file: a scene, or the seed of a generated one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SceneFile {
    Scene(Box<SceneSpec>),
    Generated { kind: SceneKind, seed: u64 },
}

impl SceneFile {
    pub(crate) fn into_spec(self) -> SceneSpec {
        match self {
            Self::Scene(spec) => *spec,
            Self::Generated { kind, seed } => generate::spec(kind, seed),
        }
    }
}

impl SceneSpec {
    /// Checks every number and identity; geometry is checked by `Scene::new`.
    pub(crate) fn check(&self) -> Result<(), SceneError> {
        let most = |what, got, max| if got <= max { Ok(()) } else { Err(SceneError::TooMany { what, got, max }) };
        most("characters of the name", self.name.chars().count(), MAX_NAME_CHARS)?;
        most("objects", self.objects.len(), MAX_OBJECTS)?;
        most("partitions", self.partitions.len(), MAX_PARTITIONS)?;
        most("lamps", self.lamps.len(), MAX_LAMPS)?;
        most("corners of outline_m", self.outline_m.len(), MAX_CORNERS)?;
        most("starts", self.starts.len(), MAX_STARTS)?;
        if self.outline_m.len() < 3 {
            return Err(SceneError::Outline { reason: "needs at least 3 corners" });
        }
        if self.starts.is_empty() {
            return Err(SceneError::NoStart);
        }
        let coordinate = [-MAX_COORDINATE_M, MAX_COORDINATE_M];
        for value in self.outline_m.iter().flatten() {
            in_range("outline_m", "coordinate", *value, coordinate)?;
        }
        in_range("walls", "height_m", self.walls.height_m, WALL_HEIGHT_M)?;
        self.walls.material.check("walls")?;
        self.floor.check("floor")?;
        for (index, partition) in self.partitions.iter().enumerate() {
            let place = format!("partition {}", index + 1);
            for value in partition.from_m.iter().chain(&partition.to_m) {
                in_range(&place, "end", *value, coordinate)?;
            }
            in_range(&place, "thickness_m", partition.thickness_m, [0.05, 5.0])?;
            in_range(&place, "base_m", partition.base_m, [0.0, self.walls.height_m - 0.05])?;
            if let Some(material) = &partition.material {
                material.check(&place)?;
            }
        }
        for (index, lamp) in self.lamps.iter().enumerate() {
            let place = format!("lamp {}", index + 1);
            for value in lamp.position_m {
                in_range(&place, "position_m", value, coordinate)?;
            }
            in_range(&place, "reach_m", lamp.reach_m, [0.5, 60.0])?;
            in_range(&place, "strength", lamp.strength, [0.0, 4.0])?;
        }
        match &self.above {
            Above::Ceiling(material) => material.check("ceiling")?,
            Above::Sky(sky) => {
                in_range("sky", "sun_yaw_deg", sky.sun_yaw_deg, [-360.0, 360.0])?;
                in_range("sky", "sun_height_deg", sky.sun_height_deg, [10.0, 90.0])?;
            }
        }
        let mut ids = BTreeSet::new();
        for object in &self.objects {
            object.check()?;
            if !ids.insert(object.id) {
                return Err(SceneError::ObjectId { id: object.id, reason: "used twice, every object needs its own" });
            }
        }
        for (index, start) in self.starts.iter().enumerate() {
            let place = format!("start {}", index + 1);
            in_range(&place, "x_m", start.x_m, coordinate)?;
            in_range(&place, "z_m", start.z_m, coordinate)?;
            in_range(&place, "yaw_deg", start.yaw_deg, [-360.0, 360.0])?;
        }
        Ok(())
    }
}

//! The things in a scene: what they are called, where they stand, how large they are.

use crate::colour::Colour;
use crate::limits::{MAX_COORDINATE_M, MAX_PARTS, MAX_SIZE_M, MIN_SIZE_M};
use crate::material::Material;
use crate::scene::in_range;
use crate::{SceneError, furnish};
use serde::{Deserialize, Serialize};

/// What an object is; decides its word and, unless it lists its own parts, how it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Noun {
    Ball,
    Box,
    Barrel,
    Table,
    Chair,
    Stool,
    Shelf,
    Cabinet,
    Sofa,
    Bed,
    Rug,
    Door,
    Window,
    Picture,
    Pillar,
    Lamp,
    Bench,
    Tree,
    Bush,
    PlantPot,
    Fountain,
}

impl Noun {
    /// All nouns, in a fixed order.
    pub const ALL: [Self; 21] = [
        Self::Ball,
        Self::Box,
        Self::Barrel,
        Self::Table,
        Self::Chair,
        Self::Stool,
        Self::Shelf,
        Self::Cabinet,
        Self::Sofa,
        Self::Bed,
        Self::Rug,
        Self::Door,
        Self::Window,
        Self::Picture,
        Self::Pillar,
        Self::Lamp,
        Self::Bench,
        Self::Tree,
        Self::Bush,
        Self::PlantPot,
        Self::Fountain,
    ];

    /// The word used in captions and narration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ball => "ball",
            Self::Box => "box",
            Self::Barrel => "barrel",
            Self::Table => "table",
            Self::Chair => "chair",
            Self::Stool => "stool",
            Self::Shelf => "shelf",
            Self::Cabinet => "cabinet",
            Self::Sofa => "sofa",
            Self::Bed => "bed",
            Self::Rug => "rug",
            Self::Door => "door",
            Self::Window => "window",
            Self::Picture => "picture",
            Self::Pillar => "pillar",
            Self::Lamp => "lamp",
            Self::Bench => "bench",
            Self::Tree => "tree",
            Self::Bush => "bush",
            Self::PlantPot => "plant pot",
            Self::Fountain => "fountain",
        }
    }
}

/// A solid shape around its own centre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Shape {
    /// A box; half extents along its own x, y and z.
    Box {
        /// Half extents, metres.
        half_m: [f32; 3],
    },
    /// A sphere.
    Sphere {
        /// Radius, metres.
        radius_m: f32,
    },
    /// An upright cylinder.
    Cylinder {
        /// Radius, metres.
        radius_m: f32,
        /// Half the height, metres.
        half_height_m: f32,
    },
}

/// One shape of an object, placed relative to the middle of the object's base.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The shape.
    pub shape: Shape,
    /// Centre of the shape in the object's frame, metres.
    pub centre_m: [f32; 3],
    /// Turn about the vertical in the object's frame, degrees; positive turns left.
    #[serde(default)]
    pub yaw_deg: f32,
    /// Its look.
    pub material: Material,
}

/// A thing with an identity. Its front faces its own `+z`; yaw turns it left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawObject")]
pub struct Object {
    /// Identity, unique in the scene; 1 or more (0 is the shell: walls, floor, ceiling, sky).
    pub id: u16,
    /// What it is.
    pub noun: Noun,
    /// The colour it is named by.
    pub colour: Colour,
    /// Middle of its base in the world, metres.
    pub position_m: [f32; 3],
    /// Heading, degrees.
    pub yaw_deg: f32,
    /// Width (own x), height, depth (own z), metres.
    pub size_m: [f32; 3],
    /// Covers the main surface in place of the flat colour (the canvas of a picture).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
    /// Its own shapes; empty: built from `noun` and `size_m`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// An object as a file spells it, before it is checked. Checking while the file is read gives errors a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Object")]
struct RawObject {
    id: u16,
    noun: Noun,
    colour: Colour,
    position_m: [f32; 3],
    #[serde(default)]
    yaw_deg: f32,
    size_m: [f32; 3],
    #[serde(default)]
    material: Option<Material>,
    #[serde(default)]
    parts: Vec<Part>,
}

impl TryFrom<RawObject> for Object {
    type Error = SceneError;

    fn try_from(raw: RawObject) -> Result<Self, SceneError> {
        let RawObject { id, noun, colour, position_m, yaw_deg, size_m, material, parts } = raw;
        let object = Self { id, noun, colour, position_m, yaw_deg, size_m, material, parts };
        object.check()?;
        Ok(object)
    }
}

impl Object {
    /// The noun, for example "plant pot".
    #[must_use]
    pub fn noun(&self) -> &'static str {
        self.noun.word()
    }

    /// The colour word, for example "red".
    #[must_use]
    pub fn colour_name(&self) -> &'static str {
        self.colour.name()
    }

    /// How people call it: "red door".
    #[must_use]
    pub fn phrase(&self) -> String {
        format!("{} {}", self.colour.name(), self.noun.word())
    }

    /// Middle of the object in the world, metres.
    #[must_use]
    pub fn centre_m(&self) -> [f32; 3] {
        let [x, y, z] = self.position_m;
        [x, y + self.size_m[1] * 0.5, z]
    }

    /// Radius of a ball around [`Self::centre_m`] that holds the object's nominal size, metres.
    #[must_use]
    pub fn bounding_radius_m(&self) -> f32 {
        let [w, h, d] = self.size_m;
        (w * w + h * h + d * d).sqrt() * 0.5
    }

    /// The shapes of the object in its own frame.
    #[must_use]
    pub fn shapes(&self) -> Vec<Part> {
        if self.parts.is_empty() { furnish::parts(self) } else { self.parts.clone() }
    }

    /// Checks all numbers of the object.
    pub(crate) fn check(&self) -> Result<(), SceneError> {
        let place = format!("object {} ({})", self.id, self.phrase());
        if self.id == 0 {
            return Err(SceneError::ObjectId {
                id: 0,
                reason: "0 is reserved for walls and floor, allowed are 1 to 65535",
            });
        }
        for value in self.position_m {
            in_range(&place, "position_m", value, [-MAX_COORDINATE_M, MAX_COORDINATE_M])?;
        }
        in_range(&place, "yaw_deg", self.yaw_deg, [-360.0, 360.0])?;
        for value in self.size_m {
            in_range(&place, "size_m", value, [MIN_SIZE_M, MAX_SIZE_M])?;
        }
        if let Some(material) = &self.material {
            material.check(&place)?;
        }
        if self.parts.len() > MAX_PARTS {
            return Err(SceneError::TooMany { what: "parts of an object", got: self.parts.len(), max: MAX_PARTS });
        }
        for part in &self.parts {
            for value in part.centre_m {
                in_range(&place, "centre_m of a part", value, [-MAX_SIZE_M, MAX_SIZE_M])?;
            }
            in_range(&place, "yaw_deg of a part", part.yaw_deg, [-360.0, 360.0])?;
            part.material.check(&place)?;
            let sizes = match part.shape {
                Shape::Box { half_m } => half_m,
                Shape::Sphere { radius_m } => [radius_m; 3],
                Shape::Cylinder { radius_m, half_height_m } => [radius_m, half_height_m, radius_m],
            };
            for value in sizes {
                in_range(&place, "size of a part", value, [MIN_SIZE_M * 0.5, MAX_SIZE_M])?;
            }
        }
        Ok(())
    }
}

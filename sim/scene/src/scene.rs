//! A checked scene, ready to be drawn and walked in.

use crate::Pose;
use crate::built::Built;
use crate::limits::{MAX_FILE_BYTES, WALKER_RADIUS_M};
use crate::object::Object;
use crate::spec::{Above, SceneFile, SceneKind, SceneSpec};
use ron::extensions::Extensions;
use ron::ser::PrettyConfig;
use std::sync::Arc;
use thiserror::Error;

/// What can be wrong with a scene from outside.
#[derive(Debug, Error)]
pub enum SceneError {
    /// The text is not a scene in RON.
    #[error("scene file, line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there and what is allowed.
        message: String,
    },
    /// The file is too large.
    #[error("scene file of {got} bytes: allowed are up to {max} bytes")]
    FileSize {
        /// Size found.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A number is not finite or out of range.
    #[error("{place}: {field} is {value}, allowed are {min} to {max}")]
    Range {
        /// Which thing.
        place: String,
        /// Which field.
        field: &'static str,
        /// The value found.
        value: f32,
        /// Smallest allowed.
        min: f32,
        /// Largest allowed.
        max: f32,
    },
    /// More of something than allowed.
    #[error("{got} {what}: allowed are up to {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Count found.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// An object id cannot be used.
    #[error("object id {id}: {reason}")]
    ObjectId {
        /// The id.
        id: u16,
        /// Why not.
        reason: &'static str,
    },
    /// A paint is neither a colour name nor `#rrggbb`.
    #[error("paint {text:?}: write \"#rrggbb\" or a colour such as \"red\", \"teal\", \"cream\" or \"light blue\"")]
    Paint {
        /// The text found.
        text: String,
    },
    /// The outline is no floor.
    #[error("outline_m {reason}")]
    Outline {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No start pose.
    #[error("starts is empty: a scene needs at least one start, for example (x_m: 0.0, z_m: 1.5, yaw_deg: 0.0)")]
    NoStart,
    /// A start pose is in a wall, in an object or outside.
    #[error("start {number} at x {x_m} m, z {z_m} m is {what}: it needs {clearance_m} m of free floor around it")]
    Start {
        /// Which start, from 1.
        number: usize,
        /// East, metres.
        x_m: f32,
        /// South, metres.
        z_m: f32,
        /// What is in the way.
        what: String,
        /// Needed free radius, metres.
        clearance_m: f32,
    },
    /// The scene could not be written as text.
    #[error("writing a scene as RON: {0}")]
    Write(#[from] ron::Error),
}

/// Checks that a value is finite and in range.
pub(crate) fn in_range(place: &str, field: &'static str, value: f32, [min, max]: [f32; 2]) -> Result<(), SceneError> {
    // A NaN fails both comparisons.
    if value >= min && value <= max {
        Ok(())
    } else {
        Err(SceneError::Range { place: place.into(), field, value, min, max })
    }
}

/// The words of the large surfaces, for captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    /// For example "teal walls".
    pub walls: String,
    /// For example "checked floor".
    pub floor: String,
}

/// A place with objects, walls and light. Always valid: it can only be made from a checked [`SceneSpec`].
#[derive(Clone, Debug)]
pub struct Scene {
    spec: SceneSpec,
    built: Arc<Built>,
}

impl PartialEq for Scene {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Scene {
    /// A scene from its parts.
    ///
    /// # Errors
    /// When a number is not finite or out of range, an id is used twice, there is too much of something, or a start pose
    /// is not on free floor.
    pub fn new(spec: SceneSpec) -> Result<Self, SceneError> {
        spec.check()?;
        let built = Built::new(&spec)?;
        for (index, start) in spec.starts.iter().enumerate() {
            let what = if !built.inside(start.x_m, start.z_m) {
                Some("outside the outline".to_owned())
            } else {
                let (distance, id) = built.nearest_obstacle(start.x_m, start.z_m, WALKER_RADIUS_M);
                (distance < WALKER_RADIUS_M).then(|| match spec.objects.iter().find(|o| o.id == id && id != 0) {
                    Some(object) => format!("too close to object {id} ({})", object.phrase()),
                    None => "too close to a wall".to_owned(),
                })
            };
            if let Some(what) = what {
                let (x_m, z_m) = (start.x_m, start.z_m);
                return Err(SceneError::Start { number: index + 1, x_m, z_m, what, clearance_m: WALKER_RADIUS_M });
            }
        }
        Ok(Self { spec, built: Arc::new(built) })
    }

    /// Reads a scene file: `Scene(...)`, or `Generated(kind: Room, seed: 7)`.
    ///
    /// # Errors
    /// With line and column when the text is no scene; otherwise as [`Scene::new`].
    pub fn from_ron(text: &str) -> Result<Self, SceneError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(SceneError::FileSize { got: text.len(), max: MAX_FILE_BYTES });
        }
        let file: SceneFile = ron_options().from_str(text).map_err(|error| SceneError::Syntax {
            line: error.span.start.line,
            column: error.span.start.col,
            message: error.code.to_string(),
        })?;
        Self::new(file.into_spec())
    }

    /// Writes the scene in full as RON; [`Scene::from_ron`] gives the same scene back.
    ///
    /// # Errors
    /// When the writer fails; it does not for a valid scene.
    pub fn to_ron(&self) -> Result<String, SceneError> {
        let pretty = PrettyConfig::new().depth_limit(2).indentor("  ");
        Ok(ron_options().to_string_pretty(&SceneFile::Scene(Box::new(self.spec.clone())), pretty)?)
    }

    /// The plain data of the scene; change a copy and call [`Scene::new`] for an edited scene.
    #[must_use]
    pub fn spec(&self) -> &SceneSpec {
        &self.spec
    }

    /// Title for menus.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What kind of place it is.
    #[must_use]
    pub fn kind(&self) -> SceneKind {
        self.spec.kind
    }

    /// The things in it, which narration names and landmarks are chosen from.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.spec.objects
    }

    /// The object with an id from [`crate::Rendered::ids`].
    #[must_use]
    pub fn object(&self, id: u16) -> Option<&Object> {
        self.spec.objects.iter().find(|object| object.id == id)
    }

    /// Where walks begin; never empty, the first is the default.
    #[must_use]
    pub fn starts(&self) -> Vec<Pose> {
        self.spec.starts.iter().map(crate::Start::pose).collect()
    }

    /// Words for walls and floor.
    #[must_use]
    pub fn theme(&self) -> Theme {
        Theme {
            walls: format!("{} walls", self.spec.walls.material.words()),
            floor: format!("{} floor", self.spec.floor.words()),
        }
    }

    /// One line that says what the place is: "a room with teal walls and a checked floor".
    #[must_use]
    pub fn caption(&self) -> String {
        let Theme { walls, floor } = self.theme();
        let article = if floor.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let sky = if self.is_outdoors() { " under the sky" } else { "" };
        format!("a {} with {walls} and {article} {floor}{sky}", self.kind().word())
    }

    /// Is there sky overhead?
    #[must_use]
    pub fn is_outdoors(&self) -> bool {
        matches!(self.spec.above, Above::Sky(_))
    }

    /// Is `(x, z)` inside the outline?
    #[must_use]
    pub fn contains(&self, x_m: f32, z_m: f32) -> bool {
        self.built.inside(x_m, z_m)
    }

    /// Distance on the floor plan from `(x, z)` to the nearest wall or obstacle, metres, at most `within_m`; negative inside.
    #[must_use]
    pub fn clearance_m(&self, x_m: f32, z_m: f32, within_m: f32) -> f32 {
        self.built.nearest_obstacle(x_m, z_m, within_m).0
    }

    pub(crate) fn built(&self) -> &Arc<Built> {
        &self.built
    }
}

fn ron_options() -> ron::Options {
    ron::Options::default()
        .with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES)
        .with_default_extension(Extensions::IMPLICIT_SOME)
}

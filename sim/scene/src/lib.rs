//! Places to walk in: scenes as data, generators, cameras and moves, and the exact view.

mod built;
mod camera;
mod colour;
mod command;
mod furnish;
mod generate;
pub mod limits;
mod material;
mod moves;
mod object;
mod render;
mod scene;
mod solid;
mod spec;
mod walk;

pub use camera::{Camera, Pose};
pub use colour::{Colour, Paint};
pub use generate::{generate, generate_any};
pub use material::{ArtStyle, Material};
pub use moves::{Move, MoveError};
pub use object::{Noun, Object, Part, Shape};
pub use render::{Rendered, Renderer, Threads};
pub use scene::{Scene, SceneError, Theme};
pub use spec::{Above, Lamp, Partition, SceneKind, SceneSpec, Sky, Start, Walls};

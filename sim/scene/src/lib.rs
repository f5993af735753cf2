//! Places to walk in: scenes as data and from seeds, cameras and moves, and the exact view of them.
//!
//! This crate knows walls, furniture, light and the walker. It knows no model, no memory and no window: it says what is
//! really there, and everything that imagines is measured against it.
//!
//! ```
//! use rhea_scene::{Camera, Move, Renderer, SceneKind, Threads, generate};
//!
//! let scene = generate(SceneKind::Room, 7);
//! let start = scene.starts()[0];
//! let wanted = start.apply(&Move::parse("turn left 15 degrees and go forward 0.5 m")?);
//! let (pose, was_clipped) = scene.clip(&start, &wanted);
//! let view = Renderer::new(&scene).render(&pose, &Camera::square(128), Threads::All);
//! assert_eq!(view.ids.len(), 128 * 128);
//! # let _ = was_clipped;
//! # Ok::<(), rhea_scene::MoveError>(())
//! ```
//!
//! Invariant: a [`Scene`] is always valid, and what is drawn of it depends on scene, pose and camera only: one seed gives
//! one scene, and any number of threads gives the same bytes.

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

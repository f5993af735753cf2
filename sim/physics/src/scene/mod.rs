//! Task scenes: what stands on a table, as data.
//!
//! z points up and the table's top is z = 0. A scene file names robots and things; [`spec`] is what it may say, [`mod@file`] reads
//! it and says where it is wrong, [`form`] turns the shape of a thing into solids.
//!
//! Invariant: a [`TaskScene`] that was loaded or generated has finite numbers in range, unique names, and supports that exist.

pub mod file;
pub mod form;
pub mod spec;

pub use file::{load_scene, parse_scene};
pub use form::{Cavity, Form, Prim, Solid};
pub use spec::{CameraSpec, RobotPlace, Table, TaskScene, Thing, Zone, ZoneRule};

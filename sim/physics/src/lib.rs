//! Robot plans that physics has to accept: tabletop scenes, arms, motion, simulation, checks with numbers.
//!
//! A scene ([`scene`]) and its robots ([`robot`]) make a [`world::World`]. Words become a [`skill::Skill`] ([`ground`]), a skill
//! becomes motion ([`motion`]), the motion is judged ([`checks`]) and carried out ([`execute`]). [`planner`] searches plans by
//! symbols alone; [`tasks`] makes scenes by seed; [`faults`] plants faults and counts what the checks find.
//!
//! Invariant: no clock, no file that was not asked for, no order of a hash map: equal inputs give equal bytes.

pub mod checks;
mod convert;
mod error;
pub mod eval;
pub mod execute;
pub mod export;
pub mod faults;
pub mod film;
pub mod grasp;
pub mod ground;
pub mod kinematics;
pub mod limits;
pub mod math;
pub mod motion;
pub mod plan;
pub mod planner;
pub mod recheck;
pub mod robot;
pub mod run;
pub mod scene;
pub mod script;
pub mod skill;
pub mod symbolic;
pub mod tasks;
pub mod view;
pub mod world;

pub use error::PhysicsError;

//! The scenes in which faults are planted: one block, bystanders, and what a kind needs.

use std::path::Path;
use std::sync::Arc;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_scene::Colour;

use crate::error::PhysicsError;
use crate::scene::form::Form;
use crate::scene::spec::{TaskScene, Thing};
use crate::world::World;
use crate::world::stage::{RobotShelf, Stage};

/// Time to come to rest before a fault is planted, seconds.
const REST_SECS: f64 = 0.3;

/// Where faults are planted.
pub(super) struct Setting<'a> {
    pub seed: u64,
    pub robots: &'a Path,
    pub shelf: &'a mut RobotShelf,
}

impl Setting<'_> {
    /// A number of the seed's; equal for all scales of a seed.
    pub fn between(&self, stream: u64, low: f64, high: f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(1000 + stream);
        low + (high - low) * f64::from(rng.next_u32()) / f64::from(u32::MAX)
    }

    /// A red block in the middle, a shelf, a bin, a bystander; the rest of the things as given.
    pub fn scene(&self, more: Vec<Thing>) -> TaskScene {
        let mut things = vec![
            self.block("red_block", Colour::Red, [self.between(1, 0.4, 0.5), self.between(2, -0.06, 0.06)]),
            Thing {
                fixed: true,
                mass_kg: 2.0,
                ..Thing::new(
                    "brown_shelf",
                    "shelf",
                    Colour::Brown,
                    Form::Shelf { size_m: [0.2, 0.24, 0.1] },
                    [0.45, 0.38],
                )
            },
            Thing {
                fixed: true,
                mass_kg: 1.0,
                ..Thing::new(
                    "grey_bin",
                    "bin",
                    Colour::Grey,
                    Form::Bin { size_m: [0.2, 0.2, 0.06], wall_m: 0.008 },
                    [0.42, -0.38],
                )
            },
            self.block("blue_block", Colour::Blue, [0.62, self.between(3, -0.05, 0.05)]),
        ];
        things.extend(more);
        TaskScene { things, ..TaskScene::with_arm(format!("fault {}", self.seed), "rhea_arm7.urdf") }
    }

    /// A block of 5 cm.
    pub fn block(&self, name: &str, colour: Colour, at_m: [f64; 2]) -> Thing {
        let mut thing = Thing::new(name, "block", colour, Form::Box { size_m: [0.05; 3] }, at_m);
        thing.friction = self.between(10, 0.5, 0.8);
        thing.mass_kg = self.between(11, 0.08, 0.3);
        thing
    }

    /// A world at rest.
    pub fn world(&mut self, scene: TaskScene) -> Result<World, PhysicsError> {
        let stage = Arc::new(Stage::new(scene, self.robots, self.shelf)?);
        let mut world = World::new(stage)?;
        world.run(REST_SECS);
        Ok(world)
    }
}

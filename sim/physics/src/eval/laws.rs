//! Simulation against laws that are known in closed form: the grip of friction, and the statics of leaning towers.
//!
//! Both have a band around the law's bound inside of which nothing is claimed: engines disagree there, and so do real blocks.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rhea_scene::Colour;
use serde::{Deserialize, Serialize};

use crate::checks::thresholds::SLIP_M;
use crate::checks::{settle, support_of};
use crate::error::PhysicsError;
use crate::math::{Pose, V3};
use crate::robot::GRAVITY;
use crate::scene::form::{Form, Prim, Solid};
use crate::scene::spec::{TaskScene, Thing};
use crate::world::World;
use crate::world::fingers::{GripTest, try_grip};
use crate::world::stage::{Contacts, RobotShelf, Stage};

/// Band around the law of friction: this share of the force needed.
pub const GRIP_BAND: f64 = 0.1;
/// Band around the law of statics: this way from the shift at which a tower falls, metres. Contacts give a little, so that the
/// tallest towers lean over up to 1.2 mm before the bound.
pub const TOWER_BAND_M: f64 = 1.5e-3;
/// Side of the cubes of grips and towers, metres.
const CUBE_M: f64 = 0.05;
/// A tower whose top came down by more than this fell, metres.
const FELL_M: f64 = 5e-3;
/// Steps after which a tower's contacts exist; a falling one has hardly begun to fall by then.
const CONTACT_STEPS: usize = 6;
/// Mass in kilograms and coefficient of friction of the grips.
const GRIPS: [(f64, f64); 6] = [(0.1, 0.3), (0.1, 0.8), (0.5, 0.5), (1.0, 0.3), (1.0, 0.9), (2.0, 0.6)];

/// Two fingers and a cube of 5 cm. It is held if `F >= m g / (2 mu)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GripCase {
    /// Mass of the cube.
    pub mass_kg: f64,
    /// Coefficient of friction.
    pub friction: f64,
    /// Force of each finger as a share of what the law asks for.
    pub force_share: f64,
}

impl GripCase {
    /// The 24 cases: six cubes at 0.6, 0.9, 1.1 and 1.5 of the force that is needed.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let shares = [0.6, 1.0 - GRIP_BAND, 1.0 + GRIP_BAND, 1.5];
        let of = |(mass_kg, friction)| shares.map(|force_share| Self { mass_kg, friction, force_share });
        GRIPS.into_iter().flat_map(of).collect()
    }

    /// Does the law say that it is held?
    #[must_use]
    pub fn law(&self) -> bool {
        self.force_share >= 1.0
    }

    /// The test with simulated fingers.
    #[must_use]
    pub fn test<'a>(&self, solids: &'a [Solid]) -> GripTest<'a> {
        GripTest {
            solids,
            tcp_from_thing: Pose::IDENTITY,
            mass_kg: self.mass_kg,
            friction: self.friction,
            force_n: self.force_share * self.mass_kg * GRAVITY / (2.0 * self.friction),
            pad_half_m: [0.01, 0.01],
            width_m: CUBE_M,
            down_in_tcp: V3(0.0, 0.0, 1.0),
            lift_mps2: 0.0,
            contacts: Contacts::Tuned,
        }
    }

    /// The cube.
    #[must_use]
    pub fn cube() -> [Solid; 1] {
        [Solid { owner_from_solid: Pose::IDENTITY, prim: Prim::Box(V3(1.0, 1.0, 1.0) * (CUBE_M / 2.0)) }]
    }

    /// Does the simulation say that it is held?
    #[must_use]
    pub fn simulated(&self) -> bool {
        try_grip(&self.test(&Self::cube())).slip_m < SLIP_M
    }
}

impl fmt::Display for GripCase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "grip of {} kg, friction {}, {} of the force", self.mass_kg, self.friction, self.force_share)
    }
}

/// A tower of equal cubes, each shifted by the same way against the one below.
///
/// It stands while the middle of all cubes above each joint is over the cube below: with n cubes of side s, while the shift is
/// at most s / n.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TowerCase {
    /// Number of cubes.
    pub cubes: usize,
    /// Shift beyond the law's bound, metres; negative stands.
    pub beyond_m: f64,
}

impl TowerCase {
    /// Towers of 2 to 7 cubes at each of some ways beyond the bound.
    #[must_use]
    pub fn at(beyond_m: &[f64]) -> Vec<Self> {
        (2..=7).flat_map(|cubes| beyond_m.iter().map(move |b| Self { cubes, beyond_m: *b })).collect()
    }

    /// The 12 cases: both ends of the band.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::at(&[-TOWER_BAND_M, TOWER_BAND_M])
    }

    /// Does the law say that it stands?
    #[must_use]
    pub fn law(&self) -> bool {
        self.beyond_m <= 0.0
    }

    /// Shift of each cube, metres.
    #[must_use]
    pub fn shift_m(&self) -> f64 {
        CUBE_M / self.cubes as f64 + self.beyond_m
    }

    /// The tower beside an arm.
    ///
    /// # Errors
    /// A robot file that cannot be read.
    pub fn world(&self, robots: &Path, shelf: &mut RobotShelf) -> Result<World, PhysicsError> {
        tower(self.cubes, self.shift_m(), robots, shelf)
    }

    /// What the simulation says: does it stand, and what is the margin of support that the checks measure at the beginning?
    ///
    /// # Errors
    /// A robot file that cannot be read.
    pub fn simulated(&self, robots: &Path, shelf: &mut RobotShelf) -> Result<(bool, f64), PhysicsError> {
        let mut world = self.world(robots, shelf)?;
        for _ in 0..CONTACT_STEPS {
            world.step();
        }
        let top = self.cubes - 1;
        let margin_m = support_of(&world, top).margin_m;
        settle(&mut world, top);
        let high = CUBE_M * (self.cubes as f64 - 0.5);
        Ok((high - world.centre(top).2 <= FELL_M, margin_m))
    }
}

impl fmt::Display for TowerCase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tower of {}, {:+} mm beyond its bound", self.cubes, self.beyond_m * 1e3)
    }
}

/// A tower of cubes of 5 cm and 100 g, each shifted against the one below.
///
/// # Errors
/// A robot file that cannot be read.
pub fn tower(cubes: usize, shift_m: f64, robots: &Path, shelf: &mut RobotShelf) -> Result<World, PhysicsError> {
    let things = (0..cubes).map(|i| Thing {
        on: i.checked_sub(1).map(|below| format!("c{below}")),
        ..Thing::new(
            format!("c{i}"),
            "block",
            Colour::Red,
            Form::Box { size_m: [CUBE_M; 3] },
            [0.4 + shift_m * i as f64, 0.2],
        )
    });
    let mut scene = TaskScene::with_arm(format!("tower of {cubes}"), "rhea_arm7.urdf");
    scene.things.extend(things);
    World::new(Arc::new(Stage::new(scene, robots, shelf)?))
}

/// How often simulation and law say the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LawFigures {
    /// Cases.
    pub cases: usize,
    /// Cases in which both say the same.
    pub agree: usize,
    /// The others.
    pub differ: Vec<String>,
}

impl LawFigures {
    fn count(&mut self, agrees: bool, case: &dyn fmt::Display) {
        self.cases += 1;
        self.agree += usize::from(agrees);
        if !agrees {
            self.differ.push(case.to_string());
        }
    }
}

/// Grips against the law of friction.
#[must_use]
pub fn grips() -> LawFigures {
    let mut figures = LawFigures::default();
    for case in GripCase::all() {
        figures.count(case.simulated() == case.law(), &case);
    }
    figures
}

/// Towers against the law of statics; the simulation and the margin of support both have to agree.
///
/// # Errors
/// A robot file that cannot be read.
pub fn towers(robots: &Path) -> Result<LawFigures, PhysicsError> {
    let mut figures = LawFigures::default();
    let mut shelf = RobotShelf::default();
    for case in TowerCase::all() {
        let (stands, margin_m) = case.simulated(robots, &mut shelf)?;
        figures.count(stands == case.law() && (margin_m > 0.0) == case.law(), &case);
    }
    Ok(figures)
}

//! Places: the lattice of floor cells and headings that views are filed under.

use std::f32::consts::TAU;

use rhea_scene::Pose;
use serde::{Deserialize, Serialize};

/// Side of a floor cell, metres: one usual step.
pub const CELL_M: f32 = 0.5;
/// Headings of a full turn: 15 degrees each, one usual turn.
pub const HEADINGS: u16 = 24;
/// Height of a band of elevation, radians (30 degrees): looking at the floor is not looking ahead.
const BAND_RAD: f32 = std::f32::consts::PI / 6.0;

/// A cell of the floor grid with a heading and a band of elevation.
///
/// Cells are centred on the multiples of their size, so that a walk on the lattice stands in the middle of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// East, in cells.
    pub x: i32,
    /// South, in cells.
    pub z: i32,
    /// 0 to 23; 0 looks along `-z`, counted to the left.
    pub heading: u16,
    /// 0 looks ahead, positive up.
    pub band: i8,
}

impl Place {
    /// The place of a pose. A number that is not finite counts as 0.
    #[must_use]
    pub fn of(pose: &Pose) -> Self {
        let [x, _, z] = pose.position_m;
        // The casts saturate, and take NaN for 0.
        let cell = |value: f32| (value / CELL_M).round() as i32;
        let turned = (pose.yaw_rad / TAU * f32::from(HEADINGS)).round();
        let heading = turned.rem_euclid(f32::from(HEADINGS)) as u16 % HEADINGS;
        Self { x: cell(x), z: cell(z), heading, band: (pose.pitch_rad / BAND_RAD).round() as i8 }
    }

    /// Is it the same floor cell, whatever the heading?
    #[must_use]
    pub fn same_floor(&self, other: &Self) -> bool {
        (self.x, self.z) == (other.x, other.z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(x: f32, z: f32, yaw_deg: f32, pitch_deg: f32) -> Place {
        let pose = Pose { position_m: [x, 1.5, z], yaw_rad: yaw_deg.to_radians(), pitch_rad: pitch_deg.to_radians() };
        Place::of(&pose)
    }

    #[test]
    fn cells_are_half_a_metre_and_fifteen_degrees() {
        assert_eq!(place(0.2, -0.2, 7.0, 10.0), Place { x: 0, z: 0, heading: 0, band: 0 });
        assert_eq!(place(0.3, -0.8, -16.0, 0.0), Place { x: 1, z: -2, heading: 23, band: 0 });
        assert_eq!(place(0.0, 0.0, 359.0, -31.0), Place { x: 0, z: 0, heading: 0, band: -1 });
        assert_eq!(place(f32::NAN, f32::INFINITY, f32::NAN, 0.0).x, 0);
    }
}

//! Moves of the walker: numbers that any command, key or script becomes.

use crate::Pose;
use crate::limits::MAX_PITCH_DEG;
use serde::{Deserialize, Serialize};
use std::f32::consts::{PI, TAU};
use thiserror::Error;

pub(crate) const ALLOWED: &str = "allowed are: go forward or back, step left or right (0 to 100 m), turn left or right, \
turn around (0 to 360 degrees), look up or down, stay; for example \"turn left 15 degrees and go forward 0.5 m\"";

/// What can be wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoveError {
    /// Nothing was said.
    #[error("the command is empty; {ALLOWED}")]
    Empty,
    /// The command is too long.
    #[error("the command has {got} bytes, allowed are up to {max}; {ALLOWED}")]
    TooLong {
        /// Length found, bytes.
        got: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// A word that is not part of a move.
    #[error("\"{word}\" is not understood; {ALLOWED}")]
    Word {
        /// The word.
        word: String,
    },
    /// A part of the command says no direction.
    #[error("\"{clause}\" does not say which way; {ALLOWED}")]
    Direction {
        /// The part of the command.
        clause: String,
    },
    /// Degrees for a way, or metres for a turn.
    #[error("\"{clause}\" takes {want}; {ALLOWED}")]
    Unit {
        /// The part of the command.
        clause: String,
        /// "metres" or "degrees".
        want: &'static str,
    },
    /// A number out of range or not finite.
    #[error("{value} in \"{clause}\" is out of range; {ALLOWED}")]
    Number {
        /// The part of the command.
        clause: String,
        /// The number as written.
        value: String,
    },
}

/// A move of the walker. First he turns and looks, then he goes, in the heading **after** the turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Move {
    /// Way ahead, metres; negative goes back.
    pub forward_m: f32,
    /// Way to the right, metres; negative goes left.
    pub right_m: f32,
    /// Turn, radians; positive turns left.
    pub turn_rad: f32,
    /// Change of elevation, radians; positive looks up.
    pub look_rad: f32,
}

impl Move {
    /// A step ahead when no number is given, metres.
    pub const STEP_M: f32 = 0.5;
    /// A turn when no number is given, degrees.
    pub const TURN_DEG: f32 = 15.0;

    /// Goes ahead; negative goes back.
    #[must_use]
    pub fn forward(forward_m: f32) -> Self {
        Self { forward_m, ..Self::default() }
    }

    /// Turns left; negative turns right.
    #[must_use]
    pub fn turn_deg(degrees: f32) -> Self {
        Self { turn_rad: degrees.to_radians(), ..Self::default() }
    }

    /// Are all four numbers finite?
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.forward_m, self.right_m, self.turn_rad, self.look_rad].iter().all(|v| v.is_finite())
    }
}

impl Pose {
    /// The pose after a move: turn and look first, then go in the new heading, level with the floor.
    ///
    /// Elevation stays within 60 degrees up or down, the heading within (-pi, pi].
    #[must_use]
    pub fn apply(&self, step: &Move) -> Self {
        let steepest = MAX_PITCH_DEG.to_radians();
        let yaw_rad = wrapped(self.yaw_rad + step.turn_rad);
        let (s, c) = yaw_rad.sin_cos();
        let [x, y, z] = self.position_m;
        Self {
            position_m: [x - s * step.forward_m + c * step.right_m, y, z - c * step.forward_m - s * step.right_m],
            yaw_rad,
            pitch_rad: (self.pitch_rad + step.look_rad).clamp(-steepest, steepest),
        }
    }
}

/// An angle brought into (-pi, pi].
pub(crate) fn wrapped(angle_rad: f32) -> f32 {
    if angle_rad > -PI && angle_rad <= PI {
        return angle_rad;
    }
    let turned = angle_rad.rem_euclid(TAU);
    if turned > PI { turned - TAU } else { turned }
}

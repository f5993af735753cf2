//! Edges: how one view lies to another, as commanded and as measured.

use std::f32::consts::{PI, TAU};

use rhea_scene::{Move, Pose};
use serde::{Deserialize, Serialize};

/// What an edge stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// The walker went from one view to the next.
    Step,
    /// The walker turned on the spot.
    Turn,
    /// A revisit that agreed with an older view.
    Loop,
}

/// The way from one pose to another on the plan, in the axes of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanMotion {
    /// Along the first pose's heading, metres.
    pub ahead_m: f32,
    /// To its right, metres.
    pub right_m: f32,
    /// To the left, radians.
    pub turn_rad: f32,
}

impl PlanMotion {
    /// The way between two poses.
    #[must_use]
    pub fn between(from: &Pose, to: &Pose) -> Self {
        let (s, c) = from.yaw_rad.sin_cos();
        let (dx, dz) = (to.position_m[0] - from.position_m[0], to.position_m[2] - from.position_m[2]);
        Self { ahead_m: -s * dx - c * dz, right_m: c * dx - s * dz, turn_rad: half_turn(to.yaw_rad - from.yaw_rad) }
    }

    /// Are all numbers finite?
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.ahead_m, self.right_m, self.turn_rad].iter().all(|v| v.is_finite())
    }
}

/// An angle brought into [-pi, pi].
pub(crate) fn half_turn(angle_rad: f32) -> f32 {
    let turned = angle_rad.rem_euclid(TAU);
    if turned > PI { turned - TAU } else { turned }
}

/// How uncertain a motion or a pose is: variances along the two axes of the plan and of the heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Of the position along each axis, m^2; 0 is exact, 0.01 is 10 cm.
    pub way_m2: f32,
    /// Of the heading, rad^2; 0 is exact, 0.0003 is one degree.
    pub turn_rad2: f32,
}

impl Spread {
    /// Nothing is uncertain: the model draws exactly where it is told.
    pub const EXACT: Self = Self { way_m2: 0.0, turn_rad2: 0.0 };
    /// A heading error moves what is this far away, metres: how headings and positions are added up.
    const LEVER_M: f32 = 2.0;

    /// The spread after a further motion.
    #[must_use]
    pub fn after(self, motion: &PlanMotion, of_motion: Self) -> Self {
        let way2 = motion.ahead_m * motion.ahead_m + motion.right_m * motion.right_m;
        Self {
            way_m2: self.way_m2 + of_motion.way_m2 + 0.5 * way2 * self.turn_rad2,
            turn_rad2: self.turn_rad2 + of_motion.turn_rad2,
        }
    }

    /// One number, m^2: the trace of the covariance, headings as the error 2 m away.
    #[must_use]
    pub fn trace_m2(self) -> f32 {
        2.0 * self.way_m2 + Self::LEVER_M * Self::LEVER_M * self.turn_rad2
    }

    pub(crate) fn is_sane(self) -> bool {
        let fine = |v: f32| v.is_finite() && v >= 0.0;
        fine(self.way_m2) && fine(self.turn_rad2)
    }
}

/// A motion between two views as it was commanded and measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Travel {
    /// What was asked for.
    pub commanded: Move,
    /// What the pictures say, with its uncertainty; `None` where the model draws exactly where it is told.
    pub measured: Option<(PlanMotion, Spread)>,
}

/// A connection of two views.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Index of the earlier view.
    pub from: u32,
    /// Index of the later view.
    pub to: u32,
    /// What it stands for.
    pub kind: EdgeKind,
    /// The command, where there was one.
    pub commanded: Option<Move>,
    /// The motion as measured; where nothing was measured, as the poses had it.
    pub motion: PlanMotion,
    /// How uncertain the motion is.
    pub spread: Spread,
}

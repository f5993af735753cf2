//! The shapes a thing can have, and the convex solids they are made of.

use serde::{Deserialize, Serialize};

use crate::error::{PhysicsError, in_range};
use crate::limits::SIZE_M;
use crate::math::{PI, Pose, Rot, V3};

/// Thickness of the board of a shelf and of its sides, metres.
const BOARD_M: f64 = 0.02;
/// Staves of the wall of a cup or bowl.
const STAVES: usize = 12;
/// Side of the knob on a lid, metres: narrow enough for every gripper.
pub const KNOB_M: f64 = 0.03;
/// How far a drawer's handle stands in front of its face, metres; room for a finger between.
const HANDLE_GAP_M: f64 = 0.045;
/// Size of a drawer's handle along the pull, across, and up, metres.
const HANDLE_M: [f64; 3] = [0.02, 0.05, 0.045];
/// Thickness of a mat, metres; it is drawn and known, but stops nothing.
pub const MAT_M: f64 = 0.001;

/// The shape of a thing. Its frame has the origin at the middle of the underside, z up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Form {
    /// A block.
    Box {
        /// Sides along x, y, z.
        size_m: [f64; 3],
    },
    /// A standing solid cylinder.
    Cylinder {
        /// Radius.
        radius_m: f64,
        /// Height.
        height_m: f64,
    },
    /// A ball.
    Ball {
        /// Radius.
        radius_m: f64,
    },
    /// A round container that is open on top: cup, mug, bowl.
    Cup {
        /// Outer radius.
        radius_m: f64,
        /// Outer height.
        height_m: f64,
        /// Thickness of wall and bottom.
        wall_m: f64,
    },
    /// A box that is open on top: bin, tray, basket.
    Bin {
        /// Outer sides.
        size_m: [f64; 3],
        /// Thickness of walls and bottom.
        wall_m: f64,
    },
    /// A board on two sides; things stand on top of it.
    Shelf {
        /// Outer sides.
        size_m: [f64; 3],
    },
    /// A cabinet with a drawer that slides out along its own -x, with a handle in front.
    Drawer {
        /// Outer sides of the cabinet.
        size_m: [f64; 3],
        /// How far the drawer slides.
        travel_m: f64,
    },
    /// A flat cover with a knob in the middle.
    Lid {
        /// Sides of the plate.
        size_m: [f64; 3],
    },
    /// A button on a base that can be pressed from above.
    Button {
        /// Radius.
        radius_m: f64,
        /// Height.
        height_m: f64,
    },
    /// A flat marked area; it stops nothing.
    Mat {
        /// Sides along x and y.
        size_m: [f64; 2],
    },
}

/// A convex solid, centred on its own frame; round ones stand along z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prim {
    /// Half sides.
    Box(V3),
    /// Half height and radius.
    Cylinder(f64, f64),
    /// Half length of the axis and radius.
    Capsule(f64, f64),
    /// Radius.
    Ball(f64),
}

/// A solid of a thing or link, in the frame of its owner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solid {
    /// Where it is.
    pub owner_from_solid: Pose,
    /// What it is.
    pub prim: Prim,
}

impl Solid {
    fn cuboid(centre: V3, sides: V3) -> Self {
        Self { owner_from_solid: Pose::at(centre), prim: Prim::Box(sides * 0.5) }
    }

    /// Volume, cubic metres.
    #[must_use]
    pub fn volume_m3(&self) -> f64 {
        match self.prim {
            Prim::Box(h) => 8.0 * h.0 * h.1 * h.2,
            Prim::Cylinder(h, r) => 2.0 * h * PI * r * r,
            Prim::Capsule(h, r) => PI * r * r * (2.0 * h + 4.0 / 3.0 * r),
            Prim::Ball(r) => 4.0 / 3.0 * PI * r * r * r,
        }
    }
}

/// The room inside a container, in the frame of the thing; its opening is the upper side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cavity {
    /// Middle of its floor.
    pub floor: V3,
    /// Half sides along x and y; for a round one the radius twice.
    pub half_m: [f64; 2],
    /// Round?
    pub round: bool,
    /// Depth from the floor to the rim.
    pub depth_m: f64,
}

impl Cavity {
    /// Is a point of the thing's frame inside? `slack_m` widens the walls and the rim.
    #[must_use]
    pub fn holds(&self, p: V3, slack_m: f64) -> bool {
        let q = p - self.floor;
        let level = q.2 >= -slack_m && q.2 <= self.depth_m + slack_m;
        let [hx, hy] = self.half_m;
        let beside = if self.round {
            (q.0 * q.0 + q.1 * q.1).sqrt() <= hx + slack_m
        } else {
            q.0.abs() <= hx + slack_m && q.1.abs() <= hy + slack_m
        };
        level && beside
    }

    /// Volume, cubic metres.
    #[must_use]
    pub fn volume_m3(&self) -> f64 {
        let [hx, hy] = self.half_m;
        let area = if self.round { PI * hx * hx } else { 4.0 * hx * hy };
        area * self.depth_m
    }
}

impl Form {
    /// Outer sides of the upright bounding box, metres. A drawer is measured closed and without its handle.
    #[must_use]
    pub fn size_m(&self) -> V3 {
        match *self {
            Self::Box { size_m } | Self::Bin { size_m, .. } | Self::Shelf { size_m } | Self::Drawer { size_m, .. } => {
                V3::of(size_m)
            }
            Self::Lid { size_m } => V3::of(size_m) + V3(0.0, 0.0, KNOB_M),
            Self::Cylinder { radius_m, height_m }
            | Self::Cup { radius_m, height_m, .. }
            | Self::Button { radius_m, height_m } => V3(2.0 * radius_m, 2.0 * radius_m, height_m),
            Self::Ball { radius_m } => V3(1.0, 1.0, 1.0) * (2.0 * radius_m),
            Self::Mat { size_m } => V3(size_m[0], size_m[1], MAT_M),
        }
    }

    /// Can a hand take it away at all?
    #[must_use]
    pub fn is_movable(&self) -> bool {
        !matches!(self, Self::Shelf { .. } | Self::Drawer { .. } | Self::Button { .. } | Self::Mat { .. })
    }

    /// Height at which things stand on top of it; `None` where nothing stands.
    #[must_use]
    pub fn top_m(&self) -> Option<f64> {
        match *self {
            Self::Box { size_m } | Self::Shelf { size_m } | Self::Drawer { size_m, .. } => Some(size_m[2]),
            Self::Cylinder { height_m, .. } => Some(height_m),
            Self::Mat { .. } => Some(0.0),
            _ => None,
        }
    }

    /// The room inside, for containers. A drawer's is measured in the frame of the drawer, not of the cabinet.
    #[must_use]
    pub fn cavity(&self) -> Option<Cavity> {
        match *self {
            Self::Cup { radius_m, height_m, wall_m } => Some(Cavity {
                floor: V3(0.0, 0.0, wall_m),
                half_m: [radius_m - wall_m; 2],
                round: true,
                depth_m: height_m - wall_m,
            }),
            Self::Bin { size_m: [x, y, z], wall_m } => Some(Cavity {
                floor: V3(0.0, 0.0, wall_m),
                half_m: [x / 2.0 - wall_m, y / 2.0 - wall_m],
                round: false,
                depth_m: z - wall_m,
            }),
            Self::Drawer { .. } => {
                let (size, wall) = self.tray()?;
                Some(Cavity {
                    floor: V3(0.0, 0.0, 0.012 + wall),
                    half_m: [size.0 / 2.0 - wall, size.1 / 2.0 - wall],
                    round: false,
                    depth_m: size.2 - wall,
                })
            }
            _ => None,
        }
    }

    /// Outer sides and wall of a drawer's sliding part.
    fn tray(&self) -> Option<(V3, f64)> {
        match *self {
            Self::Drawer { size_m: [x, y, z], .. } => Some((V3(x - 0.014, y - 0.03, z - 0.03), 0.008)),
            _ => None,
        }
    }

    /// The solids of the part that stays; empty for a mat.
    #[must_use]
    pub fn solids(&self) -> Vec<Solid> {
        let standing =
            |half, radius| Solid { owner_from_solid: Pose::at(V3(0.0, 0.0, half)), prim: Prim::Cylinder(half, radius) };
        match *self {
            Self::Box { size_m } => vec![Solid::cuboid(V3(0.0, 0.0, size_m[2] / 2.0), V3::of(size_m))],
            Self::Cylinder { radius_m, height_m } | Self::Button { radius_m, height_m } => {
                vec![standing(height_m / 2.0, radius_m)]
            }
            Self::Ball { radius_m } => {
                vec![Solid { owner_from_solid: Pose::at(V3(0.0, 0.0, radius_m)), prim: Prim::Ball(radius_m) }]
            }
            Self::Cup { radius_m, height_m, wall_m } => cup(radius_m, height_m, wall_m),
            Self::Bin { size_m, wall_m } => open_box(V3::ZERO, V3::of(size_m), wall_m),
            Self::Shelf { size_m: [x, y, z] } => vec![
                Solid::cuboid(V3(0.0, 0.0, z - BOARD_M / 2.0), V3(x, y, BOARD_M)),
                Solid::cuboid(V3(0.0, -(y - BOARD_M) / 2.0, (z - BOARD_M) / 2.0), V3(x, BOARD_M, z - BOARD_M)),
                Solid::cuboid(V3(0.0, (y - BOARD_M) / 2.0, (z - BOARD_M) / 2.0), V3(x, BOARD_M, z - BOARD_M)),
            ],
            Self::Drawer { size_m: [x, y, z], .. } => vec![
                Solid::cuboid(V3(0.0, 0.0, 0.005), V3(x, y, 0.01)),
                Solid::cuboid(V3(0.0, 0.0, z - 0.005), V3(x, y, 0.01)),
                Solid::cuboid(V3(0.0, -(y - 0.01) / 2.0, z / 2.0), V3(x, 0.01, z - 0.02)),
                Solid::cuboid(V3(0.0, (y - 0.01) / 2.0, z / 2.0), V3(x, 0.01, z - 0.02)),
                Solid::cuboid(V3(x / 2.0 - 0.003, 0.0, z / 2.0), V3(0.006, y - 0.02, z - 0.02)),
            ],
            Self::Lid { size_m: [x, y, z] } => vec![
                Solid::cuboid(V3(0.0, 0.0, z / 2.0), V3(x, y, z)),
                Solid::cuboid(V3(0.0, 0.0, z + KNOB_M / 2.0), V3(KNOB_M, KNOB_M, KNOB_M)),
            ],
            Self::Mat { .. } => Vec::new(),
        }
    }

    /// The solids of a drawer's sliding part, closed, in the frame of the cabinet; empty for everything else.
    #[must_use]
    pub fn sliding_solids(&self) -> Vec<Solid> {
        let (Some((size, wall)), Some(handle)) = (self.tray(), self.handle()) else { return Vec::new() };
        let mut solids = open_box(V3(-0.004, 0.0, 0.012), size, wall);
        let face_x = -0.004 - size.0 / 2.0;
        let reach = face_x - handle.0;
        solids.push(Solid::cuboid(
            V3(face_x - reach / 2.0, 0.0, handle.2 - HANDLE_M[2] / 2.0 + 0.005),
            V3(reach, 0.02, 0.01),
        ));
        solids.push(Solid::cuboid(handle, V3::of(HANDLE_M)));
        solids
    }

    /// Middle of a closed drawer's handle in the frame of the cabinet.
    #[must_use]
    pub fn handle(&self) -> Option<V3> {
        match *self {
            Self::Drawer { size_m: [x, _, z], .. } => Some(V3(-x / 2.0 - HANDLE_GAP_M, 0.0, z / 2.0)),
            _ => None,
        }
    }

    /// Sides of a drawer's handle.
    #[must_use]
    pub const fn handle_size() -> V3 {
        V3::of(HANDLE_M)
    }

    /// Checks sizes.
    pub(crate) fn check(&self, place: &str) -> Result<(), PhysicsError> {
        let all = |sides: &[f64]| sides.iter().try_for_each(|s| in_range(place, "size", *s, SIZE_M));
        match *self {
            Self::Box { size_m } | Self::Lid { size_m } => all(&size_m),
            Self::Shelf { size_m } => {
                all(&size_m)?;
                in_range(place, "height of the shelf", size_m[2], [2.0 * BOARD_M, SIZE_M[1]])
            }
            Self::Mat { size_m } => all(&size_m),
            Self::Ball { radius_m } => all(&[radius_m]),
            Self::Cylinder { radius_m, height_m } | Self::Button { radius_m, height_m } => all(&[radius_m, height_m]),
            Self::Cup { radius_m, height_m, wall_m } => {
                all(&[radius_m, height_m])?;
                in_range(place, "wall_m", wall_m, [0.002, radius_m.min(height_m) / 2.0])
            }
            Self::Bin { size_m, wall_m } => {
                all(&size_m)?;
                in_range(place, "wall_m", wall_m, [0.002, size_m[0].min(size_m[1]).min(size_m[2]) / 3.0])
            }
            Self::Drawer { size_m, travel_m } => {
                in_range(place, "depth of the drawer", size_m[0], [0.08, SIZE_M[1]])?;
                in_range(place, "width of the drawer", size_m[1], [0.08, SIZE_M[1]])?;
                in_range(place, "height of the drawer", size_m[2], [0.06, SIZE_M[1]])?;
                in_range(place, "travel_m", travel_m, [0.02, size_m[0]])
            }
        }
    }
}

/// A box without a top, standing on `base`.
fn open_box(base: V3, size: V3, wall: f64) -> Vec<Solid> {
    let V3(x, y, z) = size;
    let side = z - wall;
    let middle = wall + side / 2.0;
    [
        (V3(0.0, 0.0, wall / 2.0), V3(x, y, wall)),
        (V3((x - wall) / 2.0, 0.0, middle), V3(wall, y, side)),
        (V3((wall - x) / 2.0, 0.0, middle), V3(wall, y, side)),
        (V3(0.0, (y - wall) / 2.0, middle), V3(x - 2.0 * wall, wall, side)),
        (V3(0.0, (wall - y) / 2.0, middle), V3(x - 2.0 * wall, wall, side)),
    ]
    .map(|(centre, sides)| Solid::cuboid(base + centre, sides))
    .to_vec()
}

/// A round cup: a bottom and a ring of staves.
fn cup(radius: f64, height: f64, wall: f64) -> Vec<Solid> {
    let mut solids =
        vec![Solid { owner_from_solid: Pose::at(V3(0.0, 0.0, wall / 2.0)), prim: Prim::Cylinder(wall / 2.0, radius) }];
    let width = 2.0 * radius * libm::tan(PI / STAVES as f64);
    for i in 0..STAVES {
        let turn = Rot::yaw(2.0 * PI * i as f64 / STAVES as f64);
        let centre = turn.turn(V3(radius - wall / 2.0, 0.0, (height + wall) / 2.0));
        let half = V3(wall / 2.0, width / 2.0, (height - wall) / 2.0);
        solids.push(Solid { owner_from_solid: Pose::new(centre, turn), prim: Prim::Box(half) });
    }
    solids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_hold_what_is_between_their_walls() {
        let bin = Form::Bin { size_m: [0.2, 0.3, 0.1], wall_m: 0.01 };
        let cavity = bin.cavity().unwrap_or(Cavity { floor: V3::ZERO, half_m: [0.0; 2], round: false, depth_m: 0.0 });
        assert!(cavity.holds(V3(0.08, 0.13, 0.05), 0.0));
        assert!(!cavity.holds(V3(0.095, 0.0, 0.05), 0.0) && !cavity.holds(V3(0.0, 0.0, 0.12), 0.0));
        assert!((cavity.volume_m3() - 0.18 * 0.28 * 0.09).abs() < 1e-12);
    }

    #[test]
    fn a_closed_drawer_stays_inside_its_cabinet_except_for_the_handle() {
        let drawer = Form::Drawer { size_m: [0.24, 0.3, 0.1], travel_m: 0.15 };
        let solids = drawer.sliding_solids();
        for solid in &solids[..5] {
            let Prim::Box(half) = solid.prim else { panic!("{solid:?}") };
            let centre = solid.owner_from_solid.p;
            assert!(centre.0.abs() + half.0 <= 0.12 && centre.1.abs() + half.1 <= 0.15 && centre.2 + half.2 <= 0.1);
        }
        assert!(drawer.handle().is_some_and(|h| h.0 < -0.12));
    }
}

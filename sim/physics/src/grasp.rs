//! Where a hand can take a thing: candidates from above, and the exact geometry of one.

use rapier3d::parry::query::Ray;

use crate::checks::thresholds::SPARE_WIDTH_M;
use crate::convert;
use crate::math::{PI, Pose, Rot, V3};
use crate::robot::Gripper;
use crate::scene::form::{Form, KNOB_M, Solid};
use crate::world::stage::looking_down;

/// Room that each finger gets beside the thing before it closes, metres.
pub const APPROACH_GAP_M: f64 = 0.008;
/// How deep fingers reach over a thing's upper edge, metres.
const REACH_DOWN_M: f64 = 0.04;
/// How deep they reach over the rim of a container, metres.
const RIM_M: f64 = 0.025;
/// Distance that finger tips keep from what the thing stands on, metres.
const TIP_GAP_M: f64 = 0.012;

/// A way to hold a thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grasp {
    /// Where the tool is, relative to the thing.
    pub thing_from_tcp: Pose,
    /// Distance between the pads when closed.
    pub width_m: f64,
}

impl Grasp {
    /// Distance between the pads while approaching.
    #[must_use]
    pub fn open_m(&self, gripper: &Gripper) -> f64 {
        (self.width_m + 2.0 * APPROACH_GAP_M).min(gripper.max_opening_m)
    }
}

/// Grasps from above, best first, of a thing that stands upright. Widths are not checked here.
#[must_use]
pub fn candidates(form: &Form, gripper: &Gripper) -> Vec<Grasp> {
    let size = form.size_m();
    let lowest = gripper.tip_beyond_tcp_m + TIP_GAP_M;
    let height =
        |top: f64, reach: f64| (top - reach).max(lowest).min((top - 0.008).max(top / 2.0)).max(top / 2.0 - 0.5 * reach);
    let at = |p: V3, yaw: f64, width_m: f64| Grasp { thing_from_tcp: looking_down(p, yaw), width_m };
    let mut list = Vec::new();
    match *form {
        Form::Box { .. } => {
            let z = height(size.2, REACH_DOWN_M).max((size.2 / 2.0).min(lowest));
            // Fingers close along y at yaw 0 and along x at a quarter turn.
            for (yaw, width) in [(0.0, size.1), (PI / 2.0, size.0), (PI, size.1), (-PI / 2.0, size.0)] {
                list.push(at(V3(0.0, 0.0, z), yaw, width));
            }
            list.sort_by(|a, b| a.width_m.total_cmp(&b.width_m));
        }
        Form::Cylinder { radius_m, height_m } => {
            let z = height(height_m, REACH_DOWN_M);
            list.extend((0..8).map(|i| at(V3(0.0, 0.0, z), f64::from(i) * PI / 4.0, 2.0 * radius_m)));
        }
        Form::Ball { radius_m } => {
            list.extend((0..8).map(|i| at(V3(0.0, 0.0, radius_m), f64::from(i) * PI / 4.0, 2.0 * radius_m)));
        }
        Form::Cup { radius_m, height_m, wall_m } => {
            if 2.0 * radius_m + SPARE_WIDTH_M <= gripper.max_opening_m {
                // The wall has twelve flat staves; pads meet them in their middles.
                let z = height(height_m, REACH_DOWN_M);
                list.extend((0..12).map(|i| at(V3(0.0, 0.0, z), f64::from(i) * PI / 6.0, 2.0 * radius_m)));
            } else {
                // At the rim, one finger inside.
                for i in 0..12 {
                    let turn = Rot::yaw(f64::from(i) * PI / 6.0);
                    let p = turn.turn(V3(radius_m - wall_m / 2.0, 0.0, (height_m - RIM_M).max(height_m / 2.0)));
                    list.push(at(p, f64::from(i) * PI / 6.0 + PI / 2.0, wall_m));
                }
            }
        }
        Form::Bin { size_m: [x, y, z], wall_m } => {
            let top = (z - RIM_M).max(z / 2.0);
            for (p, yaw) in [
                (V3(-(x - wall_m) / 2.0, 0.0, top), PI / 2.0),
                (V3((x - wall_m) / 2.0, 0.0, top), PI / 2.0),
                (V3(0.0, (y - wall_m) / 2.0, top), 0.0),
                (V3(0.0, -(y - wall_m) / 2.0, top), 0.0),
            ] {
                list.push(at(p, yaw, wall_m));
                list.push(at(p, yaw + PI, wall_m));
            }
        }
        Form::Lid { size_m } => {
            let z = size_m[2] + KNOB_M * 0.6;
            list.extend((0..4).map(|i| at(V3(0.0, 0.0, z), f64::from(i) * PI / 2.0, KNOB_M)));
        }
        Form::Shelf { .. } | Form::Drawer { .. } | Form::Button { .. } | Form::Mat { .. } => {}
    }
    list
}

/// How a drawer's handle is held, relative to its cabinet when shut.
#[must_use]
pub fn handle_grasps(form: &Form) -> Vec<Grasp> {
    let Some(handle) = form.handle() else { return Vec::new() };
    [PI / 2.0, -PI / 2.0]
        .map(|yaw| Grasp {
            thing_from_tcp: looking_down(handle + V3(0.0, 0.0, 0.004), yaw),
            width_m: Form::handle_size().0,
        })
        .to_vec()
}

/// What the pads meet when they close.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PadContact {
    /// Distance between the two surfaces along the closing axis, metres.
    pub width_m: f64,
    /// Larger angle between a surface's normal and the closing axis, radians.
    pub angle_rad: f64,
    /// Height over which both pads meet the thing, metres.
    pub overlap_m: f64,
    /// How far the surfaces' middle is from the tool point along the closing axis, metres.
    pub off_m: f64,
}

/// Casts rays from both pads along the closing axis, at heights over the whole pads; `None` if one of the pads meets nothing.
#[must_use]
pub fn pad_contact(solids: &[Solid], thing_from_tcp: Pose, opening_m: f64, pad_half_m: [f64; 2]) -> Option<PadContact> {
    const ROWS: i32 = 10;
    let shapes: Vec<_> = solids
        .iter()
        .map(|s| {
            let (local, shape) = convert::shape(s);
            (convert::pose(local), shape)
        })
        .collect();
    let axis = thing_from_tcp.r.turn(V3(0.0, 1.0, 0.0));
    let cast = |from: V3, along: V3| {
        let ray = Ray::new(convert::vector(from), convert::vector(along));
        let hits = shapes
            .iter()
            .filter_map(|(pose, shape)| shape.cast_ray_and_get_normal(pose, &ray, opening_m as f32, false));
        hits.min_by(|a, b| a.time_of_impact.total_cmp(&b.time_of_impact))
            .filter(|h| h.time_of_impact > 0.0)
            .map(|h| (f64::from(h.time_of_impact), convert::from_vector(h.normal)))
    };
    let mut rows = 0;
    let mut found: Option<PadContact> = None;
    for row in 0..=ROWS {
        let z = pad_half_m[1] * (f64::from(row) / f64::from(ROWS) * 2.0 - 1.0);
        let middle = thing_from_tcp.point(V3(0.0, 0.0, z));
        let half = opening_m / 2.0;
        let (Some(a), Some(b)) = (cast(middle + axis * half, -axis), cast(middle - axis * half, axis)) else {
            continue;
        };
        let angle = |normal: V3, outward: V3| libm::acos(normal.dot(outward).clamp(-1.0, 1.0));
        let contact = PadContact {
            width_m: opening_m - a.0 - b.0,
            angle_rad: angle(a.1, axis).max(angle(b.1, -axis)),
            overlap_m: 0.0,
            off_m: (b.0 - a.0) / 2.0,
        };
        rows += 1;
        // The widest row is where parallel pads meet the thing.
        if found.is_none_or(|f| contact.width_m > f.width_m + 1e-6) {
            found = Some(contact);
        }
    }
    found.map(|f| PadContact { overlap_m: f64::from(rows) / f64::from(ROWS + 1) * 2.0 * pad_half_m[1], ..f })
}

//! A camera that goes round a point.

use rhea_physics::math::V3;
use rhea_physics::scene::CameraSpec;

/// Nearest and farthest distance, metres.
const DISTANCE_M: [f64; 2] = [0.25, 4.0];
/// Lowest and highest elevation, radians: above the table's edge, not quite from the top.
const ELEVATION_RAD: [f64; 2] = [0.05, 1.5];
/// Turn for a drag of one point, radians.
const TURN_RAD: f64 = 0.008;
/// Factor of the distance for a scroll of one point.
const ZOOM: f64 = 0.997;

/// Where the camera is relative to what it looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orbit {
    centre: V3,
    azimuth_rad: f64,
    elevation_rad: f64,
    distance_m: f64,
    fov_deg: f64,
}

impl Orbit {
    /// Where a scene's camera stands, as near as the limits allow.
    #[must_use]
    pub fn from_camera(camera: &CameraSpec) -> Self {
        let centre = V3::of(camera.at_m);
        let way = V3::of(camera.eye_m) - centre;
        let flat = (way.0 * way.0 + way.1 * way.1).sqrt();
        Self {
            centre,
            azimuth_rad: way.1.atan2(way.0),
            elevation_rad: way.2.atan2(flat).clamp(ELEVATION_RAD[0], ELEVATION_RAD[1]),
            distance_m: way.norm().clamp(DISTANCE_M[0], DISTANCE_M[1]),
            fov_deg: camera.fov_deg,
        }
    }

    /// Drags the scene by points of the screen.
    pub fn drag(&mut self, right: f32, down: f32) {
        self.azimuth_rad -= f64::from(right) * TURN_RAD;
        let elevation = self.elevation_rad + f64::from(down) * TURN_RAD;
        self.elevation_rad = elevation.clamp(ELEVATION_RAD[0], ELEVATION_RAD[1]);
    }

    /// Scrolls nearer (positive) or farther.
    pub fn zoom(&mut self, scroll: f32) {
        let distance = self.distance_m * ZOOM.powf(f64::from(scroll));
        self.distance_m = distance.clamp(DISTANCE_M[0], DISTANCE_M[1]);
    }

    /// The camera.
    #[must_use]
    pub fn camera(&self) -> CameraSpec {
        let (flat, up) = (self.elevation_rad.cos() * self.distance_m, self.elevation_rad.sin() * self.distance_m);
        let eye = self.centre + V3(self.azimuth_rad.cos() * flat, self.azimuth_rad.sin() * flat, up);
        CameraSpec { name: "orbit".to_owned(), eye_m: eye.array(), at_m: self.centre.array(), fov_deg: self.fov_deg }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> CameraSpec {
        CameraSpec { name: "front".to_owned(), eye_m: [1.3, 0.2, 0.8], at_m: [0.4, 0.0, 0.1], fov_deg: 50.0 }
    }

    #[test]
    fn it_begins_where_the_camera_stands_and_a_full_turn_comes_back() {
        let mut orbit = Orbit::from_camera(&camera());
        let at = |orbit: &Orbit| V3::of(orbit.camera().eye_m);
        assert!(at(&orbit).distance(V3(1.3, 0.2, 0.8)) < 1e-12);
        let turns = (std::f64::consts::TAU / TURN_RAD) as f32;
        orbit.drag(turns, 0.0);
        assert!(at(&orbit).distance(V3(1.3, 0.2, 0.8)) < 1e-3);
        orbit.drag(turns / 2.0, 0.0);
        assert!((at(&orbit).0 - (0.8 - 1.3)).abs() < 1e-3, "half a turn is the other side");
    }

    #[test]
    fn no_drag_or_scroll_leaves_the_limits() {
        let mut orbit = Orbit::from_camera(&camera());
        orbit.drag(0.0, 1e6);
        assert!(orbit.camera().eye_m[2] > 0.1);
        orbit.drag(0.0, -1e6);
        assert!(orbit.camera().eye_m[2] > 0.1, "never below the table");
        orbit.zoom(1e6);
        orbit.zoom(-1e6);
        assert!((V3::of(orbit.camera().eye_m) - V3(0.4, 0.0, 0.1)).norm() <= DISTANCE_M[1] + 1e-9);
    }
}

//! The sky: a gradient with haze around the sun, soft clouds and a line of hills.

use super::light::Sun;
use crate::spec::Sky;
use parry3d::math::Vec3;

/// Cloud lumps: direction on the circle (x, z), height, half width, half height.
const CLOUDS: [[f32; 5]; 14] = [
    [0.80, -0.60, 0.30, 0.26, 0.050],
    [0.92, -0.40, 0.33, 0.20, 0.060],
    [0.66, -0.75, 0.33, 0.17, 0.050],
    [-0.50, -0.87, 0.46, 0.26, 0.050],
    [-0.36, -0.93, 0.50, 0.20, 0.060],
    [-0.96, 0.28, 0.27, 0.28, 0.045],
    [-0.99, 0.10, 0.30, 0.20, 0.060],
    [-0.88, 0.47, 0.30, 0.16, 0.050],
    [0.20, 0.98, 0.36, 0.27, 0.050],
    [0.36, 0.93, 0.40, 0.20, 0.060],
    [0.97, 0.24, 0.52, 0.25, 0.050],
    [0.90, 0.44, 0.55, 0.18, 0.055],
    [-0.60, 0.80, 0.56, 0.22, 0.045],
    [-0.10, -0.99, 0.24, 0.22, 0.040],
];

/// The sky with its colours in linear light.
pub(super) struct Dome {
    zenith: Vec3,
    pub(super) horizon: Vec3,
    hills: Option<Vec3>,
    clouds: bool,
}

impl Dome {
    pub(super) fn new(sky: &Sky) -> Self {
        Self {
            zenith: sky.zenith.linear(),
            horizon: sky.horizon.linear(),
            hills: sky.hills.map(crate::Paint::linear),
            clouds: sky.clouds,
        }
    }

    /// Colour towards a unit direction, linear light.
    pub(super) fn colour(&self, dir: Vec3, sun: Option<&Sun>) -> Vec3 {
        let up = dir.y.max(0.0);
        let mut colour = self.horizon.lerp(self.zenith, (up * (2.0 - up)).sqrt().min(1.0));
        if let Some(sun) = sun {
            let near = dir.dot(sun.dir).max(0.0);
            let glow = near * near * near * near;
            colour += sun.colour * (0.14 * glow * glow + 0.05 * near * near);
        }
        let flat = (dir.x * dir.x + dir.z * dir.z).sqrt().max(1e-4);
        let (x, z) = (dir.x / flat, dir.z / flat);
        if self.clouds && up > 0.15 {
            let mut clear = 1.0;
            for [cx, cz, height, half_width, half_height] in CLOUDS {
                let (a, b) = ((x - cx) * (x - cx) + (z - cz) * (z - cz), dir.y - height);
                let inside = 1.0 - a / (half_width * half_width) - b * b / (half_height * half_height);
                if inside > 0.0 {
                    clear *= 1.0 - (inside * 2.2).min(1.0) * 0.75;
                }
            }
            colour = colour.lerp(Vec3::splat(0.98), 1.0 - clear);
        }
        if let Some(hills) = self.hills {
            // Sums of the first harmonics around the horizon, as polynomials of the direction.
            let (c2, s2) = (x * x - z * z, 2.0 * x * z);
            let (c3, s3) = (c2 * x - s2 * z, s2 * x + c2 * z);
            let (c5, s5) = (c3 * c2 - s3 * s2, s3 * c2 + c3 * s2);
            let ridge = |h: f32| ((h - dir.y / flat) / 0.012 + 0.5).clamp(0.0, 1.0);
            let far = 0.075 + 0.022 * c3 + 0.018 * s5 - 0.02 * x;
            let near = 0.042 - 0.018 * s3 + 0.014 * c5 + 0.012 * c2;
            colour = colour.lerp(hills.lerp(self.horizon, 0.55), ridge(far));
            colour = colour.lerp(hills.lerp(self.horizon, 0.2), ridge(near));
        }
        colour
    }
}

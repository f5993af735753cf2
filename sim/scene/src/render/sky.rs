//! The sky: a gradient with haze around the sun, soft clouds and a line of hills.

use super::light::Sun;
use crate::spec::Sky;
use parry3d::math::Vec3;

/// Clouds: height of the flat base, and lumps as direction on the circle (x, z), height, radius. On the unit sphere.
const CLOUDS: [(f32, [[f32; 4]; 4]); 8] = [
    (
        0.29,
        [
            [0.682, -0.731, 0.3, 0.075],
            [0.76, -0.649, 0.33, 0.105],
            [0.839, -0.545, 0.315, 0.09],
            [0.891, -0.454, 0.3, 0.06],
        ],
    ),
    (
        0.392,
        [
            [-0.576, -0.817, 0.4, 0.06],
            [-0.5, -0.866, 0.424, 0.084],
            [-0.407, -0.914, 0.412, 0.072],
            [-0.329, -0.944, 0.4, 0.048],
        ],
    ),
    (
        0.239,
        [
            [-0.907, 0.421, 0.25, 0.083],
            [-0.952, 0.305, 0.283, 0.116],
            [-0.986, 0.165, 0.267, 0.099],
            [-0.999, 0.051, 0.25, 0.066],
        ],
    ),
    (
        0.331,
        [
            [0.392, 0.92, 0.34, 0.068],
            [0.297, 0.955, 0.367, 0.095],
            [0.182, 0.983, 0.354, 0.081],
            [0.089, 0.996, 0.34, 0.054],
        ],
    ),
    (
        0.512,
        [
            [0.982, 0.187, 0.52, 0.06],
            [0.961, 0.276, 0.544, 0.084],
            [0.927, 0.375, 0.532, 0.072],
            [0.893, 0.451, 0.52, 0.048],
        ],
    ),
    (
        0.543,
        [
            [-0.473, 0.881, 0.55, 0.056],
            [-0.546, 0.837, 0.573, 0.079],
            [-0.626, 0.78, 0.561, 0.068],
            [-0.685, 0.728, 0.55, 0.045],
        ],
    ),
    (
        0.214,
        [
            [0.045, -0.999, 0.22, 0.045],
            [0.113, -0.994, 0.238, 0.063],
            [0.191, -0.982, 0.229, 0.054],
            [0.252, -0.968, 0.22, 0.036],
        ],
    ),
    (
        0.493,
        [
            [-0.988, -0.151, 0.5, 0.052],
            [-0.973, -0.229, 0.521, 0.073],
            [-0.948, -0.317, 0.51, 0.063],
            [-0.923, -0.386, 0.5, 0.042],
        ],
    ),
];
/// Width of the soft rim of a cloud.
const RIM: f32 = 0.02;

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
            for (base, lumps) in &CLOUDS {
                if dir.y < base - RIM || dir.y > base + 0.2 {
                    continue;
                }
                // Distance to the union of the lumps, cut flat below.
                let gap = lumps.iter().fold(1.0_f32, |gap, [cx, cz, height, radius]| {
                    let d = Vec3::new((x - cx) * flat, dir.y - height, (z - cz) * flat);
                    gap.min(d.length() - radius)
                });
                let inside = (0.5 - gap.max(base - dir.y) / RIM).clamp(0.0, 1.0);
                let shade = (0.84 + 1.3 * (dir.y - base)).min(0.97);
                colour = colour.lerp(Vec3::new(shade, shade, shade * 0.3 + 0.69), inside * 0.92);
            }
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

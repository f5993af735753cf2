//! Where the walker stands and how the view is projected.
//!
//! Right-handed world, `y` up, the floor is the plane `y = 0`, metres and radians. At yaw 0 the walker looks along `-z`;
//! a positive yaw turns left (counter-clockwise seen from above); a positive pitch looks up.

use serde::{Deserialize, Serialize};

/// Position and orientation of the walker's eye in the world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Eye position in the world, metres.
    pub position_m: [f32; 3],
    /// Heading, radians; 0 looks along `-z`, positive turns left.
    pub yaw_rad: f32,
    /// Elevation, radians; positive looks up.
    pub pitch_rad: f32,
}

impl Pose {
    /// Unit vector to the right of the view.
    #[must_use]
    pub fn right(&self) -> [f32; 3] {
        let (s, c) = self.yaw_rad.sin_cos();
        [c, 0.0, -s]
    }

    /// Unit vector along the view.
    #[must_use]
    pub fn forward(&self) -> [f32; 3] {
        let (s, c) = self.yaw_rad.sin_cos();
        let (sp, cp) = self.pitch_rad.sin_cos();
        [-s * cp, sp, -c * cp]
    }

    /// Unit vector up in the picture.
    #[must_use]
    pub fn up(&self) -> [f32; 3] {
        let (s, c) = self.yaw_rad.sin_cos();
        let (sp, cp) = self.pitch_rad.sin_cos();
        [s * sp, cp, c * sp]
    }
}

/// A pinhole camera with square pixels and the principal point in the middle.
///
/// Pixel `(x, y)` has its centre at `(x + 0.5, y + 0.5)`; `y` grows downwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Horizontal field of view, radians.
    pub fov_x_rad: f32,
}

impl Camera {
    /// Horizontal field of view of the shipped model's views, radians (80 degrees).
    pub const FOV_X_RAD: f32 = 80.0 * std::f32::consts::PI / 180.0;

    /// A square camera with the field of view of the shipped model.
    #[must_use]
    pub fn square(side_px: usize) -> Self {
        Self { width: side_px, height: side_px, fov_x_rad: Self::FOV_X_RAD }
    }

    /// Focal length in pixels.
    #[must_use]
    pub fn focal_px(&self) -> f32 {
        self.width as f32 * 0.5 / (self.fov_x_rad * 0.5).tan()
    }
}

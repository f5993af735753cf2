//! From one camera to another: the map between the pixels of a source view and those of the target view.
//!
//! Everything works on inverse depth, because inverse depth is affine over the picture of a plane: interpolating it linearly
//! is exact on walls and floors. An inverse depth of zero is the sky, which a change of position does not move.

use rhea_picture::FARTHEST_M;
use rhea_scene::{Camera, Pose};

/// Eyes nearer to each other than this are at the same place, metres. At the nearest depth of 0.1 m this shifts a pixel of
/// the shipped model by less than 0.1 px.
const SAME_PLACE_M: f32 = 1e-4;

/// Smallest forward component of a projected direction.
pub(crate) const MIN_FORWARD: f32 = 1e-3;

/// Depths from here on count as sky, metres: a drawn sky is not exactly at [`FARTHEST_M`], and a step of 1 m shifts what is so
/// far away by one pixel of the shipped model.
pub(crate) const SKY_FROM_M: f32 = FARTHEST_M * 0.75;

/// Inverse depth of a stored depth; the sky has zero.
pub(crate) fn inverse_depth(depth_m: f32) -> f32 {
    if depth_m >= SKY_FROM_M { 0.0 } else { 1.0 / depth_m }
}

/// Focal length and centre of a picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lens {
    pub width: usize,
    pub height: usize,
    pub focal_px: f32,
    /// `1 / focal_px`.
    pub per_focal: f32,
    pub centre_x_px: f32,
    pub centre_y_px: f32,
}

impl Lens {
    /// The lens of a `width * height` picture taken with the field of view of `camera`.
    pub fn new(camera: &Camera, width: usize, height: usize) -> Self {
        let focal_px = Camera { width, height, fov_x_rad: camera.fov_x_rad }.focal_px();
        Self {
            width,
            height,
            focal_px,
            per_focal: 1.0 / focal_px,
            centre_x_px: width as f32 * 0.5,
            centre_y_px: height as f32 * 0.5,
        }
    }

    /// Ray `(right, up, 1)` through a point of the picture.
    #[inline(always)]
    pub fn ray(&self, x_px: f32, y_px: f32) -> [f32; 2] {
        [(x_px - self.centre_x_px) * self.per_focal, (self.centre_y_px - y_px) * self.per_focal]
    }

    /// Point of the picture that a direction `(right, up, forward)` goes through; `forward` must not be zero.
    #[inline(always)]
    pub fn point(&self, direction: [f32; 3]) -> [f32; 2] {
        let scale = self.focal_px / direction[2];
        [self.centre_x_px + direction[0] * scale, self.centre_y_px - direction[1] * scale]
    }
}

/// How much a source view has to be moved to become the target view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    /// Same pose and same size: the pictures are the same.
    Identity,
    /// Same place, other direction: depth does not matter.
    Turn,
    /// Another place.
    Move,
}

/// The rigid motion from a source view into the target view, with both lenses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub motion: Motion,
    pub source: Lens,
    pub target: Lens,
    /// `rotation[r][c]`: source axis `c` along target axis `r`; axes are right, up, forward.
    pub rotation: [[f32; 3]; 3],
    /// Source eye in target axes, metres.
    pub offset_m: [f32; 3],
}

impl Placement {
    pub fn new(source: Lens, source_pose: &Pose, target: Lens, target_pose: &Pose) -> Self {
        let same_direction =
            source_pose.yaw_rad == target_pose.yaw_rad && source_pose.pitch_rad == target_pose.pitch_rad;
        let source_axes = [source_pose.right(), source_pose.up(), source_pose.forward()];
        let target_axes = [target_pose.right(), target_pose.up(), target_pose.forward()];
        let mut rotation = [[0.0; 3]; 3];
        for (r, row) in rotation.iter_mut().enumerate() {
            for (c, cell) in row.iter_mut().enumerate() {
                *cell = if same_direction { f32::from(r == c) } else { dot(target_axes[r], source_axes[c]) };
            }
        }
        let between: [f32; 3] = std::array::from_fn(|k| source_pose.position_m[k] - target_pose.position_m[k]);
        let mut offset_m = target_axes.map(|axis| dot(axis, between));
        let motion = if dot(between, between) > SAME_PLACE_M * SAME_PLACE_M {
            Motion::Move
        } else {
            offset_m = [0.0; 3];
            if same_direction && source == target { Motion::Identity } else { Motion::Turn }
        };
        Self { motion, source, target, rotation, offset_m }
    }

    /// Target direction, in units of the source depth, of what the source sees along `ray` at `inverse_depth`.
    #[inline(always)]
    pub fn towards_target(&self, ray: [f32; 2], inverse_depth: f32) -> [f32; 3] {
        let ([m0, m1, m2], t) = (&self.rotation, &self.offset_m);
        [
            m0[0] * ray[0] + m0[1] * ray[1] + m0[2] + t[0] * inverse_depth,
            m1[0] * ray[0] + m1[1] * ray[1] + m1[2] + t[1] * inverse_depth,
            m2[0] * ray[0] + m2[1] * ray[1] + m2[2] + t[2] * inverse_depth,
        ]
    }

    /// Source direction, in units of the target depth, of what the target sees along `ray` at `inverse_depth`.
    #[inline(always)]
    pub fn towards_source(&self, ray: [f32; 2], inverse_depth: f32) -> [f32; 3] {
        let ([m0, m1, m2], t) = (&self.rotation, &self.offset_m);
        let right = ray[0] - t[0] * inverse_depth;
        let up = ray[1] - t[1] * inverse_depth;
        let forward = 1.0 - t[2] * inverse_depth;
        [
            m0[0] * right + m1[0] * up + m2[0] * forward,
            m0[1] * right + m1[1] * up + m2[1] * forward,
            m0[2] * right + m1[2] * up + m2[2] * forward,
        ]
    }
}

pub(crate) fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

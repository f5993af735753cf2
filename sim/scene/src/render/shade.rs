//! From a point on a surface to its colour: ambient light, lamps or sun, nooks, haze, tone.

use super::light::{Shining, Sun};
use super::nook::Nooks;
use super::sky::Dome;
use super::texture::{Footprint, Texture};
use crate::Scene;
use crate::built::Built;
use crate::spec::Above;
use parry3d::math::Vec3;
use std::sync::Arc;

/// Distance at which haze covers half outdoors, metres.
const HAZE_M: f32 = 130.0;
/// Linear light above which colours bend towards white instead of clipping.
const SHOULDER: f32 = 0.7;

/// Everything that gives a point its colour.
pub(super) struct Shader {
    pub(super) built: Arc<Built>,
    textures: Vec<Texture>,
    lamps: Vec<Shining>,
    sun: Option<Sun>,
    dome: Option<Dome>,
    nooks: Nooks,
    /// Ambient light from above, from the side and from below, linear.
    ambient: [Vec3; 3],
}

/// A surface point as it is seen.
pub(super) struct Seen {
    /// Tone-mapped.
    pub(super) colour: Vec3,
    pub(super) normal: Vec3,
    /// Light that falls on it; full light is about 1.
    pub(super) light: f32,
}

impl Shader {
    pub(super) fn new(scene: &Scene) -> Self {
        let built = Arc::clone(scene.built());
        let spec = scene.spec();
        let textures: Vec<Texture> = built.surfaces.iter().map(Texture::new).collect();
        // Surface 0 is the floor, surface 1 the ceiling or the land (unless it looks the same as the floor), see `Built`.
        let bounce = |index: usize, share: f32| {
            let mean = textures.get(index).map_or(Vec3::splat(0.5), Texture::mean);
            Vec3::ONE.lerp(mean / mean.max_element().max(0.05), share)
        };
        let (sun, dome, ambient) = match &spec.above {
            Above::Sky(sky) => {
                let dome = Dome::new(sky);
                let above = Vec3::new(0.9, 0.95, 1.05) * 0.56;
                let below = bounce(0, 0.4) * 0.52;
                (Some(Sun::new(sky, &built)), Some(dome), [above, (above + below) * 0.5, below])
            }
            Above::Ceiling(_) => {
                let above = bounce(1, 0.3) * 0.44;
                let below = bounce(0, 0.3) * 0.74;
                (None, None, [above, (above + below) * 0.44, below])
            }
        };
        let lamps = spec.lamps.iter().map(|lamp| Shining::new(lamp, &built)).collect();
        let nooks = Nooks::new(&built);
        Self { built, textures, lamps, sun, dome, nooks, ambient }
    }

    /// Colour where a ray meets nothing, tone-mapped.
    pub(super) fn background(&self, dir: Vec3) -> Vec3 {
        match &self.dome {
            Some(dome) => tone(dome.colour(dir, self.sun.as_ref())),
            None => Vec3::splat(0.02),
        }
    }

    /// A surface point seen along the unit vector `dir` from `distance_m` away, with a
    /// focal length in pixels.
    pub(super) fn surface(&self, leaf: u32, point: Vec3, dir: Vec3, distance_m: f32, focal: f32) -> Seen {
        let pixel_m = distance_m / focal;
        let solid = &self.built.solids[leaf as usize];
        let texture = &self.textures[solid.material as usize];
        let touch = solid.touch(point);
        let normal = touch.normal;
        let cos = dir.dot(normal).abs().max(0.04);
        let sine_square = (1.0 - cos * cos).max(1e-6);
        let stretch = |axis: Vec3| {
            let along = dir.dot(axis);
            let share = (along * along / sine_square).min(1.0);
            pixel_m * (1.0 - share + share / (cos * cos)).sqrt()
        };
        let foot = Footprint { width: [stretch(touch.u_axis), stretch(touch.v_axis)], y: point.y };
        let paint = texture.colour(&touch, &foot);
        if texture.glows() {
            return Seen { colour: tone(paint * 1.02), normal, light: 1.0 };
        }
        let [above, side, below] = self.ambient;
        let ambient = if normal.y > 0.0 { side.lerp(above, normal.y) } else { side.lerp(below, -normal.y) };
        let mut light = ambient * self.nooks.open(&self.built, point, normal);
        for lamp in &self.lamps {
            light += lamp.at(&self.built, point, normal);
        }
        if let Some(sun) = &self.sun {
            light += sun.at(&self.built, point, normal);
        }
        let mut colour = paint * light;
        if let Some(dome) = &self.dome {
            colour = colour.lerp(dome.horizon, distance_m / (distance_m + HAZE_M));
        }
        Seen { colour: tone(colour), normal, light: (light.x + light.y + light.z) / 3.0 }
    }
}

/// Bends light above the shoulder towards 1, so that nothing burns out.
fn tone(colour: Vec3) -> Vec3 {
    let bend = |x: f32| {
        if x <= SHOULDER {
            x
        } else {
            let over = (x - SHOULDER) / (1.0 - SHOULDER);
            SHOULDER + (1.0 - SHOULDER) * (over / (1.0 + over * 0.75)).min(1.0)
        }
    };
    Vec3::new(bend(colour.x), bend(colour.y), bend(colour.z))
}

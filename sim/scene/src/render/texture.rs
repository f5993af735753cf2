//! Patterns on surfaces, averaged over the footprint of a pixel so that they never flicker.

use crate::built::Surface;
use crate::colour::Paint;
use crate::material::{ArtStyle, Material};
use crate::solid::Touch;
use parry3d::math::Vec3;

/// Height of a skirting board, metres.
const SKIRTING_M: f32 = 0.12;
/// Height of the rail of a wainscot, metres.
const RAIL_M: f32 = 0.09;

/// A material with its paints in linear light.
pub(super) struct Texture {
    material: Material,
    paints: [Vec3; 3],
    skirting: Option<Vec3>,
}

/// The part of a surface that a pixel sees.
pub(super) struct Footprint {
    /// Width along `u` and `v`, metres.
    pub(super) width: [f32; 2],
    /// Height above the floor, metres.
    pub(super) y: f32,
}

impl Texture {
    pub(super) fn new(surface: &Surface) -> Self {
        let paints = match surface.material {
            Material::Flat(a) | Material::Glow(a) => [a; 3],
            Material::Check { a, b, .. }
            | Material::Planks { a, b, .. }
            | Material::Stripes { a, b, .. }
            | Material::Blocks { a, b, .. } => [a, b, b],
            Material::Wainscot { lower, upper, rail, .. } => [lower, upper, rail],
            Material::Art { a, b, c, .. } => [a, b, c],
            Material::Panels { leaf, inset } => [leaf, inset, inset],
            Material::Outlook { sky, land } => [sky, land, Paint([255, 255, 255])],
        };
        Self {
            material: surface.material,
            paints: paints.map(Paint::linear),
            skirting: surface.skirting.map(Paint::linear),
        }
    }

    /// Does the surface shine by itself?
    pub(super) fn glows(&self) -> bool {
        matches!(self.material, Material::Glow(_) | Material::Outlook { .. })
    }

    /// Mean colour, linear light.
    pub(super) fn mean(&self) -> Vec3 {
        (self.paints[0] + self.paints[1]) * 0.5
    }

    /// Colour seen, linear light.
    pub(super) fn colour(&self, touch: &Touch, foot: &Footprint) -> Vec3 {
        let [a, b, c] = self.paints;
        let [wu, wv] = foot.width;
        let upright = touch.normal.y.abs() < 0.5;
        let base = match self.material {
            Material::Flat(_) | Material::Glow(_) => a,
            Material::Check { size_m, .. } => {
                let p = wave(touch.u / size_m, wu / size_m) * wave(touch.v / size_m, wv / size_m);
                a.lerp(b, 0.5 - 0.5 * p)
            }
            Material::Planks { width_m, .. } => a.lerp(b, 0.5 - 0.5 * wave(touch.v / width_m, wv / width_m)),
            Material::Stripes { width_m, .. } => a.lerp(b, 0.5 - 0.5 * wave(touch.u / width_m, wu / width_m)),
            Material::Blocks { width_m, height_m, .. } => {
                let v = if upright { foot.y } else { touch.v } / height_m;
                let row = |v: f32| {
                    // Every other row is shifted by half a block.
                    let shift = wave(v, 0.0) * 0.25;
                    wave(touch.u / width_m + shift, wu / width_m)
                };
                let half = (wv / height_m * 0.5).min(0.5);
                let share = ((v + half) - floor(v + half)) / (2.0 * half).max(1e-4);
                let p = row(v - half) + (row(v + half) - row(v - half)) * share.min(1.0);
                a.lerp(b, 0.5 - 0.5 * p)
            }
            Material::Wainscot { height_m, .. } if upright => {
                let over = step(foot.y - height_m, wv);
                let rail = step(foot.y - height_m, wv) * step(height_m + RAIL_M - foot.y, wv);
                a.lerp(b, over).lerp(c, rail)
            }
            Material::Wainscot { .. } => c,
            _ if !touch.front => a,
            Material::Art { style, .. } => art(style, [a, b, c], touch, [wu, wv]),
            Material::Panels { .. } => {
                let (s, t, [ws, wt]) = stretched(touch, [wu, wv]);
                let upper = frame(s, t - 0.42, [0.66, 0.4], [ws, wt]);
                let lower = frame(s, t + 0.5, [0.66, 0.34], [ws, wt]);
                a.lerp(b, upper.max(lower))
            }
            Material::Outlook { .. } => {
                let (s, t, [_, wt]) = stretched(touch, [wu, wv]);
                let sky = a.lerp(c, (0.45 - 0.4 * t).clamp(0.0, 0.8));
                sky.lerp(b, step(-0.35 + 0.22 * s - 0.16 * s * s - t, wt))
            }
        };
        match self.skirting {
            Some(paint) if upright => base.lerp(paint, step(SKIRTING_M - foot.y, wv)),
            _ => base,
        }
    }
}

/// A point of a face in -1 to 1, and its footprint in the same measure.
fn stretched(touch: &Touch, [wu, wv]: [f32; 2]) -> (f32, f32, [f32; 2]) {
    let [hu, hv] = touch.half.map(|h| h.max(1e-3));
    (touch.u / hu, touch.v / hv, [wu / hu, wv / hv])
}

fn art(style: ArtStyle, [a, b, c]: [Vec3; 3], touch: &Touch, width: [f32; 2]) -> Vec3 {
    let (s, t, [ws, wt]) = stretched(touch, width);
    let aspect = touch.half[0] / touch.half[1].max(1e-3);
    let w = ws.max(wt);
    match style {
        ArtStyle::Bars => a.lerp(b, step(0.36 - s.abs(), ws)),
        ArtStyle::Disc => {
            let (x, y) = (s * aspect.max(1.0), t / aspect.min(1.0));
            a.lerp(b, step(0.58 - (x * x + y * y).sqrt(), w))
        }
        ArtStyle::Quarters => {
            let (right, top) = (step(s, ws), step(t, wt));
            let upper = b.lerp(a, right);
            let lower = a.lerp(c, right);
            lower.lerp(upper, top)
        }
        ArtStyle::Landscape => {
            let (x, y) = ((s - 0.38) * aspect.max(1.0), (t - 0.4) / aspect.min(1.0));
            let sky = a.lerp(c, step(0.28 - (x * x + y * y).sqrt(), w));
            sky.lerp(b, step(-0.22 - 0.3 * s - 0.22 * s * s - t, wt))
        }
        ArtStyle::Peak => a.lerp(b, step((0.62 - t) * 0.62 - s.abs(), ws) * step(t + 0.62, wt)),
        ArtStyle::Diagonal => a.lerp(b, step(s + t - 0.1, w * 1.4)),
    }
}

/// Inside a centred rectangle?
fn frame(s: f32, t: f32, [hs, ht]: [f32; 2], [ws, wt]: [f32; 2]) -> f32 {
    step(hs - s.abs(), ws) * step(ht - t.abs(), wt)
}

/// 1 where `x > 0`, 0 where `x < 0`, averaged over a width of `w`.
fn step(x: f32, w: f32) -> f32 {
    (x / w.max(1e-5) + 0.5).clamp(0.0, 1.0)
}

/// A square wave of period 2 between -1 and 1 (+1 first), averaged over a width of `w`.
fn wave(x: f32, w: f32) -> f32 {
    let w = w.max(1e-4);
    let integral = |x: f32| {
        let phase = x * 0.5 - floor(x * 0.5);
        1.0 - 2.0 * (phase - 0.5).abs()
    };
    ((integral(x + 0.5 * w) - integral(x - 0.5 * w)) / w).clamp(-1.0, 1.0)
}

/// Largest whole number not above `x`; quick for the small numbers of a scene.
fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    if whole > x { whole - 1.0 } else { whole }
}

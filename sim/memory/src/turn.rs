//! Sources at the target's own place: what they show does not depend on depth, and nothing can hide anything.

use crate::placement::Placement;
use crate::raster::{Cell, FARTHEST_INVERSE, Layer, STEEPEST_QUARTER, high, larger_stretch2, slope};
use crate::surface::Surface;

/// Smallest forward component in the source of a direction that a turned view is looked up along.
const MIN_TURN_FORWARD: f32 = 0.05;

/// Same place and direction: nothing moves. The cells stay unset, because the pixels are copied.
pub(crate) fn identity(surface: &Surface, layer: &mut Layer) {
    for (out, inverse) in layer.inverse.iter_mut().zip(&surface.inverse) {
        *out = if *inverse > 0.0 { *inverse } else { FARTHEST_INVERSE };
    }
    layer.stretch2.fill(1.0);
}

/// Same place, other direction: every target pixel looks its source pixel up; nothing can hide anything.
pub(crate) fn turn(surface: &Surface, placement: &Placement, layer: &mut Layer) {
    let (w, h) = (surface.width, surface.height);
    let (source, target) = (&placement.source, &placement.target);
    let cells = layer.cell.chunks_exact_mut(target.width);
    let rows =
        layer.inverse.chunks_exact_mut(target.width).zip(layer.stretch2.chunks_exact_mut(target.width)).zip(cells);
    for (y, ((inverses, stretches), cells)) in rows.enumerate() {
        for (x, stretch2) in stretches.iter_mut().enumerate() {
            *stretch2 = turn_stretch2(placement, target.ray(x as u32 as f32 + 0.5, y as f32 + 0.5));
        }
        for (x, (to_inverse, to_cell)) in inverses.iter_mut().zip(cells).enumerate() {
            let direction = placement.towards_source(target.ray(x as f32 + 0.5, y as f32 + 0.5), 0.0);
            if direction[2] <= MIN_TURN_FORWARD {
                continue;
            }
            let [u, v] = source.point(direction);
            if !(u >= 0.0 && v >= 0.0 && u <= w as f32 && v <= h as f32) {
                continue;
            }
            let (px, py) = ((u as i32 as usize).min(w - 1), (v as i32 as usize).min(h - 1));
            let inverse = depth_at(surface, u, v, px, py);
            // A pixel's planar depth in the target is its source depth divided by the forward part.
            *to_inverse = if inverse > 0.0 { inverse * direction[2] } else { FARTHEST_INVERSE };
            let corner = ((u + 0.5) as i32 as usize, (v + 0.5) as i32 as usize);
            *to_cell = Cell::new(corner.0, corner.1, Cell::ALL, inverse == 0.0);
        }
    }
}

/// Square of the larger stretch of a turned picture where the target looks along `ray`.
#[inline]
fn turn_stretch2(placement: &Placement, ray: [f32; 2]) -> f32 {
    let m = &placement.rotation;
    let direction = placement.towards_source(ray, 0.0);
    let z = high(direction[2], MIN_TURN_FORWARD);
    // Derivatives of the source point by the target point.
    let scale = placement.source.focal_px / (placement.target.focal_px * z * z);
    let ux = (m[0][0] * z - m[0][2] * direction[0]) * scale;
    let uy = (m[1][0] * z - m[1][2] * direction[0]) * scale;
    let vx = (m[0][1] * z - m[0][2] * direction[1]) * scale;
    let vy = (m[1][1] * z - m[1][2] * direction[1]) * scale;
    let area = ux * vy - uy * vx;
    // The larger stretch of the inverse map is the larger stretch of this one divided by its area.
    larger_stretch2(ux, vx, uy, vy) / high(area * area, 1e-12)
}

/// Inverse depth at a point inside pixel `(px, py)`, following the surface of that pixel.
fn depth_at(surface: &Surface, u: f32, v: f32, px: usize, py: usize) -> f32 {
    let (w, h) = (surface.width, surface.height);
    let i = py * w + px;
    let (dx, dy) = (u - px as f32 - 0.5, v - py as f32 - 0.5);
    let slope_x = slope(&surface.inverse, &surface.across, i, 1, (px > 0, px + 1 < w), dx >= 0.0);
    let slope_y = slope(&surface.inverse, &surface.down, i, w, (py > 0, py + 1 < h), dy >= 0.0);
    let here = surface.inverse[i];
    (here + slope_x * dx + slope_y * dy).max(STEEPEST_QUARTER * here)
}

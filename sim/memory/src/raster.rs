//! Draws the surfaces of a source view into the target: nearest inverse depth and where it came from, no colour yet.
//!
//! Four neighbouring pixel centres on one surface make one cell. Where a surface ends, each pixel keeps the quarters of its
//! own square, so that surfaces reach exactly half a pixel beyond their last centre and are never bridged.

use rhea_picture::{FARTHEST_M, NEAREST_M};

use crate::placement::{MIN_FORWARD, Motion, Placement};
use crate::surface::Surface;
use crate::turn::{identity, turn};
use crate::wide::wide;

/// Surfaces stretched more than this are dropped: too blurred to be worth keeping, target px per source px.
pub(crate) const MAX_MAGNIFICATION: f32 = 4.0;
/// Largest side of a source view, pixels; two corners and five flags fit into 32 bits.
pub(crate) const MAX_SOURCE_SIDE_PX: usize = 8190;
/// Overlap of neighbouring cells against cracks, px^2.
const EDGE_SLACK: f32 = 1e-4;
/// Half a pixel beyond its last centre a surface keeps at least this share of its inverse depth.
pub(crate) const STEEPEST_QUARTER: f32 = 0.3;
pub(crate) const FARTHEST_INVERSE: f32 = 1.0 / FARTHEST_M;

/// What one or several sources show in the target, per target pixel.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// Inverse target depth, 1/m; 0 where nothing is seen.
    pub inverse: Vec<f32>,
    /// Square of the larger stretch.
    pub stretch2: Vec<f32>,
    /// Which cell of the source is seen.
    pub cell: Vec<Cell>,
}

impl Layer {
    pub fn clear(&mut self, pixels: usize) {
        self.inverse.clear();
        self.inverse.resize(pixels, 0.0);
        self.stretch2.resize(pixels, 0.0);
        self.cell.resize(pixels, Cell::default());
    }

    /// Takes away what comes from pixels in `hole`, a flag per pixel of a source of `width * height`; `same` when source and
    /// target are the same picture.
    pub fn leave_out(&mut self, hole: &[bool], (width, height): (usize, usize), same: bool) {
        for (i, (inverse, cell)) in self.inverse.iter_mut().zip(&self.cell).enumerate() {
            if *inverse <= 0.0 {
                continue;
            }
            if hole.get(cell.pixel(width, height, same.then_some(i))).copied().unwrap_or(false) {
                *inverse = 0.0;
            }
        }
    }
}

/// Four source pixels around a corner `(x, y)`, `0 <= x <= width`, `0 <= y <= height`, with the subset (bits 0 to 3: upper
/// left, upper right, lower left, lower right) that belongs to the surface, and whether it is sky.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell(u32);

impl Cell {
    pub const ALL: u32 = 0b1111;
    const SKY: u32 = 1 << 4;
    const X_SHIFT: u32 = 5;
    const Y_SHIFT: u32 = 5 + 13;

    /// `x` and `y` are at most [`MAX_SOURCE_SIDE_PX`].
    pub fn new(x: usize, y: usize, mask: u32, sky: bool) -> Self {
        Self((y as u32) << Self::Y_SHIFT | (x as u32) << Self::X_SHIFT | if sky { Self::SKY } else { 0 } | mask)
    }

    pub fn corner(self) -> (u32, u32) {
        (self.0 >> Self::X_SHIFT & 0x1fff, self.0 >> Self::Y_SHIFT)
    }

    /// Number of the pixel of its source that it stands for: `same` where source and target are the same picture, else the
    /// lower right of the four, inside the picture.
    pub fn pixel(self, width: usize, height: usize, same: Option<usize>) -> usize {
        let (x, y) = self.corner();
        same.unwrap_or((y as usize).min(height.max(1) - 1) * width + (x as usize).min(width.max(1) - 1))
    }

    pub fn mask(self) -> u32 {
        self.0 & Self::ALL
    }

    /// 0 for the sky, else 1: what to multiply an inverse depth with, so that the sky does not shift.
    pub fn solid(self) -> f32 {
        (self.0 >> Self::SKY.trailing_zeros() & 1 ^ 1) as i32 as f32
    }
}

/// A projected point: target x, target y, inverse target depth; the last is negative behind the camera.
type Spot = [f32; 3];

/// Projected pixel centres of one source, reused between sources.
#[derive(Debug, Default)]
pub(crate) struct Splatter {
    x_px: Vec<f32>,
    y_px: Vec<f32>,
    inverse: Vec<f32>,
    /// For the cells of one row: first and past-the-last pixel in x, then in y.
    boxes: [Vec<i32>; 4],
    /// For the cells of one row: are all four pixels one surface?
    whole: Vec<bool>,
}

impl Splatter {
    /// Draws `surface` into `layer` (which must be clear).
    pub fn draw(&mut self, surface: &Surface, placement: &Placement, layer: &mut Layer) {
        match placement.motion {
            Motion::Identity => identity(surface, layer),
            Motion::Turn => turn(surface, placement, layer),
            Motion::Move => {
                wide(|| {
                    self.project(surface, placement);
                    self.draw_cells(surface, placement, layer);
                });
            }
        }
    }

    #[inline(always)]
    fn project(&mut self, surface: &Surface, placement: &Placement) {
        let (w, pixels) = (surface.width, surface.width * surface.height);
        for buffer in [&mut self.x_px, &mut self.y_px, &mut self.inverse] {
            buffer.resize(pixels, 0.0);
        }
        let rows =
            self.x_px.chunks_exact_mut(w).zip(self.y_px.chunks_exact_mut(w)).zip(self.inverse.chunks_exact_mut(w));
        for (y, (((xs, ys), out), inverse)) in rows.zip(surface.inverse.chunks_exact(w)).enumerate() {
            let spots = xs.iter_mut().zip(ys).zip(out).zip(inverse);
            for (x, (((to_x, to_y), to_inverse), inverse)) in spots.enumerate() {
                let spot = project(placement, x as u32 as f32 + 0.5, y as f32 + 0.5, *inverse);
                (*to_x, *to_y, *to_inverse) = (spot[0], spot[1], spot[2]);
            }
        }
    }

    #[inline(always)]
    fn draw_cells(&mut self, surface: &Surface, placement: &Placement, layer: &mut Layer) {
        let (w, h) = (surface.width, surface.height);
        let target = (placement.target.width, placement.target.height);
        let cells = w - 1;
        self.boxes.iter_mut().for_each(|side| side.resize(cells, 0));
        self.whole.resize(cells, false);
        let whole = &mut self.whole[..cells];
        let [b0, b1, b2, b3] = &mut self.boxes;
        let boxes = [&mut b0[..cells], &mut b1[..cells], &mut b2[..cells], &mut b3[..cells]];
        for y in 0..=h {
            if y == 0 || y == h {
                (0..=w).for_each(|x| draw_quarters(surface, placement, x, y, layer));
                continue;
            }
            draw_quarters(surface, placement, 0, y, layer);
            let (upper, lower) = ((y - 1) * w..y * w, y * w..(y + 1) * w);
            let (ux, uy, ui) = (&self.x_px[upper.clone()], &self.y_px[upper.clone()], &self.inverse[upper.clone()]);
            let (lx, ly, li) = (&self.x_px[lower.clone()], &self.y_px[lower.clone()], &self.inverse[lower.clone()]);
            let (links_up, links_low) = (&surface.across[upper.clone()], &surface.across[lower]);
            let (links_down, depths) = (&surface.down[upper.clone()], &surface.inverse[upper]);
            // Boxes first, because the compiler turns this loop into vector code.
            for x in 0..cells {
                let (x_from, x_to) = range(ux[x], ux[x + 1], lx[x], lx[x + 1], target.0 as f32);
                let (y_from, y_to) = range(uy[x], uy[x + 1], ly[x], ly[x + 1], target.1 as f32);
                (boxes[0][x], boxes[1][x], boxes[2][x], boxes[3][x]) = (x_from, x_to, y_from, y_to);
                whole[x] = links_up[x] & links_low[x] & links_down[x] & links_down[x + 1];
            }
            for x in 1..w {
                let (x_from, x_to) = (boxes[0][x - 1], boxes[1][x - 1]);
                let (y_from, y_to) = (boxes[2][x - 1], boxes[3][x - 1]);
                if !whole[x - 1] {
                    draw_quarters(surface, placement, x, y, layer);
                } else if (x_from < x_to) & (y_from < y_to) {
                    let spots = [
                        [ux[x - 1], uy[x - 1], ui[x - 1]],
                        [ux[x], uy[x], ui[x]],
                        [lx[x - 1], ly[x - 1], li[x - 1]],
                        [lx[x], ly[x], li[x]],
                    ];
                    let cell = Cell::new(x, y, Cell::ALL, depths[x - 1] == 0.0);
                    fill_box(spots, ((x_from, x_to), (y_from, y_to)), 1.0, cell, target.0, layer);
                }
            }
            draw_quarters(surface, placement, w, y, layer);
        }
    }
}

/// Projects a source point at an inverse depth.
#[inline(always)]
fn project(placement: &Placement, x_px: f32, y_px: f32, inverse: f32) -> Spot {
    let direction = placement.towards_target(placement.source.ray(x_px, y_px), inverse);
    let forward = high(direction[2], MIN_FORWARD);
    let [x, y] = placement.target.point([direction[0], direction[1], forward]);
    let depth = if inverse > 0.0 { inverse / forward } else { FARTHEST_INVERSE };
    [x, y, if direction[2] > MIN_FORWARD { depth } else { -1.0 }]
}

/// Draws the quarters of the pixels around corner `(x, y)` that meet there, each on its own surface.
#[inline(always)]
fn draw_quarters(surface: &Surface, placement: &Placement, x: usize, y: usize, layer: &mut Layer) {
    let (w, h) = (surface.width, surface.height);
    let target = (placement.target.width, placement.target.height);
    let link = |inside: bool, flags: &[bool], px: usize, py: usize| inside && flags[py * w + px];
    let (inside_x, inside_y) = (x > 0 && x < w, y > 0 && y < h);
    // Links along the upper and lower row, and along the left and right column, of the four pixels.
    let rows = [
        link(inside_x && y > 0, &surface.across, x.wrapping_sub(1), y.wrapping_sub(1)),
        link(inside_x && y < h, &surface.across, x.wrapping_sub(1), y),
    ];
    let columns = [
        link(inside_y && x > 0, &surface.down, x.wrapping_sub(1), y.wrapping_sub(1)),
        link(inside_y && x < w, &surface.down, x, y.wrapping_sub(1)),
    ];
    for k in 0..4_usize {
        let (right, low) = (k & 1, k >> 1);
        // The pixel at quarter k; wrapping below zero is caught by the comparison.
        let (px, py) = ((x + right).wrapping_sub(1), (y + low).wrapping_sub(1));
        if px >= w || py >= h {
            continue;
        }
        let mut mask = 1 << k;
        if rows[low] {
            mask |= 1 << (k ^ 1);
        }
        if columns[right] {
            mask |= 1 << (k ^ 2);
        }
        if (rows[low] && columns[1 - right]) || (columns[right] && rows[1 - low]) {
            mask |= 1 << (k ^ 3);
        }
        let i = py * w + px;
        let inverse = surface.inverse[i];
        let slope_x = slope(&surface.inverse, &surface.across, i, 1, (px > 0, px + 1 < w), right == 0);
        let slope_y = slope(&surface.inverse, &surface.down, i, w, (py > 0, py + 1 < h), low == 0);
        let (x0, y0) = (px as f32 + 0.5 - 0.5 * right as f32, py as f32 + 0.5 - 0.5 * low as f32);
        let spot = |sx: f32, sy: f32| {
            let there = inverse + slope_x * (sx - px as f32 - 0.5) + slope_y * (sy - py as f32 - 0.5);
            project(placement, sx, sy, there.max(STEEPEST_QUARTER * inverse))
        };
        let spots = [spot(x0, y0), spot(x0 + 0.5, y0), spot(x0, y0 + 0.5), spot(x0 + 0.5, y0 + 0.5)];
        fill(spots, 2.0, Cell::new(x, y, mask, inverse == 0.0), target, layer);
    }
}

/// Slope of the inverse depth at pixel `i`: towards the next pixel (`step` further) or the previous one as asked, or on
/// the other side when the asked one is another surface; zero on a lone pixel. `beside` tells which of them exist.
pub(crate) fn slope(
    inverse: &[f32],
    joined: &[bool],
    i: usize,
    step: usize,
    beside: (bool, bool),
    towards_next: bool,
) -> f32 {
    let previous = beside.0 && joined[i - step];
    let next = beside.1 && joined[i];
    if next && (towards_next || !previous) {
        inverse[i + step] - inverse[i]
    } else if previous {
        inverse[i] - inverse[i - step]
    } else {
        0.0
    }
}

/// The pixel centres of a target that lie in a box: from (included) and to (excluded), along one axis.
#[inline(always)]
fn range(a: f32, b: f32, c: f32, d: f32, side: f32) -> (i32, i32) {
    let from = low(low(a, b), low(c, d)) - EDGE_SLACK;
    let to = high(high(a, b), high(c, d)) + EDGE_SLACK;
    (round(low(high(from, 0.0), side)), round(low(high(to, 0.0), side)))
}

/// Draws one cell given by its corners (upper left, upper right, lower left, lower right). `share` is source cells per
/// source pixel along a side.
#[inline(always)]
fn fill(spots: [Spot; 4], share: f32, cell: Cell, (width, height): (usize, usize), layer: &mut Layer) {
    let [a, b, c, d] = spots;
    let xs = range(a[0], b[0], c[0], d[0], width as f32);
    let ys = range(a[1], b[1], c[1], d[1], height as f32);
    if (xs.0 < xs.1) & (ys.0 < ys.1) {
        fill_box(spots, (xs, ys), share, cell, width, layer);
    }
}

/// As [`fill`], for the pixels in a box that is not empty.
#[inline(always)]
fn fill_box(
    [a, b, c, d]: [Spot; 4],
    ((x_from, x_to), (y_from, y_to)): ((i32, i32), (i32, i32)),
    share: f32,
    cell: Cell,
    width: usize,
    layer: &mut Layer,
) {
    let farthest = low(low(a[2], b[2]), low(c[2], d[2]));
    let nearest = high(high(a[2], b[2]), high(c[2], d[2]));
    if (farthest <= 0.0) | (nearest > 1.0 / NEAREST_M) {
        return;
    }
    let (d1x, d1y) = (d[0] - a[0], d[1] - a[1]);
    let (d2x, d2y) = (c[0] - b[0], c[1] - b[1]);
    let area2 = d1x * d2y - d1y * d2x;
    if area2 <= 1e-6 {
        return; // edge on, or seen from behind
    }
    let half = 0.5 * share;
    let (ex_x, ex_y) = (half * (d1x - d2x), half * (d1y - d2y));
    let (ey_x, ey_y) = (half * (d1x + d2x), half * (d1y + d2y));
    let stretch2 = larger_stretch2(ex_x, ex_y, ey_x, ey_y);
    if stretch2 > MAX_MAGNIFICATION * MAX_MAGNIFICATION {
        return;
    }
    // Inverse depth is affine: fitted through the diagonals.
    let scale = 1.0 / area2;
    let (n1, n2) = (d[2] - a[2], c[2] - b[2]);
    let (slope_x, slope_y) = ((n1 * d2y - n2 * d1y) * scale, (d1x * n2 - d2x * n1) * scale);
    let middle = 0.25 * (a[2] + b[2] + c[2] + d[2]);
    let (middle_x, middle_y) = (0.25 * (a[0] + b[0] + c[0] + d[0]), 0.25 * (a[1] + b[1] + c[1] + d[1]));
    let edges = [edge(a, b), edge(b, d), edge(d, c), edge(c, a)];
    for y in y_from..y_to {
        let at_y = y as f32 + 0.5;
        let row = y as usize * width;
        for x in x_from..x_to {
            let at_x = x as f32 + 0.5;
            let side = |e: &[f32; 4]| e[2] * (at_y - e[1]) - e[3] * (at_x - e[0]);
            let inside = low(low(side(&edges[0]), side(&edges[1])), low(side(&edges[2]), side(&edges[3])));
            let inverse = middle + slope_x * (at_x - middle_x) + slope_y * (at_y - middle_y);
            let inverse = low(high(inverse, farthest), nearest);
            let i = row + x as usize;
            let seen = layer.inverse[i];
            if (inside >= -EDGE_SLACK) & (inverse > seen) {
                layer.inverse[i] = inverse;
                layer.stretch2[i] = stretch2;
                layer.cell[i] = cell;
            }
        }
    }
}

/// Start and direction of the edge from `p` to `q`.
#[inline(always)]
fn edge(p: Spot, q: Spot) -> [f32; 4] {
    [p[0], p[1], q[0] - p[0], q[1] - p[1]]
}

/// The lower value, without the care for NaN that makes `f32::min` slow.
#[inline(always)]
pub(crate) fn low(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The higher value; see [`low`].
#[inline(always)]
pub(crate) fn high(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The nearest whole number of a value between 0 and 1,000,000, without a slow saturating cast: added to 1.5 * 2^23, it ends
/// up in the low bits.
#[inline(always)]
pub(crate) fn round(value: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
}

/// Square of the larger singular value of the matrix with columns `(ax, ay)` and `(bx, by)`.
#[inline(always)]
pub(crate) fn larger_stretch2(ax: f32, ay: f32, bx: f32, by: f32) -> f32 {
    let (aa, bb, ab) = (ax * ax + ay * ay, bx * bx + by * by, ax * bx + ay * by);
    0.5 * (aa + bb + ((aa - bb) * (aa - bb) + 4.0 * ab * ab).sqrt())
}

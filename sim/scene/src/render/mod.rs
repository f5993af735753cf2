//! The exact view of a scene: colour, planar depth and object ids, ray-traced.
//!
//! Invariant: a view depends on scene, pose and camera only; one thread or many, the bytes are the same.

mod cull;
mod light;
mod nook;
mod shade;
mod sky;
mod texture;

use crate::built::Built;
use crate::colour::to_srgb_byte;
use crate::limits::MAX_VIEW_PX;
use crate::solid::Ray;
use crate::{Camera, Pose, Scene};
use cull::Bundle;
use parry3d::math::Vec3;
use rayon::prelude::*;
use rhea_picture::{FARTHEST_M, NEAREST_M, Rgbd};
use shade::{Seen, Shader};

/// Side of the square of pixels that share one list of candidate shapes.
const TILE_PX: usize = 8;
/// Three extra samples of an edge pixel, as offsets from its centre in pixels.
const EXTRA: [[f32; 2]; 3] = [[-0.31, -0.25], [0.32, -0.09], [-0.01, 0.34]];
/// Difference of the light on one surface (full light is about 1) from which a pixel is the edge of a shadow. Patterns are
/// averaged over pixels anyway and need no further samples.
const EDGE_LIGHT: f32 = 0.06;
/// Squared difference of the normals of two neighbours from which there is an edge between them.
const EDGE_NORMAL: f32 = 0.4;
/// Marks a pixel that sees the sky.
const NOTHING: u32 = u32::MAX;

/// How many threads draw a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling thread alone; for workers that draw many views side by side.
    One,
    /// All threads of the current rayon pool.
    All,
}

/// A drawn view.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Colour and planar depth; the sky is at [`FARTHEST_M`].
    pub rgbd: Rgbd,
    /// `height * width` object ids, row-major, of what the centre of each pixel sees; 0 is wall, floor, ceiling or sky.
    pub ids: Vec<u16>,
}

/// A scene prepared for drawing.
pub struct Renderer {
    shader: Shader,
}

/// What the centre of one pixel sees.
#[derive(Clone, Copy)]
struct Sample {
    colour: Vec3,
    normal: Vec3,
    light: f32,
    depth: f32,
    solid: u32,
}

const BLANK: Sample = Sample { colour: Vec3::ZERO, normal: Vec3::ZERO, light: 0.0, depth: FARTHEST_M, solid: NOTHING };

/// Where rays start and how pixels become directions.
struct View {
    origin: Vec3,
    right: Vec3,
    up: Vec3,
    forward: Vec3,
    focal: f32,
    width: usize,
    height: usize,
}

impl View {
    fn new(pose: &Pose, camera: &Camera) -> Self {
        Self {
            origin: Vec3::from_array(pose.position_m),
            right: Vec3::from_array(pose.right()),
            up: Vec3::from_array(pose.up()),
            forward: Vec3::from_array(pose.forward()),
            focal: camera.focal_px(),
            width: camera.width.min(MAX_VIEW_PX),
            height: camera.height.min(MAX_VIEW_PX),
        }
    }

    /// Direction through a point of the picture; its forward part is 1, so that the ray parameter is planar depth.
    fn dir(&self, x: f32, y: f32) -> Vec3 {
        let a = (x - self.width as f32 * 0.5) / self.focal;
        let b = (self.height as f32 * 0.5 - y) / self.focal;
        self.forward + self.right * a + self.up * b
    }

    /// The shapes that one tile of pixels may see, each with a depth it does not come nearer than, ascending.
    fn candidates(&self, built: &Built, tile_x: usize, tile_y: usize, into: &mut Vec<(f32, u32)>) {
        let (x0, y0) = ((tile_x * TILE_PX) as f32, (tile_y * TILE_PX) as f32);
        let (x1, y1) = (x0 + TILE_PX as f32, y0 + TILE_PX as f32);
        into.clear();
        let corners = [self.dir(x0, y0), self.dir(x1, y0), self.dir(x1, y1), self.dir(x0, y1)];
        Bundle::pyramid(self.origin, corners, 0.0).collect(&built.bvh, |leaf, mins, maxs| {
            let towards = |axis: f32, low: f32, high: f32| axis * if axis > 0.0 { low } else { high };
            let (f, low, high) = (self.forward, mins - self.origin, maxs - self.origin);
            let depth = towards(f.x, low.x, high.x) + towards(f.y, low.y, high.y) + towards(f.z, low.z, high.z);
            into.push((depth, leaf));
        });
        into.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
}

impl Renderer {
    /// Prepares a scene; some milliseconds.
    #[must_use]
    pub fn new(scene: &Scene) -> Self {
        Self { shader: Shader::new(scene) }
    }

    /// Draws the view of `camera` from `pose`.
    ///
    /// Sides are cut to [`MAX_VIEW_PX`]. A pose with a number that is not finite sees nothing but sky or dark.
    #[must_use]
    pub fn render(&self, pose: &Pose, camera: &Camera, threads: Threads) -> Rendered {
        let view = View::new(pose, camera);
        let (width, height) = (view.width, view.height);
        let mut samples = vec![BLANK; width * height];
        let mut rgb = vec![0_u8; width * height * 3];
        let band = (width * TILE_PX).max(1);
        match threads {
            Threads::One => {
                samples.chunks_mut(band).enumerate().for_each(|(i, rows)| self.first_pass(&view, i, rows));
                rgb.chunks_mut(band * 3).enumerate().for_each(|(i, rows)| self.second_pass(&view, i, &samples, rows));
            }
            Threads::All => {
                samples.par_chunks_mut(band).enumerate().for_each(|(i, rows)| self.first_pass(&view, i, rows));
                rgb.par_chunks_mut(band * 3)
                    .enumerate()
                    .for_each(|(i, rows)| self.second_pass(&view, i, &samples, rows));
            }
        }
        let solids = &self.shader.built.solids;
        let ids = samples.iter().map(|s| solids.get(s.solid as usize).map_or(0, |solid| solid.id)).collect();
        let depth_m = samples.iter().map(|s| s.depth.clamp(NEAREST_M, FARTHEST_M)).collect();
        Rendered { rgbd: Rgbd { width, height, rgb, depth_m }, ids }
    }

    /// One sample per pixel, for one row of tiles.
    fn first_pass(&self, view: &View, band: usize, rows: &mut [Sample]) {
        let mut candidates = Vec::with_capacity(64);
        for tile_x in 0..view.width.div_ceil(TILE_PX) {
            view.candidates(&self.shader.built, tile_x, band, &mut candidates);
            let columns = tile_x * TILE_PX..((tile_x + 1) * TILE_PX).min(view.width);
            for (row, line) in rows.chunks_mut(view.width).enumerate() {
                let y = (band * TILE_PX + row) as f32 + 0.5;
                for x in columns.clone() {
                    line[x] = self.sample(view, &candidates, x as f32 + 0.5, y);
                }
            }
        }
    }

    /// Edge pixels get three more samples; colours become bytes.
    fn second_pass(&self, view: &View, band: usize, samples: &[Sample], rows: &mut [u8]) {
        let mut candidates = Vec::with_capacity(64);
        for tile_x in 0..view.width.div_ceil(TILE_PX) {
            let columns = tile_x * TILE_PX..((tile_x + 1) * TILE_PX).min(view.width);
            let mut ready = false;
            for (row, line) in rows.chunks_mut(view.width * 3).enumerate() {
                let y = band * TILE_PX + row;
                for x in columns.clone() {
                    let mut colour = samples[y * view.width + x].colour;
                    if is_edge(samples, view, x, y) {
                        if !ready {
                            view.candidates(&self.shader.built, tile_x, band, &mut candidates);
                            ready = true;
                        }
                        for [dx, dy] in EXTRA {
                            let (px, py) = (x as f32 + 0.5 + dx, y as f32 + 0.5 + dy);
                            colour += self.sample(view, &candidates, px, py).colour;
                        }
                        colour *= 0.25;
                    }
                    for (byte, channel) in line[x * 3..x * 3 + 3].iter_mut().zip(colour.to_array()) {
                        *byte = to_srgb_byte(channel);
                    }
                }
            }
        }
    }

    /// The colour seen through one point of the picture.
    fn sample(&self, view: &View, candidates: &[(f32, u32)], x: f32, y: f32) -> Sample {
        let dir = view.dir(x, y);
        let ray = Ray::new(view.origin, dir);
        let built = &self.shader.built;
        let (mut depth, mut nearest) = (FARTHEST_M, NOTHING);
        for &(no_nearer, leaf) in candidates {
            if no_nearer > depth {
                break;
            }
            if let Some(t) = built.solids[leaf as usize].hit(&ray, depth) {
                (depth, nearest) = (t, leaf);
            }
        }
        let length = dir.length();
        let unit = dir / length;
        if nearest == NOTHING {
            return Sample { colour: self.shader.background(unit), ..BLANK };
        }
        let Seen { colour, normal, light } =
            self.shader.surface(nearest, ray.at(depth), unit, depth * length, view.focal);
        Sample { colour, normal, light, depth, solid: nearest }
    }
}

/// Does a pixel differ from a neighbour in shape, facing or light?
fn is_edge(samples: &[Sample], view: &View, x: usize, y: usize) -> bool {
    let here = &samples[y * view.width + x];
    let differs = |x: usize, y: usize| {
        let there = &samples[y * view.width + x];
        there.solid != here.solid
            || (there.normal - here.normal).length_squared() > EDGE_NORMAL
            || (there.light - here.light).abs() > EDGE_LIGHT
    };
    (x > 0 && differs(x - 1, y))
        || (x + 1 < view.width && differs(x + 1, y))
        || (y > 0 && differs(x, y - 1))
        || (y + 1 < view.height && differs(x, y + 1))
}

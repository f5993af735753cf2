//! Warps earlier views to a new pose: the part of Rhea that keeps a place the same when you come back.
//!
//! Each source is drawn into the target as depth only; colour is then fetched backwards, from the pixels of one surface. Sources are
//! composited **oldest first**: an older view keeps its pixels, because every later view was drawn from it and is a copy of a copy
//! there. What an older view has looked through is not there, whatever a newer one shows.
//!
//! Invariant: the result depends on the arguments alone. A source at the target's own pose returns its pixels unchanged.

use std::cell::RefCell;

use rhea_picture::{FARTHEST_M, Rgbd, Trust, Warp};
use rhea_scene::{Camera, Pose};

use crate::placement::{Lens, Motion, Placement};
use crate::raster::{Layer, MAX_SOURCE_SIDE_PX, Splatter};
use crate::sample::{Taps, sample};
use crate::surface::Surface;
use crate::through::Sight;
use crate::wide::wide;

/// Most sources in one warp.
pub const MAX_SOURCES: usize = 64;

/// A newer view hides an older one where it is nearer by this factor of depth (12 %) and the older one could not look there.
const OCCLUDER: f32 = 0.88;
/// A newer view replaces an older one where it is this much finer, linear.
pub(crate) const FINER: f32 = 1.8;
/// Value of all channels of target pixels that nothing sees.
const UNKNOWN_GREY: u8 = 128;

/// Warps views; keeps its buffers between calls, so keep one per thread.
#[derive(Debug, Default)]
pub struct Warper {
    surface: Surface,
    splatter: Splatter,
    layer: Layer,
    best: Layer,
    best_source: Vec<u16>,
    placements: Vec<Placement>,
    sights: Vec<Sight>,
    taps: Taps,
}

/// An earlier view to warp.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The picture with depth.
    pub view: &'a Rgbd,
    /// Where it was drawn from.
    pub pose: &'a Pose,
    /// Its pixels that are not believed: they show nothing, and hide what is behind them. As long as the picture, or it counts
    /// for nothing.
    pub hole: Option<&'a [bool]>,
    /// Its pixels that the model drew itself; as long as the picture, or all of it was given.
    pub own: Option<&'a [bool]>,
}

/// Warps `sources`, given oldest first, to `target`, with buffers of the calling thread. See [`Warper::warp`].
#[must_use]
pub fn warp(sources: &[(&Rgbd, &Pose)], camera: &Camera, target: &Pose) -> Warp {
    thread_local!(static WARPER: RefCell<Warper> = RefCell::default());
    WARPER.with_borrow_mut(|warper| warper.warp(sources, camera, target))
}

impl Warper {
    /// Warps `sources`, given oldest first, into a view of `camera` at `target`.
    ///
    /// Sources have the field of view of `camera` and may have any size. At most [`MAX_SOURCES`] are used, the oldest; a
    /// picture without pixels or with a side over 8,190 px shows nothing. Depths of the result are planar depths in the target, [`FARTHEST_M`] for the sky.
    #[must_use]
    pub fn warp(&mut self, sources: &[(&Rgbd, &Pose)], camera: &Camera, target: &Pose) -> Warp {
        let mut out = Warp::empty(camera.width, camera.height);
        self.warp_into(sources, camera, target, &mut out);
        out
    }

    /// As [`Warper::warp`], into an existing value.
    pub fn warp_into(&mut self, sources: &[(&Rgbd, &Pose)], camera: &Camera, target: &Pose, out: &mut Warp) {
        let sources: Vec<Source<'_>> =
            sources.iter().map(|(view, pose)| Source { view, pose, hole: None, own: None }).collect();
        self.warp_sources_into(&sources, camera, target, out);
    }

    /// As [`Warper::warp`], leaving out what is not believed, into an existing value; nothing is allocated when the size is the
    /// same as before.
    pub fn warp_sources_into(&mut self, sources: &[Source<'_>], camera: &Camera, target: &Pose, out: &mut Warp) {
        let lens = Lens::new(camera, camera.width, camera.height);
        let pixels = lens.width * lens.height;
        let sources = &sources[..sources.len().min(MAX_SOURCES)];
        self.best.clear(pixels);
        self.best_source.clear();
        self.best_source.resize(pixels, u16::MAX);
        self.placements.clear();
        if self.sights.len() < sources.len() {
            self.sights.resize_with(sources.len(), Sight::default);
        }
        let mut drawn = 0;
        for (index, Source { view, pose, hole, .. }) in sources.iter().enumerate() {
            let source = Lens::new(camera, view.width, view.height);
            let placement = Placement::new(source, pose, lens, target);
            self.placements.push(placement);
            if !(1..=MAX_SOURCE_SIDE_PX).contains(&view.width) || !(1..=MAX_SOURCE_SIDE_PX).contains(&view.height) {
                self.sights[index] = Sight::default();
                continue;
            }
            self.surface.read(view);
            // The last source hides nothing from a later one.
            if index + 1 < sources.len() {
                self.sights[index].read(
                    &self.surface.raw,
                    view.width,
                    hole.filter(|hole| hole.len() == view.depth_m.len()),
                );
            }
            self.layer.clear(pixels);
            self.splatter.draw(&self.surface, &placement, &mut self.layer);
            if let Some(hole) = hole.filter(|hole| hole.len() == view.width * view.height) {
                self.layer.leave_out(hole, (view.width, view.height), placement.motion == Motion::Identity);
            }
            if drawn == 0 {
                std::mem::swap(&mut self.best, &mut self.layer);
                for (source, inverse) in self.best_source.iter_mut().zip(&self.best.inverse) {
                    *source = if *inverse > 0.0 { index as u16 } else { u16::MAX };
                }
            } else {
                wide(|| self.merge(index));
            }
            drawn += 1;
        }
        wide(|| self.fetch(sources, lens, out));
    }

    /// Adds the layer of source `index` to the best so far.
    #[inline(always)]
    fn merge(&mut self, index: usize) {
        let here = self.placements[index].motion != Motion::Move;
        let (pixels, width) = (self.best_source.len(), self.placements[index].target.width.max(1));
        let (layer, best) = (&self.layer, &mut self.best);
        let (new_inverse, new_stretch2) = (&layer.inverse[..pixels], &layer.stretch2[..pixels]);
        let (best_inverse, best_stretch2) = (&mut best.inverse[..pixels], &mut best.stretch2[..pixels]);
        let (best_cell, best_source) = (&mut best.cell[..pixels], &mut self.best_source[..pixels]);
        for i in 0..pixels {
            let (new, old) = (new_inverse[i], best_inverse[i]);
            if new <= 0.0 {
                continue;
            }
            let nearer = new * OCCLUDER >= old;
            let farther = old * OCCLUDER >= new;
            let finer = new_stretch2[i] * (FINER * FINER) <= best_stretch2[i];
            let take = if old == 0.0 {
                true
            } else if self.placements[usize::from(best_source[i])].motion != Motion::Move {
                // A view from this very place knows what is visible from here: nothing from elsewhere hides its pixels.
                false
            } else {
                // For the same reason it corrects whatever disagrees with it.
                nearer | if here { farther | finer } else { finer & !farther }
            };
            if !take {
                continue;
            }
            // Something new is not where older views have looked through it: not at all before what they show, nor, as
            // far as their soft edges tell, anywhere else.
            let through = |of: usize, wide: bool| {
                self.sights[of].through(&self.placements[of], (i % width, i / width), new, wide)
            };
            let empty = match old == 0.0 {
                true => (0..index).any(|of| through(of, true)),
                false => !here && nearer && through(usize::from(best_source[i]), false),
            };
            if !empty {
                best_inverse[i] = new;
                best_stretch2[i] = new_stretch2[i];
                best_cell[i] = layer.cell[i];
                best_source[i] = index as u16;
            }
        }
    }

    /// Says what is behind each pixel.
    fn judge(&self, sources: &[Source<'_>], trust: &mut [Trust]) {
        if sources.iter().all(|source| source.own.is_none()) {
            return;
        }
        let pixels = self.best_source.iter().zip(&self.best.cell).zip(trust).enumerate();
        for (i, ((source, cell), trust)) in pixels {
            let Some((source, placement)) =
                sources.get(usize::from(*source)).zip(self.placements.get(usize::from(*source)))
            else {
                continue;
            };
            let (width, height) = (source.view.width, source.view.height);
            let at = cell.pixel(width, height, (placement.motion == Motion::Identity).then_some(i));
            if source.own.is_some_and(|own| own.len() == width * height && own[at]) {
                *trust = if placement.motion == Motion::Move { Trust::Loose } else { Trust::Drawn };
            }
        }
    }

    /// Fetches colour and fills `out`.
    #[inline(always)]
    fn fetch(&mut self, sources: &[Source<'_>], lens: Lens, out: &mut Warp) {
        let pixels = lens.width * lens.height;
        (out.view.width, out.view.height) = (lens.width, lens.height);
        out.view.rgb.resize(pixels * 3, 0);
        out.view.depth_m.resize(pixels, FARTHEST_M);
        out.valid.resize(pixels, false);
        out.magnification.resize(pixels, 0.0);
        out.source.resize(pixels, u16::MAX);
        out.source.copy_from_slice(&self.best_source);
        out.trust.clear();
        out.trust.resize(pixels, Trust::Given);
        self.judge(sources, &mut out.trust);
        let best = self.best.inverse[..pixels].iter().zip(&self.best.stretch2[..pixels]);
        let plain = out.view.depth_m.iter_mut().zip(out.valid.iter_mut().zip(&mut out.magnification));
        for ((depth_m, (valid, magnification)), (inverse, stretch2)) in plain.zip(best) {
            *valid = *inverse > 0.0;
            let depth = 1.0 / if *valid { *inverse } else { 1.0 / FARTHEST_M };
            *depth_m = if depth < FARTHEST_M { depth } else { FARTHEST_M };
            *magnification = if *valid { *stretch2 } else { 0.0 }.sqrt();
        }
        for y in 0..lens.height {
            let row = y * lens.width..(y + 1) * lens.width;
            let mut present = 0_u64;
            for source in &self.best_source[row.clone()] {
                present |= if *source < MAX_SOURCES as u16 { 1 << *source } else { 0 };
            }
            let colours = &mut out.view.rgb[row.start * 3..row.end * 3];
            colours.fill(UNKNOWN_GREY);
            while present != 0 {
                let index = present.trailing_zeros() as usize;
                present &= present - 1;
                let (Some(Source { view, .. }), Some(placement)) = (sources.get(index), self.placements.get(index))
                else {
                    continue;
                };
                let pixels = colours.chunks_exact_mut(3).zip(&self.best_source[row.clone()]).enumerate();
                let pixels = pixels.filter(|(_, (_, source))| usize::from(**source) == index);
                if placement.motion == Motion::Identity {
                    for (x, (colour, _)) in pixels {
                        out.view.depth_m[row.start + x] = view.depth_m[row.start + x];
                        put(colour, view.pixel(x, y));
                    }
                } else {
                    let cells = &self.best.cell[row.clone()];
                    self.taps.locate(placement, y, cells, &self.best.inverse[row.clone()]);
                    for (x, (colour, _)) in pixels {
                        put(colour, sample(view, cells[x], self.taps.right[x], self.taps.down[x]));
                    }
                }
            }
        }
    }
}

fn put(to: &mut [u8], rgb: [u8; 3]) {
    (to[0], to[1], to[2]) = (rgb[0], rgb[1], rgb[2]);
}

//! Which earlier views show most of a new one.
//!
//! Every view's coarse depth is projected into the new view. Views are then chosen greedily: each time the one that shows
//! most of what the chosen ones do not, less a little for long lineage and distance.

use rhea_picture::Warp;
use rhea_scene::{Camera, Pose};

use crate::cloud::{CELLS, Coverage};
use crate::placement::{Lens, Placement};
use crate::view::Memory;
use crate::warp::{FINER, Warper};

/// Most views that one recall uses.
pub const MAX_RECALLED: usize = 6;
/// Taken off the score of a view with the longest lineage of all.
const LINEAGE_PENALTY: f32 = 0.15;
/// Taken off the score of a view [`FAR_M`] away or farther.
const DISTANCE_PENALTY: f32 = 0.05;
/// Metres.
const FAR_M: f32 = 8.0;
/// A view that adds less than this share of all cells is not worth its time.
const LEAST_GAIN: f32 = 0.01;
/// What is farther than the nearest known surface by more than this factor is hidden. Cells are coarse, so it is generous.
const HIDDEN: f32 = 1.5;
/// A source that fills less than this share of the known pixels does not count for the lineage.
const LEAST_SHARE: f32 = 0.02;

/// What memory knows about a view that is about to be drawn.
#[derive(Clone, Debug)]
pub struct Recall {
    /// The chosen views, warped; its `source` holds positions in [`Recall::used`].
    pub warp: Warp,
    /// Indices of the chosen views, ascending: oldest first.
    pub used: Vec<usize>,
    /// Lineage of the new view: 0 when memory is empty, else 1 + the largest of the views that fill a real share of it.
    pub lineage: u32,
}

impl Memory {
    /// Recalls at most `k` views ([`MAX_RECALLED`] at most) for `camera` at `pose`, and warps them.
    ///
    /// The most recent view is always among them if it shows anything; with `k` = 1 it is the only one.
    #[must_use]
    pub fn recall(&self, camera: &Camera, pose: &Pose, k: usize) -> Recall {
        self.recall_with(&mut Warper::default(), camera, pose, k)
    }

    /// As [`Memory::recall`], with a warper to reuse.
    #[must_use]
    pub fn recall_with(&self, warper: &mut Warper, camera: &Camera, pose: &Pose, k: usize) -> Recall {
        let used = match k {
            // One place is the latest view's own, whatever it shows: a walker without memory.
            1 => self.len().checked_sub(1).into_iter().collect(),
            _ => self.choose(camera, pose, k.min(MAX_RECALLED)),
        };
        let sources: Vec<_> = used.iter().map(|i| (&*self.views()[*i].rgbd, &self.views()[*i].pose)).collect();
        let warp = warper.warp(&sources, camera, pose);
        let lineage = self.lineage(&warp, &used);
        Recall { warp, used, lineage }
    }

    /// Indices of the views to use, ascending.
    fn choose(&self, camera: &Camera, pose: &Pose, k: usize) -> Vec<usize> {
        let mut candidates = self.candidates(camera, pose);
        hide(&mut candidates);
        let longest = self.views().iter().map(|v| v.lineage).max().unwrap_or(0).max(1) as f32;
        // Crispness of what is chosen so far, per cell.
        let mut known = [0.0; CELLS];
        let mut used = Vec::new();
        let latest = candidates.iter().position(|c| c.index + 1 == self.len());
        // The latest view gets the last place if nothing else brought it in.
        while used.len() < k {
            let missing = |c: &Candidate| gain(&known, &c.coverage.crispness);
            let mut all = known;
            for candidate in &candidates {
                for (best, crispness) in all.iter_mut().zip(&candidate.coverage.crispness) {
                    *best = crispness.max(*best);
                }
            }
            let possible = gain(&known, &all);
            let mut best: Option<(f32, usize)> = None;
            for (i, candidate) in candidates.iter().enumerate() {
                let added = missing(candidate);
                if added < LEAST_GAIN * CELLS as f32 {
                    continue;
                }
                let lineage = self.views()[candidate.index].lineage as f32 / longest;
                let far = (candidate.distance_m / FAR_M).min(1.0);
                let score = added / possible.max(1e-6) - LINEAGE_PENALTY * lineage - DISTANCE_PENALTY * far;
                // Equal scores: the older one, which comes first.
                if best.is_none_or(|(least, _)| score > least) {
                    best = Some((score, i));
                }
            }
            let last_place = used.len() + 1 == k;
            let keep_for_latest = latest.filter(|l| last_place && !used.contains(&candidates[*l].index));
            let Some(chosen) = keep_for_latest.or(best.map(|(_, i)| i)) else { break };
            for (known, crispness) in known.iter_mut().zip(&candidates[chosen].coverage.crispness) {
                *known = crispness.max(*known);
            }
            used.push(candidates[chosen].index);
        }
        if let Some(latest) = latest.map(|l| candidates[l].index)
            && used.len() < k
            && !used.contains(&latest)
        {
            used.push(latest);
        }
        used.sort_unstable();
        used
    }

    /// Views that show anything, oldest first.
    fn candidates(&self, camera: &Camera, pose: &Pose) -> Vec<Candidate> {
        let target = Lens::new(camera, camera.width, camera.height);
        let mut candidates = Vec::new();
        for (index, (view, cloud)) in self.views().iter().zip(self.clouds()).enumerate() {
            let source = Lens::new(camera, view.rgbd.width, view.rgbd.height);
            let placement = Placement::new(source, &view.pose, target, pose);
            if !cloud.may_be_seen(&placement) {
                continue;
            }
            if let Some(coverage) = cloud.project(&placement) {
                let [x, y, z] = placement.offset_m;
                candidates.push(Candidate { index, coverage, distance_m: (x * x + y * y + z * z).sqrt() });
            }
        }
        candidates
    }

    fn lineage(&self, warp: &Warp, used: &[usize]) -> u32 {
        if self.is_empty() {
            return 0;
        }
        let mut pixels = vec![0_usize; used.len()];
        for source in &warp.source {
            if let Some(count) = pixels.get_mut(usize::from(*source)) {
                *count += 1;
            }
        }
        let least = LEAST_SHARE * pixels.iter().sum::<usize>() as f32;
        let counted = used.iter().zip(pixels).filter(|(_, count)| *count > 0 && *count as f32 >= least);
        1 + counted.map(|(i, _)| self.views()[*i].lineage).max().unwrap_or(0)
    }
}

struct Candidate {
    index: usize,
    coverage: Coverage,
    distance_m: f32,
}

/// Takes away what lies behind a surface that any view knows.
fn hide(candidates: &mut [Candidate]) {
    let mut nearest = [0.0_f32; CELLS];
    for candidate in &*candidates {
        for (nearest, inverse) in nearest.iter_mut().zip(&candidate.coverage.inverse) {
            *nearest = nearest.max(*inverse);
        }
    }
    for candidate in candidates {
        let coverage = &mut candidate.coverage;
        for (i, crispness) in coverage.crispness.iter_mut().enumerate() {
            if coverage.inverse[i] * HIDDEN < nearest[i] {
                *crispness = 0.0;
            }
        }
    }
}

/// How much crisper a target gets, in cells: what was unknown, and what becomes so much finer that the warp replaces it.
fn gain(known: &[f32; CELLS], new: &[f32; CELLS]) -> f32 {
    let better = |known: f32, new: f32| if known == 0.0 || new >= FINER * known { (new - known).max(0.0) } else { 0.0 };
    known.iter().zip(new).map(|(known, new)| better(*known, *new)).sum()
}

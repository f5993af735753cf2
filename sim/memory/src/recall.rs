//! Which earlier views show most of a new one.
//!
//! Copies and forgotten views are passed over. When there are many views, 36 points of each thin them out first; then every
//! view's coarse depth is projected into the new view, and views are chosen greedily: each time the one with the best score
//!
//! `newly covered share - 0.15 lineage - 0.1 pose uncertainty - 0.2 stale epoch`.

use rhea_picture::{Trust, Warp};
use rhea_scene::{Camera, Pose};

use crate::cloud::{CELLS, Cloud, Coverage};
use crate::coarse::{Target, thin_out};
use crate::graph::Region;
use crate::memory::Memory;
use crate::pixels::PixelSet;
use crate::placement::{Lens, Placement, dot};
use crate::policy::Policy;
use crate::warp::{FINER, Source, Warper};

/// Most views that one recall of [`Policy::Graph`] uses.
pub const MAX_RECALLED: usize = 6;
/// Views that are looked at closely.
const CLOSE_LOOKS: usize = 48;
/// Taken off the score of a view with the longest lineage of all.
const LINEAGE_PENALTY: f32 = 0.15;
/// Taken off the score of a view whose pose is uncertain by [`UNSURE_M2`] or more.
const UNSURE_PENALTY: f32 = 0.1;
/// Half a metre along both axes, m^2.
const UNSURE_M2: f32 = 0.5;
/// Taken off the score of a view from before an edit of something in sight.
const STALE_PENALTY: f32 = 0.2;
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
    /// Indices of the chosen views in the order of warping; with [`Policy::Graph`] ascending: oldest first.
    pub used: Vec<usize>,
    /// Lineage of the new view: 0 when memory is empty, else 1 + the largest of the views that fill a real share of it.
    pub lineage: u32,
    /// Pixels of the new view that nothing given is behind: what memory does not know, and what the model drew before.
    pub own: PixelSet,
}

impl Recall {
    /// Share of pixels that memory does not know, or only so blurred that a new drawing replaces them, 0 to 1.
    #[must_use]
    pub fn fresh_share(&self) -> f32 {
        let crisp = self.warp.magnification.iter().filter(|m| **m > 0.0 && **m < FINER).count();
        1.0 - crisp as f32 / self.warp.magnification.len().max(1) as f32
    }
}

impl Memory {
    /// Recalls at most `k` views ([`MAX_RECALLED`] at most) for `camera` at `pose`, and warps them. With `k` = 1 it is the latest
    /// view alone.
    #[must_use]
    pub fn recall(&self, camera: &Camera, pose: &Pose, k: usize) -> Recall {
        self.recall_with(&mut Warper::default(), camera, pose, k)
    }

    /// As [`Memory::recall`], with a warper to reuse.
    #[must_use]
    pub fn recall_with(&self, warper: &mut Warper, camera: &Camera, pose: &Pose, k: usize) -> Recall {
        let policy = if k == 1 { Policy::Last(1) } else { Policy::Graph(k.min(MAX_RECALLED)) };
        self.recall_by(policy, warper, camera, pose)
    }

    /// Recalls views by any policy and warps them.
    #[must_use]
    pub fn recall_by(&self, policy: Policy, warper: &mut Warper, camera: &Camera, pose: &Pose) -> Recall {
        let used = match policy {
            Policy::Graph(k) => self.choose(camera, pose, k.min(MAX_RECALLED)),
            other => self.choose_otherwise(other, camera, pose),
        };
        let own: Vec<Option<Vec<bool>>> = used.iter().map(|index| self.own_pixels(*index)).collect();
        let sources: Vec<Source<'_>> = used
            .iter()
            .zip(&own)
            .map(|(i, own)| Source {
                view: &self.views()[*i].rgbd,
                pose: &self.views()[*i].pose,
                hole: self.stale_pixels(*i).filter(|_| matches!(policy, Policy::Graph(_))),
                own: own.as_deref(),
            })
            .collect();
        let mut warp = Warp::empty(camera.width, camera.height);
        warper.warp_sources_into(&sources, camera, pose, &mut warp);
        let lineage = self.lineage(&warp, &used);
        let pixels = warp.valid.iter().zip(&warp.trust);
        let own = PixelSet::new(pixels.map(|(valid, trust)| !*valid || *trust != Trust::Given));
        Recall { warp, used, lineage, own }
    }

    /// Flags of the pixels that the model drew itself; `None` when there are none, or when the view is pinned and so counts as true.
    fn own_pixels(&self, index: usize) -> Option<Vec<bool>> {
        let (node, rgbd) = (&self.nodes()[index], &self.views()[index].rgbd);
        (!node.pinned && !node.own.is_empty()).then(|| node.own.flags(rgbd.width * rgbd.height))
    }

    /// Indices of the views to use, ascending.
    pub(crate) fn choose(&self, camera: &Camera, pose: &Pose, k: usize) -> Vec<usize> {
        let nodes = self.nodes();
        let longest = self.views().iter().map(|v| v.lineage).max().unwrap_or(0).max(1) as f32;
        let sure = nodes.last().map_or(0.0, |node| node.spread.trace_m2());
        let stale: Vec<(usize, u32)> = self.edits_in_sight(camera, pose);
        let penalty = |index: usize| {
            let node = &nodes[index];
            let lineage = if node.pinned { 0.0 } else { self.views()[index].lineage as f32 / longest };
            // Along a chain of steps variances add up, so their difference is that of the way between the two.
            let unsure = ((node.spread.trace_m2() - sure).abs() / UNSURE_M2).min(1.0);
            let before = stale.iter().any(|(_, at)| index < *at as usize);
            LINEAGE_PENALTY * lineage + UNSURE_PENALTY * unsure + if before { STALE_PENALTY } else { 0.0 }
        };
        let mut candidates = self.candidates(camera, pose, &penalty);
        hide(&mut candidates);
        // The latest view comes along if it shows anything: what it adds is below the gain that counts, and costs little.
        let latest = candidates.iter().map(|c| c.index).find(|index| index + 1 == self.len());
        // Crispness of what is chosen so far, per cell.
        let mut known = [0.0; CELLS];
        let mut used = Vec::new();
        while used.len() < k {
            let mut all = known;
            for candidate in &candidates {
                for (best, crispness) in all.iter_mut().zip(&candidate.coverage.crispness) {
                    *best = crispness.max(*best);
                }
            }
            let possible = gain(&known, &all);
            let mut best: Option<(f32, usize)> = None;
            for (i, candidate) in candidates.iter().enumerate() {
                let added = gain(&known, &candidate.coverage.crispness);
                if added < LEAST_GAIN * CELLS as f32 {
                    continue;
                }
                let score = added / possible.max(1e-6) - candidate.penalty;
                // Equal scores: the older one, which comes first.
                if best.is_none_or(|(least, _)| score > least) {
                    best = Some((score, i));
                }
            }
            let Some((_, chosen)) = best else { break };
            for (known, crispness) in known.iter_mut().zip(&candidates[chosen].coverage.crispness) {
                *known = crispness.max(*known);
            }
            used.push(candidates[chosen].index);
        }
        if let Some(latest) = latest.filter(|latest| used.len() < k && !used.contains(latest)) {
            used.push(latest);
        }
        used.sort_unstable();
        used
    }

    /// Views that show anything and may be recalled, oldest first.
    fn candidates(&self, camera: &Camera, pose: &Pose, penalty: &dyn Fn(usize) -> f32) -> Vec<Candidate> {
        let recalled = self.nodes().iter().enumerate().filter(|(_, node)| node.is_recalled());
        let recalled: Vec<usize> = recalled.map(|(index, _)| index).collect();
        let indices = if recalled.len() <= CLOSE_LOOKS {
            recalled
        } else {
            let seen = self.overview().seen(&Target::new(camera, pose), &recalled);
            let scored: Vec<(u64, f32)> = seen.iter().map(|(index, cells)| (*cells, penalty(*index))).collect();
            thin_out(&scored, CLOSE_LOOKS).into_iter().map(|position| seen[position].0).collect()
        };
        let target = Lens::new(camera, camera.width, camera.height);
        let look = |index: usize| {
            let (view, cloud): (_, &Cloud) = (&self.views()[index], &self.clouds()[index]);
            let source = Lens::new(camera, view.rgbd.width, view.rgbd.height);
            let placement = Placement::new(source, &view.pose, target, pose);
            let coverage = if cloud.may_be_seen(&placement) { cloud.project(&placement) } else { None };
            coverage.map(|coverage| Candidate { index, coverage, penalty: penalty(index) })
        };
        indices.into_iter().filter_map(look).collect()
    }

    /// Edits whose region the target may see: their number, and the first view after them.
    fn edits_in_sight(&self, camera: &Camera, pose: &Pose) -> Vec<(usize, u32)> {
        let sees = |region: &Region| {
            let to: [f32; 3] = std::array::from_fn(|k| region.centre_m[k] - pose.position_m[k]);
            let ahead = dot(to, pose.forward());
            let aside = dot(to, pose.right()).abs().max(dot(to, pose.up()).abs());
            let tangent = (camera.fov_x_rad * 0.5).tan();
            ahead > -region.radius_m && aside <= ahead.max(0.0) * tangent + region.radius_m * (1.0 + tangent)
        };
        let edits = self.edits().iter().enumerate();
        edits.filter(|(_, edit)| sees(&edit.region)).map(|(number, edit)| (number, edit.at)).collect()
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
        let of = |index: usize| if self.nodes()[index].pinned { 0 } else { self.views()[index].lineage };
        1 + counted.map(|(i, _)| of(*i)).max().unwrap_or(0)
    }
}

struct Candidate {
    index: usize,
    coverage: Coverage,
    penalty: f32,
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

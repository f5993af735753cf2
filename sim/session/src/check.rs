//! Drawing a view that agrees with memory: accept it, draw others, draw its bad cells again, and as a last resort take memory's
//! own pixels. With checking and repair on, what does not agree is never stored.
//!
//! In worlds that change (`Rules::reopen`), where the model, with memory withheld, draws the same thing again and again and memory holds
//! something else, memory is not forced on it, and a new epoch begins.

use std::borrow::Cow;

use rhea_engine::{Cancel, Filter, Imagine, Imagined, ViewRequest};
use rhea_memory::{Comparison, Recall, Region, Thresholds, Verdict, composite, keep_good_cells, verify};
use rhea_picture::{Rgbd, Warp};
use rhea_scene::{Camera, Pose};

use crate::error::SessionError;
use crate::replay::{CandidateKind, CandidateNote, CheckNote};
use crate::start::{check_size, decibels};

/// Drawings of one view before it is repaired.
const CANDIDATES: u64 = 4;
/// Rounds of drawing bad cells again.
const ROUNDS: u64 = 2;
/// Drawings of the bad cells without memory; all must agree.
const WITNESSES: u64 = 3;
/// Largest region of a new epoch, metres.
const MOST_REOPENED_M: f32 = 1.5;
/// Seeds of further drawings lie this far from those of the walk's other views.
const SEED_STRIDE: u64 = 1 << 32;

/// How strict a session is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Compare views with memory at all? Models that are not told the pose (those that are shown earlier views) never are.
    pub verify: bool,
    /// Draw bad cells again, or only other candidates? Without repair a view that no candidate saves is stored as doubtful.
    pub repair: bool,
    /// Where drawings without memory agree with each other and not with memory, believe them and begin a new epoch? Only for
    /// worlds that change: where nothing does, a model agrees with itself on plain sky and ground as well, and what was right is given up (in
    /// one of six scenes of `rhea eval walks --tier quick`, 16 dB).
    pub reopen: bool,
    /// What counts as different.
    pub thresholds: Thresholds,
}

impl Default for Rules {
    /// Every view is checked, and repaired where it disagrees; memory is believed more than drawings.
    fn default() -> Self {
        Self { verify: true, repair: true, reopen: false, thresholds: Thresholds::SHIPPED }
    }
}

/// A view that may be stored.
pub(crate) struct Checked {
    pub(crate) imagined: Imagined,
    pub(crate) note: CheckNote,
    /// PSNR against memory where it knows, dB.
    pub(crate) agreement_db: Option<f32>,
}

/// One picture on the way.
struct Try {
    imagined: Imagined,
    compared: Comparison,
}

/// A view in the making.
struct Making<'a> {
    request: ViewRequest,
    memory: Warp,
    rules: &'a Rules,
    model: &'a mut dyn Imagine,
    cancel: &'a Cancel,
    notes: Vec<CandidateNote>,
}

/// Draws the view of `request` (whose memory is `recall`'s, and is put there here) for `pose`.
pub(crate) fn draw_checked(
    request: ViewRequest,
    recall: Recall,
    (camera, pose): (&Camera, &Pose),
    rules: &Rules,
    model: &mut dyn Imagine,
    cancel: &Cancel,
) -> Result<Checked, SessionError> {
    let fresh_share = recall.fresh_share();
    let coverage = recall.warp.coverage();
    let request = ViewRequest { memory: Some(recall.warp.clone()), ..request };
    let mut making = Making { request, memory: recall.warp, rules, model, cancel, notes: Vec::new() };
    let seed = making.request.seed;
    let first = making.draw(CandidateKind::Drawn, making.memory.clone(), seed, making.request.picture)?;
    // A model that is not told where it stands is not held to the pose it was meant to reach: its motion is measured afterwards.
    let told_the_pose = making.request.shown.is_none();
    let checked = rules.verify && told_the_pose && first.compared.says_something() && coverage >= Verdict::NEW_BELOW;
    let (chosen, verdict, region) = match checked {
        true => making.settle(first, coverage, camera, pose)?,
        false => {
            let agreement = agreement_db(&first.imagined.view, &making.held_to(&first.imagined));
            (first, Verdict::of(coverage, agreement), None)
        }
    };
    let agreement_db = agreement_db(&chosen.imagined.view, &making.held_to(&chosen.imagined));
    let at = making.notes.iter().rposition(|n| n.worst == chosen.compared.worst).unwrap_or(0);
    let note = CheckNote {
        verdict,
        chosen: at as u32,
        candidates: making.notes,
        cells: chosen.compared.cells,
        fresh_share,
        reopened_m: region.map(|Region { centre_m: [x, y, z], radius_m }| [x, y, z, radius_m]),
    };
    Ok(Checked { imagined: chosen.imagined, note, agreement_db })
}

impl Making<'_> {
    /// Draws and compares one picture.
    fn draw(&mut self, kind: CandidateKind, memory: Warp, seed: u64, picture: Filter) -> Result<Try, SessionError> {
        let request = ViewRequest { memory: Some(memory), seed, picture, ..self.request.clone() };
        let imagined = self.model.imagine(&request, self.cancel)?;
        check_size(&imagined, self.model.side_px())?;
        Ok(self.compare(kind, seed, imagined))
    }

    /// The memory that a picture has to agree with: without what its codes speak against.
    fn held_to(&self, imagined: &Imagined) -> Cow<'_, Warp> {
        let mut memory = Cow::Borrowed(&self.memory);
        if !imagined.doubted.is_empty() {
            memory.to_mut().leave_out(&imagined.doubted);
        }
        memory
    }

    fn compare(&mut self, kind: CandidateKind, seed: u64, imagined: Imagined) -> Try {
        let compared = verify(&imagined.view, &self.held_to(&imagined), imagined.rows, imagined.cols);
        let bad_cells = compared.bad(self.rules.thresholds.cell).iter().filter(|bad| **bad).count() as u32;
        self.notes.push(CandidateNote { kind, seed, worst: compared.worst, bad_cells });
        Try { imagined, compared }
    }

    /// The ladder.
    fn settle(
        &mut self,
        first: Try,
        coverage: f32,
        camera: &Camera,
        pose: &Pose,
    ) -> Result<(Try, Verdict, Option<Region>), SessionError> {
        let Thresholds { accept, store, .. } = self.rules.thresholds;
        let seed = self.request.seed;
        let picture = self.request.picture;
        if first.compared.worst <= accept {
            return Ok((first, Verdict::agreed(coverage), None));
        }
        let mut best = first;
        // A view all of whose cells memory knows is the same whatever the seed.
        if best.imagined.passes > 0 {
            for n in 1..CANDIDATES {
                let memory = self.memory.clone();
                let other = self.draw(CandidateKind::Drawn, memory, seed.wrapping_add(n * SEED_STRIDE), picture)?;
                if other.compared.worst < best.compared.worst {
                    best = other;
                }
            }
        }
        if best.compared.worst <= store {
            return Ok((best, Verdict::agreed(coverage), None));
        }
        if !self.rules.repair {
            return Ok((best, Verdict::Doubtful, None));
        }
        for round in 1..=ROUNDS {
            let bad = self.bad_cells(&best, true);
            let size = (best.imagined.rows, best.imagined.cols);
            let memory = keep_good_cells(&best.imagined.view, &self.memory, &bad, size, false);
            let calmer = Filter { temperature: picture.temperature * 0.5, ..picture };
            let seed = seed.wrapping_add((CANDIDATES + round) * SEED_STRIDE);
            let mended = self.draw(CandidateKind::Redrawn, memory, seed, calmer)?;
            if mended.compared.worst <= store {
                return Ok((mended, Verdict::Repaired, None));
            }
            if mended.compared.worst < best.compared.worst {
                best = mended;
            }
        }
        if self.rules.reopen
            && let Some((witness, region)) = self.witnesses(&best, camera, pose)?
        {
            return Ok((witness, Verdict::Reopened, Some(region)));
        }
        Ok((self.compose(best)?, Verdict::Composite, None))
    }

    /// Cells that differ too much; with `wider`, their neighbours too.
    fn bad_cells(&self, of: &Try, wider: bool) -> Vec<bool> {
        let bad = of.compared.bad(self.rules.thresholds.cell);
        let (rows, cols) = (of.compared.rows, of.compared.cols);
        if !wider {
            return bad;
        }
        let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        let any = |cell: usize| {
            near(cell / cols, rows)
                .any(|y| near(cell % cols, cols).any(|x| bad.get(y * cols + x).copied().unwrap_or(false)))
        };
        (0..rows * cols).map(any).collect()
    }

    /// Draws the bad cells with memory withheld. When all drawings agree with each other there and none with memory, gives back the
    /// first and the part of the world that they show.
    fn witnesses(&mut self, best: &Try, camera: &Camera, pose: &Pose) -> Result<Option<(Try, Region)>, SessionError> {
        let bad = self.bad_cells(best, false);
        let size @ (rows, cols) = (best.imagined.rows, best.imagined.cols);
        let memory = keep_good_cells(&best.imagined.view, &self.memory, &bad, size, true);
        let mut seen: Option<(Try, Warp)> = None;
        for n in 0..WITNESSES {
            let seed = self.request.seed.wrapping_add((CANDIDATES + ROUNDS + 1 + n) * SEED_STRIDE);
            let witness = self.draw(CandidateKind::Witness, memory.clone(), seed, self.request.picture)?;
            if witness.compared.worst <= self.rules.thresholds.store {
                return Ok(None);
            }
            match &seen {
                None => {
                    let only_bad = shown_in(&witness.imagined.view, &bad, size);
                    seen = Some((witness, only_bad));
                }
                Some((_, shown)) => {
                    if verify(&witness.imagined.view, shown, rows, cols).worst > self.rules.thresholds.accept {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(seen.and_then(|(first, shown)| region_of(&shown, camera, pose).map(|region| (first, region))))
    }

    /// Memory's own pixels in the bad cells, in all known cells if that is not enough.
    fn compose(&mut self, best: Try) -> Result<Try, SessionError> {
        let size = (best.imagined.rows, best.imagined.cols);
        let mut bad = self.bad_cells(&best, true);
        let mut made = None;
        for _ in 0..2 {
            let view = composite(&best.imagined.view, &self.held_to(&best.imagined), &bad, size);
            // The codes must tell the picture that is stored.
            let codes = self.model.round_trip(&view, None)?.codes;
            let imagined = Imagined { view, codes, ..best.imagined.clone() };
            check_size(&imagined, self.model.side_px())?;
            let whole = self.compare(CandidateKind::Composite, self.request.seed, imagined);
            let done = whole.compared.worst <= self.rules.thresholds.store;
            made = Some(whole);
            if done {
                break;
            }
            bad = vec![true; bad.len()];
        }
        Ok(made.unwrap_or(best))
    }
}

/// A view as memory, known in some cells only.
fn shown_in(view: &Rgbd, cells: &[bool], size: (usize, usize)) -> Warp {
    let others: Vec<bool> = cells.iter().map(|cell| !cell).collect();
    keep_good_cells(view, &Warp::empty(view.width, view.height), &others, size, true)
}

/// A ball around what the valid pixels show.
fn region_of(shown: &Warp, camera: &Camera, pose: &Pose) -> Option<Region> {
    let (w, focal) = (shown.view.width, camera.focal_px());
    let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
    let points: Vec<[f32; 3]> = (0..shown.valid.len())
        .filter(|i| shown.valid[*i])
        .map(|i| {
            let depth_m = shown.view.depth_m[i];
            let a = ((i % w) as f32 + 0.5 - w as f32 * 0.5) / focal * depth_m;
            let b = (shown.view.height as f32 * 0.5 - (i / w) as f32 - 0.5) / focal * depth_m;
            std::array::from_fn(|k| pose.position_m[k] + forward[k] * depth_m + right[k] * a + up[k] * b)
        })
        .collect();
    if points.is_empty() {
        return None;
    }
    let centre_m: [f32; 3] = std::array::from_fn(|k| points.iter().map(|p| p[k]).sum::<f32>() / points.len() as f32);
    let apart = |p: &[f32; 3]| (0..3).map(|k| (p[k] - centre_m[k]).powi(2)).sum::<f32>().sqrt();
    let radius_m = points.iter().map(apart).fold(0.0, f32::max).min(MOST_REOPENED_M);
    Some(Region { centre_m, radius_m })
}

/// PSNR where memory knows, when it knows anything.
fn agreement_db(view: &Rgbd, memory: &Warp) -> Option<f32> {
    rhea_picture::psnr(view, &memory.view, Some(&memory.valid)).ok().map(decibels)
}

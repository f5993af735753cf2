//! What self-made memory costs when the network is not to blame: every view is drawn from its true codes, once with memory and
//! once without. Where memory's pixels are stale or misplaced and yet pass the gate, the first is the worse of the two.

use std::sync::Arc;

use rhea_engine::Imagine;
use rhea_memory::{Insight, Memory, Policy, View, Warper};
use rhea_picture::psnr;
use rhea_session::Options;
use serde::Serialize;

use super::stage::Stage;
use super::tour::{Tour, WalkKind};
use crate::LessonError;
use crate::eval::figures::Mean;

/// Steps of the walk.
const STEPS: usize = 40;

/// Views from their true codes against the truth; means over the steps after the first.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct GhostingFigures {
    /// Beside the memory of the views before, themselves drawn so, dB.
    pub with_memory: f64,
    /// Without memory, dB.
    pub without: f64,
}

impl GhostingFigures {
    /// What memory costs, dB; negative where it helps.
    #[must_use]
    pub fn cost_db(&self) -> f64 {
        self.without - self.with_memory
    }
}

/// Walks out and back through one scene; `None` when it has no start.
///
/// # Errors
/// When the model fails.
pub(super) fn ghosting(model: &mut dyn Imagine, seed: u64) -> Result<Option<GhostingFigures>, LessonError> {
    let Some(stage) = Stage::new(seed, model.side_px()) else { return Ok(None) };
    let tour = Tour::new(WalkKind::OutAndBack, &stage);
    let (mut memory, mut warper) = (Memory::new(), Warper::default());
    let [mut with_memory, mut without] = [Mean::default(); 2];
    for step in 0..=STEPS {
        let pose = tour.pose(step);
        let truth = stage.view(&pose);
        let policy = Policy::Graph(Options::default().recall_views);
        let recall = memory.recall_by(policy, &mut warper, &stage.camera, &pose);
        let drawn = model.round_trip(&truth, Some(&recall.warp))?;
        if step > 0 {
            with_memory.add(psnr(&drawn.view, &truth, None).unwrap_or(f64::NAN));
            let plain = model.round_trip(&truth, None)?.view;
            without.add(psnr(&plain, &truth, None).unwrap_or(f64::NAN));
        }
        let insight = Insight {
            sources: recall.used.clone(),
            fresh_share: recall.fresh_share(),
            own: recall.own.clone(),
            ..Insight::default()
        };
        let (codes, narration) = (drawn.codes, String::new());
        let view =
            View { rgbd: Arc::new(drawn.view), pose, codes, step: step as u32, lineage: recall.lineage, narration };
        memory.add(view, &insight);
    }
    Ok(Some(GhostingFigures { with_memory: with_memory.get(), without: without.get() }))
}

//! What a recorded walk remembers: its memory as it was at the end of the recording.

use std::sync::Arc;

use rhea_memory::{About, Insight, Memory, Region, Travel, Verdict, View, World};
use rhea_scene::Move;

use super::ReplayError;
use super::message::RecordKind;
use super::recording::{Replay, StepRecord};

/// Rebuilds the memory of a recorded walk, record by record. Walks of the first format, which were not checked, get their verdicts
/// from how well the views agreed with memory.
///
/// # Errors
/// When a picture in the replay is damaged.
pub fn remembered(replay: &Replay) -> Result<Memory, ReplayError> {
    let mut memory = Memory::new();
    for (index, step) in replay.steps.iter().enumerate() {
        match step.kind {
            RecordKind::Start | RecordKind::Step => take_in(&mut memory, replay, index, step)?,
            RecordKind::Undo => drop(memory.undo()),
            RecordKind::Note => noted(&mut memory, &step.command),
            RecordKind::Cancelled | RecordKind::Blocked | RecordKind::Failed => {}
        }
    }
    Ok(memory)
}

/// The world of a recorded walk, to be taken up again.
///
/// # Errors
/// As [`remembered`].
pub fn world_of(replay: &Replay) -> Result<World, ReplayError> {
    let header = &replay.header;
    let about = About {
        rhea: header.rhea.clone(),
        model: header.model.clone(),
        model_hash: header.model_hash.clone(),
        camera: header.camera,
        start: header.start.clone(),
        world: header.world.clone(),
        seed: header.seed,
        drawn: replay.steps.iter().filter(|step| step.has_view()).count() as u64,
    };
    Ok(World { about, memory: remembered(replay)? })
}

fn take_in(memory: &mut Memory, replay: &Replay, index: usize, step: &StepRecord) -> Result<(), ReplayError> {
    let rgbd = Arc::new(replay.view(index)?);
    let recall = step.recall.clone().unwrap_or_default();
    let commanded = Move::parse(&step.command).ok().filter(|_| step.kind == RecordKind::Step);
    let insight = Insight {
        verdict: step.check.as_ref().map_or_else(|| Verdict::of(recall.coverage, recall.agreement_db), |c| c.verdict),
        sources: recall.sources.iter().filter_map(|i| usize::try_from(*i).ok()).collect(),
        fresh_share: step.check.as_ref().map_or(1.0, |check| check.fresh_share),
        motion: commanded.map(|commanded| Travel { commanded, measured: None }),
    };
    if let Some([x, y, z, radius_m]) = step.check.as_ref().and_then(|check| check.reopened_m) {
        // A region that cannot be is no reason to lose the view.
        memory.edit(Region { centre_m: [x, y, z], radius_m }).ok();
    }
    memory.add(
        View {
            rgbd,
            pose: step.pose,
            codes: replay.codes(index)?.codes,
            step: u32::try_from(memory.len()).unwrap_or(u32::MAX),
            lineage: recall.lineage,
            narration: step.narration.as_ref().map_or_else(String::new, |note| note.text.clone()),
        },
        &insight,
    );
    if matches!(insight.verdict, Verdict::Revisited | Verdict::Repaired) {
        memory.close_loop(None);
    }
    Ok(())
}

/// What a walker told memory.
fn noted(memory: &mut Memory, command: &str) {
    let Some(latest) = memory.len().checked_sub(1) else { return };
    match command {
        // The latest view is there.
        "pin" => memory.pin(latest, true).unwrap_or_default(),
        "unpin" => memory.pin(latest, false).unwrap_or_default(),
        "forget this place" => {
            if let Some(place) = memory.nodes().get(latest).map(|node| node.place) {
                memory.forget_place(&place);
            }
        }
        _ => {}
    }
}

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
/// When a picture in the replay is damaged, or the walk goes on from a saved world: see [`world_of`].
pub fn remembered(replay: &Replay) -> Result<Memory, ReplayError> {
    remembered_onto(None, replay)
}

/// The world of a recorded walk, to be taken up again: of a session that was not saved, or whose file was lost. A walk that went on
/// from a saved world needs that world as its `base`. Views stand where they were first believed to stand.
///
/// # Errors
/// As [`remembered`], and when the base is not the world that the walk goes on from.
pub fn world_of(replay: &Replay, base: Option<World>) -> Result<World, ReplayError> {
    let header = &replay.header;
    let drawn = replay.steps.iter().filter(|step| step.has_view()).count() as u64;
    let before = base.as_ref().map_or(0, |base| base.about.drawn.saturating_sub(1));
    let about = About {
        rhea: header.rhea.clone(),
        model: header.model.clone(),
        model_hash: header.model_hash.clone(),
        camera: header.camera,
        start: header.start.clone(),
        world: header.world.clone(),
        seed: header.seed,
        drawn: before + drawn,
    };
    Ok(World { about, memory: remembered_onto(base, replay)? })
}

fn remembered_onto(base: Option<World>, replay: &Replay) -> Result<Memory, ReplayError> {
    if replay.header.plan.is_some() {
        return Err(ReplayError::Missing { what: "walk in it: it is a robot plan".to_owned() });
    }
    let mut steps = replay.steps.iter().enumerate();
    let mut memory = Memory::new();
    let taken_up = replay.steps.first().filter(|first| first.kind == RecordKind::Start && first.step > 0);
    if let Some(first) = taken_up {
        let missing = |what: String| ReplayError::Missing { what };
        let base = base.ok_or_else(|| {
            missing(format!("views before step {}: this walk goes on from a saved world; name its file", first.step))
        })?;
        let views = usize::try_from(first.step).unwrap_or(usize::MAX).saturating_add(1);
        memory = base.forked(views).memory;
        let same = memory.latest().is_some_and(|view| view.pose == first.pose);
        if memory.len() != views || !same || *memory.latest().map_or(&[][..], |v| &v.rgbd.rgb) != *replay.view(0)?.rgb {
            let what =
                format!("view in common with this world: the walk goes on from step {} of another one", first.step);
            return Err(missing(what));
        }
        steps.next();
    }
    for (index, step) in steps {
        match step.kind {
            RecordKind::Start | RecordKind::Step => take_in(&mut memory, replay, index, step)?,
            RecordKind::Undo => drop(memory.undo()),
            RecordKind::Note => noted(&mut memory, &step.command),
            RecordKind::Cancelled | RecordKind::Blocked | RecordKind::Failed => {}
        }
    }
    Ok(memory)
}

fn take_in(memory: &mut Memory, replay: &Replay, index: usize, step: &StepRecord) -> Result<(), ReplayError> {
    let rgbd = Arc::new(replay.view(index)?);
    let recall = step.recall.clone().unwrap_or_default();
    let commanded = Move::parse(&step.command).ok().filter(|_| step.kind == RecordKind::Step);
    let insight = Insight {
        verdict: step.check.as_ref().map_or_else(|| Verdict::of(recall.coverage, recall.agreement_db), |c| c.verdict),
        sources: recall.sources.iter().filter_map(|i| usize::try_from(*i).ok()).collect(),
        fresh_share: step.check.as_ref().map_or(1.0, |check| check.fresh_share),
        own: recall.own,
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

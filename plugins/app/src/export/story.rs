//! Walks and plans as records of Emu3.5: what was asked, then for every step its words and its pictures.

use std::path::Path;

use anyhow::Result;
use rhea_record::{Story, StoryBuilder};

use super::WRITE_HINT;
use super::plan::Plan;
use super::walk::{Walk, each};
use crate::fault::WithHint as _;

/// Views of a walk in one record; a longer walk goes in even strides.
const MOST_VIEWS: usize = 2000;

/// Writes a walk: a clip for each view that is kept.
///
/// # Errors
/// When the recording is damaged, or the file cannot be written.
pub(super) fn write_walk(walk: &Walk, file: &Path) -> Result<()> {
    let mut builder = StoryBuilder::new(&walk.replay.header.start);
    each(&walk.views(MOST_VIEWS), |_, record| {
        let step = &walk.replay.steps[record];
        let told = step.narration.as_ref().map_or("", |narration| narration.text.as_str());
        builder.text(format!("{}. {told}", step.command).trim_end());
        builder.picture(&walk.replay.view(record)?.picture())?;
        Ok(())
    })?;
    save(builder, walk.source(), file)
}

/// Writes a plan: a clip for each step, with its verdict, the simulated key-frame and the generated one if there is one.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_plan(plan: &Plan, file: &Path) -> Result<()> {
    let mut builder = StoryBuilder::new(&plan.task());
    for step in &plan.film {
        let report = &step.report;
        let words = report.skill.as_ref().filter(|_| report.text.is_empty()).map(ToString::to_string);
        builder.text(&format!("{}: {}", words.unwrap_or_else(|| report.text.clone()), report.says));
        builder.picture(&step.truth.picture())?;
        if let Some(imagined) = &step.imagined {
            builder.picture(&imagined.picture())?;
        }
    }
    save(builder, plan.source(), file)
}

fn save(builder: StoryBuilder, source: String, file: &Path) -> Result<()> {
    let story = Story { story_id: source, ..builder.finish() };
    story.save(file).hint(WRITE_HINT)?;
    Ok(())
}

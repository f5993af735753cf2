//! Looking at a replay without a window: a table, single pictures, a contact sheet.

use std::fmt::Write;
use std::path::Path;

use rhea_picture::{Sheet, save_depth, save_picture};

use super::ReplayError;
use super::message::RecordKind;
use super::recording::{Replay, StepRecord};

/// Most views on a contact sheet; a longer walk is shown in even strides, always with its first and last view.
pub const MAX_SHEET_VIEWS: usize = 240;
/// Pictures in a row of a contact sheet.
const SHEET_COLUMNS: usize = 8;
/// Pixels of a contact sheet's picture below which pictures are enlarged.
const SHEET_CELL_PX: usize = 192;
/// Letters of a command in the table.
const COMMAND_WIDTH: usize = 34;

/// The replay as a table, one line for each record.
#[must_use]
pub fn list(replay: &Replay) -> String {
    let header = &replay.header;
    let mut text = format!(
        "Rhea {}, model {}, {} x {} px, seed {}, start: {}\n",
        clean(&header.rhea),
        clean(&header.model),
        header.camera.width,
        header.camera.height,
        header.seed,
        clean(&header.start)
    );
    if !header.world.is_empty() {
        text.push_str(&format!("world: {}\n", clean(&header.world)));
    }
    text.push_str(&format!(
        "{:>6} {:>5}  {:COMMAND_WIDTH$} {:>7} {:>7} {:>6} {:>6}  {:>5} {:12} {:>6}  narration\n",
        "record", "step", "command", "x m", "z m", "yaw", "pitch", "known", "from views", "ms"
    ));
    for step in &replay.steps {
        // Writing into a string cannot fail.
        writeln!(text, "{}", line(step)).unwrap_or_default();
    }
    text.push_str(&match &replay.torn {
        None => format!("{} records, finished\n", replay.steps.len()),
        Some(torn) => format!(
            "{} records; cut at byte {}: {} ({} bytes dropped)\n",
            replay.steps.len(),
            torn.offset,
            clean(&torn.reason),
            torn.lost_bytes
        ),
    });
    text
}

/// Writes every view as `NNNNN.png` and its depth as `NNNNN_depth.png` (16 bit, millimetres) into a folder, which is created
/// when it is missing; `NNNNN` is the number of the record. Returns how many views there were.
///
/// # Errors
/// When the folder cannot be written or a picture in the replay is damaged.
pub fn frames(replay: &Replay, folder: &Path) -> Result<usize, ReplayError> {
    std::fs::create_dir_all(folder).map_err(|source| ReplayError::Export { path: folder.to_path_buf(), source })?;
    let mut written = 0;
    for (index, step) in replay.steps.iter().enumerate().filter(|(_, step)| step.has_view()) {
        let view = replay.view(index)?;
        save_picture(&folder.join(format!("{:05}.png", step.record)), &view.picture())?;
        save_depth(&folder.join(format!("{:05}_depth.png", step.record)), &view)?;
        written += 1;
    }
    Ok(written)
}

/// Writes a contact sheet of the views that are still part of the walk, at most [`MAX_SHEET_VIEWS`] of them.
///
/// # Errors
/// When there is no view, the file cannot be written, or a picture in the replay is damaged.
pub fn sheet(replay: &Replay, file: &Path) -> Result<(), ReplayError> {
    let kept = replay.kept();
    let shown = evenly(&kept, MAX_SHEET_VIEWS);
    if shown.is_empty() {
        return Err(ReplayError::Missing { what: "view to show".to_owned() });
    }
    let scale = SHEET_CELL_PX.div_ceil(replay.header.camera.width.max(1));
    let mut sheet = Sheet::new(SHEET_COLUMNS, scale);
    for (step, index) in shown {
        let command = replay.steps.get(index).map_or("", |record| record.command.as_str());
        sheet.add_view(&replay.view(index)?, format!("{step} {}", clean(command)));
    }
    save_picture(file, &sheet.draw()?)?;
    Ok(())
}

/// At most `most` of the items with their positions, first and last among them.
#[must_use]
pub fn evenly(items: &[usize], most: usize) -> Vec<(usize, usize)> {
    let last = items.len().saturating_sub(1);
    let count = items.len().min(most);
    (0..count)
        .filter_map(|n| {
            let position = if count == items.len() { n } else { n * last / (count - 1).max(1) };
            items.get(position).map(|item| (position, *item))
        })
        .collect()
}

fn line(step: &StepRecord) -> String {
    let command = match step.kind {
        RecordKind::Start => format!("(start) {}", step.command),
        RecordKind::Step | RecordKind::Undo | RecordKind::Note => step.command.clone(),
        RecordKind::Cancelled => format!("{} (cancelled)", step.command),
        RecordKind::Blocked => format!("{} (blocked)", step.command),
        RecordKind::Failed => format!("{} (failed)", step.command),
    };
    let mut command: String = clean(&command);
    if command.chars().count() > COMMAND_WIDTH {
        command = command.chars().take(COMMAND_WIDTH - 2).chain("..".chars()).collect();
    }
    let (known, sources) = step.recall.as_ref().map_or_else(
        || (String::new(), String::new()),
        |recall| {
            let sources = recall.sources.iter().take(4).map(u64::to_string).collect::<Vec<_>>().join(",");
            let more = if recall.sources.len() > 4 { ".." } else { "" };
            (format!("{:.0}%", recall.coverage * 100.0), format!("{sources}{more}"))
        },
    );
    let [x, _, z] = step.pose.position_m;
    let words = [
        step.narration.as_ref().map_or("", |narration| narration.text.as_str()),
        if step.narration.as_ref().is_some_and(|narration| narration.cut) { " .." } else { "" },
    ]
    .concat();
    let note = step.note.as_ref().map_or_else(String::new, |note| format!("[{note}] "));
    format!(
        "{:>6} {:>5}  {command:COMMAND_WIDTH$} {x:>7.2} {z:>7.2} {:>6.0} {:>6.0}  {known:>5} {sources:12} {:>6.0}  {}",
        step.record,
        step.step,
        step.pose.yaw_rad.to_degrees(),
        step.pose.pitch_rad.to_degrees(),
        step.timings.total_secs() * 1000.0,
        clean(&format!("{note}{words}"))
    )
    .trim_end()
    .to_owned()
}

/// Text from a file, safe for a terminal: control characters become spaces.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_keep_both_ends() {
        let items: Vec<usize> = (100..500).collect();
        let shown = evenly(&items, 7);
        assert_eq!(shown.len(), 7);
        assert_eq!((shown[0], shown[6]), ((0, 100), (399, 499)));
        assert_eq!(evenly(&items[..3], 7), [(0, 100), (1, 101), (2, 102)]);
        assert_eq!(evenly(&[], 7), []);
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(clean("a\u{1b}[31mb\nc"), "a [31mb c");
    }
}

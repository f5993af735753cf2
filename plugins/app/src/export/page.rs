//! A walk as one page: views, words, map and verdicts are inside it, and it asks for nothing from anywhere.

use std::path::Path;

use anyhow::Result;
use rhea_memory::verdict_rgb;
use rhea_picture::picture_to_png;
use serde_json::{Value, json};

use super::WRITE_HINT;
use super::walk::{Walk, each, verdict};
use crate::fault::WithHint as _;

/// Most views in a page, some 30 kB each; a longer walk is shown in even strides, and the page says so.
const MOST_VIEWS: usize = 2000;
/// The page without its walk.
const PAGE: &str = include_str!("walk.html");
/// Where the walk goes.
const PLACE: &str = "\"the walk\"";

/// Writes the page.
///
/// # Errors
/// When a picture of the recording is damaged, or the file cannot be written.
pub(super) fn write(walk: &Walk, file: &Path) -> Result<()> {
    let views = walk.views(MOST_VIEWS);
    let mut steps = Vec::with_capacity(views.len());
    each(&views, |step, record| {
        let png = picture_to_png(&walk.replay.view(record)?.picture())?;
        if let Some(told) = walk.replay.steps.get(record) {
            let verdict = verdict(told);
            let recall = told.recall.as_ref();
            steps.push(json!({
                "step": step,
                "command": told.command,
                "words": told.narration.as_ref().map_or("", |note| note.text.as_str()),
                "note": told.note,
                "x_m": told.pose.position_m[0],
                "z_m": told.pose.position_m[2],
                "yaw_rad": told.pose.yaw_rad,
                "verdict": verdict.word(),
                "rgb": verdict_rgb(verdict),
                "known": recall.map(|recall| recall.coverage),
                "from": recall.map_or(&[][..], |recall| &recall.sources),
                "secs": told.timings.recall_secs + told.timings.imagine_secs,
                "png": base64::encode(png),
            }));
        }
        Ok(())
    })?;
    let header = &walk.replay.header;
    let whole = json!({
        "rhea": header.rhea, "model": header.model, "seed": header.seed,
        "start": header.start, "world": header.world,
        "file": walk.file, "sha256": walk.sha256,
        "left_out": walk.replay.kept().len() - steps.len(),
        "steps": steps,
    });
    std::fs::write(file, fill(PAGE, PLACE, &whole))
        .map_err(|error| format!("{}: {error}", file.display()))
        .hint(WRITE_HINT)
}

/// A page with data in its place. Nothing of the data can end the element that it stands in.
pub(super) fn fill(page: &str, place: &str, data: &Value) -> String {
    let data = data.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    page.replacen(place, &data, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_stays_data_whatever_it_says() {
        let words = "</script><script>alert(1)</script>\u{2028}&amp; \"the walk\"";
        let page = fill(PAGE, PLACE, &json!({ "steps": [{ "words": words }] }));
        assert_eq!(page.matches("<script").count(), PAGE.matches("<script").count());
        assert_eq!(PAGE.matches(PLACE).count(), 1);
        let from = page.find("{\"steps\"").unwrap_or_default();
        let to = page[from..].find("</script>").map_or(0, |at| from + at);
        let read: Value = serde_json::from_str(&page[from..to]).unwrap_or_default();
        assert_eq!(read["steps"][0]["words"], words);
    }

    #[test]
    fn the_page_may_ask_for_nothing() {
        assert!(PAGE.contains("default-src 'none'") && !PAGE.contains("://"));
    }
}

//! A record as a folder, in the layout of the reference's viewer.
//!
//! ```text
//! 000_question.txt  000_global_cot.txt  000_reference_image.png  001_reference_image.png ...
//! 001_text.txt  001_00_image.png  001_00_image_cot.txt  001_01_image.png ...  002_text.txt ...
//! ```
//!
//! Numbers of segments begin with 1, or with the number of reference pictures where there are more. Thoughts without a picture
//! leave an empty picture file, as the viewer does.

use std::path::Path;

use crate::error::RecordError;
use crate::page::html_page;
use crate::story::{ImageMeta, Story};

/// The page beside the viewer's files.
const PAGE: &str = "index.html";

/// The viewer's files: names and contents, in the order they are written.
#[must_use]
pub fn viewer_files(story: &Story) -> Vec<(String, Vec<u8>)> {
    let text = |text: &str| format!("{text}\n").into_bytes();
    let bytes = |meta: &ImageMeta| meta.image.as_ref().map(|image| image.image_data.clone()).unwrap_or_default();
    let mut files = vec![("000_question.txt".to_owned(), text(&story.question))];
    if !story.summary.is_empty() {
        files.push(("000_global_cot.txt".to_owned(), text(&story.summary)));
    }
    for (number, meta) in story.reference_images.iter().enumerate() {
        files.push((format!("{number:03}_reference_image.png"), bytes(meta)));
    }
    let first = story.reference_images.len().max(1);
    for (segment, number) in story.clips.iter().flat_map(|clip| &clip.segments).zip(first..) {
        files.push((format!("{number:03}_text.txt"), text(&segment.asr)));
        for (index, meta) in segment.images.iter().enumerate() {
            files.push((format!("{number:03}_{index:02}_image.png"), bytes(meta)));
            if !meta.chain_of_thought.is_empty() {
                files.push((format!("{number:03}_{index:02}_image_cot.txt"), text(&meta.chain_of_thought)));
            }
        }
    }
    files
}

/// Writes the viewer's files and `index.html` to a folder, which is made. Returns the number of files.
///
/// # Errors
/// When a file cannot be written.
pub fn export(story: &Story, folder: &Path) -> Result<usize, RecordError> {
    let failed = |path: &Path, source| RecordError::File { action: "write", path: path.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let mut files = viewer_files(story);
    files.push((PAGE.to_owned(), html_page(story).into_bytes()));
    for (name, content) in &files {
        let path = folder.join(name);
        std::fs::write(&path, content).map_err(|source| failed(&path, source))?;
    }
    Ok(files.len())
}

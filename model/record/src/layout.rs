//! A record as a folder, in the layout of the reference's viewer.
//!
//! ```text
//! 000_question.txt  000_global_cot.txt  000_reference_image.png  001_reference_image.png ...
//! 001_text.txt  001_00_image.png  001_00_image_cot.txt  001_01_image.png ...  002_text.txt ...
//! ```
//!
//! Numbers of segments begin with 1, or with the number of reference pictures where there are more. Thoughts without a picture
//! leave an empty picture file, as the viewer does.

use std::borrow::Cow;
use std::path::Path;

use crate::error::RecordError;
use crate::page::html_page;
use crate::story::{ImageMeta, Story};

/// A file's name and its content.
pub type NamedFile<'a> = (String, Cow<'a, [u8]>);

/// The viewer's files, in the order they are written.
#[must_use]
pub fn viewer_files(story: &Story) -> Vec<NamedFile<'_>> {
    let mut files = vec![("000_question.txt".to_owned(), text_file(&story.question))];
    if !story.summary.is_empty() {
        files.push(("000_global_cot.txt".to_owned(), text_file(&story.summary)));
    }
    for (number, meta) in story.reference_images.iter().enumerate() {
        files.push((format!("{number:03}_reference_image.png"), picture_file(meta)));
    }
    let first = story.reference_images.len().max(1);
    for (segment, number) in story.clips.iter().flat_map(|clip| &clip.segments).zip(first..) {
        files.push((format!("{number:03}_text.txt"), text_file(&segment.asr)));
        for (index, meta) in segment.images.iter().enumerate() {
            files.push((format!("{number:03}_{index:02}_image.png"), picture_file(meta)));
            if !meta.chain_of_thought.is_empty() {
                files.push((format!("{number:03}_{index:02}_image_cot.txt"), text_file(&meta.chain_of_thought)));
            }
        }
    }
    files
}

fn text_file(text: &str) -> Cow<'_, [u8]> {
    Cow::Owned(format!("{text}\n").into_bytes())
}

fn picture_file(meta: &ImageMeta) -> Cow<'_, [u8]> {
    Cow::Borrowed(meta.image.as_ref().map_or(&[], |image| image.image_data.as_slice()))
}

/// Writes the viewer's files and `index.html` to a folder, which is made. Returns the number of files.
///
/// # Errors
/// When a file cannot be written.
pub fn export(story: &Story, folder: &Path) -> Result<usize, RecordError> {
    create(folder)?;
    let mut files = viewer_files(story);
    files.push(page_file(story));
    files.iter().try_for_each(|(name, content)| write(&folder.join(name), content))?;
    Ok(files.len())
}

/// The page beside the viewer's files.
pub(crate) fn page_file(story: &Story) -> NamedFile<'static> {
    ("index.html".to_owned(), Cow::Owned(html_page(story).into_bytes()))
}

pub(crate) fn create(folder: &Path) -> Result<(), RecordError> {
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))
}

pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    std::fs::write(path, content).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> RecordError {
    RecordError::File { action: "write", path: path.to_owned(), source }
}

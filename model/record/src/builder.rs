//! An answer's parts, as they come, become a record.

use rhea_picture::{Picture, picture_to_png};

use crate::error::RecordError;
use crate::story::{Clip, Image, ImageFormat, ImageMeta, Segment, Story};

/// Gathers the parts of an answer in the order they came.
///
/// A text begins a clip; pictures and the thoughts before them belong to the text before. Thoughts wait for their picture: those
/// that a text or the end overtakes stay without one, except that the very last ones of a record are dropped.
#[derive(Clone, Debug, Default)]
pub struct StoryBuilder {
    story: Story,
}

impl StoryBuilder {
    /// A record of a question.
    #[must_use]
    pub fn new(question: &str) -> Self {
        Self { story: Story { question: question.to_owned(), ..Story::default() } }
    }

    /// A picture that came with the question.
    ///
    /// # Errors
    /// When its buffer does not fit its size.
    pub fn reference_image(&mut self, picture: &Picture) -> Result<(), RecordError> {
        let image = Some(png(picture)?);
        self.story.reference_images.push(ImageMeta { image, ..ImageMeta::default() });
        Ok(())
    }

    /// Thoughts about the whole answer.
    pub fn global_thought(&mut self, text: &str) {
        text.clone_into(&mut self.story.summary);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        let segment = Segment { asr: text.to_owned(), ..Segment::default() };
        self.begin_clip(segment);
    }

    /// Thoughts about the picture that comes next.
    pub fn picture_thought(&mut self, text: &str) {
        let meta = ImageMeta { chain_of_thought: text.to_owned(), ..ImageMeta::default() };
        self.images().push(meta);
    }

    /// A picture.
    ///
    /// # Errors
    /// When its buffer does not fit its size.
    pub fn picture(&mut self, picture: &Picture) -> Result<(), RecordError> {
        let image = Some(png(picture)?);
        let images = self.images();
        match images.last_mut().filter(|meta| meta.image.is_none()) {
            Some(waiting) => waiting.image = image,
            None => images.push(ImageMeta { image, ..ImageMeta::default() }),
        }
        Ok(())
    }

    /// The record so far; thoughts at its end may still wait for their picture.
    #[must_use]
    pub fn so_far(&self) -> &Story {
        &self.story
    }

    /// The finished record; it has at least one clip.
    #[must_use]
    pub fn finish(mut self) -> Story {
        self.images().pop_if(|meta| meta.image.is_none());
        self.story
    }

    fn begin_clip(&mut self, segment: Segment) {
        let clip_id = format!("clip_{:04}", self.story.clips.len());
        self.story.clips.push(Clip { clip_id, segments: vec![segment], ..Clip::default() });
    }

    /// The pictures of the last segment; an empty record gets an empty one.
    fn images(&mut self) -> &mut Vec<ImageMeta> {
        if self.story.clips.is_empty() {
            self.begin_clip(Segment::default());
        }
        let last = self.story.clips.len() - 1;
        let segments = &mut self.story.clips[last].segments;
        if segments.is_empty() {
            segments.push(Segment::default());
        }
        let last = segments.len() - 1;
        &mut segments[last].images
    }
}

fn png(picture: &Picture) -> Result<Image, RecordError> {
    let image_data = picture_to_png(picture)?;
    let side = |side: usize| i32::try_from(side).unwrap_or(i32::MAX);
    let (width, height) = (side(picture.width), side(picture.height));
    Ok(Image { width, height, format: ImageFormat::Png, image_data, image_path: String::new() })
}

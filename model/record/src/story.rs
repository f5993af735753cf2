//! The messages of a record: proto3, package `emu3p5.story`. Names and numbers are those of Emu3.5.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::RecordError;
use crate::limits::MAX_RECORD_BYTES;
use crate::wire::{Fields, Reader, Writer, from_int32, from_sint32, to_int32, to_sint32};

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// A name.
    pub story_id: String,
    /// The parts of the answer.
    pub clips: Vec<Clip>,
    /// Shall nobody use it?
    pub deprecated: bool,
    /// Why not.
    pub deprecate_reason: String,
    /// The thoughts about the whole answer.
    pub summary: String,
    /// What was asked.
    pub question: String,
    /// A better summary.
    pub refined_summary: String,
    /// The question in another language.
    pub question_translate: String,
    /// The summary in another language.
    pub summary_translate: String,
    /// The better summary in another language.
    pub refined_summary_translate: String,
    /// The pictures that came with the question.
    pub reference_images: Vec<ImageMeta>,
}

/// A text with the pictures that follow it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clip {
    /// `clip_0000`, `clip_0001` ...
    pub clip_id: String,
    /// When, in a film.
    pub timestamp: Option<TimeStamp>,
    /// The story that it tells.
    pub story: String,
    /// What is to be seen.
    pub caption: String,
    /// Its parts; answers of a model have one.
    pub segments: Vec<Segment>,
}

/// A part of a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// When, in a film.
    pub timestamp: Option<TimeStamp>,
    /// The text.
    pub asr: String,
    /// What is to be seen.
    pub caption: String,
    /// The text in another language.
    pub asr_translate: String,
    /// Its pictures.
    pub images: Vec<ImageMeta>,
}

/// A picture and what is known about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageMeta {
    /// A name.
    pub image_id: String,
    /// When, in a film.
    pub timestamp: Option<TimeStamp>,
    /// What is to be seen.
    pub caption: String,
    /// What is to be seen, at length.
    pub detail_caption: String,
    /// Features by name.
    pub features: BTreeMap<String, Vec<u8>>,
    /// Scores by name.
    pub scores: BTreeMap<String, f64>,
    /// The thoughts about the picture.
    pub chain_of_thought: String,
    /// The thoughts in another language.
    pub cot_translate: String,
    /// The picture; thoughts that no picture followed have none.
    pub image: Option<Image>,
    /// Is it a key-frame?
    pub is_keyframe_status: i32,
}

/// The bytes of a picture file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Kind of file.
    pub format: ImageFormat,
    /// The file.
    pub image_data: Vec<u8>,
    /// Where it was.
    pub image_path: String,
}

/// A stretch of a film, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeStamp {
    /// Begin.
    pub start: f64,
    /// End.
    pub end: f64,
}

/// Kinds of picture files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageFormat {
    /// Not said.
    #[default]
    Unknown,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// BMP.
    Bmp,
    /// A kind that newer writers know.
    Other(i32),
}

impl ImageFormat {
    const KNOWN: [Self; 5] = [Self::Unknown, Self::Jpeg, Self::Png, Self::Webp, Self::Bmp];

    fn of_number(number: i32) -> Self {
        let known = usize::try_from(number).ok().and_then(|index| Self::KNOWN.get(index).copied());
        known.unwrap_or(Self::Other(number))
    }

    fn number(self) -> i32 {
        match self {
            Self::Unknown => 0,
            Self::Jpeg => 1,
            Self::Png => 2,
            Self::Webp => 3,
            Self::Bmp => 4,
            Self::Other(number) => number,
        }
    }
}

impl Story {
    /// Reads a record. Fields that it does not know are passed over.
    ///
    /// # Errors
    /// When the bytes are no such message, or it has too many parts.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut parts = 0;
        Self::read(Fields::new(Reader::new(bytes), &mut parts))
    }

    /// The bytes of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is over 512 MiB, or is no record.
    pub fn load(path: &Path) -> Result<Self, RecordError> {
        let failed = |source| RecordError::File { action: "read", path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong { size, path: path.to_owned() });
        }
        Self::decode(&std::fs::read(path).map_err(failed)?)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RecordError> {
        let failed = |source| RecordError::File { action: "write", path: path.to_owned(), source };
        std::fs::write(path, self.encode()).map_err(failed)
    }

    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut story = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => story.story_id = fields.string(value)?,
                2 => story.clips.push(fields.message(value, Clip::read)?),
                3 => story.deprecated = fields.number(value)? != 0,
                4 => story.deprecate_reason = fields.string(value)?,
                11 => story.summary = fields.string(value)?,
                12 => story.question = fields.string(value)?,
                13 => story.refined_summary = fields.string(value)?,
                14 => story.question_translate = fields.string(value)?,
                15 => story.summary_translate = fields.string(value)?,
                16 => story.refined_summary_translate = fields.string(value)?,
                17 => story.reference_images.push(fields.message(value, ImageMeta::read)?),
                _ => {}
            }
        }
        Ok(story)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(1, self.story_id.as_bytes());
        self.clips.iter().for_each(|clip| writer.message(2, |writer| clip.write(writer)));
        writer.number(3, u64::from(self.deprecated));
        writer.bytes(4, self.deprecate_reason.as_bytes());
        writer.bytes(11, self.summary.as_bytes());
        writer.bytes(12, self.question.as_bytes());
        writer.bytes(13, self.refined_summary.as_bytes());
        writer.bytes(14, self.question_translate.as_bytes());
        writer.bytes(15, self.summary_translate.as_bytes());
        writer.bytes(16, self.refined_summary_translate.as_bytes());
        self.reference_images.iter().for_each(|meta| writer.message(17, |writer| meta.write(writer)));
    }
}

impl Clip {
    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut clip = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => clip.clip_id = fields.string(value)?,
                2 => clip.timestamp = Some(fields.message(value, TimeStamp::read)?),
                11 => clip.story = fields.string(value)?,
                21 => clip.caption = fields.string(value)?,
                101 => clip.segments.push(fields.message(value, Segment::read)?),
                _ => {}
            }
        }
        Ok(clip)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(1, self.clip_id.as_bytes());
        write_time(writer, 2, self.timestamp);
        writer.bytes(11, self.story.as_bytes());
        writer.bytes(21, self.caption.as_bytes());
        self.segments.iter().for_each(|segment| writer.message(101, |writer| segment.write(writer)));
    }
}

impl Segment {
    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut segment = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => segment.timestamp = Some(fields.message(value, TimeStamp::read)?),
                2 => segment.asr = fields.string(value)?,
                3 => segment.caption = fields.string(value)?,
                4 => segment.asr_translate = fields.string(value)?,
                101 => segment.images.push(fields.message(value, ImageMeta::read)?),
                _ => {}
            }
        }
        Ok(segment)
    }

    fn write(&self, writer: &mut Writer) {
        write_time(writer, 1, self.timestamp);
        writer.bytes(2, self.asr.as_bytes());
        writer.bytes(3, self.caption.as_bytes());
        writer.bytes(4, self.asr_translate.as_bytes());
        self.images.iter().for_each(|meta| writer.message(101, |writer| meta.write(writer)));
    }
}

impl ImageMeta {
    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut meta = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => meta.image_id = fields.string(value)?,
                2 => meta.timestamp = Some(fields.message(value, TimeStamp::read)?),
                3 => meta.caption = fields.string(value)?,
                4 => meta.detail_caption = fields.string(value)?,
                5 => {
                    let (name, feature) = fields.message(value, |entry| read_entry(entry, |f, v| f.blob(v)))?;
                    meta.features.insert(name, feature);
                }
                6 => {
                    let (name, score) = fields.message(value, |entry| read_entry(entry, |f, v| f.double(v)))?;
                    meta.scores.insert(name, score);
                }
                7 => meta.chain_of_thought = fields.string(value)?,
                8 => meta.cot_translate = fields.string(value)?,
                11 => meta.image = Some(fields.message(value, Image::read)?),
                12 => meta.is_keyframe_status = to_sint32(fields.number(value)?),
                _ => {}
            }
        }
        Ok(meta)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(1, self.image_id.as_bytes());
        write_time(writer, 2, self.timestamp);
        writer.bytes(3, self.caption.as_bytes());
        writer.bytes(4, self.detail_caption.as_bytes());
        for (name, feature) in &self.features {
            writer.message(5, |entry| {
                entry.always(1, name.as_bytes());
                entry.always(2, feature);
            });
        }
        for (name, score) in &self.scores {
            writer.message(6, |entry| {
                entry.always(1, name.as_bytes());
                entry.double(2, *score);
            });
        }
        writer.bytes(7, self.chain_of_thought.as_bytes());
        writer.bytes(8, self.cot_translate.as_bytes());
        if let Some(image) = &self.image {
            writer.message(11, |writer| image.write(writer));
        }
        writer.number(12, from_sint32(self.is_keyframe_status));
    }
}

impl Image {
    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut image = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => image.width = to_int32(fields.number(value)?),
                2 => image.height = to_int32(fields.number(value)?),
                3 => image.format = ImageFormat::of_number(to_int32(fields.number(value)?)),
                4 => image.image_data = fields.blob(value)?,
                5 => image.image_path = fields.string(value)?,
                _ => {}
            }
        }
        Ok(image)
    }

    fn write(&self, writer: &mut Writer) {
        writer.number(1, from_int32(self.width));
        writer.number(2, from_int32(self.height));
        writer.number(3, from_int32(self.format.number()));
        writer.bytes(4, &self.image_data);
        writer.bytes(5, self.image_path.as_bytes());
    }
}

impl TimeStamp {
    fn read(mut fields: Fields<'_, '_>) -> Result<Self, RecordError> {
        let mut time = Self::default();
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => time.start = fields.double(value)?,
                2 => time.end = fields.double(value)?,
                _ => {}
            }
        }
        Ok(time)
    }
}

fn write_time(writer: &mut Writer, field: u32, time: Option<TimeStamp>) {
    if let Some(TimeStamp { start, end }) = time {
        writer.message(field, |writer| {
            writer.double(1, start);
            writer.double(2, end);
        });
    }
}

/// A map entry: its name and its value, either of which may be left out.
fn read_entry<'a, T: Default>(
    mut fields: Fields<'a, '_>,
    read: impl Fn(&Fields<'a, '_>, crate::wire::Value<'a>) -> Result<T, RecordError>,
) -> Result<(String, T), RecordError> {
    let (mut name, mut found) = (String::new(), T::default());
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = fields.string(value)?,
            2 => found = read(&fields, value)?,
            _ => {}
        }
    }
    Ok((name, found))
}

//! A replay that has been read: its steps in memory, its pictures still in the file.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rhea_memory::pictures;
use rhea_physics::film::Still;
use rhea_physics::world::Snapshot;
use rhea_picture::{FARTHEST_M, Rgbd};
use rhea_scene::Pose;

use super::ReplayError;
use super::message::{
    CheckNote, Codes, CompressedImage, EndNote, Header, MotionNote, NarrationNote, RecallNote, RecordKind, ReportNote,
    Timings, WorldNote,
};
use super::reader::ReplaySource;

/// A replay that has been read.
pub struct Replay {
    /// What the session was.
    pub header: Header,
    /// The records, in order.
    pub steps: Vec<StepRecord>,
    /// What was cut, when the file does not end as it should.
    pub torn: Option<Torn>,
    pub(super) source: Mutex<Box<dyn ReplaySource>>,
    pub(super) path: PathBuf,
}

/// Where a replay breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Byte at which the first part that is not whole begins.
    pub offset: u64,
    /// Bytes from there to the end of the file.
    pub lost_bytes: u64,
    /// What is wrong there.
    pub reason: String,
}

/// One record of a replay, without its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// Number of the record, from 0.
    pub record: u64,
    /// What it tells.
    pub kind: RecordKind,
    /// Views on the walk after it, not counting the first.
    pub step: u64,
    /// The command in plain words.
    pub command: String,
    /// What else there is to say.
    pub note: Option<String>,
    /// Where the walker was after it.
    pub pose: Pose,
    /// What memory knew.
    pub recall: Option<RecallNote>,
    /// How the view was checked against memory.
    pub check: Option<CheckNote>,
    /// Words about the view.
    pub narration: Option<NarrationNote>,
    /// The judgement of a plan's step.
    pub report: Option<ReportNote>,
    /// How a plan ended.
    pub end: Option<EndNote>,
    /// Where the time went.
    pub timings: Timings,
    /// State hash after it, 16 hex digits.
    pub state: String,
    /// When it was written, nanoseconds since the Unix epoch.
    pub log_time_ns: u64,
    pub(super) view: Option<Span>,
    pub(super) depth: Option<Span>,
    pub(super) tokens: Option<Span>,
    pub(super) motion: Option<Span>,
    pub(super) imagined: Option<Span>,
    pub(super) world: Option<Span>,
}

impl StepRecord {
    /// Does the record have a view?
    #[must_use]
    pub fn has_view(&self) -> bool {
        self.view.is_some() && self.depth.is_some()
    }
}

/// A payload that stays in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Replay")
            .field("header", &self.header)
            .field("steps", &self.steps.len())
            .field("torn", &self.torn)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Replay {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The view of a record, read from the file now.
    ///
    /// # Errors
    /// When there is no such record or view, or the file changed since it was opened.
    pub fn view(&self, record: usize) -> Result<Rgbd, ReplayError> {
        let step = self.step(record)?;
        let missing = || ReplayError::Missing { what: format!("view at record {record}") };
        let colour = self.png(step.record, step.view.ok_or_else(missing)?)?;
        let depth = self.png(step.record, step.depth.ok_or_else(missing)?)?;
        pictures::view_from_pngs(&colour, &depth).map_err(|what| ReplayError::Picture { record: step.record, what })
    }

    /// The visual codes of a record, read from the file now.
    ///
    /// # Errors
    /// As [`Replay::view`].
    pub fn codes(&self, record: usize) -> Result<Codes, ReplayError> {
        let step = self.step(record)?;
        let span = step.tokens.ok_or_else(|| ReplayError::Missing { what: format!("tokens at record {record}") })?;
        let payload = self.payload(span)?;
        serde_json::from_slice(&payload)
            .map_err(|error| ReplayError::Picture { record: step.record, what: error.to_string() })
    }

    /// How everything moved during a plan's step; empty where there is no motion.
    ///
    /// # Errors
    /// As [`Replay::view`].
    pub fn stills(&self, record: usize) -> Result<Vec<Still>, ReplayError> {
        let step = self.step(record)?;
        let Some(span) = step.motion else { return Ok(Vec::new()) };
        let note: MotionNote = serde_json::from_slice(&self.payload(span)?)
            .map_err(|error| ReplayError::Picture { record: step.record, what: error.to_string() })?;
        Ok(note.stills)
    }

    /// The key-frame that the model drew for a plan's step, without depth.
    ///
    /// # Errors
    /// As [`Replay::view`].
    pub fn imagined(&self, record: usize) -> Result<Option<Rgbd>, ReplayError> {
        let step = self.step(record)?;
        let Some(span) = step.imagined else { return Ok(None) };
        let damaged = |what: String| ReplayError::Picture { record: step.record, what };
        let picture = image::load_from_memory_with_format(&self.png(step.record, span)?, image::ImageFormat::Png);
        let picture = picture.map_err(|error| damaged(error.to_string()))?.into_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let depth_m = vec![FARTHEST_M; width * height];
        Rgbd::new(width, height, picture.into_raw(), depth_m).map(Some).map_err(|error| damaged(error.to_string()))
    }

    /// The simulated world before a plan's step.
    ///
    /// # Errors
    /// As [`Replay::view`].
    pub fn world(&self, record: usize) -> Result<Snapshot, ReplayError> {
        let step = self.step(record)?;
        let missing = || ReplayError::Missing { what: format!("simulated world at record {record}") };
        let payload = self.payload(step.world.ok_or_else(missing)?)?;
        let damaged = |what: String| ReplayError::Picture { record: step.record, what };
        let note: WorldNote<'_> = serde_json::from_slice(&payload).map_err(|error| damaged(error.to_string()))?;
        let bytes = base64::decode(note.snapshot.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        Ok(Snapshot::from_bytes(bytes))
    }

    /// Records whose views are still part of the walk at its end: not taken back by a later undo.
    #[must_use]
    pub fn kept(&self) -> Vec<usize> {
        let mut kept = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            match step.kind {
                RecordKind::Start | RecordKind::Step => kept.push(index),
                RecordKind::Undo => drop(kept.pop()),
                RecordKind::Cancelled | RecordKind::Blocked | RecordKind::Failed | RecordKind::Note => {}
            }
        }
        kept
    }

    fn step(&self, record: usize) -> Result<&StepRecord, ReplayError> {
        self.steps.get(record).ok_or_else(|| ReplayError::Missing {
            what: format!("record {record}; it has records 0 to {}", self.steps.len().saturating_sub(1)),
        })
    }

    fn png(&self, record: u64, span: Span) -> Result<Vec<u8>, ReplayError> {
        let damaged = |what: String| ReplayError::Picture { record, what };
        let payload = self.payload(span)?;
        let image: CompressedImage<'_> =
            serde_json::from_slice(&payload).map_err(|error| damaged(error.to_string()))?;
        if image.format != "png" {
            return Err(damaged(format!("picture format {:?}; allowed is \"png\"", image.format)));
        }
        base64::decode(image.data.as_bytes()).map_err(|error| damaged(format!("the picture is not base64: {error}")))
    }

    fn payload(&self, span: Span) -> Result<Vec<u8>, ReplayError> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        // The length was checked against the file and the record limit when the record was read.
        let mut payload = vec![0; usize::try_from(span.length).unwrap_or(0)];
        source
            .seek(SeekFrom::Start(span.offset))
            .and_then(|_| source.read_exact(&mut payload))
            .map_err(|error| ReplayError::Read { path: self.path.clone(), source: error })?;
        Ok(payload)
    }
}

//! Writing a replay: one MCAP chunk per record, on the disk before the step is acknowledged.
//!
//! Bytes leave the MCAP writer into a buffer in memory, and from there they go to the [`Storage`]. When the disk refuses,
//! the buffer keeps what is missing and the next record tries again from the last synced byte; what was synced is never
//! touched.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use mcap::records::MessageHeader;
use mcap::write::NoSeek;
use rhea_memory::pictures;
use rhea_physics::film::{FilmStep, STILL_SECS, Still};
use rhea_picture::Rgbd;
use rhea_scene::Pose;
use serde::Serialize;

use super::ReplayError;
use super::channel::Channel;
use super::message::{
    Acknowledgement, CheckNote, Codes, CommandNote, CompressedImage, EndNote, Header, MotionNote, NarrationNote,
    PROFILE, RecallNote, RecordKind, ReportNote, Timings, WalkTime, WorldNote,
};
use super::state::Fnv;
use super::storage::Storage;
use crate::limits::MAX_PENDING_BYTES;

/// Everything that one record of a replay holds. What is `None` gets no message.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// What the record tells.
    pub kind: RecordKind,
    /// Views on the walk after it, not counting the first.
    pub step: u64,
    /// The command in plain words.
    pub command: &'a str,
    /// What else there is to say.
    pub note: Option<&'a str>,
    /// Where the walker is after it.
    pub pose: Pose,
    /// What memory knew.
    pub recall: Option<&'a RecallNote>,
    /// How the view was checked against memory.
    pub check: Option<&'a CheckNote>,
    /// The view and its codes.
    pub view: Option<(&'a Rgbd, &'a Codes)>,
    /// Words about the view.
    pub narration: Option<&'a NarrationNote>,
    /// What a record of a plan has besides.
    pub plan: PlanPart<'a>,
    /// Where the time went.
    pub timings: Timings,
}

/// What a record of a plan has besides.
#[derive(Clone, Copy, Debug, Default)]
pub enum PlanPart<'a> {
    /// Nothing: it is no plan.
    #[default]
    None,
    /// How everything stands at the beginning.
    Start(&'a Still),
    /// A step.
    Step(&'a FilmStep),
    /// The end.
    End(&'a EndNote),
}

/// Appends records to a replay.
pub struct ReplayWriter<S: Storage> {
    mcap: mcap::Writer<NoSeek<Tail>>,
    tail: Tail,
    storage: S,
    /// Length of the file that is known to be synced.
    synced_bytes: u64,
    channels: BTreeMap<Channel, u16>,
    state: Fnv,
    next_record: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    GivenUp,
    Finished,
}

impl<S: Storage> ReplayWriter<S> {
    /// A replay with its header, still in memory: the first [`ReplayWriter::append`] or [`ReplayWriter::store`] brings it
    /// to the disk.
    ///
    /// # Errors
    /// When the header cannot be encoded.
    pub fn new(storage: S, header: &Header, now_secs: f64) -> Result<Self, ReplayError> {
        let tail = Tail::default();
        let mcap = mcap::WriteOptions::new()
            .profile(PROFILE)
            .library(format!("rhea {}", header.rhea))
            .compression(None)
            .chunk_size(None)
            .disable_seeking(true)
            .create(NoSeek::new(tail.clone()))
            .map_err(encode)?;
        let mut writer = Self {
            mcap,
            tail,
            storage,
            synced_bytes: 0,
            channels: BTreeMap::new(),
            state: Fnv::default(),
            next_record: 0,
            phase: Phase::Open,
        };
        writer.add_channels(header.plan.is_some())?;
        let payload = json(header)?;
        writer.state = writer.state.after_message(Channel::Session.topic(), &payload);
        writer.put(Channel::Session, &payload, now_secs)?;
        writer.mcap.flush().map_err(encode)?;
        Ok(writer)
    }

    /// Appends one record and returns once it is synced.
    ///
    /// # Errors
    /// [`ReplayError::Write`] when the disk refuses: the record waits in memory, what is on the disk stays whole, and the
    /// next call tries again. [`ReplayError::GivenUp`] once too much waits. [`ReplayError::Encode`] leaves the replay as it
    /// was.
    pub fn append(&mut self, record: &NewRecord<'_>, now_secs: f64) -> Result<(), ReplayError> {
        match self.phase {
            Phase::Open => {}
            Phase::GivenUp => {
                return Err(ReplayError::GivenUp { waiting_bytes: 0, good_bytes: self.synced_bytes });
            }
            Phase::Finished => return Err(ReplayError::Finished),
        }
        let mut messages = self.messages(record)?;
        let state =
            messages.iter().fold(self.state, |state, (channel, payload)| state.after_message(channel.topic(), payload));
        let acknowledgement =
            Acknowledgement { record: self.next_record, state: format!("{:016x}", state.0), timings: record.timings };
        messages.push((Channel::Step, json(&acknowledgement)?));

        for (channel, payload) in &messages {
            self.put(*channel, payload, now_secs)?;
        }
        self.mcap.flush().map_err(encode)?;
        self.state = state;
        self.next_record += 1;
        self.store()
    }

    /// Brings everything that waits in memory to the disk.
    ///
    /// # Errors
    /// As [`ReplayWriter::append`].
    pub fn store(&mut self) -> Result<(), ReplayError> {
        if self.phase == Phase::GivenUp {
            return Ok(());
        }
        let mut waiting = self.tail.take();
        if waiting.is_empty() {
            return Ok(());
        }
        match self.storage.write_at(self.synced_bytes, &waiting).and_then(|()| self.storage.sync()) {
            Ok(()) => {
                self.synced_bytes += waiting.len() as u64;
                waiting.clear();
                self.tail.put_back(waiting);
                Ok(())
            }
            Err(source) => {
                let waiting_bytes = waiting.len();
                if waiting_bytes > MAX_PENDING_BYTES {
                    self.phase = Phase::GivenUp;
                    return Err(ReplayError::GivenUp { waiting_bytes, good_bytes: self.synced_bytes });
                }
                self.tail.put_back(waiting);
                Err(ReplayError::Write { source, waiting_bytes })
            }
        }
    }

    /// Writes summary and footer; nothing can be appended afterwards. A replay that was not finished is readable too.
    ///
    /// # Errors
    /// As [`ReplayWriter::append`]; calling again tries again.
    pub fn finish(&mut self) -> Result<(), ReplayError> {
        if self.phase == Phase::Open {
            self.mcap.finish().map_err(encode)?;
            self.phase = Phase::Finished;
        }
        self.store()
    }

    /// Records appended so far, on the disk or waiting.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.next_record
    }

    /// Length of the file as far as it is synced, bytes.
    #[must_use]
    pub fn synced_bytes(&self) -> u64 {
        self.synced_bytes
    }

    /// The state hash after the last record.
    #[must_use]
    pub fn state(&self) -> u64 {
        self.state.0
    }

    fn add_channels(&mut self, of_a_plan: bool) -> Result<(), ReplayError> {
        for channel in Channel::ALL.into_iter().filter(|channel| of_a_plan || !channel.is_of_plans()) {
            let schema = self
                .mcap
                .add_schema(channel.schema_name(), "jsonschema", channel.schema().as_bytes())
                .map_err(encode)?;
            let about = channel.about().map(|text| ("about".to_owned(), text.to_owned())).into_iter().collect();
            let id = self.mcap.add_channel(schema, channel.topic(), "json", &about).map_err(encode)?;
            self.channels.insert(channel, id);
        }
        Ok(())
    }

    fn put(&mut self, channel: Channel, payload: &[u8], now_secs: f64) -> Result<(), ReplayError> {
        let Some(channel_id) = self.channels.get(&channel).copied() else {
            return Err(ReplayError::Encode(format!("channel {} is not open", channel.topic())));
        };
        let now_ns = nanoseconds(now_secs);
        let sequence = u32::try_from(self.next_record).unwrap_or(u32::MAX);
        let header = MessageHeader { channel_id, sequence, log_time: now_ns, publish_time: now_ns };
        self.mcap.write_to_known_channel(&header, payload).map_err(encode)
    }

    fn messages(&self, record: &NewRecord<'_>) -> Result<Vec<(Channel, Vec<u8>)>, ReplayError> {
        let command = CommandNote {
            record: self.next_record,
            kind: record.kind,
            step: record.step,
            text: record.command.to_owned(),
            note: record.note.map(str::to_owned),
        };
        let mut messages = vec![(Channel::Command, json(&command)?), (Channel::Pose, json(&record.pose)?)];
        if let Some(recall) = record.recall {
            messages.push((Channel::Recall, json(recall)?));
        }
        if let Some(check) = record.check {
            messages.push((Channel::Check, json(check)?));
        }
        if let Some((view, codes)) = record.view {
            messages.push((Channel::Tokens, json(codes)?));
            messages.push((Channel::View, self.image(&pictures::colour_png(view).map_err(ReplayError::Encode)?)?));
            messages.push((Channel::Depth, self.image(&pictures::depth_png(view).map_err(ReplayError::Encode)?)?));
        }
        if let Some(narration) = record.narration {
            messages.push((Channel::Narration, json(narration)?));
        }
        match record.plan {
            PlanPart::None => {}
            PlanPart::Start(still) => messages.push((Channel::Motion, motion(std::slice::from_ref(still))?)),
            PlanPart::Step(film) => {
                let note = ReportNote { report: film.report.clone(), executed: film.executed };
                messages.push((Channel::Report, json(&note)?));
                messages.push((Channel::Motion, motion(&film.stills)?));
                if let Some(imagined) = &film.imagined {
                    let png = pictures::colour_png(imagined).map_err(ReplayError::Encode)?;
                    messages.push((Channel::Imagined, self.image(&png)?));
                }
                let snapshot = base64::encode(film.before.bytes()).into();
                messages.push((Channel::World, json(&WorldNote { snapshot })?));
            }
            PlanPart::End(end) => messages.push((Channel::End, json(end)?)),
        }
        Ok(messages)
    }

    fn image(&self, png: &[u8]) -> Result<Vec<u8>, ReplayError> {
        json(&CompressedImage {
            timestamp: WalkTime { sec: self.next_record, nsec: 0 },
            frame_id: "eye".into(),
            data: base64::encode(png).into(),
            format: "png".into(),
        })
    }
}

impl<S: Storage> Drop for ReplayWriter<S> {
    /// Closes the file as well as it still can; [`ReplayWriter::finish`] tells whether that worked.
    fn drop(&mut self) {
        if self.phase == Phase::Open {
            drop(self.finish());
        }
    }
}

/// Bytes on their way from the MCAP writer to the storage.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, bytes: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn motion(stills: &[Still]) -> Result<Vec<u8>, ReplayError> {
    json(&MotionNote { still_secs: STILL_SECS, stills: stills.to_vec() })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ReplayError> {
    serde_json::to_vec(value).map_err(|error| ReplayError::Encode(error.to_string()))
}

fn encode(error: mcap::McapError) -> ReplayError {
    ReplayError::Encode(error.to_string())
}

fn nanoseconds(secs: f64) -> u64 {
    // `as` saturates: a clock before 1970 or after 2554 is clamped.
    (secs * 1e9) as u64
}

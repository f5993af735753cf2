//! Reading a replay back, however it ended.
//!
//! The file is read record by record. Every length is checked against the bytes that are left and against a limit before
//! anything is allocated; a chunk counts only when its checksum is right, its messages are complete and its state hash
//! continues the one before. The first record that fails ends the replay there: what came before is returned, and
//! [`Replay::torn`] says where and why. A finished file carries a checksum over all of it, so that a lost last record shows.
//!
//! Invariant: a record that is returned was written by [`ReplayWriter`](super::ReplayWriter) exactly so, in this place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mcap::records::op;
use serde::Deserialize;

use super::ReplayError;
use super::channel::Channel;
use super::message::{Acknowledgement, CommandNote, FORMAT_VERSION, Header, NarrationNote, PROFILE, PoseNote};
use super::parse::{self, Cursor, MAGIC, RECORD_HEAD_BYTES};
use super::recording::{Replay, Span, StepRecord, Torn};
use super::state::Fnv;
use crate::limits::{MAX_FILE_HEADER_BYTES, MAX_RECORD_BYTES, MAX_REPLAY_STEPS};

/// Records that are passed over are read in pieces of this size.
const SKIP_BYTES: u64 = 1 << 16;

/// Opens replay files.
#[derive(Clone, Copy, Debug)]
pub struct ReplayReader;

impl ReplayReader {
    /// Reads a replay; pictures stay in the file until they are asked for.
    ///
    /// # Errors
    /// When the file cannot be read, is no replay, has a later format, or breaks off before its first record is whole. A
    /// file that breaks off later is no error: see [`Replay::torn`].
    pub fn open(path: &Path) -> Result<Replay, ReplayError> {
        let read = |source| ReplayError::Read { path: path.to_path_buf(), source };
        // Asked before opening: to open a pipe is to wait for its other end.
        if !std::fs::metadata(path).map_err(read)?.is_file() {
            return Err(ReplayError::Foreign { what: "this is no file".to_owned(), path: path.to_path_buf() });
        }
        let file = File::open(path).map_err(read)?;
        Self::read(Box::new(BufReader::with_capacity(1 << 16, file)), path)
    }

    /// Reads a replay from anything that can be read and sought; `path` is only for messages.
    ///
    /// # Errors
    /// As [`ReplayReader::open`].
    pub fn read(source: Box<dyn ReplaySource>, path: &Path) -> Result<Replay, ReplayError> {
        Scan::new(source, path)?.run()
    }
}

/// Where a replay is read from.
pub trait ReplaySource: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReplaySource for T {}

/// One pass over a file.
struct Scan {
    source: Box<dyn ReplaySource>,
    path: PathBuf,
    file_bytes: u64,
    offset: u64,
    topics: BTreeMap<u16, Channel>,
    header: Option<Header>,
    state: Fnv,
    steps: Vec<StepRecord>,
    buffer: Vec<u8>,
    /// Over all bytes read so far: the checksum of MCAP's data section.
    crc: crc32fast::Hasher,
}

/// Why a scan stops before the end of the file.
enum Stop {
    /// The record at the current offset is not whole.
    Torn(String),
    /// The file is not for us.
    Refused(ReplayError),
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Scan {
    fn new(mut source: Box<dyn ReplaySource>, path: &Path) -> Result<Self, ReplayError> {
        let file_bytes = source
            .seek(SeekFrom::End(0))
            .and_then(|end| source.seek(SeekFrom::Start(0)).map(|_| end))
            .map_err(|source| ReplayError::Read { path: path.to_path_buf(), source })?;
        Ok(Self {
            source,
            path: path.to_path_buf(),
            file_bytes,
            offset: 0,
            topics: BTreeMap::new(),
            header: None,
            state: Fnv::default(),
            steps: Vec::new(),
            buffer: Vec::new(),
            crc: crc32fast::Hasher::new(),
        })
    }

    fn run(mut self) -> Result<Replay, ReplayError> {
        let torn = match self.records() {
            Ok(()) => None,
            Err(Stop::Torn(reason)) => {
                Some(Torn { offset: self.offset, lost_bytes: self.file_bytes.saturating_sub(self.offset), reason })
            }
            Err(Stop::Refused(error)) => return Err(error),
            Err(Stop::Io(source)) => return Err(ReplayError::Read { path: self.path, source }),
        };
        let Some(header) = self.header.take() else {
            let reason = torn.map_or_else(|| "there is no session in it".to_owned(), |torn| torn.reason);
            return Err(self.foreign(format!("it breaks off before the session begins: {reason}")));
        };
        Ok(Replay { header, steps: self.steps, torn, source: Mutex::new(self.source), path: self.path })
    }

    fn records(&mut self) -> Result<(), Stop> {
        self.file_header()?;
        loop {
            let left = self.file_bytes - self.offset;
            if left == 0 {
                return Err(Stop::Torn("the recording was not finished".to_owned()));
            }
            if left < RECORD_HEAD_BYTES {
                return Err(Stop::Torn(format!("{left} bytes are less than a record")));
            }
            let data_section = self.crc.clone();
            let (opcode, length) = self.record_head()?;
            if length > left - RECORD_HEAD_BYTES {
                let left = left - RECORD_HEAD_BYTES;
                return Err(Stop::Torn(format!("a record of {length} bytes has only {left} bytes left")));
            }
            match opcode {
                op::DATA_END => return self.data_end(length, data_section),
                op::CHUNK => self.chunk(length)?,
                _ => self.skip(length)?,
            }
            self.offset += RECORD_HEAD_BYTES + length;
        }
    }

    /// Magic and header record: is this a replay at all?
    fn file_header(&mut self) -> Result<(), Stop> {
        let magic_bytes = MAGIC.len() as u64;
        if self.file_bytes < magic_bytes + RECORD_HEAD_BYTES {
            return Err(Stop::Refused(self.foreign(format!("it has only {} bytes", self.file_bytes))));
        }
        let mut magic = [0; MAGIC.len()];
        self.source.read_exact(&mut magic)?;
        self.crc.update(&magic);
        if magic != *MAGIC {
            return Err(Stop::Refused(self.foreign("it does not begin like an MCAP file".to_owned())));
        }
        let (opcode, length) = self.record_head()?;
        let left = self.file_bytes - magic_bytes - RECORD_HEAD_BYTES;
        if opcode != op::HEADER || length > left.min(MAX_FILE_HEADER_BYTES) {
            return Err(Stop::Refused(self.foreign("its MCAP header is damaged".to_owned())));
        }
        self.fill(length)?;
        let profile = Cursor::new(&self.buffer).string().map(str::to_owned);
        if profile.as_deref() != Some(PROFILE) {
            let found = profile.map_or_else(|| "damaged".to_owned(), |profile| format!("{profile:?}"));
            return Err(Stop::Refused(self.foreign(format!("its MCAP profile is {found}, not {PROFILE:?}"))));
        }
        self.offset = magic_bytes + RECORD_HEAD_BYTES + length;
        Ok(())
    }

    fn record_head(&mut self) -> Result<(u8, u64), Stop> {
        let mut head = [0; RECORD_HEAD_BYTES as usize];
        self.source.read_exact(&mut head)?;
        self.crc.update(&head);
        let mut cursor = Cursor::new(&head);
        cursor.u8().zip(cursor.u64()).ok_or_else(|| Stop::Torn("a record head is damaged".to_owned()))
    }

    fn fill(&mut self, length: u64) -> Result<(), Stop> {
        let length = usize::try_from(length).map_err(|_| Stop::Torn("a record is too large".to_owned()))?;
        self.buffer.clear();
        self.buffer.resize(length, 0);
        self.source.read_exact(&mut self.buffer)?;
        self.crc.update(&self.buffer);
        Ok(())
    }

    /// Passes over a record of no interest, in pieces of a fixed size.
    fn skip(&mut self, mut length: u64) -> Result<(), Stop> {
        while length > 0 {
            let piece = length.min(SKIP_BYTES);
            self.fill(piece)?;
            length -= piece;
        }
        Ok(())
    }

    /// The end of the data section; `data_section` is the checksum over everything before it.
    fn data_end(&mut self, length: u64, data_section: crc32fast::Hasher) -> Result<(), Stop> {
        self.fill(length.min(SKIP_BYTES))?;
        match Cursor::new(&self.buffer).u32() {
            Some(crc) if crc == data_section.finalize() => Ok(()),
            _ => Err(Stop::Torn(
                "the checksum over the whole file is wrong; a step at the end may be missing".to_owned(),
            )),
        }
    }

    fn chunk(&mut self, length: u64) -> Result<(), Stop> {
        if length > MAX_RECORD_BYTES {
            return Err(Stop::Torn(format!("a chunk of {length} bytes; allowed are {MAX_RECORD_BYTES}")));
        }
        self.fill(length)?;
        // Taken out so that `self` stays free; given back for the next chunk.
        let buffer = std::mem::take(&mut self.buffer);
        let outcome = self.chunk_body(&buffer);
        self.buffer = buffer;
        outcome
    }

    fn chunk_body(&mut self, body: &[u8]) -> Result<(), Stop> {
        let records = parse::chunk_records(body).map_err(Stop::Torn)?;
        let first_byte = self.offset + RECORD_HEAD_BYTES + (body.len() - records.len()) as u64;
        let mut cursor = Cursor::new(records);
        let mut group = Vec::new();
        let mut log_time_ns = 0;
        while !cursor.is_empty() {
            let (opcode, record) =
                cursor.record().ok_or_else(|| Stop::Torn("a record in a chunk is cut".to_owned()))?;
            match opcode {
                op::CHANNEL => {
                    let (id, topic) =
                        parse::channel(record).ok_or_else(|| Stop::Torn("a channel is damaged".to_owned()))?;
                    if let Some(channel) = Channel::of_topic(topic) {
                        self.topics.insert(id, channel);
                    }
                }
                op::MESSAGE => {
                    let message =
                        parse::message(record).ok_or_else(|| Stop::Torn("a message is damaged".to_owned()))?;
                    log_time_ns = message.log_time_ns;
                    if let Some(channel) = self.topics.get(&message.channel) {
                        let end = (records.len() - cursor.len()) as u64;
                        let length = message.payload.len() as u64;
                        group.push((*channel, message.payload, Span { offset: first_byte + end - length, length }));
                    }
                }
                _ => {}
            }
        }
        if self.header.is_none() { self.session(&group) } else { self.step(&group, log_time_ns) }
    }

    fn session(&mut self, group: &Group<'_>) -> Result<(), Stop> {
        let [(Channel::Session, payload, _)] = group else {
            return Err(Stop::Torn("the first chunk does not hold the session".to_owned()));
        };
        // The format number is read by itself first: a later layout may have other fields.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            rhea: String,
        }
        let Format { format, rhea } = from_json(payload)?;
        if !(1..=FORMAT_VERSION).contains(&format) {
            let path = self.path.clone();
            return Err(Stop::Refused(ReplayError::Version { found: format, made_by: rhea, path }));
        }
        self.header = Some(from_json(payload)?);
        self.state = self.state.after_message(Channel::Session.topic(), payload);
        Ok(())
    }

    fn step(&mut self, group: &Group<'_>, log_time_ns: u64) -> Result<(), Stop> {
        if self.steps.len() >= MAX_REPLAY_STEPS {
            return Err(Stop::Torn(format!("more than {MAX_REPLAY_STEPS} steps")));
        }
        let Some(((Channel::Step, acknowledgement, _), messages)) = group.split_last() else {
            return Err(Stop::Torn("a step without its acknowledgement".to_owned()));
        };
        let state = messages
            .iter()
            .fold(self.state, |state, (channel, payload, _)| state.after_message(channel.topic(), payload));
        let acknowledgement: Acknowledgement = from_json(acknowledgement)?;
        if acknowledgement.state != format!("{:016x}", state.0) {
            return Err(Stop::Torn(format!(
                "state hash of record {} does not continue the one before",
                acknowledgement.record
            )));
        }
        let payload = |wanted: Channel| {
            messages.iter().find(|(channel, ..)| *channel == wanted).map(|(_, payload, span)| (*payload, *span))
        };
        let need =
            |wanted: Channel| payload(wanted).ok_or_else(|| Stop::Torn(format!("a step without {}", wanted.topic())));
        let command: CommandNote = from_json(need(Channel::Command)?.0)?;
        let pose: PoseNote = from_json(need(Channel::Pose)?.0)?;
        let recall = payload(Channel::Recall).map(|(payload, _)| from_json(payload)).transpose()?;
        let check = payload(Channel::Check).map(|(payload, _)| from_json(payload)).transpose()?;
        let narration: Option<NarrationNote> =
            payload(Channel::Narration).map(|(payload, _)| from_json(payload)).transpose()?;
        let report = payload(Channel::Report).map(|(payload, _)| from_json(payload)).transpose()?;
        let end = payload(Channel::End).map(|(payload, _)| from_json(payload)).transpose()?;
        let span = |wanted| payload(wanted).map(|(_, span)| span);
        self.steps.push(StepRecord {
            record: command.record,
            kind: command.kind,
            step: command.step,
            command: command.text,
            note: command.note,
            pose,
            recall,
            check,
            narration,
            report,
            end,
            timings: acknowledgement.timings,
            state: acknowledgement.state,
            log_time_ns,
            view: span(Channel::View),
            depth: span(Channel::Depth),
            tokens: span(Channel::Tokens),
            motion: span(Channel::Motion),
            imagined: span(Channel::Imagined),
            world: span(Channel::World),
        });
        self.state = state;
        Ok(())
    }

    fn foreign(&self, what: String) -> ReplayError {
        ReplayError::Foreign { what, path: self.path.clone() }
    }
}

/// The messages of one chunk: channel, payload, and where it lies in the file.
type Group<'a> = [(Channel, &'a [u8], Span)];

fn from_json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Stop> {
    serde_json::from_slice(payload).map_err(|error| Stop::Torn(format!("a message cannot be read: {error}")))
}

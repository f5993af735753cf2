//! The replay of a running session: a refusing disk becomes a warning, and the walk goes on.

use crate::event::SessionEvent;
use crate::replay::{Header, NewRecord, ReplayError, ReplayWriter, Storage};

/// Writes records when there is something to write to.
pub(crate) struct Recorder {
    writer: Option<ReplayWriter<Box<dyn Storage>>>,
}

impl Recorder {
    /// A recorder; without `storage` it does nothing.
    pub(crate) fn new(storage: Option<Box<dyn Storage>>, header: &Header, now_secs: f64) -> Result<Self, ReplayError> {
        let writer = storage.map(|storage| ReplayWriter::new(storage, header, now_secs)).transpose()?;
        Ok(Self { writer })
    }

    /// Appends a record. Returns whether it is on the disk; tells the listener either way.
    pub(crate) fn append(
        &mut self,
        record: &NewRecord<'_>,
        now_secs: f64,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        match writer.append(record, now_secs) {
            Ok(()) => {
                on_event(SessionEvent::Saved { records: writer.records(), bytes: writer.synced_bytes() });
                true
            }
            Err(error) => {
                if matches!(error, ReplayError::GivenUp { .. }) {
                    self.writer = None;
                }
                on_event(SessionEvent::Warning(error.to_string()));
                false
            }
        }
    }

    /// Writes the end of the replay.
    pub(crate) fn finish(&mut self) -> Result<(), ReplayError> {
        self.writer.as_mut().map_or(Ok(()), ReplayWriter::finish)
    }
}

//! A disk in memory that fails on demand.

use std::io;
use std::sync::{Arc, Mutex};

use rhea_session::replay::Storage;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written.
    Refused,
    /// Half of the bytes are written, then the disk is full.
    Short,
}

#[derive(Default)]
struct Inner {
    bytes: Vec<u8>,
    operations: usize,
    fails: Option<(std::ops::Range<usize>, Fault)>,
}

/// Shared by the session that writes and the test that looks.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// A disk whose operations (writes and syncs, counted from 0) in `range` fail.
    pub fn failing(range: std::ops::Range<usize>, fault: Fault) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().fails = Some((range, fault));
        disk
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    pub fn operations(&self) -> usize {
        self.0.lock().unwrap().operations
    }
}

impl Inner {
    fn next(&mut self) -> Option<Fault> {
        let operation = self.operations;
        self.operations += 1;
        self.fails.as_ref().filter(|(range, _)| range.contains(&operation)).map(|(_, fault)| *fault)
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).unwrap();
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }
}

impl Storage for Disk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        match inner.next() {
            None => inner.put(offset, bytes),
            Some(Fault::Refused) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Short) => {
                inner.put(offset, &bytes[..bytes.len() / 2]);
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.0.lock().unwrap().next() {
            None => Ok(()),
            Some(_) => Err(io::Error::other("the device does not answer")),
        }
    }
}

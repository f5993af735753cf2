//! Where the bytes of a replay go: a file, or in tests a disk that fails on demand.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::ReplayError;

/// A place for the bytes of one replay.
///
/// Writing the same bytes at the same offset again must be harmless: after a failure the writer tries again from the last
/// offset that was synced.
pub trait Storage: Send {
    /// Writes all of `bytes` at `offset` from the start.
    ///
    /// # Errors
    /// Whatever the device says; part of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written so far would survive a crash.
    ///
    /// # Errors
    /// Whatever the device says.
    fn sync(&mut self) -> io::Result<()>;
}

impl<S: Storage + ?Sized> Storage for Box<S> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}

/// A replay file on disk.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
    path: PathBuf,
}

impl FileStorage {
    /// Creates the file; one that is there already is replaced.
    ///
    /// # Errors
    /// [`ReplayError::Create`] with the path and the reason.
    pub fn create(path: &Path) -> Result<Self, ReplayError> {
        Self::open(path, OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// Creates the file; one that is there already is left alone and refused.
    ///
    /// # Errors
    /// [`ReplayError::Create`] with the path and the reason.
    pub fn create_new(path: &Path) -> Result<Self, ReplayError> {
        Self::open(path, OpenOptions::new().write(true).create_new(true))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(path: &Path, options: &OpenOptions) -> Result<Self, ReplayError> {
        let file = options.open(path).map_err(|source| ReplayError::Create { path: path.to_path_buf(), source })?;
        Ok(Self { file, path: path.to_path_buf() })
    }
}

impl Storage for FileStorage {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

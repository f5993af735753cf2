//! Small text files of the user, under the XDG config folder.
//!
//! Invariant: a file is written whole or not at all, and one that cannot be used is put aside, not written over.

use std::path::{Path, PathBuf};

use bevy::prelude::Resource;

/// Largest file that is read, bytes; what this crate writes has less than 4 KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What went wrong with a file of the user.
#[derive(Debug, thiserror::Error)]
pub enum UserFileError {
    /// The file is there but cannot be read, or it cannot be written.
    #[error("the file cannot be used: {why}: {}", path.display())]
    File {
        /// What the system says.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("{why}; like {like}: {}", path.display())]
    Text {
        /// What is wrong, and where.
        why: String,
        /// What a right one looks like.
        like: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Where the user's files are; nowhere by default, and then nothing is kept.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFolder(pub Option<PathBuf>);

impl UserFolder {
    /// `$XDG_CONFIG_HOME/rhea`, or `~/.config/rhea`; nowhere without a home.
    #[must_use]
    pub fn of_system() -> Self {
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
        Self(config.map(|config| config.join("rhea")))
    }

    /// The place of a file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|folder| folder.join(name))
    }
}

/// The text of a file; `None` when it is not there.
///
/// # Errors
/// When it is there but cannot be read, or is larger than 64 KiB.
pub fn read(path: &Path) -> Result<Option<String>, UserFileError> {
    let failed = |why: String| UserFileError::File { why, path: path.to_owned() };
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e.to_string())),
        Ok(facts) if !facts.is_file() => return Err(failed("it is not a file".to_owned())),
        Ok(facts) if facts.len() > MAX_FILE_BYTES => {
            return Err(failed(format!("{} bytes, at most {MAX_FILE_BYTES} are read", facts.len())));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|e| failed(e.to_string()))
}

/// Writes a value as RON text, whole or not at all. What is there and cannot be used, by `usable`, stays beside it as
/// `NAME.ron.unusable`.
pub(crate) fn write(
    path: &Path,
    value: &impl serde::Serialize,
    usable: impl Fn(&str) -> bool,
) -> Result<(), UserFileError> {
    let failed = |why: String| UserFileError::File { why, path: path.to_owned() };
    let text =
        ron::ser::to_string_pretty(value, ron::ser::PrettyConfig::default()).map_err(|e| failed(e.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
    }
    let broken = match read(path) {
        Ok(text) => text.is_some_and(|text| !usable(&text)),
        Err(_) => path.is_file(),
    };
    if broken {
        std::fs::rename(path, path.with_extension("ron.unusable")).map_err(|e| failed(e.to_string()))?;
    }
    let part = path.with_extension("ron.part");
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(|e| failed(e.to_string()))
}

//! The key: from the environment, or from a file that only its owner need be able to read.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::error::RemoteError;
use crate::limits;

/// A key, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    value: String,
    place: String,
}

impl Key {
    /// A key, and where it comes from.
    ///
    /// # Errors
    /// When it is empty, too long or holds characters that no header may have.
    pub fn new(value: &str, place: &str) -> Result<Self, RemoteError> {
        let wrong = |what: String| RemoteError::Key { place: place.to_owned(), what };
        let value = value.trim();
        if value.is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        if value.len() as u64 > limits::KEY_BYTES {
            return Err(wrong(format!("has {} bytes; allowed are up to {}", value.len(), limits::KEY_BYTES)));
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("holds spaces, line ends or characters outside of ASCII".to_owned()));
        }
        Ok(Self { value: value.to_owned(), place: place.to_owned() })
    }

    /// The key in a file.
    ///
    /// # Errors
    /// As [`Self::new`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, RemoteError> {
        let place = path.display().to_string();
        let failed =
            |e: std::io::Error| RemoteError::Key { place: place.clone(), what: format!("cannot be read: {e}") };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limits::KEY_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        Self::new(&text, &place)
    }

    /// Where it comes from.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.value)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the key in {}", self.place)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_and_is_never_shown() {
        let key = Key::new(" secret-1\n", "$KEY").unwrap();
        assert_eq!(key.header(), "Bearer secret-1");
        assert!(!format!("{key:?}").contains("secret"));
        for wrong in ["", "  ", "two words", "line\nend", "ключ"] {
            let error = Key::new(wrong, "$KEY").unwrap_err().to_string();
            assert!(error.contains("$KEY"), "{error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "k".repeat(limits::KEY_BYTES as usize + 1)).unwrap();
        assert!(Key::read(file.path()).unwrap_err().to_string().contains("allowed are up to"));
        assert!(Key::read(Path::new("/no/such/file")).unwrap_err().to_string().contains("/no/such/file"));
    }
}

//! What the user likes: size of the window's parts, pictures smooth or as pixels, holding or tapping, dead zone of the sticks.
//!
//! The file is RON text, `rhea/window.ron` under the XDG config folder; what it does not name is as usual.

use std::path::Path;

use bevy::prelude::Resource;
use serde::{Deserialize, Serialize};

use crate::user_file::{self, UserFileError};

/// Allowed sizes, percent.
pub const SIZES: [u16; 8] = [75, 90, 100, 110, 125, 150, 175, 200];
/// Smallest and largest dead zone of a stick, percent of its way.
pub const DEAD_ZONE: [u16; 2] = [15, 90];
/// Name of the file.
pub const FILE: &str = "window.ron";
const LIKE: &str = "(size_percent: 125, smooth: true, tap_to_walk: false, dead_zone_percent: 55, calm: false)";

/// What the user likes.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Size of text and controls, percent; one of [`SIZES`].
    pub size_percent: u16,
    /// Are views enlarged smoothly, or shown as square pixels?
    pub smooth: bool,
    /// Does a tap begin to walk and another one end it? Else a key walks as long as it is held.
    pub tap_to_walk: bool,
    /// A stick counts as pushed from here on, percent of its way; within [`DEAD_ZONE`].
    pub dead_zone_percent: u16,
    /// Does nothing fade, slide or grow, but changes at once?
    pub calm: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { size_percent: 100, smooth: true, tap_to_walk: false, dead_zone_percent: 55, calm: false }
    }
}

impl Preferences {
    /// Reads a file; one that is not there is as usual.
    ///
    /// # Errors
    /// When it cannot be read, is no such text, or holds a value that is not allowed.
    pub fn load(path: &Path) -> Result<Self, UserFileError> {
        let Some(text) = user_file::read(path)? else { return Ok(Self::default()) };
        Self::parse(&text).map_err(|why| UserFileError::Text { why, like: LIKE, path: path.to_owned() })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When folder or file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), UserFileError> {
        user_file::write(path, self, |text| Self::parse(text).is_ok())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: Self = ron::from_str(text).map_err(|e| e.to_string())?;
        let Self { size_percent, dead_zone_percent, .. } = read;
        if !SIZES.contains(&size_percent) {
            return Err(format!("size_percent is {size_percent}; allowed are {SIZES:?}"));
        }
        let [least, most] = DEAD_ZONE;
        if !(least..=most).contains(&dead_zone_percent) {
            return Err(format!("dead_zone_percent is {dead_zone_percent}; allowed are {least} to {most}"));
        }
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_named_is_as_usual() {
        let folder = std::env::temp_dir().join(format!("rhea-preferences-{}", std::process::id()));
        let file = folder.join("rhea").join(FILE);
        assert_eq!(Preferences::load(&file).unwrap(), Preferences::default());
        let mine = Preferences { size_percent: 150, tap_to_walk: true, ..Preferences::default() };
        mine.save(&file).unwrap();
        assert_eq!(Preferences::load(&file).unwrap(), mine);
        std::fs::write(&file, "(smooth: false)").unwrap();
        assert_eq!(Preferences::load(&file).unwrap(), Preferences { smooth: false, ..Preferences::default() });
        std::fs::write(&file, "(smooth: 3)").unwrap();
        let why = Preferences::load(&file).unwrap_err().to_string();
        assert!(why.contains("like (size_percent: 125") && why.contains("window.ron"), "{why}");
        // Somebody's slip of the pen is not written over.
        mine.save(&file).unwrap();
        assert_eq!(Preferences::load(&file).unwrap(), mine);
        assert_eq!(std::fs::read_to_string(file.with_extension("ron.unusable")).unwrap(), "(smooth: 3)");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(Preferences::parse(LIKE).unwrap().size_percent, 125);
    }

    #[test]
    fn values_that_are_not_allowed_are_named_with_those_that_are() {
        for (text, want) in [
            ("(size_percent: 74)", "size_percent is 74; allowed are [75, 90"),
            ("(dead_zone_percent: 91)", "dead_zone_percent is 91; allowed are 15 to 90"),
            ("(size: 100)", "size"),
        ] {
            let why = Preferences::parse(text).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }
}

//! Sets of pixels, as runs.

use serde::{Deserialize, Serialize};

/// Which pixels of a picture belong to a set: lengths of runs, row by row, of pixels outside and inside in turn, beginning outside.
/// What the runs do not reach is outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PixelSet(Box<[u32]>);

impl PixelSet {
    /// The set of the pixels whose flag is true.
    #[must_use]
    pub fn new(flags: impl IntoIterator<Item = bool>) -> Self {
        let (mut runs, mut inside, mut length) = (Vec::new(), false, 0);
        for flag in flags {
            if flag != inside {
                runs.push(std::mem::take(&mut length));
                inside = flag;
            }
            length += 1;
        }
        if inside {
            runs.push(length);
        }
        Self(runs.into_boxed_slice())
    }

    /// Is no pixel in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A flag for each of the first `pixels` pixels.
    #[must_use]
    pub fn flags(&self, pixels: usize) -> Vec<bool> {
        let mut flags = vec![false; pixels];
        let mut at = 0_usize;
        for (number, length) in self.0.iter().enumerate() {
            let end = at.saturating_add(*length as usize).min(pixels);
            if number % 2 == 1 {
                flags[at..end].fill(true);
            }
            at = end;
        }
        flags
    }

    /// Memory that it takes, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len() * size_of::<u32>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back() {
        for bits in 0..256_u32 {
            let flags: Vec<bool> = (0..8).map(|k| bits >> k & 1 == 1).collect();
            let set = PixelSet::new(flags.iter().copied());
            assert_eq!(set.flags(8), flags);
            assert_eq!(set.is_empty(), bits == 0);
            assert_eq!(set.flags(5), flags[..5]);
            assert_eq!(set.flags(9)[..8], flags);
        }
    }

    #[test]
    fn runs_that_no_picture_has_are_cut() {
        let set: PixelSet = serde_json::from_str("[3, 4294967295, 4294967295, 7]").unwrap();
        assert_eq!(set.flags(5), [false, false, false, true, true]);
    }
}

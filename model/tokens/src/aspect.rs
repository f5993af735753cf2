//! The sizes a picture can be asked for: by ratio, by cells, or left to the model.

use std::str::FromStr;

use crate::error::TokensError;
use crate::picture::Grid;

/// Emu3.5's published sizes of about a megapixel, in rows and columns of 16 x 16 pixels.
const RATIOS: [(&str, usize, usize); 8] = [
    ("4:3", 55, 73),
    ("21:9", 41, 97),
    ("16:9", 47, 85),
    ("3:2", 52, 78),
    ("1:1", 64, 64),
    ("3:4", 73, 55),
    ("9:16", 85, 47),
    ("2:3", 78, 52),
];

/// What size a picture shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The model chooses.
    Auto,
    /// This size.
    Sized(Grid),
}

impl Aspect {
    /// The size, unless the model chooses.
    #[must_use]
    pub fn grid(self) -> Option<Grid> {
        match self {
            Self::Auto => None,
            Self::Sized(grid) => Some(grid),
        }
    }
}

impl FromStr for Aspect {
    type Err = TokensError;

    /// Reads `auto`, a ratio such as `4:3`, or rows and columns of cells such as `55x73` or `55*73`.
    fn from_str(text: &str) -> Result<Self, TokensError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(&(_, rows, cols)) = RATIOS.iter().find(|(name, ..)| *name == text) {
            return Grid::new(rows, cols).map(Self::Sized);
        }
        let sides = text.split_once(['x', '*']).and_then(|(h, w)| Some((h.parse().ok()?, w.parse().ok()?)));
        let (rows, cols) = sides.ok_or_else(|| TokensError::Aspect {
            got: text.chars().take(20).collect(),
            ratios: RATIOS.map(|(name, ..)| name).join(", "),
        })?;
        Grid::new(rows, cols).map(Self::Sized)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_as_wide_as_they_say() {
        for (name, rows, cols) in RATIOS {
            let (width, height) = name.split_once(':').unwrap();
            let want = width.parse::<f64>().unwrap() / height.parse::<f64>().unwrap();
            let got = cols as f64 / rows as f64;
            assert!((got / want - 1.0).abs() < 0.05, "{name}: {got}");
            let megapixels = (rows * cols * 256) as f64 / f64::from(1 << 20);
            assert!((0.94..=1.0).contains(&megapixels), "{name}: {megapixels}");
        }
    }

    #[test]
    fn sizes_are_read_and_nonsense_is_refused() {
        let read = |text: &str| text.parse::<Aspect>();
        assert_eq!(read("auto").unwrap().grid(), None);
        assert_eq!(read("4:3").unwrap().grid(), Grid::new(55, 73).ok());
        assert_eq!(read("8x12").unwrap(), read("8*12").unwrap());
        let error = read("5:4").unwrap_err().to_string();
        assert!(error.contains("5:4") && error.contains("16:9") && error.contains("auto"), "{error}");
        for bad in ["", "x", "8x", "-1x2", "0x3", "1024x768", "8x8x8"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

//! Colours: the few that objects are named by, and free paints for everything else.

use crate::SceneError;
use parry3d::math::Vec3;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The colours an object can be named by; well separable at 128 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Colour {
    Red,
    Orange,
    Yellow,
    Green,
    Teal,
    Blue,
    Purple,
    Pink,
    White,
    Grey,
    Brown,
    Black,
}

impl Colour {
    /// All colours, in a fixed order.
    pub const ALL: [Self; 12] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Teal,
        Self::Blue,
        Self::Purple,
        Self::Pink,
        Self::White,
        Self::Grey,
        Self::Brown,
        Self::Black,
    ];

    /// The word used in captions and narration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Teal => "teal",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::Pink => "pink",
            Self::White => "white",
            Self::Grey => "grey",
            Self::Brown => "brown",
            Self::Black => "black",
        }
    }

    /// The paint of the colour.
    #[must_use]
    pub fn paint(self) -> Paint {
        Paint(match self {
            Self::Red => [206, 52, 46],
            Self::Orange => [236, 132, 40],
            Self::Yellow => [246, 206, 66],
            Self::Green => [74, 160, 70],
            Self::Teal => [28, 152, 150],
            Self::Blue => [48, 100, 200],
            Self::Purple => [126, 72, 170],
            Self::Pink => [240, 140, 172],
            Self::White => [244, 242, 236],
            Self::Grey => [138, 142, 150],
            Self::Brown => [132, 84, 50],
            Self::Black => [46, 46, 54],
        })
    }
}

/// Words for the large surfaces of a scene, used in captions and as paint names; the first entry of a word is its paint.
const SURFACE_WORDS: [(&str, [u8; 3]); 30] = [
    ("red", [200, 60, 52]),
    ("orange", [236, 140, 60]),
    ("peach", [246, 204, 178]),
    ("yellow", [240, 204, 90]),
    ("pale yellow", [246, 226, 158]),
    ("cream", [244, 232, 208]),
    ("sand", [226, 204, 164]),
    ("tan", [196, 146, 92]),
    ("brown", [140, 96, 62]),
    ("dark brown", [96, 64, 44]),
    ("terracotta", [204, 112, 80]),
    ("rose", [212, 128, 128]),
    ("pink", [242, 186, 196]),
    ("green", [98, 158, 88]),
    ("sage", [178, 198, 166]),
    ("mint", [190, 228, 206]),
    ("sea green", [84, 164, 124]),
    ("teal", [48, 148, 150]),
    ("light blue", [178, 212, 236]),
    ("blue", [78, 130, 196]),
    ("navy", [50, 76, 124]),
    ("purple", [130, 96, 170]),
    ("lilac", [210, 196, 230]),
    ("white", [248, 246, 240]),
    ("light grey", [210, 210, 210]),
    ("grey", [164, 166, 172]),
    ("dark grey", [86, 92, 102]),
    ("black", [40, 40, 46]),
    ("green", [140, 182, 92]),
    ("teal", [96, 176, 172]),
];

/// An 8 bit sRGB colour; in a file a string, `"#e8d4b0"` or a colour name such as `"teal"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Paint(pub [u8; 3]);

impl Paint {
    /// The nearest word for a wall or floor of this colour, for captions.
    #[must_use]
    pub fn surface_word(self) -> &'static str {
        // Lightness and two opponent hues, so that a shade keeps its hue's word.
        let opponent = |rgb: [u8; 3]| {
            let [r, g, b] = rgb.map(i32::from);
            [2 * (r + g + b) / 3, 2 * (r - g), r + g - 2 * b]
        };
        let here = opponent(self.0);
        let distance = |other: [u8; 3]| -> i32 {
            let there = opponent(other);
            let [l, a, b] = std::array::from_fn(|i| (here[i] - there[i]) * (here[i] - there[i]));
            l + 2 * a + b
        };
        SURFACE_WORDS.iter().min_by_key(|(_, rgb)| distance(*rgb)).map_or("grey", |(word, _)| word)
    }

    /// This paint mixed with another; `share` of the other, 0 to 1.
    #[must_use]
    pub fn mixed(self, other: Self, share: f32) -> Self {
        Self(std::array::from_fn(|i| {
            let (a, b) = (f32::from(self.0[i]), f32::from(other.0[i]));
            (a + (b - a) * share + 0.5).clamp(0.0, 255.0) as u8
        }))
    }

    /// Do two paints look alike at a glance?
    pub(crate) fn is_close(self, other: Self) -> bool {
        (0..3).map(|i| self.0[i].abs_diff(other.0[i])).map(u32::from).sum::<u32>() < 90
    }

    /// A darker shade; `share` of black, 0 to 1.
    #[must_use]
    pub fn darker(self, share: f32) -> Self {
        self.mixed(Self([0; 3]), share)
    }

    /// A lighter tint; `share` of white, 0 to 1.
    #[must_use]
    pub fn lighter(self, share: f32) -> Self {
        self.mixed(Self([255; 3]), share)
    }

    /// Linear-light colour, each channel 0 to 1.
    #[must_use]
    pub(crate) fn linear(self) -> Vec3 {
        Vec3::from_array(self.0.map(|c| to_linear(f32::from(c) / 255.0)))
    }
}

impl From<Colour> for Paint {
    fn from(colour: Colour) -> Self {
        colour.paint()
    }
}

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2])
    }
}

impl From<Paint> for String {
    fn from(paint: Paint) -> Self {
        paint.to_string()
    }
}

impl TryFrom<String> for Paint {
    type Error = SceneError;

    fn try_from(text: String) -> Result<Self, SceneError> {
        let wrong = || SceneError::Paint { text: text.chars().take(40).collect() };
        if let Some(hex) = text.strip_prefix('#') {
            if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            let value = u32::from_str_radix(hex, 16).map_err(|_| wrong())?;
            let [_, r, g, b] = value.to_be_bytes();
            return Ok(Self([r, g, b]));
        }
        if let Some(colour) = Colour::ALL.into_iter().find(|c| c.name() == text) {
            return Ok(colour.paint());
        }
        SURFACE_WORDS.iter().find(|(word, _)| *word == text).map(|(_, rgb)| Self(*rgb)).ok_or_else(wrong)
    }
}

/// sRGB value (0 to 1) to linear light: a cubic fit, exact arithmetic on every machine, within 0.2 % of the standard.
fn to_linear(x: f32) -> f32 {
    x * (x * (x * 0.305_306 + 0.682_171_1) + 0.012_522_88)
}

/// Linear light (0 to 1) to an sRGB byte; the inverse fit uses square roots only, so that it is exact on every machine.
pub(crate) fn to_srgb_byte(x: f32) -> u8 {
    let s1 = x.max(0.0).sqrt();
    let s2 = s1.sqrt();
    let s3 = s2.sqrt();
    let y = 0.585_122_4 * s1 + 0.783_140_36 * s2 - 0.368_262_74 * s3;
    (y * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

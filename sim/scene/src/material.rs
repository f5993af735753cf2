//! What surfaces look like: flat paint and broad patterns that 16-pixel tokens carry crisply.

use crate::colour::Paint;
use crate::{SceneError, limits::PATTERN_M};
use serde::{Deserialize, Serialize};

/// The drawing on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtStyle {
    /// Three vertical bars.
    Bars,
    /// A disc on a plain ground.
    Disc,
    /// Four quarters.
    Quarters,
    /// Sky, sun and a hill.
    Landscape,
    /// A triangle on a plain ground.
    Peak,
    /// Two halves along the diagonal.
    Diagonal,
}

impl ArtStyle {
    /// All styles, in a fixed order.
    pub const ALL: [Self; 6] = [Self::Bars, Self::Disc, Self::Quarters, Self::Landscape, Self::Peak, Self::Diagonal];
}

/// The look of a surface. Pattern sizes are metres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Material {
    /// One colour.
    Flat(Paint),
    /// A chess board.
    Check {
        /// First colour.
        a: Paint,
        /// Second colour.
        b: Paint,
        /// Side of a square.
        size_m: f32,
    },
    /// Stripes along the first axis of the surface (boards on a floor, level bands on a wall).
    Planks {
        /// First colour.
        a: Paint,
        /// Second colour.
        b: Paint,
        /// Width of one stripe.
        width_m: f32,
    },
    /// Upright stripes on a wall.
    Stripes {
        /// First colour.
        a: Paint,
        /// Second colour.
        b: Paint,
        /// Width of one stripe.
        width_m: f32,
    },
    /// Large blocks in running bond, alternating in two tones.
    Blocks {
        /// First tone.
        a: Paint,
        /// Second tone.
        b: Paint,
        /// Width of a block.
        width_m: f32,
        /// Height of a block.
        height_m: f32,
    },
    /// A two-tone wall with a rail between.
    Wainscot {
        /// Colour below the rail.
        lower: Paint,
        /// Colour above the rail.
        upper: Paint,
        /// Colour of the rail.
        rail: Paint,
        /// Height of the rail above the floor.
        height_m: f32,
    },
    /// A surface that shines by itself.
    Glow(Paint),
    /// The canvas of a picture, stretched over the front face.
    Art {
        /// The drawing.
        style: ArtStyle,
        /// The main colour, by which the picture is named.
        a: Paint,
        /// Second colour.
        b: Paint,
        /// Third colour.
        c: Paint,
    },
    /// A door leaf with two inset panels, stretched over the front face.
    Panels {
        /// The leaf.
        leaf: Paint,
        /// The insets.
        inset: Paint,
    },
    /// A window pane: sky over a hill, shining, stretched over the front face.
    Outlook {
        /// The sky.
        sky: Paint,
        /// The land.
        land: Paint,
    },
}

impl Material {
    /// Checks the pattern sizes.
    pub(crate) fn check(&self, place: &str) -> Result<(), SceneError> {
        let sizes: &[f32] = match self {
            Self::Check { size_m, .. } => &[*size_m],
            Self::Planks { width_m, .. } | Self::Stripes { width_m, .. } => &[*width_m],
            Self::Blocks { width_m, height_m, .. } => &[*width_m, *height_m],
            Self::Wainscot { height_m, .. } => &[*height_m],
            _ => &[],
        };
        for &value in sizes {
            crate::scene::in_range(place, "pattern size", value, PATTERN_M)?;
        }
        Ok(())
    }

    /// The words of a caption before "walls" or "floor".
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Flat(paint) | Self::Glow(paint) => paint.surface_word().into(),
            Self::Check { .. } => "checked".into(),
            Self::Planks { a, b, .. } if a.is_close(*b) => format!("{} plank", a.surface_word()),
            Self::Planks { .. } | Self::Stripes { .. } => "striped".into(),
            Self::Blocks { a, .. } => format!("{} block", a.surface_word()),
            Self::Wainscot { lower, upper, .. } => {
                let (low, up) = (lower.surface_word(), upper.surface_word());
                if low == up { low.into() } else { format!("{up} and {low}") }
            }
            Self::Art { a, .. } => a.surface_word().into(),
            Self::Panels { leaf, .. } => leaf.surface_word().into(),
            Self::Outlook { sky, .. } => sky.surface_word().into(),
        }
    }
}

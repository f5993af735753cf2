//! The RGB-D picture and the warped memory that goes with it.

use thiserror::Error;

/// Smallest depth a picture can hold, in metres.
pub const NEAREST_M: f32 = 0.1;
/// Largest depth a picture can hold, in metres; the sky has this depth.
pub const FARTHEST_M: f32 = 100.0;

/// What can be wrong with a picture from outside.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The buffers do not hold `width * height` pixels.
    #[error("picture of {width} x {height} needs {want} values of {what}, got {got}")]
    Size {
        /// Which buffer is wrong.
        what: &'static str,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Expected length.
        want: usize,
        /// Length found.
        got: usize,
    },
    /// A picture file could not be read or written.
    #[error("{doing} picture {path}: {source}")]
    File {
        /// "reading" or "writing".
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// A picture file is too large to be decoded.
    #[error("reading picture {path}: {found}; allowed are 1 to {max_side} px a side and {max_mib} MiB")]
    TooLarge {
        /// What was found, such as "5000 x 300 px".
        found: String,
        /// Limit of a side in pixels.
        max_side: u32,
        /// Limit of the file and of the decoded picture.
        max_mib: u64,
        /// The file.
        path: std::path::PathBuf,
    },
    /// Two pictures, or a picture and its mask, have different sizes.
    #[error("comparing a picture of {want} px with {what} of {got} px: they must be equal")]
    Unequal {
        /// What the other one is.
        what: &'static str,
        /// Pixels of the first.
        want: usize,
        /// Pixels of the other.
        got: usize,
    },
    /// A comparison has nothing to compare.
    #[error("comparing pictures by {what}: {reason}")]
    Incomparable {
        /// The metric.
        what: &'static str,
        /// Why it has no value.
        reason: &'static str,
    },
    /// A picture whose shape cannot be encoded.
    #[error(
        "a picture of {width} x {height} px would be resized to {} x {} px for an area of {area} px: it is too long and thin",
        to.0, to.1
    )]
    Shape {
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
        /// The area asked for, in pixels.
        area: usize,
        /// The width and height it would be given.
        to: (usize, usize),
    },
    /// A side is zero or larger than allowed.
    #[error("picture side of {side} px: allowed are 1 to {max} px")]
    Side {
        /// The offending side in pixels.
        side: u32,
        /// The limit in pixels.
        max: u32,
    },
}

/// A colour picture with planar depth.
///
/// `rgb` is row-major HWC, 8 bit sRGB. `depth_m` is the distance along the camera's forward axis (not along the ray), in
/// metres.
#[derive(Clone, Debug, PartialEq)]
pub struct Rgbd {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `height * width * 3` bytes, row-major, RGB.
    pub rgb: Vec<u8>,
    /// `height * width` planar depths in metres, row-major.
    pub depth_m: Vec<f32>,
}

impl Rgbd {
    /// A picture from its buffers. Depths are clamped to the allowed range; a NaN becomes [`FARTHEST_M`].
    ///
    /// # Errors
    /// When a buffer has the wrong length.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>, mut depth_m: Vec<f32>) -> Result<Self, PictureError> {
        let check = |what, want: usize, got: usize| {
            if want == got { Ok(()) } else { Err(PictureError::Size { what, width, height, want, got }) }
        };
        check("colour", width * height * 3, rgb.len())?;
        check("depth", width * height, depth_m.len())?;
        for depth in &mut depth_m {
            *depth = if depth.is_nan() { FARTHEST_M } else { depth.clamp(NEAREST_M, FARTHEST_M) };
        }
        Ok(Self { width, height, rgb, depth_m })
    }

    /// A picture of one colour at [`FARTHEST_M`].
    #[must_use]
    pub fn filled(width: usize, height: usize, rgb: [u8; 3]) -> Self {
        Self { width, height, rgb: rgb.repeat(width * height), depth_m: vec![FARTHEST_M; width * height] }
    }

    /// Colour of a pixel; `x < width`, `y < height`.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let i = (y * self.width + x) * 3;
        [self.rgb[i], self.rgb[i + 1], self.rgb[i + 2]]
    }
}

/// What is behind a pixel of a [`Warp`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// It goes back to a picture that was given, or nothing is known about it.
    #[default]
    Given,
    /// The model drew it, as seen from this very place.
    Drawn,
    /// The model drew it, as seen from another place: where its depth was wrong, it is misplaced here.
    Loose,
}

/// Earlier views warped to a target camera: what memory knows about the view that is about to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Warp {
    /// Warped colour and depth; where `valid` is false the colour is mid grey (128) and the depth [`FARTHEST_M`].
    pub view: Rgbd,
    /// Per pixel: does any earlier view see it?
    pub valid: Vec<bool>,
    /// Per pixel: target pixels per source pixel, linear; 1 where the memory is as sharp as a fresh view, larger where it
    /// is enlarged (blurry), 0 where not valid.
    pub magnification: Vec<f32>,
    /// Per pixel: index into the list of source views handed to the warp, `u16::MAX` where not valid.
    pub source: Vec<u16>,
    /// Per pixel: what is behind it.
    pub trust: Vec<Trust>,
}

impl Warp {
    /// A warp that knows nothing.
    #[must_use]
    pub fn empty(width: usize, height: usize) -> Self {
        let n = width * height;
        Self {
            view: Rgbd::filled(width, height, [128; 3]),
            valid: vec![false; n],
            magnification: vec![0.0; n],
            source: vec![u16::MAX; n],
            trust: vec![Trust::Given; n],
        }
    }

    /// Takes a pixel as it is in an earlier view from the same camera.
    ///
    /// # Panics
    /// When one of them has no such pixel.
    pub fn keep(&mut self, pixel: usize, view: &Rgbd) {
        self.valid[pixel] = true;
        (self.magnification[pixel], self.source[pixel]) = (1.0, 0);
        self.view.rgb[3 * pixel..3 * pixel + 3].copy_from_slice(&view.rgb[3 * pixel..3 * pixel + 3]);
        self.view.depth_m[pixel] = view.depth_m[pixel];
    }

    /// Share of valid pixels, 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f32 {
        self.valid.iter().filter(|v| **v).count() as f32 / self.valid.len().max(1) as f32
    }
}

/// Depth in metres to the value the network sees, in [-1, 1]: linear in log depth, near = -1.
#[must_use]
pub fn encode_depth(depth_m: f32) -> f32 {
    let lo = NEAREST_M.ln();
    let hi = FARTHEST_M.ln();
    2.0 * (depth_m.clamp(NEAREST_M, FARTHEST_M).ln() - lo) / (hi - lo) - 1.0
}

/// The inverse of [`encode_depth`]; input outside [-1, 1] is clamped.
#[must_use]
pub fn decode_depth(value: f32) -> f32 {
    let lo = NEAREST_M.ln();
    let hi = FARTHEST_M.ln();
    (lo + (value.clamp(-1.0, 1.0) + 1.0) * 0.5 * (hi - lo)).exp()
}

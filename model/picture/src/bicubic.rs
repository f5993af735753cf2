//! Pictures on their way into a vision tokenizer: the size and the pixels that Emu3.5's reference gives them.
//!
//! The reference resizes with Pillow's `BICUBIC`: a = -0.5, as wide as the picture shrinks, in two passes of 8 bit pixels and
//! fixed-point weights. Codes are an argmax, so a pixel that is off by one can change one; the arithmetic here is the same, and
//! so is the order of the passes, which is that of Pillow 13 (older ones always resize rows first).

use crate::limits::MAX_SIDE_PX;
use crate::picture::Picture;
use crate::rgbd::PictureError;

/// Side of a cell of the vision tokenizer, pixels.
pub const CELL_PX: usize = 16;
/// Reach of the filter to each side, pixels of the smaller picture.
const SUPPORT: f64 = 2.0;
/// Bits behind the point of a weight: Pillow keeps 8 for the pixel and 2 for sums above white.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The size that a picture is given before it is encoded: about `area` pixels, both sides multiples of [`CELL_PX`], nearly the
/// same shape. Returns width and height.
///
/// # Errors
/// When a side would be 0: the picture is too long and thin for the area.
pub fn encoding_size(width: usize, height: usize, area: usize) -> Result<(usize, usize), PictureError> {
    let unfit = |to: (usize, usize)| PictureError::Shape { width, height, area, to };
    if width == 0 || height == 0 {
        return Err(unfit((0, 0)));
    }
    let ratio = width as f64 / height as f64;
    let to_height = (area as f64 / ratio).sqrt().trunc();
    let to_width = (to_height * ratio).trunc();
    // `as` saturates, so a side beyond all limits stays beyond them.
    let whole_cells = |side: f64| (side as usize).saturating_add(CELL_PX / 2) / CELL_PX * CELL_PX;
    let to = (whole_cells(to_width), whole_cells(to_height));
    if to.0 == 0 || to.1 == 0 { Err(unfit(to)) } else { Ok(to) }
}

impl Picture {
    /// The picture as the vision tokenizer of a model with this picture area wants it: resized to its [`encoding_size`].
    ///
    /// # Errors
    /// As [`encoding_size`] and [`Picture::bicubic`].
    pub fn for_encoding(&self, area: usize) -> Result<Self, PictureError> {
        let (width, height) = encoding_size(self.width, self.height, area)?;
        self.bicubic(width, height)
    }

    /// The picture at another size, as Pillow's `BICUBIC` gives it.
    ///
    /// # Errors
    /// When a side is zero or longer than [`MAX_SIDE_PX`], now or afterwards, or the buffer does not fit the size.
    pub fn bicubic(&self, width: usize, height: usize) -> Result<Self, PictureError> {
        self.check()?;
        for side in [self.width, self.height, width, height] {
            if !(1..=MAX_SIDE_PX as usize).contains(&side) {
                return Err(PictureError::Side { side: u32::try_from(side).unwrap_or(u32::MAX), max: MAX_SIDE_PX });
            }
        }
        let (rows, columns) = (Weights::new(self.width, width), Weights::new(self.height, height));
        let rgb = if columns_first((self.width, self.height), (width, height)) {
            across(&down(&self.rgb, self.width, &columns), self.width, &rows)
        } else {
            down(&across(&self.rgb, self.width, &rows), width, &columns)
        };
        Ok(Self { width, height, rgb })
    }
}

/// Does Pillow 13 resize columns before rows? Found by resizing 5,688 pictures of random sizes in either order: it does when more
/// rows go than twice the columns.
fn columns_first((width, height): (usize, usize), (to_width, to_height): (usize, usize)) -> bool {
    to_height < height && height - to_height + 2 * to_width > 2 * width
}

/// Which pixels of a line each pixel of the resized line is made of, and with what weights.
struct Weights {
    /// First source pixel and its weights, for each target pixel.
    targets: Vec<(usize, Vec<i64>)>,
}

impl Weights {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let spread = scale.max(1.0);
        let reach = SUPPORT * spread;
        let target = |index: usize| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let last = ((centre + reach + 0.5) as usize).min(from);
            let parts: Vec<f64> =
                (first..last).map(|at| bicubic((at as f64 - centre + 0.5) * (1.0 / spread))).collect();
            let sum: f64 = parts.iter().sum();
            let fixed = |part: f64| (part / sum * f64::from(1 << PRECISION_BITS)).round() as i64;
            (first, parts.into_iter().map(fixed).collect())
        };
        Self { targets: (0..to).map(target).collect() }
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < SUPPORT {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// A sum of pixels times weights, as a pixel.
fn pixel(sum: i64) -> u8 {
    ((sum + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Resizes rows.
fn across(rgb: &[u8], width: usize, weights: &Weights) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() / width * weights.targets.len());
    for row in rgb.chunks_exact(3 * width) {
        for (first, weights) in &weights.targets {
            let mut sums = [0; 3];
            for (source, weight) in row[3 * first..].chunks_exact(3).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(source) {
                    *sum += i64::from(*value) * weight;
                }
            }
            out.extend(sums.map(pixel));
        }
    }
    out
}

/// Resizes columns.
fn down(rgb: &[u8], width: usize, weights: &Weights) -> Vec<u8> {
    let line = 3 * width;
    let mut out = Vec::with_capacity(line * weights.targets.len());
    let mut sums = vec![0; line];
    for (first, weights) in &weights.targets {
        sums.fill(0);
        for (row, weight) in rgb[first * line..].chunks_exact(line).zip(weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i64::from(*value) * weight;
            }
        }
        out.extend(sums.iter().copied().map(pixel));
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_one_colour() {
        let grey = Picture::filled(37, 21, [7, 128, 255]);
        for (width, height) in [(16, 16), (37, 64), (80, 21), (1, 1)] {
            assert_eq!(grey.bicubic(width, height).unwrap(), Picture::filled(width, height, [7, 128, 255]));
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        // A bicubic filter of this kind reproduces straight lines; only the borders bend.
        let rgb = (0..64 * 4).flat_map(|at| [(at % 64 * 4) as u8; 3]).collect();
        let ramp = Picture { width: 64, height: 4, rgb };
        let small = ramp.bicubic(16, 4).unwrap();
        for x in 2..14 {
            assert!((f64::from(small.rgb[3 * x]) - (16.0 * x as f64 + 6.0)).abs() <= 1.0, "{x}");
        }
    }

    #[test]
    fn impossible_sizes_say_what_they_would_be() {
        assert_eq!(encoding_size(720, 720, 518_400).unwrap(), (720, 720));
        let error = encoding_size(4096, 16, 4096).unwrap_err().to_string();
        assert!(error.contains("4096 x 16") && error.contains("1024 x 0"), "{error}");
        assert!(encoding_size(0, 5, 4096).is_err() && encoding_size(5, 0, 4096).is_err());
        assert!(Picture::filled(4096, 16, [0; 3]).for_encoding(1 << 20).is_err(), "16384 px wide");
        assert!(encoding_size(1, usize::MAX, usize::MAX).is_err());
        let picture = Picture::filled(4, 4, [0; 3]);
        assert!(picture.bicubic(0, 4).is_err() && picture.bicubic(4, 4097).is_err());
        assert!(Picture { width: 5, ..picture }.bicubic(4, 4).is_err());
    }
}

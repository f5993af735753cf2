//! Other sizes of a picture.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Rgb};

use crate::limits::MAX_SIDE_PX;
use crate::rgbd::{PictureError, Rgbd};

impl Rgbd {
    /// The picture at another size: colours are averaged when it shrinks and interpolated when it grows; depths are those of
    /// the nearest pixel, because an average of two surfaces lies on neither.
    ///
    /// # Errors
    /// When a side is zero or larger than [`MAX_SIDE_PX`], now or afterwards.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self, PictureError> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let side = |side: usize| match u32::try_from(side) {
            Ok(side) if (1..=MAX_SIDE_PX).contains(&side) => Ok(side),
            other => Err(PictureError::Side { side: other.unwrap_or(u32::MAX), max: MAX_SIDE_PX }),
        };
        let (from_w, from_h, to_w, to_h) = (side(self.width)?, side(self.height)?, side(width)?, side(height)?);
        let want = self.width * self.height;
        if self.depth_m.len() != want {
            let (width, height, got) = (self.width, self.height, self.depth_m.len());
            return Err(PictureError::Size { what: "depth", width, height, want, got });
        }
        let (what, got) = ("colour", self.rgb.len());
        let colours = ImageBuffer::<Rgb<u8>, &[u8]>::from_raw(from_w, from_h, self.rgb.as_slice())
            .ok_or(PictureError::Size { what, width: self.width, height: self.height, want: want * 3, got })?;
        let rgb = resize(&colours, to_w, to_h, FilterType::Triangle).into_raw();
        let nearest = |to: usize, from_side: usize, to_side: usize| (2 * to + 1) * from_side / (2 * to_side);
        let columns: Vec<usize> = (0..width).map(|x| nearest(x, self.width, width)).collect();
        let depth_m = (0..height)
            .flat_map(|y| {
                let row = nearest(y, self.height, height) * self.width;
                columns.iter().map(move |x| self.depth_m[row + x])
            })
            .collect();
        Self::new(width, height, rgb, depth_m)
    }

    /// The largest square in the middle.
    #[must_use]
    pub fn centre_square(&self) -> Self {
        let side = self.width.min(self.height);
        let (left, top) = ((self.width - side) / 2, (self.height - side) / 2);
        let mut square = Self::filled(side, side, [0; 3]);
        for y in 0..side {
            let from = (top + y) * self.width + left;
            square.rgb[y * side * 3..(y + 1) * side * 3].copy_from_slice(&self.rgb[from * 3..(from + side) * 3]);
            square.depth_m[y * side..(y + 1) * side].copy_from_slice(&self.depth_m[from..from + side]);
        }
        square
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Rgbd {
        let rgb = (0..width * height).flat_map(|i| [(i % width * 8) as u8, (i / width * 8) as u8, 77]).collect();
        let depth_m = (0..width * height).map(|i| 1.0 + (i % width) as f32).collect();
        Rgbd::new(width, height, rgb, depth_m).unwrap()
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let half = ramp(32, 16).resized(16, 8).unwrap();
        for x in 1..15 {
            // The mean of columns 2x and 2x + 1.
            let want = (2 * x) as f32 * 8.0 + 4.0;
            assert!((f32::from(half.pixel(x, 4)[0]) - want).abs() <= 1.0, "{x}");
            assert!((half.depth_m[4 * 16 + x] - (2.0 + 2.0 * x as f32)).abs() <= 1.0);
        }
        let double = ramp(16, 16).resized(32, 32).unwrap();
        assert!((f32::from(double.pixel(15, 15)[1]) - (7.25 * 8.0)).abs() <= 1.0);
        assert!(ramp(4, 4).resized(0, 4).is_err() && ramp(4, 4).resized(4, 4097).is_err());
    }

    #[test]
    fn the_middle_is_cut_out() {
        let square = ramp(7, 4).centre_square();
        assert_eq!((square.width, square.height), (4, 4));
        assert_eq!((square.pixel(0, 3), square.depth_m[0]), ([8, 24, 77], 2.0));
        assert_eq!(ramp(3, 9).centre_square().pixel(2, 0), [16, 24, 77]);
    }
}

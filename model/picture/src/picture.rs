//! A colour picture without depth: what files and contact sheets hold.

use crate::rgbd::{FARTHEST_M, PictureError, Rgbd, encode_depth};

/// A colour picture, 8 bit sRGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `height * width * 3` bytes, row-major, RGB.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    #[must_use]
    pub fn filled(width: usize, height: usize, rgb: [u8; 3]) -> Self {
        Self { width, height, rgb: rgb.repeat(width * height) }
    }

    /// The same picture with every depth at [`FARTHEST_M`].
    #[must_use]
    pub fn into_rgbd(self) -> Rgbd {
        let depth_m = vec![FARTHEST_M; self.width * self.height];
        Rgbd { width: self.width, height: self.height, rgb: self.rgb, depth_m }
    }

    /// Checks that the buffer holds `width * height` pixels.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check(&self) -> Result<(), PictureError> {
        let want = self.width * self.height * 3;
        if self.rgb.len() == want {
            return Ok(());
        }
        let (width, height, got) = (self.width, self.height, self.rgb.len());
        Err(PictureError::Size { what: "colour", width, height, want, got })
    }
}

impl Rgbd {
    /// The colours alone.
    #[must_use]
    pub fn picture(&self) -> Picture {
        Picture { width: self.width, height: self.height, rgb: self.rgb.clone() }
    }

    /// The depth as colours for people to look at: red is near, blue is far, equal steps are equal ratios of depth.
    #[must_use]
    pub fn depth_picture(&self) -> Picture {
        let rgb = self.depth_m.iter().flat_map(|d| rainbow((encode_depth(*d) + 1.0) * 0.5)).collect();
        Picture { width: self.width, height: self.height, rgb }
    }
}

/// Red, yellow, green, cyan, blue, black for 0 to 1.
fn rainbow(at: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 6] = [
        [235.0, 50.0, 30.0],
        [250.0, 200.0, 40.0],
        [90.0, 200.0, 80.0],
        [40.0, 180.0, 200.0],
        [40.0, 60.0, 180.0],
        [10.0, 10.0, 30.0],
    ];
    let at = at.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let low = (at as usize).min(STOPS.len() - 2);
    let share = at - low as f32;
    std::array::from_fn(|c| (STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * share + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_red_and_the_sky_is_dark() {
        let mut view = Rgbd::filled(2, 1, [0; 3]);
        view.depth_m[0] = 0.1;
        let shown = view.depth_picture();
        assert!(shown.rgb[0] > 200 && shown.rgb[2] < 60, "{:?}", shown.rgb);
        assert!(shown.rgb[3..].iter().all(|c| *c < 40));
    }
}

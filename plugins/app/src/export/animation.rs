//! A walk or a plan as an animated GIF.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use gif::{Encoder, Frame, Repeat};

use super::WRITE_HINT;
use super::shots::Shots;
use crate::fault::{Fault, WithHint as _};

/// Views below this size are enlarged by whole factors, pixels.
const SIDE_PX: usize = 384;
/// How hard the encoder looks for 256 colours: 1 is best, 30 fastest.
const EFFORT: i32 = 10;

/// Writes the pictures, again and again.
///
/// # Errors
/// When a picture of the recording is damaged, or the file cannot be written.
pub(super) fn write(shots: &Shots<'_>, file: &Path) -> Result<()> {
    let [wide, high] = shots.size_px;
    let factor = (SIDE_PX / wide.max(1)).max(1);
    let side = |px: usize| u16::try_from(px * factor);
    let (Ok(width), Ok(height)) = (side(wide), side(high)) else {
        let what = format!("views of {wide} x {high} px do not fit into a GIF");
        return Err(Fault::new(what, "A GIF has at most 65,535 pixels a side; use --to html or --to frames.").into());
    };
    let out = std::fs::File::create(file).map_err(|error| format!("{}: {error}", file.display())).hint(WRITE_HINT)?;
    let mut encoder = Encoder::new(BufWriter::new(out), width, height, &[]).hint(WRITE_HINT)?;
    encoder.set_repeat(Repeat::Infinite).hint(WRITE_HINT)?;
    let comment = format!("Rhea: {}", shots.source);
    // A comment block has parts of up to 255 bytes.
    encoder
        .write_raw_extension(gif::AnyExtension(0xfe), &[&comment.as_bytes()[..comment.len().min(255)]])
        .hint(WRITE_HINT)?;
    shots.each(|view| {
        let rgb = enlarged(&view.rgb, view.width, factor);
        let mut frame = Frame::from_rgb_speed(width, height, &rgb, EFFORT);
        // Hundredths of a second.
        frame.delay = u16::try_from(100 / shots.rate_hz.max(1)).unwrap_or(1).max(2);
        encoder.write_frame(&frame).hint(WRITE_HINT)
    })?;
    let mut out = encoder.into_inner().context("the animation could not be ended").hint(WRITE_HINT)?;
    out.flush().hint(WRITE_HINT)
}

/// Every pixel as a square of `factor` pixels a side.
fn enlarged(rgb: &[u8], width: usize, factor: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() * factor * factor);
    for row in rgb.chunks_exact(3 * width.max(1)) {
        let wide: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(factor)).collect();
        (0..factor).for_each(|_| out.extend_from_slice(&wide));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn pixels_become_squares() {
        let rgb = [1, 2, 3, 4, 5, 6];
        let row = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
        assert_eq!(super::enlarged(&rgb, 2, 2), [row, row].concat());
        assert_eq!(super::enlarged(&rgb, 2, 1), rgb);
    }
}

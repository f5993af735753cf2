//! Views as PNG bytes: 8-bit colour, and 16-bit depth on the network's logarithmic scale.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, Limits};
use rhea_picture::{FARTHEST_M, NEAREST_M, Rgbd, decode_depth, encode_depth};

use crate::limits::MAX_SIDE_PX;

/// The colours as an 8-bit RGB PNG.
///
/// # Errors
/// When the view is too large for a PNG.
pub fn colour_png(view: &Rgbd) -> Result<Vec<u8>, String> {
    png(view, &view.rgb, ExtendedColorType::Rgb8)
}

/// The depth as a 16-bit grey PNG: 0 is the nearest depth, 65535 the farthest, logarithmic between.
///
/// # Errors
/// As [`colour_png`].
pub fn depth_png(view: &Rgbd) -> Result<Vec<u8>, String> {
    let values: Vec<u8> = view.depth_m.iter().flat_map(|depth| depth_value(*depth).to_ne_bytes()).collect();
    png(view, &values, ExtendedColorType::L16)
}

/// The view from its two PNGs.
///
/// # Errors
/// When one of them is no picture, is too large, or they differ in size.
pub fn view_from_pngs(colour: &[u8], depth: &[u8]) -> Result<Rgbd, String> {
    let colour = decode(colour)?.into_rgb8();
    let depth = decode(depth)?.into_luma16();
    if colour.dimensions() != depth.dimensions() {
        return Err(format!("view of {:?} px has a depth of {:?} px", colour.dimensions(), depth.dimensions()));
    }
    let (width, height) = colour.dimensions();
    let depth_m = depth.into_raw().into_iter().map(depth_of).collect();
    Rgbd::new(width as usize, height as usize, colour.into_raw(), depth_m).map_err(|error| error.to_string())
}

/// Rounds every depth to what a file holds (0.01 %), so that a walk that is taken up from a file goes on to the bit as if it had
/// never stopped.
pub fn round_depth(view: &mut Rgbd) {
    for depth in &mut view.depth_m {
        *depth = depth_of(depth_value(*depth));
    }
}

fn depth_value(depth_m: f32) -> u16 {
    ((encode_depth(depth_m) + 1.0) * 0.5 * 65535.0).round() as u16
}

/// Clamped, because the arithmetic misses the nearest depth by a bit.
fn depth_of(value: u16) -> f32 {
    decode_depth(f32::from(value) / 65535.0 * 2.0 - 1.0).clamp(NEAREST_M, FARTHEST_M)
}

fn png(view: &Rgbd, bytes: &[u8], colour: ExtendedColorType) -> Result<Vec<u8>, String> {
    let too_large = |_| format!("a view of {} x {} px is too large", view.width, view.height);
    let width = u32::try_from(view.width).map_err(too_large)?;
    let height = u32::try_from(view.height).map_err(too_large)?;
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(bytes, width, height, colour)
        .map_err(|error| error.to_string())?;
    Ok(png)
}

fn decode(png: &[u8]) -> Result<image::DynamicImage, String> {
    let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_view_comes_back_to_the_bit() {
        let mut view = Rgbd::filled(16, 8, [1, 2, 3]);
        view.depth_m.iter_mut().enumerate().for_each(|(i, depth)| *depth = 0.1 + 0.7 * i as f32);
        let before = view.clone();
        round_depth(&mut view);
        assert!(view.depth_m.iter().zip(&before.depth_m).all(|(a, b)| (a / b - 1.0).abs() < 1e-4));
        let back = view_from_pngs(&colour_png(&view).unwrap(), &depth_png(&view).unwrap()).unwrap();
        assert_eq!(back, view);
    }
}

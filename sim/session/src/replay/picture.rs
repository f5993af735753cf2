//! Pictures of a replay as PNG bytes: 8-bit colour, and 16-bit depth on the network's logarithmic scale.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, Limits};
use rhea_picture::{Rgbd, decode_depth, encode_depth};

use super::ReplayError;
use crate::limits::MAX_REPLAY_SIDE_PX;

/// The colours as an 8-bit RGB PNG.
pub(super) fn colour_png(view: &Rgbd) -> Result<Vec<u8>, ReplayError> {
    png(view, &view.rgb, ExtendedColorType::Rgb8)
}

/// The depth as a 16-bit grey PNG: 0 is the nearest depth, 65535 the farthest, logarithmic between.
pub(super) fn depth_png(view: &Rgbd) -> Result<Vec<u8>, ReplayError> {
    let values: Vec<u8> = view
        .depth_m
        .iter()
        .flat_map(|depth| (((encode_depth(*depth) + 1.0) * 0.5 * 65535.0).round() as u16).to_ne_bytes())
        .collect();
    png(view, &values, ExtendedColorType::L16)
}

/// The view from its two PNGs.
pub(super) fn view_from_pngs(colour: &[u8], depth: &[u8]) -> Result<Rgbd, String> {
    let colour = decode(colour)?.into_rgb8();
    let depth = decode(depth)?.into_luma16();
    if colour.dimensions() != depth.dimensions() {
        return Err(format!("view of {:?} px has a depth of {:?} px", colour.dimensions(), depth.dimensions()));
    }
    let (width, height) = colour.dimensions();
    let depth_m =
        depth.into_raw().into_iter().map(|value| decode_depth(f32::from(value) / 65535.0 * 2.0 - 1.0)).collect();
    Rgbd::new(width as usize, height as usize, colour.into_raw(), depth_m).map_err(|error| error.to_string())
}

fn png(view: &Rgbd, bytes: &[u8], colour: ExtendedColorType) -> Result<Vec<u8>, ReplayError> {
    let too_large = |_| ReplayError::Encode(format!("a view of {} x {} px is too large", view.width, view.height));
    let width = u32::try_from(view.width).map_err(too_large)?;
    let height = u32::try_from(view.height).map_err(too_large)?;
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(bytes, width, height, colour)
        .map_err(|error| ReplayError::Encode(error.to_string()))?;
    Ok(png)
}

fn decode(png: &[u8]) -> Result<image::DynamicImage, String> {
    let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_REPLAY_SIDE_PX);
    limits.max_image_height = Some(MAX_REPLAY_SIDE_PX);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}

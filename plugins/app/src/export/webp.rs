//! A walk or a plan as an animated WebP: every pixel exact, for browsers and chats.
//!
//! Layout: RIFF container of WebP, <https://developers.google.com/speed/webp/docs/riff_container>: `VP8X`, `ANIM`, one `ANMF` with a
//! lossless `VP8L` picture per view, and `XMP ` with where it came from.

use std::path::Path;

use anyhow::Result;
use image_webp::{ColorType, WebPEncoder};

use super::WRITE_HINT;
use super::shots::Shots;
use crate::fault::{Fault, WithHint as _};

/// Largest side of a WebP, pixels.
const MOST_PX: usize = 16_384;
/// `VP8X` flags: animation, XMP metadata.
const ANIMATED: u8 = 1 << 1;
const HAS_XMP: u8 = 1 << 2;
/// `ANMF` flags: this picture replaces the one before, and is not blended with it.
const NO_BLENDING: u8 = 1 << 1;

/// Writes the pictures, again and again.
///
/// # Errors
/// When a picture of the recording is damaged, or the file cannot be written.
pub(super) fn write(shots: &Shots<'_>, file: &Path) -> Result<()> {
    let size: (usize, usize) = shots.size_px.into();
    if !(1..=MOST_PX).contains(&size.0) || !(1..=MOST_PX).contains(&size.1) {
        let what = format!("views of {} x {} px do not fit into a WebP", size.0, size.1);
        return Err(Fault::new(what, "A WebP has 1 to 16,384 pixels a side; use --to frames.").into());
    }
    let mut body = b"WEBP".to_vec();
    let mut head = vec![ANIMATED | HAS_XMP, 0, 0, 0];
    head.extend(three(size.0 - 1));
    head.extend(three(size.1 - 1));
    chunk(&mut body, b"VP8X", &head);
    // A black background; 0 times over: for ever.
    chunk(&mut body, b"ANIM", &[0, 0, 0, 255, 0, 0]);
    shots.each(|view| {
        let mut frame = [0; 6].to_vec();
        frame.extend(three(view.width - 1));
        frame.extend(three(view.height - 1));
        frame.extend(three(1000 / shots.rate_hz.max(1) as usize));
        frame.push(NO_BLENDING);
        frame.extend(lossless(&view.rgb, view.width, view.height)?);
        chunk(&mut body, b"ANMF", &frame);
        Ok(())
    })?;
    let source = shots.source.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let xmp = format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:source=\"{source}\"/>\
         </rdf:RDF></x:xmpmeta>"
    );
    chunk(&mut body, b"XMP ", xmp.as_bytes());
    let mut all = Vec::with_capacity(body.len() + 8);
    chunk(&mut all, b"RIFF", &body);
    std::fs::write(file, all).map_err(|error| format!("{}: {error}", file.display())).hint(WRITE_HINT)
}

/// The `VP8L` chunk of a picture.
fn lossless(rgb: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    let (wide, high) = (u32::try_from(width)?, u32::try_from(height)?);
    WebPEncoder::new(&mut whole).encode(rgb, wide, high, ColorType::Rgb8)?;
    // "RIFF", length, "WEBP"; then the only chunk.
    let picture = whole.split_off(12.min(whole.len()));
    anyhow::ensure!(picture.starts_with(b"VP8L"), "the WebP encoder gave something else than a lossless picture");
    Ok(picture)
}

/// A number in three bytes, little endian.
fn three(number: usize) -> [u8; 3] {
    let [a, b, c, ..] = (number as u32).to_le_bytes();
    [a, b, c]
}

/// Appends a RIFF chunk; an odd length is padded.
fn chunk(to: &mut Vec<u8>, kind: &[u8; 4], payload: &[u8]) {
    to.extend(kind);
    to.extend((payload.len() as u32).to_le_bytes());
    to.extend(payload);
    if payload.len() % 2 == 1 {
        to.push(0);
    }
}

//! Picture files: PNG and JPEG in, PNG out.
//!
//! Files come from anywhere, so sizes are checked before anything is decoded. A file is written under another name and then
//! renamed: a reader sees the old picture or the new one, never half of it.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits};

use crate::limits::{MAX_DECODE_BYTES, MAX_FILE_DEPTH_M, MAX_SIDE_PX};
use crate::picture::Picture;
use crate::rgbd::{FARTHEST_M, NEAREST_M, PictureError, Rgbd};

/// Reads a PNG or JPEG file of any kind as 8 bit RGB, turned upright as the file asks; transparent parts lie on white.
///
/// # Errors
/// When the file is not readable, not PNG or JPEG, damaged, or larger than [`MAX_SIDE_PX`] or [`MAX_DECODE_BYTES`].
pub fn load_picture(path: &Path) -> Result<Picture, PictureError> {
    Ok(as_rgb(decode(path)?))
}

/// As [`load_picture`], from the bytes of a file; `name` stands for the path in errors.
///
/// # Errors
/// As [`load_picture`].
pub fn picture_from_bytes(bytes: &[u8], name: &str) -> Result<Picture, PictureError> {
    Ok(as_rgb(decode_bytes(bytes, Path::new(name))?))
}

fn as_rgb(decoded: DynamicImage) -> Picture {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let rgb = if decoded.color().has_alpha() {
        let over_white = |[r, g, b, a]: [u8; 4]| {
            [r, g, b].map(|c| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8)
        };
        decoded.into_rgba8().pixels().flat_map(|p| over_white(p.0)).collect()
    } else {
        decoded.into_rgb8().into_raw()
    };
    Picture { width, height, rgb }
}

/// Reads a depth file written by [`save_depth`]: width, height and planar depths in metres. The largest value means "that
/// far or farther" and becomes [`FARTHEST_M`].
///
/// # Errors
/// As [`load_picture`], and when the file is not 16 bit grey.
pub fn load_depth(path: &Path) -> Result<(usize, usize, Vec<f32>), PictureError> {
    let DynamicImage::ImageLuma16(grey) = decode(path)? else {
        let message = "a depth file is a 16 bit grey PNG in millimetres";
        return Err(reading(path, other(message)));
    };
    let metres = |mm: &u16| if *mm == u16::MAX { FARTHEST_M } else { (f32::from(*mm) / 1000.0).max(NEAREST_M) };
    Ok((grey.width() as usize, grey.height() as usize, grey.as_raw().iter().map(metres).collect()))
}

/// Writes a PNG file.
///
/// # Errors
/// When the buffer does not fit the size, or the file cannot be written.
pub fn save_picture(path: &Path, picture: &Picture) -> Result<(), PictureError> {
    picture.check()?;
    save(path, &picture.rgb, picture.width, picture.height, ExtendedColorType::Rgb8)
}

/// The bytes of a PNG file.
///
/// # Errors
/// When the buffer does not fit the size.
pub fn picture_to_png(picture: &Picture) -> Result<Vec<u8>, PictureError> {
    picture.check()?;
    encode(&picture.rgb, (picture.width, picture.height), ExtendedColorType::Rgb8, Path::new(""))
}

/// Writes the depths of a picture as a 16 bit grey PNG file in millimetres, capped at [`MAX_FILE_DEPTH_M`].
///
/// # Errors
/// As [`save_picture`].
pub fn save_depth(path: &Path, view: &Rgbd) -> Result<(), PictureError> {
    let (width, height, got) = (view.width, view.height, view.depth_m.len());
    if width * height != got {
        return Err(PictureError::Size { what: "depth", width, height, want: width * height, got });
    }
    let millimetres = |depth_m: &f32| (depth_m.clamp(0.0, MAX_FILE_DEPTH_M) * 1000.0).round() as u16;
    // The encoder takes native byte order.
    let bytes: Vec<u8> = view.depth_m.iter().flat_map(|d| millimetres(d).to_ne_bytes()).collect();
    save(path, &bytes, width, height, ExtendedColorType::L16)
}

/// Writes where a PNG file comes from into it, as its text `Source`; the pixels stay as they are.
///
/// # Errors
/// When the file cannot be read or written, or is no PNG.
pub fn name_source(path: &Path, source: &str) -> Result<(), PictureError> {
    let bytes = std::fs::read(path).map_err(|e| reading(path, e.into()))?;
    // Behind the header: signature, then length, name, 13 bytes and checksum of IHDR.
    let Some((head, rest)) = bytes.split_at_checked(33).filter(|(head, _)| head.starts_with(b"\x89PNG\r\n\x1a\n"))
    else {
        return Err(reading(path, other("this is no PNG file")));
    };
    // The text of such a chunk is Latin-1.
    let text: Vec<u8> = source.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
    let chunk = [b"tEXtSource\0".as_slice(), &text].concat();
    let length = u32::try_from(chunk.len() - 4).map_err(|_| reading(path, other("the source is too long")))?;
    let checksum = crc32fast::hash(&chunk).to_be_bytes();
    let named = [head, &length.to_be_bytes(), &chunk, &checksum, rest].concat();
    write_whole(path, &named)
}

fn decode(path: &Path) -> Result<DynamicImage, PictureError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| reading(path, e.into()))?;
    file.take(MAX_DECODE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| reading(path, e.into()))?;
    decode_bytes(&bytes, path)
}

fn decode_bytes(bytes: &[u8], path: &Path) -> Result<DynamicImage, PictureError> {
    let too_large = |found| {
        let max_mib = MAX_DECODE_BYTES >> 20;
        PictureError::TooLarge { found, max_side: MAX_SIDE_PX, max_mib, path: path.to_path_buf() }
    };
    if bytes.len() as u64 > MAX_DECODE_BYTES {
        return Err(too_large("the file is too long".into()));
    }
    let open = || ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut decoder = open().map_err(|e| reading(path, e.into()))?.into_decoder().map_err(|e| reading(path, e))?;
    let (width, height) = decoder.dimensions();
    if !(1..=MAX_SIDE_PX).contains(&width) || !(1..=MAX_SIDE_PX).contains(&height) {
        return Err(too_large(format!("{width} x {height} px")));
    }
    if decoder.total_bytes() > MAX_DECODE_BYTES {
        return Err(too_large(format!("{} MiB when decoded", decoder.total_bytes() >> 20)));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    decoder.set_limits(limits).map_err(|e| reading(path, e))?;
    let orientation = decoder.orientation().map_err(|e| reading(path, e))?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|e| reading(path, e))?;
    decoded.apply_orientation(orientation);
    Ok(decoded)
}

fn encode(
    bytes: &[u8],
    (width, height): (usize, usize),
    kind: ExtendedColorType,
    path: &Path,
) -> Result<Vec<u8>, PictureError> {
    let side = |side: usize| u32::try_from(side).map_err(|_| PictureError::Side { side: u32::MAX, max: u32::MAX - 1 });
    let mut encoded = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut encoded);
    encoder.write_image(bytes, side(width)?, side(height)?, kind).map_err(|e| writing(path, e))?;
    Ok(encoded)
}

fn save(path: &Path, bytes: &[u8], width: usize, height: usize, kind: ExtendedColorType) -> Result<(), PictureError> {
    write_whole(path, &encode(bytes, (width, height), kind, path)?)
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PictureError> {
    let unfinished = unfinished_name(path);
    let written = write_and_rename(&unfinished, path, bytes);
    if written.is_err() {
        // The write's own error is the one to report.
        std::fs::remove_file(&unfinished).ok();
    }
    written.map_err(|e| writing(path, e.into()))
}

fn write_and_rename(unfinished: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create_new(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}

/// A name beside `path` that no other writer uses.
fn unfinished_name(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{number}.tmp", std::process::id()))
}

fn writing(path: &Path, source: ImageError) -> PictureError {
    PictureError::File { doing: "writing", path: path.to_path_buf(), source }
}

fn reading(path: &Path, source: ImageError) -> PictureError {
    PictureError::File { doing: "reading", path: path.to_path_buf(), source }
}

fn other(message: &str) -> ImageError {
    ImageError::IoError(std::io::Error::new(std::io::ErrorKind::InvalidData, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_source_stands_in_the_file_and_changes_no_pixel() {
        let folder = Folder::new("source");
        let file = folder.0.join("a.png");
        let picture = Picture { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] };
        save_picture(&file, &picture).unwrap();
        name_source(&file, "walk.mcap, SHA-256 00ff").unwrap();
        assert_eq!(load_picture(&file).unwrap(), picture);
        // Written as the PNG specification has it (section 11.3.4.3), with its checksum.
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(&bytes[33..45], b"\0\0\0\x1etEXtSour");
        std::fs::write(&file, "no picture").unwrap();
        assert!(name_source(&file, "x").unwrap_err().to_string().contains("no PNG"));
    }

    /// A folder that is removed again.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rhea-picture-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_picture_survives_and_leaves_no_other_file() {
        let folder = Folder::new("survives");
        let path = folder.0.join("a.png");
        let picture = Picture { width: 3, height: 2, rgb: (0..18).map(|v| v * 14).collect() };
        save_picture(&path, &Picture::filled(5, 5, [1, 2, 3])).unwrap();
        save_picture(&path, &picture).unwrap();
        assert_eq!(load_picture(&path).unwrap(), picture);
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
        assert!(save_picture(&folder.0.join("missing/a.png"), &picture).is_err());
        assert!(save_picture(&path, &Picture { width: 4, ..picture }).is_err());
    }

    #[test]
    fn every_kind_of_pixel_becomes_rgb() {
        let folder = Folder::new("kinds");
        let path = folder.0.join("a.png");
        let load = |image: DynamicImage| {
            image.save_with_format(&path, image::ImageFormat::Png).unwrap();
            load_picture(&path).unwrap().rgb
        };
        assert_eq!(load(image::GrayImage::from_pixel(1, 1, image::Luma([7])).into()), [7, 7, 7]);
        let half = image::RgbaImage::from_pixel(1, 1, image::Rgba([0, 100, 255, 51]));
        assert_eq!(load(half.into()), [204, 224, 255]);
        let deep = image::ImageBuffer::from_pixel(1, 1, image::Rgb([65535_u16, 32896, 0]));
        assert_eq!(load(DynamicImage::ImageRgb16(deep)), [255, 128, 0]);
        let grey_deep = image::ImageBuffer::from_pixel(1, 1, image::LumaA([0_u16, 0]));
        assert_eq!(load(DynamicImage::ImageLumaA16(grey_deep)), [255, 255, 255]);
        let jpeg = folder.0.join("a.jpg");
        image::RgbImage::from_pixel(16, 16, image::Rgb([200, 100, 50])).save(&jpeg).unwrap();
        let rgb = load_picture(&jpeg).unwrap().rgb;
        assert!(rgb[0].abs_diff(200) < 4 && rgb[1].abs_diff(100) < 4 && rgb[2].abs_diff(50) < 4);
    }

    #[test]
    fn depth_survives_to_the_millimetre() {
        let folder = Folder::new("depth");
        let path = folder.0.join("d.png");
        let view = Rgbd::new(4, 1, vec![0; 12], vec![0.1234, 2.0, 65.0, 100.0]).unwrap();
        save_depth(&path, &view).unwrap();
        let (width, height, depth_m) = load_depth(&path).unwrap();
        assert_eq!((width, height, depth_m), (4, 1, vec![0.123, 2.0, 65.0, FARTHEST_M]));
        save_picture(&path, &view.picture()).unwrap();
        assert!(load_depth(&path).unwrap_err().to_string().contains("millimetres"));
    }

    #[test]
    fn bad_files_are_refused_by_name_and_limit() {
        let folder = Folder::new("bad");
        let path = folder.0.join("bad.png");
        let error = |path: &Path| load_picture(path).unwrap_err().to_string();
        assert!(error(&path).contains("bad.png"));
        save_picture(&path, &Picture::filled(4097, 1, [0; 3])).unwrap();
        assert!(error(&path).contains("4097 x 1 px; allowed are 1 to 4096 px"), "{}", error(&path));
        std::fs::write(&path, b"not a picture").unwrap();
        assert!(error(&path).contains("bad.png"));
        save_picture(&path, &Picture::filled(40, 40, [9; 3])).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() - 12 {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(load_picture(&path).is_err(), "cut at {length}");
        }
        // A header that promises 60,000 x 60,000 pixels; its checksum is not looked at before its size, or refuses it.
        let mut bomb = whole;
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        std::fs::write(&path, &bomb).unwrap();
        assert!(load_picture(&path).is_err());
    }
}

//! Pictures with depth: the one value that cameras draw, models imagine and memory keeps.
//!
//! This crate is plain data and arithmetic on it: no tensors, no scenes, no windows. It also holds what every part needs to
//! read, write, compare and show pictures.
//!
//! Invariant: an [`Rgbd`] always holds exactly `width * height` pixels of colour and of depth, and every depth is finite
//! and between [`NEAREST_M`] and [`FARTHEST_M`].

mod bicubic;
mod doubt;
mod draw;
mod fill;
mod font;
pub mod limits;
mod metrics;
mod picture;
mod plot;
mod png;
mod resize;
mod rgbd;
mod sheet;

pub use bicubic::{CELL_PX, encoding_size};
pub use draw::Ink;
pub use metrics::{depth_rel_err, gmsd, gradient_sharpness, gradient_strength, psnr, ssim};
pub use picture::Picture;
pub use plot::plot;
pub use png::{load_depth, load_picture, name_source, picture_from_bytes, picture_to_png, save_depth, save_picture};
pub use rgbd::{FARTHEST_M, NEAREST_M, PictureError, Rgbd, Trust, Warp, decode_depth, encode_depth};
pub use sheet::Sheet;

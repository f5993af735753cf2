//! Limits of pictures from outside.

/// Largest side of a picture file, pixels.
pub const MAX_SIDE_PX: u32 = 4096;
/// Largest picture file, and largest decoded picture, bytes.
pub const MAX_DECODE_BYTES: u64 = 256 << 20;
/// Largest side of a contact sheet, pixels.
pub const MAX_SHEET_SIDE_PX: usize = 16_384;
/// Largest depth that a depth file can hold, metres: 65,535 mm. It stands for everything farther.
pub const MAX_FILE_DEPTH_M: f32 = 65.535;

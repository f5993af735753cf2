//! The largest records that are read.

/// Bytes of a record. A story of thirty pictures of 1024 x 1024 pixels has about 50 MiB.
pub const MAX_RECORD_BYTES: u64 = 512 << 20;

/// Clips, segments, pictures and map entries of a record, all together. Each takes a few hundred bytes of memory but may take only
/// two bytes of the file.
pub const MAX_PARTS: usize = 100_000;

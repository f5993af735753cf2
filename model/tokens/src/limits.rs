//! The largest inputs this crate accepts. Everything is checked before memory is taken.

/// Bytes of a file of a tokenizer (a `tokenizer.json` of Qwen's size has about 12 MiB).
pub const MAX_TOKENIZER_FILE_BYTES: u64 = 64 << 20;

/// Bytes of text in one request.
pub const MAX_TEXT_BYTES: usize = 16 << 10;

/// Characters of base64 that an entry of a vocabulary file may have. The longest of Emu3.5 has 172.
pub const MAX_ENTRY_BYTES: usize = 1024;

/// Rows or columns of a picture in cells. The largest size in use is 128 (2048 pixels).
pub const MAX_GRID_SIDE: usize = 256;

/// Digits of a side in a picture's header.
pub const MAX_HEADER_DIGITS: usize = 3;

/// Visual codes of a vocabulary; their surface form has six digits.
pub const MAX_VISUAL_CODES: u32 = 1_000_000;

/// Text entries that [`train_bpe`](crate::train_bpe) may be asked for, the 256 single bytes included.
pub const MAX_TRAINED_ENTRIES: usize = 65_536;

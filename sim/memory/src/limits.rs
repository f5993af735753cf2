//! Every limit of this crate in one place. Sizes from outside are checked against these before anything is allocated.

/// Views of one world.
pub const MAX_VIEWS: usize = 1_000_000;
/// Edits of one world.
pub const MAX_EDITS: usize = 10_000;
/// Edges of one world.
pub const MAX_EDGES: usize = 4_000_000;
/// Bytes of one chunk of a world file.
pub const MAX_CHUNK_BYTES: usize = 64 << 20;
/// Bytes of a whole world file that is read at once.
pub const MAX_WORLD_BYTES: u64 = 8 << 30;
/// Side of a stored picture, pixels.
pub const MAX_SIDE_PX: u32 = 4096;
/// Codes of one view.
pub const MAX_CODES: usize = 1 << 16;
/// Bytes of a narration or of the sentence about a world.
pub const MAX_TEXT_BYTES: usize = 4 << 10;
/// Farthest from the origin that a pose may be, metres.
pub const MAX_COORDINATE_M: f32 = 1e6;
/// Largest region of an edit, metres.
pub const MAX_REGION_M: f32 = 1e3;

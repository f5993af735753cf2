//! Every limit of this crate in one place. Sizes from outside are checked against these before anything is allocated.

/// Steps of a walk script after its repetitions are written out.
pub const MAX_SCRIPT_STEPS: usize = 100_000;
/// Bytes of a walk script file.
pub const MAX_SCRIPT_BYTES: u64 = 1 << 20;
/// Bytes of one text: a command, a caption, a path in a script.
pub const MAX_TEXT_BYTES: usize = 4 << 10;
/// Bytes of one narration; a model that does not stop is cut here.
pub const MAX_NARRATION_BYTES: usize = 4 << 10;
/// Bytes of one record of a replay file.
pub const MAX_RECORD_BYTES: u64 = 64 << 20;
/// Bytes of a replay's file header record.
pub const MAX_FILE_HEADER_BYTES: u64 = 1 << 20;
/// Steps of one replay file.
pub const MAX_REPLAY_STEPS: usize = 1_000_000;
/// Bytes that wait in memory for a disk that refuses them; past this, recording ends.
pub const MAX_PENDING_BYTES: usize = 64 << 20;
/// Steps of one command to walk by itself.
pub const MAX_EXPLORE_STEPS: u32 = 10_000;

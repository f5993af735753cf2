//! Bounds of everything that comes from a file or over the network.

/// Version of jobs, results and folders. Another one is refused with both numbers.
pub const VERSION: u16 = 1;
/// Most bytes of one job as it travels, its files included. A server takes messages of 1 MiB unless told otherwise.
pub const MAX_JOB_BYTES: usize = 512 << 10;
/// Most bytes of a note about a failed try.
pub const MAX_NOTE_BYTES: usize = 16 << 10;
/// Most bytes of a reason; the end of a longer one is kept, where programs say what went wrong.
pub const MAX_REASON_BYTES: usize = 2 << 10;
/// Most bytes of a job list, and of one script or scene that goes into a job.
pub const MAX_LIST_BYTES: u64 = 4 << 20;
/// Most jobs of a batch.
pub const MAX_JOBS: usize = 100_000;
/// Most files that a job brings along.
pub const MAX_JOB_FILES: usize = 64;
/// Most scenes that one job renders: 20 views of 96 KiB each.
pub const MAX_SCENES: u32 = 128;
/// Most seeds of each family that one job evaluates.
pub const MAX_SEEDS: u64 = 10_000;
/// Most bytes of a result, all files together.
pub const MAX_RESULT_BYTES: u64 = 512 << 20;
/// Most files of a result.
pub const MAX_RESULT_FILES: usize = 4_096;
/// Most bytes of the head of a result, which lists its files.
pub const MAX_HEAD_BYTES: usize = 1 << 20;
/// Most bytes of a path in a job or result.
pub const MAX_PATH_BYTES: usize = 512;
/// Letters of a batch's name.
pub const MAX_NAME: usize = 48;
/// Most bytes of a file with credentials.
pub const MAX_CREDENTIALS_BYTES: u64 = 64 << 10;
/// How often a job may fail before it is set aside.
pub const MAX_TRIES: u32 = 100;
/// How often a job may be handed out. Workers that end while they have it are not its fault, unless it is always so.
pub const MAX_DELIVERIES: i64 = 25;
/// Longest time that a job may be given, seconds: a week.
pub const MAX_LIMIT_SECS: u64 = 7 * 24 * 3600;

/// What a server takes as it is shipped.
const SERVER_BYTES: usize = 1 << 20;
// What travels fits such a server, reasons fit their notes, and the views of the largest job its result.
const _: () = assert!(MAX_JOB_BYTES < SERVER_BYTES && MAX_NOTE_BYTES < SERVER_BYTES);
const _: () = assert!(MAX_REASON_BYTES * 4 < MAX_NOTE_BYTES);
const _: () = assert!(MAX_SCENES as u64 * 20 * (96 << 10) < MAX_RESULT_BYTES);

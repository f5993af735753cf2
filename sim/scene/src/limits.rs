//! Every limit of the crate: what a scene file or a command may hold.

/// Largest scene file, bytes (8 MiB).
pub const MAX_FILE_BYTES: usize = 8 << 20;
/// Most objects in a scene.
pub const MAX_OBJECTS: usize = 10_000;
/// Most shapes in one object that lists its own parts.
pub const MAX_PARTS: usize = 64;
/// Most partition walls in a scene.
pub const MAX_PARTITIONS: usize = 4_000;
/// Most lamps in a scene.
pub const MAX_LAMPS: usize = 64;
/// Most corners of the floor outline.
pub const MAX_CORNERS: usize = 64;
/// Most start poses.
pub const MAX_STARTS: usize = 256;
/// Longest scene name, characters.
pub const MAX_NAME_CHARS: usize = 120;
/// Largest coordinate of anything, metres.
pub const MAX_COORDINATE_M: f32 = 80.0;
/// Smallest side of an object or part, metres.
pub const MIN_SIZE_M: f32 = 0.005;
/// Largest side of an object or part, metres.
pub const MAX_SIZE_M: f32 = 40.0;
/// Lowest and highest wall, metres.
pub const WALL_HEIGHT_M: [f32; 2] = [0.3, 12.0];
/// Smallest and largest period of a pattern, metres: what the model's views can carry crisply.
pub const PATTERN_M: [f32; 2] = [0.2, 10.0];
/// Height of the walker's eye above the floor, metres.
pub const EYE_HEIGHT_M: f32 = 1.5;
/// Radius of the walker's body, metres.
pub const WALKER_RADIUS_M: f32 = 0.25;
/// Free radius that a generated start pose keeps around itself, metres.
pub const START_CLEARANCE_M: f32 = 0.6;
/// Longest way in one command, metres.
pub const MAX_STEP_M: f32 = 100.0;
/// Largest turn in one command, degrees.
pub const MAX_TURN_DEG: f32 = 360.0;
/// Steepest view up or down, degrees.
pub const MAX_PITCH_DEG: f32 = 60.0;
/// Longest command, bytes.
pub const MAX_COMMAND_BYTES: usize = 1_000;
/// Largest side of a rendered view, pixels.
pub const MAX_VIEW_PX: usize = 8_192;

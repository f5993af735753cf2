//! Every limit of the crate: what a scene, a robot, a script or a sentence may hold.

/// Largest scene, robot or script file, bytes (4 MiB).
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// Most things in a scene, beads included.
pub const MAX_THINGS: usize = 128;
/// Most arms in a scene.
pub const MAX_ARMS: usize = 2;
/// Most cameras in a scene.
pub const MAX_CAMERAS: usize = 8;
/// Most zones in a scene.
pub const MAX_ZONES: usize = 8;
/// Longest name, characters.
pub const MAX_NAME_CHARS: usize = 40;
/// Largest coordinate, metres: a table, not a hall.
pub const MAX_COORDINATE_M: f64 = 3.0;
/// Smallest and largest side of a thing, metres.
pub const SIZE_M: [f64; 2] = [0.004, 1.5];
/// Lightest and heaviest thing, kilograms.
pub const MASS_KG: [f64; 2] = [0.001, 50.0];
/// Smallest and largest coefficient of friction.
pub const FRICTION: [f64; 2] = [0.02, 2.0];
/// Most links of a robot.
pub const MAX_LINKS: usize = 64;
/// Most joints between base and hand.
pub const MAX_JOINTS: usize = 12;
/// Most shapes of a robot.
pub const MAX_SHAPES: usize = 128;
/// Most triangles of a robot's mesh file.
pub const MAX_MESH_TRIANGLES: usize = 20_000;
/// Longest sentence, bytes.
pub const MAX_SENTENCE_BYTES: usize = 400;
/// Most goals of a task.
pub const MAX_GOALS: usize = 32;
/// Most planted faults of a script.
pub const MAX_FAULTS: usize = 32;
/// Most steps of a plan.
pub const MAX_STEPS: usize = 64;
/// Starts of inverse kinematics before a pose may be called unreachable.
pub const MAX_IK_STARTS: usize = 64;
/// Iterations of each start.
pub const MAX_IK_ITERATIONS: usize = 100;
/// Nodes of the two trees of a path search.
pub const MAX_RRT_NODES: usize = 5_000;
/// States that the symbolic search may open.
pub const MAX_SEARCH_STATES: usize = 60_000;
/// Answers that a planner may give in one task.
pub const MAX_ANSWERS: usize = 24;
/// Missing steps that may be put before one step.
pub const MAX_REMEDIES: usize = 4;

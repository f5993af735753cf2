//! Every threshold of the checks, with its reason.

/// Error of position that still counts as reached, metres; and of rotation, radians (0.5 degrees).
pub const REACH_M: f64 = 1e-3;
/// See [`REACH_M`].
pub const REACH_RAD: f64 = 0.008_727;
/// Distance from joint limits below which a warning is given, radians.
pub const LIMIT_RAD: f64 = 0.05;
/// Distance between parts of the arm below which a warning is given, metres.
pub const SELF_M: f64 = 5e-3;
/// Clearance to the scene below which a warning is given, metres.
pub const CLEARANCE_M: f64 = 0.01;
/// Overlap with the scene that is rejected: contacts rest about half a millimetre deep, metres.
pub const OVERLAP_M: f64 = 2e-3;
/// Speed of the tool point where people are near, m/s: the reduced speed of ISO 10218-1.
pub const NEAR_PEOPLE_MPS: f64 = 0.25;
/// Width that a gripper must have left, metres.
pub const SPARE_WIDTH_M: f64 = 0.01;
/// Height over which both pads must meet the thing, metres.
pub const PAD_OVERLAP_M: f64 = 5e-3;
/// Safety of grasp force: measured, every grip at 1.5 times the law's force held.
pub const FORCE_SAFETY: f64 = 1.5;
/// Acceleration that plans lift with, m/s^2.
pub const LIFT_MPS2: f64 = 1.0;
/// Slip while held, metres.
pub const SLIP_M: f64 = 2e-3;
/// Turn while held, radians (5 degrees).
pub const HOLD_TILT_RAD: f64 = 0.087_266;
/// Depth to which pads may sink in, metres.
pub const SINK_M: f64 = 1e-3;
/// Share of a joint's torque that a plan may use.
pub const TORQUE_SHARE: f64 = 0.9;
/// Postures of a motion at which torque is looked at.
pub const TORQUE_SAMPLES: usize = 20;
/// Distance of the centre of mass from the edge of support below which a warning is given, metres.
pub const SUPPORT_M: f64 = 5e-3;
/// Motion while settling, metres; tilt, radians (5 degrees).
pub const SETTLE_M: f64 = 5e-3;
/// See [`SETTLE_M`].
pub const SETTLE_RAD: f64 = 0.087_266;
/// Speeds at the end of settling, m/s and rad/s.
pub const SETTLE_SPEED: (f64, f64) = (0.01, 0.05);
/// Time to settle, seconds.
pub const SETTLE_SECS: f64 = 2.0;
/// Share of a thing's sample points that must be inside a container.
pub const INSIDE_SHARE: f64 = 0.95;
/// Share of a container's volume that may be filled.
pub const FILL_SHARE: f64 = 0.9;
/// Motion of bystanders between key-frames, metres and radians (5 degrees).
pub const JUMP_M: f64 = 0.01;
/// See [`JUMP_M`].
pub const JUMP_RAD: f64 = 0.087_266;
/// Distance of a moved thing from where the motion puts it, metres and radians (15 degrees).
pub const MOVED_M: f64 = 0.03;
/// See [`MOVED_M`].
pub const MOVED_RAD: f64 = 0.261_799;
/// Relative change of a thing's size between key-frames.
pub const SIZE_SHARE: f64 = 0.03;
/// Colour difference (CIEDE2000) between key-frames.
pub const COLOUR_DELTA: f64 = 6.0;
/// Peak signal-to-noise ratio of the background, dB; similarity; colour difference; shift in pixels; agreement of tokens.
pub const BACKGROUND: (f64, f64, f64, f64, f64) = (30.0, 0.95, 2.0, 1.0, 0.9);
/// Overlap (IoU) of a thing's mask with the rendered truth, and distance of the middles, metres.
pub const AGREE: (f64, f64) = (0.5, 0.03);
/// Gap under a claimed thing, and overlap of two claimed things, metres.
pub const FLOAT_M: f64 = 5e-3;
/// Distance of the open hand from the goal's things, metres.
pub const HAND_AWAY_M: f64 = 0.05;

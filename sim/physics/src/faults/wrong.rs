//! Single wrongs, in the units of what they spoil, that can be done to any step before it is judged.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::claims::good_frame;
use crate::checks::{Background, Claim, FrameFacts, Seen, Step};
use crate::error::{PhysicsError, in_range};
use crate::kinematics::{Timed, least_secs};
use crate::limits::{FRICTION, MASS_KG, MAX_SENTENCE_BYTES};
use crate::math::{PI, Pose, Rot, V3};
use crate::motion::{Motion, Placement};
use crate::world::World;

/// What is made wrong. Scripts name it; what the checks then say is theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Wrong {
    /// The first leg is driven at so many times the joints' limits.
    TooFast {
        /// 1 is the limit.
        times: f64,
    },
    /// The pose at the grasp is meant to be elsewhere than the joint values put it.
    MissesGrasp {
        /// Metres, in the world.
        by_m: [f64; 3],
    },
    /// The last joint goes beyond its upper limit on the way.
    BeyondLimit {
        /// Radians; negative stays inside.
        by_rad: f64,
    },
    /// The hand closes beside the middle of the thing.
    GraspsBeside {
        /// Metres along the pads.
        by_m: f64,
    },
    /// A thing is heavier or lighter than the scene says, from this step on.
    Weighs {
        /// The thing.
        thing: String,
        /// Kilograms.
        mass_kg: f64,
    },
    /// A thing is more or less slippery than the scene says, from this step on.
    Slippery {
        /// The thing.
        thing: String,
        /// Coefficient of friction.
        friction: f64,
    },
    /// The thing is let go beside its place.
    PutsBeside {
        /// Metres along the world's x and y.
        by_m: [f64; 2],
    },
    /// The thing is let go tilted, its lower edge where it would have stood.
    PutsTilted {
        /// Degrees about the world's x.
        by_deg: f64,
    },
    /// The step's words are others.
    Says {
        /// The words.
        text: String,
    },
    /// The step claims less time than its motion takes.
    TooShort {
        /// Share of the time.
        share: f64,
    },
    /// The claim has a thing elsewhere than it will be.
    Moves {
        /// The thing.
        thing: String,
        /// Metres, in the world.
        by_m: [f64; 3],
    },
    /// The claim and the key-frame lack a thing.
    Vanishes {
        /// The thing.
        thing: String,
    },
    /// The key-frame shows a thing twice.
    Doubles {
        /// The thing.
        thing: String,
    },
    /// The key-frame shows a thing in another size or colour.
    Changes {
        /// The thing.
        thing: String,
        /// Size relative to the truth.
        #[serde(default = "one")]
        size_share: f64,
        /// Colour difference (CIEDE2000).
        #[serde(default)]
        colour_delta: f64,
    },
    /// The key-frame's background differs from the frame before; see [`Background`].
    Background(Background),
}

fn one() -> f64 {
    1.0
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl Wrong {
    /// Checks numbers that no step can make sense of.
    ///
    /// # Errors
    /// The number and what is allowed.
    pub fn check(&self, place: &str) -> Result<(), PhysicsError> {
        let range = |field, value, allowed| in_range(place, field, value, allowed);
        let near = |values: &[f64]| values.iter().try_for_each(|v| range("by_m", *v, [-1.0, 1.0]));
        match self {
            Self::TooFast { times } => range("times", *times, [0.01, 100.0]),
            Self::MissesGrasp { by_m } | Self::Moves { by_m, .. } => near(by_m),
            Self::PutsBeside { by_m } => near(by_m),
            Self::GraspsBeside { by_m } => near(&[*by_m]),
            Self::BeyondLimit { by_rad } => range("by_rad", *by_rad, [-PI, PI]),
            Self::Weighs { mass_kg, .. } => range("mass_kg", *mass_kg, MASS_KG),
            Self::Slippery { friction, .. } => range("friction", *friction, FRICTION),
            Self::PutsTilted { by_deg } => range("by_deg", *by_deg, [-180.0, 180.0]),
            Self::TooShort { share } => range("share", *share, [0.0, 10.0]),
            Self::Changes { size_share, colour_delta, .. } => {
                range("size_share", *size_share, [0.0, 100.0])?;
                range("colour_delta", *colour_delta, [0.0, 200.0])
            }
            Self::Background(b) => {
                let figures = [b.psnr_db, b.similarity, b.colour_delta, b.shift_px, b.token_agreement];
                figures.iter().try_for_each(|v| range("background", *v, [-1e6, 1e6]))
            }
            Self::Says { text } if text.len() > MAX_SENTENCE_BYTES => Err(PhysicsError::TooMany {
                place: place.to_owned(),
                what: "bytes of a sentence",
                got: text.len(),
                max: MAX_SENTENCE_BYTES,
            }),
            Self::Says { .. } | Self::Vanishes { .. } | Self::Doubles { .. } => Ok(()),
        }
    }

    /// Does it to a step.
    ///
    /// # Errors
    /// The step has no such part, or there is no such thing.
    pub fn plant(&self, world: &mut World, step: &mut Step, motion: &mut Motion) -> Result<(), PhysicsError> {
        match self {
            Self::TooFast { times } => {
                let leg = motion.legs.first_mut().ok_or_else(|| lacks(self, "moves nothing"))?;
                let robot = &world.stage.arms[leg.arm].robot;
                leg.timed.duration_secs = least_secs(robot, &leg.timed.path) / times;
                step.duration_secs = Some(motion.duration_secs());
            }
            Self::MissesGrasp { by_m } => {
                let target = motion.targets.iter_mut().find(|t| t.label == "grasp");
                let target = target.ok_or_else(|| lacks(self, "grasps nothing"))?;
                target.world_from_tcp.p = target.world_from_tcp.p + V3::of(*by_m);
            }
            Self::BeyondLimit { by_rad } => {
                let leg = motion.legs.first().ok_or_else(|| lacks(self, "moves nothing"))?;
                let upper = world.stage.arms[leg.arm].robot.segments.last().map_or(0.0, |s| s.joint.upper);
                let mut posture = leg.timed.path.first().cloned().unwrap_or_default();
                // The last joint turns the hand on the spot: nothing else is disturbed.
                if let Some(q) = posture.last_mut() {
                    *q = upper + by_rad;
                }
                detour(world, step, motion, posture);
            }
            Self::GraspsBeside { by_m } => {
                if motion.grasps.is_empty() {
                    return Err(lacks(self, "grasps nothing"));
                }
                for (_, _, grasp) in &mut motion.grasps {
                    grasp.thing_from_tcp = grasp.thing_from_tcp * Pose::at(V3(*by_m, 0.0, 0.0));
                }
            }
            Self::Weighs { thing, mass_kg } => spoil(world, thing, |t| t.mass_kg = *mass_kg)?,
            Self::Slippery { thing, friction } => spoil(world, thing, |t| t.friction = *friction)?,
            Self::PutsBeside { by_m } => {
                let placed = self.placed(motion)?;
                placed.pose.p = placed.pose.p + V3(by_m[0], by_m[1], 0.0);
            }
            Self::PutsTilted { by_deg } => {
                let tilt = by_deg.to_radians();
                let placed = self.placed(motion)?;
                let size = world.stage.thing(placed.thing).form.size_m();
                let lift = V3(0.0, 0.0, size.1 / 2.0 * libm::sin(tilt.abs()));
                placed.pose = Pose::new(placed.pose.p + lift, placed.pose.r * Rot::about(V3(1.0, 0.0, 0.0), tilt));
            }
            Self::Says { text } => step.text.clone_from(text),
            Self::TooShort { share } => step.duration_secs = Some(share * motion.duration_secs()),
            Self::Moves { thing, by_m } => {
                let name = known(world, thing)?;
                for (_, pose) in claim(world, step, motion).poses.iter_mut().filter(|(n, _)| *n == name) {
                    pose.p = pose.p + V3::of(*by_m);
                }
            }
            Self::Vanishes { thing } => {
                let name = known(world, thing)?;
                claim(world, step, motion).poses.retain(|(n, _)| *n != name);
                seen(world, step).retain(|s| s.name != name);
            }
            Self::Doubles { thing } => {
                let name = known(world, thing)?;
                seen(world, step).push(Seen { name, size_share: 1.0, colour_delta: 1.0 });
            }
            Self::Changes { thing, size_share, colour_delta } => {
                let name = known(world, thing)?;
                for found in seen(world, step).iter_mut().filter(|s| s.name == name) {
                    (found.size_share, found.colour_delta) = (*size_share, *colour_delta);
                }
            }
            Self::Background(background) => frame(world, step).background = Some(*background),
        }
        Ok(())
    }

    fn placed<'a>(&self, motion: &'a mut Motion) -> Result<&'a mut Placement, PhysicsError> {
        motion.placed.as_mut().ok_or_else(|| lacks(self, "puts nothing down"))
    }
}

fn lacks(wrong: &Wrong, what: &str) -> PhysicsError {
    PhysicsError::invalid(format!("planted fault {wrong}"), format!("the step {what}; plant it in another one"))
}

fn known(world: &World, thing: &str) -> Result<String, PhysicsError> {
    index(world, thing).map(|i| world.stage.thing(i).name.clone())
}

fn index(world: &World, thing: &str) -> Result<usize, PhysicsError> {
    world.stage.scene.find(thing).ok_or_else(|| PhysicsError::Unknown {
        place: "planted fault".to_owned(),
        what: "thing",
        name: thing.to_owned(),
        known: world.stage.scene.names(),
    })
}

/// Changes what the scene says about a thing.
fn spoil(world: &mut World, thing: &str, change: impl Fn(&mut crate::scene::Thing)) -> Result<(), PhysicsError> {
    let index = index(world, thing)?;
    let mut stage = (*world.stage).clone();
    change(&mut stage.scene.things[index]);
    world.stage = Arc::new(stage);
    Ok(())
}

/// The step's claim; what the motion is meant to do if it has none.
fn claim<'a>(world: &World, step: &'a mut Step, motion: &Motion) -> &'a mut Claim {
    step.claim.get_or_insert_with(|| Claim::meant(world, motion))
}

/// The step's key-frame; one without fault if it has none.
fn frame<'a>(world: &World, step: &'a mut Step) -> &'a mut FrameFacts {
    step.frame.get_or_insert_with(|| good_frame(world))
}

fn seen<'a>(world: &World, step: &'a mut Step) -> &'a mut Vec<Seen> {
    let all = good_frame(world).seen.unwrap_or_default();
    frame(world, step).seen.get_or_insert(all)
}

/// Puts a posture into the middle of the first leg.
pub(super) fn detour(world: &World, step: &mut Step, motion: &mut Motion, posture: Vec<f64>) {
    if let Some(leg) = motion.legs.first_mut() {
        let mut path = leg.timed.path.clone();
        // There and back, then on as planned.
        if let Some(start) = path.first().cloned() {
            path.splice(1..1, [posture, start]);
        }
        leg.timed = Timed::new(&world.stage.arms[leg.arm].robot, path);
    }
    step.duration_secs = Some(motion.duration_secs());
}

//! Stage D: what a step claims or shows about its end. Pictures are measured elsewhere; here their figures are judged.

use rapier3d::parry::query::{self, ShapeCastOptions};

use serde::{Deserialize, Serialize};

use super::thresholds::{AGREE, BACKGROUND, COLOUR_DELTA, FLOAT_M, JUMP_M, JUMP_RAD, MOVED_M, MOVED_RAD, SIZE_SHARE};
use super::{Check, Code, NamedPose, Step, Verdict};
use crate::convert;
use crate::math::{Pose, V3};
use crate::motion::{Moment, Motion};
use crate::skill::Skill;
use crate::world::World;

/// Where the planner believes things to be at the end of a step. A thing left out is claimed to be gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Pose of each thing, by name.
    pub poses: Vec<NamedPose>,
}

impl Claim {
    /// What holds if a motion does what it is meant to do.
    #[must_use]
    pub fn meant(world: &World, motion: &Motion) -> Self {
        let things = 0..world.stage.scene.things.len();
        let poses = things.map(|i| (world.stage.thing(i).name.clone(), end_pose(world, motion, i))).collect();
        Self { poses }
    }
}

/// A thing as it was found in a key-frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its name; ids are matched by whoever measured the picture.
    pub name: String,
    /// Size relative to the truth.
    pub size_share: f64,
    /// Colour difference (CIEDE2000) from the truth.
    pub colour_delta: f64,
}

/// The background, compared with the frame before; see the thresholds for the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it; units in the thresholds")]
pub struct Background {
    pub psnr_db: f64,
    pub similarity: f64,
    pub colour_delta: f64,
    pub shift_px: f64,
    pub token_agreement: f64,
}

/// A thing in the key-frame against the render of the simulated end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Its name.
    pub name: String,
    /// Overlap of the masks.
    pub iou: f64,
    /// Distance of the middles through the camera, metres.
    pub off_m: f64,
}

/// Figures of a key-frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameFacts {
    /// Every thing that was found, duplicates as often as found.
    #[serde(default)]
    pub seen: Option<Vec<Seen>>,
    /// Things that are hidden for a reason: behind something, in a closed container.
    #[serde(default)]
    pub hidden: Vec<String>,
    /// The background.
    #[serde(default)]
    pub background: Option<Background>,
    /// Against the rendered truth.
    #[serde(default)]
    pub agreement: Option<Vec<Agreement>>,
}

pub(super) fn check(world: &World, step: &Step, skill: &Skill, motion: &Motion, checks: &mut Vec<Check>) {
    match &step.claim {
        None => {
            checks.push(Check::unknown(Code::Jump, "no claim about the end of the step"));
            checks.push(Check::unknown(Code::Float, "no claim about the end of the step"));
        }
        Some(claim) => {
            checks.push(jump(world, skill, motion, claim));
            checks.push(float(world, motion, claim));
        }
    }
    let frame = step.frame.clone().unwrap_or_default();
    checks.push(count(world, step.claim.as_ref(), &frame));
    checks.push(frame.background.map_or_else(|| Check::unknown(Code::Background, "no key-frame"), background));
    checks.push(match &frame.agreement {
        None => Check::unknown(Code::Agree, "no key-frame"),
        Some(things) => agree(things),
    });
}

/// Where a thing is at the end of a motion, if all goes as meant.
fn end_pose(world: &World, motion: &Motion, thing: usize) -> Pose {
    let mut last = motion.legs.last().map_or_else(|| Moment::now(world), |l| l.before.clone());
    if let Some(leg) = motion.legs.last()
        && let Some(q) = leg.timed.path.last()
    {
        last.q[leg.arm].clone_from(q);
    }
    last.pose(world, thing)
}

/// Things that a skill may move.
fn moved_by(world: &World, skill: &Skill, motion: &Motion) -> Vec<usize> {
    let mut moved: Vec<usize> = skill.thing().and_then(|t| world.stage.scene.find(t)).into_iter().collect();
    moved.extend(motion.grasps.iter().map(|(_, thing, _)| *thing));
    moved.extend(motion.placed.map(|p| p.thing));
    let mut next = 0;
    while let Some(thing) = moved.get(next).copied() {
        next += 1;
        for load in world.loads(thing) {
            if !moved.contains(&load) {
                moved.push(load);
            }
        }
    }
    moved
}

/// Bystanders stay where they are; what is moved ends where the motion puts it.
fn jump(world: &World, skill: &Skill, motion: &Motion, claim: &Claim) -> Check {
    let moved = moved_by(world, skill, motion);
    let pours = matches!(skill, Skill::Pour { .. });
    let pushes = matches!(skill, Skill::Push { .. } | Skill::Pull { .. });
    let mut measured = Vec::new();
    for (name, pose) in &claim.poses {
        let Some(thing) = world.stage.scene.find(name) else { continue };
        let is_moved = moved.contains(&thing);
        // What is poured ends anywhere in the bowl; no pose is expected of it.
        if is_moved && pours && motion.grasps.iter().all(|(_, t, _)| *t != thing) && skill.thing() != Some(name) {
            continue;
        }
        let (expected, limit_m, limit_rad) = if is_moved {
            (end_pose(world, motion, thing), MOVED_M, if pushes { crate::math::PI } else { MOVED_RAD })
        } else {
            (world.pose(thing), JUMP_M, JUMP_RAD)
        };
        for check in [
            Check::at_most(Code::Jump, pose.p.distance(expected.p), "m", limit_m),
            Check::at_most(Code::Jump, (expected.r.inv() * pose.r).angle(), "rad", limit_rad),
        ] {
            let note = if is_moved { "not where the motion puts it" } else { "a bystander moved" };
            let note = if check.verdict == Verdict::Reject { note } else { "" };
            measured.push(check.blame([name.clone()]).note(note));
        }
    }
    Check::tightest(measured).unwrap_or_else(|| Check::unknown(Code::Jump, "the claim names nothing that is there"))
}

/// Every thing once, of its own size and colour.
fn count(world: &World, claim: Option<&Claim>, frame: &FrameFacts) -> Check {
    let names: Vec<&str> = world.stage.scene.things.iter().map(|t| t.name.as_str()).collect();
    let found = |list: &[&str], name: &str| list.iter().filter(|m| **m == name).count();
    let times = |list: &[&str]| -> Option<(String, usize)> {
        let missing = names.iter().find(|n| found(list, n) == 0 && !frame.hidden.iter().any(|h| h == **n));
        let odd = list.iter().find(|n| !names.contains(n) || found(list, n) > 1);
        missing.or(odd).map(|n| ((*n).to_owned(), found(list, n)))
    };
    let claimed: Option<Vec<&str>> = claim.map(|c| c.poses.iter().map(|(n, _)| n.as_str()).collect());
    let seen: Option<Vec<&str>> = frame.seen.as_ref().map(|s| s.iter().map(|t| t.name.as_str()).collect());
    if claimed.is_none() && seen.is_none() {
        return Check::unknown(Code::Count, "no claim and no key-frame");
    }
    for list in [claimed, seen].into_iter().flatten() {
        if let Some((name, found)) = times(&list) {
            let note = if names.contains(&name.as_str()) {
                format!("is there {found} times, must be once")
            } else {
                "appears from nowhere".to_owned()
            };
            return Check::truth(Code::Count, false).blame([name]).note(note);
        }
    }
    let sizes = frame.seen.iter().flatten().flat_map(|thing| {
        [
            Check::at_most(Code::Count, (thing.size_share - 1.0).abs(), "of its size", SIZE_SHARE),
            Check::at_most(Code::Count, thing.colour_delta, "CIEDE2000", COLOUR_DELTA),
        ]
        .map(|check| check.blame([thing.name.clone()]))
    });
    let all_there = Check::truth(Code::Count, true);
    Check::tightest(std::iter::once(all_there.clone()).chain(sizes)).unwrap_or(all_there)
}

fn background(b: Background) -> Check {
    let (psnr, similarity, colour, shift, tokens) = BACKGROUND;
    let strict = |mut check: Check| {
        // These scales have no room above 1: what reaches the bound is fine.
        if check.margin >= 0.0 {
            check.verdict = Verdict::Pass;
        }
        check
    };
    let checks = [
        strict(Check::at_least(Code::Background, b.psnr_db, "dB", psnr)),
        strict(Check::at_least(Code::Background, b.similarity, "SSIM", similarity)),
        Check::at_most(Code::Background, b.colour_delta, "CIEDE2000", colour),
        Check::at_most(Code::Background, b.shift_px, "px", shift),
        strict(Check::at_least(Code::Background, b.token_agreement, "of the tokens", tokens)),
    ];
    checks
        .into_iter()
        .min_by(|a, b| {
            (a.verdict != Verdict::Reject).cmp(&(b.verdict != Verdict::Reject)).then(a.margin.total_cmp(&b.margin))
        })
        .unwrap_or_else(|| Check::unknown(Code::Background, ""))
}

/// Warns only: a picture model that is not good enough is no reason to call a plan impossible.
fn agree(things: &[Agreement]) -> Check {
    let measured = things.iter().flat_map(|thing| {
        [
            Check::at_least(Code::Agree, thing.iou, "IoU", AGREE.0),
            Check::at_most(Code::Agree, thing.off_m, "m", AGREE.1),
        ]
        .map(|check| check.blame([thing.name.clone()]))
    });
    Check::tightest(measured)
        .map_or_else(|| Check::unknown(Code::Agree, "the key-frame shows nothing"), Check::warn_at_most)
}

/// Every claimed thing that is not in a hand stands on something, and no two overlap.
fn float(world: &World, motion: &Motion, claim: &Claim) -> Check {
    let stage = &world.stage;
    let end = motion.legs.last().map_or_else(|| Moment::now(world), |l| l.before.clone());
    let held: Vec<usize> = end.held.iter().flatten().map(|h| h.thing).chain(end.riding.iter().copied()).collect();
    let mut shapes = vec![(usize::MAX, convert::shape(&stage.table_solid()))];
    for (name, pose) in &claim.poses {
        let Some(thing) = stage.scene.find(name) else { continue };
        for solid in &stage.solids[thing] {
            let (local, shape) = convert::shape(solid);
            shapes.push((thing, (*pose * local, shape)));
        }
        for solid in &stage.sliding[thing] {
            let (local, shape) = convert::shape(solid);
            let out = Pose::at(V3(-end.tray_m[thing], 0.0, 0.0));
            // A drawer carries and hits like any other thing, but not its own cabinet.
            shapes.push((stage.solids.len() + thing, (*pose * out * local, shape)));
        }
    }
    let mut measured = Vec::new();
    let down = convert::vector(V3(0.0, 0.0, -1.0));
    for thing in (0..stage.solids.len()).filter(|i| stage.thing(*i).is_movable() && !held.contains(i)) {
        let name = stage.thing(thing).name.clone();
        let (mut gap, mut depth): (f64, f64) = (f64::MAX, 0.0);
        for (_, (pose, shape)) in shapes.iter().filter(|(o, _)| *o == thing) {
            for (other, (other_pose, other_shape)) in shapes.iter().filter(|(o, _)| *o != thing) {
                if held.contains(other) {
                    continue;
                }
                let (a, b) = (convert::pose(*pose), convert::pose(*other_pose));
                if let Ok(Some(contact)) = query::contact(&a, &**shape, &b, &**other_shape, 0.0005) {
                    depth = depth.max(f64::from(-contact.dist));
                    gap = 0.0;
                    continue;
                }
                let options = ShapeCastOptions::with_max_time_of_impact(0.5);
                if let Ok(Some(hit)) =
                    query::cast_shapes(&a, down, &**shape, &b, convert::vector(V3::ZERO), &**other_shape, options)
                {
                    gap = gap.min(f64::from(hit.time_of_impact));
                }
            }
        }
        let gap = if gap == f64::MAX && shapes.iter().any(|(o, _)| *o == thing) {
            0.5
        } else if gap == f64::MAX {
            0.0
        } else {
            gap
        };
        measured.push(Check::at_most(Code::Float, gap, "m", FLOAT_M).blame([name.clone()]).note("nothing is under it"));
        measured.push(Check::at_most(Code::Float, depth, "m", FLOAT_M).blame([name]).note("is inside of something"));
    }
    let mut check = Check::tightest(measured).unwrap_or_else(|| Check::truth(Code::Float, true));
    if check.verdict == Verdict::Pass {
        check.note.clear();
    }
    check
}

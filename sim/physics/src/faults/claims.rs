//! Faults in what a step claims or shows.

use super::scenes::Setting;
use super::wrong::Wrong;
use super::{Made, Planted, SCALES, pick, place};
use crate::checks::thresholds::{BACKGROUND, COLOUR_DELTA, FLOAT_M, JUMP_M, SIZE_SHARE};
use crate::checks::{Agreement, Background, FrameFacts, Seen};
use crate::error::PhysicsError;
use crate::math::V3;
use crate::skill::Relation;
use crate::world::World;

/// A key-frame without fault.
pub(super) fn good_frame(world: &World) -> FrameFacts {
    let things = &world.stage.scene.things;
    FrameFacts {
        seen: Some(things.iter().map(|t| Seen { name: t.name.clone(), size_share: 1.0, colour_delta: 1.0 }).collect()),
        hidden: Vec::new(),
        background: Some(Background {
            psnr_db: 38.0,
            similarity: 0.985,
            colour_delta: 0.6,
            shift_px: 0.2,
            token_agreement: 0.97,
        }),
        agreement: Some(things.iter().map(|t| Agreement { name: t.name.clone(), iou: 0.85, off_m: 0.004 }).collect()),
    }
}

fn clean(setting: &mut Setting<'_>) -> Result<Planted, PhysicsError> {
    let scene = setting.scene(Vec::new());
    let world = setting.world(scene)?;
    let skill = match setting.seed % 3 {
        0 => place("red_block", Relation::On, "brown_shelf"),
        1 => place("red_block", Relation::In, "grey_bin"),
        _ => pick("red_block"),
    };
    Ok(Planted::clean(world, skill))
}

/// Faults that are there or not are planted from 1 up.
fn is_planted(scale: f64) -> bool {
    scale >= 1.0
}

pub(super) fn teleported(setting: &mut Setting<'_>, scale: f64) -> Made {
    let angle = setting.between(20, 0.0, 2.0 * crate::math::PI);
    let by = V3(libm::cos(angle), libm::sin(angle), 0.0) * (JUMP_M * scale);
    moved(setting, by)
}

pub(super) fn vanished(setting: &mut Setting<'_>, scale: f64) -> Made {
    let mut planted = clean(setting)?;
    if is_planted(scale) {
        if setting.seed.is_multiple_of(2)
            && let Some(claim) = &mut planted.step.claim
        {
            claim.poses.retain(|(name, _)| name != "blue_block");
        } else if let Some(seen) = planted.step.frame.as_mut().and_then(|f| f.seen.as_mut()) {
            seen.retain(|s| s.name != "blue_block");
        }
    }
    Ok(Some(planted))
}

pub(super) fn duplicated(setting: &mut Setting<'_>, scale: f64) -> Made {
    let mut planted = clean(setting)?;
    if is_planted(scale)
        && let Some(seen) = planted.step.frame.as_mut().and_then(|f| f.seen.as_mut())
    {
        let again = if scale < SCALES[2] { "red_block" } else { "green_block" };
        seen.push(Seen { name: again.to_owned(), size_share: 1.0, colour_delta: 1.0 });
    }
    Ok(Some(planted))
}

pub(super) fn size_or_colour(setting: &mut Setting<'_>, scale: f64) -> Made {
    let (size_share, colour_delta) =
        if setting.seed.is_multiple_of(2) { (1.0 + SIZE_SHARE * scale, 1.0) } else { (1.0, COLOUR_DELTA * scale) };
    let wrong = Wrong::Changes { thing: "red_block".to_owned(), size_share, colour_delta };
    clean(setting)?.spoiled(&wrong).map(Some)
}

pub(super) fn background(setting: &mut Setting<'_>, scale: f64) -> Made {
    let mut planted = clean(setting)?;
    if let Some(background) = planted.step.frame.as_mut().and_then(|f| f.background.as_mut())
        && scale > 0.0
    {
        match setting.seed % 3 {
            0 => background.colour_delta = BACKGROUND.2 * scale,
            1 => background.shift_px = BACKGROUND.3 * scale,
            // Six decibels are a factor of two in noise.
            _ => background.psnr_db = BACKGROUND.0 - 20.0 * libm::log10(scale),
        }
    }
    Ok(Some(planted))
}

pub(super) fn floating(setting: &mut Setting<'_>, scale: f64) -> Made {
    moved(setting, V3(0.0, 0.0, FLOAT_M * scale))
}

/// Claims the bystander to be elsewhere.
fn moved(setting: &mut Setting<'_>, by: V3) -> Made {
    clean(setting)?.spoiled(&Wrong::Moves { thing: "blue_block".to_owned(), by_m: by.array() }).map(Some)
}

//! Faults in the order of steps and in their words.

use rhea_scene::Colour;

use super::scenes::Setting;
use super::{Made, Planted, pick, place};
use crate::error::PhysicsError;
use crate::execute::execute;
use crate::motion::{ProposeOptions, propose};
use crate::scene::form::Form;
use crate::scene::spec::Thing;
use crate::skill::{Relation, Skill};
use crate::symbolic::Symbols;
use crate::world::World;

/// Executes a skill; `None` if it cannot be done in this scene.
fn done(mut world: World, skill: &Skill) -> Option<World> {
    let motion = propose(&world, skill, &ProposeOptions::default());
    execute(&mut world, &motion).stopped.is_none().then_some(world)
}

fn drawer() -> Thing {
    Thing {
        mass_kg: 5.0,
        ..Thing::new(
            "white_drawer",
            "drawer",
            Colour::White,
            Form::Drawer { size_m: [0.22, 0.24, 0.1], travel_m: 0.16 },
            [0.8, 0.0],
        )
    }
}

/// A drawer scene has no bystander where the drawer slides.
fn drawer_world(setting: &mut Setting<'_>) -> Result<World, PhysicsError> {
    let mut scene = setting.scene(vec![drawer()]);
    for thing in &mut scene.things {
        match thing.name.as_str() {
            "blue_block" => thing.at_m = [0.3, 0.3],
            "red_block" => {
                thing.at_m = [0.42, setting.between(4, -0.22, -0.16)];
                thing.form = Form::Box { size_m: [0.04; 3] };
            }
            _ => {}
        }
    }
    setting.world(scene)
}

pub(super) fn closed_container(setting: &mut Setting<'_>, scale: f64) -> Made {
    let world = drawer_world(setting)?;
    let skill = place("red_block", Relation::In, "white_drawer");
    let opened = Skill::Open { target: "white_drawer".to_owned() };
    let world = if scale >= 1.0 { Some(world) } else { done(world, &opened) };
    Ok(world.map(|w| Planted::clean(w, skill)))
}

/// The same as a whole step that is missing: the drawer is never opened before it is reached into.
pub(super) fn missing_step(setting: &mut Setting<'_>, scale: f64) -> Made {
    let lid = Thing {
        on: Some("grey_bin".to_owned()),
        mass_kg: 0.15,
        ..Thing::new("brown_lid", "lid", Colour::Brown, Form::Lid { size_m: [0.21, 0.21, 0.01] }, [0.42, -0.38])
    };
    let scene = setting.scene(vec![lid]);
    let world = setting.world(scene)?;
    let world = if scale >= 1.0 { Some(world) } else { done(world, &Skill::Open { target: "grey_bin".to_owned() }) };
    Ok(world.map(|w| Planted::clean(w, place("red_block", Relation::In, "grey_bin"))))
}

pub(super) fn occupied(setting: &mut Setting<'_>, scale: f64) -> Made {
    let third = Thing { at_m: [0.3, 0.28], ..setting.block("green_block", Colour::Green, [0.0; 2]) };
    let scene = setting.scene(vec![third]);
    let world = setting.world(scene)?;
    let world = if scale >= 1.0 { done(world, &place("green_block", Relation::On, "blue_block")) } else { Some(world) };
    Ok(world.map(|w| Planted::clean(w, place("red_block", Relation::On, "blue_block"))))
}

pub(super) fn hand_full(setting: &mut Setting<'_>, scale: f64) -> Made {
    let scene = setting.scene(Vec::new());
    let world = setting.world(scene)?;
    let world = if scale >= 1.0 { done(world, &pick("blue_block")) } else { Some(world) };
    Ok(world.map(|w| Planted::clean(w, pick("red_block"))))
}

pub(super) fn wrong_referent(setting: &mut Setting<'_>, scale: f64) -> Made {
    let scene = setting.scene(Vec::new());
    let world = setting.world(scene)?;
    let mut planted = Planted::clean(world, pick("red_block"));
    if scale >= 1.0 {
        planted.step.text =
            if setting.seed.is_multiple_of(2) { "pick up the blue block" } else { "pick up the green block" }
                .to_owned();
    }
    Ok(Some(planted))
}

/// The upper block is put down before the one it is to stand on: the target is in the hand.
pub(super) fn wrong_order(setting: &mut Setting<'_>, scale: f64) -> Made {
    let third = Thing { at_m: [0.3, 0.28], ..setting.block("green_block", Colour::Green, [0.0; 2]) };
    let scene = setting.scene(vec![third]);
    let world = setting.world(scene)?;
    if scale < 1.0 {
        return Ok(Some(Planted::clean(world, place("red_block", Relation::On, "blue_block"))));
    }
    // First the upper one on the lower one, then the lower one is wanted elsewhere.
    let stacked = done(world, &place("red_block", Relation::On, "blue_block"));
    Ok(stacked.map(|w| Planted::clean(w, place("blue_block", Relation::On, "green_block"))))
}

pub(super) fn loop_back(setting: &mut Setting<'_>, scale: f64) -> Made {
    let scene = setting.scene(Vec::new());
    let world = setting.world(scene)?;
    let there = place("red_block", Relation::On, "brown_shelf");
    if scale < 1.0 {
        return Ok(Some(Planted::clean(world, there)));
    }
    let before = Symbols::of(&world);
    let Some(world) = done(world, &there) else { return Ok(None) };
    let mut planted = Planted::clean(world, place("red_block", Relation::On, "table"));
    planted.course.earlier.push(before);
    Ok(Some(planted))
}

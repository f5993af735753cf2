//! Every instruction that can be carried out now: the mask of decoding.

use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::symbolic::Symbols;
use crate::world::World;
use crate::world::facts::Side;

/// Every skill over the things that are there whose preconditions hold now, in a fixed order. Beads are handled by the vessel
/// that they are in.
#[must_use]
pub fn legal_skills(world: &World) -> Vec<Skill> {
    let symbols = Symbols::of(world);
    every_skill(world).into_iter().filter(|skill| symbols.check(&world.stage, skill).is_ok()).collect()
}

/// Every skill over the things that are there, possible now or not.
#[must_use]
pub fn every_skill(world: &World) -> Vec<Skill> {
    let stage = &world.stage;
    let things: Vec<usize> = (0..stage.scene.things.len()).filter(|i| stage.thing(*i).noun != "bead").collect();
    let name = |i: usize| stage.thing(i).name.clone();
    let mut skills = vec![Skill::Home];
    for a in things.iter().copied().filter(|i| stage.thing(*i).is_movable()) {
        let put = |relation, target: &str| Skill::Place { thing: name(a), relation, target: target.to_owned() };
        skills.push(Skill::Pick { thing: name(a) });
        skills.push(Skill::Unstack { thing: name(a) });
        skills.push(Skill::Regrasp { thing: name(a) });
        skills.push(put(Relation::On, "table"));
        for b in things.iter().copied().filter(|b| *b != a) {
            let other = name(b);
            let form = stage.thing(b).form;
            skills.extend(
                Relation::ALL
                    .into_iter()
                    .filter(|r| *r != Relation::In || form.cavity().is_some())
                    .map(|r| put(r, &other)),
            );
            if stage.thing(b).is_movable() && form.top_m().is_some() {
                skills.push(Skill::Stack { thing: name(a), target: other.clone() });
            }
            if matches!(form, Form::Mat { .. }) {
                skills.push(Skill::Push { thing: name(a), to: Towards::Thing(other) });
            }
        }
        skills.extend(Side::ALL.into_iter().map(|side| Skill::Push { thing: name(a), to: Towards::Side(side) }));
        skills.push(Skill::Pull { thing: name(a), to: Towards::Side(Side::Front) });
        if stage.arms.len() > 1 {
            skills.extend(stage.arms.iter().map(|arm| Skill::Handover { thing: name(a), to: arm.name.clone() }));
        }
        if matches!(stage.thing(a).form, Form::Cup { .. }) {
            let hollow = things.iter().copied().filter(|b| *b != a && stage.cavity(*b).is_some());
            skills.extend(hollow.map(|b| Skill::Pour { from: name(a), into: name(b) }));
        }
    }
    for i in things {
        let form = stage.thing(i).form;
        if form.cavity().is_some() {
            skills.push(Skill::Open { target: name(i) });
            skills.push(Skill::Close { target: name(i) });
        }
        if form.top_m().is_some() {
            skills.push(Skill::Wipe { target: name(i) });
        }
        if matches!(form, Form::Button { .. }) {
            skills.push(Skill::Press { target: name(i) });
        }
    }
    skills
}

//! The rest of a plan is judged again after a change, in a copy of the world.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::film;
use rhea_physics::checks::Verdict;
use rhea_physics::film::{FilmStep, Filming};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::recheck::{Change, Rest, Was};
use rhea_physics::run::Outcome;
use rhea_physics::world::World;

fn was(film: &[FilmStep]) -> Vec<Was<'_>> {
    film.iter()
        .map(|step| Was { skill: step.report.skill.as_ref(), text: &step.report.text, executed: step.executed })
        .collect()
}

fn changed(world: &World, film: &[FilmStep], at: usize, change: &Change) -> Result<(Outcome, Vec<FilmStep>), String> {
    let rest = Rest::new(&world.stage, &film[at].before, &was(film), at, change).map_err(|e| e.to_string())?;
    let mut steps = Vec::new();
    let mut sink = |step: FilmStep| steps.push(step);
    let outcome = rest.run(&[], &ProposeOptions::default(), &mut Filming::new(&mut sink)).unwrap();
    Ok((outcome, steps))
}

#[test]
fn without_a_change_the_rest_is_as_it_was() {
    let (world, film) = film("put_on_shelf.ron");
    assert!(film.iter().all(|step| step.executed) && film.len() > 1);
    let (outcome, again) = changed(&world, &film, 1, &Change::default()).unwrap();
    assert!(outcome.refused.is_none());
    let moved = |steps: &[FilmStep]| steps.iter().map(|step| step.stills.clone()).collect::<Vec<_>>();
    assert_eq!(moved(&again), moved(&film[1..]), "to the bit");
}

#[test]
fn other_words_and_other_places_change_what_comes_of_the_rest() {
    let (world, film) = film("put_on_shelf.ron");
    let block = world.stage.scene.find("red_block").unwrap();
    // The block lies elsewhere: it is picked up there.
    let to = [0.45, -0.15];
    let (outcome, steps) = changed(&world, &film, 0, &Change { moved: Some((block, to)), words: None }).unwrap();
    assert!(outcome.steps.iter().all(|step| step.verdict != Verdict::Reject), "{:?}", outcome.steps);
    let at = steps[0].stills[0].things[block].p;
    assert!((at.0 - to[0]).abs() < 1e-3 && (at.1 - to[1]).abs() < 1e-3 && at.2.abs() < 1e-3, "{at:?}");
    assert_eq!(
        steps.last().unwrap().stills.last().unwrap().things[block].p.2,
        film.last().unwrap().stills.last().unwrap().things[block].p.2,
        "and still ends on the shelf"
    );
    // Out of reach, the first step is rejected, and so is what needs it.
    let far = [0.75, 0.2];
    let (outcome, steps) = changed(&world, &film, 0, &Change { moved: Some((block, far)), words: None }).unwrap();
    assert_eq!(steps.len(), film.len(), "every step is judged");
    assert!(outcome.steps.len() == film.len());
    let words = Some("put the red block on the table".to_owned());
    let (outcome, _) = changed(&world, &film, 1, &Change { words, moved: None }).unwrap();
    assert_eq!(outcome.steps[0].text, "put the red block on the table");
    assert!(outcome.steps[0].verdict != Verdict::Reject, "{}", outcome.steps[0].says);
    let words = Some("put the red block on the moon".to_owned());
    let refused = changed(&world, &film, 1, &Change { words, moved: None }).err().unwrap();
    assert!(refused.contains("moon") && refused.contains("shelf"), "{refused}");
}

#[test]
fn changes_that_cannot_be_made_are_refused() {
    let (world, film) = film("put_on_shelf.ron");
    let block = world.stage.scene.find("red_block").unwrap();
    let shelf = world.stage.scene.find("shelf").unwrap();
    let refused = |at: usize, change: Change| match Rest::new(&world.stage, &film[0].before, &was(&film), at, &change) {
        Ok(_) => panic!("{change:?} was taken"),
        Err(why) => why.to_string(),
    };
    let moved = |thing, at| Change { moved: Some((thing, at)), words: None };
    assert!(refused(0, moved(shelf, [0.4, 0.0])).contains("fixed"));
    assert!(refused(0, moved(99, [0.4, 0.0])).contains("not thing 99"));
    assert!(refused(0, moved(block, [9.0, 0.0])).contains("not on the table"));
    assert!(refused(0, moved(block, [f64::NAN, 0.0])).contains("not on the table"));
    assert!(refused(0, moved(block, [0.02, 0.0])).contains("arm stands there"));
    assert!(refused(7, Change::default()).contains("1 to"));
    assert!(refused(0, Change { words: Some("  ".to_owned()), moved: None }).contains("empty"));
    let held = Rest::new(&world.stage, &film[1].before, &was(&film), 1, &moved(block, [0.4, 0.1]));
    assert!(held.err().unwrap().to_string().contains("holds it"));
}

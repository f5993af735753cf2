//! Every panel without a window: what a screen reader finds in it (AccessKit), and what a click does.
#![allow(clippy::unwrap_used, reason = "tests")]

use bevy_egui::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use rhea_physics::checks::{Check, Code};
use rhea_physics::plan::{Account, Level, LevelCount};
use rhea_picture::Rgbd;
use rhea_session::review::{Label, Opinion};
use rhea_window::bindings::Bindings;
use rhea_window::{Device, Picture};

use crate::panels::{self, Done, Side, Typed};
use crate::player::tests::step;
use crate::player::{End, Player};
use crate::{timeline, words};

fn panel<'a, S>(state: S, draw: impl FnMut(&mut egui::Ui, &mut S) + 'a) -> Harness<'a, S> {
    let mut harness = Harness::builder().with_size([900.0, 900.0]).build_ui_state(draw, state);
    harness.run();
    harness
}

/// Two steps, the second rejected.
fn player() -> Player {
    let check = |code, value: f64| Check::at_most(code, value, "m", 1.0);
    let mut player = Player::new(step(1, Vec::new()).stills[0].clone());
    let mut first = step(1, vec![check(Code::Reach, 0.1), check(Code::Path, 0.95)]);
    first.report.text = "pick up the red block".to_owned();
    first.imagined = Some(Rgbd::filled(1, 1, [30; 3]));
    let mut second = step(2, vec![check(Code::Support, 1.2)]);
    second.report.text = "put it on the shelf".to_owned();
    second.executed = false;
    player.push(first);
    player.push(second);
    let level = LevelCount { level: Level::Geometry, attempts: 3, helped: 1, secs: 0.5, tokens: 7 };
    let account = Some(Account { asked: 4, tokens: 40, levels: vec![level], ..Account::default() });
    player.finish(End { says: "refused".to_owned(), good: false, account });
    player.choose(1);
    player
}

fn side(ui: &mut egui::Ui, player: &Player, typed: &mut Typed, changes: bool) -> Done {
    let label = Label { opinion: Some(Opinion::Accept), note: "why not".to_owned() };
    let about = Side { title: "a table", changes, busy: false, label: Some(&label), news: Some("recorded: here") };
    panels::side(ui, &about, player, typed, false)
}

type State = (Player, Typed, Done);

fn keep(kept: &mut Done, new: Done) {
    kept.step = new.step.or(kept.step);
    kept.check = new.check.or(kept.check);
    kept.recheck = new.recheck.or(kept.recheck.take());
    kept.moves = new.moves.or(kept.moves);
    kept.label = new.label.or(kept.label.take());
}

#[test]
fn steps_checks_repairs_and_labels_are_said_and_chosen() {
    let state: State = (player(), Typed::default(), Done::default());
    let mut harness = panel(state, |ui, (player, typed, done)| keep(done, side(ui, player, typed, true)));
    for said in
        ["a table", "recorded: here", "refused", "4 answers, 40 tokens, 0.0 s", "Geometry: tried 3, helped 1, 0.5 s"]
    {
        harness.get_by_label(said);
    }
    harness.get_by_label_contains("REJECT SUPPORT -0.20");
    harness.get_by_label("1. pick up the red block").click();
    harness.run();
    assert_eq!(harness.state().2.step, Some(0));
    harness.get_by_label("SUPPORT").click();
    harness.run();
    assert_eq!(harness.state().2.check, Some(0));
    harness.get_by_label("✖ reject").click();
    harness.run();
    let label = harness.state_mut().2.label.take().unwrap();
    assert_eq!((label.opinion, label.note.as_str()), (Some(Opinion::Reject), "why not"));
}

#[test]
fn a_step_is_put_into_other_words_and_things_can_be_moved() {
    let state: State = (player(), Typed::default(), Done::default());
    let mut harness = panel(state, |ui, (player, typed, done)| keep(done, side(ui, player, typed, true)));
    assert_eq!(harness.state().1.instruction, "put it on the shelf", "it begins with the step's own words");
    let field = |harness: &Harness<'_, State>| {
        harness.get_all_by_role(egui::accesskit::Role::TextInput).next().unwrap().value()
    };
    assert_eq!(field(&harness).as_deref(), Some("put it on the shelf"));
    harness.get_all_by_role(egui::accesskit::Role::TextInput).next().unwrap().focus();
    harness.run();
    harness.get_all_by_role(egui::accesskit::Role::TextInput).next().unwrap().type_text(" gently");
    harness.run();
    harness.get_by_label(words::RECHECK).click();
    harness.run();
    let asked = harness.state_mut().2.recheck.take().unwrap();
    assert!(asked.contains("gently"), "{asked}");
    harness.get_by_label(words::MOVE_THINGS).click();
    harness.run();
    assert_eq!(harness.state().2.moves, Some(true));
    let harness = panel((player(), Typed::default()), |ui, (player, typed)| drop(side(ui, player, typed, false)));
    assert!(harness.query_by_label(words::RECHECK).is_none(), "nothing can be changed without a desk");
}

#[test]
fn key_frames_are_compared_and_the_status_has_every_key() {
    let mut harness = panel((player(), 0.5_f32), |ui, (player, share)| {
        panels::foot(ui, player, &Picture::default(), &Picture::default(), share);
        panels::status(ui, player, false, &Bindings::default(), Device::default());
    });
    harness.get_by_label(words::BEFORE);
    harness.get_by_label(words::NOT_DONE);
    assert!(harness.query_by_label_contains(words::COMPARED).is_none(), "the rejected step has no key-frame");
    harness.state_mut().0.choose(0);
    harness.run();
    harness.get_by_label(words::BEHIND);
    harness.get_by_label_contains("simulated | generated, 30 of 255");
    harness.get_by_label("Space play");
    harness.get_by_label("Enter other words");
    harness.get_by_label_contains(words::PAUSED);
}

#[test]
fn the_timeline_is_named_and_pressed() {
    let mut harness = panel((player(), None), |ui, (player, pressed)| {
        *pressed = timeline::show(ui, player, None).or(*pressed);
    });
    let bar = harness.get_by_label(words::TIMELINE).rect();
    harness.drag_at(egui::pos2(bar.left() + bar.width() * 0.25, bar.center().y));
    harness.run();
    let pressed = harness.state().1.unwrap();
    assert!((pressed - 0.25).abs() < 0.02, "{pressed}");
}

//! Every panel without a window: what a screen reader finds in it (AccessKit), and what a click does.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use bevy_egui::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use rhea_session::replay::{Replay, ReplayReader};
use rhea_session::review::{Label, Labels, Opinion, Tape};
use rhea_window::bindings::Bindings;
use rhea_window::{Device, Picture};

use crate::panels::{self, Done, Typed};
use crate::{timeline, words};

struct State {
    replay: Replay,
    tape: Tape,
    typed: Typed,
    label: Label,
    done: Done,
    pressed: Option<usize>,
}

fn panel() -> Harness<'static, State> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap");
    let replay = ReplayReader::open(&file).unwrap();
    let tape = Tape::new(&replay.steps);
    let (typed, label, done) = (Typed::default(), Label::default(), Done::default());
    let state = State { replay, tape, typed, label, done, pressed: None };
    let draw = |ui: &mut egui::Ui, state: &mut State| {
        let labels = Labels::none_of(&state.replay);
        let pressed = timeline::show(ui, &state.tape, &labels, &Picture::default());
        state.pressed = pressed.or(state.pressed);
        panels::status(ui, &state.tape, &Bindings::default(), Device::default());
        let done = panels::side(ui, &state.replay, &state.tape, &state.label, &mut state.typed, Some("some news"));
        state.done.label = done.label.or(state.done.label.take());
        state.done.next_hit |= done.next_hit;
    };
    let mut harness = Harness::builder().with_size([700.0, 900.0]).build_ui_state(draw, state);
    harness.run();
    harness
}

#[test]
fn the_record_at_the_playhead_is_said() {
    let mut harness = panel();
    harness.get_by_label("some news");
    harness.get_by_label("Space play");
    harness.get_by_label(&format!("{} 1x", words::PAUSED));
    let last = harness.state().tape.len() - 1;
    for at in [0, last / 2, last] {
        harness.state_mut().tape.go(at);
        harness.run();
        harness.get_by_label(&words::record_of(at, last));
        let command = harness.state().replay.steps[at].command.clone();
        assert!(harness.query_all_by_label(&command).count() > 0, "{command}");
        let told = harness.state().replay.steps[at].narration.as_ref().map_or("", |told| &told.text).to_owned();
        assert!(told.is_empty() || harness.query_all_by_label(&told).count() > 0, "{told}");
    }
}

#[test]
fn labels_and_search_are_worked_by_name() {
    let mut harness = panel();
    harness.get_by_label(words::ACCEPT).click();
    harness.run();
    assert_eq!(harness.state_mut().done.label.take().unwrap().opinion, Some(Opinion::Accept));
    harness.get_by_role(egui::accesskit::Role::TextInput).focus();
    harness.run();
    harness.get_by_role(egui::accesskit::Role::TextInput).type_text("turn");
    harness.run();
    let hits = harness.state().tape.search("turn").len();
    assert!(hits > 0);
    harness.get_by_label(&words::hits(hits));
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert!(harness.state().done.next_hit);
}

#[test]
fn the_timeline_is_named_and_pressed() {
    let mut harness = panel();
    let bar = harness.get_by_label(words::TIMELINE).rect();
    harness.drag_at(egui::pos2(bar.right() - 1.0, bar.bottom() - 3.0));
    harness.run();
    assert_eq!(harness.state().pressed, Some(harness.state().tape.len() - 1));
}

//! Every panel without a window: what a screen reader finds in it (AccessKit), and what a click does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::field_reassign_with_default, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use bevy_egui::egui::{self, Key};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use rhea_memory::{MapFacts, MapThing};
use rhea_picture::Rgbd;
use rhea_scene::Pose;
use rhea_session::{ScriptStart, Verdict};
use rhea_window::Device;
use rhea_window::actions::ActionId;
use rhea_window::bindings::Bindings;

use crate::map::{self, MapCanvas};
use crate::report::Failure;
use crate::start_page::{self, Chosen, Offers, StartPage};
use crate::strip::{self, Strip, Wish};
use crate::text_box::{Entered, TextBox};
use crate::walk::{SeenView, Walk};
use crate::{hud, words};

const SIZE: [f32; 2] = [1280.0, 900.0];

/// A panel with its state, drawn until it is at rest.
fn panel<'a, S>(state: S, draw: impl FnMut(&mut egui::Ui, &mut S) + 'a) -> Harness<'a, S> {
    let mut harness = Harness::builder().with_size(SIZE).build_ui_state(draw, state);
    harness.run();
    harness
}

fn seen(step: u64) -> SeenView {
    SeenView {
        step,
        view: Arc::new(Rgbd::filled(4, 4, [9; 3])),
        pose: Pose { position_m: [0.0; 3], yaw_rad: 0.0, pitch_rad: 0.0 },
        known: (step > 0).then_some((0.83, Verdict::Revisited)),
        remark: String::new(),
        origins: None,
    }
}

fn walk() -> Walk {
    let thing = |name: &str| MapThing { name: name.to_owned(), at_m: [1.0, 2.0] };
    let map = MapFacts { things: vec![thing("red door"), thing("lamp"), thing("red door")], ..MapFacts::default() };
    let mut walk = Walk::default();
    walk.world = "a small room".to_owned();
    walk.model = "nano".to_owned();
    walk.seen = Some(seen(2));
    walk.trail = vec![seen(0), seen(1), seen(2)];
    walk.narration = "You see a red door ahead.".to_owned();
    walk.map = Arc::new(map);
    walk
}

#[test]
fn the_view_s_surroundings_say_where_the_walk_is() {
    let harness = panel(walk(), |ui, walk| {
        hud::side(ui, walk);
        hud::status(ui, walk, 3, "F1");
    });
    harness.get_by_label("a small room");
    harness.get_by_label("83 % of this view from memory: revisited");
    harness.get_by_label("step 2");
    harness.get_by_label("3 of 4 waiting");
    harness.get_by_label("F1 help");
}

#[test]
fn things_are_gone_to_from_the_list_and_from_the_narration() {
    let mut harness = panel((walk(), None), |ui, (walk, clicked)| {
        let from_list = hud::things(ui, walk);
        *clicked = hud::narration(ui, walk).or(from_list).or(clicked.take());
    });
    harness.get_by_label("lamp").click();
    harness.run();
    assert_eq!(harness.state_mut().1.take().as_deref(), Some("lamp"));
    let doors: Vec<_> = harness.get_all_by_label("red door").collect();
    assert_eq!(doors.len(), 2, "once in the list, once in the narration");
    doors[1].click();
    harness.run();
    assert_eq!(harness.state().1.as_deref(), Some("red door"));
}

#[test]
fn the_mouse_reaches_actions_too() {
    let mut harness = panel(None, |ui, clicked| {
        *clicked = hud::reminders(ui, &Bindings::default(), Device::default()).or(*clicked);
    });
    harness.get_by_label("Turn left").click();
    harness.run();
    assert_eq!(*harness.state(), Some(ActionId::TurnLeft));
}

#[test]
fn a_banner_says_what_to_do_and_closes() {
    let mut walk = walk();
    walk.fail(Failure::new("the door is locked", "Try another one."));
    let mut harness = panel((walk, false), |ui, (walk, closed)| {
        *closed |= walk.banner.as_ref().is_some_and(|banner| hud::banner(ui, banner));
    });
    harness.get_by_label("the door is locked");
    harness.get_by_label("Try another one.");
    harness.get_by_label(words::CLOSE).click();
    harness.run();
    assert!(harness.state().1);
}

#[test]
fn the_strip_has_every_view_by_name_and_looks_back() {
    let mut harness = panel((walk(), Strip::filled(3), None, Some(1)), |ui, (walk, strip, wish, looking)| {
        let wanted = strip.show(ui, walk, *looking);
        let from_card = strip::card(ui, &walk.trail[1], "You see a lamp.");
        *wish = from_card.or(wanted).or(*wish);
    });
    harness.get_by_label_contains("step 0, first").click();
    harness.run();
    assert_eq!(harness.state().2, Some(Wish::Look(0)));
    for (button, wish) in [(words::GO_THERE, Wish::Go(1)), (words::BRANCH, Wish::Branch(1)), (words::BACK, Wish::Back)]
    {
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(harness.state().2, Some(wish));
    }
}

#[test]
fn the_map_has_a_name_and_a_legend() {
    let harness = panel(walk(), |ui, walk| map::show(ui, 300.0, &walk.map, &MapCanvas::default()));
    harness.get_by_label_contains("Map of the walk: 0 views");
}

#[test]
fn the_start_page_begins_in_every_way_that_it_offers() {
    let offers = Offers {
        scenes: vec![PathBuf::from("scenes/worlds/room.ron")],
        tasks: vec![PathBuf::from("scenes/tasks/put_on_shelf.ron")],
        walks: PathBuf::from("/nowhere"),
        model: "nano, 6.9 million weights".to_owned(),
        program: PathBuf::from("rhea"),
    };
    let mut harness = panel(StartPage::new(offers), |ui, page| start_page::show(ui, page, false));
    harness.get_by_label("nano, 6.9 million weights");
    let caption = |text: &str| Chosen::Open(ScriptStart::Caption(text.to_owned()));
    for (button, chosen) in [
        (words::EXAMPLES[1], caption(words::EXAMPLES[1])),
        ("room", Chosen::Open(ScriptStart::Scene("scenes/worlds/room.ron".into()))),
        ("put on shelf", Chosen::Plan("scenes/tasks/put_on_shelf.ron".into())),
    ] {
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(harness.state_mut().take_chosen(), Some(chosen), "{button}");
    }
    let field = harness.get_all_by_role(egui::accesskit::Role::TextInput).next().unwrap();
    field.focus();
    harness.run();
    harness.get_all_by_role(egui::accesskit::Role::TextInput).next().unwrap().type_text("a red room");
    harness.run();
    harness.get_by_label(words::IMAGINE).click();
    harness.run();
    assert_eq!(harness.state_mut().take_chosen(), Some(caption("a red room")));
}

#[test]
fn the_text_box_walks_and_begins_worlds() {
    let mut harness = panel((TextBox::default(), None), |ui, (text, entered)| {
        *entered = text.show(ui, false).or(entered.take());
    });
    let type_in = |harness: &mut Harness<'_, (TextBox, Option<Entered>)>, text: &str| {
        harness.get_by_role(egui::accesskit::Role::TextInput).focus();
        harness.run();
        harness.get_by_role(egui::accesskit::Role::TextInput).type_text(text);
        harness.run();
    };
    type_in(&mut harness, "turn around");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state_mut().1.take(), Some(Entered::Command("turn around".to_owned())));
    type_in(&mut harness, "a red room");
    harness.get_by_label(words::NEW_WORLD).click();
    harness.run();
    assert_eq!(harness.state_mut().1.take(), Some(Entered::Caption("a red room".to_owned())));
}

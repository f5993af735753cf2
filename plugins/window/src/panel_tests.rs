//! The pages without a window: what a screen reader finds in them (AccessKit), and what a click does.
#![allow(clippy::unwrap_used, reason = "tests")]

use bevy_egui::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::actions::{ActionId, Context, action};
use crate::bindings::Bindings;
use crate::input::Device;
use crate::palette::{self, Palette};
use crate::preferences::Preferences;
use crate::settings::{self, SettingsPage};
use crate::user_file::UserFolder;
use crate::{ExportPage, exports, help, words};

const CONTEXTS: [Context; 3] = [Context::Explore, Context::Review, Context::Plan];

/// A page with its state, drawn until it is at rest.
fn panel<'a, S>(state: S, draw: impl FnMut(&mut egui::Ui, &mut S) + 'a) -> Harness<'a, S> {
    let mut harness = Harness::builder().with_size([1280.0, 900.0]).build_ui_state(draw, state);
    harness.run();
    harness
}

#[test]
fn the_help_page_has_every_action_with_its_keys() {
    for context in CONTEXTS {
        let bindings = Bindings::default();
        let mut harness = panel(true, |ui, open| help::show(ui.ctx(), open, context, &bindings, "a foot"));
        harness.run();
        harness.get_by_label("a foot");
        for row in context.actions() {
            assert!(harness.query_all_by_label(row.label).count() > 0, "{}", row.label);
            let keys = bindings.of(row.id).key_names();
            assert!(harness.query_all_by_label(&keys).count() > 0, "{keys}");
        }
        let elsewhere = if context == Context::Explore { ActionId::Accept } else { ActionId::Forward };
        assert_eq!(harness.query_all_by_label(action(elsewhere).label).count(), 0, "{context:?}");
    }
}

#[test]
fn the_palette_narrows_and_a_click_chooses() {
    let mut palette = Palette::default();
    palette.toggle();
    let mut harness = panel((palette, None), |ui, (palette, chosen)| {
        *chosen =
            palette::show(ui.ctx(), palette, Context::Explore, &Bindings::default(), Device::default()).or(*chosen);
    });
    harness.get_by_label(action(ActionId::TurnAround).label).click();
    harness.run();
    assert_eq!(harness.state().1, Some(ActionId::TurnAround));
    assert!(!harness.state().0.is_open());
}

#[test]
fn the_export_page_offers_what_the_window_has() {
    for (context, forms) in [(Context::Explore, 7), (Context::Review, 7), (Context::Plan, 7)] {
        let mut page = ExportPage::default();
        page.set_recording(Some(std::path::Path::new("a/walk.mcap")));
        page.open_for_test();
        let mut harness = panel(page, |ui, page| exports::show(ui.ctx(), page, context));
        harness.get_by_label("a/walk.mcap");
        // One more closes the page.
        assert_eq!(harness.get_all_by_role(egui::accesskit::Role::Button).count(), forms + 1, "{context:?}");
        assert_eq!(harness.query_by_label(words::AS_LEROBOT).is_some(), context == Context::Plan);
        assert_eq!(harness.query_by_label(words::AS_CAMERAS).is_some(), context != Context::Plan);
        harness.get_by_label(words::AS_GIF).click();
        harness.run();
        assert_eq!(harness.state().wanted(), Some("gif"));
    }
}

#[test]
fn settings_change_at_once_and_wait_for_keys() {
    let mut page = SettingsPage::default();
    page.toggle();
    let state = (page, Bindings::default(), Preferences::default());
    let mut harness = panel(state, |ui, (page, bindings, likes)| {
        settings::show(ui.ctx(), page, Context::Explore, bindings, likes, &UserFolder::default());
    });
    for (button, check) in [
        ("150 %", (|likes| likes.size_percent == 150) as fn(&Preferences) -> bool),
        (words::SQUARE, |likes| !likes.smooth),
        (words::TAPPED, |likes| likes.tap_to_walk),
        (words::CALM, |likes| likes.calm),
    ] {
        harness.get_by_label(button).click();
        harness.run();
        assert!(check(&harness.state().2), "{button}");
    }
    let keys = Bindings::default().of(ActionId::Forward).key_names();
    harness.get_by_label(&keys).click();
    harness.run();
    assert!(harness.state().0.waits() && harness.state().0.told().contains("Forward"));
}

//! The settings page: what the user likes, and which key does what in this window. Every change is in effect and on disk at once.
//!
//! Invariant: while it waits for a new key, no key does anything else.

use bevy::input::ButtonState;
use bevy::input::keyboard::KeyboardInput;
use bevy::prelude::*;
use bevy_egui::egui::{self, Align2, Grid, RichText, vec2};

use crate::actions::{ActionId, Context, action};
use crate::bindings::{Bindings, chord_of};
use crate::input::{ctrl_touched, shift_touched};
use crate::preferences::{self, DEAD_ZONE, Preferences, SIZES};
use crate::theme;
use crate::user_file::{UserFileError, UserFolder};
use crate::words;

/// The page's state.
#[derive(Resource, Default)]
pub struct SettingsPage {
    open: bool,
    /// The action that gets the next key.
    waits_for: Option<ActionId>,
    /// What the last change did.
    told: String,
}

impl SettingsPage {
    /// Does it wait for a new key?
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits_for.is_some()
    }

    /// Is it on screen?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What the last change did, in a sentence; empty before.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.told
    }

    /// Gives the next key that is pressed to an action.
    pub fn wait_for(&mut self, id: ActionId) {
        self.waits_for = Some(id);
        self.told = words::press_key_for(action(id).label);
    }

    /// Opens or closes it.
    pub fn toggle(&mut self) {
        *self = Self { open: !self.open, ..Self::default() };
    }

    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }

    fn tell(&mut self, done: String, saved: Result<(), UserFileError>) {
        self.told = match saved {
            Ok(()) => done,
            Err(why) => words::not_kept(&done, &why.to_string()),
        };
    }
}

/// Takes the key that the page waits for; runs before the devices are read for actions.
pub(crate) fn take_key(
    mut presses: MessageReader<KeyboardInput>,
    keys: Res<ButtonInput<KeyCode>>,
    folder: Res<UserFolder>,
    mut page: ResMut<SettingsPage>,
    mut bindings: ResMut<Bindings>,
) {
    let Some(id) = page.waits_for else { return presses.clear() };
    let modifiers = [
        KeyCode::ControlLeft,
        KeyCode::ControlRight,
        KeyCode::ShiftLeft,
        KeyCode::ShiftRight,
        KeyCode::AltLeft,
        KeyCode::AltRight,
    ];
    let pressed = |press: &&KeyboardInput| press.state == ButtonState::Pressed && !modifiers.contains(&press.key_code);
    let Some(press) = presses.read().find(pressed) else { return };
    page.waits_for = None;
    if press.key_code == KeyCode::Escape {
        page.told = words::NOTHING_CHANGED.to_owned();
        return;
    }
    let Some(chord) = chord_of(press.key_code, ctrl_touched(&keys), shift_touched(&keys)) else {
        page.told = words::NO_SUCH_KEY.to_owned();
        return;
    };
    let mut told = bindings.rebind(id, chord);
    told.insert(0, words::key_is(chord.name, action(id).label));
    let saved = save_bindings(&bindings, &folder);
    page.tell(format!("{}.", told.join("; ")), saved);
}

/// Keeps what the user likes, whoever changed it: the page or a key.
pub(crate) fn keep_likes(
    likes: Res<Preferences>,
    folder: Res<UserFolder>,
    mut page: ResMut<SettingsPage>,
    mut kept: Local<Option<Preferences>>,
) {
    if kept.replace(*likes).is_some_and(|before| before != *likes) {
        let saved = folder.file(preferences::FILE).map_or(Ok(()), |file| likes.save(&file));
        page.tell(words::CHANGED.to_owned(), saved);
    }
}

fn save_bindings(bindings: &Bindings, folder: &UserFolder) -> Result<(), UserFileError> {
    folder.file(crate::bindings::FILE).map_or(Ok(()), |file| bindings.save(&file))
}

/// Draws the open page.
pub(crate) fn show(
    ctx: &egui::Context,
    page: &mut SettingsPage,
    context: Context,
    bindings: &mut Bindings,
    preferences: &mut Preferences,
    folder: &UserFolder,
) {
    if !page.open {
        return;
    }
    let mut open = true;
    egui::Window::new(words::SETTINGS)
        .open(&mut open)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false)
        .vscroll(true)
        .min_height((ctx.content_rect().height() - 140.0).clamp(120.0, 600.0))
        .show(ctx, |ui| {
            likes(ui, preferences);
            ui.separator();
            key_list(ui, page, context, bindings, folder);
        });
    if !open {
        page.close();
    }
}

fn likes(ui: &mut egui::Ui, likes: &mut Preferences) {
    Grid::new("likes").num_columns(2).spacing(vec2(18.0, 8.0)).show(ui, |ui| {
        ui.label(words::SIZE);
        ui.horizontal(|ui| {
            for size in SIZES {
                ui.selectable_value(&mut likes.size_percent, size, format!("{size} %"));
            }
        });
        ui.end_row();
        ui.label(words::VIEWS);
        ui.horizontal(|ui| {
            ui.selectable_value(&mut likes.smooth, true, words::SMOOTH);
            ui.selectable_value(&mut likes.smooth, false, words::SQUARE);
        });
        ui.end_row();
        ui.label(words::WALKING);
        ui.horizontal(|ui| {
            ui.selectable_value(&mut likes.tap_to_walk, false, words::HELD);
            ui.selectable_value(&mut likes.tap_to_walk, true, words::TAPPED);
        });
        ui.end_row();
        ui.label(words::DEAD_ZONE);
        let [least, most] = DEAD_ZONE;
        ui.add(egui::Slider::new(&mut likes.dead_zone_percent, least..=most).suffix(" %"));
        ui.end_row();
        ui.label(words::MOTION);
        ui.horizontal(|ui| {
            ui.selectable_value(&mut likes.calm, false, words::MOVING);
            ui.selectable_value(&mut likes.calm, true, words::CALM);
        });
        ui.end_row();
    });
}

fn key_list(
    ui: &mut egui::Ui,
    page: &mut SettingsPage,
    context: Context,
    bindings: &mut Bindings,
    folder: &UserFolder,
) {
    ui.horizontal(|ui| {
        let hint = if page.told.is_empty() { words::CLICK_KEYS } else { page.told.as_str() };
        let colour = if page.waits() { theme::WARN } else { theme::DIM };
        ui.add(egui::Label::new(RichText::new(hint).color(colour)).wrap());
    });
    if *bindings != Bindings::default() && ui.button(words::USUAL_KEYS).clicked() {
        *bindings = Bindings::default();
        let saved = save_bindings(bindings, folder);
        page.tell(words::KEYS_ARE_USUAL.to_owned(), saved);
    }
    Grid::new("keys").num_columns(3).spacing(vec2(18.0, 4.0)).striped(true).show(ui, |ui| {
        for row in context.actions() {
            ui.label(row.label);
            let names = bindings.of(row.id).key_names();
            let (text, colour) = match page.waits_for == Some(row.id) {
                true => (words::PRESS_KEY.to_owned(), theme::WARN),
                false if names.is_empty() => (words::NO_KEY.to_owned(), theme::ERROR),
                false => (names, theme::ACCENT),
            };
            if ui.button(RichText::new(text).color(colour)).clicked() {
                page.wait_for(row.id);
            }
            ui.label(RichText::new(bindings.of(row.id).pad_names()).color(theme::NEWS));
            ui.end_row();
        }
    });
}

//! The settings page: what the user likes, and which key does what in this window. Every change is in effect and on disk at once.
//!
//! Invariant: while it waits for a new key, no key does anything else.

use bevy::input::ButtonState;
use bevy::input::keyboard::KeyboardInput;
use bevy::prelude::*;
use bevy_egui::egui::{self, Align2, Grid, RichText, vec2};

use crate::actions::{ActionId, Context, action};
use crate::bindings::{Bindings, PadControl, chord_of};
use crate::input::{Held, ctrl_touched, shift_touched};
use crate::preferences::{self, DEAD_ZONE, Preferences, SIZES};
use crate::theme;
use crate::user_file::{UserFileError, UserFolder};
use crate::words;

/// What an action gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A key.
    Key,
    /// A button or a stick of a gamepad.
    Pad,
}

/// The page's state.
#[derive(Resource, Default)]
pub struct SettingsPage {
    open: bool,
    /// The action that gets the next key or gamepad control.
    waits_for: Option<(ActionId, Wanted)>,
    /// What the last change did.
    told: String,
}

impl SettingsPage {
    /// Does it wait for a new control?
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

    /// Gives the next control that is used to an action.
    pub fn wait_for(&mut self, id: ActionId, wanted: Wanted) {
        self.waits_for = Some((id, wanted));
        self.told = match wanted {
            Wanted::Key => words::press_key_for(action(id).label),
            Wanted::Pad => words::press_button_for(action(id).label),
        };
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
    let Some((id, wanted)) = page.waits_for else { return presses.clear() };
    let modifiers = [
        KeyCode::ControlLeft,
        KeyCode::ControlRight,
        KeyCode::ShiftLeft,
        KeyCode::ShiftRight,
        KeyCode::AltLeft,
        KeyCode::AltRight,
    ];
    let pressed = |press: &&KeyboardInput| press.state == ButtonState::Pressed && !modifiers.contains(&press.key_code);
    let press = presses.read().find(pressed);
    let escapes = press.is_some_and(|press| press.key_code == KeyCode::Escape);
    if wanted == Wanted::Pad && !escapes {
        return;
    }
    let Some(press) = press else { return };
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

/// Takes the gamepad control that the page waits for; a stick that was pushed for it does nothing else until it is back.
pub(crate) fn take_control(
    pads: Query<&Gamepad>,
    likes: Res<Preferences>,
    folder: Res<UserFolder>,
    mut page: ResMut<SettingsPage>,
    mut bindings: ResMut<Bindings>,
    mut held: ResMut<Held>,
) {
    let Some((id, Wanted::Pad)) = page.waits_for else { return };
    let press = f32::from(likes.dead_zone_percent) * 0.01;
    let used = |control: &PadControl| {
        pads.iter().any(|pad| match control {
            PadControl::Button(button, _) => pad.just_pressed(*button),
            PadControl::Stick(half) => pad.get(half.axis).is_some_and(|value| value * half.sign > press),
        })
    };
    let found = PadControl::all().find(used);
    let Some(control) = found else { return };
    page.waits_for = None;
    if matches!(control, PadControl::Stick(_)) {
        held.push_stick(id);
    }
    let mut told = bindings.rebind_pad(id, control);
    told.insert(0, words::key_is(control.name(), action(id).label));
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
            let controls = bindings.of(row.id);
            let columns = [
                (Wanted::Key, controls.key_names(), theme::ACCENT, words::NO_KEY),
                (Wanted::Pad, controls.pad_names(), theme::NEWS, words::NO_BUTTON),
            ];
            for (wanted, names, usual, none) in columns {
                let (text, colour) = match (page.waits_for == Some((row.id, wanted)), wanted) {
                    (true, Wanted::Key) => (words::PRESS_KEY.to_owned(), theme::WARN),
                    (true, Wanted::Pad) => (words::PRESS_BUTTON.to_owned(), theme::WARN),
                    (false, Wanted::Key) if names.is_empty() => (none.to_owned(), theme::ERROR),
                    (false, Wanted::Pad) if names.is_empty() => (none.to_owned(), theme::DIM),
                    (false, _) => (names, usual),
                };
                if ui.button(RichText::new(text).color(colour)).clicked() {
                    page.wait_for(row.id, wanted);
                }
            }
            ui.end_row();
        }
    });
}

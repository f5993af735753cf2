//! The palette (Ctrl+P): a list of every action of the window, narrowed by what is written, worked by keyboard, gamepad or mouse.
//!
//! Its state and its keys are here and need no window; drawing it is [`show`].
//!
//! Invariant: while it is open, no key or button does anything but what the palette does with it.

use bevy::input::ButtonState;
use bevy::input::gamepad::{Gamepad, GamepadButton};
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::prelude::*;
use bevy_egui::egui::{self, Align2, RichText, vec2};

use crate::actions::{Action, ActionId, Chord, Context};
use crate::bindings::Bindings;
use crate::input::{Device, Fired, ctrl_touched, shift_touched};
use crate::theme;
use crate::words;

/// Longest text, characters; the longest label has 14.
const MAX_CHARS: usize = 40;
/// Width of the list, points.
const WIDTH: f32 = 460.0;

/// The palette's state.
#[derive(Resource, Default)]
pub struct Palette {
    open: bool,
    text: String,
    chosen: usize,
}

impl Palette {
    /// Is it on screen?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The actions of a window whose label or help has all words of the text; those with it in the label first.
    #[must_use]
    pub fn found(&self, context: Context) -> Vec<&'static Action> {
        let text = self.text.to_lowercase();
        let has = |place: &str| text.split_whitespace().all(|word| place.to_lowercase().contains(word));
        let (in_label, other): (Vec<_>, Vec<_>) =
            context.actions().filter(|row| row.id != ActionId::Palette).partition(|row| has(row.label));
        in_label.into_iter().chain(other.into_iter().filter(|row: &&'static Action| has(row.help))).collect()
    }

    /// Opens it, empty, or closes it.
    pub fn toggle(&mut self) {
        *self = Self { open: !self.open, ..Self::default() };
    }

    fn move_by(&mut self, context: Context, down: bool) {
        let count = self.found(context).len().max(1);
        self.chosen = if down { (self.chosen + 1) % count } else { (self.chosen + count - 1) % count };
    }

    fn choose(&mut self, context: Context) -> Option<ActionId> {
        let id = self.found(context).get(self.chosen).map(|row| row.id);
        *self = Self::default();
        id
    }
}

/// Keys and buttons of the open palette; runs before the devices are read for actions.
pub(crate) fn work(
    mut presses: MessageReader<KeyboardInput>,
    keys: Res<ButtonInput<KeyCode>>,
    pads: Query<&Gamepad>,
    (context, bindings): (Res<Context>, Res<Bindings>),
    mut palette: ResMut<Palette>,
    mut fired: MessageWriter<Fired>,
) {
    if !palette.open {
        presses.clear();
        return;
    }
    let own = bindings.of(ActionId::Palette);
    let (ctrl, shift) = (ctrl_touched(&keys), shift_touched(&keys));
    let mut chosen = None;
    for press in presses.read().filter(|press| press.state == ButtonState::Pressed) {
        match press.key_code {
            KeyCode::ArrowUp => palette.move_by(*context, false),
            KeyCode::ArrowDown => palette.move_by(*context, true),
            KeyCode::Enter | KeyCode::NumpadEnter => chosen = palette.choose(*context),
            KeyCode::Escape => palette.toggle(),
            KeyCode::Backspace => {
                palette.text.pop();
                palette.chosen = 0;
            }
            key if own.keys.iter().any(|chord| chord.is(&Chord { key, ctrl, shift, name: "" })) => palette.toggle(),
            _ => write(&mut palette, press),
        }
        if !palette.open {
            break;
        }
    }
    for pad in pads {
        if !palette.open {
            break;
        }
        if pad.just_pressed(GamepadButton::DPadUp) {
            palette.move_by(*context, false);
        } else if pad.just_pressed(GamepadButton::DPadDown) {
            palette.move_by(*context, true);
        } else if pad.just_pressed(GamepadButton::South) {
            chosen = palette.choose(*context);
        } else if pad.just_pressed(GamepadButton::East)
            || own.buttons.iter().any(|(button, _)| pad.just_pressed(*button))
        {
            palette.toggle();
        }
    }
    if let Some(id) = chosen {
        fired.write(Fired(id));
    }
}

fn write(palette: &mut Palette, press: &KeyboardInput) {
    let text = match (&press.text, &press.logical_key) {
        (Some(text), _) | (None, Key::Character(text)) => text.as_str(),
        _ => return,
    };
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if palette.text.chars().count() < MAX_CHARS {
            palette.text.push(letter);
        }
    }
    palette.chosen = 0;
}

/// Draws the open palette; returns the action that was clicked.
pub fn show(
    ctx: &egui::Context,
    palette: &mut Palette,
    context: Context,
    bindings: &Bindings,
    device: Device,
) -> Option<ActionId> {
    if !palette.open {
        return None;
    }
    // The letters are the palette's, not those of a text field behind it.
    ctx.memory_mut(|memory| memory.stop_text_input());
    let mut clicked = None;
    egui::Window::new(words::ALL_ACTIONS)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 60.0))
        .collapsible(false)
        .resizable(false)
        .fixed_size(vec2(WIDTH, 420.0))
        .vscroll(true)
        .show(ctx, |ui| {
            let written = if palette.text.is_empty() { words::PART_OF_NAME } else { palette.text.as_str() };
            let colour = if palette.text.is_empty() { theme::DIM } else { theme::TEXT };
            ui.label(RichText::new(format!("› {written}")).color(colour));
            ui.separator();
            let found = palette.found(context);
            if found.is_empty() {
                ui.label(RichText::new(words::NO_ACTION).color(theme::WARN));
            }
            for (index, row) in found.iter().enumerate() {
                let is_chosen = index == palette.chosen;
                let line = ui.horizontal(|ui| {
                    ui.set_min_width(WIDTH - 20.0);
                    let label = ui.selectable_label(is_chosen, row.label).on_hover_text(row.help);
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.label(RichText::new(device.names(bindings.of(row.id))).small().color(theme::ACCENT));
                    });
                    label
                });
                if is_chosen {
                    line.response.scroll_to_me(None);
                }
                if line.inner.clicked() {
                    clicked = Some(row.id);
                }
            }
        });
    if clicked.is_some() {
        palette.toggle();
    }
    clicked
}

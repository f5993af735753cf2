//! The text box: a command of the walking language, or the caption of a new world.

use bevy_egui::egui::{self, Key, TextEdit, vec2};

use crate::theme;

/// Longest text the box takes, characters; the session has its own limit in bytes, which is larger.
const MAX_CHARS: usize = 600;

/// The box and what is in it.
#[derive(Default)]
pub struct TextBox {
    text: String,
    last: String,
    wants_focus: bool,
}

/// What somebody entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// A command for the walk.
    Command(String),
    /// A caption to begin a new world with.
    Caption(String),
}

impl TextBox {
    /// Puts the cursor into the box with the next frame.
    pub fn focus(&mut self) {
        self.wants_focus = true;
    }

    /// Draws the box; returns what was entered in this frame. `ctrl` tells whether Ctrl was down at any time since the last
    /// frame, which egui does not know of a short press.
    pub fn show(&mut self, ui: &mut egui::Ui, ctrl: bool) -> Option<Entered> {
        ui.horizontal(|ui| {
            let buttons = 210.0;
            let edit = TextEdit::singleline(&mut self.text)
                .hint_text("Command: turn around  ·  go forward 2 m      or the caption of a new world")
                .char_limit(MAX_CHARS)
                .margin(vec2(10.0, 7.0))
                .desired_width((ui.available_width() - buttons).max(120.0));
            let response = ui.add(edit);
            if std::mem::take(&mut self.wants_focus) {
                response.request_focus();
            }
            if response.has_focus() && ui.input(|input| input.key_pressed(Key::ArrowUp)) && self.text.is_empty() {
                self.text.clone_from(&self.last);
            }
            let ended = response.lost_focus();
            let entered = ended && ui.input(|input| input.key_pressed(Key::Enter));
            let some_text = !self.text.trim().is_empty();
            let go = ui.add_enabled(some_text, egui::Button::new("Go")).on_hover_text("Enter").clicked();
            let world = egui::Button::new("New world");
            let world = ui.add_enabled(some_text, world).on_hover_text("Ctrl+Enter").clicked();
            if world || (entered && ctrl) {
                self.take().map(Entered::Caption)
            } else if go || entered {
                self.take().map(Entered::Command)
            } else {
                None
            }
        })
        .inner
    }

    fn take(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        if text.is_empty() {
            return None;
        }
        self.last.clone_from(&text);
        Some(text)
    }
}

/// One line under the box.
pub fn hint(ui: &mut egui::Ui) {
    ui.label(
        egui::RichText::new("Enter walks, Ctrl+Enter begins a new world, Esc leaves the box.")
            .small()
            .color(theme::DIM),
    );
}

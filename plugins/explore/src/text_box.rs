//! The text box: a command of the walking language, or the caption of a new world.

use bevy_egui::egui::text::{CCursor, CCursorRange};
use bevy_egui::egui::{self, Key, TextEdit, vec2};

use crate::words;
use rhea_window::theme;

/// Longest text the box takes, characters; the session has its own limit in bytes, which is larger.
const MAX_CHARS: usize = 600;

/// Room kept for the two buttons, points.
const BUTTONS_WIDTH: f32 = 178.0;

/// The box and what is in it.
#[derive(Default)]
pub struct TextBox {
    text: String,
    last: String,
    wants_focus: bool,
    /// The cursor goes to the end.
    begun: bool,
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

    /// The same, with the beginning of a command in it and the cursor behind that.
    pub fn begin(&mut self, command: &str) {
        command.clone_into(&mut self.text);
        (self.wants_focus, self.begun) = (true, true);
    }

    #[cfg(test)]
    pub(crate) fn told(&self) -> (&str, bool) {
        (&self.text, self.wants_focus)
    }

    /// Draws the box; returns what was entered in this frame. `ctrl` tells whether Ctrl was down at any time since the last
    /// frame, which egui does not know of a short press.
    pub fn show(&mut self, ui: &mut egui::Ui, ctrl: bool) -> Option<Entered> {
        ui.horizontal(|ui| {
            let edit = TextEdit::singleline(&mut self.text)
                .hint_text(words::TEXT_BOX)
                .char_limit(MAX_CHARS)
                .margin(vec2(10.0, 7.0))
                .desired_width((ui.available_width() - BUTTONS_WIDTH).max(120.0));
            let mut shown = edit.show(ui);
            let response = shown.response.response;
            if std::mem::take(&mut self.begun) {
                let end = CCursorRange::one(CCursor::new(self.text.chars().count()));
                shown.state.cursor.set_char_range(Some(end));
                shown.state.store(ui.ctx(), response.id);
            }
            if std::mem::take(&mut self.wants_focus) {
                response.request_focus();
            }
            if response.has_focus() && ui.input(|input| input.key_pressed(Key::ArrowUp)) && self.text.is_empty() {
                self.text.clone_from(&self.last);
            }
            // A plain Enter takes the focus away by itself; with Ctrl the field ignores it.
            let enter = ui.input(|input| input.key_pressed(Key::Enter));
            let entered = enter && (response.lost_focus() || (ctrl && response.has_focus()));
            if entered {
                response.surrender_focus();
            }
            let some_text = !self.text.trim().is_empty();
            let go = ui.add_enabled(some_text, egui::Button::new(words::GO)).on_hover_text(words::ENTER).clicked();
            let world = egui::Button::new(words::NEW_WORLD);
            let world = ui.add_enabled(some_text, world).on_hover_text(words::CTRL_ENTER).clicked();
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
    ui.label(egui::RichText::new(words::TEXT_BOX_KEYS).small().color(theme::DIM));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use bevy_egui::egui::{Context, Event, Modifiers, RawInput};

    use super::*;

    /// One frame with these events; `ctrl` is what the window knows of the key.
    fn frame(ctx: &Context, text_box: &mut TextBox, events: Vec<Event>, ctrl: bool) -> Option<Entered> {
        let mut entered = None;
        let input = RawInput { events, ..RawInput::default() };
        // What would be drawn is of no interest here.
        drop(ctx.run_ui(input, |ui| entered = text_box.show(ui, ctrl).or(entered.take())));
        entered
    }

    fn enter(modifiers: Modifiers) -> Vec<Event> {
        let key = |pressed| Event::Key { key: Key::Enter, physical_key: None, pressed, repeat: false, modifiers };
        vec![Event::ModifiersChanged(modifiers), key(true), key(false), Event::ModifiersChanged(Modifiers::NONE)]
    }

    fn typed(ctx: &Context, text_box: &mut TextBox, text: &str) {
        text_box.focus();
        frame(ctx, text_box, vec![], false);
        frame(ctx, text_box, vec![Event::Text(text.to_owned())], false);
        assert!(ctx.egui_wants_keyboard_input(), "the box has the focus");
    }

    #[test]
    fn enter_is_a_command_and_ctrl_enter_a_caption_however_short_the_press() {
        let (ctx, mut text_box) = (Context::default(), TextBox::default());
        typed(&ctx, &mut text_box, " turn around ");
        let entered = frame(&ctx, &mut text_box, enter(Modifiers::NONE), false);
        assert_eq!(entered, Some(Entered::Command("turn around".to_owned())));
        assert!(!ctx.egui_wants_keyboard_input(), "the keys walk again");

        for seen_by_egui in [Modifiers::CTRL, Modifiers::NONE] {
            typed(&ctx, &mut text_box, "a red room");
            let entered = frame(&ctx, &mut text_box, enter(seen_by_egui), true);
            assert_eq!(entered, Some(Entered::Caption("a red room".to_owned())), "{seen_by_egui:?}");
            assert!(!ctx.egui_wants_keyboard_input());
        }
    }

    #[test]
    fn a_begun_command_is_written_on() {
        let (ctx, mut text_box) = (Context::default(), TextBox::default());
        typed(&ctx, &mut text_box, "something else");
        text_box.begin("go to the ");
        frame(&ctx, &mut text_box, vec![], false);
        frame(&ctx, &mut text_box, vec![Event::Text("lamp".to_owned())], false);
        let entered = frame(&ctx, &mut text_box, enter(Modifiers::NONE), false);
        assert_eq!(entered, Some(Entered::Command("go to the lamp".to_owned())));
    }

    #[test]
    fn nothing_is_entered_by_an_empty_box_or_by_leaving_it() {
        let (ctx, mut text_box) = (Context::default(), TextBox::default());
        typed(&ctx, &mut text_box, "  ");
        assert_eq!(frame(&ctx, &mut text_box, enter(Modifiers::NONE), false), None);
        typed(&ctx, &mut text_box, "turn around");
        let escape = Event::Key {
            key: Key::Escape,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::NONE,
        };
        assert_eq!(frame(&ctx, &mut text_box, vec![escape], false), None);
        assert!(!ctx.egui_wants_keyboard_input());
    }
}

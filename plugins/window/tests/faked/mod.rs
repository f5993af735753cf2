//! Faked keyboards and gamepads for tests of the windows, which include this file.
#![allow(dead_code, reason = "not every test needs every device")]

use bevy::input::ButtonState;
use bevy::input::gamepad::{
    GamepadAxis, GamepadButton, GamepadConnection, GamepadConnectionEvent, RawGamepadAxisChangedEvent,
    RawGamepadButtonChangedEvent, RawGamepadEvent,
};
use bevy::input::keyboard::{Key, KeyboardInput, NativeKey};
use bevy::prelude::*;
use rhea_window::actions::{Action, ActionId, Chord, Context, action};
use rhea_window::{Film, Palette};

/// One of the ways to ask for an action.
#[derive(Clone, Copy)]
pub enum By {
    /// A key.
    Key(Chord),
    /// A button of this gamepad.
    Button(Entity, GamepadButton),
    /// Its name among all actions.
    Palette,
}

/// An app with the input plugins of a window.
pub struct Faked {
    pub app: App,
    pub context: Context,
}

impl Faked {
    pub fn press(&mut self, key_code: KeyCode, text: Option<char>, state: ButtonState) {
        self.app.world_mut().write_message(KeyboardInput {
            key_code,
            logical_key: Key::Unidentified(NativeKey::Unidentified),
            state,
            text: text.map(|letter| letter.to_string().into()),
            repeat: false,
            window: Entity::PLACEHOLDER,
        });
        self.app.update();
    }

    pub fn tap(&mut self, key: KeyCode, ctrl: bool) {
        self.chord(&Chord { key, ctrl, shift: false, name: "" });
    }

    pub fn chord(&mut self, chord: &Chord) {
        let with = [(chord.ctrl, KeyCode::ControlLeft), (chord.shift, KeyCode::ShiftRight)];
        let with = with.into_iter().filter(|(held, _)| *held).map(|(_, key)| key);
        with.clone().for_each(|key| self.press(key, None, ButtonState::Pressed));
        self.press(chord.key, None, ButtonState::Pressed);
        self.press(chord.key, None, ButtonState::Released);
        with.for_each(|key| self.press(key, None, ButtonState::Released));
    }

    pub fn write(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::IntlRo, Some(letter), ButtonState::Pressed);
            self.press(KeyCode::IntlRo, None, ButtonState::Released);
        }
    }

    pub fn pad(&mut self) -> Entity {
        let pad = self.app.world_mut().spawn_empty().id();
        self.plug(pad, true);
        pad
    }

    pub fn plug(&mut self, pad: Entity, on: bool) {
        let connection = match on {
            true => GamepadConnection::Connected { name: "pad".into(), vendor_id: None, product_id: None },
            false => GamepadConnection::Disconnected,
        };
        self.app.world_mut().write_message(GamepadConnectionEvent::new(pad, connection));
        self.app.update();
    }

    pub fn button(&mut self, pad: Entity, button: GamepadButton, value: f32) {
        let raw = RawGamepadEvent::from(RawGamepadButtonChangedEvent::new(pad, button, value));
        self.app.world_mut().write_message(raw);
        self.app.update();
    }

    pub fn stick(&mut self, pad: Entity, axis: GamepadAxis, value: f32) {
        let raw = RawGamepadEvent::from(RawGamepadAxisChangedEvent::new(pad, axis, value));
        self.app.world_mut().write_message(raw);
        self.app.update();
    }

    /// The ways to ask for an action of the table.
    pub fn ways(row: &Action, pad: Entity) -> Vec<By> {
        let keys = row.keys.iter().map(|chord| By::Key(*chord));
        let buttons = row.buttons.iter().map(|(button, _)| By::Button(pad, *button));
        let palette = (row.label != "All actions").then_some(By::Palette);
        keys.chain(buttons).chain(palette).collect()
    }

    pub fn ask(&mut self, row: &Action, by: By) {
        match by {
            By::Key(chord) => self.chord(&chord),
            By::Button(pad, button) => {
                self.button(pad, button, 1.0);
                self.button(pad, button, 0.0);
            }
            By::Palette => {
                self.tap(KeyCode::KeyP, true);
                self.write(row.label);
                let found = self.app.world().resource::<Palette>().found(self.context);
                let place = found.iter().position(|other| other.id == row.id);
                for _ in 0..place.expect("the palette has it") {
                    self.tap(KeyCode::ArrowDown, false);
                }
                self.tap(KeyCode::Enter, false);
            }
        }
    }

    /// Stop ends playing by each of its controls, and so does the gamepad in use when it goes.
    pub fn ends_playing<F: Film>(&mut self, pad: Entity) {
        let (play, south) = (action(ActionId::Play), By::Button(pad, GamepadButton::South));
        let plays = |faked: &Self| faked.app.world().resource::<F>().plays();
        for by in Self::ways(action(ActionId::Stop), pad) {
            self.ask(play, south);
            assert!(plays(self));
            self.ask(action(ActionId::Stop), by);
            assert!(!plays(self));
        }
        self.ask(play, south);
        self.plug(pad, false);
        self.app.update();
        assert!(!plays(self));
    }
}

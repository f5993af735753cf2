//! Keyboard and gamepad become actions.
//!
//! Both devices go through the same table ([`ACTIONS`]) and the user's [`Bindings`] of it; nothing here knows a particular key.
//!
//! Invariant: an action fires when it begins to be held, and only in a window of its own. A gamepad that is gone holds nothing.

use std::time::Duration;

use bevy::input::gamepad::{Gamepad, GamepadAxis, GamepadConnection, GamepadConnectionEvent};
use bevy::prelude::*;

use crate::actions::{ACTIONS, Action, ActionId, Chord, Context, StickHalf};
use crate::bindings::{Bindings, Controls};
use crate::exports::{self, ExportPage};
use crate::pages::{self, HelpPage};
use crate::palette::{self, Palette};
use crate::preferences::Preferences;
use crate::settings::{self, SettingsPage};
use crate::user_file::UserFolder;
use crate::words;

/// A pushed stick counts as released below this share of the dead zone; between the two it keeps its state, so that it cannot chatter.
const STICK_RELEASE: f32 = 0.64;
/// The axes that say which pad is in use.
const STICKS: [GamepadAxis; 4] =
    [GamepadAxis::LeftStickX, GamepadAxis::LeftStickY, GamepadAxis::RightStickX, GamepadAxis::RightStickY];

/// Order of the systems that turn devices into actions; all in `Update`.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum InputSystems {
    /// Devices are read, [`Fired`] is written.
    Read,
    /// Actions are carried out.
    Send,
}

/// An action was asked for; for whoever carries it out.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired(pub ActionId);

/// Is a text field taking the keys? Written by the window.
#[derive(Resource, Default)]
pub struct Typing(pub bool);

/// The device that was used last; prompts name its controls.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The keyboard.
    #[default]
    Keyboard,
    /// This gamepad.
    Pad(Entity),
}

impl Device {
    /// The names of an action's controls on this device; those of the keyboard when this device has none.
    #[must_use]
    pub fn names(self, controls: &Controls) -> String {
        match self {
            Self::Pad(_) if !controls.pad_names().is_empty() => controls.pad_names(),
            Self::Pad(_) | Self::Keyboard => controls.key_names(),
        }
    }

    /// The first of these names; empty where there is none.
    #[must_use]
    pub fn first_name(self, controls: &Controls) -> &'static str {
        let key = controls.keys.first().map(|chord| chord.name);
        let pad = controls.pad().next().filter(|_| self != Self::Keyboard);
        pad.or(key).unwrap_or_default()
    }
}

/// Which actions are held, and since when (in [`Time<Real>`]).
#[derive(Resource)]
pub struct Held {
    since: [Option<Duration>; ACTIONS.len()],
    stick: [bool; ACTIONS.len()],
    /// The action that a tap has begun, where taps do not need holding.
    tapped: Option<ActionId>,
}

impl Default for Held {
    fn default() -> Self {
        Self { since: [None; ACTIONS.len()], stick: [false; ACTIONS.len()], tapped: None }
    }
}

/// A gamepad came or went.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum PadNews {
    /// It came.
    Ready(String),
    /// The one in use went: what it ran shall not run on.
    InUseGone,
    /// Another one went.
    Gone,
}

impl PadNews {
    /// What is said about it. `paused` is the action that goes on again where something was paused for it.
    #[must_use]
    pub fn told(&self, bindings: &Bindings, paused: Option<ActionId>) -> String {
        match self {
            Self::Ready(name) => words::pad_ready(name, &bindings.shortest(ActionId::Help)),
            Self::InUseGone => words::pad_in_use_gone(paused.map(|id| bindings.shortest(id)).as_deref()),
            Self::Gone => words::PAD_GONE.to_owned(),
        }
    }
}

impl Held {
    /// Is the action held?
    #[must_use]
    pub fn is_held(&self, id: ActionId) -> bool {
        self.since[id as usize].is_some()
    }

    /// The actions that have been held for so long.
    pub fn since(&self, now: Duration, long: Duration) -> impl Iterator<Item = ActionId> + '_ {
        let held = move |row: &&Action| self.since[row.id as usize].is_some_and(|at| now.saturating_sub(at) >= long);
        ACTIONS.iter().filter(held).map(|row| row.id)
    }

    /// A stick of the action is pushed already: it must come back before it asks for anything.
    pub(crate) fn push_stick(&mut self, id: ActionId) {
        self.stick[id as usize] = true;
    }

    /// Is any action held?
    #[must_use]
    pub fn any(&self) -> bool {
        self.since.iter().any(Option::is_some)
    }
}

/// Turns devices into the actions of a window, and carries out those that all windows share: help, palette, settings.
/// Needs Bevy's `InputPlugin`.
pub struct ActionPlugin(pub Context);

impl Plugin for ActionPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.0)
            .init_resource::<Typing>()
            .init_resource::<Held>()
            .init_resource::<Bindings>()
            .init_resource::<Palette>()
            .init_resource::<Preferences>()
            .init_resource::<SettingsPage>()
            .init_resource::<HelpPage>()
            .init_resource::<ExportPage>()
            .init_resource::<UserFolder>()
            .init_resource::<Device>()
            .add_message::<Fired>()
            .add_message::<PadNews>()
            .configure_sets(Update, (InputSystems::Read, InputSystems::Send).chain())
            .add_systems(
                Update,
                (note_device, read_devices, palette::work, settings::take_key, settings::take_control, note_pads)
                    .chain()
                    .in_set(InputSystems::Read),
            )
            .add_systems(Update, (pages::turn, settings::keep_likes, exports::work).chain().in_set(InputSystems::Send));
    }
}

fn read_devices(
    keys: Res<ButtonInput<KeyCode>>,
    pads: Query<&Gamepad>,
    typing: Res<Typing>,
    time: Res<Time<Real>>,
    (context, bindings): (Res<Context>, Res<Bindings>),
    (palette, page, likes): (Res<Palette>, Res<SettingsPage>, Res<Preferences>),
    mut held: ResMut<Held>,
    mut fired: MessageWriter<Fired>,
) {
    let (held, press) = (&mut *held, f32::from(likes.dead_zone_percent) * 0.01);
    if palette.is_open() || page.waits() {
        // A stick that was pushed before or meanwhile must come back first.
        let pushed = |row: &Action| {
            bindings.of(row.id).sticks.iter().any(|half| stick_pushed(half, &pads, press * STICK_RELEASE))
        };
        held.stick.iter_mut().zip(&ACTIONS).for_each(|(stick, row)| *stick = pushed(row));
        (held.since, held.tapped) = ([None; ACTIONS.len()], None);
        return;
    }
    let now = time.elapsed();
    for row in context.actions() {
        let (index, controls) = (row.id as usize, bindings.of(row.id));
        let stick_was = held.stick[index];
        let threshold = if stick_was { press * STICK_RELEASE } else { press };
        let stick = controls.sticks.iter().any(|half| stick_pushed(half, &pads, threshold));
        held.stick[index] = stick;
        let tapped = controls.keys.iter().any(|chord| chord_down(chord, &keys, typing.0, true))
            || pads.iter().any(|pad| controls.buttons.iter().any(|(button, _)| pad.just_pressed(*button)))
            || (stick && !stick_was);
        let down = controls.keys.iter().any(|chord| chord_down(chord, &keys, typing.0, false))
            || pads.iter().any(|pad| controls.buttons.iter().any(|(button, _)| pad.pressed(*button)))
            || stick;
        if tapped {
            let goes_on = held.tapped.take() == Some(row.id);
            held.tapped = (likes.tap_to_walk && row.repeats && !goes_on).then_some(row.id);
            // The tap that ends walking is no step.
            if !(goes_on && likes.tap_to_walk) {
                fired.write(Fired(row.id));
            }
        }
        let down = if likes.tap_to_walk && row.repeats { held.tapped == Some(row.id) } else { down };
        // Only a fresh press begins to hold: the Enter that ends a text is still down when typing is over.
        held.since[index] = match held.since[index] {
            Some(since) if down => Some(since),
            None if down && tapped => Some(now),
            _ => None,
        };
    }
    // A tap further down the table ends what one further up has begun.
    if likes.tap_to_walk {
        for row in ACTIONS.iter().filter(|row| row.repeats && held.tapped != Some(row.id)) {
            held.since[row.id as usize] = None;
        }
    }
}

/// Keeps which device was used last.
fn note_device(
    keys: Res<ButtonInput<KeyCode>>,
    pads: Query<(Entity, &Gamepad)>,
    likes: Res<Preferences>,
    mut device: ResMut<Device>,
) {
    if keys.get_just_pressed().next().is_some() {
        *device = Device::Keyboard;
    }
    let press = f32::from(likes.dead_zone_percent) * 0.01;
    let pushed = |pad: &Gamepad| STICKS.iter().any(|axis| pad.get(*axis).is_some_and(|value| value.abs() > press));
    if let Some((used, _)) = pads.iter().find(|(_, pad)| pad.get_just_pressed().next().is_some() || pushed(pad)) {
        *device = Device::Pad(used);
    }
}

fn chord_down(chord: &Chord, keys: &ButtonInput<KeyCode>, typing: bool, just_now: bool) -> bool {
    let alt = keys.any_pressed([KeyCode::AltLeft, KeyCode::AltRight, KeyCode::SuperLeft, KeyCode::SuperRight]);
    // While somebody types, letters are text; chords and function keys still work, and Esc is the text field's own.
    if alt
        || chord.ctrl != ctrl_touched(keys)
        || chord.shift != shift_touched(keys)
        || (typing && !chord.ctrl && !is_function_key(chord.key))
    {
        return false;
    }
    if just_now { keys.just_pressed(chord.key) } else { keys.pressed(chord.key) }
}

/// Was Ctrl down at any time since the last update? A whole chord may come and go in between.
#[must_use]
pub fn ctrl_touched(keys: &ButtonInput<KeyCode>) -> bool {
    touched(keys, [KeyCode::ControlLeft, KeyCode::ControlRight])
}

/// The same for Shift.
pub(crate) fn shift_touched(keys: &ButtonInput<KeyCode>) -> bool {
    touched(keys, [KeyCode::ShiftLeft, KeyCode::ShiftRight])
}

fn touched(keys: &ButtonInput<KeyCode>, which: [KeyCode; 2]) -> bool {
    keys.any_pressed(which) || keys.any_just_pressed(which) || keys.any_just_released(which)
}

fn is_function_key(key: KeyCode) -> bool {
    matches!(key, KeyCode::F1 | KeyCode::F2 | KeyCode::F3 | KeyCode::F12)
}

fn stick_pushed(half: &StickHalf, pads: &Query<&Gamepad>, threshold: f32) -> bool {
    pads.iter().any(|pad| pad.get(half.axis).is_some_and(|value| value * half.sign > threshold))
}

/// A pad that is gone holds nothing, and is no longer the device in use.
fn note_pads(
    mut events: MessageReader<GamepadConnectionEvent>,
    (mut device, mut held): (ResMut<Device>, ResMut<Held>),
    mut news: MessageWriter<PadNews>,
) {
    for event in events.read() {
        // Whatever a tap had begun: it may have been this pad's.
        held.tapped = None;
        news.write(match &event.connection {
            GamepadConnection::Connected { name, .. } => PadNews::Ready(name.clone()),
            GamepadConnection::Disconnected if *device == Device::Pad(event.gamepad) => {
                *device = Device::Keyboard;
                PadNews::InUseGone
            }
            GamepadConnection::Disconnected => PadNews::Gone,
        });
    }
}

//! Keyboard and gamepad become actions, and actions become orders to the session.
//!
//! Both devices go through the same table ([`ACTIONS`]) and the user's [`Bindings`] of it; nothing here knows a particular key.
//!
//! Invariant: an action fires when it begins to be held; while held it repeats only when nothing waits and the last view
//! is on screen. A gamepad that is gone holds nothing; if it was the device in use, the walk pauses.

use std::time::Duration;

use bevy::input::gamepad::{Gamepad, GamepadAxis, GamepadConnection, GamepadConnectionEvent};
use bevy::prelude::*;

use crate::actions::{ACTIONS, Action, ActionId, Chord, Effect, StickHalf, action, joined_command};
use crate::bindings::{Bindings, Controls};
use crate::link::{Refusal, SessionLink};
use crate::palette::{self, Palette};
use crate::preferences::Preferences;
use crate::report::Failure;
use crate::settings::{self, SettingsPage};
use crate::user_file::UserFolder;
use crate::walk::Walk;
use crate::words;

/// A pushed stick counts as released below this share of the dead zone; between the two it keeps its state, so that it cannot chatter.
const STICK_RELEASE: f32 = 0.64;
/// How long a key is held before it repeats: longer than a tap.
const REPEAT_AFTER: Duration = Duration::from_millis(250);

/// The axes that say which pad is in use.
const STICKS: [GamepadAxis; 4] =
    [GamepadAxis::LeftStickX, GamepadAxis::LeftStickY, GamepadAxis::RightStickX, GamepadAxis::RightStickY];

/// One step of a walker who explores by himself.
const ROAM: &str = "explore 1 step";

/// Order of the systems that turn devices into orders; all in `Update`.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub enum InputSystems {
    /// Devices are read, [`Fired`] is written.
    Read,
    /// Step actions go to the session.
    Send,
}

/// An action was asked for. Step actions are already on their way to the session; the others are for whoever handles them.
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
}

/// Which actions are held, and since when (in [`Time<Real>`]).
#[derive(Resource, Default)]
pub struct Held {
    since: [Option<Duration>; ACTIONS.len()],
    stick: [bool; ACTIONS.len()],
    /// The action that a tap has begun, where taps do not need holding.
    tapped: Option<ActionId>,
}

impl Held {
    /// Is the action held?
    #[must_use]
    pub fn is_held(&self, id: ActionId) -> bool {
        self.since[id as usize].is_some()
    }

    /// Is any action held?
    #[must_use]
    pub fn any(&self) -> bool {
        self.since.iter().any(Option::is_some)
    }
}

/// Adds the input systems. Needs Bevy's `InputPlugin` and a [`SessionLink`].
pub struct ActionPlugin;

impl Plugin for ActionPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Typing>()
            .init_resource::<Held>()
            .init_resource::<Walk>()
            .init_resource::<Bindings>()
            .init_resource::<Palette>()
            .init_resource::<Preferences>()
            .init_resource::<SettingsPage>()
            .init_resource::<UserFolder>()
            .init_resource::<Device>()
            .add_message::<Fired>()
            .configure_sets(Update, (InputSystems::Read, InputSystems::Send).chain())
            .add_systems(
                Update,
                (note_device, read_devices, palette::work, settings::take_key, announce_pads)
                    .chain()
                    .in_set(InputSystems::Read),
            )
            .add_systems(Update, (send_steps, send_controls, settings::keep_likes).chain().in_set(InputSystems::Send));
    }
}

fn read_devices(
    keys: Res<ButtonInput<KeyCode>>,
    pads: Query<&Gamepad>,
    typing: Res<Typing>,
    time: Res<Time<Real>>,
    bindings: Res<Bindings>,
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
    for row in &ACTIONS {
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
    let ctrl = ctrl_touched(keys);
    let alt = keys.any_pressed([KeyCode::AltLeft, KeyCode::AltRight, KeyCode::SuperLeft, KeyCode::SuperRight]);
    // While somebody types, letters are text; chords and function keys still work, and Esc is the text field's own.
    if alt || chord.ctrl != ctrl || (typing && !chord.ctrl && !is_function_key(chord.key)) {
        return false;
    }
    if just_now { keys.just_pressed(chord.key) } else { keys.pressed(chord.key) }
}

/// Was Ctrl down at any time since the last update? A whole chord may come and go in between.
pub(crate) fn ctrl_touched(keys: &ButtonInput<KeyCode>) -> bool {
    let touched = |key| keys.pressed(key) || keys.just_pressed(key) || keys.just_released(key);
    touched(KeyCode::ControlLeft) || touched(KeyCode::ControlRight)
}

fn is_function_key(key: KeyCode) -> bool {
    matches!(key, KeyCode::F1 | KeyCode::F2 | KeyCode::F3 | KeyCode::F12)
}

fn stick_pushed(half: &StickHalf, pads: &Query<&Gamepad>, threshold: f32) -> bool {
    pads.iter().any(|pad| pad.get(half.axis).is_some_and(|value| value * half.sign > threshold))
}

/// Fired and repeating step actions become one command.
fn send_steps(
    mut fired: MessageReader<Fired>,
    held: Res<Held>,
    time: Res<Time<Real>>,
    link: Option<Res<SessionLink>>,
    mut walk: ResMut<Walk>,
) {
    let is_step = |row: &Action| matches!(row.effect, Effect::Step { .. });
    let mut wanted: Vec<ActionId> = fired.read().map(|fired| fired.0).filter(|id| is_step(action(*id))).collect();
    let Some(link) = link else { return };
    if !wanted.is_empty() {
        walk.roaming = false;
    } else if walk.roaming && !walk.paused && link.idle() {
        // A step at a time, each told to its end, so that one can stop at any of them.
        submit(&link, &mut walk, ROAM.to_owned());
        return;
    }
    if wanted.is_empty() {
        if walk.paused || !link.wants_more() {
            return;
        }
        let repeating = |row: &&Action| {
            let since = held.since[row.id as usize];
            row.repeats && since.is_some_and(|since| time.elapsed().saturating_sub(since) >= REPEAT_AFTER)
        };
        wanted.extend(ACTIONS.iter().filter(repeating).map(|row| row.id));
    }
    if let Some(command) = joined_command(&wanted) {
        submit(&link, &mut walk, command);
    }
}

/// Sends a command, and says on screen when it is not taken.
pub(crate) fn submit(link: &SessionLink, walk: &mut Walk, command: String) {
    match link.submit(command) {
        Ok(()) => {}
        Err(Refusal::QueueFull) => walk.refused += 1,
        Err(refusal @ Refusal::Ended) => ended(walk, refusal),
    }
}

fn ended(walk: &mut Walk, refusal: Refusal) {
    walk.fail(Failure::new(refusal.to_string(), words::ALL_IS_SAVED));
}

fn send_controls(
    mut fired: MessageReader<Fired>,
    link: Option<Res<SessionLink>>,
    bindings: Res<Bindings>,
    mut walk: ResMut<Walk>,
    mut palette: ResMut<Palette>,
    (mut page, mut likes): (ResMut<SettingsPage>, ResMut<Preferences>),
) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Palette => palette.toggle(),
            ActionId::Settings => page.toggle(),
            ActionId::Sampling => likes.smooth = !likes.smooth,
            ActionId::Stop => page.close(),
            _ => {}
        }
        let Some(link) = &link else { continue };
        let sent = match id {
            ActionId::Undo => {
                walk.roaming = false;
                link.undo()
            }
            ActionId::Stop => {
                walk.banner = None;
                walk.roaming = false;
                link.stop();
                Ok(())
            }
            ActionId::Roam => {
                walk.roaming = !walk.roaming;
                let [stop, roam] = [ActionId::Stop, ActionId::Roam].map(|id| bindings.shortest(id));
                let told = match walk.roaming {
                    true => words::roams(&stop, &roam),
                    false => words::YOU_WALK.to_owned(),
                };
                walk.inform(told);
                Ok(())
            }
            ActionId::Bookmark => {
                submit(link, &mut walk, "pin".to_owned());
                walk.inform(words::KEPT);
                Ok(())
            }
            ActionId::RoamStep => {
                walk.roaming = false;
                submit(link, &mut walk, ROAM.to_owned());
                Ok(())
            }
            ActionId::Pause => link.pause(!walk.paused).map(|()| walk.paused = !walk.paused),
            _ => Ok(()),
        };
        match sent {
            Ok(()) => {}
            Err(Refusal::QueueFull) => walk.refused += 1,
            Err(refusal @ Refusal::Ended) => ended(&mut walk, refusal),
        }
    }
}

fn announce_pads(
    mut events: MessageReader<GamepadConnectionEvent>,
    link: Option<Res<SessionLink>>,
    bindings: Res<Bindings>,
    mut walk: ResMut<Walk>,
    (mut device, mut held): (ResMut<Device>, ResMut<Held>),
) {
    for event in events.read() {
        // Whatever a tap had begun: it may have been this pad's.
        held.tapped = None;
        let told = match &event.connection {
            GamepadConnection::Connected { name, .. } => words::pad_ready(name, &bindings.shortest(ActionId::Help)),
            GamepadConnection::Disconnected if *device == Device::Pad(event.gamepad) => {
                *device = Device::Keyboard;
                walk.roaming = false;
                walk.paused |= link.as_ref().is_some_and(|link| link.pause(true).is_ok());
                words::pad_in_use_gone(walk.paused.then(|| bindings.shortest(ActionId::Pause)).as_deref())
            }
            GamepadConnection::Disconnected => words::PAD_GONE.to_owned(),
        };
        walk.inform(told);
    }
}

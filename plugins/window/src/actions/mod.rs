//! The action table: everything a person can ask for with a key or a gamepad, in any window, as data.
//!
//! The same table feeds the keyboard, the gamepad, the palette (Ctrl+P), the help page (F1), the settings, walk scripts and the file
//! of own keys. An action works in the windows of its [`Context`]s. It is not the text box: that takes any command of the
//! walking language.
//!
//! Invariant: every action has a key; those without a control of their own on the gamepad are reached from the palette, which
//! has one. No two actions of one window share a key, a button or a stick direction.

mod table;

use bevy::input::gamepad::{GamepadAxis, GamepadButton};
use bevy::input::keyboard::KeyCode;
use bevy::prelude::Resource;
use rhea_session::Command;

pub use table::ACTIONS;

/// The window that actions are asked for in.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Walking.
    Explore,
    /// The recording of a walk.
    Review,
    /// A robot plan, while it is made or recorded.
    Plan,
}

impl Context {
    /// The rows of the table that work in this window.
    pub fn actions(self) -> impl Iterator<Item = &'static Action> {
        ACTIONS.iter().filter(move |row| row.contexts.contains(&self))
    }
}

const ALL: &[Context] = &[Context::Explore, Context::Review, Context::Plan];
const VIEWS: &[Context] = &[Context::Explore, Context::Review];
const FILMS: &[Context] = &[Context::Review, Context::Plan];
const REVIEW: &[Context] = &[Context::Review];
const PLAN: &[Context] = &[Context::Plan];

/// Names every action; also its index in [`ACTIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below holds a help text for each")]
pub enum ActionId {
    Forward,
    Back,
    StepLeft,
    StepRight,
    TurnLeft,
    TurnRight,
    LookUp,
    LookDown,
    TurnAround,
    Undo,
    Stop,
    Pause,
    Text,
    Help,
    Map,
    Origins,
    Roam,
    Sampling,
    Screenshot,
    GoTo,
    Bookmark,
    RoamStep,
    Palette,
    Start,
    Settings,
    Export,
    Quit,
    Play,
    Next,
    Previous,
    FarOn,
    FarBack,
    First,
    Last,
    Faster,
    Slower,
    NextFailed,
    LastFailed,
    Accept,
    Reject,
    LoopFrom,
    LoopTo,
    Search,
    NextHit,
    Branch,
    SkipOn,
    SkipBack,
    NextCheck,
    Camera,
    MoveThings,
    Edit,
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Sends a command of the walking language to the session.
    Step {
        /// The command, as one could type it.
        command: &'static str,
        /// Opposite actions cancel out when both are held.
        opposite: Option<ActionId>,
    },
    /// Handled by the window itself or by the session's control lane.
    Control,
}

/// A key, with or without Ctrl and Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    /// The physical key.
    pub key: KeyCode,
    /// Must Ctrl be held? When false, Ctrl must not be held.
    pub ctrl: bool,
    /// The same for Shift.
    pub shift: bool,
    /// What is printed on the key.
    pub name: &'static str,
}

impl Chord {
    /// Are they the same keys?
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.key, self.ctrl, self.shift) == (other.key, other.ctrl, other.shift)
    }
}

/// One direction of a stick axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StickHalf {
    /// The axis.
    pub axis: GamepadAxis,
    /// +1 for right or up, -1 for left or down.
    pub sign: f32,
    /// What the help page says.
    pub name: &'static str,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Action {
    /// Name and index.
    pub id: ActionId,
    /// Two or three words for buttons and lists.
    pub label: &'static str,
    /// One sentence for the help page.
    pub help: &'static str,
    /// Where it works.
    pub contexts: &'static [Context],
    /// What it does.
    pub effect: Effect,
    /// Does holding the key repeat it?
    pub repeats: bool,
    /// Keys; any of them.
    pub keys: &'static [Chord],
    /// Gamepad buttons, with the name printed on the help page; any of them.
    pub buttons: &'static [(GamepadButton, &'static str)],
    /// Stick directions; any of them.
    pub sticks: &'static [StickHalf],
}

impl Action {
    /// Is there a window in which both actions work?
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.contexts.iter().any(|context| other.contexts.contains(context))
    }

    const fn within(self, contexts: &'static [Context]) -> Self {
        Self { contexts, ..self }
    }

    const fn walks(self, command: &'static str, opposite: Option<ActionId>) -> Self {
        Self { effect: Effect::Step { command, opposite }, ..self }
    }

    const fn repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    const fn keys(self, keys: &'static [Chord]) -> Self {
        Self { keys, ..self }
    }

    const fn buttons(self, buttons: &'static [(GamepadButton, &'static str)]) -> Self {
        Self { buttons, ..self }
    }

    const fn sticks(self, sticks: &'static [StickHalf]) -> Self {
        Self { sticks, ..self }
    }
}

/// A row for walking that nothing asks for yet.
const fn row(id: ActionId, label: &'static str, help: &'static str) -> Action {
    let contexts = &[Context::Explore];
    Action { id, label, help, contexts, effect: Effect::Control, repeats: false, keys: &[], buttons: &[], sticks: &[] }
}

const fn key(key: KeyCode, name: &'static str) -> Chord {
    Chord { key, ctrl: false, shift: false, name }
}

const fn ctrl(key: KeyCode, name: &'static str) -> Chord {
    Chord { key, ctrl: true, shift: false, name }
}

const fn shift(key: KeyCode, name: &'static str) -> Chord {
    Chord { key, ctrl: false, shift: true, name }
}

const fn stick(axis: GamepadAxis, sign: f32, name: &'static str) -> StickHalf {
    StickHalf { axis, sign, name }
}

impl ActionId {
    /// The name that files use, such as `TurnLeft`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// What the action asks a session for, where that is a command: such actions can stand in walk scripts.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        match (self, action(self).effect) {
            (_, Effect::Step { command, .. }) => Command::parse(command).ok(),
            (Self::Undo, _) => Some(Command::Undo),
            (Self::Bookmark, _) => Some(Command::Pin(true)),
            (Self::RoamStep, _) => Some(Command::Explore(1)),
            _ => None,
        }
    }

    /// The action of that name; `None` when there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().map(|row| row.id).find(|id| id.name() == name)
    }
}

/// The row of an action.
#[must_use]
pub fn action(id: ActionId) -> &'static Action {
    &ACTIONS[id as usize]
}

/// Joins the step commands of actions that are asked for at the same moment into one command.
///
/// Opposites cancel out; turning comes before walking, so that the walker goes where the view will look. `None` when
/// nothing is left.
#[must_use]
pub fn joined_command(ids: &[ActionId]) -> Option<String> {
    let turns_first = [
        ActionId::TurnAround,
        ActionId::TurnLeft,
        ActionId::TurnRight,
        ActionId::LookUp,
        ActionId::LookDown,
        ActionId::Forward,
        ActionId::Back,
        ActionId::StepLeft,
        ActionId::StepRight,
    ];
    let mut parts = Vec::new();
    for id in turns_first.into_iter().filter(|id| ids.contains(id)) {
        if let Effect::Step { command, opposite } = action(id).effect
            && !opposite.is_some_and(|other| ids.contains(&other))
        {
            parts.push(command);
        }
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_ids_and_every_action_has_a_key() {
        for (index, row) in ACTIONS.iter().enumerate() {
            assert_eq!(row.id as usize, index, "{}", row.label);
            assert!(!row.keys.is_empty(), "{} has no key", row.label);
            assert!(row.help.ends_with('.'), "{} needs a sentence of help", row.label);
        }
    }

    #[test]
    fn no_key_button_or_stick_direction_is_used_twice_in_a_window() {
        for &context in ALL {
            let mut seen = Vec::new();
            for row in context.actions() {
                let chords = row.keys.iter().map(|c| format!("{:?} {} {}", c.key, c.ctrl, c.shift));
                let buttons = row.buttons.iter().map(|(b, _)| format!("{b:?}"));
                let sticks = row.sticks.iter().map(|h| format!("{:?} {}", h.axis, h.sign));
                for used in chords.chain(buttons).chain(sticks) {
                    assert!(!seen.contains(&used), "{used} is used twice in {context:?}, again by {}", row.label);
                    seen.push(used);
                }
            }
            assert!(seen.len() > 20, "{context:?}");
        }
    }

    #[test]
    fn a_control_has_one_name_and_a_name_one_control() {
        let chords = ACTIONS.iter().flat_map(|row| row.keys);
        let pairs: Vec<_> = chords.map(|c| (format!("{:?} {} {}", c.key, c.ctrl, c.shift), c.name)).collect();
        for (control, name) in &pairs {
            assert!(pairs.iter().all(|(c, n)| (c == control) == (n == name)), "{name}");
        }
    }

    #[test]
    fn every_step_action_takes_part_in_joined_commands() {
        for row in &ACTIONS {
            let command = joined_command(&[row.id]);
            match row.effect {
                Effect::Step { command: want, .. } => assert_eq!(command.as_deref(), Some(want)),
                Effect::Control => assert_eq!(command, None),
            }
        }
    }

    #[test]
    fn actions_stand_in_scripts_by_their_names() {
        for row in &ACTIONS {
            let command = ActionId::named(&row.id.name()).and_then(ActionId::command);
            match row.effect {
                Effect::Step { command: words, .. } => assert_eq!(command, Some(Command::parse(words).unwrap())),
                Effect::Control => assert!(!matches!(command, Some(Command::Move(_))), "{}", row.label),
            }
        }
        assert_eq!(ActionId::Undo.command(), Some(Command::Undo));
        assert_eq!(ActionId::Help.command(), None);
    }

    #[test]
    fn opposites_cancel_and_turns_come_first() {
        use ActionId::{Back, Forward, StepRight, TurnLeft};
        assert_eq!(joined_command(&[Forward, Back]), None);
        assert_eq!(joined_command(&[Forward, Back, StepRight]).unwrap(), "step right 0.25 m");
        assert_eq!(joined_command(&[Forward, TurnLeft]).unwrap(), "turn left 15 degrees and go forward 0.5 m");
    }
}

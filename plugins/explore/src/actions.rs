//! The action table: everything a person can ask for with a key or a gamepad, as data.
//!
//! The same table feeds the keyboard, the gamepad, the palette (Ctrl+P), the help page (F1) and the file of own keys. It is not the
//! text box: that takes any command of the walking language.
//!
//! Invariant: every action has a key; those without a control of their own on the gamepad are reached from the palette, which
//! has one. No two actions share a key, a button or a stick direction.

use bevy::input::gamepad::{GamepadAxis, GamepadButton};
use bevy::input::keyboard::KeyCode;
use rhea_session::Command;

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
    Bookmark,
    RoamStep,
    Palette,
    Start,
    Settings,
    Quit,
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

/// A key, with or without Ctrl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    /// The physical key.
    pub key: KeyCode,
    /// Must Ctrl be held? When false, Ctrl must not be held.
    pub ctrl: bool,
    /// What is printed on the key.
    pub name: &'static str,
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

const fn key(key: KeyCode, name: &'static str) -> Chord {
    Chord { key, ctrl: false, name }
}

const fn ctrl(key: KeyCode, name: &'static str) -> Chord {
    Chord { key, ctrl: true, name }
}

const fn stick(axis: GamepadAxis, sign: f32, name: &'static str) -> StickHalf {
    StickHalf { axis, sign, name }
}

const fn step(command: &'static str, opposite: ActionId) -> Effect {
    Effect::Step { command, opposite: Some(opposite) }
}

/// The table, in the order of [`ActionId`] and of the help page.
pub const ACTIONS: [Action; 25] = [
    Action {
        id: ActionId::Forward,
        label: "Forward",
        help: "Walk half a metre forward.",
        effect: step("go forward 0.5 m", ActionId::Back),
        repeats: true,
        keys: &[key(KeyCode::KeyW, "W"), key(KeyCode::ArrowUp, "Up")],
        buttons: &[(GamepadButton::DPadUp, "D-pad up")],
        sticks: &[stick(GamepadAxis::LeftStickY, 1.0, "left stick up")],
    },
    Action {
        id: ActionId::Back,
        label: "Back",
        help: "Walk half a metre back.",
        effect: step("go back 0.5 m", ActionId::Forward),
        repeats: true,
        keys: &[key(KeyCode::KeyS, "S"), key(KeyCode::ArrowDown, "Down")],
        buttons: &[(GamepadButton::DPadDown, "D-pad down")],
        sticks: &[stick(GamepadAxis::LeftStickY, -1.0, "left stick down")],
    },
    Action {
        id: ActionId::StepLeft,
        label: "Step left",
        help: "Step a quarter metre to the left.",
        effect: step("step left 0.25 m", ActionId::StepRight),
        repeats: true,
        keys: &[key(KeyCode::KeyA, "A")],
        buttons: &[],
        sticks: &[stick(GamepadAxis::LeftStickX, -1.0, "left stick left")],
    },
    Action {
        id: ActionId::StepRight,
        label: "Step right",
        help: "Step a quarter metre to the right.",
        effect: step("step right 0.25 m", ActionId::StepLeft),
        repeats: true,
        keys: &[key(KeyCode::KeyD, "D")],
        buttons: &[],
        sticks: &[stick(GamepadAxis::LeftStickX, 1.0, "left stick right")],
    },
    Action {
        id: ActionId::TurnLeft,
        label: "Turn left",
        help: "Turn 15 degrees to the left.",
        effect: step("turn left 15 degrees", ActionId::TurnRight),
        repeats: true,
        keys: &[key(KeyCode::KeyQ, "Q"), key(KeyCode::ArrowLeft, "Left")],
        buttons: &[(GamepadButton::DPadLeft, "D-pad left")],
        sticks: &[stick(GamepadAxis::RightStickX, -1.0, "right stick left")],
    },
    Action {
        id: ActionId::TurnRight,
        label: "Turn right",
        help: "Turn 15 degrees to the right.",
        effect: step("turn right 15 degrees", ActionId::TurnLeft),
        repeats: true,
        keys: &[key(KeyCode::KeyE, "E"), key(KeyCode::ArrowRight, "Right")],
        buttons: &[(GamepadButton::DPadRight, "D-pad right")],
        sticks: &[stick(GamepadAxis::RightStickX, 1.0, "right stick right")],
    },
    Action {
        id: ActionId::LookUp,
        label: "Look up",
        help: "Raise the view by 10 degrees.",
        effect: step("look up 10 degrees", ActionId::LookDown),
        repeats: true,
        keys: &[key(KeyCode::KeyR, "R"), key(KeyCode::PageUp, "PgUp")],
        buttons: &[],
        sticks: &[stick(GamepadAxis::RightStickY, 1.0, "right stick up")],
    },
    Action {
        id: ActionId::LookDown,
        label: "Look down",
        help: "Lower the view by 10 degrees.",
        effect: step("look down 10 degrees", ActionId::LookUp),
        repeats: true,
        keys: &[key(KeyCode::KeyF, "F"), key(KeyCode::PageDown, "PgDn")],
        buttons: &[],
        sticks: &[stick(GamepadAxis::RightStickY, -1.0, "right stick down")],
    },
    Action {
        id: ActionId::TurnAround,
        label: "Turn around",
        help: "Turn by 180 degrees on the spot.",
        effect: Effect::Step { command: "turn around", opposite: None },
        repeats: false,
        keys: &[key(KeyCode::KeyX, "X")],
        buttons: &[(GamepadButton::South, "A / cross")],
        sticks: &[],
    },
    Action {
        id: ActionId::Undo,
        label: "Undo",
        help: "Take back the last step; a view that is being drawn is dropped instead.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::Backspace, "Backspace"), key(KeyCode::KeyZ, "Z")],
        buttons: &[(GamepadButton::West, "X / square")],
        sticks: &[],
    },
    Action {
        id: ActionId::Stop,
        label: "Stop",
        help: "Cancel the view that is being drawn and forget the waiting moves.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::Escape, "Esc")],
        buttons: &[(GamepadButton::East, "B / circle")],
        sticks: &[],
    },
    Action {
        id: ActionId::Pause,
        label: "Pause",
        help: "Hold the walk after the running step; press again to go on.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyP, "P"), key(KeyCode::Space, "Space")],
        buttons: &[(GamepadButton::Start, "Start")],
        sticks: &[],
    },
    Action {
        id: ActionId::Text,
        label: "Type",
        help: "Write a command (\"turn around\", \"go forward 2 m\") or the caption of a new world.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::Enter, "Enter"), key(KeyCode::KeyT, "T")],
        buttons: &[(GamepadButton::RightTrigger2, "right trigger")],
        sticks: &[],
    },
    Action {
        id: ActionId::Help,
        label: "Help",
        help: "Show or hide this page.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::F1, "F1"), key(KeyCode::KeyH, "H")],
        buttons: &[(GamepadButton::Select, "Select")],
        sticks: &[],
    },
    Action {
        id: ActionId::Map,
        label: "Map",
        help: "Show or hide the map of the walk.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyM, "M")],
        buttons: &[(GamepadButton::North, "Y / triangle")],
        sticks: &[],
    },
    Action {
        id: ActionId::Origins,
        label: "Origins",
        help: "Show or hide from which step every part of the view comes.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyO, "O")],
        buttons: &[(GamepadButton::LeftTrigger, "left shoulder")],
        sticks: &[],
    },
    Action {
        id: ActionId::Roam,
        label: "Walk by itself",
        help: "Let the walker explore: to where most is unseen, and back to old places; any move ends it.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyG, "G")],
        buttons: &[(GamepadButton::RightTrigger, "right shoulder")],
        sticks: &[],
    },
    Action {
        id: ActionId::Sampling,
        label: "Pixels",
        help: "Switch between smooth enlargement and exact square pixels.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyC, "C")],
        buttons: &[(GamepadButton::RightThumb, "right stick press")],
        sticks: &[],
    },
    Action {
        id: ActionId::Screenshot,
        label: "Screenshot",
        help: "Save the window and the view as PNG in the output folder.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::F12, "F12")],
        buttons: &[(GamepadButton::LeftThumb, "left stick press")],
        sticks: &[],
    },
    Action {
        id: ActionId::Bookmark,
        label: "Bookmark",
        help: "Keep this view for good: memory takes it for true, and it cannot be forgotten.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyB, "B")],
        buttons: &[],
        sticks: &[],
    },
    Action {
        id: ActionId::RoamStep,
        label: "One step by itself",
        help: "Let the walker choose one step to where there is most to see.",
        effect: Effect::Control,
        repeats: false,
        keys: &[key(KeyCode::KeyN, "N")],
        buttons: &[],
        sticks: &[],
    },
    Action {
        id: ActionId::Palette,
        label: "All actions",
        help: "List every action: write a part of its name, choose with up and down, Enter or A does it.",
        effect: Effect::Control,
        repeats: false,
        keys: &[ctrl(KeyCode::KeyP, "Ctrl+P")],
        buttons: &[(GamepadButton::LeftTrigger2, "left trigger")],
        sticks: &[],
    },
    Action {
        id: ActionId::Start,
        label: "Start page",
        help: "A new world, a recent walk, a robot task.",
        effect: Effect::Control,
        repeats: false,
        keys: &[ctrl(KeyCode::KeyN, "Ctrl+N"), key(KeyCode::F3, "F3")],
        buttons: &[],
        sticks: &[],
    },
    Action {
        id: ActionId::Settings,
        label: "Settings",
        help: "Sizes, pixels, sticks, and which key does what.",
        effect: Effect::Control,
        repeats: false,
        keys: &[ctrl(KeyCode::Comma, "Ctrl+,"), key(KeyCode::F2, "F2")],
        buttons: &[],
        sticks: &[],
    },
    Action {
        id: ActionId::Quit,
        label: "Quit",
        help: "Close the window; everything walked so far is already saved.",
        effect: Effect::Control,
        repeats: false,
        keys: &[ctrl(KeyCode::KeyQ, "Ctrl+Q")],
        buttons: &[(GamepadButton::Mode, "guide")],
        sticks: &[],
    },
];

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
    fn no_key_button_or_stick_direction_is_used_twice() {
        let mut seen = Vec::new();
        for row in &ACTIONS {
            let chords = row.keys.iter().map(|c| format!("{:?} {}", c.key, c.ctrl));
            let buttons = row.buttons.iter().map(|(b, _)| format!("{b:?}"));
            let sticks = row.sticks.iter().map(|h| format!("{:?} {}", h.axis, h.sign));
            for used in chords.chain(buttons).chain(sticks) {
                assert!(!seen.contains(&used), "{used} is used twice, again by {}", row.label);
                seen.push(used);
            }
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

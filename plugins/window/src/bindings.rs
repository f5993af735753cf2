//! Which keys and gamepad controls ask for which action: the table's own, or what a file of the user says instead.
//!
//! The file is RON text, `rhea/keys.ron` under the XDG config folder, and holds only what differs from the table:
//! `(keys: {"Forward": ["I", "Up"]}, pad: {"Help": ["guide"]})`.
//!
//! Invariant: in one window a control asks for one action; where two want it, the later of the table loses it and a sentence says
//! so.

use std::collections::BTreeMap;
use std::path::Path;

use bevy::input::gamepad::GamepadButton;
use bevy::input::keyboard::KeyCode;
use bevy::prelude::Resource;
use serde::{Deserialize, Serialize};

use crate::actions::{ACTIONS, Action, ActionId, Chord, StickHalf, action};
use crate::user_file::{self, UserFileError};

/// Name of the file.
pub const FILE: &str = "keys.ron";
const LIKE: &str = r#"(keys: {"Forward": ["I"]}, pad: {})"#;

/// The controls of one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    /// Keys; any of them.
    pub keys: Vec<Chord>,
    /// Gamepad buttons with their names; any of them.
    pub buttons: Vec<(GamepadButton, &'static str)>,
    /// Stick directions; any of them.
    pub sticks: Vec<StickHalf>,
}

impl Controls {
    fn of_table(id: ActionId) -> Self {
        let row = action(id);
        Self { keys: row.keys.to_vec(), buttons: row.buttons.to_vec(), sticks: row.sticks.to_vec() }
    }

    /// Names of the keys, such as "W or Up"; empty when there is none.
    #[must_use]
    pub fn key_names(&self) -> String {
        self.keys.iter().map(|chord| chord.name).collect::<Vec<_>>().join(" or ")
    }

    /// Names of the gamepad controls; empty when there is none.
    #[must_use]
    pub fn pad_names(&self) -> String {
        self.pad().collect::<Vec<_>>().join(" or ")
    }

    pub(crate) fn pad(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.buttons.iter().map(|(_, name)| *name).chain(self.sticks.iter().map(|half| half.name))
    }
}

/// A gamepad control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadControl {
    /// A button and its name.
    Button(GamepadButton, &'static str),
    /// A direction of a stick.
    Stick(StickHalf),
}

impl PadControl {
    /// What the help page says.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Button(_, name) => name,
            Self::Stick(half) => half.name,
        }
    }

    /// Every control that has a name here, buttons first; one may come several times.
    pub fn all() -> impl Iterator<Item = Self> {
        let buttons = ACTIONS.iter().flat_map(|row| row.buttons).map(|(button, name)| Self::Button(*button, name));
        buttons.chain(ACTIONS.iter().flat_map(|row| row.sticks).map(|half| Self::Stick(*half)))
    }

    fn names() -> Vec<&'static str> {
        let mut names = Vec::new();
        for control in Self::all() {
            if !names.contains(&control.name()) {
                names.push(control.name());
            }
        }
        names
    }
}

/// The controls of all actions, with [`ActionId`] as index.
#[derive(Resource, Clone, Debug, PartialEq)]
pub struct Bindings {
    rows: Vec<Controls>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Saved {
    keys: BTreeMap<String, Vec<String>>,
    pad: BTreeMap<String, Vec<String>>,
}

impl Default for Bindings {
    fn default() -> Self {
        Self { rows: ACTIONS.iter().map(|row| Controls::of_table(row.id)).collect() }
    }
}

impl Bindings {
    /// The controls of an action.
    #[must_use]
    pub fn of(&self, id: ActionId) -> &Controls {
        &self.rows[id as usize]
    }

    /// One way to ask for an action, as prompts name it: its first key, or its name among all actions when it has none.
    #[must_use]
    pub fn shortest(&self, id: ActionId) -> String {
        let key = |id: ActionId| self.of(id).keys.first().map(|chord| chord.name);
        match (key(id), key(ActionId::Palette)) {
            (Some(key), _) => key.to_owned(),
            (None, Some(palette)) => format!("{palette} and \"{}\"", action(id).label),
            (None, None) => format!("\"{}\"", action(id).label),
        }
    }

    /// Reads a file; the second value has a sentence for each control that two actions wanted. A file that is not there is
    /// the table.
    ///
    /// # Errors
    /// When the file cannot be read, is no such text, or names an action or a control that does not exist.
    pub fn load(path: &Path) -> Result<(Self, Vec<String>), UserFileError> {
        let Some(text) = user_file::read(path)? else { return Ok((Self::default(), Vec::new())) };
        Self::parse(&text).map_err(|why| UserFileError::Text { why, like: LIKE, path: path.to_owned() })
    }

    fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        let saved: Saved = ron::from_str(text).map_err(|e| e.to_string())?;
        let mut bindings = Self::default();
        for (name, controls) in &saved.keys {
            let id = ActionId::named(name).ok_or_else(|| unknown("action", name, action_names()))?;
            bindings.rows[id as usize].keys = controls.iter().map(|name| chord(name)).collect::<Result<_, _>>()?;
        }
        for (name, controls) in &saved.pad {
            let id = ActionId::named(name).ok_or_else(|| unknown("action", name, action_names()))?;
            bindings.set_pad(id, controls)?;
        }
        let conflicts = bindings.resolve(&saved);
        Ok((bindings, conflicts))
    }

    fn set_pad(&mut self, id: ActionId, names: &[String]) -> Result<(), String> {
        let row = &mut self.rows[id as usize];
        (row.buttons, row.sticks) = (Vec::new(), Vec::new());
        for name in names {
            match PadControl::all().find(|control| control.name() == name) {
                Some(PadControl::Button(button, name)) => row.buttons.push((button, name)),
                Some(PadControl::Stick(half)) => row.sticks.push(half),
                None => {
                    return Err(unknown("gamepad control", name, PadControl::names().join(", ")));
                }
            }
        }
        Ok(())
    }

    /// Takes controls that two actions want from one of them: what the file says goes before the table.
    fn resolve(&mut self, saved: &Saved) -> Vec<String> {
        let mut taken: Vec<(&'static str, ActionId)> = Vec::new();
        let mut told = Vec::new();
        let own_first = |own: &BTreeMap<String, Vec<String>>| {
            let mut ids: Vec<ActionId> = ACTIONS.iter().map(|row| row.id).collect();
            ids.sort_by_key(|id| !own.contains_key(&id.name()));
            ids
        };
        let clash = |id: ActionId, other: ActionId| action(id).meets(action(other));
        let mut free = |name: &'static str, id: ActionId| match taken
            .iter()
            .find(|(used, other)| *used == name && clash(id, *other))
        {
            Some((_, other)) if *other == id => true,
            Some((_, other)) => {
                told.push(format!(
                    "{name} is for \"{}\", no longer for \"{}\"",
                    action(*other).label,
                    action(id).label
                ));
                false
            }
            None => {
                taken.push((name, id));
                true
            }
        };
        for id in own_first(&saved.keys) {
            self.rows[id as usize].keys.retain(|chord| free(chord.name, id));
        }
        for id in own_first(&saved.pad) {
            let row = &mut self.rows[id as usize];
            row.buttons.retain(|(_, name)| free(name, id));
            row.sticks.retain(|half| free(half.name, id));
        }
        told
    }

    /// Gives an action this key alone; an action of the same window that had it loses it, and is named in the sentences returned.
    pub fn rebind(&mut self, id: ActionId, chord: Chord) -> Vec<String> {
        let mut told = Vec::new();
        for row in ACTIONS.iter().filter(|row| row.id != id && row.meets(action(id))) {
            let keys = &mut self.rows[row.id as usize].keys;
            let before = keys.len();
            keys.retain(|other| !other.is(&chord));
            if keys.len() < before {
                let left = if keys.is_empty() { "; it has no key now" } else { "" };
                told.push(format!("{} was for \"{}\"{left}", chord.name, row.label));
            }
        }
        self.rows[id as usize].keys = vec![chord];
        told
    }

    /// The same for a gamepad control.
    pub fn rebind_pad(&mut self, id: ActionId, control: PadControl) -> Vec<String> {
        let mut told = Vec::new();
        for row in ACTIONS.iter().filter(|row| row.id != id && row.meets(action(id))) {
            let own = &mut self.rows[row.id as usize];
            if !own.pad().any(|name| name == control.name()) {
                continue;
            }
            own.buttons.retain(|(_, name)| *name != control.name());
            own.sticks.retain(|half| half.name != control.name());
            let left = if own.pad().next().is_none() { "; the palette has it still" } else { "" };
            told.push(format!("{} was for \"{}\"{left}", control.name(), row.label));
        }
        let row = &mut self.rows[id as usize];
        (row.buttons, row.sticks) = match control {
            PadControl::Button(button, name) => (vec![(button, name)], Vec::new()),
            PadControl::Stick(half) => (Vec::new(), vec![half]),
        };
        told
    }

    /// What differs from the table.
    fn differing(&self) -> Saved {
        let mut saved = Saved::default();
        for row in &ACTIONS {
            let (now, table) = (self.of(row.id), Controls::of_table(row.id));
            if now.keys != table.keys {
                saved.keys.insert(row.id.name(), now.keys.iter().map(|chord| chord.name.to_owned()).collect());
            }
            if now.pad().ne(table.pad()) {
                saved.pad.insert(row.id.name(), now.pad().map(str::to_owned).collect());
            }
        }
        saved
    }

    /// What differs from the table, a few words for each action.
    #[must_use]
    pub fn changed(&self) -> Vec<String> {
        let differs = |row: &&Action| *self.of(row.id) != Controls::of_table(row.id);
        let told = |row: &Action| {
            let Controls { keys, .. } = self.of(row.id);
            let names = [self.of(row.id).key_names(), self.of(row.id).pad_names()].join(", ");
            format!("{}: {}", row.label, if keys.is_empty() { "no key" } else { &names })
        };
        ACTIONS.iter().filter(differs).map(told).collect()
    }

    /// Writes what differs from the table, whole or not at all.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), UserFileError> {
        user_file::write(path, &self.differing(), |text| Self::parse(text).is_ok())
    }
}

fn unknown(what: &str, name: &str, allowed: String) -> String {
    format!("no {what} is called \"{name}\"; there are {allowed}")
}

fn action_names() -> String {
    ACTIONS.iter().map(|row| row.id.name()).collect::<Vec<_>>().join(", ")
}

fn chord(name: &str) -> Result<Chord, String> {
    let known = chords().find(|chord| chord.name == name);
    known.ok_or_else(|| unknown("key", name, "A to Z, Ctrl+A to Ctrl+Z, and the keys of the help page".to_owned()))
}

/// The key that was pressed, as a control; `None` for keys that have no name here.
#[must_use]
pub fn chord_of(key: KeyCode, ctrl: bool, shift: bool) -> Option<Chord> {
    chords().find(|chord| chord.is(&Chord { key, ctrl, shift, name: "" }))
}

/// Every key that can be bound: letters with and without Ctrl, and what the table uses.
fn chords() -> impl Iterator<Item = Chord> {
    let letters = LETTERS.iter().flat_map(|&(key, name, with_ctrl)| {
        [Chord { key, ctrl: false, shift: false, name }, Chord { key, ctrl: true, shift: false, name: with_ctrl }]
    });
    letters.chain(ACTIONS.iter().flat_map(|row| row.keys.iter().copied()))
}

macro_rules! letters {
    ($($key:ident $name:literal),*) => { [$((KeyCode::$key, $name, concat!("Ctrl+", $name))),*] };
}

const LETTERS: [(KeyCode, &str, &str); 26] = letters!(
    KeyA "A", KeyB "B", KeyC "C", KeyD "D", KeyE "E", KeyF "F", KeyG "G", KeyH "H", KeyI "I", KeyJ "J", KeyK "K", KeyL "L",
    KeyM "M", KeyN "N", KeyO "O", KeyP "P", KeyQ "Q", KeyR "R", KeyS "S", KeyT "T", KeyU "U", KeyV "V", KeyW "W", KeyX "X",
    KeyY "Y", KeyZ "Z"
);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn own_keys_go_before_the_table_and_conflicts_are_told() {
        let (bindings, told) = Bindings::parse(r#"(keys: {"Forward": ["I", "M"]}, pad: {"Help": ["guide"]})"#).unwrap();
        assert_eq!(bindings.of(ActionId::Forward).key_names(), "I or M");
        assert_eq!(bindings.of(ActionId::Map).key_names(), "");
        assert_eq!(bindings.of(ActionId::Help).pad_names(), "guide");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("M is for \"Forward\", no longer for \"Map\""), "{told:?}");
    }

    #[test]
    fn a_pad_control_is_given_to_one_action_of_a_window() {
        let mut bindings = Bindings::default();
        let south = PadControl::Button(GamepadButton::South, "A / cross");
        let told = bindings.rebind_pad(ActionId::Bookmark, south);
        assert_eq!(told, ["A / cross was for \"Turn around\"; the palette has it still"]);
        assert_eq!(bindings.of(ActionId::Bookmark).pad_names(), "A / cross");
        assert_eq!(bindings.of(ActionId::Play).pad_names(), "A / cross or Start", "that is another window");
        let saved = ron::ser::to_string(&bindings.differing()).unwrap();
        assert_eq!(Bindings::parse(&saved).unwrap(), (bindings, Vec::new()));
    }

    #[test]
    fn a_key_may_mean_something_else_in_another_window() {
        let mut bindings = Bindings::default();
        // N is a step by itself while one walks, and the next failed check in a recording.
        let told = bindings.rebind(ActionId::Next, chord_of(KeyCode::KeyN, false, false).unwrap());
        assert_eq!(told, ["N was for \"Next failed\"; it has no key now"]);
        assert_eq!(bindings.of(ActionId::RoamStep).key_names(), "N");
        let text = r#"(keys: {"Next": ["W"], "Help": ["N"]})"#;
        let (bindings, told) = Bindings::parse(text).unwrap();
        assert_eq!([ActionId::Next, ActionId::Forward].map(|id| bindings.of(id).key_names()), ["W", "W or Up"]);
        assert_eq!(told.len(), 2, "help works everywhere, so both lose N: {told:?}");
    }

    #[test]
    fn only_what_differs_is_saved_and_it_reads_back() {
        let text = |bindings: &Bindings| ron::ser::to_string(&bindings.differing()).unwrap();
        assert_eq!(Bindings::parse(&text(&Bindings::default())).unwrap(), (Bindings::default(), Vec::new()));
        let mut bindings = Bindings::default();
        let told = bindings.rebind(ActionId::Undo, chord_of(KeyCode::KeyM, false, false).unwrap());
        assert_eq!(told, ["M was for \"Map\"; it has no key now"]);
        let saved = text(&bindings);
        assert!(saved.contains("Undo") && saved.contains("Map") && !saved.contains("Forward"), "{saved}");
        assert_eq!(Bindings::parse(&saved).unwrap().0, bindings);
    }

    #[test]
    fn what_does_not_exist_is_named_with_what_does() {
        for (text, want) in [
            (r#"(keys: {"Fly": ["I"]})"#, "no action is called \"Fly\"; there are Forward"),
            (r#"(keys: {"Map": ["Ä"]})"#, "no key is called \"Ä\""),
            (r#"(pad: {"Map": ["wheel"]})"#, "no gamepad control is called \"wheel\"; there are D-pad up"),
            ("(colours: 3)", "colours"),
        ] {
            let why = Bindings::parse(text).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }
}

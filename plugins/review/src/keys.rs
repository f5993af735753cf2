//! What can be done in the window and with which key: one table for keys and for the line that reminds of them.

use bevy::input::keyboard::KeyCode;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Play, or stop.
    PlayOrPause,
    /// Go on or back by so many records.
    Step(isize),
    /// To the first record.
    First,
    /// To the last record.
    Last,
    /// A speed up or down.
    Speed(isize),
    /// The loop begins here.
    LoopFrom,
    /// The loop ends here.
    LoopTo,
    /// To the next or the last record that a check failed at.
    Grave(bool),
    /// Type words to look for.
    Search,
    /// To the next record with the words.
    NextHit,
    /// Say that the step is as it should be.
    Accept,
    /// Say that it is not.
    Reject,
    /// Save the world as it was here, to go on from.
    Branch,
    /// Close the window.
    Quit,
}

/// Action, its key, with Shift or without, and its name on screen; an empty one is not shown.
pub(crate) const KEYS: [(Action, KeyCode, bool, &str); 19] = [
    (Action::PlayOrPause, KeyCode::Space, false, "Space play/pause"),
    (Action::Step(1), KeyCode::ArrowRight, false, "arrows step"),
    (Action::Step(-1), KeyCode::ArrowLeft, false, ""),
    (Action::Step(10), KeyCode::ArrowRight, true, "Shift+arrows ten"),
    (Action::Step(-10), KeyCode::ArrowLeft, true, ""),
    (Action::First, KeyCode::Home, false, "Home/End"),
    (Action::Last, KeyCode::End, false, ""),
    (Action::Speed(1), KeyCode::ArrowUp, false, "up/down speed"),
    (Action::Speed(-1), KeyCode::ArrowDown, false, ""),
    (Action::LoopFrom, KeyCode::BracketLeft, false, "[ ] loop"),
    (Action::LoopTo, KeyCode::BracketRight, false, ""),
    (Action::Grave(true), KeyCode::KeyN, false, "N/P failed checks"),
    (Action::Grave(false), KeyCode::KeyP, false, ""),
    (Action::Search, KeyCode::Slash, false, "/ search, F next"),
    (Action::NextHit, KeyCode::KeyF, false, ""),
    (Action::Accept, KeyCode::KeyA, false, "A accept, X reject"),
    (Action::Reject, KeyCode::KeyX, false, ""),
    (Action::Branch, KeyCode::KeyB, false, "B branch"),
    (Action::Quit, KeyCode::KeyQ, false, "Q quit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_actions_share_a_key() {
        for (i, (_, key, shift, _)) in KEYS.iter().enumerate() {
            assert!(!KEYS[i + 1..].iter().any(|(_, other, with, _)| (other, with) == (key, shift)), "{key:?}");
        }
    }
}

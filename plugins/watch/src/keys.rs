//! What can be done in the window and with which key: one table for keys and for the line that reminds of them.

use bevy::input::keyboard::KeyCode;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Play the film, or stop playing.
    RunOrPause,
    /// Play one step.
    Step,
    /// Go back by a step.
    Back,
    /// Show the end of a step so many steps on.
    Skip(isize),
    /// Go to the beginning.
    First,
    /// Go to the end of the last step.
    Last,
    /// A speed up or down.
    Speed(isize),
    /// To the next or the last rejected step.
    Grave(bool),
    /// Choose the next check of the step.
    NextCheck,
    /// Look from where the scene's camera stands.
    Camera,
    /// Let the mouse move things, or turn the scene.
    MoveThings,
    /// Write other words for the step.
    Edit,
    /// Say that the step is as it should be.
    Accept,
    /// Say that it is not.
    Reject,
    /// Close the window.
    Quit,
}

/// Action, its key, with Shift or without, and its name on screen; an empty one is not shown.
pub(crate) const KEYS: [(Action, KeyCode, bool, &str); 23] = [
    (Action::RunOrPause, KeyCode::Space, false, "Space run/pause"),
    (Action::Step, KeyCode::ArrowRight, false, "arrows step"),
    (Action::Back, KeyCode::ArrowLeft, false, ""),
    (Action::Skip(5), KeyCode::ArrowRight, true, "Shift+arrows five"),
    (Action::Skip(-5), KeyCode::ArrowLeft, true, ""),
    (Action::First, KeyCode::Home, false, "Home/End"),
    (Action::First, KeyCode::KeyR, false, ""),
    (Action::Last, KeyCode::End, false, ""),
    (Action::Speed(1), KeyCode::ArrowUp, false, "up/down speed"),
    (Action::Speed(-1), KeyCode::ArrowDown, false, ""),
    (Action::Grave(true), KeyCode::KeyN, false, "N/P rejects"),
    (Action::Grave(false), KeyCode::KeyP, false, ""),
    (Action::NextCheck, KeyCode::KeyC, false, "C check"),
    (Action::Camera, KeyCode::KeyF, false, "F camera"),
    (Action::MoveThings, KeyCode::KeyM, false, "M move things"),
    (Action::Edit, KeyCode::Enter, false, "Enter other words"),
    (Action::Edit, KeyCode::KeyE, false, ""),
    (Action::Edit, KeyCode::KeyT, false, ""),
    (Action::Accept, KeyCode::KeyA, false, "A accept, X reject"),
    (Action::Reject, KeyCode::KeyX, false, ""),
    (Action::Skip(1), KeyCode::PageDown, false, ""),
    (Action::Skip(-1), KeyCode::PageUp, false, ""),
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

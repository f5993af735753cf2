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
    /// Go to the beginning.
    Restart,
    /// Choose the next check of the step.
    NextCheck,
    /// Look from where the scene's camera stands.
    Camera,
    /// Close the window.
    Quit,
}

/// Action, its keys, its name on screen.
pub(crate) const KEYS: [(Action, &[KeyCode], &str); 7] = [
    (Action::RunOrPause, &[KeyCode::Space], "Space run/pause"),
    (Action::Step, &[KeyCode::KeyN, KeyCode::ArrowRight], "N step"),
    (Action::Back, &[KeyCode::KeyB, KeyCode::ArrowLeft], "B back"),
    (Action::Restart, &[KeyCode::Home, KeyCode::KeyR], "R restart"),
    (Action::NextCheck, &[KeyCode::KeyC, KeyCode::ArrowDown], "C next check"),
    (Action::Camera, &[KeyCode::KeyF], "F scene camera"),
    (Action::Quit, &[KeyCode::KeyQ, KeyCode::Escape], "Q quit"),
];

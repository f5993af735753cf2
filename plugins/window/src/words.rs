//! What all windows say, in one place. Labels and helps of actions are data of the table in [`crate::actions`].

use std::path::Path;

// Help, palette, settings.

/// Title of the help page, and of its columns.
pub(crate) const KEYS: &str = "Keys and gamepad";
/// See [`KEYS`].
pub(crate) const COLUMN_KEYS: &str = "Keys";
/// See [`KEYS`].
pub(crate) const COLUMN_PAD: &str = "Gamepad";
/// Title of the palette.
pub(crate) const ALL_ACTIONS: &str = "All actions";
/// In the empty palette.
pub(crate) const PART_OF_NAME: &str = "Write a part of a name";
/// When nothing is found.
pub(crate) const NO_ACTION: &str = "No action has these words; Backspace takes a letter back.";
/// Title of the settings, and their rows.
pub(crate) const SETTINGS: &str = "Settings";
/// See [`SETTINGS`].
pub(crate) const SIZE: &str = "Size of text and controls";
/// See [`SETTINGS`].
pub(crate) const VIEWS: &str = "Views";
/// See [`SETTINGS`].
pub(crate) const SMOOTH: &str = "smooth";
/// See [`SETTINGS`].
pub(crate) const SQUARE: &str = "square pixels";
/// See [`SETTINGS`].
pub(crate) const WALKING: &str = "Walking goes on";
/// See [`SETTINGS`].
pub(crate) const HELD: &str = "while a key is held";
/// See [`SETTINGS`].
pub(crate) const TAPPED: &str = "from one tap to the next";
/// See [`SETTINGS`].
pub(crate) const DEAD_ZONE: &str = "Dead zone of the sticks";
/// See [`SETTINGS`].
pub(crate) const MOTION: &str = "Motion";
/// See [`SETTINGS`].
pub(crate) const MOVING: &str = "lists slide, windows fade";
/// See [`SETTINGS`].
pub(crate) const CALM: &str = "none";
/// What a change of the settings did.
pub(crate) const CHANGED: &str = "Changed.";
/// See [`CHANGED`].
pub(crate) const NOTHING_CHANGED: &str = "Nothing changed.";
/// See [`CHANGED`].
pub(crate) const NO_SUCH_KEY: &str =
    "That key cannot be used; A to Z, Ctrl+A to Ctrl+Z and the keys of the list can. Nothing changed.";
/// See [`CHANGED`].
pub(crate) const KEYS_ARE_USUAL: &str = "All keys are as usual.";
/// The list of keys.
pub(crate) const CLICK_KEYS: &str = "Click a key or a gamepad control to choose another one.";
/// See [`CLICK_KEYS`].
pub(crate) const USUAL_KEYS: &str = "All keys as usual";
/// See [`CLICK_KEYS`].
pub(crate) const PRESS_KEY: &str = "press a key";
/// See [`CLICK_KEYS`].
pub(crate) const PRESS_BUTTON: &str = "press a button";
/// See [`CLICK_KEYS`].
pub(crate) const NO_BUTTON: &str = "no button";
/// See [`CLICK_KEYS`].
pub(crate) const NO_KEY: &str = "no key";
/// A file of the user that cannot be used.
pub(crate) const MEND_FILE: &str = "Mend or remove the file; until then all is as usual.";

// Exports.

/// Title of the page.
pub(crate) const EXPORT: &str = "Export";
/// The forms.
pub(crate) const AS_PAGE: &str = "One page for any browser, offline (HTML)";
/// See [`AS_PAGE`].
pub(crate) const AS_WEBP: &str = "Animation, every pixel exact (WebP)";
/// See [`AS_PAGE`].
pub(crate) const AS_GIF: &str = "Animation for places that show nothing else (GIF)";
/// See [`AS_PAGE`].
pub(crate) const AS_FRAMES: &str = "Every picture and its depth (PNG)";
/// See [`AS_PAGE`].
pub(crate) const AS_SHEET: &str = "All views on one contact sheet (PNG)";
/// See [`AS_PAGE`].
pub(crate) const AS_CAMERAS: &str = "Cameras for NeRF and splatting tools (transforms.json)";
/// See [`AS_PAGE`].
pub(crate) const AS_LEROBOT: &str = "Dataset for robot learning (LeRobot v3)";
/// See [`AS_PAGE`].
pub(crate) const AS_RECORD: &str = "Record for Emu3.5's tools (protobuf)";
/// While nothing is recorded.
pub(crate) const NOTHING_RECORDED: &str = "Nothing is recorded yet.";
/// Button while one is written.
pub(crate) const STOP_EXPORT: &str = "Stop";
/// After it.
pub(crate) const EXPORT_STOPPED: &str = "The export was stopped.";

/// An export that failed.
pub(crate) fn not_exported(why: &str) -> String {
    format!("The recording could not be exported: {why}")
}

// What happened.

/// A folder without free numbers.
pub(crate) const FULL_OF_SCREENSHOTS: &str = "the folder is full of screenshots";
/// When a gamepad that was not in use goes.
pub(crate) const PAD_GONE: &str = "A gamepad is gone; its sticks count as released. The keyboard works as before.";

/// A picture of the window.
pub(crate) fn screenshot(file: &Path) -> String {
    format!("Screenshot saved: {}", file.display())
}

/// See [`screenshot`].
pub(crate) fn no_screenshot(file: &Path, why: &str) -> String {
    format!("The screenshot could not be saved: {why} ({}).", file.display())
}

/// A gamepad that came.
pub(crate) fn pad_ready(name: &str, help: &str) -> String {
    format!("Gamepad \"{name}\" is ready. {help} shows what its buttons do.")
}

/// The gamepad in use went; `pause` is the key that goes on where something is paused for it.
pub(crate) fn pad_in_use_gone(pause: Option<&str>) -> String {
    let gone = "The gamepad in use is gone; its sticks count as released.";
    match pause {
        Some(key) => format!("{gone} It is paused: {key} goes on."),
        None => format!("{gone} The keyboard works as before."),
    }
}

/// While the settings wait for a key.
pub(crate) fn press_key_for(action: &str) -> String {
    format!("Press a key for \"{action}\"; Esc keeps the old one.")
}

/// See [`press_key_for`].
pub(crate) fn press_button_for(action: &str) -> String {
    format!("Press a button or push a stick for \"{action}\"; Esc keeps the old one.")
}

/// A key that was given to an action.
pub(crate) fn key_is(key: &str, action: &str) -> String {
    format!("{key} is \"{action}\" now")
}

/// A change that could not be kept.
pub(crate) fn not_kept(done: &str, why: &str) -> String {
    format!("{done} It holds until the window closes: {why}")
}

/// Where the keys are told.
pub(crate) fn shows_keys(key: &str) -> String {
    format!("{key} shows what every key does now.")
}

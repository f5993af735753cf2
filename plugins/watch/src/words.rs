//! What the window of a plan says, in one place. Signs stand beside words, so that colour is not all there is.

use std::path::Path;

use rhea_physics::checks::{Check, Verdict};
use rhea_physics::plan::{Account, LevelCount};

/// Title of the window.
pub(crate) const TITLE: &str = "Rhea plan";
/// While steps are made.
pub(crate) const PLANNING: &str = "planning …";
/// While a change is judged.
pub(crate) const CHECKING: &str = "checking the rest …";
/// While the film runs, and while it does not.
pub(crate) const RUNS: &str = "▶ runs";
/// See [`RUNS`].
pub(crate) const PAUSED: &str = "⏸ paused";
/// What the mouse does.
pub(crate) const MOUSE: &str = "drag to turn, scroll to zoom";
/// What the mouse does while things are moved.
pub(crate) const MOUSE_MOVES: &str = "drag a thing to another place";
/// Title of the truth behind a step, and before it.
pub(crate) const BEHIND: &str = "simulated: behind the step";
/// See [`BEHIND`].
pub(crate) const BEFORE: &str = "simulated: before the step";
/// Title of what the model drew.
pub(crate) const KEY_FRAME: &str = "generated key-frame";
/// Title of both in one.
pub(crate) const COMPARED: &str = "simulated | generated";
/// Where there is no picture.
pub(crate) const NO_STEP: &str = "no step yet";
/// See [`NO_STEP`].
pub(crate) const NONE_DRAWN: &str = "none was drawn";
/// Label of the slider.
pub(crate) const SLIDER: &str = "share that is simulated";
/// Of a rejected step.
pub(crate) const NOT_DONE: &str = "not carried out; the arm shows what was judged";
/// In an empty instruction.
pub(crate) const INSTRUCTION: &str = "say what the arm shall do instead";
/// Below the keys of the help page.
pub(crate) const HELP_FOOT: &str =
    "The mouse turns the scene, or moves things. A change is judged in a copy; what was recorded stays as it is.";
/// Name of the timeline.
pub(crate) const TIMELINE: &str = "timeline of the plan";
/// Name of the scene.
pub(crate) const SCENE: &str = "the scene";
/// Button below the instruction.
pub(crate) const RECHECK: &str = "check again from here";
/// Switch of the mouse.
pub(crate) const MOVE_THINGS: &str = "move things";
/// When the search for rejected steps ends.
pub(crate) const NO_REJECT: &str = "no further rejected step";
/// A step that nothing can be changed at.
pub(crate) const CHOOSE_STEP: &str = "choose a step first";
/// The desk is gone.
pub(crate) const NO_DESK: &str = "the plan can no longer be changed; open its recording again";

/// A verdict's sign and word.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✔ pass",
        Verdict::Warn => "⚠ close",
        Verdict::Reject => "✖ REJECT",
        Verdict::Unknown => "? unknown",
    }
}

/// What was measured, with its bound.
pub(crate) fn measured(check: &Check) -> String {
    match check.unit.as_str() {
        "holds" | "" => verdict(check.verdict).to_owned(),
        unit => format!("{:.4} / {:.4} {unit}", check.value, check.threshold),
    }
}

/// Title of both pictures in one, with how far they differ.
pub(crate) fn compared(levels: f64) -> String {
    format!("{COMPARED}, {levels:.0} of 255")
}

/// Name of a key-frame, or why there is none.
pub(crate) fn picture(title: &str, otherwise: Option<&str>) -> String {
    format!("picture, {title}{}{}", if otherwise.is_some() { ": " } else { "" }, otherwise.unwrap_or_default())
}

/// A step and its verdict.
pub(crate) fn judged(step: usize, verdict_word: &str) -> String {
    format!("step {step}: {verdict_word}")
}

/// Where a plan is recorded.
pub(crate) fn recorded(path: &Path) -> String {
    format!("recorded: {}", path.display())
}

/// What each level of repairs took.
pub(crate) fn repairs(account: &Account) -> Vec<String> {
    let asked = format!("{} answers, {} tokens, {:.1} s", account.asked, account.tokens, account.answer_secs);
    let levels = account.levels.iter().filter(|level| level.attempts > 0);
    let level = |l: &LevelCount| format!("{:?}: tried {}, helped {}, {:.1} s", l.level, l.attempts, l.helped, l.secs);
    std::iter::once(asked).chain(levels.map(level)).collect()
}

/// Speed of the film.
pub(crate) fn speed(times: f64) -> String {
    format!("{times}x")
}

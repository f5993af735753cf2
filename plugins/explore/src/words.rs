//! What the window says, in one place. Labels and helps of actions are data of the table in [`crate::actions`].

use std::path::Path;

use rhea_memory::MapFacts;
use rhea_session::Verdict;

/// The program.
pub(crate) const NAME: &str = "Rhea";
/// Hint of a request that was refused for now.
pub(crate) const TRY_AGAIN: &str = "Try again in a moment.";
/// Name of a cross.
pub(crate) const CLOSE: &str = "close this message";

// The view and what stands around it.

/// Over a view of which nothing was recalled.
pub(crate) const NO_ORIGINS: &str =
    "This view is the first, or was drawn before this window opened: nothing was recalled for it.";
/// What is being done.
pub(crate) const TELLING: &str = "telling";
/// See [`TELLING`].
pub(crate) const DRAWING: &str = "drawing";
/// See [`TELLING`].
pub(crate) const ROAMING: &str = "walking by itself";
/// See [`TELLING`].
pub(crate) const READY: &str = "ready";
/// Above the things that memory knows.
pub(crate) const THINGS: &str = "Seen here; a click walks there";
/// The first view has no verdict.
pub(crate) const FIRST_VIEW: &str = "first";
/// What can be done with an earlier view.
pub(crate) const GO_THERE: &str = "Go there";
/// See [`GO_THERE`].
pub(crate) const BRANCH: &str = "Branch from here";
/// See [`GO_THERE`].
pub(crate) const BACK: &str = "Back";

// The text box.

/// In the empty box.
pub(crate) const TEXT_BOX: &str = "Command: turn around  ·  go forward 2 m      or the caption of a new world";
/// Begins the way to a thing.
pub(crate) const GO_TO: &str = "go to the ";
/// Below the box.
pub(crate) const TEXT_BOX_KEYS: &str = "Enter walks, Ctrl+Enter begins a new world, Esc leaves the box.";
/// Its buttons and their keys.
pub(crate) const GO: &str = "Go";
/// See [`GO`].
pub(crate) const NEW_WORLD: &str = "New world";
/// See [`GO`].
pub(crate) const ENTER: &str = "Enter";
/// See [`GO`].
pub(crate) const CTRL_ENTER: &str = "Ctrl+Enter";

// The start page.

/// Captions to begin with, in words that the shipped model knows.
pub(crate) const EXAMPLES: [&str; 3] =
    ["a room with teal walls", "a courtyard with a stone floor", "a corridor with a red door"];
/// Titles.
pub(crate) const WHERE_TO: &str = "Where to?";
/// See [`WHERE_TO`].
pub(crate) const FROM_WORDS: &str = "A new world from words";
/// See [`WHERE_TO`].
pub(crate) const FROM_SCENE: &str = "From a scene";
/// See [`WHERE_TO`].
pub(crate) const FROM_PICTURE: &str = "From a picture";
/// See [`WHERE_TO`].
pub(crate) const GO_ON: &str = "Go on";
/// See [`WHERE_TO`].
pub(crate) const WATCH_TASK: &str = "Watch a robot task";
/// See [`WHERE_TO`].
pub(crate) const THE_MODEL: &str = "The model";
/// Beside the title, while a walk is open.
pub(crate) const ESC_BACK: &str = "Esc goes back to the walk";
/// Below the model.
pub(crate) const LARGER_MODEL: &str =
    "A larger one: `rhea models list` says what is at hand, and --model DIR takes it.";
/// In empty fields, and their buttons.
pub(crate) const CAPTION_HINT: &str = "a room with teal walls and a red door";
/// See [`CAPTION_HINT`].
pub(crate) const IMAGINE: &str = "Imagine";
/// See [`CAPTION_HINT`].
pub(crate) const PICTURE_HINT: &str = "path of a PNG or JPEG, or drop a file on the window";
/// See [`CAPTION_HINT`].
pub(crate) const BEGIN: &str = "Begin";
/// See [`CAPTION_HINT`].
pub(crate) const REVIEW: &str = "Review";
/// When there is nothing to offer.
pub(crate) const NO_SCENES: &str = "none found; start Rhea inside the repository";
/// See [`NO_SCENES`].
pub(crate) const LOOKING: &str = "looking for recent walks …";
/// See [`NO_SCENES`].
pub(crate) const NO_WALKS: &str = "no walk was recorded here yet";
/// What came of a choice.
pub(crate) const OPENING: &str = "Opening in a window of its own.";
/// See [`OPENING`].
pub(crate) const IN_TERMINAL: &str = "Start it in a terminal: rhea review FILE, rhea plan FILE --watch.";
/// See [`OPENING`].
pub(crate) const DROP: &str = "Drop a scene (.ron), a picture (.png, .jpg), a world (.world) or a recording (.mcap).";

// What happened.

/// After a cancel.
pub(crate) const STOPPED: &str = "Stopped; nothing changed.";
/// Beside a picture that could not be written.
pub(crate) const MAKE_ROOM: &str = "Choose another folder with --out, or make room; the walk goes on.";
/// When the session is gone.
pub(crate) const ALL_IS_SAVED: &str = "Close the window; everything walked so far is saved.";
/// When the walker stops walking by itself.
pub(crate) const YOU_WALK: &str = "You walk again.";
/// After a bookmark.
pub(crate) const KEPT: &str = "This view is kept for good.";
/// When something is asked without a world.
pub(crate) const NO_WORLD: &str = "No world is open.";
/// See [`NO_WORLD`].
pub(crate) const BEGIN_ONE: &str = "Begin one on the start page.";
/// After an internal error.
pub(crate) const RESTART: &str =
    "Your walk so far is saved. Press Enter and start a new world, or close the window and start again.";
/// When a walk cannot branch.
pub(crate) const NO_MEMORY: &str = "It is no walk of Rhea's memory.";

/// A move that was cut short.
pub(crate) fn in_the_way(walked_m: f32, asked_m: f32) -> String {
    format!("Something is in the way: walked {walked_m:.2} of {asked_m:.2} m.")
}

/// When the walker begins to walk by itself.
pub(crate) fn roams(stop: &str, roam: &str) -> String {
    format!("Walking by itself; any move, {stop} or {roam} ends it.")
}

/// An internal error.
pub(crate) fn internal(what: &str, message: &str) -> String {
    format!("An internal error stopped {what}: {message}.")
}

/// A walk that cannot branch.
pub(crate) fn no_branch(step: u64) -> String {
    format!("This walk cannot branch at step {step}.")
}

/// Name of the view.
pub(crate) fn view(step: u64, told: &str) -> String {
    format!("View of step {step}. {told}")
}

/// What was said about an earlier view.
pub(crate) fn told_before(step: u64, told: &str) -> String {
    format!("step {step}: {told}")
}

/// A small picture of the strip.
pub(crate) fn strip(step: u64, verdict: &str, told: &str) -> String {
    format!("step {step}, {verdict}. {told}")
}

/// Above an earlier view.
pub(crate) fn looking_back(step: u64) -> String {
    format!("Looking back at step {step}")
}

/// After a branch.
pub(crate) fn another_walk(step: u64) -> String {
    format!("Another walk, from step {step} on.")
}

/// Where the walk is.
pub(crate) fn step(step: u64) -> String {
    format!("step {step}")
}

/// How fast it is.
pub(crate) fn rate(views_per_sec: Option<f32>) -> String {
    views_per_sec.map_or_else(|| "– views/s".to_owned(), |rate| format!("{rate:.1} views/s"))
}

/// How long the last view took.
pub(crate) fn latency(ms: f32) -> String {
    format!("{ms:.0} ms")
}

/// While the walk is held.
pub(crate) fn paused(waiting: usize) -> String {
    match waiting {
        0 => "paused".to_owned(),
        waiting => format!("paused, {waiting} moves waiting"),
    }
}

/// Which key shows all others.
pub(crate) fn help_key(key: &str) -> String {
    format!("{key} help")
}

/// Moves that were refused.
pub(crate) fn left_out(count: u64) -> String {
    format!("{count} moves left out")
}

/// Moves that wait.
pub(crate) fn waiting(count: usize, most: usize) -> String {
    format!("{count} of {most} waiting")
}

/// Who draws.
pub(crate) fn imagined_by(model: &str) -> String {
    format!("imagined by {model}")
}

/// What memory knew of a view.
pub(crate) fn known(share: f32, verdict: Verdict) -> String {
    format!("{:.0} % of this view from memory: {}", share * 100.0, verdict.word())
}

/// Name of the map.
pub(crate) fn map(facts: &MapFacts) -> String {
    format!("Map of the walk: {}", map_counts(facts))
}

/// Below the map.
pub(crate) fn map_counts(facts: &MapFacts) -> String {
    let (views, places, loops) = (facts.views.len(), facts.places.len(), facts.loops());
    format!("{views} views, {places} places, {loops} loops, {:.0} m² seen", facts.seen_m2)
}

/// At the foot of the help page.
pub(crate) fn holding(queue: usize) -> String {
    format!(
        "Hold a key to keep walking. Up to {queue} moves wait while a view is drawn; more are left out. \
         A new move cuts the narration short, never the view."
    )
}

/// A file that was dropped.
pub(crate) fn nothing_to_begin(file: &Path) -> String {
    format!("{} is nothing to begin with.", file.display())
}

/// A window that could not be opened.
pub(crate) fn not_started(program: &Path, why: &std::io::Error) -> String {
    format!("{} could not be started: {why}", program.display())
}

/// A recent walk.
pub(crate) fn walked(steps: usize, age: &str) -> String {
    match steps {
        1 => format!("1 step, {age}"),
        steps => format!("{steps} steps, {age}"),
    }
}

//! What the window of `rhea review` says, in one place.

/// Signs stand beside words, so that colour is not all there is.
pub(crate) const ACCEPT: &str = "✔ accept";
/// See [`ACCEPT`].
pub(crate) const REJECT: &str = "✖ reject";
/// In an empty note.
pub(crate) const NOTE: &str = "a note about this step";
/// In an empty search.
pub(crate) const SEARCH: &str = "words to look for";
/// Before the reason.
pub(crate) const LABELS_WAIT: &str = "the labels are not kept yet";
/// Before the reason.
pub(crate) const LABELS_LOST: &str = "the labels could not be saved";
/// Before the labels.
pub(crate) const LABELS_SAY: &str = "This is what they say:";
/// Title of the window.
pub(crate) const TITLE: &str = "Rhea review";
/// Below the keys of the help page.
pub(crate) const HELP_FOOT: &str =
    "The timeline takes the mouse. Labels are kept in a file beside the recording, which is never written to.";
/// Name of the timeline.
pub(crate) const TIMELINE: &str = "timeline of the recording";
/// While there is none.
pub(crate) const NO_RECORD: &str = "no record yet";
/// When two recordings are the same.
pub(crate) const NO_DIFFERENCE: &str = "no record differs";
/// When the search for failed checks ends.
pub(crate) const NO_GRAVE: &str = "no further failed check";
/// While it plays, and while it does not.
pub(crate) const PLAYS: &str = "▶ plays";
/// See [`PLAYS`].
pub(crate) const PAUSED: &str = "⏸ paused";

/// Where two recordings part.
pub(crate) fn they_part(record: usize, what: &str) -> String {
    format!("they part at record {record}: {what}")
}

/// While a branch is saved.
pub(crate) fn branching(record: usize) -> String {
    format!("saving the world at record {record} …")
}

/// When a branch was saved.
pub(crate) fn branched(path: &std::path::Path) -> String {
    format!("saved: rhea explore --world {}", path.display())
}

/// When a search found nothing.
pub(crate) fn not_said(text: &str) -> String {
    format!("`{text}` was not said")
}

/// How often words were found.
pub(crate) fn hits(count: usize) -> String {
    format!("in {count} records")
}

/// A recording that breaks off.
pub(crate) fn cut(offset: u64, lost_bytes: u64) -> String {
    format!("cut at byte {offset}: {lost_bytes} bytes are lost")
}

/// Where the playhead is.
pub(crate) fn record_of(at: usize, last: usize) -> String {
    format!("record {at} of {last}")
}

/// Where the walker is.
pub(crate) fn stands(step: u64, [x, _, z]: [f32; 3], yaw_deg: f32) -> String {
    format!("step {step}, at {x:.2}, {z:.2} m, heading {yaw_deg:.0} degrees")
}

/// What memory knew.
pub(crate) fn recalled(coverage: f32, sources: &[u64], agreement_db: Option<f32>) -> String {
    let from: Vec<String> = sources.iter().map(u64::to_string).collect();
    let agreement = agreement_db.map_or_else(String::new, |db| format!(", agrees to {db:.1} dB"));
    format!("{:.0} % known, from views {}{agreement}", 100.0 * coverage, from.join(", "))
}

/// A picture that was checked.
pub(crate) fn candidate(kind: &str, worst: f32, bad_cells: u32, stored: bool) -> String {
    let stored = if stored { ", stored" } else { "" };
    format!("  {kind}: worst cell {worst:.1}, {bad_cells} bad{stored}")
}

//! The side of the window: what a record says, what people say about it, and the keys.

use bevy_egui::egui::{self, RichText};
use rhea_session::replay::{Replay, StepRecord};
use rhea_session::review::{Label, Tape};
use rhea_window::actions::ActionId;
use rhea_window::bindings::Bindings;
use rhea_window::{Device, reminders, theme};

use crate::timeline::colour;
use crate::{labels, words};

/// The actions that the status line reminds of.
const REMINDERS: [ActionId; 11] = [
    ActionId::Play,
    ActionId::Previous,
    ActionId::Next,
    ActionId::Faster,
    ActionId::NextFailed,
    ActionId::Accept,
    ActionId::Reject,
    ActionId::Search,
    ActionId::Branch,
    ActionId::Palette,
    ActionId::Help,
];

/// What was done with the mouse or typed.
#[derive(Default)]
pub(crate) struct Done {
    /// A label that was changed.
    pub label: Option<Label>,
    /// Go to the next record with the words.
    pub next_hit: bool,
}

/// Text that is being typed.
#[derive(Default)]
pub(crate) struct Typed {
    /// Words to look for.
    pub search: String,
    /// Put the cursor there.
    pub focus: bool,
}

/// The record at the playhead, its label, and the search.
pub(crate) fn side(
    ui: &mut egui::Ui,
    replay: &Replay,
    tape: &Tape,
    label: &Label,
    typed: &mut Typed,
    news: Option<&str>,
) -> Done {
    let mut done = Done::default();
    let header = &replay.header;
    ui.label(RichText::new(&header.start).strong());
    ui.label(RichText::new(format!("{}, seed {}", header.model, header.seed)).small().color(theme::DIM));
    if let Some(torn) = &replay.torn {
        let what = words::cut(torn.offset, torn.lost_bytes);
        ui.label(RichText::new(what).small().color(theme::WARN));
    }
    ui.separator();
    let Some(record) = replay.steps.get(tape.at()) else {
        ui.label(words::NO_RECORD);
        return done;
    };
    ui.label(RichText::new(words::record_of(tape.at(), tape.len().saturating_sub(1))).color(theme::DIM));
    ui.label(RichText::new(&record.command).heading());
    if let Some(mark) = tape.mark(tape.at()) {
        ui.label(RichText::new(mark.word()).strong().color(colour(mark)));
    }
    facts(ui, record);
    if let Some(narration) = record.narration.as_ref().filter(|narration| !narration.text.is_empty()) {
        ui.separator();
        ui.label(RichText::new(&narration.text).size(theme::NARRATION_PT));
    }
    ui.separator();
    done.label = labels::edit(ui, label);
    ui.separator();
    let field = ui.add(egui::TextEdit::singleline(&mut typed.search).hint_text(words::SEARCH));
    if std::mem::take(&mut typed.focus) {
        field.request_focus();
    }
    done.next_hit = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    if !typed.search.trim().is_empty() {
        let hits = tape.search(&typed.search).len();
        ui.label(RichText::new(words::hits(hits)).small().color(theme::DIM));
    }
    if let Some(news) = news {
        ui.separator();
        ui.label(RichText::new(news).color(theme::NEWS));
    }
    done
}

fn facts(ui: &mut egui::Ui, record: &StepRecord) {
    let mut small = |text: String| ui.label(RichText::new(text).small().color(theme::DIM));
    if let Some(note) = &record.note {
        small(note.clone());
    }
    small(words::stands(record.step, record.pose.position_m, record.pose.yaw_rad.to_degrees()));
    if let Some(recall) = &record.recall {
        small(words::recalled(recall.coverage, &recall.sources, recall.agreement_db));
    }
    if let Some(check) = &record.check {
        small(format!("verdict {:?}", check.verdict).to_lowercase());
        for (index, candidate) in check.candidates.iter().enumerate() {
            let kind = format!("{:?}", candidate.kind).to_lowercase();
            small(words::candidate(&kind, candidate.worst, candidate.bad_cells, index == check.chosen as usize));
        }
    }
    small(format!("{:.0} ms", 1e3 * record.timings.total_secs()));
}

/// Playing or not, and the keys; returns the action that was clicked.
pub(crate) fn status(ui: &mut egui::Ui, tape: &Tape, bindings: &Bindings, device: Device) -> Option<ActionId> {
    ui.horizontal_wrapped(|ui| {
        let (word, colour) = if tape.plays() { (words::PLAYS, theme::NEWS) } else { (words::PAUSED, theme::WARN) };
        ui.label(RichText::new(format!("{word} {}x", tape.speed())).color(colour));
        reminders(ui, &REMINDERS, bindings, device)
    })
    .inner
}

//! Everything around the view: narration, status line, side panel, banner. It reads [`Walk`] and changes nothing in it but
//! the banner.

use bevy_egui::egui::{self, Color32, CornerRadius, Frame, Margin, RichText, vec2};

use crate::link::MOVE_QUEUE;
use crate::report::Failure;
use crate::walk::{Banner, Walk, Weight};
use crate::words;
use rhea_window::Device;
use rhea_window::access;
use rhea_window::actions::{ActionId, action};
use rhea_window::bindings::Bindings;
use rhea_window::theme;

/// Height kept for the narration, points; more scrolls.
const NARRATION_HEIGHT: f32 = 76.0;
/// Earlier narrations that can be scrolled back to.
const LOG: usize = 50;
/// The actions that the side panel reminds of.
const REMINDERS: [ActionId; 15] = [
    ActionId::Forward,
    ActionId::Back,
    ActionId::StepLeft,
    ActionId::StepRight,
    ActionId::TurnLeft,
    ActionId::TurnRight,
    ActionId::Undo,
    ActionId::Roam,
    ActionId::Origins,
    ActionId::Text,
    ActionId::Branch,
    ActionId::Export,
    ActionId::Start,
    ActionId::Palette,
    ActionId::Help,
];

/// The words about the view, and above them what was said before; a click on a thing that memory knows walks there.
pub fn narration(ui: &mut egui::Ui, walk: &Walk) -> Option<String> {
    let mut clicked = None;
    ui.set_min_height(NARRATION_HEIGHT);
    egui::ScrollArea::vertical().max_height(NARRATION_HEIGHT).stick_to_bottom(true).auto_shrink([false, false]).show(
        ui,
        |ui| {
            let last = walk.trail.len().saturating_sub(1);
            for (place, seen) in walk.trail.iter().enumerate().take(last).skip(last.saturating_sub(LOG)) {
                let told = walk.told_at(place);
                if !told.is_empty() {
                    ui.label(RichText::new(words::told_before(seen.step, told)).small().color(theme::DIM));
                }
            }
            let colour = if walk.seen.is_some() { theme::TEXT } else { theme::DIM };
            let said = |text: &str| RichText::new(text).size(theme::NARRATION_PT).color(colour);
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                let things = walk.map.things.iter().map(|thing| thing.name.as_str());
                for part in parts(&walk.narration, things) {
                    match part {
                        Part::Words(text) => {
                            ui.label(said(text));
                        }
                        Part::Thing(name) => {
                            let link = egui::Link::new(RichText::new(name).size(theme::NARRATION_PT));
                            if ui.add(link).on_hover_text(words::GO_THERE).clicked() {
                                clicked = Some(name.to_owned());
                            }
                        }
                    }
                }
                if walk.talking {
                    ui.label(said(" …"));
                }
            });
        },
    );
    clicked
}

/// A part of what is said.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    Words(&'a str),
    /// The name of a thing that memory knows.
    Thing(&'a str),
}

/// Cuts what is said at the names of things; of two names that fit, the longer one counts.
fn parts<'a>(text: &'a str, things: impl Iterator<Item = &'a str>) -> Vec<Part<'a>> {
    let mut names: Vec<&str> = things.filter(|name| !name.is_empty()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.dedup();
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let first = names.iter().filter_map(|name| rest.find(name).map(|at| (at, name.len())));
        let Some((at, length)) = first.min_by_key(|(at, length)| (*at, std::cmp::Reverse(*length))) else { break };
        let (before, from) = rest.split_at(at);
        let (thing, after) = from.split_at(length);
        if !before.is_empty() {
            parts.push(Part::Words(before));
        }
        parts.push(Part::Thing(thing));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Words(rest));
    }
    parts
}

/// Said over a view of which nothing was recalled.
pub fn no_origins(painter: &egui::Painter, rect: egui::Rect) {
    let font = egui::FontId::proportional(14.0);
    let at = rect.left_top() + vec2(12.0, 12.0);
    let galley = painter.layout(words::NO_ORIGINS.to_owned(), font, theme::TEXT, (rect.width() - 24.0).max(80.0));
    let card = egui::Rect::from_min_size(at, galley.size()).expand(6.0);
    painter.rect_filled(card, CornerRadius::same(5), theme::BACKGROUND.gamma_multiply(0.82));
    painter.galley(at, galley, theme::TEXT);
}

/// What is being done, in one line.
#[must_use]
pub fn doing(walk: &Walk, waiting: usize) -> (String, Color32) {
    match (&walk.running, walk.paused) {
        (Some(command), _) => {
            let part = match (walk.doing.as_str(), walk.talking) {
                ("", true) => words::TELLING,
                ("", false) => words::DRAWING,
                (doing, _) => doing,
            };
            (format!("{part}: {command}"), theme::ACCENT)
        }
        (None, true) => (words::paused(waiting), theme::WARN),
        (None, false) if walk.roaming => (words::ROAMING.to_owned(), theme::ACCENT),
        (None, false) => (words::READY.to_owned(), theme::NEWS),
    }
}

/// The status line at the bottom; `help` names the control that shows all others.
pub fn status(ui: &mut egui::Ui, walk: &Walk, waiting: usize, help: &str) {
    ui.horizontal(|ui| {
        let (text, colour) = doing(walk, waiting);
        ui.label(RichText::new(words::step(walk.step())).strong());
        separator(ui);
        ui.label(words::rate(walk.views_per_sec()));
        if walk.last_view_ms > 0.0 {
            separator(ui);
            ui.label(words::latency(walk.last_view_ms));
        }
        separator(ui);
        ui.add(egui::Label::new(RichText::new(text).color(colour)).truncate());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(words::help_key(help)).color(theme::DIM));
            if walk.refused > 0 {
                ui.label(RichText::new(words::left_out(walk.refused)).color(theme::WARN));
            }
            if waiting > 0 {
                ui.label(RichText::new(words::waiting(waiting, MOVE_QUEUE)).color(theme::DIM));
            }
        });
    });
}

fn separator(ui: &mut egui::Ui) {
    ui.label(RichText::new("·").color(theme::DIM));
}

/// World, model, the last step's facts, and the keys one needs first.
pub fn side(ui: &mut egui::Ui, walk: &Walk) {
    ui.label(RichText::new(if walk.world.is_empty() { words::NAME } else { &walk.world }).heading());
    if !walk.model.is_empty() {
        ui.label(RichText::new(words::imagined_by(&walk.model)).color(theme::DIM));
    }
    if let Some(seen) = &walk.seen {
        ui.add_space(4.0);
        if let Some((share, verdict)) = seen.known {
            ui.label(RichText::new(words::known(share, verdict)).small().color(theme::DIM));
        }
        if !seen.remark.is_empty() {
            ui.label(RichText::new(&seen.remark).color(theme::WARN));
        }
    }
}

/// Most things with names that are listed.
const THINGS: usize = 12;

/// The things that memory knows by name; returns the one that was clicked, to be walked to.
pub fn things(ui: &mut egui::Ui, walk: &Walk) -> Option<String> {
    let mut names: Vec<&str> = walk.map.things.iter().map(|thing| thing.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let mut clicked = None;
    ui.label(RichText::new(words::THINGS).small().color(theme::DIM));
    ui.horizontal_wrapped(|ui| {
        for name in names.into_iter().take(THINGS) {
            if ui.button(RichText::new(name).small()).clicked() {
                clicked = Some(name.to_owned());
            }
        }
    });
    ui.add_space(8.0);
    clicked
}

/// The keys that one needs first; returns the action that was clicked.
pub fn reminders(ui: &mut egui::Ui, bindings: &Bindings, device: Device) -> Option<ActionId> {
    let mut clicked = None;
    egui::Grid::new("reminders").num_columns(2).spacing(vec2(14.0, 3.0)).show(ui, |ui| {
        for id in REMINDERS {
            let row = action(id);
            ui.label(RichText::new(device.names(bindings.of(id))).small().color(theme::ACCENT));
            let button = egui::Button::new(RichText::new(row.label).small().color(theme::DIM)).frame(false);
            if ui.add(button).on_hover_text(row.help).clicked() {
                clicked = Some(id);
            }
            ui.end_row();
        }
    });
    clicked
}

/// The banner, if there is one; returns true when it was dismissed.
pub fn banner(ui: &mut egui::Ui, banner: &Banner) -> bool {
    let colour = match banner.weight {
        Weight::News => theme::NEWS,
        Weight::Warning => theme::WARN,
        Weight::Error => theme::ERROR,
    };
    let frame =
        Frame::NONE.fill(theme::CARD).inner_margin(Margin::symmetric(14, 9)).corner_radius(CornerRadius::same(8));
    frame
        .stroke(egui::Stroke::new(1.0_f32, colour))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                let Failure { what, hint } = &banner.message;
                ui.vertical(|ui| {
                    ui.set_max_width((ui.available_width() - 40.0).max(80.0));
                    ui.label(RichText::new(what).color(colour));
                    if !hint.is_empty() {
                        ui.label(hint);
                    }
                });
                let cross = egui::Button::new(RichText::new("×").heading()).frame(false);
                let closes = |ui: &mut egui::Ui| {
                    let response = ui.add(cross);
                    access::name(&response, egui::WidgetType::Button, words::CLOSE);
                    response.clicked()
                };
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), closes).inner
            })
            .inner
        })
        .inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_that_memory_knows_are_cut_out_of_the_narration() {
        let text = "You see a red door on the left and a door ahead.";
        let cut = parts(text, ["door", "red door", "", "lamp"].into_iter());
        let words = |text| Part::Words(text);
        assert_eq!(
            cut,
            [
                words("You see a "),
                Part::Thing("red door"),
                words(" on the left and a "),
                Part::Thing("door"),
                words(" ahead.")
            ]
        );
        assert_eq!(parts(text, std::iter::empty()), [words(text)]);
        assert_eq!(parts("", ["door"].into_iter()), []);
    }

    #[test]
    fn the_status_names_what_is_being_done() {
        let mut walk = Walk::default();
        assert_eq!(doing(&walk, 0).0, "ready");
        walk.running = Some("turn around".to_owned());
        assert_eq!(doing(&walk, 0).0, "drawing: turn around");
        walk.talking = true;
        assert_eq!(doing(&walk, 0).0, "telling: turn around");
        walk.doing = "loading the model".to_owned();
        assert_eq!(doing(&walk, 0).0, "loading the model: turn around");
        walk = Walk::default();
        walk.paused = true;
        assert_eq!(doing(&walk, 2).0, "paused, 2 moves waiting");
    }
}

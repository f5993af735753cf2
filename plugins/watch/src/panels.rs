//! What stands around the scene: the list of steps, the checks of the chosen one, the key-frames. Drawn from the [`Player`].

use bevy_egui::egui::{self, Color32, CornerRadius, RichText, Sense, pos2, vec2};
use rhea_explore::{Picture, theme};
use rhea_physics::checks::{Check, Verdict, line};

use crate::keys::KEYS;
use crate::player::{Player, deciding};

/// Size of a margin's bar, points.
const BAR: egui::Vec2 = vec2(90.0, 10.0);
/// Width kept for the codes of checks, points.
const CODE_WIDTH: f32 = 110.0;
/// Side of a key-frame on screen, points.
const KEY_FRAME: f32 = 168.0;
/// Height kept for the list of steps, points; more scrolls.
const STEPS_HEIGHT: f32 = 230.0;
/// Most letters of a step's words in the list.
const STEP_CHARS: usize = 30;

/// A verdict's word and colour.
pub(crate) fn verdict(verdict: Verdict) -> (&'static str, Color32) {
    match verdict {
        Verdict::Pass => ("pass", theme::NEWS),
        Verdict::Warn => ("close", theme::WARN),
        Verdict::Reject => ("REJECT", theme::ERROR),
        Verdict::Unknown => ("unknown", theme::DIM),
    }
}

/// What was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clicked {
    Step(usize),
    Check(usize),
}

/// Title, steps, and the checks of the chosen step.
pub(crate) fn side(ui: &mut egui::Ui, title: &str, player: &Player) -> Option<Clicked> {
    let mut clicked = None;
    ui.label(RichText::new(title).heading());
    egui::ScrollArea::vertical().id_salt("steps").max_height(STEPS_HEIGHT).auto_shrink([false, false]).show(ui, |ui| {
        for (index, step) in player.steps().iter().enumerate() {
            let (word, colour) = verdict(step.report.verdict);
            let words: String = step.report.text.chars().take(STEP_CHARS).collect();
            let text = RichText::new(format!("{}. {words}", step.report.step)).color(colour);
            ui.horizontal(|ui| {
                if ui.selectable_label(player.index() == Some(index), text).clicked() {
                    clicked = Some(Clicked::Step(index));
                }
                let decides = deciding(&step.report.checks).map(|i| &step.report.checks[i]);
                let margin = decides.map_or_else(String::new, |c| format!(" {} {:+.2}", c.code.name(), c.margin));
                ui.label(RichText::new(format!("{word}{margin}")).small().color(colour));
            });
        }
        match player.end() {
            Some((says, good)) => {
                ui.label(RichText::new(says).color(if *good { theme::NEWS } else { theme::ERROR }));
            }
            None => {
                ui.label(RichText::new("planning …").color(theme::DIM));
            }
        }
    });
    ui.separator();
    let chosen = player.check().map(|(index, _)| index);
    egui::ScrollArea::vertical().id_salt("checks").auto_shrink([false, false]).show(ui, |ui| {
        let Some(step) = player.step() else { return };
        let widest = ui.available_width() - BAR.x - CODE_WIDTH - 20.0;
        egui::Grid::new("checks").num_columns(3).max_col_width(widest).spacing(vec2(10.0, 2.0)).show(ui, |ui| {
            for (index, check) in step.report.checks.iter().enumerate() {
                let (word, colour) = verdict(check.verdict);
                let name = RichText::new(check.code.name()).small().color(colour);
                if ui.selectable_label(chosen == Some(index), name).clicked() {
                    clicked = Some(Clicked::Check(index));
                }
                margin_bar(ui, check, colour);
                ui.add(egui::Label::new(RichText::new(value(check, word)).small()).truncate());
                ui.end_row();
            }
        });
    });
    clicked
}

/// What was measured, with its bound.
fn value(check: &Check, word: &str) -> String {
    match check.unit.as_str() {
        "holds" | "" => word.to_owned(),
        unit => format!("{:.4} / {:.4} {unit}", check.value, check.threshold),
    }
}

/// A bar from the middle: to the right is room left, to the left is too much.
fn margin_bar(ui: &mut egui::Ui, check: &Check, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(BAR, Sense::hover());
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(2), theme::CARD);
    if check.verdict != Verdict::Unknown {
        let middle = rect.center().x;
        let end = middle + check.margin.clamp(-1.0, 1.0) as f32 * rect.width() / 2.0;
        let bar = egui::Rect::from_min_max(pos2(middle.min(end), rect.top()), pos2(middle.max(end), rect.bottom()));
        painter.rect_filled(bar, CornerRadius::same(2), colour);
    }
    painter.vline(rect.center().x, rect.y_range(), egui::Stroke::new(1.0_f32, theme::DIM));
}

/// The key-frames of the step side by side, and what the chosen check says.
pub(crate) fn foot(ui: &mut egui::Ui, player: &Player, truth: &Picture, imagined: &Picture) {
    ui.horizontal(|ui| {
        let step = player.step();
        let behind =
            if step.is_none_or(|s| s.executed) { "simulated: behind the step" } else { "simulated: before the step" };
        frame(ui, behind, step.is_some().then_some(truth), "no step yet");
        let shown = step.filter(|s| s.imagined.is_some()).map(|_| imagined);
        frame(ui, "generated key-frame", shown, "none was drawn");
        ui.vertical(|ui| {
            ui.set_max_width((ui.available_width() - 8.0).max(80.0));
            let Some(step) = step else { return };
            let (word, colour) = verdict(step.report.verdict);
            ui.label(RichText::new(format!("step {}: {word}", step.report.step)).strong().color(colour));
            ui.label(&step.report.text);
            if let Some((_, check)) = player.check() {
                ui.label(RichText::new(line(check)).color(verdict(check.verdict).1));
            }
            if !step.executed {
                ui.label(RichText::new("not carried out; the arm shows what was judged").small().color(theme::DIM));
            }
        });
    });
}

fn frame(ui: &mut egui::Ui, title: &str, picture: Option<&Picture>, otherwise: &str) {
    ui.vertical(|ui| {
        ui.label(RichText::new(title).small().color(theme::DIM));
        let (rect, _) = ui.allocate_exact_size(vec2(KEY_FRAME, KEY_FRAME), Sense::hover());
        ui.painter().rect_filled(rect, CornerRadius::same(4), theme::CARD);
        match picture {
            Some(picture) => picture.draw(ui.painter(), rect, Color32::WHITE),
            None => {
                let font = egui::FontId::proportional(13.0);
                ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, otherwise, font, theme::DIM);
            }
        }
    });
}

/// Progress of the step, and the keys.
pub(crate) fn status(ui: &mut egui::Ui, player: &Player) {
    ui.horizontal(|ui| {
        let (word, colour) = if player.runs() { ("runs", theme::NEWS) } else { ("paused", theme::WARN) };
        ui.label(RichText::new(word).color(colour));
        ui.add(egui::ProgressBar::new(player.share()).desired_width(120.0).desired_height(8.0));
        for (_, _, words) in KEYS {
            ui.label(RichText::new(words).small().color(theme::DIM));
        }
        ui.label(RichText::new("drag to turn, scroll to zoom").small().color(theme::DIM));
    });
}

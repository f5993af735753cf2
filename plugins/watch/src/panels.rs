//! What stands around the scene: the list of steps, the checks of the chosen one, the key-frames. Drawn from the [`Player`].

use bevy_egui::egui::text::{CCursor, CCursorRange};
use bevy_egui::egui::{self, Color32, CornerRadius, RichText, Sense, pos2, vec2};
use rhea_physics::checks::{Check, Verdict, line};
use rhea_review::edit_label;
use rhea_session::review::Label;
use rhea_window::actions::ActionId;
use rhea_window::bindings::Bindings;
use rhea_window::{Device, Picture, access, reminders, theme};

use crate::compare;
use crate::player::{Player, deciding};
use crate::words;

/// Size of a margin's bar, points.
const BAR: egui::Vec2 = vec2(90.0, 10.0);
/// Width kept for the codes of checks, points.
const CODE_WIDTH: f32 = 110.0;
/// Side of a key-frame on screen, points.
const KEY_FRAME: f32 = 168.0;
/// Height kept for the list of steps, points; more scrolls.
const STEPS_HEIGHT: f32 = 210.0;
/// Most letters of a step's words in the list.
const STEP_CHARS: usize = 30;
/// Longest instruction, letters.
const INSTRUCTION_CHARS: usize = rhea_physics::limits::MAX_SENTENCE_BYTES / 4;

/// The actions that the status line reminds of.
const REMINDERS: [ActionId; 11] = [
    ActionId::Play,
    ActionId::Previous,
    ActionId::Next,
    ActionId::Faster,
    ActionId::NextFailed,
    ActionId::NextCheck,
    ActionId::MoveThings,
    ActionId::Edit,
    ActionId::Accept,
    ActionId::Palette,
    ActionId::Help,
];

/// A verdict's colour.
pub(crate) fn colour(verdict: Verdict) -> Color32 {
    match verdict {
        Verdict::Pass => theme::NEWS,
        Verdict::Warn => theme::WARN,
        Verdict::Reject => theme::ERROR,
        Verdict::Unknown => theme::DIM,
    }
}

/// What somebody writes into the window.
#[derive(Default)]
pub(crate) struct Typed {
    /// Other words for the step.
    pub instruction: String,
    /// The step that they are for.
    pub of: Option<usize>,
    /// Put the cursor there.
    pub focus: bool,
}

/// What stands in the side panel besides the film.
pub(crate) struct Side<'a> {
    /// Name of the scene.
    pub title: &'a str,
    /// Can the plan be changed now?
    pub changes: bool,
    /// Is a change being judged?
    pub busy: bool,
    /// The label of the chosen step, where labels can be kept.
    pub label: Option<&'a Label>,
    /// News.
    pub news: Option<&'a str>,
}

/// What was clicked or written.
#[derive(Default)]
pub(crate) struct Done {
    /// A step was chosen.
    pub step: Option<usize>,
    /// A check was chosen.
    pub check: Option<usize>,
    /// The step is to be judged with other words.
    pub recheck: Option<String>,
    /// The mouse is to move things, or not.
    pub moves: Option<bool>,
    /// A label was changed.
    pub label: Option<Label>,
}

/// Title, steps, what can be changed, and the checks of the chosen step.
pub(crate) fn side(ui: &mut egui::Ui, side: &Side<'_>, player: &Player, typed: &mut Typed, moves: bool) -> Done {
    let mut done = Done::default();
    ui.label(RichText::new(side.title).heading());
    egui::ScrollArea::vertical().id_salt("steps").max_height(STEPS_HEIGHT).auto_shrink([false, false]).show(ui, |ui| {
        steps(ui, player, side.busy, &mut done);
    });
    if let Some(news) = side.news {
        ui.label(RichText::new(news).small().color(theme::ACCENT));
    }
    ui.separator();
    if side.changes {
        change(ui, side.busy, player, typed, moves, &mut done);
    }
    if let Some(label) = side.label {
        done.label = edit_label(ui, label);
    }
    ui.separator();
    let chosen = player.check().map(|(index, _)| index);
    egui::ScrollArea::vertical().id_salt("checks").auto_shrink([false, false]).show(ui, |ui| {
        let Some(step) = player.step() else { return };
        let widest = ui.available_width() - BAR.x - CODE_WIDTH - 20.0;
        egui::Grid::new("checks").num_columns(3).max_col_width(widest).spacing(vec2(10.0, 2.0)).show(ui, |ui| {
            for (index, check) in step.report.checks.iter().enumerate() {
                let colour = colour(check.verdict);
                let name = RichText::new(check.code.name()).small().color(colour);
                if ui.selectable_label(chosen == Some(index), name).clicked() {
                    done.check = Some(index);
                }
                margin_bar(ui, check, colour);
                ui.add(egui::Label::new(RichText::new(words::measured(check)).small()).truncate());
                ui.end_row();
            }
        });
    });
    done
}

fn steps(ui: &mut egui::Ui, player: &Player, busy: bool, done: &mut Done) {
    for (index, step) in player.steps().iter().enumerate() {
        let report = &step.report;
        let tint = colour(report.verdict);
        let said = if report.text.is_empty() { report.skill.as_ref().map(ToString::to_string) } else { None };
        let words: String = said.as_ref().unwrap_or(&report.text).chars().take(STEP_CHARS).collect();
        let text = RichText::new(format!("{}. {words}", report.step)).color(tint);
        ui.horizontal(|ui| {
            if ui.selectable_label(player.index() == Some(index), text).clicked() {
                done.step = Some(index);
            }
            let decides = deciding(&report.checks).and_then(|i| report.checks.get(i));
            let margin = decides.map_or_else(String::new, |c| format!(" {} {:+.2}", c.code.name(), c.margin));
            let word = words::verdict(report.verdict);
            ui.label(RichText::new(format!("{word}{margin}")).small().color(tint));
        });
    }
    match player.end() {
        Some(end) => {
            let tint = if end.good { theme::NEWS } else { theme::ERROR };
            ui.label(RichText::new(&end.says).color(tint));
            for line in end.account.iter().flat_map(words::repairs) {
                ui.label(RichText::new(line).small().color(theme::DIM));
            }
        }
        None => {
            ui.label(RichText::new(if busy { words::CHECKING } else { words::PLANNING }).color(theme::DIM));
        }
    }
}

/// Other words for the step, and moving things.
fn change(ui: &mut egui::Ui, busy: bool, player: &Player, typed: &mut Typed, moves: bool, done: &mut Done) {
    if typed.of != player.index() {
        typed.of = player.index();
        typed.instruction = player.step().map_or_else(String::new, |step| match step.report.text.as_str() {
            "" => step.report.skill.as_ref().map(ToString::to_string).unwrap_or_default(),
            text => text.to_owned(),
        });
    }
    ui.add_enabled_ui(!busy && player.step().is_some(), |ui| {
        let edit = egui::TextEdit::singleline(&mut typed.instruction);
        let edit = edit.hint_text(words::INSTRUCTION).char_limit(INSTRUCTION_CHARS);
        let mut shown = edit.desired_width(ui.available_width()).show(ui);
        let field = shown.response.response;
        if std::mem::take(&mut typed.focus) {
            // What is typed takes the place of the old words.
            let all = CCursorRange::two(CCursor::new(0), CCursor::new(typed.instruction.chars().count()));
            shown.state.cursor.set_char_range(Some(all));
            shown.state.store(ui.ctx(), field.id);
            field.request_focus();
        }
        let enter = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        ui.horizontal(|ui| {
            let ready = !typed.instruction.trim().is_empty();
            if ui.add_enabled(ready, egui::Button::new(words::RECHECK)).clicked() || (enter && ready) {
                done.recheck = Some(typed.instruction.trim().to_owned());
            }
            let mut on = moves;
            if ui.checkbox(&mut on, words::MOVE_THINGS).changed() {
                done.moves = Some(on);
            }
        });
    });
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

/// The key-frames of the step side by side and in one, and what the chosen check says.
pub(crate) fn foot(ui: &mut egui::Ui, player: &Player, truth: &Picture, imagined: &Picture, share: &mut f32) {
    ui.horizontal(|ui| {
        let step = player.step();
        let behind = if step.is_none_or(|s| s.executed) { words::BEHIND } else { words::BEFORE };
        frame(ui, behind, step.is_some().then_some(truth), words::NO_STEP);
        let drawn = step.filter(|s| s.imagined.is_some());
        frame(ui, words::KEY_FRAME, drawn.map(|_| imagined), words::NONE_DRAWN);
        if let Some((step, key_frame)) = drawn.and_then(|step| step.imagined.as_ref().map(|drawn| (step, drawn))) {
            ui.vertical(|ui| {
                let levels = compare::mean_difference(&step.truth, key_frame);
                let title = levels.map_or_else(|| words::COMPARED.to_owned(), words::compared);
                ui.label(RichText::new(title).small().color(theme::DIM));
                compare::show(ui, KEY_FRAME - 24.0, truth, imagined, share);
                ui.spacing_mut().slider_width = KEY_FRAME - 24.0;
                ui.add(egui::Slider::new(share, 0.0..=1.0).show_value(false)).on_hover_text(words::SLIDER);
            });
        }
        ui.vertical(|ui| {
            ui.set_max_width((ui.available_width() - 8.0).max(80.0));
            let Some(step) = step else { return };
            let (word, tint) = (words::verdict(step.report.verdict), colour(step.report.verdict));
            ui.label(RichText::new(words::judged(step.report.step, word)).strong().color(tint));
            ui.label(&step.report.text);
            if let Some((_, check)) = player.check() {
                ui.label(RichText::new(line(check)).color(colour(check.verdict)));
            }
            if !step.executed {
                ui.label(RichText::new(words::NOT_DONE).small().color(theme::DIM));
            }
        });
    });
}

fn frame(ui: &mut egui::Ui, title: &str, picture: Option<&Picture>, otherwise: &str) {
    ui.vertical(|ui| {
        ui.label(RichText::new(title).small().color(theme::DIM));
        let (rect, response) = ui.allocate_exact_size(vec2(KEY_FRAME, KEY_FRAME), Sense::hover());
        let said = words::picture(title, picture.is_none().then_some(otherwise));
        access::name(&response, egui::WidgetType::Image, said);
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

/// Playing or not, progress of the step, and the keys; returns the action that was clicked.
pub(crate) fn status(
    ui: &mut egui::Ui,
    player: &Player,
    moves: bool,
    bindings: &Bindings,
    device: Device,
) -> Option<ActionId> {
    ui.horizontal_wrapped(|ui| {
        let (word, tint) = if player.runs() { (words::RUNS, theme::NEWS) } else { (words::PAUSED, theme::WARN) };
        ui.label(RichText::new(format!("{word} {}", words::speed(player.speed()))).color(tint));
        ui.add(egui::ProgressBar::new(player.share()).desired_width(100.0).desired_height(8.0));
        let clicked = reminders(ui, &REMINDERS, bindings, device);
        let mouse = if moves { words::MOUSE_MOVES } else { words::MOUSE };
        ui.label(RichText::new(mouse).small().color(theme::DIM));
        clicked
    })
    .inner
}

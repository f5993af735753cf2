//! The timeline: small pictures of the walk, marks, the loop, the playhead.

use bevy_egui::egui::{self, Color32, CornerRadius, Rect, Sense, Stroke, pos2, vec2};
use rhea_session::review::{Labels, Mark, Opinion, Tape};
use rhea_window::{Picture, access, theme};

use crate::loader::STRIP;
use crate::words;

/// Height of the pictures and of the bar below them, points.
const BAR: f32 = 26.0;

/// The colour of a mark; grave ones are long, too, so that the colour is not all there is.
pub(crate) fn colour(mark: Mark) -> Color32 {
    match mark {
        Mark::Failed | Mark::Doubtful => theme::ERROR,
        Mark::Reopened | Mark::Composite | Mark::Repaired => theme::WARN,
        Mark::Stopped | Mark::Undone => theme::DIM,
        Mark::Asked => theme::ACCENT,
    }
}

/// Draws the timeline; gives back the record that was pressed.
pub(crate) fn show(ui: &mut egui::Ui, tape: &Tape, labels: &Labels, strip: &Picture) -> Option<usize> {
    let width = ui.available_width();
    let pictures = width / STRIP as f32;
    let (rect, response) = ui.allocate_exact_size(vec2(width, pictures + BAR), Sense::click_and_drag());
    access::name_value(&response, words::TIMELINE, tape.at() as f64);
    let painter = ui.painter_at(rect);
    let (top, bar) = rect.split_top_bottom_at_y(rect.top() + pictures);
    strip.draw(&painter, top, Color32::WHITE);
    painter.rect_filled(bar, CornerRadius::same(3), theme::CARD);
    let last = tape.len().saturating_sub(1).max(1) as f32;
    let x = |record: usize| bar.left() + 4.0 + (bar.width() - 8.0) * record as f32 / last;
    if tape.loops() {
        let (from, to) = tape.range();
        let range = Rect::from_min_max(pos2(x(from), bar.top()), pos2(x(to) + 1.0, bar.bottom()));
        painter.rect_filled(range, CornerRadius::ZERO, theme::ACCENT.gamma_multiply(0.25));
    }
    // Marks that would fall on one pixel are drawn once, the gravest of them.
    let mut at: Option<(i32, Mark)> = None;
    let draw = |column: i32, mark: Mark| {
        let top = if mark.is_grave() { bar.top() } else { bar.center().y };
        painter.vline(column as f32, top..=bar.bottom(), Stroke::new(2.0_f32, colour(mark)));
    };
    for record in 0..tape.len() {
        let Some(mark) = tape.mark(record) else { continue };
        let column = x(record) as i32;
        match at {
            Some((old, gravest)) if old == column => at = Some((old, gravest.min(mark))),
            _ => {
                at.inspect(|(column, mark)| draw(*column, *mark));
                at = Some((column, mark));
            }
        }
    }
    at.inspect(|(column, mark)| draw(*column, *mark));
    for (record, label) in &labels.labels {
        let colour = match label.opinion {
            Some(Opinion::Accept) => theme::NEWS,
            Some(Opinion::Reject) => theme::ERROR,
            None => theme::TEXT,
        };
        painter.circle_filled(pos2(x(*record as usize), bar.top() + 5.0), 3.5, colour);
    }
    painter.vline(x(tape.at()), rect.y_range(), Stroke::new(2.0_f32, theme::TEXT));
    let pressed = response.interact_pointer_pos().filter(|_| response.is_pointer_button_down_on())?;
    let share = ((pressed.x - bar.left() - 4.0) / (bar.width() - 8.0)).clamp(0.0, 1.0);
    Some((share * last).round() as usize)
}

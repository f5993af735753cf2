//! The timeline of a plan: every step as long as it takes, with its verdict, its label and the playhead.

use bevy_egui::egui::{self, CornerRadius, Rect, Sense, Stroke, pos2, vec2};
use rhea_physics::checks::Verdict;
use rhea_session::review::{Labels, Opinion};
use rhea_window::{access, theme};

use crate::panels::colour;
use crate::player::Player;
use crate::words;

/// Its height, points.
const HEIGHT: f32 = 26.0;
/// Gap between two steps, points.
const GAP: f32 = 2.0;

/// Draws it; gives back the share of the film that was pressed.
pub(crate) fn show(ui: &mut egui::Ui, player: &Player, labels: Option<&Labels>) -> Option<f64> {
    let (bar, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click_and_drag());
    access::name_value(&response, words::TIMELINE, player.passed());
    let painter = ui.painter_at(bar);
    painter.rect_filled(bar, CornerRadius::same(3), theme::CARD);
    let total: f64 = player.lengths().sum();
    if total <= 0.0 {
        return None;
    }
    let x = |secs: f64| bar.left() + bar.width() * (secs / total) as f32;
    let mut begins = 0.0;
    for (index, (step, length)) in player.steps().iter().zip(player.lengths()).enumerate() {
        // Rejected steps are higher, so that the colour is not all there is.
        let top = if step.report.verdict == Verdict::Reject { bar.top() + 2.0 } else { bar.center().y };
        let part =
            Rect::from_min_max(pos2(x(begins) + GAP / 2.0, top), pos2(x(begins + length) - GAP / 2.0, bar.bottom()));
        painter.rect_filled(part, CornerRadius::same(2), colour(step.report.verdict));
        if let Some(label) = labels.and_then(|labels| labels.labels.get(&crate::record_of(index))) {
            let tint = match label.opinion {
                Some(Opinion::Accept) => theme::NEWS,
                Some(Opinion::Reject) => theme::ERROR,
                None => theme::TEXT,
            };
            painter.circle_filled(pos2(part.center().x, bar.top() + 6.0), 3.5, tint);
        }
        begins += length;
    }
    let at = bar.left() + bar.width() * player.passed() as f32;
    painter.vline(at, bar.y_range(), Stroke::new(2.0_f32, theme::TEXT));
    let pressed = response.interact_pointer_pos().filter(|_| response.is_pointer_button_down_on())?;
    Some(f64::from((pressed.x - bar.left()) / bar.width()))
}

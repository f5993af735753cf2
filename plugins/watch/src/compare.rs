//! The simulated truth and the generated key-frame in one picture, with a line between them that can be moved.

use bevy_egui::egui::{self, Color32, CornerRadius, Rect, Sense, Stroke, pos2, vec2};
use rhea_picture::Rgbd;
use rhea_window::{Picture, access, theme};

use crate::words;

/// Mean difference of two pictures of one size, levels of 255; `None` when their sizes differ.
pub(crate) fn mean_difference(one: &Rgbd, other: &Rgbd) -> Option<f64> {
    if (one.width, one.height) != (other.width, other.height) || one.rgb.is_empty() {
        return None;
    }
    let sum: u64 = one.rgb.iter().zip(&other.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    Some(sum as f64 / one.rgb.len() as f64)
}

/// Draws both; the line follows the pointer. `share` is how much of the left is simulated, 0 to 1.
pub(crate) fn show(ui: &mut egui::Ui, side: f32, truth: &Picture, imagined: &Picture, share: &mut f32) {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click_and_drag());
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.is_pointer_button_down_on()) {
        *share = ((at.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    }
    access::name_value(&response, words::SLIDER, f64::from(*share));
    ui.painter().rect_filled(rect, CornerRadius::same(4), theme::CARD);
    let line = rect.left() + rect.width() * *share;
    let left = Rect::from_min_max(rect.min, pos2(line, rect.bottom()));
    let right = Rect::from_min_max(pos2(line, rect.top()), rect.max);
    truth.draw(&ui.painter_at(left), rect, Color32::WHITE);
    imagined.draw(&ui.painter_at(right), rect, Color32::WHITE);
    ui.painter().vline(line, rect.y_range(), Stroke::new(2.0_f32, theme::TEXT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_the_mean_over_all_channels() {
        let one = Rgbd::filled(2, 1, [10, 20, 30]);
        let mut other = one.clone();
        assert_eq!(mean_difference(&one, &other), Some(0.0));
        other.rgb[0] = 22;
        assert_eq!(mean_difference(&one, &other), Some(2.0));
        assert_eq!(mean_difference(&one, &Rgbd::filled(1, 1, [0; 3])), None);
    }
}

//! The help page (F1), written from the action table and the user's bindings of it.

use bevy_egui::egui::{self, Align2, Grid, RichText, vec2};

use crate::actions::{ActionId, Context, action};
use crate::bindings::Bindings;
use crate::input::Device;
use crate::theme;
use crate::words;

/// In windows narrower than this the explanations are left out, points.
const WIDE: f32 = 1080.0;

/// Draws the page over the window, with a sentence below the actions; `open` becomes false when it is closed.
pub fn show(ctx: &egui::Context, open: &mut bool, context: Context, bindings: &Bindings, foot: &str) {
    let wide = ctx.content_rect().width() >= WIDE;
    egui::Window::new(words::KEYS)
        .open(open)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false)
        .vscroll(true)
        .min_height((ctx.content_rect().height() - 140.0).clamp(120.0, 540.0))
        .show(ctx, |ui| {
            Grid::new("actions").num_columns(4).spacing(vec2(18.0, 5.0)).striped(true).show(ui, |ui| {
                for title in ["", words::COLUMN_KEYS, words::COLUMN_PAD] {
                    ui.label(RichText::new(title).small().color(theme::DIM));
                }
                ui.end_row();
                for row in context.actions() {
                    ui.label(row.label);
                    ui.label(RichText::new(bindings.of(row.id).key_names()).color(theme::ACCENT));
                    ui.label(RichText::new(bindings.of(row.id).pad_names()).color(theme::NEWS));
                    if wide {
                        ui.label(RichText::new(row.help).color(theme::DIM));
                    }
                    ui.end_row();
                }
            });
            ui.add_space(6.0);
            ui.label(RichText::new(foot).small().color(theme::DIM));
        });
}

/// A few actions with their controls, one beside the other; a click asks for one.
pub fn reminders(ui: &mut egui::Ui, ids: &[ActionId], bindings: &Bindings, device: Device) -> Option<ActionId> {
    let mut clicked = None;
    for id in ids {
        let row = action(*id);
        let words = format!("{} {}", device.first_name(bindings.of(*id)), row.label.to_lowercase());
        let button = egui::Button::new(RichText::new(words.trim_start()).small().color(theme::DIM));
        if ui.add(button.frame(false)).on_hover_text(row.help).clicked() {
            clicked = Some(*id);
        }
    }
    clicked
}

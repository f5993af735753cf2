//! Colours, sizes and spacing of the window: one dark theme, readable from a sofa.

use bevy_egui::egui::{self, Color32, CornerRadius, FontFamily, FontId, Stroke, TextStyle};

/// Behind everything.
pub const BACKGROUND: Color32 = Color32::from_rgb(0x0e, 0x11, 0x16);
/// Behind groups of controls.
pub const PANEL: Color32 = Color32::from_rgb(0x16, 0x1a, 0x21);
/// Cards on a panel.
pub const CARD: Color32 = Color32::from_rgb(0x1e, 0x23, 0x2c);
/// Plain text.
pub const TEXT: Color32 = Color32::from_rgb(0xe2, 0xe6, 0xee);
/// Labels and hints; contrast against [`PANEL`] is above 5:1.
pub const DIM: Color32 = Color32::from_rgb(0x96, 0xa0, 0xb2);
/// What is active: the path on the map, what is being done.
pub const ACCENT: Color32 = Color32::from_rgb(0x7c, 0xb7, 0xff);
/// News.
pub const NEWS: Color32 = Color32::from_rgb(0x8f, 0xd6, 0x9a);
/// Something wants attention.
pub const WARN: Color32 = Color32::from_rgb(0xff, 0xc1, 0x66);
/// Something failed.
pub const ERROR: Color32 = Color32::from_rgb(0xff, 0x8a, 0x80);

/// Size of narration text, points.
pub const NARRATION_PT: f32 = 19.0;

/// Lets things fade and slide, or not.
pub fn move_things(ctx: &egui::Context, calm: bool) {
    let secs = if calm { 0.0 } else { egui::Style::default().animation_time };
    // Setting an equal value would draw another frame.
    if ctx.global_style().animation_time != secs {
        ctx.all_styles_mut(|style| {
            style.animation_time = secs;
            if calm {
                style.scroll_animation = egui::style::ScrollAnimation::none();
            } else {
                style.scroll_animation = egui::style::ScrollAnimation::default();
            }
        });
    }
}

/// Sets the theme for everything drawn in this context.
pub fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(|style| {
        let font = |size| FontId::new(size, FontFamily::Proportional);
        style.text_styles = [
            (TextStyle::Small, font(13.0)),
            (TextStyle::Body, font(15.5)),
            (TextStyle::Button, font(15.5)),
            (TextStyle::Heading, font(20.0)),
            (TextStyle::Monospace, FontId::new(14.0, FontFamily::Monospace)),
        ]
        .into();
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(10.0, 5.0);
        let visuals = &mut style.visuals;
        visuals.panel_fill = PANEL;
        visuals.window_fill = PANEL;
        visuals.window_stroke = Stroke::new(1.0_f32, CARD);
        visuals.extreme_bg_color = BACKGROUND;
        visuals.faint_bg_color = CARD;
        visuals.text_edit_bg_color = Some(CARD);
        // A blinking cursor would redraw the window all the time.
        visuals.text_cursor.blink = false;
        visuals.override_text_color = Some(TEXT);
        visuals.selection.bg_fill = ACCENT.gamma_multiply(0.35);
        visuals.selection.stroke = Stroke::new(1.0_f32, ACCENT);
        visuals.warn_fg_color = WARN;
        visuals.error_fg_color = ERROR;
        let round = CornerRadius::same(6);
        visuals.window_corner_radius = CornerRadius::same(10);
        for widget in [
            &mut visuals.widgets.noninteractive,
            &mut visuals.widgets.inactive,
            &mut visuals.widgets.hovered,
            &mut visuals.widgets.active,
            &mut visuals.widgets.open,
        ] {
            widget.corner_radius = round;
        }
    });
}

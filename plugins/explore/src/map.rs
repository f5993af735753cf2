//! The map of the walk: the ground from above as the views saw it, and over it the marks that every map of Rhea has.
//!
//! What is shown comes from [`MapFacts`], which the session thread tells; nothing is worked out here but where it goes on screen.

use bevy::image::{Image, ImageSampler};
use bevy::prelude::Assets;
use bevy_egui::EguiUserTextures;
use bevy_egui::egui::{self, Color32, CornerRadius, Painter, Pos2, Rect, Shape, Stroke, vec2};
use rhea_memory::{GROUND_CELLS, GROUND_SIDE_M, LEGEND, MapFacts, Mark, Radius, Verdict, shown_span, verdict_rgb};
use rhea_picture::Ink;

use crate::words;
use rhea_window::Picture;
use rhea_window::access;
use rhea_window::theme;

/// The ground on the graphics card.
#[derive(Default)]
pub struct MapCanvas {
    picture: Picture,
    shown: u64,
}

impl MapCanvas {
    /// Brings the picture on the graphics card up to date; `serial` changes with the facts.
    pub fn update(
        &mut self,
        facts: &MapFacts,
        serial: u64,
        images: &mut Assets<Image>,
        textures: &mut EguiUserTextures,
    ) {
        if self.shown == serial || facts.ground_rgba.len() != GROUND_CELLS * GROUND_CELLS * 4 {
            return;
        }
        self.shown = serial;
        let rgba = facts.ground_rgba.as_ref().clone();
        self.picture.set((GROUND_CELLS, GROUND_CELLS), rgba, ImageSampler::nearest(), images, textures);
    }
}

/// Draws the map into a square of `side` points, and its legend under it.
pub fn show(ui: &mut egui::Ui, side: f32, facts: &MapFacts, canvas: &MapCanvas) {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), egui::Sense::hover());
    access::name(&response, egui::WidgetType::Image, words::map(facts));
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, CornerRadius::same(6), theme::BACKGROUND);
    let (middle, span) = shown_span(&facts.views);
    let scale = side / span;
    let to_screen = |at: [f32; 2]| rect.center() + vec2(at[0] - middle[0], at[1] - middle[1]) * scale;
    let (half, [x, z]) = (GROUND_SIDE_M / 2.0, facts.ground_middle_m);
    let painted = Rect::from_two_pos(to_screen([x - half, z - half]), to_screen([x + half, z + half]));
    canvas.picture.draw(&painter, painted, Color32::from_white_alpha(210));
    for mark in facts.marks() {
        draw(&painter, &mark, scale, &to_screen);
    }
    scale_bar(&painter, rect, scale);
    legend(ui, facts);
}

fn colour(ink: Ink) -> Color32 {
    let [r, g, b] = ink.rgb;
    Color32::from_rgb(r, g, b).gamma_multiply(ink.opacity)
}

fn draw(painter: &Painter, mark: &Mark, scale: f32, to_screen: &dyn Fn([f32; 2]) -> Pos2) {
    match mark {
        Mark::Line { from_m, to_m, width_px, ink } => {
            painter.line_segment([to_screen(*from_m), to_screen(*to_m)], Stroke::new(*width_px, colour(*ink)));
        }
        Mark::Disc { at_m, radius_px, ink } => {
            painter.circle_filled(to_screen(*at_m), *radius_px, colour(*ink));
        }
        Mark::Ring { at_m, radius, ink } => {
            let radius = match radius {
                Radius::Px(px) => *px,
                Radius::M(m) => m * scale,
            };
            painter.circle_stroke(to_screen(*at_m), radius, Stroke::new(1.4_f32, colour(*ink)));
        }
        Mark::Square { at_m, side_m, ink } => {
            let square = Rect::from_center_size(to_screen(*at_m), vec2(side_m * scale, side_m * scale));
            painter.rect_filled(square, CornerRadius::ZERO, colour(*ink));
        }
        Mark::Cone { corners_m, ink } => {
            let corners = corners_m.iter().map(|at| to_screen(*at)).collect();
            painter.add(Shape::convex_polygon(corners, colour(*ink), Stroke::NONE));
        }
        Mark::Words { at_m, text, ink } => {
            let at = to_screen(*at_m) + vec2(6.0, 0.0);
            let font = egui::FontId::proportional(11.0);
            let words = painter.layout_no_wrap(text.clone(), font, colour(*ink));
            let around = Rect::from_min_size(at - vec2(2.0, words.size().y / 2.0), words.size() + vec2(4.0, 0.0));
            painter.rect_filled(around, CornerRadius::same(3), theme::BACKGROUND.gamma_multiply(0.7));
            painter.galley(at - vec2(0.0, words.size().y / 2.0), words, theme::TEXT);
        }
    }
}

fn scale_bar(painter: &Painter, rect: Rect, points_per_m: f32) {
    let metres = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let length_m = metres.into_iter().find(|m| m * points_per_m >= 40.0).unwrap_or(1000.0);
    let from = rect.left_bottom() + vec2(10.0, -10.0);
    let to = from + vec2(length_m * points_per_m, 0.0);
    painter.line_segment([from, to], Stroke::new(2.0_f32, theme::TEXT));
    let font = egui::FontId::proportional(12.0);
    painter.text(from + vec2(0.0, -4.0), egui::Align2::LEFT_BOTTOM, format!("{length_m} m"), font, theme::TEXT);
}

/// What the colours mean, with how many views have each verdict.
fn legend(ui: &mut egui::Ui, facts: &MapFacts) {
    let counted = Verdict::ALL.into_iter().filter_map(|verdict| {
        let count = facts.views.iter().filter(|view| view.verdict == verdict).count();
        (count > 0).then(|| (verdict_rgb(verdict), format!("{} {count}", verdict.word())))
    });
    let marks = LEGEND.iter().take(3).map(|(words, rgb)| (*rgb, (*words).to_owned()));
    let entries: Vec<([u8; 3], String)> = counted.chain(marks).collect();
    egui::Grid::new("map legend").num_columns(4).min_col_width(0.0).spacing(vec2(8.0, 1.0)).show(ui, |ui| {
        for pair in entries.chunks(2) {
            for (rgb, words) in pair {
                let (rect, _) = ui.allocate_exact_size(vec2(9.0, 9.0), egui::Sense::hover());
                ui.painter().circle_filled(rect.center(), 4.0, colour(Ink::solid(*rgb)));
                ui.label(egui::RichText::new(words).small().color(theme::DIM));
            }
            ui.end_row();
        }
    });
    ui.label(egui::RichText::new(words::map_counts(facts)).small().color(theme::DIM));
}

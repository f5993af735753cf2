//! The walk as a strip of small pictures, as many of the latest as fit: a look back at any of them, a way there, a branch from there.
//!
//! Invariant: a picture is uploaded once, when its view comes.

use std::sync::Arc;

use bevy::image::{Image, ImageSampler};
use bevy::prelude::Assets;
use bevy_egui::EguiUserTextures;
use bevy_egui::egui::{self, Color32, CornerRadius, RichText, Sense, Stroke, StrokeKind, vec2};
use rhea_memory::{Verdict, verdict_rgb};
use rhea_picture::Rgbd;

use crate::walk::{SeenView, Walk};
use crate::words;
use rhea_window::Picture;
use rhea_window::access;
use rhea_window::theme;

/// Views in the strip.
const MOST: usize = 48;
/// Side of a picture, points.
const SIDE: f32 = 50.0;
/// Between two pictures, points.
const GAP: f32 = 4.0;

/// The pictures on the graphics card.
#[derive(Default)]
pub struct Strip {
    slots: Vec<(Arc<Rgbd>, Picture)>,
}

/// What somebody wants of an earlier view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Show the view at this place of the trail.
    Look(usize),
    /// Show the present again.
    Back,
    /// Walk to where this step was.
    Go(u64),
    /// Begin another walk with the world as it was after this step.
    Branch(u64),
}

impl Strip {
    /// A strip with pictures that nothing was uploaded for.
    #[cfg(test)]
    pub(crate) fn filled(count: usize) -> Self {
        let view = Arc::new(Rgbd::filled(1, 1, [0; 3]));
        Self { slots: (0..count).map(|_| (Arc::clone(&view), Picture::default())).collect() }
    }

    /// Uploads what is new; `trail` is the walk's.
    pub fn refresh(&mut self, trail: &[SeenView], images: &mut Assets<Image>, textures: &mut EguiUserTextures) {
        let from = trail.len().saturating_sub(MOST);
        for (place, SeenView { view, .. }) in trail.iter().enumerate().skip(from) {
            let slot = place % MOST;
            if self.slots.get(slot).is_some_and(|(shown, _)| Arc::ptr_eq(shown, view)) {
                continue;
            }
            if slot >= self.slots.len() {
                self.slots.resize_with(slot + 1, || (Arc::clone(view), Picture::default()));
            }
            let (shown, picture) = &mut self.slots[slot];
            *shown = Arc::clone(view);
            let rgba = view.rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
            picture.set((view.width, view.height), rgba, ImageSampler::linear(), images, textures);
        }
    }

    /// Draws the strip; `looking` is the place of the view that is looked at instead of the present one.
    pub fn show(&self, ui: &mut egui::Ui, walk: &Walk, looking: Option<usize>) -> Option<Wish> {
        let mut wish = None;
        let fits = (ui.available_width() / (SIDE + GAP)) as usize;
        let from = walk.trail.len().saturating_sub(fits.min(MOST));
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = GAP;
            for (place, seen) in walk.trail.iter().enumerate().skip(from) {
                let Some((_, picture)) = self.slots.get(place % MOST) else { continue };
                let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::click());
                picture.draw(ui.painter(), rect.shrink(2.0), Color32::WHITE);
                let colour = match seen.known {
                    Some((_, verdict)) => {
                        let [r, g, b] = verdict_rgb(verdict);
                        Color32::from_rgb(r, g, b)
                    }
                    None => theme::DIM,
                };
                let chosen = looking == Some(place);
                let stroke = if chosen { Stroke::new(3.0, theme::TEXT) } else { Stroke::new(1.5, colour) };
                ui.painter().rect_stroke(rect, CornerRadius::same(3), stroke, StrokeKind::Inside);
                if let Some((_, verdict)) = seen.known {
                    let badge = egui::Rect::from_min_size(rect.left_bottom() - vec2(0.0, 15.0), vec2(14.0, 15.0));
                    ui.painter().rect_filled(badge, CornerRadius::same(3), colour);
                    let font = egui::FontId::monospace(13.0);
                    let middle = egui::Align2::CENTER_CENTER;
                    ui.painter().text(badge.center(), middle, sign(verdict), font, theme::BACKGROUND);
                }
                let verdict = seen.known.map_or(words::FIRST_VIEW, |(_, verdict)| verdict.word());
                let told = words::strip(seen.step, verdict, walk.told_at(place));
                access::name(&response, egui::WidgetType::Button, told.as_str());
                let response = response.on_hover_text(told);
                if response.clicked() {
                    wish = Some(if chosen { Wish::Back } else { Wish::Look(place) });
                }
            }
        });
        wish
    }
}

/// A sign for a verdict, for eyes that do not tell its colour.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::New => "+",
        Verdict::Extended => ">",
        Verdict::Revisited => "=",
        Verdict::Repaired => "~",
        Verdict::Composite => "#",
        Verdict::Reopened => "*",
        Verdict::Doubtful => "!",
    }
}

/// What can be done with the earlier view that is looked at.
pub fn card(ui: &mut egui::Ui, seen: &SeenView, told: &str) -> Option<Wish> {
    let mut wish = None;
    egui::Frame::NONE.fill(theme::CARD).inner_margin(egui::Margin::symmetric(12, 7)).corner_radius(8).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(words::looking_back(seen.step)).color(theme::ACCENT));
            for (text, what) in [
                (words::GO_THERE, Wish::Go(seen.step)),
                (words::BRANCH, Wish::Branch(seen.step)),
                (words::BACK, Wish::Back),
            ] {
                if ui.button(text).clicked() {
                    wish = Some(what);
                }
            }
            ui.label(told);
        });
    });
    wish
}

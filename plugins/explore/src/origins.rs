//! The overlay that says for every part of the view from which step it comes: one tint a step, its number on it, and stripes
//! where nothing was recalled and the model imagined.

use bevy::image::{Image, ImageSampler};
use bevy::prelude::Assets;
use bevy_egui::EguiUserTextures;
use bevy_egui::egui::{self, Align2, Color32, CornerRadius, FontId, Painter, Rect, pos2, vec2};
use rhea_session::Origins;

use rhea_window::Picture;
use rhea_window::theme;

/// How much of the tint is seen, of 255.
const TINT: u8 = 110;
/// Tints, told apart by colour-blind people too; a step has the tint of its position in the list.
const TINTS: [[u8; 3]; 8] = [
    [0x56, 0xb4, 0xe9],
    [0xe6, 0x9f, 0x00],
    [0x1f, 0xc8, 0x94],
    [0xcc, 0x79, 0xa7],
    [0xf0, 0xe4, 0x42],
    [0x00, 0x72, 0xb2],
    [0xe8, 0x5d, 0x1a],
    [0xd0, 0xd5, 0xde],
];
/// Parts smaller than this share of the view get no number on them; they are in the list all the same.
const LEAST_LABELLED: f32 = 0.015;
/// A number stands where this many pixels a side are mostly of its part.
const AROUND: usize = 7;
/// Width of the stripes over what is new, picture pixels.
const STRIPE_PX: usize = 3;

/// The overlay on the graphics card.
#[derive(Default)]
pub struct OriginsOnScreen {
    picture: Picture,
    parts: Vec<Part>,
    shown: u64,
}

/// A part of the view: its step (`None` is new), its share, and the pixel that its number stands at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The step.
    pub step: Option<u64>,
    /// Share of the view, 0 to 1.
    pub share: f32,
    /// Pixel of the part nearest to its middle.
    pub at: [usize; 2],
}

impl OriginsOnScreen {
    /// Brings the picture up to date; `serial` changes with the view.
    pub fn refresh(
        &mut self,
        origins: &Origins,
        serial: u64,
        images: &mut Assets<Image>,
        textures: &mut EguiUserTextures,
    ) {
        if self.shown != serial {
            self.shown = serial;
            self.parts = parts(origins);
            self.picture.set(
                (origins.width, origins.height),
                tinted(origins),
                ImageSampler::nearest(),
                images,
                textures,
            );
        }
    }

    /// Draws the overlay over the view, which fills `rect`.
    pub fn show(&self, painter: &Painter, rect: Rect, origins: &Origins) {
        self.picture.draw(painter, rect, Color32::WHITE);
        let parts = &self.parts;
        let scale = vec2(rect.width() / origins.width.max(1) as f32, rect.height() / origins.height.max(1) as f32);
        for part in parts.iter().filter(|part| part.share >= LEAST_LABELLED) {
            let at = rect.min + vec2(part.at[0] as f32 + 0.5, part.at[1] as f32 + 0.5) * scale;
            let words = part.step.map_or_else(|| "new".to_owned(), |step| format!("step {step}"));
            badge(painter, at, Align2::CENTER_CENTER, &words, tint(origins, part.step));
        }
        // From below, because messages come over the top.
        let mut at = pos2(rect.left() + 10.0, rect.bottom() - 10.0);
        for part in parts.iter().rev() {
            let from = part.step.map_or_else(|| "new, imagined".to_owned(), |step| format!("from step {step}"));
            let words = format!("{from}: {:.0} %", part.share * 100.0);
            at.y -= badge(painter, at, Align2::LEFT_BOTTOM, &words, tint(origins, part.step)) + 4.0;
        }
    }
}

/// Words on a dark card with a tinted edge; returns the card's height.
fn badge(painter: &Painter, at: egui::Pos2, align: Align2, words: &str, rgb: [u8; 3]) -> f32 {
    let galley = painter.layout_no_wrap(words.to_owned(), FontId::proportional(14.0), theme::TEXT);
    let card = align.anchor_size(at, galley.size() + vec2(14.0, 6.0));
    let [r, g, b] = rgb;
    painter.rect_filled(card, CornerRadius::same(5), theme::BACKGROUND.gamma_multiply(0.94));
    let edge = egui::Stroke::new(1.5_f32, Color32::from_rgb(r, g, b));
    painter.rect_stroke(card, CornerRadius::same(5), edge, egui::StrokeKind::Inside);
    painter.galley(card.min + vec2(7.0, 3.0), galley, theme::TEXT);
    card.height()
}

fn tint(origins: &Origins, step: Option<u64>) -> [u8; 3] {
    let at = step.and_then(|step| origins.steps.iter().position(|s| *s == step));
    at.map_or([0x70, 0x76, 0x82], |at| TINTS[at % TINTS.len()])
}

/// Four bytes a pixel: the tint of its step; stripes where it is new.
fn tinted(origins: &Origins) -> Vec<u8> {
    let pixel = |(i, source): (usize, &u16)| {
        let (x, y) = (i % origins.width.max(1), i / origins.width.max(1));
        if origins.steps.get(usize::from(*source)).is_none() {
            let dark = ((x + y) / STRIPE_PX).is_multiple_of(2);
            return [0, 0, 0, if dark { 120 } else { 0 }];
        }
        // Colours come multiplied by their opacity.
        let [r, g, b] = TINTS[usize::from(*source) % TINTS.len()].map(|v| (u16::from(v) * u16::from(TINT) / 255) as u8);
        [r, g, b, TINT]
    };
    origins.source.iter().enumerate().flat_map(pixel).collect()
}

/// The parts, the largest first.
#[must_use]
pub fn parts(origins: &Origins) -> Vec<Part> {
    let width = origins.width.max(1);
    let mut parts = Vec::new();
    let known = (0..origins.steps.len()).map(Some);
    for which in known.chain([None]) {
        let belongs = |source: u16| match which {
            Some(at) => usize::from(source) == at,
            None => usize::from(source) >= origins.steps.len(),
        };
        let pixels: Vec<[usize; 2]> =
            (0..origins.source.len()).filter(|i| belongs(origins.source[*i])).map(|i| [i % width, i / width]).collect();
        let count = pixels.len() as f32;
        let middle = [0, 1].map(|k| pixels.iter().map(|at| at[k] as f32).sum::<f32>() / count);
        let apart = |at: &[usize; 2]| (at[0] as f32 - middle[0]).hypot(at[1] as f32 - middle[1]);
        // Its own pixel nearest to the middle, where most around is its own too: a part may lie in pieces, or around another.
        let own = |x: usize, y: usize| x < width && origins.source.get(y * width + x).is_some_and(|s| belongs(*s));
        let solid = |at: &&[usize; 2]| {
            let around = (0..AROUND * AROUND).map(|n| [at[0] + n % AROUND, at[1] + n / AROUND]);
            let inside =
                around.filter(|[x, y]| *x >= AROUND / 2 && *y >= AROUND / 2 && own(x - AROUND / 2, y - AROUND / 2));
            inside.count() * 4 >= AROUND * AROUND * 3
        };
        let nearest = |a: &[usize; 2], b: &[usize; 2]| apart(a).total_cmp(&apart(b));
        let best = pixels.iter().filter(solid).copied().min_by(nearest);
        let Some(at) = best.or_else(|| pixels.iter().copied().min_by(nearest)) else { continue };
        let step = which.and_then(|at| origins.steps.get(at).copied());
        parts.push(Part { step, share: count / origins.source.len().max(1) as f32, at });
    }
    parts.sort_by(|a, b| b.share.total_cmp(&a.share));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_steps_shares_and_a_pixel_of_their_own() {
        // Left half from step 3, a column from step 7, the rest new.
        let source = (0..100).map(|i| match i % 10 {
            0..5 => 0,
            5 => 1,
            _ => Origins::NEW,
        });
        let origins = Origins { width: 10, height: 10, steps: vec![3, 7], source: source.collect() };
        let found: Vec<(Option<u64>, f32)> = parts(&origins).iter().map(|part| (part.step, part.share)).collect();
        assert_eq!(found, [(Some(3), 0.5), (None, 0.4), (Some(7), 0.1)]);
        for part in parts(&origins) {
            assert_eq!(origins.step_at(part.at[0], part.at[1]), part.step);
        }
        let rgba = tinted(&origins);
        let tint = [0x56_u16, 0xb4, 0xe9].map(|v| (v * u16::from(TINT) / 255) as u8);
        assert_eq!((rgba.len(), &rgba[..3], rgba[3]), (400, &tint[..], TINT));
        assert_eq!(rgba[9 * 4..9 * 4 + 3], [0, 0, 0], "what is new is not tinted");
    }
}

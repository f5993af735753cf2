//! Drawing into a picture: lines, discs, triangles and words, with soft edges. What lies outside is left out.

use crate::font::{LETTER_HEIGHT, LETTER_WIDTH, inked};
use crate::picture::Picture;

/// A colour with its opacity, 0 (nothing is drawn) to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ink {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// 0 to 1.
    pub opacity: f32,
}

impl Ink {
    /// An ink that covers what is under it.
    #[must_use]
    pub const fn solid(rgb: [u8; 3]) -> Self {
        Self { rgb, opacity: 1.0 }
    }

    /// The same colour, less opaque.
    #[must_use]
    pub const fn faint(rgb: [u8; 3], opacity: f32) -> Self {
        Self { rgb, opacity }
    }
}

impl Picture {
    /// A straight line with round ends, `width_px` wide. A line without length is a disc.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], width_px: f32, ink: Ink) {
        let along = [to[0] - from[0], to[1] - from[1]];
        let length2 = along[0] * along[0] + along[1] * along[1];
        let reach = 0.5 * width_px + 0.5;
        let corners = [
            [from[0].min(to[0]) - reach, from[1].min(to[1]) - reach],
            [from[0].max(to[0]) + reach, from[1].max(to[1]) + reach],
        ];
        self.shade(corners, ink, |x, y| {
            let (dx, dy) = (x - from[0], y - from[1]);
            let at = if length2 > 0.0 { ((dx * along[0] + dy * along[1]) / length2).clamp(0.0, 1.0) } else { 0.0 };
            reach - (dx - at * along[0]).hypot(dy - at * along[1])
        });
    }

    /// A filled circle.
    pub fn disc(&mut self, middle: [f32; 2], radius_px: f32, ink: Ink) {
        self.line(middle, middle, 2.0 * radius_px, ink);
    }

    /// A circle's rim, `width_px` wide around `radius_px`.
    pub fn ring(&mut self, middle: [f32; 2], radius_px: f32, width_px: f32, ink: Ink) {
        let reach = radius_px + 0.5 * width_px + 0.5;
        let corners = [middle.map(|v| v - reach), middle.map(|v| v + reach)];
        self.shade(corners, ink, |x, y| {
            0.5 * width_px + 0.5 - ((x - middle[0]).hypot(y - middle[1]) - radius_px).abs()
        });
    }

    /// A filled triangle.
    pub fn triangle(&mut self, corners: [[f32; 2]; 3], ink: Ink) {
        let [a, b, c] = corners;
        let turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if turn == 0.0 {
            return;
        }
        // Distance inside of an edge, pixels.
        let inside = move |p: [f32; 2], q: [f32; 2], x: f32, y: f32| {
            let (dx, dy) = (q[0] - p[0], q[1] - p[1]);
            turn.signum() * (dx * (y - p[1]) - dy * (x - p[0])) / dx.hypot(dy).max(1e-6)
        };
        let ends = |k: usize| [a[k].min(b[k]).min(c[k]) - 1.0, a[k].max(b[k]).max(c[k]) + 1.0];
        let (x, y) = (ends(0), ends(1));
        self.shade([[x[0], y[0]], [x[1], y[1]]], ink, |px, py| {
            inside(a, b, px, py).min(inside(b, c, px, py)).min(inside(c, a, px, py)) + 0.5
        });
    }

    /// A filled rectangle from its upper left corner.
    pub fn rectangle(&mut self, corner: [f32; 2], size: [f32; 2], ink: Ink) {
        let far = [corner[0] + size[0], corner[1] + size[1]];
        self.shade([corner, far], ink, |x, y| (x - corner[0]).min(far[0] - x).min(y - corner[1]).min(far[1] - y) + 0.5);
    }

    /// Words in letters of 5 x 7 px times `scale`, from their upper left corner; ASCII.
    pub fn words(&mut self, corner: [f32; 2], scale: usize, text: &str, ink: Ink) {
        let scale = scale.max(1) as f32;
        for (n, letter) in text.chars().enumerate() {
            let left = corner[0].round() + n as f32 * (LETTER_WIDTH + 1) as f32 * scale;
            for y in 0..LETTER_HEIGHT {
                for x in (0..LETTER_WIDTH).filter(|x| inked(letter, *x, y)) {
                    let at = [left + x as f32 * scale, corner[1].round() + y as f32 * scale];
                    self.rectangle(at, [scale; 2], ink);
                }
            }
        }
    }

    /// Size of words as [`Picture::words`] writes them, pixels.
    #[must_use]
    pub fn words_size(scale: usize, text: &str) -> [f32; 2] {
        let (letters, scale) = (text.chars().count(), scale.max(1));
        [(letters * (LETTER_WIDTH + 1) * scale) as f32, (LETTER_HEIGHT * scale) as f32]
    }

    /// Inks the pixels between two corners, each as much as `cover` says of its middle: 0 and less is not at all, 1 is wholly.
    fn shade(&mut self, [low, high]: [[f32; 2]; 2], ink: Ink, cover: impl Fn(f32, f32) -> f32) {
        // The casts saturate, and take NaN for 0.
        let span = |k: usize, side: usize| {
            (low[k].floor().max(0.0) as usize).min(side)..(high[k].ceil().max(0.0) as usize).min(side)
        };
        for y in span(1, self.height) {
            for x in span(0, self.width) {
                let share = cover(x as f32 + 0.5, y as f32 + 0.5).clamp(0.0, 1.0) * ink.opacity;
                if share.is_nan() || share <= 0.0 {
                    continue;
                }
                let at = (y * self.width + x) * 3;
                let Some(pixel) = self.rgb.get_mut(at..at + 3) else { continue };
                for (old, new) in pixel.iter_mut().zip(ink.rgb) {
                    *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * share).round() as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Ink = Ink::solid([255; 3]);

    fn inked_px(picture: &Picture) -> f32 {
        picture.rgb.iter().step_by(3).map(|v| f32::from(*v) / 255.0).sum()
    }

    #[test]
    fn shapes_have_their_areas() {
        let drawn = |draw: &dyn Fn(&mut Picture)| {
            let mut picture = Picture::filled(100, 100, [0; 3]);
            draw(&mut picture);
            inked_px(&picture)
        };
        let near = |got: f32, want: f32| assert!((got / want - 1.0).abs() < 0.03, "{got} instead of {want}");
        near(drawn(&|p| p.disc([50.0, 50.0], 20.0, WHITE)), 400.0 * std::f32::consts::PI);
        near(drawn(&|p| p.line([10.0, 30.3], [80.0, 60.0], 4.0, WHITE)), 76.0 * 4.0 + 4.0 * std::f32::consts::PI);
        near(drawn(&|p| p.triangle([[10.0, 10.0], [90.0, 20.0], [30.0, 80.0]], WHITE)), 2700.0);
        near(drawn(&|p| p.rectangle([10.0, 10.0], [30.0, 20.0], WHITE)), 600.0);
        near(drawn(&|p| p.ring([50.0, 50.0], 30.0, 4.0, WHITE)), 240.0 * std::f32::consts::PI);
        near(drawn(&|p| p.rectangle([0.0, 0.0], [10.0, 10.0], Ink::faint([255; 3], 0.5))), 50.0);
    }

    #[test]
    fn what_is_outside_or_no_number_is_left_out() {
        let mut picture = Picture::filled(20, 20, [0; 3]);
        for strange in [f32::NAN, f32::INFINITY, -1e30, 1e30] {
            picture.disc([strange, 5.0], 3.0, WHITE);
            picture.triangle([[strange, 0.0], [strange, 5.0], [5.0, strange]], WHITE);
            picture.words([strange, 2.0], 1, "far", WHITE);
        }
        assert_eq!(inked_px(&picture), 0.0);
        picture.words([1.0, 1.0], 2, "I", WHITE);
        assert_eq!((inked_px(&picture), Picture::words_size(2, "I")), (44.0, [12.0, 14.0]));
    }
}

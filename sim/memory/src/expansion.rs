//! Moves without depth: what a picture says about a step from its neighbour. Walking ahead makes it grow around the point that one
//! walks to, turning shifts it; how far one went, it does not say.

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Move};

/// Pixels a side that pictures are compared at.
const SIDE: usize = 48;
/// Headings that are tried around the commanded one, degrees.
const REACH_DEG: i32 = 6;
/// Growths that are tried: 0.7 to 1.42 in steps of 2 %.
const GROWTHS: std::ops::RangeInclusive<i32> = -18..=18;
const GROWTH_STEP: f32 = 1.02;
/// The best must be better than the mean of all by this factor, or the view is too plain.
const SHARPNESS: f64 = 0.8;
/// A growth nearer to 1 than this is none.
const LEAST_GROWTH: f32 = 0.015;
/// At least this share of the picture must be comparable.
const LEAST_SHARE: f64 = 0.3;

/// What a picture says about a move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawnMove {
    /// To the left, radians.
    pub turn_rad: f32,
    /// How much the picture grew: above 1 on the way ahead, below 1 on the way back.
    pub growth: f32,
    /// Did it grow or shrink as the command says? Always true of a move to the side.
    pub borne_out: bool,
}

/// The heading change and the growth under which `before`, turned and enlarged, agrees best with `after`; `None` when the pictures
/// differ in size or are too plain to tell. The growth is that of the middle of the view, whatever is there.
#[must_use]
pub fn measured_move(before: &Rgbd, after: &Rgbd, camera: &Camera, commanded: &Move) -> Option<DrawnMove> {
    if (before.width, before.height) != (after.width, after.height) || before.width == 0 || before.height == 0 {
        return None;
    }
    let (from, to) = (small(before), small(after));
    let focal = SIDE as f32 * 0.5 / (camera.fov_x_rad * 0.5).tan();
    let mut tried = Vec::new();
    for degrees in -REACH_DEG..=REACH_DEG {
        let turn_rad = commanded.turn_rad + (degrees as f32).to_radians();
        for exponent in GROWTHS {
            let growth = GROWTH_STEP.powi(exponent);
            if let Some(error) = error(&from, &to, focal, turn_rad, growth) {
                tried.push((error, turn_rad, growth));
            }
        }
    }
    let mean = tried.iter().map(|(error, ..)| error).sum::<f64>() / tried.len().max(1) as f64;
    let (least, turn_rad, growth) = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    if least >= SHARPNESS * mean {
        return None;
    }
    let grown = growth.ln();
    let borne_out = commanded.forward_m == 0.0 || (grown.abs() > LEAST_GROWTH && grown * commanded.forward_m > 0.0);
    Some(DrawnMove { turn_rad, growth, borne_out })
}

/// Mean squared difference where both are known.
fn error(from: &[f32], to: &[f32], focal: f32, turn_rad: f32, growth: f32) -> Option<f64> {
    let (s, c) = turn_rad.sin_cos();
    let middle = SIDE as f32 * 0.5;
    let (mut sum, mut count) = (0.0, 0);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (a, b) = ((x as f32 + 0.5 - middle) / focal / growth, (y as f32 + 0.5 - middle) / focal / growth);
            // A turn to the left looks to what was left of the middle.
            let (right, ahead) = (a * c - s, a * s + c);
            if ahead < 0.2 {
                continue;
            }
            let (u, v) = (middle + right / ahead * focal, middle + b / ahead * focal);
            if !(u >= 0.0 && v >= 0.0 && u < SIDE as f32 && v < SIDE as f32) {
                continue;
            }
            let difference = f64::from(between(from, u - 0.5, v - 0.5) - to[y * SIDE + x]);
            sum += difference * difference;
            count += 1;
        }
    }
    (f64::from(count) >= LEAST_SHARE * (SIDE * SIDE) as f64).then(|| sum / f64::from(count))
}

/// Linear interpolation; the border repeats.
fn between(values: &[f32], x: f32, y: f32) -> f32 {
    let last = (SIDE - 1) as f32;
    let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
    let (x0, y0) = ((x as usize).min(SIDE - 2), (y as usize).min(SIDE - 2));
    let (a, b) = (x - x0 as f32, y - y0 as f32);
    let at = |dx: usize, dy: usize| values[(y0 + dy) * SIDE + x0 + dx];
    (at(0, 0) * (1.0 - a) + at(1, 0) * a) * (1.0 - b) + (at(0, 1) * (1.0 - a) + at(1, 1) * a) * b
}

/// Brightness, averaged over blocks of pixels.
fn small(view: &Rgbd) -> Vec<f32> {
    let (w, h) = (view.width, view.height);
    let span = |n: usize, side: usize| {
        let from = (n * side / SIDE).min(side - 1);
        from..((n + 1) * side / SIDE).clamp(from + 1, side)
    };
    let mut values = Vec::with_capacity(SIDE * SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (mut sum, mut count) = (0_u32, 0);
            for row in span(y, h) {
                for column in span(x, w) {
                    let [r, g, b] = view.pixel(column, row).map(u32::from);
                    sum += 3 * r + 6 * g + b;
                    count += 10;
                }
            }
            values.push(sum as f32 / count as f32);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use rhea_scene::{Renderer, SceneKind, Threads, generate};

    use super::*;

    #[test]
    fn moves_of_true_views_are_told_apart() {
        let (mut measured, mut right_way) = (0, 0);
        for seed in 0..6 {
            let scene = generate(SceneKind::Room, seed);
            let renderer = Renderer::new(&scene);
            let camera = Camera::square(128);
            let Some(start) = scene.starts().first().copied() else { continue };
            let draw = |step: &Move| renderer.render(&start.apply(step), &camera, Threads::One).rgbd;
            let here = draw(&Move::default());
            for (forward_m, turned_deg) in [(0.4, 0.0), (-0.4, 0.0), (0.4, 3.0), (0.3, -4.0)] {
                let commanded = Move::forward(forward_m);
                let drawn = Move { forward_m, ..Move::turn_deg(turned_deg) };
                let Some(motion) = measured_move(&here, &draw(&drawn), &camera, &commanded) else { continue };
                measured += 1;
                let off_deg = motion.turn_rad.to_degrees() - turned_deg;
                right_way += usize::from(motion.borne_out && off_deg.abs() < 1.6);
            }
            // A picture that did not move bears no move out.
            if let Some(frozen) = measured_move(&here, &here, &camera, &Move::forward(0.5)) {
                assert!(!frozen.borne_out && frozen.turn_rad == 0.0 && frozen.growth == 1.0, "{frozen:?}");
            }
        }
        println!("{right_way} of {measured} moves were told right");
        assert!(measured >= 16 && right_way * 10 >= measured * 8, "{right_way} of {measured}");
    }

    #[test]
    fn plain_pictures_tell_nothing() {
        let plain = Rgbd::filled(64, 64, [90; 3]);
        let camera = Camera::square(64);
        assert_eq!(measured_move(&plain, &plain, &camera, &Move::forward(0.5)), None);
        assert_eq!(measured_move(&plain, &Rgbd::filled(32, 32, [1; 3]), &camera, &Move::forward(0.5)), None);
    }
}

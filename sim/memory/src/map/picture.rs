//! The map as a picture: ground and marks on the left, what they mean on the right.

use rhea_picture::{Ink, Picture};

use super::marks::Radius;
use super::{GROUND_CELLS, GROUND_SIDE_M, LEGEND, MapFacts, Mark, shown_span, verdict_rgb};
use crate::graph::{EdgeKind, Verdict};

/// Side of the map, pixels.
const MAP_PX: usize = 900;
/// Width of the legend, pixels.
const LEGEND_PX: usize = 300;
/// The ground is dimmed to this share, so that marks stand out.
const GROUND_LIGHT: f32 = 0.8;
/// Height of a line of the legend, pixels.
const LINE_PX: f32 = 22.0;
/// Room around the legend's words, pixels.
const GAP_PX: f32 = 16.0;
/// Letters are this many pixels a dot.
const LETTERS: usize = 2;

const BACKGROUND: [u8; 3] = [0x0e, 0x11, 0x16];
const PANEL: [u8; 3] = [0x16, 0x1a, 0x21];
const TEXT: Ink = Ink::solid([0xe2, 0xe6, 0xee]);
const DIM: Ink = Ink::solid([0x96, 0xa0, 0xb2]);

const VERDICTS: [Verdict; 7] = [
    Verdict::New,
    Verdict::Extended,
    Verdict::Revisited,
    Verdict::Repaired,
    Verdict::Composite,
    Verdict::Reopened,
    Verdict::Doubtful,
];

/// Draws a map of 1200 x 900 px. `title` stands over the legend; what is too long is cut.
#[must_use]
pub fn map_picture(facts: &MapFacts, title: &str) -> Picture {
    let mut picture = Picture::filled(MAP_PX + LEGEND_PX, MAP_PX, BACKGROUND);
    let (middle, span) = shown_span(&facts.views);
    let scale = MAP_PX as f32 / span;
    let to_px = |at: [f32; 2]| [0, 1].map(|k| MAP_PX as f32 / 2.0 + (at[k] - middle[k]) * scale);
    ground(&mut picture, facts, middle, span);
    for mark in facts.marks() {
        draw(&mut picture, &mark, scale, &to_px);
    }
    scale_bar(&mut picture, scale);
    picture.rectangle([MAP_PX as f32, 0.0], [LEGEND_PX as f32, MAP_PX as f32], Ink::solid(PANEL));
    legend(&mut picture, facts, title);
    picture
}

fn ground(picture: &mut Picture, facts: &MapFacts, middle: [f32; 2], span: f32) {
    let cells_a_metre = GROUND_CELLS as f32 / GROUND_SIDE_M;
    for y in 0..MAP_PX {
        for x in 0..MAP_PX {
            let cell = |px: usize, k: usize| {
                let at_m = middle[k] + ((px as f32 + 0.5) / MAP_PX as f32 - 0.5) * span;
                let cell = (at_m - facts.ground_middle_m[k]) * cells_a_metre + GROUND_CELLS as f32 / 2.0;
                (cell >= 0.0 && cell < GROUND_CELLS as f32).then_some(cell as usize)
            };
            let (Some(column), Some(row)) = (cell(x, 0), cell(y, 1)) else { continue };
            let from = (row * GROUND_CELLS + column) * 4;
            let (Some([r, g, b, 255]), to) = (facts.ground_rgba.get(from..from + 4), (y * picture.width + x) * 3)
            else {
                continue;
            };
            for (to, from) in picture.rgb.iter_mut().skip(to).zip([r, g, b]) {
                *to = (f32::from(*from) * GROUND_LIGHT) as u8;
            }
        }
    }
}

fn draw(picture: &mut Picture, mark: &Mark, scale: f32, to_px: &dyn Fn([f32; 2]) -> [f32; 2]) {
    match mark {
        Mark::Line { from_m, to_m, width_px, ink } => picture.line(to_px(*from_m), to_px(*to_m), *width_px, *ink),
        Mark::Disc { at_m, radius_px, ink } => picture.disc(to_px(*at_m), *radius_px, *ink),
        Mark::Ring { at_m, radius, ink } => {
            let radius_px = match radius {
                Radius::Px(px) => *px,
                Radius::M(m) => m * scale,
            };
            picture.ring(to_px(*at_m), radius_px, 1.5, *ink);
        }
        Mark::Square { at_m, side_m, ink } => {
            let side = side_m * scale;
            picture.rectangle(to_px(*at_m).map(|v| v - side / 2.0), [side; 2], *ink);
        }
        Mark::Cone { corners_m, ink } => picture.triangle(corners_m.map(to_px), *ink),
        Mark::Words { at_m, text, ink } => {
            let [x, y] = to_px(*at_m);
            let [width, height] = Picture::words_size(1, text);
            picture.rectangle([x + 6.0, y - 6.0], [width + 3.0, height + 4.0], Ink::faint(BACKGROUND, 0.7));
            // Words do not reach into the legend.
            if x + 8.0 + width < MAP_PX as f32 {
                picture.words([x + 8.0, y - 4.0], 1, text, *ink);
            }
        }
    }
}

fn scale_bar(picture: &mut Picture, scale: f32) {
    let metres = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let length_m = metres.into_iter().find(|m| m * scale >= 80.0).unwrap_or(1000.0);
    let (left, base) = (20.0, MAP_PX as f32 - 20.0);
    let length = length_m * scale;
    picture.rectangle([left - 8.0, base - 30.0], [length + 16.0, 40.0], Ink::faint(BACKGROUND, 0.7));
    picture.line([left, base], [left + length, base], 3.0, TEXT);
    for end in [left, left + length] {
        picture.line([end, base - 5.0], [end, base + 5.0], 2.0, TEXT);
    }
    picture.words([left, base - 24.0], LETTERS, &format!("{length_m} m"), TEXT);
}

fn legend(picture: &mut Picture, facts: &MapFacts, title: &str) {
    let left = MAP_PX as f32 + GAP_PX;
    let most = |letters: usize| ((LEGEND_PX as f32 - 2.0 * GAP_PX) / (6 * letters) as f32) as usize;
    let mut top = GAP_PX;
    let mut write = |picture: &mut Picture, text: &str, swatch: Option<[u8; 3]>, ink: Ink| {
        let indent = if swatch.is_some() { 22.0 } else { 0.0 };
        if let Some(rgb) = swatch {
            picture.disc([left + 7.0, top + 6.0], 6.0, Ink::solid(rgb));
        }
        let letters = if text.len() + usize::from(swatch.is_some()) * 2 <= most(LETTERS) { LETTERS } else { 1 };
        let text: String = text.chars().take(most(letters)).collect();
        let down = if letters == 1 { 3.0 } else { 0.0 };
        picture.words([left + indent, top + down], letters, &text, ink);
        top += LINE_PX;
    };
    write(picture, title, None, TEXT);
    let count = |what: usize, one: &str, more: &str| format!("{what} {}", if what == 1 { one } else { more });
    let steps = facts.edges.iter().filter(|(.., kind)| *kind != EdgeKind::Loop).count();
    write(picture, &count(facts.views.len(), "view", "views"), None, DIM);
    write(picture, &count(facts.places.len(), "place", "places"), None, DIM);
    write(picture, &format!("{steps} steps, {}", count(facts.loops(), "loop", "loops")), None, DIM);
    write(picture, &format!("{:.1} m2 seen", facts.seen_m2), None, DIM);
    write(picture, &count(facts.recalled.len(), "recalled", "recalled"), None, DIM);
    write(picture, "", None, DIM);
    write(picture, "verdicts", None, TEXT);
    for verdict in VERDICTS {
        let views = facts.views.iter().filter(|view| view.verdict == verdict).count();
        write(picture, &format!("{} {views}", verdict.word()), Some(verdict_rgb(verdict)), DIM);
    }
    write(picture, "", None, DIM);
    write(picture, "marks", None, TEXT);
    for (words, rgb) in LEGEND {
        write(picture, words, Some(rgb), DIM);
    }
    write(picture, "north is up", None, DIM);
}

#[cfg(test)]
mod tests {
    use rhea_scene::Pose;

    use super::*;
    use crate::graph::Role;
    use crate::map::MapView;

    #[test]
    fn the_walker_stands_in_the_middle_of_a_map_of_one_view() {
        let pose = Pose { position_m: [3.0, 1.5, -7.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        let view = MapView { pose, verdict: Verdict::Repaired, role: Role::Canonical, pinned: false, forgotten: false };
        let picture = map_picture(&MapFacts { views: vec![view], ..MapFacts::default() }, "a world");
        assert_eq!((picture.width, picture.height), (MAP_PX + LEGEND_PX, MAP_PX));
        let at = |x: usize, y: usize| &picture.rgb[(y * picture.width + x) * 3..][..3];
        assert_eq!(at(MAP_PX / 2, MAP_PX / 2), verdict_rgb(Verdict::Repaired));
        // He looks north: the cone is above him, nothing below.
        assert!(at(MAP_PX / 2, MAP_PX / 2 - 40) > &BACKGROUND[..]);
        assert_eq!(at(MAP_PX / 2, MAP_PX / 2 + 40), BACKGROUND);
        let empty = map_picture(&MapFacts::default(), &"long ".repeat(100));
        assert_eq!(empty.rgb.len(), picture.rgb.len());
    }
}

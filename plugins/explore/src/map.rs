//! The map of the walk: the path, the views, where the walker looks, and from above what the views have seen.
//!
//! What it paints of the surroundings is the views' own depth, so it shows the world as imagined, not as it is.
//!
//! Invariant: the painted area has a fixed size, however long the walk.

use bevy::image::{Image, ImageSampler};
use bevy::prelude::Assets;
use bevy_egui::EguiUserTextures;
use bevy_egui::egui::{self, Color32, CornerRadius, Pos2, Rect, Shape, Stroke, vec2};
use rhea_scene::{Camera, Pose};

use crate::theme;
use crate::view::Picture;
use crate::walk::SeenView;

/// Side of a painted cell, metres.
const CELL_M: f32 = 0.1;
/// Cells along a side of the painted area, which is centred on the first view.
const CELLS: usize = 400;
/// Eye height of the walker above the floor, metres.
const EYE_M: f32 = 1.5;
/// What is higher than this above the floor is left out, or ceilings would hide everything, metres.
const ROOF_M: f32 = 1.9;
/// Up to here a point is floor and is painted darker, metres above the floor.
const FLOOR_M: f32 = 0.12;
/// Farther points are left out: their cells would be sparse, metres.
const REACH_M: f32 = 10.0;
/// The map shows at least this much, metres.
const MIN_SPAN_M: f32 = 9.0;
/// Room around the path, metres.
const MARGIN_M: f32 = 2.5;
/// Dots are drawn for at most this many views; the path is always whole.
const MAX_DOTS: usize = 400;

#[derive(Clone, Copy)]
struct Cell {
    colour: Color32,
    height_m: f32,
    step: u64,
}

/// The painted surroundings.
#[derive(Default)]
pub struct MapCanvas {
    cells: Vec<Option<Cell>>,
    /// World x and z of the middle.
    middle_m: [f32; 2],
    picture: Picture,
    dirty: bool,
    cuts: u64,
    painted: Option<(u64, u64)>,
}

impl MapCanvas {
    /// Takes the view on screen in, if it is another one. `cuts` changes with undo and with a new world, `serial` with
    /// each view.
    pub fn update(&mut self, seen: &SeenView, serial: u64, cuts: u64) {
        if self.painted == Some((serial, cuts)) {
            return;
        }
        if self.cells.is_empty() || seen.step == 0 {
            self.cells = vec![None; CELLS * CELLS];
            self.middle_m = [seen.pose.position_m[0], seen.pose.position_m[2]];
        }
        if self.cuts != cuts {
            self.forget_after(seen.step);
            self.cuts = cuts;
        }
        self.paint(seen);
        self.painted = Some((serial, cuts));
        self.dirty = true;
    }

    fn forget_after(&mut self, step: u64) {
        for cell in &mut self.cells {
            *cell = cell.filter(|cell| cell.step <= step);
        }
    }

    fn paint(&mut self, seen: &SeenView) {
        let view = &seen.view;
        let camera = Camera { width: view.width, height: view.height, fov_x_rad: Camera::FOV_X_RAD };
        for y in 0..view.height {
            for x in 0..view.width {
                let Some(depth_m) = view.depth_m.get(y * view.width + x).copied().filter(|depth| *depth < REACH_M)
                else {
                    continue;
                };
                let [px, py, pz] = point_in_world(&camera, &seen.pose, x, y, depth_m);
                let height_m = py - (seen.pose.position_m[1] - EYE_M);
                let Some(slot) = self.cell_index([px, pz]).filter(|_| height_m < ROOF_M) else { continue };
                let [r, g, b] = view.pixel(x, y);
                let colour = Color32::from_rgb(r, g, b);
                let colour = if height_m > FLOOR_M { colour } else { colour.gamma_multiply(0.5).to_opaque() };
                if let Some(cell) = self.cells.get_mut(slot)
                    && cell.is_none_or(|old| height_m > old.height_m + FLOOR_M)
                {
                    *cell = Some(Cell { colour, height_m, step: seen.step });
                }
            }
        }
    }

    /// Index of the cell under a point (world x and z); `None` outside the painted area.
    fn cell_index(&self, point_m: [f32; 2]) -> Option<usize> {
        let along = |value: f32, middle: f32| {
            let cell = ((value - middle) / CELL_M + CELLS as f32 / 2.0).floor();
            (cell >= 0.0 && cell < CELLS as f32).then_some(cell as usize)
        };
        Some(along(point_m[1], self.middle_m[1])? * CELLS + along(point_m[0], self.middle_m[0])?)
    }

    /// Brings the picture on the graphics card up to date.
    pub fn upload(&mut self, images: &mut Assets<Image>, textures: &mut EguiUserTextures) {
        if std::mem::take(&mut self.dirty) {
            let transparent = Color32::TRANSPARENT;
            let pixels = self.cells.iter().map(|cell| cell.map_or(transparent, |cell| cell.colour));
            let rgba = pixels.flat_map(|pixel| pixel.to_array()).collect();
            self.picture.set((CELLS, CELLS), rgba, ImageSampler::nearest(), images, textures);
        }
    }
}

/// The world point behind a pixel's centre.
fn point_in_world(camera: &Camera, pose: &Pose, x: usize, y: usize, depth_m: f32) -> [f32; 3] {
    let focal = camera.focal_px();
    let right = (x as f32 + 0.5 - camera.width as f32 / 2.0) / focal * depth_m;
    let down = (y as f32 + 0.5 - camera.height as f32 / 2.0) / focal * depth_m;
    let (r, u, f) = (pose.right(), pose.up(), pose.forward());
    std::array::from_fn(|i| pose.position_m[i] + f[i] * depth_m + r[i] * right - u[i] * down)
}

/// The part of the world that the map shows: middle (x, z) and side, metres.
fn shown_span(trail: &[Pose]) -> ([f32; 2], f32) {
    let bounds = |axis: usize| {
        let values = trail.iter().map(|pose| pose.position_m[axis]);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    if trail.is_empty() {
        return ([0.0; 2], MIN_SPAN_M);
    }
    let ((x0, x1), (z0, z1)) = (bounds(0), bounds(2));
    let span = (x1 - x0).max(z1 - z0) + 2.0 * MARGIN_M;
    ([(x0 + x1) / 2.0, (z0 + z1) / 2.0], span.max(MIN_SPAN_M))
}

/// Draws the map into a square of `side` points.
pub fn show(ui: &mut egui::Ui, side: f32, trail: &[Pose], canvas: &MapCanvas) {
    let (rect, _) = ui.allocate_exact_size(vec2(side, side), egui::Sense::hover());
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, CornerRadius::same(6), theme::BACKGROUND);
    let (middle, span) = shown_span(trail);
    let to_screen = |x: f32, z: f32| rect.center() + vec2(x - middle[0], z - middle[1]) * (side / span);
    let half = CELLS as f32 * CELL_M / 2.0;
    let [x, z] = canvas.middle_m;
    let painted = Rect::from_two_pos(to_screen(x - half, z - half), to_screen(x + half, z + half));
    canvas.picture.draw(&painter, painted, Color32::from_white_alpha(210));
    let points: Vec<Pos2> = trail.iter().map(|pose| to_screen(pose.position_m[0], pose.position_m[2])).collect();
    let first_dot = points.len().saturating_sub(MAX_DOTS);
    for point in &points[first_dot..] {
        painter.circle_filled(*point, 2.2, theme::ACCENT);
    }
    if points.len() > 1 {
        painter.add(Shape::line(points.clone(), Stroke::new(1.6_f32, theme::ACCENT)));
    }
    if let (Some(pose), Some(at)) = (trail.last(), points.last()) {
        painter.add(wedge(*at, pose, side / span));
        painter.circle(*at, 4.5, theme::TEXT, Stroke::new(1.5_f32, theme::BACKGROUND));
    }
    scale_bar(&painter, rect, side / span);
}

/// What the walker sees, as a light triangle on the map.
fn wedge(at: Pos2, pose: &Pose, points_per_m: f32) -> Shape {
    let edge = |turn: f32| {
        let (s, c) = (pose.yaw_rad + turn).sin_cos();
        at + vec2(-s, -c) * (1.4 * points_per_m)
    };
    let half = Camera::FOV_X_RAD / 2.0;
    let fill = theme::TEXT.gamma_multiply(0.25);
    Shape::convex_polygon(vec![at, edge(half), edge(0.0), edge(-half)], fill, Stroke::new(1.0_f32, theme::TEXT))
}

fn scale_bar(painter: &egui::Painter, rect: Rect, points_per_m: f32) {
    let metres = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let length_m = metres.into_iter().find(|m| m * points_per_m >= 40.0).unwrap_or(1000.0);
    let from = rect.left_bottom() + vec2(10.0, -10.0);
    let to = from + vec2(length_m * points_per_m, 0.0);
    painter.line_segment([from, to], Stroke::new(2.0_f32, theme::TEXT));
    let font = egui::FontId::proportional(12.0);
    painter.text(from + vec2(0.0, -4.0), egui::Align2::LEFT_BOTTOM, format!("{length_m} m"), font, theme::TEXT);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use rhea_picture::Rgbd;

    use super::*;

    fn wall_ahead(step: u64, x_m: f32, colour: [u8; 3]) -> SeenView {
        let mut view = Rgbd::filled(9, 9, colour);
        view.depth_m.fill(2.0);
        let pose = Pose { position_m: [x_m, EYE_M, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        SeenView { step, view: Arc::new(view), pose, known: None, remark: String::new() }
    }

    #[test]
    fn a_wall_two_metres_ahead_is_painted_two_metres_to_the_north() {
        let mut canvas = MapCanvas::default();
        canvas.update(&wall_ahead(0, 0.0, [200, 0, 0]), 1, 1);
        let at = canvas.cell_index([0.0, -2.0]).unwrap();
        assert_eq!(canvas.cells[at].unwrap().colour, Color32::from_rgb(200, 0, 0));
        let behind = canvas.cell_index([0.0, 2.0]).unwrap();
        assert!(canvas.cells[behind].is_none());
        assert!(canvas.cells.iter().flatten().all(|cell| cell.height_m < ROOF_M), "no ceilings");
    }

    #[test]
    fn turning_left_looks_to_minus_x() {
        let camera = Camera::square(9);
        let pose = Pose { position_m: [0.0; 3], yaw_rad: std::f32::consts::FRAC_PI_2, pitch_rad: 0.0 };
        let [x, y, z] = point_in_world(&camera, &pose, 4, 4, 3.0);
        assert!((x + 3.0).abs() < 1e-5 && y.abs() < 1e-5 && z.abs() < 1e-5, "{x} {y} {z}");
    }

    #[test]
    fn undo_wipes_what_only_the_undone_view_saw() {
        let mut canvas = MapCanvas::default();
        let first = wall_ahead(0, 0.0, [200, 0, 0]);
        canvas.update(&first, 1, 1);
        canvas.update(&wall_ahead(1, 5.0, [0, 200, 0]), 2, 1);
        let far = canvas.cell_index([5.0, -2.0]).unwrap();
        assert!(canvas.cells[far].is_some());
        canvas.update(&SeenView { step: 0, ..first }, 3, 2);
        assert!(canvas.cells[far].is_none());
    }

    #[test]
    fn far_away_points_fall_off_the_map_instead_of_growing_it() {
        let mut canvas = MapCanvas::default();
        canvas.update(&wall_ahead(0, 0.0, [1, 2, 3]), 1, 1);
        canvas.update(&wall_ahead(1, 10_000.0, [1, 2, 3]), 2, 1);
        assert_eq!(canvas.cells.len(), CELLS * CELLS);
        assert_eq!(canvas.cell_index([f32::NAN, 0.0]), None);
    }

    #[test]
    fn the_shown_part_holds_the_whole_path() {
        let trail: Vec<Pose> =
            (0..50).map(|i| Pose { position_m: [i as f32, EYE_M, 3.0], yaw_rad: 0.0, pitch_rad: 0.0 }).collect();
        let (middle, span) = shown_span(&trail);
        assert_eq!(middle, [24.5, 3.0]);
        assert!(span >= 49.0 + MARGIN_M);
    }
}

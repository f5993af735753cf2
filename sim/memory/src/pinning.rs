//! Turns without depth: seen from one point, a turn maps pixels by an exact homography, `K R K^-1`, whatever the depths are.
//!
//! So the cells of a turned view that lie wholly inside what was seen are known before anything is drawn: their pixels are looked
//! up, and encoding the turned picture gives their tokens. Only the rest has to be decoded.

use rhea_picture::{Rgbd, Warp};
use rhea_scene::{Camera, Pose};

use crate::warp::{Source, Warper};

/// What is known of a turned view.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnedView {
    /// The pixels of the source where the target looks at them; the rest is unknown.
    pub warp: Warp,
    /// Per cell, row-major: is it pinned?
    pub pinned: Vec<bool>,
    /// Rows of cells.
    pub rows: usize,
    /// Columns of cells.
    pub cols: usize,
}

impl TurnedView {
    /// Sequential steps of a decoder that goes row by row: each run of cells that are not pinned costs one step a cell, and each
    /// run of pinned cells is read in one step with what follows. A row ends with a line end, which costs one step unless the row is
    /// pinned to its end.
    ///
    /// Without any pinned cell this is `rows * (cols + 1)`.
    #[must_use]
    pub fn decode_steps(&self) -> usize {
        let rows = self.pinned.chunks(self.cols.max(1));
        rows.map(|row| {
            let free = row.iter().filter(|pinned| !**pinned).count();
            // A fully pinned row is one chunk with its line end.
            free + 1
        })
        .sum()
    }

    /// Sequential steps of the whole view without pinning, divided by those with it.
    #[must_use]
    pub fn step_ratio(&self) -> f32 {
        (self.rows * (self.cols + 1)) as f32 / self.decode_steps().max(1) as f32
    }
}

/// What a view of `camera` at `from`, turned to the heading and elevation of `to`, is known to look like; the position of `to` does not
/// matter. A cell is pinned when it and the ring of cells around it, where there are any, lie wholly inside the source.
///
/// The picture is as large as `source`, the grid is `rows * cols`.
#[must_use]
pub fn known_after_turn(
    source: &Rgbd,
    camera: &Camera,
    from: &Pose,
    to: &Pose,
    rows: usize,
    cols: usize,
) -> TurnedView {
    let camera = Camera { width: source.width, height: source.height, ..*camera };
    let target = Pose { position_m: from.position_m, ..*to };
    let mut warp = Warp::empty(camera.width, camera.height);
    let sources = [Source { view: source, pose: from, hole: None, own: None }];
    Warper::default().warp_sources_into(&sources, &camera, &target, &mut warp);
    let inside = whole_cells(&warp.valid, (camera.width, camera.height), rows, cols);
    let pinned = (0..rows * cols).map(|cell| ring(cell, rows, cols).into_iter().all(|near| inside[near])).collect();
    TurnedView { warp, pinned, rows, cols }
}

/// Cells all of whose pixels are valid.
fn whole_cells(valid: &[bool], (w, h): (usize, usize), rows: usize, cols: usize) -> Vec<bool> {
    let mut whole = vec![w > 0 && h > 0; rows * cols];
    for (i, valid) in valid.iter().enumerate() {
        if !valid && let Some(cell) = whole.get_mut((i / w * rows / h) * cols + i % w * cols / w) {
            *cell = false;
        }
    }
    whole
}

/// A cell and its neighbours inside the grid.
fn ring(cell: usize, rows: usize, cols: usize) -> Vec<usize> {
    let (y, x) = (cell / cols, cell % cols);
    let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
    near(y, rows).flat_map(|y| near(x, cols).map(move |x| y * cols + x)).collect()
}

/// The turn that was really made, from the pictures alone: the heading change within 5 degrees of the commanded one under which the
/// source, turned, agrees best with the view. Radians, to the left; `None` when too little of the view is shared or it is too plain
/// to tell.
///
/// Steps of 1 degree, then of 0.1 degrees around the best, then a parabola through the three best.
#[must_use]
pub fn measured_turn(source: &Rgbd, view: &Rgbd, camera: &Camera, from: &Pose, commanded_rad: f32) -> Option<f32> {
    const REACH_DEG: i32 = 5;
    const LEAST_SHARE: f32 = 0.2;
    /// The best must be better than the mean of all by this factor, or the view is too plain.
    const SHARPNESS: f64 = 0.7;
    let camera = Camera { width: source.width, height: source.height, ..*camera };
    let mut warper = Warper::default();
    let mut warp = Warp::empty(camera.width, camera.height);
    let mut error = |offset_rad: f32| -> Option<f64> {
        let pose = Pose { yaw_rad: from.yaw_rad + commanded_rad + offset_rad, ..*from };
        warper.warp_sources_into(
            &[Source { view: source, pose: from, hole: None, own: None }],
            &camera,
            &pose,
            &mut warp,
        );
        if warp.coverage() < LEAST_SHARE || (view.width, view.height) != (camera.width, camera.height) {
            return None;
        }
        let known = warp.valid.iter().enumerate().filter(|(_, valid)| **valid).map(|(i, _)| i);
        let (mut sum, mut count) = (0_u64, 0_u64);
        for i in known {
            let (a, b) = (&warp.view.rgb[3 * i..3 * i + 3], &view.rgb[3 * i..3 * i + 3]);
            sum += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
            count += 3;
        }
        Some(sum as f64 / count.max(1) as f64)
    };
    let coarse: Vec<(f32, f64)> = (-REACH_DEG..=REACH_DEG)
        .filter_map(|degrees| {
            let offset = (degrees as f32).to_radians();
            error(offset).map(|e| (offset, e))
        })
        .collect();
    let mean = coarse.iter().map(|(_, e)| e).sum::<f64>() / coarse.len().max(1) as f64;
    let (middle, least) = coarse.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    if least > SHARPNESS * mean {
        return None;
    }
    let step = 0.1_f32.to_radians();
    let fine: Vec<(f32, f64)> =
        (-10..=10).filter_map(|n| error(middle + n as f32 * step).map(|e| (middle + n as f32 * step, e))).collect();
    let best = fine.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(i, _)| i)?;
    let at = fine.get(best)?.0;
    let shift = match (best.checked_sub(1).and_then(|i| fine.get(i)), fine.get(best), fine.get(best + 1)) {
        (Some((_, before)), Some((_, here)), Some((_, after))) => {
            let bend = before - 2.0 * here + after;
            if bend > 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) as f32 } else { 0.0 }
        }
        _ => 0.0,
    };
    Some(commanded_rad + at + shift * step)
}

//! What memory knows of a picture, cell by cell.

use rhea_picture::Warp;

use crate::error::EngineError;

/// Share of a cell's pixels that must be valid for its code to be kept as it is.
pub const KNOWN_SHARE: f32 = 0.85;
/// Share of a cell's pixels from which its code is offered as a hint.
pub const PARTIAL_SHARE: f32 = 0.25;

/// How much of a cell memory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// Enough to keep it: never drawn again.
    Known,
    /// Enough for a hint: drawn, with the warped code as a start.
    Partial,
    /// Nothing.
    Hole,
}

/// The states of `rows * cols` cells of a warp, row-major.
///
/// # Errors
/// When the warp's buffers do not belong together or its sides are no multiples of the grid.
pub fn known_cells(warp: &Warp, rows: usize, cols: usize) -> Result<Vec<CellState>, EngineError> {
    let (w, h) = (warp.view.width, warp.view.height);
    let fits = rows > 0 && cols > 0 && w > 0 && h > 0 && w.is_multiple_of(cols) && h.is_multiple_of(rows);
    if !fits || warp.valid.len() != w * h || warp.magnification.len() != w * h {
        return Err(EngineError::Request(format!(
            "memory of {w} x {h} px with {} valid flags and {} magnifications over a grid of {rows} x {cols}",
            warp.valid.len(),
            warp.magnification.len()
        )));
    }
    let (cell_w, cell_h) = (w / cols, h / rows);
    let mut counts = vec![0usize; rows * cols];
    for (y, line) in warp.valid.chunks_exact(w).enumerate() {
        for (x, cell) in line.chunks_exact(cell_w).enumerate() {
            counts[y / cell_h * cols + x] += cell.iter().filter(|v| **v).count();
        }
    }
    let state = |count: usize| match count as f32 / (cell_w * cell_h) as f32 {
        share if share >= KNOWN_SHARE => CellState::Known,
        share if share >= PARTIAL_SHARE => CellState::Partial,
        _ => CellState::Hole,
    };
    Ok(counts.into_iter().map(state).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn thresholds_divide_known_partial_and_hole() {
        // 10 x 10 pixels a cell, two cells in a row, two rows.
        let mut warp = Warp::empty(20, 20);
        let mut fill = |cell_x: usize, cell_y: usize, count: usize| {
            for i in 0..count {
                warp.valid[(cell_y * 10 + i / 10) * 20 + cell_x * 10 + i % 10] = true;
            }
        };
        fill(0, 0, 85);
        fill(1, 0, 84);
        fill(0, 1, 25);
        fill(1, 1, 24);
        let states = known_cells(&warp, 2, 2).unwrap();
        assert_eq!(states, [CellState::Known, CellState::Partial, CellState::Partial, CellState::Hole]);
        assert!(known_cells(&warp, 3, 2).is_err());
        warp.valid.pop();
        assert!(known_cells(&warp, 2, 2).is_err());
    }
}

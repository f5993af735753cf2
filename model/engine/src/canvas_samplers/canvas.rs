//! The cells of a picture while it is drawn, and the logits that speak about them.

use crate::canvas::CellState;
use crate::error::EngineError;

/// What a cell of a canvas shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A code that memory knows; it stays.
    Pinned(u32),
    /// A code that memory saw in part; a start for drawing.
    Hint(u32),
    /// Nothing is known.
    Hole,
    /// A code that was drawn, or noise; it may change.
    Code(u32),
}

impl Cell {
    /// The code shown; `None` for a hole.
    #[must_use]
    pub fn code(self) -> Option<u32> {
        match self {
            Self::Pinned(code) | Self::Hint(code) | Self::Code(code) => Some(code),
            Self::Hole => None,
        }
    }
}

/// The cells of one picture, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    cells: Vec<Cell>,
    /// The cells as memory left them.
    start: Vec<Cell>,
    /// Indices of the cells that are not pinned.
    pub(super) free: Vec<usize>,
    cols: usize,
}

impl Canvas {
    /// A canvas of rows of `cols` cells: the warped codes (in holes they mean nothing) and how far each may be trusted.
    ///
    /// # Errors
    /// When there are not as many codes as states, or they make no whole rows.
    pub fn new(codes: &[u32], states: &[CellState], cols: usize) -> Result<Self, EngineError> {
        if cols == 0 || codes.is_empty() || codes.len() != states.len() || !codes.len().is_multiple_of(cols) {
            let (codes, states) = (codes.len(), states.len());
            return Err(EngineError::Request(format!(
                "a canvas of {codes} codes and {states} states in rows of {cols}"
            )));
        }
        let cell = |(code, state): (&u32, &CellState)| match state {
            CellState::Known => Cell::Pinned(*code),
            CellState::Partial => Cell::Hint(*code),
            CellState::Hole => Cell::Hole,
        };
        let cells: Vec<Cell> = codes.iter().zip(states).map(cell).collect();
        let free = (0..cells.len()).filter(|cell| states[*cell] != CellState::Known).collect();
        Ok(Self { start: cells.clone(), cells, free, cols })
    }

    /// All cells.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Cells of a row.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of cells that are not pinned.
    #[must_use]
    pub fn free_cells(&self) -> usize {
        self.free.len()
    }

    /// Indices of the cells that are not pinned.
    pub fn free(&self) -> impl Iterator<Item = usize> + use<> {
        self.free.clone().into_iter()
    }

    /// Puts a code into a cell; a pinned cell keeps its own.
    ///
    /// # Panics
    /// When there is no such cell.
    pub fn write(&mut self, cell: usize, code: u32) {
        if !matches!(self.cells[cell], Cell::Pinned(_)) {
            self.cells[cell] = Cell::Code(code);
        }
    }

    /// Makes a cell again what memory left: a pinned code, a hint or a hole.
    ///
    /// # Panics
    /// When there is no such cell.
    pub fn restore(&mut self, cell: usize) {
        self.cells[cell] = self.start[cell];
    }

    /// The codes of a finished canvas.
    ///
    /// # Errors
    /// When a hole is left.
    pub fn into_codes(self) -> Result<Vec<u32>, EngineError> {
        let hole = || EngineError::Request("the canvas still has holes after its last pass".to_owned());
        self.cells.into_iter().map(|cell| cell.code().ok_or_else(hole)).collect()
    }
}

/// Visual logits of one pass, `(cells, codes)`.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    values: &'a [f32],
    codes: usize,
    /// The cells of the rows, ascending; `None`: row `j` is about cell `j`.
    cells: Option<&'a [usize]>,
}

impl<'a> Logits<'a> {
    /// Logits of all cells; `codes` of them a cell.
    #[must_use]
    pub fn new(values: &'a [f32], codes: usize) -> Self {
        Self { values, codes, cells: None }
    }

    /// Logits of ascending `cells`.
    #[must_use]
    pub fn of(cells: &'a [usize], values: &'a [f32], codes: usize) -> Self {
        Self { values, codes, cells: Some(cells) }
    }

    /// The logits of a cell, one a code.
    ///
    /// # Panics
    /// When there are none of that cell.
    #[must_use]
    pub fn cell(&self, cell: usize) -> &'a [f32] {
        let row = self.cells.map_or(cell, |cells| cells.partition_point(|other| *other < cell));
        debug_assert!(self.cells.is_none_or(|cells| cells[row] == cell), "logits of cell {cell}");
        &self.values[row * self.codes..][..self.codes]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_cells() {
        let values: Vec<f32> = (0..4_u8).map(f32::from).collect();
        assert_eq!([0, 3].map(|cell| Logits::new(&values, 1).cell(cell)[0]), [0.0, 3.0]);
        let some = Logits::of(&[1, 5], &values, 2);
        assert_eq!([some.cell(1), some.cell(5)], [&values[..2], &values[2..]]);
    }

    #[test]
    fn pinned_cells_refuse_codes_and_holes_must_be_filled() {
        let states = [CellState::Known, CellState::Partial, CellState::Hole, CellState::Known];
        let mut canvas = Canvas::new(&[1, 2, 3, 4], &states, 2).unwrap();
        assert!(canvas.clone().into_codes().is_err());
        (0..4).for_each(|cell| canvas.write(cell, 9));
        assert_eq!(canvas.cells(), [Cell::Pinned(1), Cell::Code(9), Cell::Code(9), Cell::Pinned(4)]);
        canvas.restore(1);
        assert_eq!(canvas.into_codes().unwrap(), [1, 2, 9, 4]);
        assert!(Canvas::new(&[1, 2, 3], &states, 2).is_err());
        assert!(Canvas::new(&[1, 2, 3, 4], &states, 3).is_err());
    }
}

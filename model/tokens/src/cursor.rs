//! Next-token decoding of a picture: which ids are forced and where a code is sampled.

use crate::error::TokensError;
use crate::picture::Grid;
use crate::vocabulary::Vocabulary;

/// What comes next in a picture that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureStep {
    /// Append these ids without asking the model; they can run in one forward pass with the id before them.
    Forced(Vec<u32>),
    /// Sample one of [`Vocabulary::visual_ids`] for this cell (row-major), then call [`PictureCursor::accept`].
    Sample {
        /// The cell.
        cell: usize,
    },
    /// The picture is complete; EOI has been handed out.
    Done,
}

/// Walks through the grammar of one picture: header, cells with a forced EOL after each row but the last, EOI.
///
/// ```text
/// Forced(BOI 2 * 2 IMG)  Sample 0  Sample 1  Forced(EOL)  Sample 2  Sample 3  Forced(EOI)  Done
/// ```
#[derive(Clone, Debug)]
pub struct PictureCursor {
    grid: Grid,
    codes: Vec<u32>,
    /// What is before the next cell has been handed out: the header, an EOL, or EOI.
    framed: bool,
}

impl PictureCursor {
    /// Starts a picture; its first step is the header.
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        Self { grid, codes: Vec::with_capacity(grid.cells()), framed: false }
    }

    /// The next step. Forced ids are handed out once; a cell is asked for until its code is accepted.
    pub fn step(&mut self, vocabulary: &Vocabulary) -> PictureStep {
        let cell = self.codes.len();
        let control = vocabulary.control();
        let complete = cell == self.grid.cells();
        if !std::mem::replace(&mut self.framed, true) {
            if cell == 0 {
                return PictureStep::Forced(self.grid.header(vocabulary));
            }
            return PictureStep::Forced(vec![if complete { control.eoi } else { control.eol }]);
        }
        if complete { PictureStep::Done } else { PictureStep::Sample { cell } }
    }

    /// Takes the code sampled for the cell that was asked for.
    ///
    /// # Errors
    /// When no cell was asked for or the code does not exist.
    pub fn accept(&mut self, code: u32, vocabulary: &Vocabulary) -> Result<(), TokensError> {
        if !self.framed || self.codes.len() == self.grid.cells() {
            let (rows, cols) = (self.grid.rows(), self.grid.cols());
            return Err(TokensError::CodeCount { rows, cols, got: self.codes.len() + 1 });
        }
        vocabulary.visual(code)?;
        self.codes.push(code);
        self.framed = !self.codes.len().is_multiple_of(self.grid.cols());
        Ok(())
    }

    /// The codes accepted so far, row-major.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The size of the picture.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.grid
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::picture::encode_picture;
    use crate::vocabulary::tests::emu35;

    #[test]
    fn a_sampled_picture_has_the_ids_of_a_written_one() {
        let v = emu35();
        for (rows, cols) in [(1, 1), (2, 3), (3, 1), (8, 8)] {
            let grid = Grid::new(rows, cols).unwrap();
            let codes: Vec<u32> = (0..grid.cells() as u32).map(|i| i * 31 + 5).collect();
            let (mut cursor, mut ids) = (PictureCursor::new(grid), Vec::new());
            loop {
                match cursor.step(&v) {
                    PictureStep::Forced(forced) => ids.extend(forced),
                    PictureStep::Sample { cell } => {
                        assert_eq!(cursor.step(&v), PictureStep::Sample { cell }, "asking again changes nothing");
                        cursor.accept(codes[cell], &v).unwrap();
                        ids.push(v.visual(codes[cell]).unwrap());
                    }
                    PictureStep::Done => break,
                }
            }
            assert_eq!(ids, encode_picture(&v, grid, &codes).unwrap());
            assert_eq!(cursor.codes(), codes);
            assert_eq!(cursor.step(&v), PictureStep::Done);
        }
    }

    #[test]
    fn codes_out_of_turn_are_refused() {
        let v = emu35();
        let mut cursor = PictureCursor::new(Grid::new(1, 1).unwrap());
        assert!(cursor.accept(0, &v).is_err(), "before the header");
        cursor.step(&v);
        assert!(cursor.accept(131_072, &v).is_err(), "no such code");
        cursor.accept(3, &v).unwrap();
        assert!(cursor.accept(3, &v).is_err(), "no cell left");
    }
}

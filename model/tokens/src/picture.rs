//! The grammar of a picture in the stream.
//!
//! ```text
//! BOI  digits(rows) '*' digits(cols)  IMG  row EOL row EOL ... row  EOI
//! ```
//!
//! A row is one visual id per cell. EOL stands between rows only. Writing is strict; reading is as tolerant as Emu3.5's reference:
//! the header is ignored and junk is skipped, but all rows must have the same length.

use crate::error::TokensError;
use crate::limits::{MAX_GRID_SIDE, MAX_HEADER_DIGITS};
use crate::vocabulary::Vocabulary;

/// The size of a picture in cells of 16 x 16 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    rows: usize,
    cols: usize,
}

impl Grid {
    /// A grid of `rows` x `cols` cells, 1 to 256 each.
    ///
    /// # Errors
    /// When a side is out of range.
    pub fn new(rows: usize, cols: usize) -> Result<Self, TokensError> {
        for (what, side) in [("the number of rows", rows), ("the number of columns", cols)] {
            if !(1..=MAX_GRID_SIDE).contains(&side) {
                let (value, max) = (side as u64, MAX_GRID_SIDE as u64);
                return Err(TokensError::OutOfRange { what, value, min: 1, max });
            }
        }
        Ok(Self { rows, cols })
    }

    /// Rows of cells.
    #[must_use]
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Columns of cells.
    #[must_use]
    pub fn cols(self) -> usize {
        self.cols
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(self) -> usize {
        self.rows * self.cols
    }

    /// Ids of a whole picture, BOI to EOI: header, cells, and an EOL between each two rows.
    #[must_use]
    pub fn tokens(self) -> usize {
        let digits = |side: usize| side.checked_ilog10().map_or(1, |tens| tens as usize + 1);
        let header = 3 + digits(self.rows) + digits(self.cols);
        header + self.cells() + self.rows - 1 + 1
    }

    /// The ids in front of the first code: BOI, the size, IMG.
    #[must_use]
    pub fn header(self, vocabulary: &Vocabulary) -> Vec<u32> {
        let control = vocabulary.control();
        let mut ids = vec![control.boi];
        ids.extend(vocabulary.number(self.rows));
        ids.push(vocabulary.star());
        ids.extend(vocabulary.number(self.cols));
        ids.push(control.img);
        ids
    }

    /// Reads a size as it stands in a header: digits, `*`, digits. The frame around it, BOI and IMG, may be there or not.
    /// `None` for anything else, and for sizes out of range.
    #[must_use]
    pub fn from_header(vocabulary: &Vocabulary, ids: &[u32]) -> Option<Self> {
        let control = vocabulary.control();
        let ids = ids.strip_prefix(&[control.boi]).unwrap_or(ids);
        let ids = ids.strip_suffix(&[control.img]).unwrap_or(ids);
        let (rows, cols) = ids.split_at(ids.iter().position(|&id| id == vocabulary.star())?);
        let number = |ids: &[u32]| {
            let digits = ids.iter().map(|&id| vocabulary.digit(id));
            digits.take(MAX_HEADER_DIGITS).try_fold(0, |number, digit| Some(10 * number + digit?))
        };
        let fits = |ids: &[u32]| (1..=MAX_HEADER_DIGITS).contains(&ids.len());
        let cols = cols.get(1..)?;
        if !fits(rows) || !fits(cols) {
            return None;
        }
        Self::new(number(rows)?, number(cols)?).ok()
    }

    /// The size that the header of the last picture in a sequence states, such as the last reference picture of a prompt.
    #[must_use]
    pub fn of_last_picture(vocabulary: &Vocabulary, ids: &[u32]) -> Option<Self> {
        let control = vocabulary.control();
        let end = ids.iter().rposition(|&id| id == control.img)?;
        let begin = ids.get(..end)?.iter().rposition(|&id| id == control.boi)?;
        Self::from_header(vocabulary, ids.get(begin..=end)?)
    }

    fn check(self, got: usize) -> Result<(), TokensError> {
        if got == self.cells() {
            return Ok(());
        }
        Err(TokensError::CodeCount { rows: self.rows, cols: self.cols, got })
    }
}

/// A picture read from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its size.
    pub grid: Grid,
    /// Visual codes, row-major, one per cell.
    pub codes: Vec<u32>,
}

/// Why ids are no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureFault {
    /// No end token.
    #[error("the picture is not finished")]
    Unfinished,
    /// No visual code at all.
    #[error("the picture has no cells")]
    Empty,
    /// Rows differ in length.
    #[error("row {row} has {got} cells, the first row has {want}")]
    Ragged {
        /// The first row that differs, from 0.
        row: usize,
        /// Its cells.
        got: usize,
        /// Cells of row 0.
        want: usize,
    },
    /// A side over the limit.
    #[error("a side has more than {MAX_GRID_SIDE} cells")]
    TooLarge,
}

/// The ids of a whole picture, BOI to EOI. `codes` are row-major, one per cell.
///
/// # Errors
/// When the number of codes does not fit the grid or a code does not exist.
pub fn encode_picture(vocabulary: &Vocabulary, grid: Grid, codes: &[u32]) -> Result<Vec<u32>, TokensError> {
    grid.check(codes.len())?;
    let cells: Vec<u32> = codes.iter().map(|&code| vocabulary.visual(code)).collect::<Result<_, _>>()?;
    Ok(frame(vocabulary, grid, &cells))
}

/// As [`encode_picture`], for a picture of which only some cells are known: the others become HOLE.
///
/// # Errors
/// As [`encode_picture`], or when the vocabulary has no HOLE.
pub fn encode_partial_picture(
    vocabulary: &Vocabulary,
    grid: Grid,
    cells: &[Option<u32>],
) -> Result<Vec<u32>, TokensError> {
    grid.check(cells.len())?;
    Ok(frame(vocabulary, grid, &encode_canvas(vocabulary, cells)?))
}

/// The bare ids of cells, HOLE where nothing is known: one id per cell, no header, no row ends.
///
/// # Errors
/// When a code does not exist, or a cell is unknown and the vocabulary has no HOLE.
pub fn encode_canvas(vocabulary: &Vocabulary, cells: &[Option<u32>]) -> Result<Vec<u32>, TokensError> {
    let hole = || vocabulary.control().hole.ok_or(TokensError::MissingToken("<|hole|>"));
    cells.iter().map(|cell| cell.map_or_else(hole, |code| vocabulary.visual(code))).collect()
}

/// Puts header, row ends and EOI around cells, which must fit the grid.
fn frame(vocabulary: &Vocabulary, grid: Grid, cells: &[u32]) -> Vec<u32> {
    let mut ids = grid.header(vocabulary);
    ids.reserve(cells.len() + grid.rows);
    for (row, cells) in cells.chunks(grid.cols).enumerate() {
        if row > 0 {
            ids.push(vocabulary.control().eol);
        }
        ids.extend_from_slice(cells);
    }
    ids.push(vocabulary.control().eoi);
    ids
}

/// Reads a picture from the ids between BOI and EOI, both included or not.
///
/// Visual codes are taken row by row, rows end at EOL, rows without codes are skipped, everything else is ignored.
///
/// # Errors
/// The [`PictureFault`], when there is no rectangle of codes.
pub fn parse_picture(vocabulary: &Vocabulary, ids: &[u32]) -> Result<Picture, PictureFault> {
    let mut codes = Vec::new();
    let (mut rows, mut cols) = (0, 0);
    for row in ids.split(|&id| id == vocabulary.control().eol) {
        let before = codes.len();
        codes.extend(row.iter().filter_map(|&id| vocabulary.code(id)));
        let got = codes.len() - before;
        match (got, rows) {
            (0, _) => continue,
            (_, 0) => cols = got,
            _ if got != cols => return Err(PictureFault::Ragged { row: rows, got, want: cols }),
            _ => {}
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(PictureFault::Empty);
    }
    let grid = Grid::new(rows, cols).map_err(|_| PictureFault::TooLarge)?;
    Ok(Picture { grid, codes })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::vocabulary::tests::emu35;

    #[test]
    fn ids_are_those_of_the_reference_implementation() {
        let v = emu35();
        let got = encode_picture(&v, Grid::new(1, 1).unwrap(), &[74_795]).unwrap();
        assert_eq!(got, [151_852, 16, 9, 16, 151_851, 226_649, 151_853]);
        let codes = [114_003, 59_917, 2787, 126_429, 79_350, 50_449];
        let got = encode_picture(&v, Grid::new(2, 3).unwrap(), &codes).unwrap();
        let want =
            [151_852, 17, 9, 18, 151_851, 265_857, 211_771, 154_641, 151_846, 278_283, 231_204, 202_303, 151_853];
        assert_eq!(got, want);
        let header = Grid::new(128, 7).unwrap().header(&v);
        assert_eq!(header, [151_852, 16, 17, 23, 9, 22, 151_851]);
    }

    #[test]
    fn headers_are_read_back() {
        let v = emu35();
        for (rows, cols) in [(1, 1), (55, 73), (128, 7), (256, 256)] {
            let grid = Grid::new(rows, cols).unwrap();
            let header = grid.header(&v);
            assert_eq!(Grid::from_header(&v, &header), Some(grid));
            assert_eq!(Grid::from_header(&v, &header[1..header.len() - 1]), Some(grid));
        }
        let (one, star) = (16, 9);
        for bad in
            [&[][..], &[star], &[one], &[one, star], &[star, one], &[one, star, 40], &[one, star, one, star, one]]
        {
            assert_eq!(Grid::from_header(&v, bad), None, "{bad:?}");
        }
        assert_eq!(Grid::from_header(&v, &[15, star, one]), None, "no rows");
        assert_eq!(Grid::from_header(&v, &[17, 20, 22, star, one]), None, "257 rows");
        assert_eq!(Grid::from_header(&v, &[vec![15; 100_000], vec![star, one]].concat()), None);
        let two = [encode_picture(&v, Grid::new(1, 2).unwrap(), &[3, 4]).unwrap(), vec![5, 6]];
        let ids = [two[0].clone(), Grid::new(3, 2).unwrap().header(&v), two[1].clone()].concat();
        assert_eq!(Grid::of_last_picture(&v, &ids), Some(Grid::new(3, 2).unwrap()));
        assert_eq!(Grid::of_last_picture(&v, &ids[..7]), Some(Grid::new(1, 2).unwrap()));
        assert_eq!(Grid::of_last_picture(&v, &[1, 2, 3]), None);
    }

    #[test]
    fn pictures_survive_the_round_trip() {
        let v = emu35();
        for (rows, cols) in [(1, 1), (8, 8), (1, 12), (12, 1), (55, 73)] {
            let grid = Grid::new(rows, cols).unwrap();
            let codes: Vec<u32> = (0..grid.cells() as u32).map(|i| i * 7919 % 131_072).collect();
            let ids = encode_picture(&v, grid, &codes).unwrap();
            assert_eq!(ids.iter().filter(|&&id| id == v.control().eol).count(), rows - 1);
            assert_eq!(parse_picture(&v, &ids), Ok(Picture { grid, codes }));
        }
    }

    #[test]
    fn reading_tolerates_junk_but_not_ragged_rows() {
        let v = emu35();
        let (c, code) = (*v.control(), |n: u32| v.visual_base() + n);
        let parse = |ids: &[u32]| parse_picture(&v, ids).map(|p| (p.grid.rows(), p.grid.cols(), p.codes));
        let junk =
            [c.boi, 40, c.img, code(1), c.boi, code(2), 7, c.eol, code(3), c.hole.unwrap_or(5), code(4), c.eol, c.eoi];
        assert_eq!(parse(&junk), Ok((2, 2, vec![1, 2, 3, 4])));
        let ragged = [c.boi, c.img, code(1), code(2), c.eol, code(3), c.eoi];
        assert_eq!(parse(&ragged), Err(PictureFault::Ragged { row: 1, got: 1, want: 2 }));
        assert_eq!(parse(&[c.boi, c.img, c.eol, c.eoi]), Err(PictureFault::Empty));
        assert_eq!(parse(&[]), Err(PictureFault::Empty));
        assert_eq!(parse(&vec![code(0); MAX_GRID_SIDE + 1]), Err(PictureFault::TooLarge));
    }

    #[test]
    fn wrong_pictures_are_not_written() {
        let v = emu35();
        let grid = Grid::new(2, 2).unwrap();
        assert!(encode_picture(&v, grid, &[0; 3]).is_err());
        assert!(encode_picture(&v, grid, &[0, 0, 0, 131_072]).is_err());
        assert!(matches!(encode_partial_picture(&v, grid, &[None; 4]), Err(TokensError::MissingToken(_))));
        assert!(Grid::new(0, 1).is_err());
        assert!(Grid::new(1, MAX_GRID_SIDE + 1).is_err());
    }
}

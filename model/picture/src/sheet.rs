//! Contact sheets: many pictures side by side with labels, for people to look at.

use crate::font::{LETTER_HEIGHT, LETTER_WIDTH, inked};
use crate::limits::MAX_SHEET_SIDE_PX;
use crate::picture::Picture;
use crate::rgbd::{PictureError, Rgbd};

/// Space between cells and around letters, pixels.
const GAP_PX: usize = 4;
const PAPER: [u8; 3] = [24, 24, 28];
const INK: [u8; 3] = [230, 230, 225];

/// A grid of pictures, filled row by row.
#[derive(Clone, Debug)]
pub struct Sheet {
    columns: usize,
    scale: usize,
    cells: Vec<(Picture, String)>,
}

impl Sheet {
    /// An empty sheet of `columns` cells a row; every picture is enlarged by the whole number `scale` (at least 1).
    #[must_use]
    pub fn new(columns: usize, scale: usize) -> Self {
        Self { columns: columns.max(1), scale: scale.max(1), cells: Vec::new() }
    }

    /// Adds a picture with a label under it: ASCII, cut at the width of its cell; an empty one takes no ink.
    pub fn add(&mut self, picture: Picture, label: impl Into<String>) {
        self.cells.push((picture, label.into()));
    }

    /// Adds the colours of a view.
    pub fn add_view(&mut self, view: &Rgbd, label: impl Into<String>) {
        self.add(view.picture(), label);
    }

    /// Number of pictures so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Is the sheet empty?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Draws the sheet. Cells are as large as the largest picture; the label line is left out when all labels are empty.
    ///
    /// # Errors
    /// When a picture's buffer does not fit its size, or the sheet is empty or over [`MAX_SHEET_SIDE_PX`] on a side.
    pub fn draw(&self) -> Result<Picture, PictureError> {
        let largest = |side: fn(&Picture) -> usize| self.cells.iter().map(|c| side(&c.0)).max().unwrap_or(0);
        let labelled = self.cells.iter().any(|c| !c.1.is_empty());
        let text = if labelled { LETTER_HEIGHT + GAP_PX } else { 0 };
        let cell_width = largest(|p| p.width).saturating_mul(self.scale);
        let cell_height = largest(|p| p.height).saturating_mul(self.scale).saturating_add(text);
        let columns = self.columns.min(self.cells.len());
        let rows = self.cells.len().div_ceil(self.columns);
        let side = |cells: usize, cell: usize| cells.saturating_mul(cell.saturating_add(GAP_PX)).saturating_add(GAP_PX);
        let (width, height) = (side(columns, cell_width), side(rows, cell_height));
        let longest = width.max(height);
        if self.cells.is_empty() || longest > MAX_SHEET_SIDE_PX {
            let side = if self.cells.is_empty() { 0 } else { u32::try_from(longest).unwrap_or(u32::MAX) };
            return Err(PictureError::Side { side, max: MAX_SHEET_SIDE_PX as u32 });
        }
        let mut sheet = Picture::filled(width, height, PAPER);
        for (i, (picture, label)) in self.cells.iter().enumerate() {
            picture.check()?;
            let left = GAP_PX + i % self.columns * (cell_width + GAP_PX);
            let top = GAP_PX + i / self.columns * (cell_height + GAP_PX);
            paste(&mut sheet, picture, left, top, self.scale);
            write_label(&mut sheet, label, left, top + cell_height - text + GAP_PX / 2, cell_width);
        }
        Ok(sheet)
    }
}

/// Copies `picture`, enlarged, to a place where it fits.
fn paste(sheet: &mut Picture, picture: &Picture, left: usize, top: usize, scale: usize) {
    for y in 0..picture.height * scale {
        for x in 0..picture.width * scale {
            let from = (y / scale * picture.width + x / scale) * 3;
            let to = ((top + y) * sheet.width + left + x) * 3;
            sheet.rgb[to..to + 3].copy_from_slice(&picture.rgb[from..from + 3]);
        }
    }
}

/// Writes as many letters as fit into `width` pixels.
fn write_label(sheet: &mut Picture, label: &str, left: usize, top: usize, width: usize) {
    let step = LETTER_WIDTH + 1;
    for (n, letter) in label.chars().take(width / step).enumerate() {
        for y in 0..LETTER_HEIGHT {
            for x in 0..LETTER_WIDTH {
                if inked(letter, x, y) {
                    let to = ((top + y) * sheet.width + left + n * step + x) * 3;
                    sheet.rgb[to..to + 3].copy_from_slice(&INK);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
        let i = (y * picture.width + x) * 3;
        [picture.rgb[i], picture.rgb[i + 1], picture.rgb[i + 2]]
    }

    #[test]
    fn pictures_lie_in_rows_and_are_enlarged() {
        let mut sheet = Sheet::new(2, 3);
        for colour in [[255, 0, 0], [0, 255, 0], [0, 0, 255]] {
            sheet.add(Picture::filled(4, 2, colour), "");
        }
        let drawn = sheet.draw().unwrap();
        assert_eq!((drawn.width, drawn.height), (4 + 2 * (12 + 4), 4 + 2 * (6 + 4)));
        assert_eq!(at(&drawn, 4, 4), [255, 0, 0]);
        assert_eq!((at(&drawn, 15, 9), at(&drawn, 16, 9)), ([255, 0, 0], PAPER));
        assert_eq!(at(&drawn, 20, 4), [0, 255, 0]);
        assert_eq!(at(&drawn, 4, 14), [0, 0, 255]);
    }

    #[test]
    fn a_label_can_be_read() {
        let mut sheet = Sheet::new(1, 1);
        sheet.add(Picture::filled(12, 1, [0; 3]), "L1 cut");
        let drawn = sheet.draw().unwrap();
        let top = 4 + 1 + 2;
        let text: Vec<String> = (0..LETTER_HEIGHT)
            .map(|y| (0..12).map(|x| if at(&drawn, 4 + x, top + y) == INK { '#' } else { '.' }).collect())
            .collect();
        let want = [
            "#.......#...",
            "#......##...",
            "#.......#...",
            "#.......#...",
            "#.......#...",
            "#.......#...",
            "#####..###..",
        ];
        assert_eq!(text, want);
    }

    #[test]
    fn empty_and_endless_sheets_are_refused() {
        assert!(Sheet::new(3, 1).draw().is_err());
        let mut sheet = Sheet::new(200, 1);
        (0..200).for_each(|_| sheet.add(Picture::filled(100, 1, [0; 3]), ""));
        assert!(sheet.draw().unwrap_err().to_string().contains("16384"));
        let mut broken = Sheet::new(1, 1);
        broken.add(Picture { width: 9, height: 9, rgb: vec![] }, "");
        assert!(broken.draw().is_err());
    }
}

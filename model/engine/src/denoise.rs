//! The transformer as a [`Denoiser`], in both forms that weights are trained for.
//!
//! ```text
//! hole            prefix .. IMG | c c c c             marks on every cell; row j speaks about cell j
//! uniform noise   prefix ..     | IMG c c EOL c c     the ids of the picture itself; each row speaks about the next one
//! ```
//!
//! Rows in front of the bar are clean and causal, rows behind it see them and each other. In the second form the canvas brings
//! its own IMG, so that the row that speaks about the first cell sees the canvas too, and EOL stands where the finished picture
//! has it: a next-token model is a denoiser before any training.

use rhea_nn::transformer::{CanvasToken, NO_ID, Transformer};
use rhea_tokens::Vocabulary;

use crate::canvas_samplers::{Canvas, Cell, Denoiser, Logits};
use crate::decoding::CanvasForm;
use crate::error::EngineError;
use crate::reader::Reader;

/// The ids that a canvas is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanvasIds {
    /// Of [`CanvasForm::Hole`].
    Hole {
        /// Mark of every cell.
        canvas: u32,
        /// Mark of a hint.
        partial: u32,
        /// An unknown cell.
        hole: u32,
        /// Id of visual code 0.
        visual_base: u32,
    },
    /// Of [`CanvasForm::UniformNoise`].
    UniformNoise {
        /// End of the header.
        img: u32,
        /// Between rows.
        eol: u32,
        /// Id of visual code 0.
        visual_base: u32,
    },
}

impl CanvasIds {
    /// The ids of a vocabulary; `None` when it lacks those of the form.
    #[must_use]
    pub fn new(form: CanvasForm, vocabulary: &Vocabulary) -> Option<Self> {
        let (control, visual_base) = (vocabulary.control(), vocabulary.visual_base());
        Some(match form {
            CanvasForm::Hole => {
                Self::Hole { canvas: control.canvas?, partial: control.partial?, hole: control.hole?, visual_base }
            }
            CanvasForm::UniformNoise => Self::UniformNoise { img: control.img, eol: control.eol, visual_base },
        })
    }

    /// The rows of a canvas.
    fn tokens(&self, canvas: &Canvas, tokens: &mut Vec<CanvasToken>) -> Result<(), EngineError> {
        tokens.clear();
        match *self {
            Self::Hole { canvas: mark, partial, hole, visual_base } => {
                tokens.extend(canvas.cells().iter().map(|cell| match *cell {
                    Cell::Pinned(code) | Cell::Code(code) => {
                        CanvasToken { id: visual_base + code, marks: [mark, NO_ID] }
                    }
                    Cell::Hint(code) => CanvasToken { id: visual_base + code, marks: [mark, partial] },
                    Cell::Hole => CanvasToken { id: hole, marks: [mark, NO_ID] },
                }));
            }
            Self::UniformNoise { img, eol, visual_base } => {
                let plain = |id: u32| CanvasToken { id, marks: [NO_ID; 2] };
                for (row, cells) in canvas.cells().chunks(canvas.cols()).enumerate() {
                    tokens.push(plain(if row == 0 { img } else { eol }));
                    for cell in cells {
                        let Some(code) = cell.code() else {
                            return Err(EngineError::Request("these weights know no holes".to_owned()));
                        };
                        tokens.push(plain(visual_base + code));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A model that reads canvases behind a prefix.
pub struct ModelDenoiser<'a> {
    model: &'a Transformer,
    reader: Reader<'a>,
    ids: CanvasIds,
    tokens: Vec<CanvasToken>,
    /// Cells that are asked for, and the rows that speak about them.
    cells: Vec<usize>,
    rows: Vec<usize>,
}

impl<'a> ModelDenoiser<'a> {
    /// Reads the reader's prompt and `header` (BOI up to and including IMG), behind which a picture of `rows` x `cols` cells
    /// will be drawn.
    ///
    /// # Errors
    /// When prompt and picture do not fit the memory, or the header does not end as the form wants it.
    pub fn behind(
        model: &'a Transformer,
        mut reader: Reader<'a>,
        ids: CanvasIds,
        header: &[u32],
        (rows, cols): (usize, usize),
    ) -> Result<Self, EngineError> {
        match ids {
            CanvasIds::Hole { .. } => reader.read(model, header, rows * cols)?,
            CanvasIds::UniformNoise { img, .. } => match header.split_last() {
                Some((last, clean)) if *last == img => reader.read(model, clean, rows * (cols + 1))?,
                _ => return Err(EngineError::Request("a header that does not end with IMG".into())),
            },
        }
        Ok(Self { model, reader, ids, tokens: Vec::new(), cells: Vec::new(), rows: Vec::new() })
    }
}

impl Denoiser for ModelDenoiser<'_> {
    fn denoise(&mut self, canvas: &Canvas, cells: &[usize], _: f64) -> Result<Logits<'_>, EngineError> {
        self.ids.tokens(canvas, &mut self.tokens)?;
        // In the second form the rows stand one behind the other, EOL included: as if they were a single row of cells.
        let (cols, shifted) = match self.ids {
            CanvasIds::Hole { .. } => (canvas.cols(), false),
            CanvasIds::UniformNoise { .. } => (self.tokens.len(), true),
        };
        self.cells.clear();
        self.cells.extend_from_slice(cells);
        self.rows.clear();
        self.rows.extend(cells.iter().map(|cell| if shifted { row_before(*cell, canvas.cols()) } else { *cell }));
        let values = self.reader.denoise(self.model, &self.tokens, cols, &self.rows)?;
        Ok(Logits::of(&self.cells, values, values.len() / self.rows.len().max(1)))
    }
}

/// Of the rows `IMG codes EOL codes EOL .. codes`, the one that speaks about a cell: one IMG in front and one EOL for each line
/// before, so that the row in front of the cell's own has the number of its place.
fn row_before(cell: usize, cols: usize) -> usize {
    cell + cell / cols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_one_before_their_cells() {
        // IMG a b EOL c d: IMG speaks about a, a about b, EOL about c, c about d.
        assert_eq!([0, 1, 2, 3].map(|cell| row_before(cell, 2)), [0, 1, 3, 4]);
    }
}

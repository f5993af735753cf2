//! Where the tensors of a transformer come from: values by name, or mapped files.

use std::ops::Range;

use super::{Matrix, Role, StoredMatrix, Table, TableRows, WeightForm};
use crate::NnError;
use crate::kernels::Arithmetic;
use crate::transformer::TransformerError;
use crate::weights::Weights;

/// Some rows and columns of a matrix `(out, in)`.
#[derive(Clone, Debug)]
pub(in super::super) struct Piece {
    pub name: String,
    /// Of the whole matrix.
    pub shape: [usize; 2],
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Piece {
    /// Whole rows.
    pub fn rows(name: impl Into<String>, shape: [usize; 2], rows: Range<usize>) -> Self {
        Self { name: name.into(), shape, rows, columns: 0..shape[1] }
    }

    /// Of all rows, some columns.
    pub fn columns(name: impl Into<String>, shape: [usize; 2], columns: Range<usize>) -> Self {
        Self { name: name.into(), shape, rows: 0..shape[0], columns }
    }

    pub fn is_of_whole_rows(&self) -> bool {
        self.columns == (0..self.shape[1])
    }

    /// Copies its values out of those of the whole rows that it is of.
    fn cut(&self, rows: &[f32], to: &mut Vec<f32>) {
        if self.is_of_whole_rows() {
            return to.extend_from_slice(rows);
        }
        rows.chunks_exact(self.shape[1].max(1)).for_each(|row| to.extend_from_slice(&row[self.columns.clone()]));
    }
}

/// Gives the tensors of a transformer in the form they will be held.
pub(in super::super) trait Source {
    type Error: From<TransformerError>;

    /// A vector.
    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Self::Error>;

    /// Pieces with as many columns each, one below the other.
    fn matrix(&mut self, pieces: &[Piece], role: Role) -> Result<Matrix, Self::Error>;

    /// Some rows of a matrix of which single rows are read, by the numbers that they have there.
    fn table(&mut self, name: &str, shape: [usize; 2], rows: &[Range<usize>]) -> Result<Table, Self::Error>;
}

/// Columns of pieces that stand one below the other.
pub(in super::super) fn width(pieces: &[Piece]) -> usize {
    pieces.first().map_or(0, |piece| piece.columns.len())
}

/// Tensors that a closure reads by name and shape, packed for an arithmetic.
pub(in super::super) struct FromValues<R> {
    pub arithmetic: Arithmetic,
    pub read: R,
}

impl<E: From<TransformerError>, R: FnMut(&str, &[usize]) -> Result<Vec<f32>, E>> FromValues<R> {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, E> {
        let values = (self.read)(name, shape)?;
        if values.len() == shape.iter().product::<usize>() {
            return Ok(values);
        }
        let what = format!("holds {} values; the settings ask for {shape:?}", values.len());
        Err(TransformerError::Tensor { name: name.to_owned(), what }.into())
    }
}

impl<E: From<TransformerError>, R: FnMut(&str, &[usize]) -> Result<Vec<f32>, E>> Source for FromValues<R> {
    type Error = E;

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, E> {
        self.values(name, &[len])
    }

    fn matrix(&mut self, pieces: &[Piece], _role: Role) -> Result<Matrix, E> {
        let (mut values, mut n) = (Vec::new(), 0);
        for piece in pieces {
            let whole = self.values(&piece.name, &piece.shape)?;
            piece.cut(&whole[piece.rows.start * piece.shape[1]..piece.rows.end * piece.shape[1]], &mut values);
            n += piece.rows.len();
        }
        let form = WeightForm::Packed(self.arithmetic);
        Ok(Matrix::of_values(form, &values, n, width(pieces)).map_err(TransformerError::from)?)
    }

    fn table(&mut self, name: &str, shape: [usize; 2], rows: &[Range<usize>]) -> Result<Table, E> {
        let (values, width) = (self.values(name, &shape)?, shape[1]);
        if let [all] = rows
            && *all == (0..shape[0])
        {
            return Ok(Table::new(width, vec![(0, TableRows::Held(values))]));
        }
        let part =
            |rows: &Range<usize>| (rows.start, TableRows::Held(values[rows.start * width..rows.end * width].to_vec()));
        Ok(Table::new(width, rows.iter().map(part).collect()))
    }
}

/// Tensors of mapped files, held in a form. Of the values that are converted, one matrix at a time stands in memory.
pub(in super::super) struct FromWeights<'a> {
    pub weights: &'a Weights,
    pub form: WeightForm,
}

impl Source for FromWeights<'_> {
    type Error = NnError;

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, NnError> {
        self.weights.values_f32(name, &[len])
    }

    fn matrix(&mut self, pieces: &[Piece], role: Role) -> Result<Matrix, NnError> {
        let k = width(pieces);
        let rows = pieces.iter().map(|piece| {
            let whole = self.weights.stored(&piece.name, &piece.shape)?;
            whole.rows(piece.shape[1], piece.rows.clone())
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if self.form.stays_stored(k, role) {
            let parts = rows.into_iter().zip(pieces);
            return Ok(Matrix::Stored(StoredMatrix::new(
                parts.map(|(rows, piece)| (rows, piece.shape[1], piece.columns.clone())),
            )));
        }
        let n = pieces.iter().map(|piece| piece.rows.len()).sum::<usize>();
        let mut values = Vec::with_capacity(n * k);
        for (rows, piece) in rows.iter().zip(pieces) {
            if piece.is_of_whole_rows() {
                let from = values.len();
                values.resize(from + rows.len(), 0.0);
                rows.read(&mut values[from..]);
            } else {
                // Row by row, so that only what is wanted stands in memory.
                for row in 0..piece.rows.len() {
                    piece.cut(&rows.rows(piece.shape[1], row..row + 1)?.values(), &mut values);
                }
            }
        }
        Ok(Matrix::of_values(self.form, &values, n, k)?)
    }

    fn table(&mut self, name: &str, shape: [usize; 2], rows: &[Range<usize>]) -> Result<Table, NnError> {
        let (whole, width) = (self.weights.stored(name, &shape)?, shape[1]);
        let part = |rows: &Range<usize>| Ok((rows.start, TableRows::Stored(whole.rows(width, rows.clone())?)));
        Ok(Table::new(width, rows.iter().map(part).collect::<Result<_, NnError>>()?))
    }
}

//! Where the tensors of a transformer come from: values by name, or mapped files.

use std::ops::Range;

use super::{Matrix, Role, StoredMatrix, Table, WeightForm};
use crate::NnError;
use crate::kernels::Arithmetic;
use crate::transformer::TransformerError;
use crate::weights::Weights;

/// Gives the tensors of a transformer in the form they will be held.
pub(in super::super) trait Source {
    type Error: From<TransformerError>;

    /// A vector.
    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Self::Error>;

    /// Matrices of `k` inner values, one below the other: name and rows of each.
    fn matrix(&mut self, parts: &[(String, usize)], k: usize, role: Role) -> Result<Matrix, Self::Error>;

    /// Some rows of a matrix `(n, k)`.
    fn rows(&mut self, name: &str, shape: [usize; 2], rows: Range<usize>) -> Result<Matrix, Self::Error>;

    /// A matrix of which single rows are read.
    fn table(&mut self, name: &str, shape: [usize; 2]) -> Result<Table, Self::Error>;
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

    fn packed(&self, w: &[f32], n: usize, k: usize) -> Result<Matrix, E> {
        Ok(Matrix::of_values(WeightForm::Packed(self.arithmetic), w, n, k).map_err(TransformerError::from)?)
    }
}

impl<E: From<TransformerError>, R: FnMut(&str, &[usize]) -> Result<Vec<f32>, E>> Source for FromValues<R> {
    type Error = E;

    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, E> {
        self.values(name, &[len])
    }

    fn matrix(&mut self, parts: &[(String, usize)], k: usize, _role: Role) -> Result<Matrix, E> {
        let (mut values, mut n) = (Vec::new(), 0);
        for (name, rows) in parts {
            values.extend(self.values(name, &[*rows, k])?);
            n += rows;
        }
        self.packed(&values, n, k)
    }

    fn rows(&mut self, name: &str, shape: [usize; 2], rows: Range<usize>) -> Result<Matrix, E> {
        let (values, k) = (self.values(name, &shape)?, shape[1]);
        self.packed(&values[rows.start * k..rows.end * k], rows.len(), k)
    }

    fn table(&mut self, name: &str, shape: [usize; 2]) -> Result<Table, E> {
        Ok(Table::Held { values: self.values(name, &shape)?, width: shape[1] })
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

    fn matrix(&mut self, parts: &[(String, usize)], k: usize, role: Role) -> Result<Matrix, NnError> {
        let stored = parts.iter().map(|(name, rows)| self.weights.stored(name, &[*rows, k]));
        let stored = stored.collect::<Result<Vec<_>, _>>()?;
        if self.form.stays_stored(k, role) {
            return Ok(Matrix::Stored(StoredMatrix::new(stored, k)));
        }
        let n = parts.iter().map(|(_, rows)| rows).sum::<usize>();
        let mut values = vec![0.0; n * k];
        let mut rest = &mut values[..];
        for tensor in &stored {
            tensor.read(rest);
            rest = &mut rest[tensor.len()..];
        }
        Ok(Matrix::of_values(self.form, &values, n, k)?)
    }

    fn rows(&mut self, name: &str, shape: [usize; 2], rows: Range<usize>) -> Result<Matrix, NnError> {
        let (count, stored) = (rows.len(), self.weights.stored(name, &shape)?.rows(shape[1], rows)?);
        if self.form == WeightForm::Stored {
            return Ok(Matrix::Stored(StoredMatrix::new(vec![stored], shape[1])));
        }
        Ok(Matrix::of_values(self.form, &stored.values(), count, shape[1])?)
    }

    fn table(&mut self, name: &str, shape: [usize; 2]) -> Result<Table, NnError> {
        Ok(Table::Stored { tensor: self.weights.stored(name, &shape)?, width: shape[1] })
    }
}

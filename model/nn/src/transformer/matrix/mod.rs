//! The matrices of a decoding transformer, in whatever form they are held.
//!
//! * [`WeightForm`] says how: as the file has them, packed for the kernels, or quantised on loading;
//! * [`Matrix`] multiplies, whatever its form;
//! * [`Table`] is the embedding, of which single rows are read.
//!
//! Invariant: a row of a product does not depend on the rows it is multiplied with.

mod blocks;
mod source;
mod stored;

use candle_core::quantized::GgmlDType;

use super::{NO_ID, Token};
use crate::kernels::{Arithmetic, Format, Packed, product};
use crate::weights::StoredTensor;
use blocks::Blocks;
pub(super) use source::{FromValues, FromWeights, Piece, Source, width};
pub(super) use stored::StoredMatrix;

/// How a decoding transformer holds its matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightForm {
    /// As the file has them (f32, f16 or bf16), read where they are mapped: nothing is converted and nothing is copied.
    Stored,
    /// Packed on loading for the kernels.
    Packed(Arithmetic),
    /// Quantised on loading to 8 bits, with one f32 scale for every output and 64 inner values: 8.5 bits a value. The matrices of
    /// attention, a fifth of the published model, stay as the file has them: rounding them as well takes a third more error.
    Q8,
    /// Quantised on loading to blocks of 4 bits with two levels of scales (ggml's Q4_K): 4.5 bits a value. Matrices whose inner
    /// size is no multiple of 256 are held as [`WeightForm::Q8`].
    Q4K,
    /// On devices alone: rounded on loading to 8-bit floats (E4M3) with one f32 scale for every output, and widened there for each
    /// product.
    Fp8,
}

impl WeightForm {
    /// The name that commands use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Packed(arithmetic) => arithmetic.format.name(),
            Self::Q8 => "q8_0",
            Self::Q4K => "q4_k",
            Self::Fp8 => "fp8",
        }
    }

    /// The form of a name: `stored`, `q8_0`, `q4_k` or `fp8`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Stored, Self::Q8, Self::Q4K, Self::Fp8].into_iter().find(|form| form.name() == name)
    }

    /// Does a matrix of `k` inner values stay in its file?
    fn stays_stored(self, k: usize, role: Role) -> bool {
        match self {
            Self::Stored => true,
            Self::Packed(_) | Self::Fp8 => false,
            Self::Q8 => role == Role::Attention,
            Self::Q4K => role == Role::Attention && !k.is_multiple_of(blocks::INNER),
        }
    }

    /// Bytes that a matrix of `n` outputs and `k` inner values takes in memory of its own, and how many stay in its file;
    /// `stored` is the number of bytes of a value there.
    #[must_use]
    pub fn bytes(self, n: u64, k: u64, role: Role, stored: u64) -> (u64, u64) {
        let values = n * k;
        match self {
            _ if self.stays_stored(k as usize, role) => (0, values * stored),
            Self::Packed(Arithmetic { format: Format::F32, .. }) => (values * 4, 0),
            Self::Packed(Arithmetic { format: Format::Bf16, .. }) => (values * 2, 0),
            Self::Q4K if k.is_multiple_of(blocks::INNER as u64) => (values / 256 * 144, 0),
            Self::Fp8 => (values + n * 4, 0),
            Self::Packed(_) | Self::Stored | Self::Q8 | Self::Q4K => (values + n * k.div_ceil(64) * 4, 0),
        }
    }
}

/// What a matrix is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Queries, keys, values, and the way back from the heads.
    Attention,
    /// Everything else: the feed-forward layer and the head.
    Other,
}

/// A matrix `(n, k)` to multiply rows with: `y = x wᵀ`.
#[derive(Debug)]
pub(super) enum Matrix {
    Packed(Packed),
    Stored(StoredMatrix),
    Blocks(Blocks),
}

impl Matrix {
    /// From values, in a form that is not [`WeightForm::Stored`]; that one, and the form of devices, become packed f32.
    fn of_values(form: WeightForm, w: &[f32], n: usize, k: usize) -> candle_core::Result<Self> {
        let best = crate::kernels::arithmetic();
        let arithmetic = match form {
            WeightForm::Packed(arithmetic) => arithmetic,
            WeightForm::Stored | WeightForm::Fp8 => Arithmetic { format: Format::F32, ..best },
            WeightForm::Q4K if k.is_multiple_of(blocks::INNER) => {
                return Ok(Self::Blocks(Blocks::quantise(GgmlDType::Q4K, w, n, k)?));
            }
            WeightForm::Q8 | WeightForm::Q4K => Arithmetic { format: Format::Int8, ..best },
        };
        Ok(Self::Packed(Packed::for_decoding(arithmetic, w, n, k)))
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.n(),
            Self::Stored(stored) => stored.n(),
            Self::Blocks(blocks) => blocks.n(),
        }
    }

    /// Bytes in memory of its own, and bytes that stay in a mapped file.
    pub fn bytes(&self) -> (u64, u64) {
        match self {
            Self::Packed(packed) => (packed.bytes() as u64, 0),
            Self::Stored(stored) => (0, stored.bytes() as u64),
            Self::Blocks(blocks) => (blocks.bytes() as u64, 0),
        }
    }

    /// `x`: `(m, k)` to `out`: `(m, n)`, shared among rayon's threads.
    ///
    /// # Panics
    /// When a slice does not have the length that the sizes say.
    pub fn multiply(&self, x: &[f32], m: usize, out: &mut [f32]) {
        match self {
            Self::Packed(packed) => product(x, m, packed, None, out),
            Self::Stored(stored) => stored.multiply(x, m, out),
            Self::Blocks(blocks) => blocks.multiply(x, m, out),
        }
    }
}

/// Rows of a [`Table`].
#[derive(Debug)]
pub(super) enum TableRows {
    Held(Vec<f32>),
    Stored(StoredTensor),
}

/// A matrix of which single rows are read, or some ranges of its rows.
#[derive(Debug)]
pub(super) struct Table {
    width: usize,
    /// The first row of each range, and the range.
    parts: Vec<(usize, TableRows)>,
}

impl Table {
    pub fn new(width: usize, parts: Vec<(usize, TableRows)>) -> Self {
        Self { width, parts }
    }

    /// The embedding of a token: that of its id and of its marks; zeros stand for rows that are held elsewhere. `scratch` holds
    /// a row.
    pub fn embed(&self, token: &Token, out: &mut [f32], scratch: &mut [f32]) {
        if !self.row(token.id, out) {
            out.fill(0.0);
        }
        for mark in token.marks.iter().filter(|mark| **mark != NO_ID) {
            if self.row(*mark, scratch) {
                super::ops::add(scratch, out);
            }
        }
    }

    /// Is the row one of those held? The id was checked against the vocabulary before.
    fn row(&self, id: u32, out: &mut [f32]) -> bool {
        for (first, rows) in &self.parts {
            let Some(row) = (id as usize).checked_sub(*first) else { continue };
            match rows {
                TableRows::Held(values) => {
                    if let Some(values) = values.get(row * self.width..(row + 1) * self.width) {
                        out.copy_from_slice(values);
                        return true;
                    }
                }
                TableRows::Stored(tensor) => {
                    if let Ok(values) = tensor.rows(self.width, row..row + 1) {
                        values.read(out);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// As [`Matrix::bytes`].
    pub fn bytes(&self) -> (u64, u64) {
        self.parts.iter().fold((0, 0), |(own, mapped), (_, rows)| match rows {
            TableRows::Held(values) => (own + size_of_val(&values[..]) as u64, mapped),
            TableRows::Stored(tensor) => (own, mapped + tensor.bytes() as u64),
        })
    }
}

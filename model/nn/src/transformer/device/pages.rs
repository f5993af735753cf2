//! Keys and values on a device: for every layer `(kv_heads, pages x rows, head_dim)`, so that pages that follow each other are one
//! run of rows for attention, without a copy.

use candle_core::{DType, Result, Tensor};

use super::step::Step;
use crate::device::{DeviceError, OnDevice};
use crate::transformer::HeadShape;
use crate::transformer::kv::PAGE_ROWS;

/// All pages of a store, on a device.
#[derive(Debug)]
pub struct DevicePages {
    on: OnDevice,
    shape: HeadShape,
    layers: Vec<[Tensor; 2]>,
    /// Passes of one row a branch that may come again, the last one at the end.
    pub(super) steps: Vec<Step>,
    /// Why a copy of a page failed; told by the next pass.
    fault: Option<DeviceError>,
}

impl DevicePages {
    pub fn new(
        on: &OnDevice,
        dtype: DType,
        shape: HeadShape,
        layers: usize,
        count: usize,
    ) -> std::result::Result<Self, DeviceError> {
        let side = || Tensor::zeros((shape.kv_heads, count * PAGE_ROWS, shape.head_dim), dtype, on.device());
        let layer = || Ok([side()?, side()?]);
        let layers = (0..layers).map(|_| layer()).collect::<Result<_>>().map_err(|error| on.told(&error))?;
        on.finish()?;
        Ok(Self { on: on.clone(), shape, layers, steps: Vec::new(), fault: None })
    }

    /// Keys and values of a layer.
    pub fn layer(&self, index: usize) -> &[Tensor; 2] {
        &self.layers[index]
    }

    pub fn bytes(&self) -> usize {
        let sides = self.layers.iter().flatten();
        sides.map(|side| side.elem_count() * side.dtype().size_in_bytes()).sum()
    }

    /// Copies the first `rows` rows of a page. What goes wrong is told by the next pass.
    pub fn copy(&mut self, from: u32, to: u32, rows: usize) {
        let work = || -> Result<()> {
            for side in self.layers.iter().flatten() {
                let rows = side.narrow(1, from as usize * PAGE_ROWS, rows)?.force_contiguous()?;
                side.slice_set(&rows, 1, to as usize * PAGE_ROWS)?;
            }
            Ok(())
        };
        // The next pass may come from another thread, which has a stream of its own.
        let done = work().map_err(|error| self.on.told(&error)).and_then(|()| self.on.finish());
        self.fault = done.err().or(self.fault.take());
    }

    /// # Errors
    /// When a copy of a page failed since the last pass.
    pub fn check(&mut self) -> std::result::Result<(), DeviceError> {
        self.fault.take().map_or(Ok(()), Err)
    }

    /// Reads rows, of which `bits` has one bit each, layer by layer, keys before values, and head by head.
    ///
    /// # Errors
    /// What the device says.
    pub fn read_rows(&self, page: u32, bits: u64, to: &mut Vec<f32>) -> std::result::Result<(), DeviceError> {
        let rows = rows_of(page, bits);
        let mut work = || -> Result<()> {
            let rows = Tensor::from_slice(&rows, rows.len(), self.on.device())?;
            for side in self.layers.iter().flatten() {
                to.extend(side.index_select(&rows, 1)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(())
        };
        work().map_err(|error| self.on.told(&error))
    }

    /// Writes rows as [`Self::read_rows`] gives them; returns what is behind them.
    ///
    /// # Errors
    /// What the device says.
    pub fn write_rows<'v>(
        &self,
        page: u32,
        bits: u64,
        mut from: &'v [f32],
    ) -> std::result::Result<&'v [f32], DeviceError> {
        let rows = rows_of(page, bits);
        let mut work = || -> Result<()> {
            let slots = slots(&rows, self.shape, &self.on)?;
            for side in self.layers.iter().flatten() {
                let (own, behind) = from.split_at(rows.len() * self.shape.kv_width());
                from = behind;
                let own = Tensor::from_slice(own, slots.dims(), self.on.device())?.to_dtype(side.dtype())?;
                side.scatter_set(&slots, &own, 1)?;
            }
            Ok(())
        };
        work().map_err(|error| self.on.told(&error))?;
        Ok(from)
    }

    /// Keys and values of one key head of a layer, of the first `len` rows of a page table; what cannot be read is left out.
    pub fn head(&self, layer: usize, table: &[u32], len: usize, head: usize) -> (Vec<f32>, Vec<f32>) {
        let read = |side: &Tensor| -> Result<Vec<f32>> {
            let mut all = Vec::new();
            for (first, count) in runs(table, len) {
                let rows = side.narrow(0, head, 1)?.narrow(1, first, count)?.to_dtype(DType::F32)?;
                all.extend(rows.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(all)
        };
        let Some([k, v]) = self.layers.get(layer) else { return (Vec::new(), Vec::new()) };
        (read(k).unwrap_or_default(), read(v).unwrap_or_default())
    }
}

/// The rows of a page that bits name, among all rows.
fn rows_of(page: u32, bits: u64) -> Vec<u32> {
    let first = page * PAGE_ROWS as u32;
    (0..PAGE_ROWS as u32).filter(|row| bits >> row & 1 == 1).map(|row| first + row).collect()
}

/// For each value of rows that are written the number of its row, `(kv_heads, rows, head_dim)`.
pub fn slots(rows: &[u32], shape: HeadShape, on: &OnDevice) -> Result<Tensor> {
    let of_head = |_| rows.iter().flat_map(|row| std::iter::repeat_n(*row, shape.head_dim));
    let values: Vec<u32> = (0..shape.kv_heads).flat_map(of_head).collect();
    Tensor::from_vec(values, (shape.kv_heads, rows.len(), shape.head_dim), on.device())
}

/// The rows of a page table as runs of rows that follow each other: first row and number.
pub fn runs(table: &[u32], len: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut left = len;
    for page in table {
        let (first, count) = (*page as usize * PAGE_ROWS, left.min(PAGE_ROWS));
        if count == 0 {
            break;
        }
        match runs.last_mut() {
            Some((start, rows)) if *start + *rows == first => *rows += count,
            _ => runs.push((first, count)),
        }
        left -= count;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_follow_each_other_are_one_run() {
        assert_eq!(runs(&[2, 3, 7, 8, 1], 5 * 64 - 10), [(128, 128), (448, 128), (64, 54)]);
        assert_eq!(runs(&[5, 6], 64), [(320, 64)]);
        assert_eq!(runs(&[], 0), []);
    }
}

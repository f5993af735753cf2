//! The memory of the pages: `(page, layer, key or value, kv_head, row, head_dim)`, so that the rows of a head are contiguous.

use std::ops::Range;

use super::PAGE_ROWS;
use crate::parallel::Slice;
use crate::transformer::device::{DeviceNet, DevicePages};
use crate::transformer::ops::attention::Keys;
use crate::transformer::{HeadShape, TransformerError};

/// All pages of a store.
#[derive(Debug)]
pub(in super::super) struct Pages {
    shape: HeadShape,
    layers: usize,
    values: Vec<f32>,
    /// Where they are on a device; `values` is empty then.
    pub device: Option<DevicePages>,
    /// Rows that other readers have still to be told, a bit each, page by page; those of a row that nobody uses mean nothing.
    late: Vec<u64>,
}

/// A page has as many rows as its word of late ones has bits.
const _: () = assert!(PAGE_ROWS == u64::BITS as usize);

/// Bits of the rows of a page.
fn bits(rows: Range<usize>) -> u64 {
    let below = |row: usize| if row < PAGE_ROWS { (1 << row) - 1 } else { u64::MAX };
    below(rows.end) & !below(rows.start)
}

impl Pages {
    /// Bytes of one page with the layers and heads of a slice, `value` bytes a value.
    pub fn bytes(slice: &Slice, value: usize) -> usize {
        slice.kv_values().saturating_mul(PAGE_ROWS * value).saturating_add(PAGE_ROWS * size_of::<u32>())
    }

    /// Memory for `count` pages; the system provides it when a page is first written.
    ///
    /// # Errors
    /// When a device's memory is full.
    pub fn new(slice: &Slice, device: Option<&DeviceNet>, count: usize) -> Result<Self, TransformerError> {
        let device = device.map(|net| net.pages(count)).transpose()?;
        let held = if device.is_some() { 0 } else { count * PAGE_ROWS * slice.kv_values() };
        let (values, late) = (vec![0.0; held], vec![0; count]);
        Ok(Self { shape: slice.shape, layers: slice.layers.len(), values, device, late })
    }

    pub fn reserved_bytes(&self) -> usize {
        size_of_val(&self.values[..]) + self.device.as_ref().map_or(0, DevicePages::bytes)
    }

    pub fn head_dim(&self) -> usize {
        self.shape.head_dim
    }

    /// Values of the keys (or values) of one layer of a page.
    fn side_len(&self) -> usize {
        PAGE_ROWS * self.shape.kv_width()
    }

    /// Where the keys of a layer of a page begin; its values follow.
    fn start(&self, page: u32, layer: usize) -> usize {
        (page as usize * self.layers + layer) * 2 * self.side_len()
    }

    /// Copies the first `rows` rows of a page.
    pub fn copy(&mut self, from: u32, to: u32, rows: usize) {
        if let Some(device) = &mut self.device {
            return device.copy(from, to, rows);
        }
        self.late[to as usize] = self.late[from as usize] & bits(0..rows);
        let (head, used) = (PAGE_ROWS * self.shape.head_dim, rows * self.shape.head_dim);
        let (from, to) = (self.start(from, 0), self.start(to, 0));
        for at in (0..self.layers * 2 * self.side_len()).step_by(head) {
            self.values.copy_within(from + at..from + at + used, to + at);
        }
    }

    /// Writes keys and values, `(kv_heads, rows, head_dim)` each, to the rows from `first` on of a page table.
    pub fn write(&mut self, layer: usize, table: &[u32], first: usize, k: &[f32], v: &[f32]) {
        let d = self.shape.head_dim;
        let rows = k.len() / self.shape.kv_width();
        let mut done = 0;
        while done < rows {
            let row = (first + done) % PAGE_ROWS;
            let part = (PAGE_ROWS - row).min(rows - done);
            let start = self.start(table[(first + done) / PAGE_ROWS], layer);
            let (keys, values) = self.values[start..].split_at_mut(PAGE_ROWS * self.shape.kv_width());
            for (to, from) in [(keys, k), (values, v)] {
                for (to, from) in to.chunks_exact_mut(PAGE_ROWS * d).zip(from.chunks_exact(rows * d)) {
                    to[row * d..(row + part) * d].copy_from_slice(&from[done * d..(done + part) * d]);
                }
            }
            done += part;
        }
    }

    /// Notes of rows of a page table whether other readers have still to be told of them.
    pub fn mark_late(&mut self, table: &[u32], rows: Range<usize>, late: bool) {
        let (first, last) = (rows.start / PAGE_ROWS, rows.end.div_ceil(PAGE_ROWS));
        for (page, number) in table[first..last].iter().zip(first..) {
            let from = rows.start.max(number * PAGE_ROWS) - number * PAGE_ROWS;
            let to = (rows.end - number * PAGE_ROWS).min(PAGE_ROWS);
            let word = &mut self.late[*page as usize];
            *word = if late { *word | bits(from..to) } else { *word & !bits(from..to) };
        }
    }

    /// The rows that other readers have still to be told, of tables of so many rows: pages, and bits of their rows. From now on they
    /// count as told.
    pub fn take_late<'a>(&mut self, tables: impl Iterator<Item = (&'a [u32], usize)>) -> Vec<(u32, u64)> {
        let mut all = Vec::new();
        for (table, held) in tables {
            for (page, first) in table.iter().zip((0..held).step_by(PAGE_ROWS)) {
                let word = &mut self.late[*page as usize];
                let late = *word & bits(0..(held - first).min(PAGE_ROWS));
                *word &= !late;
                all.extend((late != 0).then_some((*page, late)));
            }
        }
        all
    }

    /// How many rows of a table other readers have still to be told.
    #[cfg(test)]
    pub fn count_late(&self, table: &[u32], held: usize) -> u32 {
        let first = (0..held).step_by(PAGE_ROWS);
        let late = table
            .iter()
            .zip(first)
            .map(|(page, first)| self.late[*page as usize] & bits(0..(held - first).min(PAGE_ROWS)));
        late.map(u64::count_ones).sum()
    }

    /// Values that [`Self::read_rows`] gives of so many pages and bits of their rows.
    pub fn values_of_rows(&self, rows: &[(u32, u64)]) -> usize {
        let count: u32 = rows.iter().map(|(_, bits)| bits.count_ones()).sum();
        count as usize * self.layers * 2 * self.shape.kv_width()
    }

    /// Keys and values of rows, page by page, layer by layer and head by head.
    ///
    /// # Errors
    /// What a device says.
    pub fn read_rows(&mut self, rows: &[(u32, u64)], to: &mut Vec<f32>) -> Result<(), TransformerError> {
        if let Some(device) = &self.device {
            return Ok(rows.iter().try_for_each(|(page, bits)| device.read_rows(*page, *bits, to))?);
        }
        self.each_of_rows(rows, |row| to.extend_from_slice(row));
        Ok(())
    }

    /// Writes rows as [`Self::read_rows`] gives them.
    ///
    /// # Errors
    /// What a device says.
    pub fn write_rows(&mut self, rows: &[(u32, u64)], mut from: &[f32]) -> Result<(), TransformerError> {
        if let Some(device) = &self.device {
            for (page, bits) in rows {
                from = device.write_rows(*page, *bits, from)?;
            }
            return Ok(());
        }
        self.each_of_rows(rows, |row| {
            let (own, behind) = from.split_at(row.len());
            row.copy_from_slice(own);
            from = behind;
        });
        Ok(())
    }

    /// Hands over the keys and values of rows, head by head.
    fn each_of_rows(&mut self, rows: &[(u32, u64)], mut each: impl FnMut(&mut [f32])) {
        let d = self.shape.head_dim;
        for (page, bits) in rows {
            let start = self.start(*page, 0);
            let heads = &mut self.values[start..start + self.layers * 2 * PAGE_ROWS * self.shape.kv_width()];
            for head in heads.chunks_exact_mut(PAGE_ROWS * d) {
                let late = head.chunks_exact_mut(d).enumerate().filter(|(row, _)| bits >> row & 1 == 1);
                late.for_each(|(_, row)| each(row));
            }
        }
    }

    /// Keys and values of the first `len` rows of a page table in one layer, then those of `tail`.
    pub fn keys<'a>(&'a self, layer: usize, table: &'a [u32], len: usize, tail: Option<Keys<'a>>) -> KeyBlocks<'a> {
        KeyBlocks { pages: self, layer, table, len, tail }
    }
}

/// Blocks of keys and values: one per page, and one behind them.
#[derive(Clone, Debug)]
pub(in super::super) struct KeyBlocks<'a> {
    pages: &'a Pages,
    layer: usize,
    table: &'a [u32],
    /// Rows that are still to come in pages.
    len: usize,
    tail: Option<Keys<'a>>,
}

impl<'a> Iterator for KeyBlocks<'a> {
    type Item = Keys<'a>;

    #[inline]
    fn next(&mut self) -> Option<Keys<'a>> {
        if self.len == 0 {
            return self.tail.take();
        }
        let (page, rest) = self.table.split_first()?;
        let len = self.len.min(PAGE_ROWS);
        (self.table, self.len) = (rest, self.len - len);
        let (start, side) = (self.pages.start(*page, self.layer), self.pages.side_len());
        let (k, v) = self.pages.values[start..start + 2 * side].split_at(side);
        Some(Keys { k, v, capacity: PAGE_ROWS, len })
    }
}

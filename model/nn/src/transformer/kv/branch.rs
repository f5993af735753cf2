//! One sequence of rows: a table of pages and a length.

use std::ops::Range;
use std::sync::Arc;

use super::ledger::{SharedLedger, lock};
use super::{PAGE_ROWS, TransformerError};

/// A sequence that a model has read, in the pages of a [`super::KvStore`]. Dropping it gives back the pages it alone uses.
///
/// Row `i` stands at row `i % PAGE_ROWS` of its page, so that how rows are grouped never depends on their history.
#[derive(Debug)]
pub struct Branch {
    ledger: SharedLedger,
    /// Exactly the pages that hold `len` rows.
    table: Vec<u32>,
    len: usize,
    /// The group of ranks that reads it.
    lane: usize,
}

impl Branch {
    pub(super) fn new(ledger: SharedLedger, lane: usize) -> Self {
        let pages = lock(&ledger).usage().pages;
        Self { ledger, table: Vec::with_capacity(pages), len: 0, lane }
    }

    pub(in super::super) fn lane(&self) -> usize {
        self.lane
    }

    /// Rows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Does it hold no row?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A branch with the same rows. Nothing is copied: both use the same pages until one of them writes.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut fork = Self::new(Arc::clone(&self.ledger), self.lane);
        fork.table.extend_from_slice(&self.table);
        fork.len = self.len;
        lock(&self.ledger).share(&self.table);
        fork
    }

    /// Forgets everything from row `len` on; a larger `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.trim();
    }

    /// Appends rows of another branch without reading them again, as a recalled view. They keep their positions; what they
    /// saw when they were read stays in them.
    ///
    /// # Errors
    /// When the rows do not exist, the branches are of different stores, or pages do not fit together: this branch must hold
    /// whole pages and the rows must begin with a page.
    pub fn append_shared(&mut self, from: &Self, rows: Range<usize>) -> Result<(), TransformerError> {
        let refuse = |text: String| Err(TransformerError::Input(text));
        if !from.belongs_to(&self.ledger) {
            return refuse("rows of a branch of another memory; allowed are those of this one".to_owned());
        }
        if rows.start > rows.end || rows.end > from.len {
            return refuse(format!("rows {rows:?} of a branch that holds {}", from.len));
        }
        if !self.len.is_multiple_of(PAGE_ROWS) || !rows.start.is_multiple_of(PAGE_ROWS) {
            return refuse(format!(
                "rows from {} on behind {} rows; both must be multiples of the {PAGE_ROWS} rows of a page",
                rows.start, self.len
            ));
        }
        let shared = &from.table[rows.start / PAGE_ROWS..rows.end.div_ceil(PAGE_ROWS)];
        lock(&self.ledger).share(shared);
        self.table.extend_from_slice(shared);
        self.len += rows.len();
        Ok(())
    }

    pub(super) fn belongs_to(&self, ledger: &SharedLedger) -> bool {
        Arc::ptr_eq(&self.ledger, ledger)
    }

    /// The pages, in the order of their rows.
    pub(in super::super) fn table(&self) -> &[u32] {
        &self.table
    }

    /// Page and row in it of the last row.
    pub(super) fn last_row(&self) -> Option<(u32, usize)> {
        let last = self.len.checked_sub(1)?;
        Some((*self.table.get(last / PAGE_ROWS)?, last % PAGE_ROWS))
    }

    /// Gives back the pages that hold no row.
    pub(in super::super) fn trim(&mut self) {
        let keep = self.len.div_ceil(PAGE_ROWS);
        if keep < self.table.len() {
            lock(&self.ledger).give_back(&self.table[keep..]);
            self.table.truncate(keep);
        }
    }

    /// Takes pages for `rows` rows behind those held. A last page that others use is first copied: `copy(from, to, rows)`.
    ///
    /// # Errors
    /// When pages run out; the branch then holds what it held.
    pub(super) fn reserve(
        &mut self,
        rows: usize,
        mut copy: impl FnMut(u32, u32, usize),
    ) -> Result<(), TransformerError> {
        let held = self.table.len();
        let mut ledger = lock(&self.ledger);
        let shared = |page: &&u32| !self.len.is_multiple_of(PAGE_ROWS) && ledger.is_shared(**page);
        let copied = usize::from(self.table.last().filter(shared).is_some());
        let new = (self.len + rows).div_ceil(PAGE_ROWS) - held;
        let usage = ledger.usage();
        if new + copied > usage.free {
            return Err(TransformerError::Full {
                asked: rows,
                free: usage.free * PAGE_ROWS,
                capacity: usage.pages * PAGE_ROWS,
            });
        }
        let before = self.table.len().checked_sub(2).and_then(|at| self.table.get(at).copied());
        let last = self.table.last_mut().filter(|_| copied == 1);
        if let (Some(last), Some(page)) = (last, if copied == 1 { ledger.take(before) } else { None }) {
            copy(*last, page, self.len % PAGE_ROWS);
            ledger.note_copy();
            ledger.give_back(&[*last]);
            *last = page;
        }
        for _ in 0..new {
            self.table.extend(ledger.take(self.table.last().copied()));
        }
        Ok(())
    }

    /// Counts `positions.len()` rows more, whose pages were reserved and written: `note(page, row, position)` each.
    pub(super) fn grow(&mut self, positions: &[u32], mut note: impl FnMut(u32, usize, u32)) {
        for (row, position) in (self.len..).zip(positions) {
            note(self.table[row / PAGE_ROWS], row % PAGE_ROWS, *position);
        }
        self.len += positions.len();
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        lock(&self.ledger).give_back(&self.table);
    }
}

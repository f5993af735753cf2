//! The keys and values of what a model has read, in pages that branches share.
//!
//! * [`KvStore`] owns the pages, all reserved at once;
//! * [`Branch`] is one sequence of rows: a table of pages and a length. A fork shares the pages of its origin;
//! * a ledger, known to the store and to all its branches, counts who uses which page.
//!
//! Of a model on several ranks, the first one's store keeps the books for all: ledgers and positions of every lane. Each rank has
//! pages with the same numbers for its own layers and heads.
//!
//! It does not run the model: [`super::Transformer`] fills rows and reads them.
//!
//! Invariant: what a branch holds changes only through that branch. A page of several users is copied before it is written.

mod branch;
mod ledger;
mod pages;

use std::sync::Arc;

pub use branch::Branch;

use self::ledger::{Ledger, SharedLedger};
pub(super) use self::pages::Pages;
use super::device::DeviceNet;
use super::team::Remote;
use super::{Token, TransformerError, Visible};
use crate::parallel::Slice;

/// Rows of a page. Two blocks of the tiled products, so that a page is a whole operand.
pub const PAGE_ROWS: usize = 64;
/// Largest key and value memory that a store may reserve, in bytes.
pub const MAX_STORE_BYTES: usize = 1 << 36;

/// Keys and values of all layers in pages of [`PAGE_ROWS`] rows, and the buffers of a forward pass.
#[derive(Debug)]
pub struct KvStore {
    /// Books of each lane; a single one without guidance lanes.
    lanes: Vec<Lane>,
    pub(super) pages: Pages,
    pub(super) work: Work,
    /// What the other ranks keep beside it.
    pub(super) remote: Option<Remote>,
}

/// The books of one lane.
#[derive(Debug)]
struct Lane {
    ledger: SharedLedger,
    /// Rotary positions of the rows, `(page, row)`.
    positions: Vec<u32>,
}

/// Where a row of a page stands in the books.
fn book_row(page: u32, row: usize) -> usize {
    page as usize * PAGE_ROWS + row
}

/// How full a store is, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvUsage {
    /// Pages that no branch uses.
    pub free: usize,
    /// All pages.
    pub pages: usize,
    /// Pages that were copied so far because a shared one was written to.
    pub copied: u64,
}

/// Rows of one branch in a forward pass.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Its rows among all rows of the pass.
    pub rows: std::ops::Range<usize>,
    /// Rows that the branch held before.
    pub start: usize,
    /// Its page table, a range of [`Work::tables`].
    pub table: std::ops::Range<usize>,
    /// The lane that its branch lives in.
    pub lane: usize,
    /// Rows of it in the pass of all readers; `rows` has as many where they are not shared out.
    pub whole: usize,
}

/// Buffers of a forward pass, grown on first use.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub tokens: Vec<Token>,
    pub spans: Vec<Span>,
    pub tables: Vec<u32>,
    pub positions: Vec<u32>,
    pub visible: Vec<Visible>,
    /// Rows whose output is wanted, ascending: the last layer is computed for these alone, and they are what stands in
    /// `stream` behind it.
    pub outputs: Vec<usize>,
    /// What wanted rows of a span see.
    pub outputs_visible: Vec<Visible>,
    pub stream: Vec<f32>,
    pub normed: Vec<f32>,
    pub qkv: Vec<f32>,
    pub q: Vec<f32>,
    /// Keys and values of the rows of the pass, `(kv_heads, rows, head_dim)` per span.
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub heads_context: Vec<f32>,
    pub context: Vec<f32>,
    pub scores: Vec<f32>,
    pub gate_up: Vec<f32>,
    pub act: Vec<f32>,
    pub scales: Vec<f32>,
    pub logits: Vec<f32>,
    /// Are rows shared out? Spans, positions and wanted rows are then those of this reader.
    pub shared: bool,
    /// What readers tell each other.
    pub told: Vec<f32>,
    pub heard: Vec<f32>,
}

impl Work {
    /// Forgets the rows of the last pass.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.spans.clear();
        self.tables.clear();
        self.outputs.clear();
    }

    /// Wants rows of every span, counted from its first.
    pub fn want(&mut self, of_span: impl Fn(&Span) -> std::ops::Range<usize>) {
        self.outputs.clear();
        for span in &self.spans {
            self.outputs.extend(of_span(span).map(|row| span.rows.start + row));
        }
    }

    /// Tokens `rows` are those of a branch that holds `start` rows in the pages of `table`.
    pub fn push_span(&mut self, rows: std::ops::Range<usize>, start: usize, table: &[u32], lane: usize) {
        let from = self.tables.len();
        self.tables.extend_from_slice(table);
        let whole = rows.len();
        self.spans.push(Span { rows, start, table: from..self.tables.len(), lane, whole });
    }
}

impl KvStore {
    /// Room for `capacity` rows in each lane, rounded up to whole pages, with the keys and values of a slice of a model.
    ///
    /// # Errors
    /// When `capacity` is zero or takes more than `MAX_STORE_BYTES` of memory, or a device's memory is full.
    pub(super) fn of_slice(
        slice: &Slice,
        device: Option<&DeviceNet>,
        lanes: usize,
        capacity: usize,
    ) -> Result<Self, TransformerError> {
        let count = capacity.div_ceil(PAGE_ROWS);
        let value = device.map_or(size_of::<f32>(), DeviceNet::page_value_bytes);
        let bytes = Pages::bytes(slice, value).saturating_mul(count);
        if capacity == 0 || bytes > MAX_STORE_BYTES {
            let text = format!(
                "a memory of {capacity} rows ({bytes} bytes); allowed are 1 row and more, up to {MAX_STORE_BYTES} bytes"
            );
            return Err(TransformerError::Input(text));
        }
        // The scores of a single row and the page tables of a pair grow from token to token; reserving them keeps decoding
        // free of allocations.
        let (scores, tables) = (vec![0.0; count * PAGE_ROWS], Vec::with_capacity(2 * count));
        let work = Work { scores, tables, ..Work::default() };
        let lane = || Lane { ledger: Ledger::shared(count), positions: vec![0; count * PAGE_ROWS] };
        let lanes = (0..lanes.max(1)).map(|_| lane()).collect();
        Ok(Self { lanes, pages: Pages::new(slice, device, count)?, work, remote: None })
    }

    /// An empty branch.
    #[must_use]
    pub fn branch(&self) -> Branch {
        self.branch_on(0)
    }

    /// An empty branch in the lane of a guidance branch, counted from the conditional one; where there are fewer lanes, they
    /// take turns. Branches of different lanes are read at the same time.
    #[must_use]
    pub fn branch_on(&self, lane: usize) -> Branch {
        let lane = lane % self.lanes.len();
        Branch::new(Arc::clone(&self.lanes[lane].ledger), lane)
    }

    /// Rows that fit a lane, all its branches together.
    #[must_use]
    pub fn capacity(&self) -> usize {
        ledger::lock(&self.lanes[0].ledger).usage().pages * PAGE_ROWS
    }

    /// How full it is, all lanes together.
    #[must_use]
    pub fn usage(&self) -> KvUsage {
        let mut all = KvUsage { free: 0, pages: 0, copied: 0 };
        for lane in &self.lanes {
            let KvUsage { free, pages, copied } = ledger::lock(&lane.ledger).usage();
            all = KvUsage { free: all.free + free, pages: all.pages + pages, copied: all.copied + copied };
        }
        all
    }

    /// Bytes that this rank has reserved for keys and values; the system provides them page by page as they are written.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.pages.reserved_bytes()
    }

    /// The position that follows the last row of a branch; 0 for an empty one.
    #[must_use]
    pub fn next_position(&self, branch: &Branch) -> u32 {
        let at = |(page, row)| self.lanes.get(branch.lane())?.positions.get(book_row(page, row));
        branch.last_row().and_then(at).map_or(0, |position| position + 1)
    }

    /// # Errors
    /// When the branch belongs to another store.
    pub(super) fn check_owner(&self, branch: &Branch) -> Result<(), TransformerError> {
        if self.lanes.get(branch.lane()).is_some_and(|lane| branch.belongs_to(&lane.ledger)) {
            return Ok(());
        }
        Err(TransformerError::Input("a branch of another memory; allowed are those of this one".to_owned()))
    }

    /// Gives a branch pages of its own for `rows` rows behind what it holds.
    ///
    /// # Errors
    /// When there are not enough free pages; the branch then holds what it held.
    pub(super) fn reserve(&mut self, branch: &mut Branch, rows: usize) -> Result<(), TransformerError> {
        let lane = branch.lane();
        let Self { lanes, pages, remote, .. } = self;
        branch.reserve(rows, |from, to, used| {
            let first = book_row(from, 0);
            lanes[lane].positions.copy_within(first..first + used, book_row(to, 0));
            if lane == 0 {
                pages.copy(from, to, used);
            }
            if let Some(remote) = remote {
                remote.note_copy(lane, from, to, used);
            }
        })
    }

    /// Takes the rows of a span, whose keys were written, into its branch.
    pub(super) fn keep(&mut self, branch: &mut Branch, span: usize) {
        let rows = self.work.spans[span].rows.clone();
        let books = &mut self.lanes[branch.lane()].positions;
        branch.grow(&self.work.positions[rows], |page, row, position| books[book_row(page, row)] = position);
    }

    /// A copy of the keys and values of one key head of one layer, `(len, head_dim)` each; keys are turned to their positions. Of
    /// several ranks, layers and heads are those of the first, and so is the lane.
    ///
    /// # Panics
    /// When there is no such layer or head.
    #[must_use]
    pub fn head(&self, branch: &Branch, layer: usize, head: usize) -> (Vec<f32>, Vec<f32>) {
        if let Some(device) = &self.pages.device {
            return device.head(layer, branch.table(), branch.len(), head);
        }
        let (mut k, mut v) = (Vec::new(), Vec::new());
        for block in self.pages.keys(layer, branch.table(), branch.len(), None) {
            let (block_k, block_v) = block.head(head, self.pages.head_dim());
            k.extend_from_slice(block_k);
            v.extend_from_slice(block_v);
        }
        (k, v)
    }
}

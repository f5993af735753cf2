//! The passes of decoding over the branches of a [`KvStore`]: extend, denoise, commit.
//!
//! Every pass takes several branches: their rows go through the products as one batch, so the weights are read once, and
//! through attention branch by branch.
//!
//! Invariant: a pass that fails leaves every branch as it was.

use super::device::DeviceNet;
use super::kv::{Pages, Span, Work};
use super::ops::attention::Keys;
use super::ops::heads::{self, HeadNorms, HeadsMut};
use super::ops::{add, attention, rmsnorm, swiglu};
use super::sequence::check_sequence;
use super::{
    Branch, Half, KvStore, Token, Transformer, TransformerError, Visible, cell_position, inference::Layer, sized,
};
use crate::parallel::Communicator;

/// Rows times query heads per key head up to which attention works on single rows instead of stacked products.
const FEW_STACKED_ROWS: usize = 8;

/// A cell of a canvas: what stands in it and how it is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasToken {
    /// Vocabulary id: a visual code, or the id of a hole.
    pub id: u32,
    /// Marks whose embeddings are added; [`NO_ID`](super::NO_ID) adds nothing.
    pub marks: [u32; 2],
}

impl Transformer {
    /// Reads ids causally behind what each branch holds, at the positions that follow, and keeps them. The weights are read
    /// once for all branches. [`Self::last_logits`] may follow.
    ///
    /// # Errors
    /// When a branch has nothing to read or is of another store, an id is not in the vocabulary, the model has not enough
    /// positions, or the store is full.
    pub fn extend(&self, store: &mut KvStore, reads: &mut [(&mut Branch, &[u32])]) -> Result<(), TransformerError> {
        self.append(store, reads, Wanted::All, |id, row, position| Token { position, ..Token::causal(id, row) })
    }

    /// As [`Self::extend`] for [`Self::last_logits`] alone: the last layer is computed for the last row of each branch, and
    /// other rows have neither logits nor a residual stream.
    ///
    /// # Errors
    /// As [`Self::extend`].
    pub fn extend_for_last(
        &self,
        store: &mut KvStore,
        reads: &mut [(&mut Branch, &[u32])],
    ) -> Result<(), TransformerError> {
        self.append(store, reads, Wanted::Last, |id, row, position| Token { position, ..Token::causal(id, row) })
    }

    /// As [`Self::extend`] with tokens that say themselves where they stand and which rows of their branch they see,
    /// counted from the first row of the branch.
    ///
    /// # Errors
    /// As [`Self::extend`], or when a token sees nothing or rows that its branch does not get.
    pub fn extend_at(
        &self,
        store: &mut KvStore,
        reads: &mut [(&mut Branch, &[Token])],
    ) -> Result<(), TransformerError> {
        self.append(store, reads, Wanted::All, |token, _, _| token)
    }

    /// Reads a finished picture of rows of `cols` codes into branches and keeps it: the codes with an end of line between
    /// rows. The caller has read the header and reads the end of the picture.
    ///
    /// # Errors
    /// As [`Self::extend`], or when `cols` is zero or a code does not exist.
    pub fn commit(
        &self,
        store: &mut KvStore,
        branches: &mut [&mut Branch],
        codes: &[u32],
        cols: usize,
    ) -> Result<(), TransformerError> {
        check_columns(cols)?;
        let Some(eol) = self.config.eol_token_id else {
            return Err(TransformerError::Config(
                "eol_token_id is missing; pictures cannot be read without".to_owned(),
            ));
        };
        let known = self.half_len(Half::Visual);
        if let Some(code) = codes.iter().find(|code| **code as usize >= known) {
            return Err(TransformerError::Input(format!("code {code}; the vocabulary has {known} visual codes")));
        }
        let mut ids = Vec::with_capacity(codes.len() + codes.len() / cols);
        for (row, codes) in codes.chunks(cols).enumerate() {
            ids.extend((row > 0).then_some(eol));
            ids.extend(codes.iter().map(|code| self.visual_start() as u32 + code));
        }
        let mut reads: Vec<_> = branches.iter_mut().map(|branch| (&mut **branch, &ids[..])).collect();
        self.extend_for_last(store, &mut reads)
    }

    /// Reads one canvas per branch, in rows of `cols` cells: each cell sees everything its branch holds and all cells of its
    /// canvas. Keeps nothing, and takes no room in the store. Returns visual logits `(all cells, codes)`, canvas by canvas;
    /// the row of a cell speaks about that cell. They may be changed in place.
    ///
    /// # Errors
    /// When a canvas is empty, a branch is of another store, `cols` is zero, an id is not in the vocabulary or the model has
    /// not enough positions.
    pub fn denoise<'s>(
        &self,
        store: &'s mut KvStore,
        canvases: &[(&Branch, &[CanvasToken])],
        cols: usize,
    ) -> Result<&'s mut [f32], TransformerError> {
        self.denoise_cells(store, canvases, cols, None)
    }

    /// As [`Self::denoise`] with logits of some cells of each canvas alone, `(canvases * cells, codes)`: what only other
    /// cells of the last layer need is not computed.
    ///
    /// # Errors
    /// As [`Self::denoise`], or when `wanted` does not ascend or names a cell that a canvas does not have.
    pub fn denoise_cells<'s>(
        &self,
        store: &'s mut KvStore,
        canvases: &[(&Branch, &[CanvasToken])],
        cols: usize,
        wanted: Option<&[usize]>,
    ) -> Result<&'s mut [f32], TransformerError> {
        check_columns(cols)?;
        if let Some(wanted) = wanted {
            let cells = canvases.iter().map(|(_, cells)| cells.len()).min().unwrap_or(0);
            if !wanted.is_sorted_by(|a, b| a < b) || wanted.last().is_none_or(|last| *last >= cells) {
                return Err(TransformerError::Input(format!(
                    "cells {wanted:?} are wanted; allowed are ascending ones below {cells}, at least one"
                )));
            }
        }
        store.work.clear();
        for (branch, cells) in canvases {
            store.check_owner(branch)?;
            let (base, held, first) = (store.next_position(branch), branch.len(), store.work.tokens.len());
            let (start, end) = (held as u32, (held + cells.len()) as u32);
            let visible = Visible { causal: start, block_start: start, block_end: end };
            store.work.tokens.extend(cells.iter().zip(0..).map(|(cell, j)| Token {
                id: cell.id,
                marks: cell.marks,
                position: cell_position(base, cols as u32, j),
                visible,
            }));
            self.check(&store.work.tokens[first..], held)?;
            let rows = first..store.work.tokens.len();
            store.work.push_span(rows, held, branch.table(), branch.lane());
        }
        let Work { spans, outputs, .. } = &mut store.work;
        for span in &*spans {
            match wanted {
                Some(wanted) => outputs.extend(wanted.iter().map(|cell| span.rows.start + cell)),
                None => outputs.extend(span.rows.clone()),
            }
        }
        self.forward(store, Rows::Passing)?;
        let rows = store.work.outputs.len();
        self.logits(store, 0..rows, Half::Visual)
    }

    /// The residual stream behind the last layer for the wanted rows of the last pass, `(rows, hidden_size)`, before the final
    /// norm. Where branches have lanes of their own, those of the first lane.
    #[must_use]
    pub fn residual<'s>(&self, store: &'s KvStore) -> &'s [f32] {
        let work = store.remote.as_ref().map_or(&store.work, |remote| &remote.own);
        &work.stream[..work.outputs.len() * self.config.hidden_size]
    }

    /// Logits of wanted rows of the last pass, `(rows, half_len)`; they may be changed in place.
    ///
    /// # Errors
    /// When the last pass had fewer rows, or a rank is lost.
    pub fn logits<'s>(
        &self,
        store: &'s mut KvStore,
        rows: std::ops::Range<usize>,
        half: Half,
    ) -> Result<&'s mut [f32], TransformerError> {
        if rows.start > rows.end || rows.end > store.work.outputs.len() {
            let text = format!("logits of rows {rows:?}; the last pass gave {}", store.work.outputs.len());
            return Err(TransformerError::Input(text));
        }
        if let Some(team) = &self.team {
            return team.logits(self, store, rows, half);
        }
        let Work { stream, normed, scales, logits, .. } = &mut store.work;
        self.head_logits(stream, rows, (normed, scales, logits), half)
    }

    /// Logits behind the last row of each branch of the last pass, `(branches, half_len)`; they may be changed in place.
    ///
    /// # Errors
    /// When there was no pass, or a rank is lost.
    pub fn last_logits<'s>(&self, store: &'s mut KvStore, half: Half) -> Result<&'s mut [f32], TransformerError> {
        if store.work.spans.is_empty() {
            return Err(TransformerError::Input("logits of a memory that has read nothing".to_owned()));
        }
        if let Some(team) = &self.team {
            let last: Vec<usize> = last_rows(&store.work.spans, &store.work.outputs).collect();
            return team.logits(self, store, last.into_iter(), half);
        }
        let Work { spans, outputs, stream, normed, scales, logits, .. } = &mut store.work;
        self.head_logits(stream, last_rows(spans, outputs), (normed, scales, logits), half)
    }

    /// Final norm and head over rows of a stream, in the buffers of a pass: for norms, for their scales, for logits.
    pub(super) fn head_logits<'w>(
        &self,
        stream: &[f32],
        rows: impl ExactSizeIterator<Item = usize>,
        (normed, scales, logits): (&mut Vec<f32>, &mut Vec<f32>, &'w mut Vec<f32>),
        half: Half,
    ) -> Result<&'w mut [f32], TransformerError> {
        if let Some(net) = &self.device {
            return net.head_logits(stream, rows, half, logits);
        }
        let (n, d, eps) = (rows.len(), self.config.hidden_size, self.config.rms_norm_eps as f32);
        let normed = sized(normed, n * d);
        for (row, normed) in rows.zip(normed.chunks_exact_mut(d)) {
            rmsnorm::forward(&stream[row * d..(row + 1) * d], &self.norm, eps, normed, sized(scales, 1));
        }
        let head = self.head(half);
        let logits = sized(logits, n * head.n());
        head.multiply(normed, n, logits);
        Ok(logits)
    }

    /// Checks, makes room, reads and keeps. `token` makes a token of an item, its row in the branch and its position.
    fn append<T: Copy>(
        &self,
        store: &mut KvStore,
        reads: &mut [(&mut Branch, &[T])],
        wanted: Wanted,
        token: impl Fn(T, u32, u32) -> Token,
    ) -> Result<(), TransformerError> {
        store.work.clear();
        for (branch, items) in reads.iter() {
            store.check_owner(branch)?;
            let (position, first) = (store.next_position(branch), store.work.tokens.len());
            let tokens = items.iter().zip(0..).map(|(item, i)| token(*item, branch.len() as u32 + i, position + i));
            store.work.tokens.extend(tokens);
            self.check(&store.work.tokens[first..], branch.len())?;
        }
        if let Some(error) = reads.iter_mut().find_map(|(branch, items)| store.reserve(branch, items.len()).err()) {
            reads.iter_mut().for_each(|(branch, _)| branch.trim());
            store.work.clear();
            return Err(error);
        }
        let mut first = 0;
        for (branch, items) in reads.iter() {
            store.work.push_span(first..first + items.len(), branch.len(), branch.table(), branch.lane());
            first += items.len();
        }
        store.work.want(|span| match wanted {
            Wanted::All => 0..span.rows.len(),
            Wanted::Last => span.rows.len() - 1..span.rows.len(),
        });
        if let Err(error) = self.forward(store, Rows::Kept) {
            reads.iter_mut().for_each(|(branch, _)| branch.trim());
            store.work.clear();
            return Err(error);
        }
        for (span, (branch, _)) in reads.iter_mut().enumerate() {
            store.keep(branch, span);
        }
        Ok(())
    }

    fn check(&self, tokens: &[Token], held: usize) -> Result<(), TransformerError> {
        if tokens.is_empty() {
            return Err(TransformerError::Input("a branch with no token to read; at least 1 is needed".to_owned()));
        }
        check_sequence(tokens, held + tokens.len(), self.config.vocab_size, self.rope.positions())
    }

    /// The layers over the tokens of `store.work`, on a thread of rayon's: a product that begins there wakes at most the other
    /// threads, where one that begins outside would hand over to all of them and sleep. What stands in the stream behind them is
    /// `work.outputs`. Several ranks do it together, each in threads of its own.
    fn forward(&self, store: &mut KvStore, rows: Rows) -> Result<(), TransformerError> {
        match &self.team {
            Some(team) => team.pass(self, store, rows),
            None => rayon::scope(|_| self.run_layers(&mut store.pages, &mut store.work, rows)),
        }
    }

    /// What this rank does of the layers. Only meetings with other ranks can fail.
    pub(super) fn run_layers(&self, pages: &mut Pages, work: &mut Work, rows: Rows) -> Result<(), TransformerError> {
        let d = self.config.hidden_size;
        let n = work.tokens.len();
        if n == 0 {
            // A lane of which no branch takes part.
            return Ok(());
        }
        work.positions.clear();
        work.positions.extend(work.tokens.iter().map(|t| t.position));
        work.visible.clear();
        work.visible.extend(work.tokens.iter().map(|t| t.visible));
        let scratch = sized(&mut work.normed, d);
        for (token, out) in work.tokens.iter().zip(sized(&mut work.stream, n * d).chunks_exact_mut(d)) {
            self.embedding.embed(token, out, scratch);
        }
        let lane = self.links.as_ref().map(|links| &*links.lane);
        if let Some(lane) = lane {
            lane.all_reduce_sum(&mut work.stream[..n * d])?;
        }
        if let Some(sharing) = self.sharing() {
            return self.run_shared(sharing, pages, work, rows);
        }
        let stages = self.place.spread.stages;
        for stage in 0..stages {
            let last_stage = stage + 1 == stages;
            if stage == self.place.stage() {
                self.run_own_layers(pages, work, (rows, last_stage))?;
            }
            if let Some(lane) = lane.filter(|_| stages > 1) {
                let rows = if last_stage { work.outputs.len() } else { n };
                lane.broadcast(stage, &mut work.stream[..rows * d])?;
            }
        }
        if self.layers.is_empty() && self.device.as_ref().is_none_or(DeviceNet::is_empty) {
            take_rows(&work.outputs, n, d, &mut work.stream);
        }
        Ok(())
    }

    /// One layer, of which this is the `index`th of this rank.
    pub(super) fn run_layer(
        &self,
        pages: &mut Pages,
        work: &mut Work,
        (index, layer, last): (usize, &Layer, bool),
        rows: Rows,
    ) -> Result<(), TransformerError> {
        let (d, f, eps) = (self.config.hidden_size, self.slice.inner.len(), self.config.rms_norm_eps as f32);
        let n = self.attend(pages, work, (index, layer, last), rows)?;
        if n == 0 {
            // Of the last layer, other readers have all wanted rows.
            return Ok(());
        }
        let Work { stream, normed, scales, gate_up, act, .. } = work;
        let normed = sized(normed, n * d);
        rmsnorm::forward(&stream[..n * d], &layer.post_norm, eps, normed, sized(scales, n));
        let gate_up = sized(gate_up, n * 2 * f);
        layer.gate_up.multiply(normed, n, gate_up);
        let act = sized(act, n * f);
        swiglu::forward(gate_up, f, act);
        layer.down.multiply(act, n, normed);
        self.sum_of_parts(normed)?;
        add(normed, &mut stream[..n * d]);
        Ok(())
    }

    /// The ranks that hold the other parts of each layer; `None` where a rank holds whole layers.
    pub(super) fn parts(&self) -> Option<&dyn Communicator> {
        let links = self.links.as_ref().filter(|_| self.place.spread.tensor > 1)?;
        Some(links.sharing.as_ref().map_or(&*links.lane, |sharing| &*sharing.parts))
    }

    /// Where layers are in parts, each rank has the sum over its own inner values.
    fn sum_of_parts(&self, values: &mut [f32]) -> Result<(), TransformerError> {
        self.parts().map_or(Ok(()), |parts| Ok(parts.all_reduce_sum(values)?))
    }

    /// The first half of a layer: attention of each span over its branch. Returns the rows that the stream then has: all of
    /// the pass, or behind the last layer those of `work.outputs`.
    fn attend(
        &self,
        pages: &mut Pages,
        work: &mut Work,
        (index, layer, last): (usize, &Layer, bool),
        rows: Rows,
    ) -> Result<usize, TransformerError> {
        let (d, shape) = (self.config.hidden_size, self.slice.shape);
        let (eps, heads_of_row) = (self.config.rms_norm_eps as f32, shape.heads + shape.kv_heads);
        let n = work.positions.len();
        let Work { spans, positions, outputs, stream, normed, scales, .. } = work;
        let some = last && outputs.len() < n;
        let normed = sized(normed, n * d);
        let scales = sized(scales, n * heads_of_row);
        rmsnorm::forward(&stream[..n * d], &layer.input_norm, eps, normed, scales);
        let qkv = sized(&mut work.qkv, n * shape.qkv_width());
        layer.qkv.multiply(normed, n, qkv);
        let q = sized(&mut work.q, n * shape.q_width());
        let (k, v) = (sized(&mut work.k, n * shape.kv_width()), sized(&mut work.v, n * shape.kv_width()));
        for Span { rows: span, .. } in &*spans {
            let of = |width: usize| span.start * width..span.end * width;
            let q = &mut q[of(shape.q_width())];
            let (k, v) = (&mut k[of(shape.kv_width())], &mut v[of(shape.kv_width())]);
            let norms = HeadNorms { q: &layer.q_norm, k: &layer.k_norm, eps };
            let to = HeadsMut { q, k, v, capacity: span.len(), kv_row: 0 };
            let scales = &mut scales[of(heads_of_row)];
            heads::split(&qkv[of(shape.qkv_width())], shape, &positions[span.clone()], &self.rope, norms, to, scales);
        }
        self.gather_keys(work)?;
        let Work { spans, tables, visible, outputs, outputs_visible, stream, normed, q, k, v, .. } = work;
        let out = sized(&mut work.heads_context, n * shape.q_width());
        let context = sized(&mut work.context, n * shape.q_width());
        let (mut done, mut first) = (0, 0);
        for Span { rows: span, start, table, whole, .. } in &*spans {
            let (count, whole, table) = (span.len(), *whole, &tables[table.clone()]);
            let q = &mut q[span.start * shape.q_width()..span.end * shape.q_width()];
            let of = first * shape.kv_width()..(first + whole) * shape.kv_width();
            let (k, v) = (&k[of.clone()], &v[of]);
            first += whole;
            let keys = match rows {
                Rows::Kept => {
                    pages.write(index, table, *start, k, v);
                    pages.keys(index, table, start + whole, None)
                }
                Rows::Passing => pages.keys(index, table, *start, Some(Keys { k, v, capacity: whole, len: whole })),
            };
            let (mut asking, mut visible) = (count, &visible[span.clone()]);
            if some {
                let [from, to] = [span.start, span.end].map(|row| outputs.partition_point(|wanted| *wanted < row));
                asking = to - from;
                outputs_visible.clear();
                outputs_visible.extend(outputs[from..to].iter().map(|row| visible[row - span.start]));
                visible = outputs_visible;
                for (at, (head, row)) in
                    (0..shape.heads).flat_map(|h| outputs[from..to].iter().map(move |r| (h, r))).enumerate()
                {
                    let from = (head * count + row - span.start) * shape.head_dim;
                    q.copy_within(from..from + shape.head_dim, at * shape.head_dim);
                }
            }
            if asking == 0 {
                continue;
            }
            let (q, out) = (&q[..asking * shape.q_width()], &mut out[..asking * shape.q_width()]);
            if asking * shape.group() <= FEW_STACKED_ROWS {
                let scores = sized(&mut work.scores, start + whole);
                attention::forward_few(shape, q, keys, visible, scores, out);
            } else {
                attention::fused::forward(self.arithmetic, shape, q, keys, visible, out);
            }
            heads::merge(out, shape, asking, &mut context[done * shape.q_width()..][..asking * shape.q_width()]);
            done += asking;
        }
        if some {
            take_rows(outputs, n, d, stream);
        }
        if done == 0 {
            return Ok(0);
        }
        let normed = &mut normed[..done * d];
        layer.o.multiply(&context[..done * shape.q_width()], done, normed);
        self.sum_of_parts(normed)?;
        add(normed, &mut stream[..done * d]);
        Ok(done)
    }
}

/// The wanted row, counted among the wanted ones, that is the last of each span: it is always wanted, and stands in front of the
/// first one of the next span.
pub(super) fn last_rows(spans: &[Span], outputs: &[usize]) -> impl ExactSizeIterator<Item = usize> {
    spans.iter().map(|span| outputs.partition_point(|row| *row < span.rows.end).saturating_sub(1))
}

/// Moves ascending rows of `(n, d)` to the front.
pub(super) fn take_rows(wanted: &[usize], n: usize, d: usize, values: &mut [f32]) {
    if wanted.len() < n {
        for (to, from) in wanted.iter().enumerate() {
            values.copy_within(from * d..(from + 1) * d, to * d);
        }
    }
}

/// Which rows of a pass logits may be asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// The last row of each branch.
    Last,
}

/// What becomes of the rows of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// They are written to the pages of their branch.
    Kept,
    /// They are seen by their own pass alone.
    Passing,
}

fn check_columns(cols: usize) -> Result<(), TransformerError> {
    if cols > 0 {
        return Ok(());
    }
    Err(TransformerError::Input("a picture with rows of 0 cells; at least 1 is needed".to_owned()))
}

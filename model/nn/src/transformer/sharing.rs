//! Passes whose rows are shared out over readers: ranks that hold the same layers, and all keys and values.
//!
//! A pass with rows enough is cut by position: of each branch, every reader has a run of rows, computes all layers for these alone,
//! and hears the keys and values of the others once a layer. Afterwards all readers hold the same. A pass with few rows, as a
//! drawn token is, is the first reader's alone; the rows that it keeps are told the others when a shared pass next looks at them,
//! so that drawing costs no meeting a layer.
//!
//! Which rows are still to be told stands in the pages (`Pages::late`): every reader keeps the same books, because all hear of
//! every pass, and nothing about them needs to be said.
//!
//! Invariant: a row that a shared pass looks at is the same on all readers.

use std::ops::Range;

use super::device::Others;
use super::kv::{Pages, Span, Work};
use super::passes::{Rows, take_rows};
use super::team::Sharing;
use super::{Transformer, TransformerError, sized};
use crate::parallel::limits;

/// The rows of reader `reader`, of `rows` that are shared out.
fn piece(rows: usize, readers: usize, reader: usize) -> Range<usize> {
    rows * reader / readers..rows * (reader + 1) / readers
}

impl Transformer {
    /// The groups of this rank, where rows are shared out.
    pub(super) fn sharing(&self) -> Option<&Sharing> {
        self.links.as_ref()?.sharing.as_ref()
    }

    /// Ranks that share out the rows of a long pass; 1 where each pass is read whole.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.place.spread.context
    }

    /// The layers over the embedded tokens of a pass. All readers then have the stream of the wanted rows.
    pub(super) fn run_shared(
        &self,
        sharing: &Sharing,
        pages: &mut Pages,
        work: &mut Work,
        rows: Rows,
    ) -> Result<(), TransformerError> {
        let (d, readers, reader) = (self.config.hidden_size, self.readers(), self.place.reader());
        let enough = |span: &Span| span.rows.len() >= readers * limits::ROWS_OF_A_READER;
        let shared = work.spans.iter().all(enough);
        if shared {
            catch_up(sharing, pages, work)?;
        }
        if rows == Rows::Kept {
            for span in &work.spans {
                pages.mark_late(&work.tables[span.table.clone()], span.start..span.start + span.rows.len(), !shared);
            }
        }
        if !shared {
            if reader == 0 {
                self.run_own_layers(pages, work, (rows, true))?;
            }
            let wanted = work.outputs.len() * d;
            return Ok(sharing.readers.broadcast(0, sized(&mut work.stream, wanted))?);
        }
        let whole = cut(work, d, (readers, reader));
        self.run_own_layers(pages, work, (rows, true))?;
        join(sharing, work, whole, (d, readers))
    }

    /// All layers of this rank, one after the other. With `cut`, the last one is computed for the wanted rows alone.
    pub(super) fn run_own_layers(
        &self,
        pages: &mut Pages,
        work: &mut Work,
        (rows, cut): (Rows, bool),
    ) -> Result<(), TransformerError> {
        if let (Some(net), Some(held)) = (&self.device, &mut pages.device) {
            let others = Others { parts: self.parts(), gather: &|work: &mut Work| self.gather_keys(work) };
            return net.run(held, work, &self.rope, (rows, cut), others);
        }
        let layers = self.layers.iter().enumerate();
        layers
            .map(|(i, layer)| (i, layer, cut && i + 1 == self.layers.len()))
            .try_for_each(|at| self.run_layer(pages, work, at, rows))
    }

    /// Hears the keys and values of one layer that other readers have made; `work.k` and `work.v` have those of all rows then.
    pub(super) fn gather_keys(&self, work: &mut Work) -> Result<(), TransformerError> {
        let Some(sharing) = self.sharing().filter(|_| work.shared) else { return Ok(()) };
        let (shape, readers) = (self.slice.shape, self.readers());
        let (width, d) = (shape.kv_width(), shape.head_dim);
        let Work { spans, k, v, told, heard, .. } = work;
        let own = spans.iter().map(|span| span.rows.len()).sum::<usize>() * width;
        told.clear();
        told.extend_from_slice(&k[..own]);
        told.extend_from_slice(&v[..own]);
        sharing.readers.all_gather(told, heard)?;
        let all = spans.iter().map(|span| span.whole).sum::<usize>() * width;
        let mut sides = [sized(k, all), sized(v, all)];
        let mut rest = &heard[..];
        for reader in 0..readers {
            for side in &mut sides {
                let mut first = 0;
                for span in &*spans {
                    let rows = piece(span.whole, readers, reader);
                    for head in 0..shape.kv_heads {
                        let to = first + (head * span.whole + rows.start) * d;
                        let (from, behind) = rest.split_at(rows.len() * d);
                        side[to..to + rows.len() * d].copy_from_slice(from);
                        rest = behind;
                    }
                    first += span.whole * width;
                }
            }
        }
        Ok(())
    }
}

/// Leaves this reader its own rows of a pass; returns spans and wanted rows of the whole.
fn cut(work: &mut Work, d: usize, (readers, reader): (usize, usize)) -> (Vec<Span>, Vec<usize>) {
    let n = work.tokens.len();
    let own = |span: &Span| {
        let rows = piece(span.rows.len(), readers, reader);
        span.rows.start + rows.start..span.rows.start + rows.end
    };
    let rows: Vec<usize> = work.spans.iter().flat_map(own).collect();
    take_rows(&rows, n, d, &mut work.stream);
    work.positions.clear();
    work.positions.extend(rows.iter().map(|row| work.tokens[*row].position));
    work.visible.clear();
    work.visible.extend(rows.iter().map(|row| work.tokens[*row].visible));
    let mut first = 0;
    let local = work.spans.iter().map(|span| {
        let (rows, whole) = (first..first + own(span).len(), span.rows.len());
        first = rows.end;
        Span { rows, whole, ..span.clone() }
    });
    let spans = local.collect();
    let wanted = work.outputs.iter().filter_map(|row| rows.binary_search(row).ok()).collect();
    work.shared = true;
    (std::mem::replace(&mut work.spans, spans), std::mem::replace(&mut work.outputs, wanted))
}

/// The opposite of [`cut`], with the stream of all wanted rows in their order.
fn join(
    sharing: &Sharing,
    work: &mut Work,
    (spans, outputs): (Vec<Span>, Vec<usize>),
    (d, readers): (usize, usize),
) -> Result<(), TransformerError> {
    let own = work.outputs.len() * d;
    let gathered = sharing.readers.all_gather(sized(&mut work.stream, own), &mut work.heard);
    (work.spans, work.outputs, work.shared) = (spans, outputs, false);
    gathered?;
    let Work { spans, outputs, stream, heard, .. } = work;
    let below = |row: usize| outputs.partition_point(|wanted| *wanted < row);
    // Wanted rows of each span that each reader brings, and where those of a reader begin.
    let brings = |span: &Span, reader: usize| {
        let rows = piece(span.rows.len(), readers, reader);
        (below(span.rows.start + rows.end) - below(span.rows.start + rows.start)) * d
    };
    let mut next: Vec<usize> = (0..readers)
        .scan(0, |first, reader| {
            let own: usize = spans.iter().map(|span| brings(span, reader)).sum();
            Some(std::mem::replace(first, *first + own))
        })
        .collect();
    let (mut to, all) = (0, sized(stream, outputs.len() * d));
    for span in &*spans {
        for (reader, next) in next.iter_mut().enumerate() {
            let len = brings(span, reader);
            all[to..to + len].copy_from_slice(&heard[*next..*next + len]);
            *next += len;
            to += len;
        }
    }
    Ok(())
}

/// Tells all readers the rows in front of a pass that the first one has kept alone.
fn catch_up(sharing: &Sharing, pages: &mut Pages, work: &mut Work) -> Result<(), TransformerError> {
    let late = pages.take_late(work.spans.iter().map(|span| (&work.tables[span.table.clone()], span.start)));
    if late.is_empty() {
        return Ok(());
    }
    let first = sharing.readers.rank() == 0;
    let told = &mut work.told;
    told.clear();
    if first {
        pages.read_rows(&late, told)?;
    } else {
        told.resize(pages.values_of_rows(&late), 0.0);
    }
    sharing.readers.broadcast(0, told)?;
    if first { Ok(()) } else { pages.write_rows(&late, told) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::kernels::Unit;
    use crate::parallel::Spread;
    use crate::transformer::{Parameters, Token, TransformerConfig, Visible};

    #[test]
    fn a_reader_computes_its_own_rows_and_hears_of_the_others() {
        let config =
            TransformerConfig { hidden_size: 24, intermediate_size: 40, head_dim: 8, ..TransformerConfig::nano(300) };
        let shape = config.head_shape();
        let parameters = Parameters::fresh(config, || 0.5).unwrap();
        let build = move |place| Ok(Transformer::from_parameters_at(&parameters, Unit::F32, 100, place)?);
        let model = Transformer::spread(Spread { context: 2, ..Spread::SINGLE }, 1, build).unwrap();
        let mut store = model.new_store(256).unwrap();
        let mut branch = store.branch();
        let mut read = |count: u32| {
            let ids: Vec<u32> = (0..count).collect();
            model.extend_for_last(&mut store, &mut [(&mut branch, &ids)]).unwrap();
            let own = &store.remote.as_ref().unwrap().own;
            let late = store.pages.count_late(branch.table(), branch.len());
            (own.qkv.len() / shape.qkv_width(), own.told.len(), late)
        };
        // Half of the rows, whose keys and values it tells.
        assert_eq!(read(40), (20, 2 * 20 * shape.kv_width(), 0));
        // Few rows are its own alone, and the other reader has still to be told.
        assert_eq!(read(3).2, 3);
        assert_eq!(read(1).2, 4);
        assert_eq!(read(50), (25, 2 * 25 * shape.kv_width(), 0));
    }

    #[test]
    fn pieces_are_all_rows_once() {
        for (rows, readers) in [(64, 2), (65, 4), (31, 3), (8, 8)] {
            let pieces: Vec<_> = (0..readers).flat_map(|reader| piece(rows, readers, reader)).collect();
            assert_eq!(pieces, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_reader_is_left_its_rows_and_what_is_wanted_of_them() {
        let mut seen = Vec::new();
        for reader in 0..2 {
            let mut work = Work::default();
            let token = |id: u32| Token { id, marks: [0; 2], position: 10 + id, visible: Visible::causal(id) };
            work.tokens.extend((0..9).map(token));
            work.stream.extend((0..18).map(|value| value as f32));
            work.push_span(0..4, 7, &[3], 0);
            work.push_span(4..9, 0, &[4], 0);
            work.outputs = vec![1, 3, 8];
            let (spans, outputs) = cut(&mut work, 2, (2, reader));
            assert_eq!((spans[1].rows.clone(), outputs), (4..9, vec![1, 3, 8]));
            assert_eq!(work.spans.iter().map(|span| span.whole).collect::<Vec<_>>(), [4, 5]);
            assert_eq!(work.spans[1].rows, [2..4, 2..5][reader]);
            let rows: Vec<usize> = work.positions.iter().map(|position| *position as usize - 10).collect();
            for (row, pair) in rows.iter().zip(work.stream.chunks(2)) {
                assert_eq!(pair, [(2 * row) as f32, (2 * row + 1) as f32]);
            }
            seen.push((rows.clone(), work.outputs.iter().map(|at| rows[*at]).collect::<Vec<_>>()));
        }
        assert_eq!(seen, [(vec![0, 1, 4, 5], vec![1]), (vec![2, 3, 6, 7, 8], vec![3, 8])]);
    }
}

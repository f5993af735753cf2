//! What a transformer reads: tokens with positions and with the ranges of keys that each of them sees.

use super::TransformerError;

/// No further embedding.
pub const NO_ID: u32 = u32::MAX;

/// The keys that a row sees, counted from the start of its sequence: `[0, causal)` and `[block_start, block_end)`.
///
/// Always `causal <= block_start <= block_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// End of the first range, which begins at 0.
    pub causal: u32,
    /// Start of the second range.
    pub block_start: u32,
    /// End of the second range.
    pub block_end: u32,
}

impl Visible {
    /// Row `index` sees itself and everything before it.
    #[must_use]
    pub fn causal(index: u32) -> Self {
        Self { causal: index + 1, block_start: index + 1, block_end: index + 1 }
    }

    /// The two ranges as they fall into the keys `[first, first + len)`, counted from `first`; in order, perhaps empty.
    #[inline(always)]
    pub(super) fn within(self, first: usize, len: usize) -> [std::ops::Range<usize>; 2] {
        let clip = |key: u32| (key as usize).saturating_sub(first).min(len);
        [0..clip(self.causal), clip(self.block_start)..clip(self.block_end)]
    }
}

/// One row of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Vocabulary id.
    pub id: u32,
    /// Ids whose embeddings are added (canvas mark, partly-known mark); [`NO_ID`] adds nothing.
    pub marks: [u32; 2],
    /// Rotary position.
    pub position: u32,
    /// What it sees.
    pub visible: Visible,
}

impl Token {
    /// A token of plain causal text.
    #[must_use]
    pub fn causal(id: u32, index: u32) -> Self {
        Self { id, marks: [NO_ID; 2], position: index, visible: Visible::causal(index) }
    }
}

/// Sequences laid one after the other, without padding.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    tokens: Vec<Token>,
    ends: Vec<usize>,
}

impl Batch {
    /// Appends a sequence; empty ones are dropped. Returns the index of its first row in the batch.
    pub fn push(&mut self, sequence: &[Token]) -> usize {
        let first = self.tokens.len();
        if !sequence.is_empty() {
            self.tokens.extend_from_slice(sequence);
            self.ends.push(self.tokens.len());
        }
        first
    }

    /// All rows.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Ranges of rows, one per sequence.
    pub fn sequences(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end)
    }

    /// Checks ids, positions and ranges against a model's sizes.
    ///
    /// # Errors
    /// The first row that does not fit, and what is allowed.
    pub fn check(&self, vocab: usize, positions: usize) -> Result<(), TransformerError> {
        for range in self.sequences() {
            check_sequence(&self.tokens[range.clone()], range.len(), vocab, positions)?;
        }
        Ok(())
    }
}

/// Checks the tokens of one sequence whose keys number `keys`.
pub(super) fn check_sequence(
    tokens: &[Token],
    keys: usize,
    vocab: usize,
    positions: usize,
) -> Result<(), TransformerError> {
    for (row, token) in tokens.iter().enumerate() {
        let seen = token.visible;
        let ordered = seen.causal <= seen.block_start && seen.block_start <= seen.block_end;
        if !ordered || seen.block_end as usize > keys || (seen.causal == 0 && seen.block_start == seen.block_end) {
            return Err(TransformerError::Input(format!(
                "row {row} sees {seen:?}; allowed are ordered, not empty ranges within {keys} keys"
            )));
        }
        if token.position as usize >= positions {
            return Err(TransformerError::Input(format!(
                "row {row} stands at position {}; the model has {positions}",
                token.position
            )));
        }
        let marks = token.marks.iter().filter(|id| **id != NO_ID);
        if let Some(id) = std::iter::once(&token.id).chain(marks).find(|id| **id as usize >= vocab) {
            return Err(TransformerError::Input(format!("row {row} has id {id}; the vocabulary has {vocab}")));
        }
    }
    Ok(())
}

/// Position of a canvas cell: where the committed picture, with its end-of-line tokens, will have it.
///
/// `base` is the position that follows the picture's header; `cols` the codes of a row.
#[must_use]
pub fn cell_position(base: u32, cols: u32, cell: u32) -> u32 {
    base + cell / cols * (cols + 1) + cell % cols
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_where_the_committed_codes_stand() {
        // A 2 x 3 picture at position 10 is c c c EOL c c c.
        let positions: Vec<u32> = (0..6).map(|cell| cell_position(10, 3, cell)).collect();
        assert_eq!(positions, [10, 11, 12, 14, 15, 16]);
    }

    #[test]
    fn ranges_are_cut_to_a_block_of_keys() {
        let seen = Visible { causal: 5, block_start: 9, block_end: 12 };
        assert_eq!(seen.within(0, 4), [0..4, 4..4]);
        assert_eq!(seen.within(4, 4), [0..1, 4..4]);
        assert_eq!(seen.within(4, 7), [0..1, 5..7]);
        assert_eq!(seen.within(10, 4), [0..0, 0..2]);
        assert_eq!(seen.within(12, 4), [0..0, 0..0]);
    }

    #[test]
    fn bad_rows_are_refused() {
        let good = [Token::causal(3, 0), Token::causal(4, 1)];
        let check = |tokens: &[Token]| {
            let mut batch = Batch::default();
            batch.push(tokens);
            batch.check(10, 20)
        };
        check(&good).unwrap();
        let with = |change: fn(&mut Token)| {
            let mut tokens = good;
            change(&mut tokens[1]);
            check(&tokens).unwrap_err().to_string()
        };
        assert!(with(|t| t.id = 10).contains("id 10"));
        assert!(with(|t| t.marks[1] = 99).contains("id 99"));
        assert!(with(|t| t.position = 20).contains("position 20"));
        assert!(with(|t| t.visible.block_end = 3).contains("2 keys"));
        assert!(with(|t| t.visible = Visible { causal: 0, block_start: 1, block_end: 1 }).contains("not empty"));
    }

    #[test]
    fn sequences_keep_their_ranges() {
        let mut batch = Batch::default();
        assert_eq!(batch.push(&[Token::causal(0, 0)]), 0);
        assert_eq!(batch.push(&[]), 1);
        assert_eq!(batch.push(&[Token::causal(0, 0), Token::causal(1, 1)]), 1);
        assert_eq!(batch.sequences().collect::<Vec<_>>(), [0..1, 1..3]);
    }
}

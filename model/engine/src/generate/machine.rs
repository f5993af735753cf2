//! The grammar of an answer as a state machine: what may come next.

use rhea_tokens::{Grid, Vocabulary};

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A token below the first visual one.
    Text,
    /// A digit of a size, `least` to 9.
    Digit {
        /// The smallest digit: sizes do not begin with 0.
        least: u32,
    },
    /// Nothing but this token.
    Forced(u32),
    /// The visual code of a cell, row-major.
    Code {
        /// The cell.
        cell: usize,
    },
}

/// How sizes of pictures are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The size asked for.
    pub target: Option<Grid>,
    /// The size of the last reference picture.
    pub reference: Option<Grid>,
    /// Does the target go before the reference?
    pub target_first: bool,
    /// Have later pictures the size of the first?
    pub same: bool,
}

impl Sizes {
    fn first(self) -> Option<Grid> {
        let (first, second) =
            if self.target_first { (self.target, self.reference) } else { (self.reference, self.target) };
        first.or(second)
    }
}

/// Where an answer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// In a header, with the ids behind BOI.
    Header(Vec<u32>),
    Rows {
        grid: Grid,
        codes: Vec<u32>,
        /// Ids behind IMG.
        ids: usize,
    },
}

/// Follows an answer, id by id.
#[derive(Clone, Debug)]
pub struct Machine<'v> {
    vocabulary: &'v Vocabulary,
    sizes: Sizes,
    size: Option<Grid>,
    state: State,
    pictures: usize,
}

impl<'v> Machine<'v> {
    /// Behind a prompt.
    #[must_use]
    pub fn new(vocabulary: &'v Vocabulary, sizes: Sizes) -> Self {
        Self { vocabulary, sizes, size: sizes.first(), state: State::Text, pictures: 0 }
    }

    /// What may come next.
    #[must_use]
    pub fn next(&self) -> Next {
        let control = self.vocabulary.control();
        match &self.state {
            State::Text => Next::Text,
            State::Header(ids) => match self.size {
                Some(grid) => {
                    Next::Forced(grid.header(self.vocabulary).get(ids.len() + 1).copied().unwrap_or(control.img))
                }
                // The reference's grammar of a free size: two digits, a star, two digits.
                None => match ids.len() {
                    0 | 3 => Next::Digit { least: 1 },
                    1 | 4 => Next::Digit { least: 0 },
                    2 => Next::Forced(self.vocabulary.star()),
                    _ => Next::Forced(control.img),
                },
            },
            State::Rows { grid, codes, ids } => {
                let (width, at) = (grid.cols() + 1, ids + 1);
                if at == grid.rows() * width {
                    Next::Forced(control.eoi)
                } else if at.is_multiple_of(width) {
                    Next::Forced(control.eol)
                } else {
                    Next::Code { cell: codes.len() }
                }
            }
        }
    }

    /// Goes on behind an id. Ids that [`Self::next`] does not allow are taken as the reference takes them: BOI begins a
    /// picture, EOI ends one.
    pub fn push(&mut self, id: u32) {
        let control = self.vocabulary.control();
        if id == control.boi {
            if !self.sizes.same {
                self.size = self.sizes.first();
            }
            self.state = State::Header(Vec::new());
            return;
        }
        match &mut self.state {
            State::Text => {}
            State::Header(header) => {
                header.push(id);
                if id == control.img {
                    let grid = self.size.or_else(|| Grid::from_header(self.vocabulary, header));
                    self.size = grid;
                    self.state = match grid {
                        Some(grid) => State::Rows { grid, codes: Vec::with_capacity(grid.cells()), ids: 0 },
                        None => State::Text,
                    };
                }
            }
            State::Rows { codes, ids, .. } => {
                *ids += 1;
                codes.extend(self.vocabulary.code(id));
                if id == control.eoi {
                    self.state = State::Text;
                    self.pictures += 1;
                }
            }
        }
    }

    /// Is a picture being written, from BOI to before EOI?
    #[must_use]
    pub fn in_picture(&self) -> bool {
        self.state != State::Text
    }

    /// The size and the codes so far of the picture whose rows are being written.
    #[must_use]
    pub fn rows(&self) -> Option<(Grid, &[u32])> {
        match &self.state {
            State::Rows { grid, codes, .. } => Some((*grid, codes)),
            State::Text | State::Header(_) => None,
        }
    }

    /// The size that a picture begun now would have, as far as it is known.
    #[must_use]
    pub fn size(&self) -> Option<Grid> {
        self.size
    }

    /// Pictures finished.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.pictures
    }
}

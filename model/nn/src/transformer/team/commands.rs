//! What the first rank tells all ranks, as words.

use super::super::kv::{KvStore, Work};
use super::super::passes::Rows;
use super::super::shortlist::Mix;
use super::super::{Half, Token, Visible};
use crate::parallel::CommError;

/// The first word of a message.
const NEW_STORE: u32 = 1;
const DROP_STORE: u32 = 2;
const PASS: u32 = 3;
const LOGITS: u32 = 4;
const SHORTLIST: u32 = 5;
const QUIT: u32 = 6;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A store of so many rows, with a number.
    NewStore(u32, usize),
    /// A store is no longer needed.
    DropStore(u32),
    /// A pass over a store; copies of pages come first, then what each lane reads.
    Pass(u32, Rows),
    /// Logits of rows of the last pass over a store; a list of rows for each lane follows.
    Logits(u32, Half),
    /// The largest logits behind the last row of each branch of the last pass over a store: how many, and how branches mix. The
    /// branches follow.
    Shortlist(u32, Half, usize, Mix),
    /// There is nothing more to do.
    Quit,
}

impl Command {
    /// Begins a message.
    pub fn write(&self, words: &mut Vec<u32>) {
        words.clear();
        match *self {
            Self::NewStore(store, rows) => words.extend([NEW_STORE, store, rows as u32]),
            Self::DropStore(store) => words.extend([DROP_STORE, store]),
            Self::Pass(store, rows) => words.extend([PASS, store, u32::from(rows == Rows::Kept)]),
            Self::Logits(store, half) => words.extend([LOGITS, store, u32::from(half == Half::Visual)]),
            Self::Shortlist(store, half, keep, mix) => {
                words.extend([SHORTLIST, store, u32::from(half == Half::Visual), keep as u32]);
                words.extend(mix.words());
            }
            Self::Quit => words.push(QUIT),
        }
    }

    /// Reads the beginning of a message.
    ///
    /// # Errors
    /// When it has no meaning.
    pub fn read(words: &mut Words<'_>) -> Result<Self, CommError> {
        let half = |word: u32| if word == 1 { Half::Visual } else { Half::Text };
        Ok(match words.word()? {
            NEW_STORE => Self::NewStore(words.word()?, words.count()?),
            DROP_STORE => Self::DropStore(words.word()?),
            PASS => Self::Pass(words.word()?, if words.word()? == 1 { Rows::Kept } else { Rows::Passing }),
            LOGITS => Self::Logits(words.word()?, half(words.word()?)),
            SHORTLIST => {
                let (store, half, keep) = (words.word()?, half(words.word()?), words.count()?);
                let mix = Mix::of_words([words.word()?, words.word()?, words.word()?]);
                Self::Shortlist(store, half, keep, mix.ok_or_else(|| words.fault())?)
            }
            QUIT => Self::Quit,
            _ => return Err(words.fault()),
        })
    }
}

/// A message that is being read.
#[derive(Debug)]
pub struct Words<'a> {
    words: &'a [u32],
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(words: &'a [u32]) -> Self {
        Self { words, at: 0 }
    }

    /// Reading cannot go on here.
    pub fn fault(&self) -> CommError {
        CommError::Message { at: self.at, words: self.words.len() }
    }

    pub fn word(&mut self) -> Result<u32, CommError> {
        let word = self.words.get(self.at).copied().ok_or_else(|| self.fault())?;
        self.at += 1;
        Ok(word)
    }

    pub fn count(&mut self) -> Result<usize, CommError> {
        Ok(self.word()? as usize)
    }

    /// The next `count` words.
    pub fn some(&mut self, count: usize) -> Result<&'a [u32], CommError> {
        let some = self.words.get(self.at..).and_then(|rest| rest.get(..count)).ok_or_else(|| self.fault())?;
        self.at += count;
        Ok(some)
    }
}

/// Appends what each lane reads of a pass. `places` gets lane and number there of every wanted row.
pub fn write_lanes(work: &Work, lanes: usize, words: &mut Vec<u32>, places: &mut Vec<(usize, usize)>) {
    places.clear();
    places.resize(work.outputs.len(), (0, 0));
    for lane in 0..lanes {
        let spans = || work.spans.iter().filter(move |span| span.lane == lane);
        let header = words.len();
        words.extend([0, 0, 0]);
        let (mut rows, mut wanted) = (0, 0);
        for span in spans() {
            let table = &work.tables[span.table.clone()];
            words.extend([span.rows.len() as u32, span.start as u32, table.len() as u32]);
            words.extend_from_slice(table);
        }
        for span in spans() {
            for token in &work.tokens[span.rows.clone()] {
                let Visible { causal, block_start, block_end } = token.visible;
                words.extend([
                    token.id,
                    token.marks[0],
                    token.marks[1],
                    token.position,
                    causal,
                    block_start,
                    block_end,
                ]);
            }
        }
        for span in spans() {
            let [from, to] = [span.rows.start, span.rows.end].map(|row| work.outputs.partition_point(|o| *o < row));
            for (row, place) in work.outputs[from..to].iter().zip(&mut places[from..to]) {
                words.push((rows + row - span.rows.start) as u32);
                *place = (lane, wanted);
                wanted += 1;
            }
            rows += span.rows.len();
        }
        words[header..header + 3].copy_from_slice(&[rows as u32, spans().count() as u32, wanted as u32]);
    }
}

/// Takes what one lane of several reads.
///
/// # Errors
/// When the message ends too early.
pub fn read_lane(words: &mut Words<'_>, lanes: usize, own: usize, work: &mut Work) -> Result<(), CommError> {
    work.clear();
    for lane in 0..lanes {
        let (rows, spans, wanted) = (words.count()?, words.count()?, words.count()?);
        let mut first = 0;
        for _ in 0..spans {
            let (count, start, pages) = (words.count()?, words.count()?, words.count()?);
            let table = words.some(pages)?;
            if lane == own {
                work.push_span(first..first + count, start, table, 0);
            }
            first += count;
        }
        if first != rows {
            return Err(words.fault());
        }
        let tokens = words.some(rows.saturating_mul(7))?;
        let outputs = words.some(wanted)?;
        if lane == own {
            work.tokens.extend(tokens.as_chunks::<7>().0.iter().map(|t| Token {
                id: t[0],
                marks: [t[1], t[2]],
                position: t[3],
                visible: Visible { causal: t[4], block_start: t[5], block_end: t[6] },
            }));
            work.outputs.extend(outputs.iter().map(|row| *row as usize));
        }
    }
    Ok(())
}

/// Copies pages of the own lane, as many as the message says.
///
/// # Errors
/// When the message ends too early.
pub fn copy_pages(words: &mut Words<'_>, own: usize, store: &mut KvStore) -> Result<(), CommError> {
    let count = words.count()?;
    for copy in words.some(count.saturating_mul(4))?.as_chunks::<4>().0 {
        if copy[0] as usize == own {
            store.pages.copy(copy[1], copy[2], copy[3] as usize);
        }
    }
    Ok(())
}

/// Appends lists of rows, one for each lane.
pub fn write_rows(places: impl Iterator<Item = (usize, usize)> + Clone, lanes: usize, words: &mut Vec<u32>) {
    for lane in 0..lanes {
        let header = words.len();
        words.push(0);
        words.extend(places.clone().filter(|place| place.0 == lane).map(|place| place.1 as u32));
        words[header] = (words.len() - header - 1) as u32;
    }
}

/// The rows of the own lane.
///
/// # Errors
/// When the message ends too early, or a row is not among the wanted ones of the last pass.
pub fn read_rows(words: &mut Words<'_>, lanes: usize, own: usize, wanted: usize) -> Result<Vec<usize>, CommError> {
    let mut rows = Vec::new();
    for lane in 0..lanes {
        let count = words.count()?;
        let some = words.some(count)?;
        if lane == own {
            rows = some.iter().map(|row| *row as usize).collect();
        }
    }
    if rows.iter().any(|row| *row >= wanted) { Err(words.fault()) } else { Ok(rows) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_and_cut_messages_are_refused() {
        let commands = [
            Command::NewStore(3, 900),
            Command::DropStore(7),
            Command::Pass(1, Rows::Kept),
            Command::Pass(2, Rows::Passing),
            Command::Logits(4, Half::Text),
            Command::Shortlist(5, Half::Visual, 77, Mix::ThreeWay { text: 2.0, pictures: -1.5 }),
            Command::Quit,
        ];
        let mut words = Vec::new();
        for command in commands {
            command.write(&mut words);
            assert_eq!(Command::read(&mut Words::new(&words)).unwrap(), command);
            for cut in 0..words.len() {
                let error = Command::read(&mut Words::new(&words[..cut])).unwrap_err();
                assert_eq!(error, CommError::Message { at: cut, words: cut });
            }
        }
        assert!(Command::read(&mut Words::new(&[99])).is_err());
    }

    #[test]
    fn lanes_get_their_branches_and_wanted_rows_are_found_again() {
        let mut work = Work::default();
        let token = |id: u32| Token::causal(id, id);
        work.tokens.extend((0..9).map(token));
        // Spans of lanes 0, 1, 0 with 2, 4 and 3 rows; of each, the last row and one more of the second.
        for (rows, lane) in [(0..2, 0), (2..6, 1), (6..9, 0)] {
            work.push_span(rows.clone(), 10 * (lane + 1), &[rows.start as u32, 40], lane);
        }
        work.outputs = vec![1, 3, 5, 8];
        let (mut words, mut places) = (Vec::new(), Vec::new());
        write_lanes(&work, 2, &mut words, &mut places);
        assert_eq!(places, [(0, 0), (1, 0), (1, 1), (0, 1)]);
        let lane = |own: usize| {
            let mut work = Work::default();
            read_lane(&mut Words::new(&words), 2, own, &mut work).unwrap();
            work
        };
        let (first, second) = (lane(0), lane(1));
        assert_eq!(first.tokens, [0, 1, 6, 7, 8].map(token));
        assert_eq!(second.tokens, [2, 3, 4, 5].map(token));
        assert_eq!((first.outputs, second.outputs), (vec![1, 4], vec![1, 3]));
        assert_eq!((first.spans[1].rows.clone(), first.spans[1].start), (2..5, 10));
        assert_eq!((first.tables, second.tables), (vec![0, 40, 6, 40], vec![2, 40]));
        for cut in 0..words.len() {
            assert!(read_lane(&mut Words::new(&words[..cut]), 2, 0, &mut Work::default()).is_err());
        }
        words.clear();
        write_rows(places.iter().copied(), 2, &mut words);
        assert_eq!(read_rows(&mut Words::new(&words), 2, 1, 2).unwrap(), [0, 1]);
        assert!(read_rows(&mut Words::new(&words), 2, 1, 1).is_err());
    }
}

//! The playhead over the records of a walk.
//!
//! Invariant: the playhead is at a record that exists, whatever is asked for; a tape without records stays at 0.

use rhea_memory::Verdict;

use crate::replay::{RecordKind, StepRecord};

/// Records a second at speed 1.
pub const STEPS_PER_SECOND: f64 = 4.0;
/// Speeds, times [`STEPS_PER_SECOND`].
pub const SPEEDS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Where speed 1 stands in [`SPEEDS`].
const USUAL: usize = 2;

/// What stands out about a record, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The model could not do it.
    Failed,
    /// The view differs from memory.
    Doubtful,
    /// A new epoch began.
    Reopened,
    /// Bad cells are memory's own pixels.
    Composite,
    /// It agrees after its bad cells were drawn again.
    Repaired,
    /// Something stood in the way, or it was cancelled.
    Stopped,
    /// A view was taken back.
    Undone,
    /// Memory was asked or told something.
    Asked,
}

impl Mark {
    /// What stands out about a record, if anything.
    #[must_use]
    pub fn of(record: &StepRecord) -> Option<Self> {
        match record.kind {
            RecordKind::Failed => Some(Self::Failed),
            RecordKind::Blocked | RecordKind::Cancelled => Some(Self::Stopped),
            RecordKind::Undo => Some(Self::Undone),
            RecordKind::Note => Some(Self::Asked),
            RecordKind::Start | RecordKind::Step => match record.check.as_ref().map(|check| check.verdict)? {
                Verdict::Doubtful => Some(Self::Doubtful),
                Verdict::Reopened => Some(Self::Reopened),
                Verdict::Composite => Some(Self::Composite),
                Verdict::Repaired => Some(Self::Repaired),
                Verdict::New | Verdict::Extended | Verdict::Revisited => None,
            },
        }
    }

    /// Does it say that a check failed?
    #[must_use]
    pub fn is_grave(self) -> bool {
        self <= Self::Repaired
    }

    /// A word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Doubtful => "doubtful",
            Self::Reopened => "new epoch",
            Self::Composite => "composite",
            Self::Repaired => "repaired",
            Self::Stopped => "stopped",
            Self::Undone => "undo",
            Self::Asked => "asked",
        }
    }
}

/// A record as the tape knows it.
#[derive(Clone, Debug)]
struct Frame {
    mark: Option<Mark>,
    /// Command, note and narration in small letters, for search.
    words: String,
    /// The record whose view is on screen at this record: its own, or the last one before it that is still part of the walk.
    shows: Option<usize>,
}

/// The records of a walk with a playhead.
#[derive(Clone, Debug)]
pub struct Tape {
    frames: Vec<Frame>,
    at: usize,
    /// Share of the next record that has passed, 0 to 1.
    passed: f64,
    plays: bool,
    speed: usize,
    ends: [Option<usize>; 2],
}

impl Tape {
    /// A tape at its beginning.
    #[must_use]
    pub fn new(records: &[StepRecord]) -> Self {
        let mut tape = Self { frames: Vec::new(), at: 0, passed: 0.0, plays: false, speed: USUAL, ends: [None; 2] };
        tape.take(records);
        tape
    }

    /// The records of a file that has grown; the playhead stays.
    pub fn take(&mut self, records: &[StepRecord]) {
        let mut kept: Vec<usize> = Vec::new();
        let frame = |(index, record): (usize, &StepRecord)| {
            match record.kind {
                RecordKind::Start | RecordKind::Step if record.has_view() => kept.push(index),
                RecordKind::Undo => drop(kept.pop()),
                _ => {}
            }
            let told = record.narration.as_ref().map_or("", |narration| &narration.text);
            let words = [&record.command, record.note.as_deref().unwrap_or(""), told].join(" ").to_lowercase();
            Frame { mark: Mark::of(record), words, shows: kept.last().copied() }
        };
        self.frames = records.iter().enumerate().map(frame).collect();
        self.at = self.at.min(self.last());
    }

    fn last(&self) -> usize {
        self.frames.len().saturating_sub(1)
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Are there no records?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The record at the playhead.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The record whose view is on screen.
    #[must_use]
    pub fn shows(&self) -> Option<usize> {
        self.frames.get(self.at).and_then(|frame| frame.shows)
    }

    /// What stands out about a record.
    #[must_use]
    pub fn mark(&self, record: usize) -> Option<Mark> {
        self.frames.get(record).and_then(|frame| frame.mark)
    }

    /// Does it play?
    #[must_use]
    pub fn plays(&self) -> bool {
        self.plays
    }

    /// The speed, times [`STEPS_PER_SECOND`].
    #[must_use]
    pub fn speed(&self) -> f64 {
        SPEEDS[self.speed]
    }

    /// First and last record of the loop.
    #[must_use]
    pub fn range(&self) -> (usize, usize) {
        let [from, to] = self.ends;
        let from = from.unwrap_or(0).min(self.last());
        (from, to.unwrap_or(usize::MAX).clamp(from, self.last().max(from)))
    }

    /// Is there a loop that is not the whole tape?
    #[must_use]
    pub fn loops(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    /// Goes to a record, or to the last one before it that exists.
    pub fn go(&mut self, record: usize) {
        self.at = record.min(self.last());
        self.passed = 0.0;
    }

    /// Goes on or back by so many records.
    pub fn step(&mut self, by: isize) {
        self.plays = false;
        self.go(self.at.saturating_add_signed(by));
    }

    /// Plays, or stops; at the end it begins again.
    pub fn play_or_pause(&mut self) {
        self.plays = !self.plays;
        let (from, to) = self.range();
        if self.plays && self.at >= to {
            self.go(from);
        }
    }

    /// The next speed up (positive) or down.
    pub fn change_speed(&mut self, by: isize) {
        self.speed = self.speed.saturating_add_signed(by).min(SPEEDS.len() - 1);
    }

    /// The loop begins here; where it begins already, it is undone.
    pub fn set_from(&mut self) {
        self.ends[0] = Some(self.at).filter(|at| self.ends[0] != Some(*at));
        self.ends[1] = self.ends[1].filter(|to| *to >= self.at);
    }

    /// The loop ends here; where it ends already, it is undone.
    pub fn set_to(&mut self) {
        self.ends[1] = Some(self.at).filter(|at| self.ends[1] != Some(*at));
        self.ends[0] = self.ends[0].filter(|from| *from <= self.at);
    }

    /// Goes to the next record behind (or before) the playhead that a check failed at; false when there is none.
    pub fn seek_grave(&mut self, forward: bool) -> bool {
        let grave = |record: &usize| self.mark(*record).is_some_and(Mark::is_grave);
        let found =
            if forward { (self.at + 1..self.len()).find(grave) } else { (0..self.at.min(self.len())).rfind(grave) };
        found.inspect(|record| self.go(*record)).is_some()
    }

    /// Records whose command, note or narration has these words; none for empty words.
    #[must_use]
    pub fn search(&self, words: &str) -> Vec<usize> {
        let words = words.trim().to_lowercase();
        let has = |(_, frame): &(usize, &Frame)| !words.is_empty() && frame.words.contains(&words);
        self.frames.iter().enumerate().filter(has).map(|(record, _)| record).collect()
    }

    /// Goes to the next record behind the playhead that has these words, from the beginning again behind the last; false when none
    /// has.
    pub fn seek_words(&mut self, words: &str) -> bool {
        let found = self.search(words);
        let next = found.iter().find(|record| **record > self.at).or_else(|| found.first());
        next.inspect(|record| self.go(**record)).is_some()
    }

    /// Time passes; a time that is not a number does not.
    pub fn advance(&mut self, secs: f64) {
        if !self.plays || self.is_empty() || !secs.is_finite() {
            return;
        }
        self.passed += secs.max(0.0) * STEPS_PER_SECOND * self.speed();
        let whole = self.passed.floor();
        self.passed -= whole;
        let (from, to) = self.range();
        let next = self.at.saturating_add(whole as usize);
        match (next > to, self.loops()) {
            (false, _) => self.at = next,
            (true, true) => self.at = from + (next - to - 1) % (to - from + 1),
            (true, false) => (self.at, self.plays) = (to, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape(records: usize, grave: &[usize]) -> Tape {
        let frame = |i: usize| Frame {
            mark: grave.contains(&i).then_some(Mark::Doubtful),
            words: format!("step {i} you see a {} door", if i.is_multiple_of(5) { "red" } else { "blue" }),
            shows: Some(i),
        };
        let mut tape = Tape::new(&[]);
        tape.frames = (0..records).map(frame).collect();
        tape
    }

    #[test]
    fn nothing_leads_off_the_tape() {
        for records in [0, 1, 7] {
            let mut tape = tape(records, &[]);
            for by in [isize::MIN, -3, 2, isize::MAX] {
                tape.step(by);
                assert!(tape.at() < records.max(1));
            }
            tape.set_from();
            tape.play_or_pause();
            for secs in [0.3, f64::NAN, -1.0, 1e9] {
                tape.advance(secs);
                assert!(tape.at() < records.max(1));
            }
            tape.go(usize::MAX);
            tape.change_speed(isize::MIN);
            tape.change_speed(isize::MAX);
            assert!(!tape.seek_words("") && !tape.seek_grave(true));
        }
    }

    #[test]
    fn it_plays_at_its_speed_to_the_end_and_loops_within_a_range() {
        let mut tape = tape(20, &[]);
        tape.play_or_pause();
        tape.advance(1.0);
        assert_eq!(tape.at(), 4);
        tape.change_speed(1);
        tape.advance(1.1);
        assert_eq!(tape.at(), 12, "eight a second, and what is left of a step waits");
        tape.advance(9.0);
        assert_eq!((tape.at(), tape.plays()), (19, false));
        tape.go(5);
        tape.set_from();
        tape.go(8);
        tape.set_to();
        assert_eq!(tape.range(), (5, 8));
        tape.play_or_pause();
        assert_eq!(tape.at(), 5);
        tape.advance(4.5 / 8.0);
        assert_eq!((tape.at(), tape.plays()), (5, true), "four on is one round");
        tape.go(3);
        tape.set_to();
        assert_eq!(tape.range(), (0, 3), "an end before the beginning undoes the beginning");
        tape.set_to();
        assert!(!tape.loops());
    }

    #[test]
    fn failures_and_words_are_found_in_order() {
        let mut tape = tape(20, &[4, 11]);
        assert!(tape.seek_grave(true) && tape.at() == 4);
        assert!(tape.seek_grave(true) && tape.at() == 11);
        assert!(!tape.seek_grave(true) && tape.at() == 11);
        assert!(tape.seek_grave(false) && tape.at() == 4);
        assert_eq!(tape.search("RED door "), [0, 5, 10, 15]);
        assert!(tape.seek_words("red door") && tape.at() == 5);
        tape.go(16);
        assert!(tape.seek_words("red door") && tape.at() == 0, "from the beginning again");
        assert!(!tape.seek_words("green"));
    }
}

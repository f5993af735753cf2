//! The film on its way through the window: which step, which moment, playing or not. It knows no window.
//!
//! Invariant: whatever is asked for, the moment shown belongs to a step that was received, or is the beginning.

use std::path::PathBuf;

use rhea_physics::checks::{Check, Verdict};
use rhea_physics::film::{FilmStep, STILL_SECS, Still};
use rhea_physics::plan::Account;
use rhea_session::review::Labels;

/// Pause behind a step while the film runs, seconds: time to read the verdict.
const READ_SECS: f64 = 0.7;
/// A rejected step is read longer.
const READ_REJECT_SECS: f64 = 2.0;

/// Speeds of the film.
const SPEEDS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Where speed 1 stands in [`SPEEDS`].
const USUAL: usize = 2;

/// A part of the film.
pub enum Reel {
    /// The film goes on otherwise: its first steps stay, so many of them, and the rest is made anew.
    Cut(usize),
    /// A change could not be made; the film stays as it is.
    Refused(String),
    /// The film is recorded here; what people said about its steps before.
    Recorded(PathBuf, Labels),
    /// The next step.
    Step(Box<FilmStep>),
    /// There is no further step.
    Over {
        /// How it ended, in words.
        says: String,
        /// Did everything that was expected come true?
        good: bool,
        /// What a model's answers and their repairs took.
        account: Option<Account>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Paused,
    /// On through all steps.
    Running,
    /// To the end of this step.
    OneStep,
}

/// The film so far and where it is.
pub struct Player {
    first: Still,
    steps: Vec<FilmStep>,
    /// The step that is shown; `None` before the first one begins.
    at: Option<usize>,
    secs: f64,
    mode: Mode,
    speed: usize,
    check: Option<usize>,
    end: Option<End>,
}

/// How a film ended.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// In words.
    pub says: String,
    /// Did everything that was expected come true?
    pub good: bool,
    /// What a model's answers and their repairs took.
    pub account: Option<Account>,
}

impl Player {
    /// A film that begins with a still and runs as soon as there are steps.
    #[must_use]
    pub fn new(first: Still) -> Self {
        let (steps, mode) = (Vec::new(), Mode::Running);
        Self { first, steps, at: None, secs: 0.0, mode, speed: USUAL, check: None, end: None }
    }

    /// A further step.
    pub fn push(&mut self, step: FilmStep) {
        self.steps.push(step);
    }

    /// There is no further step.
    pub fn finish(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Keeps the first steps and waits for others.
    pub fn cut(&mut self, keep: usize) {
        self.steps.truncate(keep);
        (self.end, self.check, self.mode) = (None, None, Mode::Running);
        match self.steps.len().checked_sub(1) {
            Some(last) => (self.at, self.secs) = (Some(last), length(&self.steps[last])),
            None => (self.at, self.secs) = (None, 0.0),
        }
    }

    /// All steps so far.
    #[must_use]
    pub fn steps(&self) -> &[FilmStep] {
        &self.steps
    }

    /// How the film ended, and whether well.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The step that is shown.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.at
    }

    /// The step that is shown.
    #[must_use]
    pub fn step(&self) -> Option<&FilmStep> {
        self.at.and_then(|i| self.steps.get(i))
    }

    /// What is shown.
    #[must_use]
    pub fn still(&self) -> &Still {
        let index = (self.secs / STILL_SECS) as usize;
        self.step().and_then(|s| s.stills.get(index).or(s.stills.last())).unwrap_or(&self.first)
    }

    /// Share of the step that is over.
    #[must_use]
    pub fn share(&self) -> f32 {
        self.step().map_or(0.0, |s| (self.secs / length(s)).min(1.0) as f32)
    }

    /// Does the film run?
    #[must_use]
    pub fn runs(&self) -> bool {
        self.mode != Mode::Paused
    }

    /// Time goes on.
    pub fn advance(&mut self, secs: f64) {
        if self.mode == Mode::Paused {
            return;
        }
        let Some(step) = self.step() else {
            if !self.steps.is_empty() {
                self.show(0);
            }
            return;
        };
        let rejected = step.report.verdict == Verdict::Reject;
        let over = length(step) + if rejected { READ_REJECT_SECS } else { READ_SECS };
        self.secs += secs.max(0.0) * self.speed();
        if self.mode == Mode::OneStep && self.secs >= length(self.step().unwrap_or(&self.steps[0])) {
            self.mode = Mode::Paused;
        } else if self.secs >= over {
            match self.at.map(|i| i + 1).filter(|i| *i < self.steps.len()) {
                Some(next) => self.show(next),
                None if self.end.is_some() => self.mode = Mode::Paused,
                None => {}
            }
        }
    }

    /// Runs, or pauses. At the end of the film it runs from the beginning.
    pub fn run_or_pause(&mut self) {
        let at_end = self.end.is_some() && self.at.is_some_and(|i| i + 1 == self.steps.len()) && self.share() >= 1.0;
        if self.mode == Mode::Paused && at_end {
            self.restart();
        }
        self.mode = if self.mode == Mode::Paused { Mode::Running } else { Mode::Paused };
    }

    /// Plays the rest of this step, or the next one if this one is over.
    pub fn one_step(&mut self) {
        let next = self.at.map_or(0, |i| i + usize::from(self.share() >= 1.0));
        if next < self.steps.len() {
            if self.at != Some(next) {
                self.show(next);
            }
            self.mode = Mode::OneStep;
        }
    }

    /// Goes to the beginning of this step, or of the one before if this one has hardly begun, and pauses.
    pub fn back(&mut self) {
        if let Some(i) = self.at {
            self.show(if self.secs < 0.3 { i.saturating_sub(1) } else { i });
        }
        self.mode = Mode::Paused;
    }

    /// Goes to the beginning and pauses.
    pub fn restart(&mut self) {
        (self.at, self.secs, self.check, self.mode) = (None, 0.0, None, Mode::Paused);
    }

    /// Shows the end of a step, and pauses.
    pub fn choose(&mut self, step: usize) {
        if step < self.steps.len() {
            self.show(step);
            self.secs = length(&self.steps[step]);
            self.mode = Mode::Paused;
        }
    }

    /// Shows the beginning of a step, and pauses.
    pub fn choose_beginning(&mut self, step: usize) {
        if step < self.steps.len() {
            self.show(step);
            self.mode = Mode::Paused;
        }
    }

    /// Shows the end of a step so many steps on or back, and pauses.
    pub fn skip(&mut self, by: isize) {
        let last = self.steps.len().saturating_sub(1);
        self.choose(self.at.map_or(0, |at| at.saturating_add_signed(by).min(last)));
    }

    /// Shows the end of the next or the last rejected step; false when there is none.
    pub fn seek_grave(&mut self, forward: bool) -> bool {
        let grave = |i: &usize| self.steps[*i].report.verdict == Verdict::Reject;
        let found = match self.at {
            Some(at) if forward => (at + 1..self.steps.len()).find(grave),
            Some(at) => (0..at.min(self.steps.len())).rfind(grave),
            None => (0..self.steps.len()).find(grave).filter(|_| forward),
        };
        found.inspect(|step| self.choose(*step)).is_some()
    }

    /// The speed: 1 as things move.
    #[must_use]
    pub fn speed(&self) -> f64 {
        SPEEDS[self.speed]
    }

    /// The next speed up (positive) or down.
    pub fn change_speed(&mut self, by: isize) {
        self.speed = self.speed.saturating_add_signed(by).min(SPEEDS.len() - 1);
    }

    /// Length of every step, seconds.
    pub fn lengths(&self) -> impl Iterator<Item = f64> + '_ {
        self.steps.iter().map(length)
    }

    /// Share of the whole film that is over, 0 to 1.
    #[must_use]
    pub fn passed(&self) -> f64 {
        let Some(at) = self.at else { return 0.0 };
        let before: f64 = self.lengths().take(at).sum();
        let here = self.step().map_or(0.0, |step| self.secs.min(length(step)));
        (before + here) / self.lengths().sum::<f64>().max(STILL_SECS)
    }

    /// Shows the moment at a share of the whole film, and pauses.
    pub fn seek(&mut self, share: f64) {
        let lengths: Vec<f64> = self.lengths().collect();
        let mut secs = share.clamp(0.0, 1.0) * lengths.iter().sum::<f64>();
        for (step, length) in lengths.iter().enumerate() {
            if secs <= *length || step + 1 == lengths.len() {
                self.show(step);
                (self.secs, self.mode) = (secs.min(*length), Mode::Paused);
                return;
            }
            secs -= length;
        }
    }

    fn show(&mut self, step: usize) {
        (self.at, self.secs, self.check) = (Some(step), 0.0, None);
    }

    /// Which check of the step is looked at: the chosen one, else the first reject, else the tightest warning.
    #[must_use]
    pub fn check(&self) -> Option<(usize, &Check)> {
        let checks = &self.step()?.report.checks;
        let index = self.check.or_else(|| deciding(checks))?;
        checks.get(index).map(|check| (index, check))
    }

    /// Looks at a check.
    pub fn choose_check(&mut self, index: usize) {
        self.check = Some(index);
    }

    /// Looks at the next check.
    pub fn next_check(&mut self) {
        let count = self.step().map_or(0, |s| s.report.checks.len());
        if count > 0 {
            self.check = Some(self.check().map_or(0, |(i, _)| (i + 1) % count));
        }
    }
}

/// The check that decides a step: the first reject, else the tightest warning.
pub(crate) fn deciding(checks: &[Check]) -> Option<usize> {
    let warned = checks.iter().enumerate().filter(|(_, c)| c.verdict == Verdict::Warn);
    let tightest = || warned.min_by(|a, b| a.1.margin.total_cmp(&b.1.margin)).map(|(i, _)| i);
    checks.iter().position(|c| c.verdict == Verdict::Reject).or_else(tightest)
}

/// Length of a step, seconds.
fn length(step: &FilmStep) -> f64 {
    step.stills.len().saturating_sub(1).max(1) as f64 * STILL_SECS
}

#[cfg(test)]
pub(crate) mod tests {
    use rhea_physics::checks::{Code, StepReport};
    use rhea_physics::world::Snapshot;
    use rhea_picture::Rgbd;

    use super::*;

    fn still(opening_m: f64) -> Still {
        Still { q: vec![vec![0.0]], opening_m: vec![opening_m], things: Vec::new(), tray_m: Vec::new() }
    }

    pub(crate) fn step(number: usize, checks: Vec<Check>) -> FilmStep {
        let report = StepReport {
            step: number,
            text: String::new(),
            skill: None,
            verdict: checks.iter().map(|c| c.verdict).max().unwrap_or(Verdict::Pass),
            first_code: None,
            snapshot: String::new(),
            engine: String::new(),
            checks,
            says: String::new(),
        };
        let stills = (0..31).map(|i| still(number as f64 + f64::from(i) / 100.0)).collect();
        let truth = Rgbd::filled(1, 1, [0; 3]);
        let before = Snapshot::default();
        FilmStep { report, executed: true, stills, way: Vec::new(), truth, imagined: None, before }
    }

    fn opening(player: &Player) -> f64 {
        player.still().opening_m[0]
    }

    #[test]
    fn a_film_runs_through_its_steps_and_stops_at_the_end() {
        let mut player = Player::new(still(0.0));
        player.advance(1.0);
        assert_eq!((player.index(), opening(&player)), (None, 0.0), "nothing was received yet");
        player.push(step(1, Vec::new()));
        player.advance(0.0);
        player.advance(0.5 + 1e-9);
        assert_eq!((player.index(), opening(&player)), (Some(0), 1.15), "half a second in");
        player.advance(5.0);
        assert!(player.runs() && player.index() == Some(0), "it waits for the next step");
        player.push(step(2, Vec::new()));
        player.finish(End { says: "done".to_owned(), good: true, account: None });
        player.advance(0.01);
        assert_eq!(player.index(), Some(1));
        for _ in 0..3 {
            player.advance(2.0);
        }
        assert!(!player.runs() && (opening(&player) - 2.3).abs() < 1e-12, "it stays at the last moment");
        player.run_or_pause();
        assert!(player.runs() && player.index().is_none(), "and runs from the beginning again");
    }

    #[test]
    fn single_steps_stop_behind_each_and_back_goes_to_beginnings() {
        let mut player = Player::new(still(0.0));
        player.run_or_pause();
        player.one_step();
        assert!(!player.runs(), "there is no step yet");
        player.push(step(1, Vec::new()));
        player.push(step(2, Vec::new()));
        player.one_step();
        player.advance(9.0);
        assert!(!player.runs() && player.index() == Some(0) && player.share() >= 1.0);
        player.one_step();
        player.advance(0.5);
        player.back();
        assert_eq!((player.index(), player.share()), (Some(1), 0.0));
        player.back();
        assert_eq!(player.index(), Some(0));
        player.choose(1);
        assert!((opening(&player) - 2.3).abs() < 1e-12, "a chosen step shows its end");
        player.choose(7);
        assert_eq!(player.index(), Some(1));
    }

    #[test]
    fn the_check_that_matters_is_looked_at_first_and_all_can_be() {
        let mut player = Player::new(still(0.0));
        let check = |code, value: f64| Check::at_most(code, value, "m", 1.0);
        player.push(step(1, vec![check(Code::Reach, 0.1), check(Code::Path, 0.95), check(Code::Settle, 0.9)]));
        player.push(step(2, vec![check(Code::Reach, 0.95), check(Code::Path, 1.2)]));
        player.choose(0);
        assert_eq!(player.check().map(|c| c.0), Some(1), "the tightest warning");
        player.choose(1);
        assert_eq!(player.check().map(|c| c.0), Some(1), "the reject");
        player.next_check();
        assert_eq!(player.check().map(|c| c.0), Some(0), "round and round");
    }

    #[test]
    fn any_moment_can_be_gone_to_and_a_cut_film_waits_behind_what_is_left() {
        let mut player = Player::new(still(0.0));
        (1..=4).for_each(|number| player.push(step(number, Vec::new())));
        player.finish(End { says: String::new(), good: true, account: None });
        for share in [0.0, 0.3, 0.61, 1.0, 7.0, -1.0] {
            player.seek(share);
            assert!((player.passed() - share.clamp(0.0, 1.0)).abs() < 1e-9, "{share}");
        }
        player.seek(0.61);
        assert_eq!(player.index(), Some(2));
        player.skip(-5);
        assert_eq!(player.index(), Some(0));
        player.skip(9);
        assert_eq!((player.index(), player.passed()), (Some(3), 1.0));
        player.cut(2);
        assert!(player.runs() && player.end().is_none() && player.index() == Some(1));
        player.advance(9.0);
        assert_eq!(player.index(), Some(1), "there is no further step yet");
        player.push(step(3, Vec::new()));
        player.advance(0.1);
        assert_eq!(player.index(), Some(2));
        player.cut(0);
        assert_eq!((player.index(), player.passed()), (None, 0.0));
    }

    #[test]
    fn rejected_steps_are_gone_to_in_order() {
        let bad = || vec![Check::at_most(Code::Reach, 2.0, "m", 1.0)];
        let mut player = Player::new(still(0.0));
        for number in 1..=5 {
            player.push(step(number, if number % 2 == 0 { bad() } else { Vec::new() }));
        }
        assert!(player.seek_grave(true) && player.index() == Some(1));
        assert!(player.seek_grave(true) && player.index() == Some(3));
        assert!(!player.seek_grave(true) && player.seek_grave(false) && player.index() == Some(1));
        player.change_speed(isize::MAX);
        assert!((player.speed() - 16.0).abs() < 1e-9);
    }
}

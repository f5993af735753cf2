//! How long a process may say nothing, and how long it may get no further.

use std::time::{Duration, Instant};

/// What is waited for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the model to be opened.
    pub open: Duration,
    /// For any sign of life while a request is served.
    pub silence: Duration,
    /// For the model to get further while it gives signs of life. One pass of the largest model that is meant to run has to fit in.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { open: Duration::from_secs(600), silence: Duration::from_secs(10), stall: Duration::from_secs(600) }
    }
}

/// How a process is late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Late {
    /// It says nothing, for so many seconds.
    Silent(f64),
    /// It gets no further, for so many seconds.
    Stuck(f64),
}

/// Counts the time that one request waits.
///
/// Time in which the waiting program itself did not run (it was stopped, or the machine slept) is not held against the process, which
/// most likely stood still as well.
#[derive(Debug)]
pub(crate) struct Watch {
    silence: Duration,
    stall: Duration,
    quiet: Duration,
    standing: Duration,
    pulse: Option<u64>,
    last: Instant,
}

/// The longest wait that is counted at once.
const MOST_AT_ONCE: Duration = Duration::from_millis(500);

impl Watch {
    pub(crate) fn new(silence: Duration, stall: Duration, now: Instant) -> Self {
        Self { silence, stall, quiet: Duration::ZERO, standing: Duration::ZERO, pulse: None, last: now }
    }

    /// A sign of life came; with a pulse that differs from the last, or with none, the model got further.
    pub(crate) fn heard(&mut self, pulse: Option<u64>) {
        self.quiet = Duration::ZERO;
        if pulse.is_none() || pulse != self.pulse {
            self.standing = Duration::ZERO;
            self.pulse = pulse.or(self.pulse);
        }
    }

    /// Nothing came until now.
    pub(crate) fn waited(&mut self, now: Instant) -> Option<Late> {
        let waited = now.saturating_duration_since(self.last).min(MOST_AT_ONCE);
        self.last = now;
        self.quiet += waited;
        self.standing += waited;
        if self.quiet > self.silence {
            return Some(Late::Silent(self.quiet.as_secs_f64()));
        }
        (self.standing > self.stall).then_some(Late::Stuck(self.standing.as_secs_f64()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Runs a watch over seconds of which each is told by `at`.
    fn run(secs: u32, at: impl Fn(u32, &mut Watch)) -> Option<(u32, Late)> {
        let begun = Instant::now();
        let mut watch = Watch::new(Duration::from_secs(3), Duration::from_secs(20), begun);
        (1..=secs * 10).find_map(|tenth| {
            if tenth % 10 == 0 {
                at(tenth / 10, &mut watch);
            }
            watch.waited(begun + Duration::from_millis(100) * tenth).map(|late| (tenth / 10, late))
        })
    }

    #[test]
    fn silence_is_noticed_soon_and_work_is_waited_for() {
        let (after, late) = run(60, |_, _| {}).unwrap();
        assert!(after == 3 && matches!(late, Late::Silent(_)), "{after} {late:?}");
        assert_eq!(run(300, |second, watch| watch.heard(Some(u64::from(second)))), None, "it gets on");
    }

    #[test]
    fn a_process_that_beats_without_getting_on_is_stuck() {
        let (after, late) = run(60, |_, watch| watch.heard(Some(7))).unwrap();
        assert!((20..=22).contains(&after) && matches!(late, Late::Stuck(_)), "{after} {late:?}");
        assert_eq!(run(60, |second, watch| watch.heard((second % 10 == 0).then_some(7).or(Some(8)))), None);
    }

    #[test]
    fn time_in_which_the_waiting_program_stood_still_is_not_counted() {
        let begun = Instant::now();
        let mut watch = Watch::new(Duration::from_secs(3), Duration::from_secs(20), begun);
        assert_eq!(watch.waited(begun + Duration::from_secs(3600)), None);
        assert_eq!(watch.waited(begun + Duration::from_secs(7200)), None);
    }
}

//! Time as an object that is passed in: a session never looks at the wall clock by itself.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where a session reads the time.
pub trait Clock: Send {
    /// Seconds since the Unix epoch; never runs backwards.
    fn now_secs(&mut self) -> f64;
}

/// The machine's clock: the wall clock at creation, continued by the monotonic one.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
    started_secs: f64,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        let started_secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { started: Instant::now(), started_secs }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_secs(&mut self) -> f64 {
        self.started_secs + self.started.elapsed().as_secs_f64()
    }
}

/// A clock that advances by a fixed amount at each look: the same session always gets the same times.
#[derive(Clone, Debug)]
pub struct FixedClock {
    /// The next answer, seconds.
    pub next_secs: f64,
    /// Added at each look, seconds.
    pub tick_secs: f64,
}

impl Clock for FixedClock {
    fn now_secs(&mut self) -> f64 {
        let now = self.next_secs;
        self.next_secs += self.tick_secs;
        now
    }
}

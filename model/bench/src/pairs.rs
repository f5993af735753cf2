//! Timing in alternating pairs.

use std::time::Instant;

use serde::Serialize;

/// One line of the report. Figures of a side that was not measured are `None` (`null` in JSON).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Rhea's figure.
    pub ours: f64,
    /// The peer's figure.
    pub peer: Option<f64>,
    /// Who the peer is; empty without one.
    pub peer_name: &'static str,
    /// How many times better Rhea is; below 1 the peer is better.
    pub ratio: Option<f64>,
    /// Unit of both figures.
    pub unit: &'static str,
    /// What share of the machine's limit Rhea reaches, where a limit is known.
    pub floor_share: Option<f64>,
}

/// Medians of one measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Ours, seconds.
    pub ours_secs: f64,
    /// The peer's name, its seconds, and the median of the pairs' ratios.
    pub peer: Option<(&'static str, f64, f64)>,
}

impl Row {
    /// A line whose figures follow from times by `figure`.
    pub fn new(name: &str, unit: &'static str, times: Times, figure: impl Fn(f64) -> f64) -> Self {
        Self {
            name: name.to_owned(),
            ours: figure(times.ours_secs),
            peer: times.peer.map(|peer| figure(peer.1)),
            peer_name: times.peer.map_or("", |peer| peer.0),
            ratio: times.peer.map(|peer| peer.2),
            unit,
            floor_share: None,
        }
    }
}

/// Fewest pairs that are timed.
const PAIRS: usize = 7;

/// Measures `ours` and `peer` in turns, after one unmeasured round each. Both give the seconds of a round; [`timed`] makes such
/// a round of any work.
///
/// # Errors
/// What either side says.
pub fn alternate<E>(
    peer_name: &'static str,
    mut ours: impl FnMut() -> Result<f64, E>,
    mut peer: impl FnMut() -> Result<f64, E>,
) -> Result<Times, E> {
    ours()?;
    peer()?;
    let (mut first, mut second, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (a, b) = (ours()?, peer()?);
        ratios.push(b / a);
        first.push(a);
        second.push(b);
    }
    Ok(Times { ours_secs: median(first), peer: Some((peer_name, median(second), median(ratios))) })
}

/// Measures one side alone, after one unmeasured round.
///
/// # Errors
/// What it says.
pub fn alone<E>(mut ours: impl FnMut() -> Result<f64, E>) -> Result<Times, E> {
    ours()?;
    let times: Vec<f64> = (0..PAIRS).map(|_| ours()).collect::<Result<_, E>>()?;
    Ok(Times { ours_secs: median(times), peer: None })
}

/// A round that takes the seconds of `work`.
pub fn timed<E>(mut work: impl FnMut() -> Result<(), E>) -> impl FnMut() -> Result<f64, E> {
    move || {
        let began = Instant::now();
        work()?;
        Ok(began.elapsed().as_secs_f64())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_sides_take_turns_and_the_slower_one_is_told_apart() {
        let turns = RefCell::new(String::new());
        let wait = |name: char, ms: u64| {
            turns.borrow_mut().push(name);
            std::thread::sleep(Duration::from_millis(ms));
            Ok::<(), ()>(())
        };
        let times = alternate("b", timed(|| wait('a', 2)), timed(|| wait('b', 8))).unwrap();
        assert_eq!(*turns.borrow(), "ab".repeat(PAIRS + 1));
        let (name, peer_secs, ratio) = times.peer.unwrap();
        assert!(name == "b" && times.ours_secs < peer_secs && ratio > 2.0, "{times:?}");
        let row = Row::new("waits", "1/s", times, |secs| 1.0 / secs);
        assert!(row.ours > row.peer.unwrap() && row.ratio == Some(ratio), "{row:?}");
    }

    #[test]
    fn an_error_stops_the_measurement() {
        let mut left = 3;
        let failing = || {
            left -= 1;
            if left == 0 { Err("broken") } else { Ok(()) }
        };
        assert_eq!(alone(timed(failing)), Err("broken"));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}

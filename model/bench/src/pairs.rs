//! Timing in alternating pairs.

use std::time::Instant;

use serde::Serialize;

/// One line of the report. Figures of a side that was not measured are `None` (`null` in JSON).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Rhea's figure.
    pub ours: f64,
    /// The peer's figure.
    pub peer: Option<f64>,
    /// Who the peer is.
    pub peer_name: &'static str,
    /// How many times better Rhea is; below 1 the peer is better.
    pub ratio: Option<f64>,
    /// Unit of both figures.
    pub unit: &'static str,
    /// What share of the machine's limit Rhea reaches, where a limit is known.
    pub floor_share: Option<f64>,
}

/// Fewest pairs that are timed.
const PAIRS: usize = 7;

/// Times `ours` and `peer` in turns, after one unmeasured round each. Gives the median seconds of both and the median of the
/// pairs' ratios `peer / ours`.
///
/// # Errors
/// What either side says.
pub fn alternate<E>(
    mut ours: impl FnMut() -> Result<(), E>,
    mut peer: impl FnMut() -> Result<(), E>,
) -> Result<(f64, f64, f64), E> {
    ours()?;
    peer()?;
    let (mut first, mut second, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let a = seconds(&mut ours)?;
        let b = seconds(&mut peer)?;
        ratios.push(b / a);
        first.push(a);
        second.push(b);
    }
    Ok((median(first), median(second), median(ratios)))
}

/// Times one side alone, after one unmeasured round: median seconds.
///
/// # Errors
/// What it says.
pub fn alone<E>(mut ours: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    ours()?;
    let times: Vec<f64> = (0..PAIRS).map(|_| seconds(&mut ours)).collect::<Result<_, E>>()?;
    Ok(median(times))
}

fn seconds<E>(work: &mut impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
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
        let (ours, peer, ratio) = alternate(|| wait('a', 2), || wait('b', 8)).unwrap();
        assert_eq!(*turns.borrow(), "ab".repeat(PAIRS + 1));
        assert!(ours < peer && ratio > 2.0, "{ours} {peer} {ratio}");
    }

    #[test]
    fn an_error_stops_the_measurement() {
        let mut left = 3;
        let failing = || {
            left -= 1;
            if left == 0 { Err("broken") } else { Ok(()) }
        };
        assert_eq!(alone(failing), Err("broken"));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}

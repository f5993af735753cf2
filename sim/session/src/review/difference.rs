//! Where two walks part.

use crate::replay::{Replay, StepRecord};

/// The first record in which two recordings differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the record.
    pub record: usize,
    /// What differs, in words.
    pub what: String,
}

/// The first record that differs in what was asked, where it led, what was said or what was drawn; `None` when all are the same. Clock
/// times do not count.
#[must_use]
pub fn first_difference(one: &Replay, other: &Replay) -> Option<Difference> {
    let (a, b) = (&one.steps, &other.steps);
    let mut pairs = a.iter().zip(b).enumerate();
    let differs = pairs.find_map(|(record, (a, b))| {
        let what = difference(a, b).or_else(|| drawn_otherwise(one, other, record))?;
        Some(Difference { record, what })
    });
    differs.or_else(|| {
        let what = format!("one has {} records, the other {}", a.len(), b.len());
        (a.len() != b.len()).then(|| Difference { record: a.len().min(b.len()), what })
    })
}

fn difference(a: &StepRecord, b: &StepRecord) -> Option<String> {
    let told = |step: &StepRecord| step.narration.as_ref().map_or_else(String::new, |n| n.text.clone());
    let verdict = |step: &StepRecord| step.check.as_ref().map(|check| check.verdict);
    if (a.kind, &a.command) != (b.kind, &b.command) {
        return Some(format!("{:?} {:?} against {:?} {:?}", a.kind, a.command, b.kind, b.command));
    }
    if a.pose != b.pose {
        let at = |step: &StepRecord| {
            let [x, y, z] = step.pose.position_m;
            format!("({x:.3}, {y:.3}, {z:.3}) m at {:.1} degrees", step.pose.yaw_rad.to_degrees())
        };
        return Some(format!("the walker stands at {} against {}", at(a), at(b)));
    }
    if verdict(a) != verdict(b) {
        return Some(format!("verdict {:?} against {:?}", verdict(a), verdict(b)));
    }
    if told(a) != told(b) {
        return Some(format!("said {:?} against {:?}", told(a), told(b)));
    }
    (a.has_view() != b.has_view()).then(|| "only one has a view".to_owned())
}

/// Do the views of a record differ? By their codes; equal states have equal views.
fn drawn_otherwise(one: &Replay, other: &Replay, record: usize) -> Option<String> {
    let (a, b) = (&one.steps[record], &other.steps[record]);
    if a.state == b.state || !a.has_view() {
        return None;
    }
    match (one.codes(record), other.codes(record)) {
        (Ok(a), Ok(b)) if a == b => None,
        (Ok(a), Ok(b)) if a.codes.len() == b.codes.len() => {
            let cells = a.codes.iter().zip(&b.codes).filter(|(a, b)| a != b).count();
            Some(format!("{cells} of {} cells of the view", a.codes.len()))
        }
        (Ok(a), Ok(b)) => Some(format!("views of {} x {} against {} x {} cells", a.rows, a.cols, b.rows, b.cols)),
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
    }
}

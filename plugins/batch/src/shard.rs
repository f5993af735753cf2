//! A share of a job list without any server: every n-th job, one after the other, into a folder of results.

use std::fmt;
use std::str::FromStr;

use crate::error::BatchError;
use crate::folder::{Aside, OutFolder};
use crate::job::{Job, JobId};
use crate::limits::VERSION;
use crate::result::write_record;
use crate::runner::{Program, Tried, run};
use crate::stop::Stop;

/// Most shares of a list.
const MAX_SHARDS: u32 = 100_000;

/// The i-th of n shares; counted from 1, as `1/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Is the job at this place of the list in the share?
    #[must_use]
    pub fn has(self, index: usize) -> bool {
        index % self.of as usize == self.number as usize - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let found = parts.filter(|(number, of)| (1..=MAX_SHARDS).contains(of) && (1..=*of).contains(number));
        let allowed = || format!("{text:?} is no share; allowed is i/n with i from 1 to n, such as 1/4");
        found.map(|(number, of)| Self { number, of }).ok_or_else(allowed)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What happened to a job of the share.
#[derive(Clone, Debug)]
pub enum ShardEvent<'a> {
    /// It has its result already, or was set aside before.
    Skipped(&'a JobId),
    /// It is done; did its expectations come true, and how many seconds did it take?
    Done(&'a JobId, bool, f64),
    /// A try failed.
    Failed(&'a JobId, &'a str),
    /// It was set aside.
    Aside(&'a JobId, &'a str),
}

/// Does the jobs of a share that have no result yet. True when it got to the end, false when it was stopped.
///
/// # Errors
/// A folder or program that cannot be used; jobs that fail are set aside.
pub async fn run_shard(
    jobs: &[Job],
    shard: Shard,
    out: &OutFolder,
    program: &Program,
    stop: &Stop,
    tell: &mut dyn FnMut(ShardEvent<'_>),
) -> Result<bool, BatchError> {
    for job in jobs.iter().enumerate().filter(|(index, _)| shard.has(*index)).map(|(_, job)| job) {
        if stop.wanted() {
            return Ok(false);
        }
        if out.result(&job.id)?.is_some() || out.aside(&job.id)?.is_some() {
            tell(ShardEvent::Skipped(&job.id));
            continue;
        }
        let mut failed = 0;
        loop {
            match run(job, failed, program, stop.now()).await? {
                Tried::Stopped => return Ok(false),
                Tried::Done { scratch, record } => {
                    let part = out.part()?;
                    for file in &record.files {
                        let (from, to) = (scratch.out().join(&file.path), part.path().join(&file.path));
                        let copy = to.parent().map_or(Ok(()), std::fs::create_dir_all);
                        let copy = copy.and_then(|()| std::fs::copy(&from, &to));
                        copy.map_err(BatchError::file("write the result", &to))?;
                    }
                    write_record(&record, part.path())?;
                    out.keep(part, &job.id)?;
                    tell(ShardEvent::Done(&job.id, record.passed, record.secs));
                    break;
                }
                Tried::Failed(reason) => {
                    failed += 1;
                    tell(ShardEvent::Failed(&job.id, &reason));
                    if failed >= job.tries {
                        tell(ShardEvent::Aside(&job.id, &reason));
                        let job = job.id.clone();
                        out.set_aside(&Aside { version: VERSION, job, tries: failed, reason })?;
                        break;
                    }
                }
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_in_exactly_one_share() {
        for of in 1..=5 {
            let shares: Vec<Shard> = (1..=of).map(|i| format!("{i}/{of}").parse().unwrap()).collect();
            for index in 0..23 {
                assert_eq!(shares.iter().filter(|share| share.has(index)).count(), 1, "job {index} of {of} shares");
            }
        }
        assert!((0..9).all(|index| Shard::WHOLE.has(index)));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for wrong in ["", "1", "0/4", "5/4", "-1/4", "1/0", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("1 to n"), "{wrong}");
        }
    }
}

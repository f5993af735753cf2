//! Job lists: a RON file that says what is to be done, and the jobs that come of it.
//!
//! ```ron
//! (
//!     version: 1,
//!     tries: 3,          // failed tries after which a job is set aside
//!     limit_secs: 3600,  // longest time of one try
//!     jobs: [
//!         Plan(script: "stack.ron", planner: search),              // paths are relative to this file
//!         Walk(script: "../walks/square.ron", seeds: (1, 20)),     // a job for each seed
//!         EvalPlans(families: ["F1", "F2"], seeds: (1000000, 1000039), per_job: 10),
//!         Frames(seeds: (0, 1199), per_job: 40),
//!     ],
//! )
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use rhea_physics::tasks::Family;
use serde::Deserialize;

use crate::bundle;
use crate::error::BatchError;
use crate::job::{Job, Planner, Work};
use crate::limits::{MAX_JOBS, VERSION};

/// Failed tries after which a job is set aside, unless a list says otherwise.
pub const TRIES: u32 = 3;
/// Longest time of one try, seconds, unless a list says otherwise.
pub const LIMIT_SECS: u64 = 3600;

/// Jobs, each of them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobList {
    /// In the order of the list.
    pub jobs: Vec<Job>,
    /// How many were the same as an earlier one.
    pub doubles: usize,
}

#[derive(Deserialize)]
#[serde(rename = "JobList", deny_unknown_fields)]
struct RawList {
    version: u64,
    #[serde(default = "tries")]
    tries: u32,
    #[serde(default = "limit_secs")]
    limit_secs: u64,
    jobs: Vec<Entry>,
}

fn tries() -> u32 {
    TRIES
}

fn limit_secs() -> u64 {
    LIMIT_SECS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Entry {
    Plan {
        script: String,
        #[serde(default)]
        planner: Option<Planner>,
    },
    Walk {
        script: String,
        #[serde(default)]
        seeds: Option<(u64, u64)>,
    },
    EvalPlans {
        #[serde(default)]
        families: Vec<String>,
        seeds: (u64, u64),
        #[serde(default)]
        planners: Vec<String>,
        per_job: u64,
    },
    Frames {
        seeds: (u64, u64),
        per_job: u64,
    },
}

/// Parts of a range of seeds, both ends included.
fn shares(
    (first, last): (u64, u64),
    per_job: u64,
    place: &str,
) -> Result<impl Iterator<Item = (u64, u64)> + use<>, BatchError> {
    let count = last.checked_sub(first).and_then(|span| span.checked_add(1));
    let Some(count) = count.filter(|_| per_job > 0) else {
        let what = format!(
            "seeds ({first}, {last}) with per_job {per_job}; the first seed comes first, per_job is at least 1"
        );
        return Err(BatchError::invalid(place, what));
    };
    BatchError::at_most(place, "jobs", count.div_ceil(per_job), MAX_JOBS as u64)?;
    Ok((0..count.div_ceil(per_job)).map(move |share| {
        let from = first + share * per_job;
        (from, last.min(from.saturating_add(per_job - 1)))
    }))
}

/// The jobs of scripts and of a list, in order, before doubles are taken out.
#[derive(Default)]
struct Making {
    jobs: Vec<Job>,
}

impl Making {
    fn add(
        &mut self,
        entry: &Entry,
        (from, root): (&Path, &Path),
        tries: u32,
        limit: u64,
        place: &str,
    ) -> Result<(), BatchError> {
        let mut push = |work, files| -> Result<(), BatchError> {
            BatchError::at_most(place, "jobs", self.jobs.len() as u64 + 1, MAX_JOBS as u64)?;
            self.jobs.push(Job::new(work, files, tries, limit)?);
            Ok(())
        };
        match entry {
            Entry::Plan { script, planner } => {
                let made = bundle::plan(&from.join(script))?;
                push(Work::Plan { script: made.script, planner: *planner }, made.files)?;
            }
            Entry::Walk { script, seeds } => {
                let made = bundle::walk(&from.join(script), root)?;
                let work = |seed| Work::Walk { script: made.script.clone(), seed };
                match seeds {
                    None => push(work(None), made.files.clone())?,
                    Some(seeds) => shares(*seeds, 1, place)?
                        .try_for_each(|(seed, _)| push(work(Some(seed)), made.files.clone()))?,
                }
            }
            Entry::EvalPlans { families, seeds, planners, per_job } => {
                known_families(families, place)?;
                for seeds in shares(*seeds, *per_job, place)? {
                    let (families, planners) = (families.clone(), planners.clone());
                    push(Work::EvalPlans { families, seeds, planners }, Vec::new())?;
                }
            }
            Entry::Frames { seeds, per_job } => {
                for (first_seed, last) in shares(*seeds, *per_job, place)? {
                    let scenes = u32::try_from(last - first_seed + 1).unwrap_or(u32::MAX);
                    push(Work::Frames { first_seed, scenes }, Vec::new())?;
                }
            }
        }
        Ok(())
    }

    fn list(self) -> JobList {
        let mut seen = BTreeSet::new();
        let all = self.jobs.len();
        let jobs: Vec<Job> = self.jobs.into_iter().filter(|job| seen.insert(job.id.clone())).collect();
        JobList { doubles: all - jobs.len(), jobs }
    }
}

fn known_families(families: &[String], place: &str) -> Result<(), BatchError> {
    let known = || Family::ALL.iter().map(|(family, _)| format!("{family:?}"));
    match families.iter().find(|name| !known().any(|family| family == **name)) {
        None => Ok(()),
        Some(name) => {
            let allowed = known().collect::<Vec<_>>().join(", ");
            Err(BatchError::invalid(place, format!("there is no family {name:?}; allowed are {allowed}")))
        }
    }
}

impl JobList {
    /// The jobs of a list file, of plan scripts and of walk scripts. `root` is where walk scripts look for scenes first.
    ///
    /// # Errors
    /// A list that cannot be read, with line and column; a job in it that is not allowed; no job at all.
    pub fn load(
        list: Option<&Path>,
        plans: &[std::path::PathBuf],
        walks: &[std::path::PathBuf],
        root: &Path,
    ) -> Result<Self, BatchError> {
        let mut making = Making::default();
        let name = |path: &Path| path.to_string_lossy().into_owned();
        let plans = plans.iter().map(|path| Entry::Plan { script: name(path), planner: None });
        let walks = walks.iter().map(|path| Entry::Walk { script: name(path), seeds: None });
        for entry in plans.chain(walks) {
            making.add(&entry, (Path::new(""), root), TRIES, LIMIT_SECS, "the command line")?;
        }
        if let Some(path) = list {
            let place = path.display().to_string();
            let raw = parse(&bundle::read("read the job list", path)?, &place)?;
            let from = path.parent().unwrap_or(Path::new(""));
            for (index, entry) in raw.jobs.iter().enumerate() {
                let place = format!("{place}, job {}", index + 1);
                making.add(entry, (from, root), raw.tries, raw.limit_secs, &place)?;
            }
        }
        if making.jobs.is_empty() {
            let what = "there are no jobs; allowed are a job list, --plan and --walk";
            return Err(BatchError::invalid(list.map_or("the command line".to_owned(), name), what));
        }
        Ok(making.list())
    }
}

fn parse(text: &str, place: &str) -> Result<RawList, BatchError> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let raw: RawList = options.from_str(text).map_err(|error| {
        let at = error.span.start;
        BatchError::invalid(format!("{place}:{}:{}", at.line, at.col), error.code.to_string())
    })?;
    if raw.version != u64::from(VERSION) {
        return Err(BatchError::Version { place: place.to_owned(), found: raw.version, allowed: VERSION });
    }
    Ok(raw)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<JobList, BatchError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.ron");
        std::fs::write(&path, text).unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (from, to) in [("tasks/stack.ron", "stack.ron"), ("walks/square.ron", "square.ron")] {
            std::fs::copy(repository.join("scenes").join(from), folder.path().join(to)).unwrap();
        }
        JobList::load(Some(&path), &[], &[], &repository)
    }

    #[test]
    fn entries_become_jobs_in_order_and_ranges_shares() {
        let list = load(
            "(version: 1, tries: 5, jobs: [
                Plan(script: \"stack.ron\", planner: search),
                Walk(script: \"square.ron\", seeds: (1, 3)),
                EvalPlans(families: [\"F1\"], seeds: (1000000, 1000006), per_job: 3),
                Frames(seeds: (0, 9), per_job: 4),
                Plan(script: \"stack.ron\", planner: search),
            ])",
        )
        .unwrap();
        let kinds: Vec<&str> = list.jobs.iter().map(|job| job.work.kind()).collect();
        assert_eq!(kinds, ["plan", "walk", "walk", "walk", "eval", "eval", "eval", "frames", "frames", "frames"]);
        assert_eq!(list.doubles, 1);
        assert!(list.jobs.iter().all(|job| (job.tries, job.limit_secs) == (5, LIMIT_SECS)));
        let last = |job: usize| list.jobs[job].work.clone();
        assert_eq!(
            last(6),
            Work::EvalPlans { families: vec!["F1".into()], seeds: (1_000_006, 1_000_006), planners: vec![] }
        );
        assert_eq!(last(9), Work::Frames { first_seed: 8, scenes: 2 });
    }

    #[test]
    fn what_is_not_allowed_is_said_with_its_place() {
        let says = |text: &str| load(text).unwrap_err().to_string();
        assert!(says("(version: 2, jobs: [])").contains("version 2; this program reads version 1"));
        assert!(says("(version: 1, jobs: [])").contains("there are no jobs"));
        assert!(says("(version: 1, jobs: [Dance])").contains("jobs.ron:1:"));
        assert!(says("(version: 1, jobs: [Frames(seeds: (9, 0), per_job: 4)])").contains("job 1: seeds (9, 0)"));
        assert!(says("(version: 1, jobs: [Frames(seeds: (0, 9), per_job: 0)])").contains("per_job is at least 1"));
        assert!(
            says("(version: 1, jobs: [Frames(seeds: (0, 900000), per_job: 1)])").contains("jobs; allowed are at most")
        );
        assert!(
            says("(version: 1, jobs: [EvalPlans(families: [\"F99\"], seeds: (1000000, 1000001), per_job: 1)])")
                .contains("F99")
        );
        assert!(says("(version: 1, jobs: [Plan(script: \"none.ron\")])").contains("none.ron"));
        assert!(says("(version: 1, tries: 0, jobs: [Plan(script: \"stack.ron\")])").contains("0 tries"));
    }
}

//! A job as data: what is to be done, with every file that it needs, in one bounded message.
//!
//! Invariant: a job that decodes has a safe id, safe paths, and numbers inside their limits.

use std::fmt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::BatchError;
use crate::limits::{
    MAX_JOB_BYTES, MAX_JOB_FILES, MAX_LIMIT_SECS, MAX_PATH_BYTES, MAX_SCENES, MAX_SEEDS, MAX_TRIES, VERSION,
};

/// Letters of an id.
const MAX_ID: usize = 64;
/// Letters of a script's name in an id.
const STEM: usize = 32;

/// Name of a job: what it is and a digest of its content, so that the same job has the same name wherever it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// As text: small letters, digits, dashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl TryFrom<String> for JobId {
    type Error = BatchError;

    fn try_from(text: String) -> Result<Self, BatchError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > MAX_ID || !text.chars().all(plain) {
            let what = format!("no id of a job; allowed are 1 to {MAX_ID} small letters, digits and dashes");
            return Err(BatchError::invalid(format!("{text:?}"), what));
        }
        Ok(Self(text))
    }
}

/// Who makes the steps of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planner {
    /// The model.
    Model,
    /// The symbolic search.
    Search,
    /// The sentences of the script.
    Sentences,
}

impl Planner {
    fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Search => "search",
            Self::Sentences => "sentences",
        }
    }
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Work {
    /// Carries out a plan script.
    Plan {
        /// The script among the job's files.
        script: String,
        /// Who makes the steps; the usual when left out.
        planner: Option<Planner>,
    },
    /// Walks a script without a window.
    Walk {
        /// The script among the job's files.
        script: String,
        /// A seed instead of the script's.
        seed: Option<u64>,
    },
    /// A share of `rhea eval plans`, as figures that can be put together.
    EvalPlans {
        /// Families; all when empty.
        families: Vec<String>,
        /// First and last seed of each family.
        seeds: (u64, u64),
        /// Planners that answer step by step; none when empty.
        planners: Vec<String>,
    },
    /// Renders the views of scenes, for training.
    Frames {
        /// First scene.
        first_seed: u64,
        /// Scenes.
        scenes: u32,
    },
}

impl Work {
    /// The kind, as it stands in ids and tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "plan",
            Self::Walk { .. } => "walk",
            Self::EvalPlans { .. } => "eval",
            Self::Frames { .. } => "frames",
        }
    }

    /// The words of the command line that does it, without the program's name: run in the folder of the job's files, with results in
    /// `out`.
    #[must_use]
    pub fn words(&self, out: &Path) -> Vec<String> {
        let out = out.display();
        let mut words: Vec<String> = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        match self {
            Self::Plan { script, planner } => {
                add(&["plan", script, "--report", &format!("{out}/report.ron")]);
                planner.iter().for_each(|planner| add(&["--planner", planner.word()]));
            }
            Self::Walk { script, seed } => {
                add(&["explore", "--headless", "--script", script, "--out", &out.to_string()]);
                seed.iter().for_each(|seed| add(&["--seed", &seed.to_string()]));
            }
            Self::EvalPlans { families, seeds: (first, last), planners } => {
                add(&["eval", "plans", "--share", "1/1", "--seeds", &format!("{first}..{last}")]);
                if !families.is_empty() {
                    add(&["--families", &families.join(",")]);
                }
                add(&["--faults", "0", "--planners"]);
                planners.iter().for_each(|planner| add(&[planner]));
                add(&["--figures", &format!("{out}/figures.json")]);
            }
            Self::Frames { first_seed, scenes } => {
                add(&["train", "frames", "--work", &out.to_string()]);
                add(&["--first-seed", &first_seed.to_string(), "--scenes", &scenes.to_string()]);
            }
        }
        words
    }

    fn check(&self) -> Result<(), BatchError> {
        match self {
            Self::Plan { script, .. } | Self::Walk { script, .. } => safe_path(script),
            Self::EvalPlans { seeds: (first, last), .. } => {
                let most = first.saturating_add(MAX_SEEDS - 1);
                if last < first || *last > most {
                    let what = format!("seeds {first} to {last}; allowed are up to {MAX_SEEDS}, the first one first");
                    return Err(BatchError::invalid("a share of eval plans", what));
                }
                Ok(())
            }
            Self::Frames { scenes: 0, .. } => Err(BatchError::invalid("frames", "0 scenes; at least 1 is allowed")),
            Self::Frames { scenes, .. } => {
                BatchError::at_most("frames", "scenes", u64::from(*scenes), u64::from(MAX_SCENES))
            }
        }
    }
}

/// A file that a job brings along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// Where it lies in the job's folder.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`VERSION`] of this form.
    pub version: u16,
    /// Its name.
    pub id: JobId,
    /// Failed tries after which it is set aside.
    pub tries: u32,
    /// Seconds after which a try counts as failed.
    pub limit_secs: u64,
    /// What it does.
    pub work: Work,
    /// The files that it needs.
    pub files: Vec<JobFile>,
}

/// What is read before anything else.
#[derive(Deserialize)]
struct Head {
    version: u64,
}

impl Job {
    /// A job of this version; its id follows from its content.
    ///
    /// # Errors
    /// What [`Job::decode`] would refuse.
    pub fn new(work: Work, files: Vec<JobFile>, tries: u32, limit_secs: u64) -> Result<Self, BatchError> {
        let mut digest = Sha256::new();
        let content = serde_json::to_vec(&(&work, &files)).map_err(|e| BatchError::invalid("a job", e.to_string()))?;
        digest.update(content);
        let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let name = match &work {
            Work::Plan { script, .. } | Work::Walk { script, .. } => slug(script),
            Work::EvalPlans { seeds: (first, last), .. } => format!("{first}-{last}"),
            Work::Frames { first_seed, scenes } => format!("{first_seed}-{scenes}"),
        };
        let id = JobId::try_from(format!("{}-{name}-{digest}", work.kind()))?;
        let job = Self { version: VERSION, id, tries, limit_secs, work, files };
        job.check()?;
        job.encode()?;
        Ok(job)
    }

    fn check(&self) -> Result<(), BatchError> {
        let place = || format!("job {}", self.id);
        self.work.check()?;
        BatchError::at_most(place(), "files", self.files.len() as u64, MAX_JOB_FILES as u64)?;
        self.files.iter().try_for_each(|file| safe_path(&file.path))?;
        if !(1..=MAX_TRIES).contains(&self.tries) {
            return Err(BatchError::invalid(place(), format!("{} tries; allowed are 1 to {MAX_TRIES}", self.tries)));
        }
        if !(1..=MAX_LIMIT_SECS).contains(&self.limit_secs) {
            let what = format!("a limit of {} s; allowed are 1 to {MAX_LIMIT_SECS}", self.limit_secs);
            return Err(BatchError::invalid(place(), what));
        }
        Ok(())
    }

    /// As a message.
    ///
    /// # Errors
    /// When it is larger than [`MAX_JOB_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, BatchError> {
        let bytes = serde_json::to_vec(self).map_err(|e| BatchError::invalid("a job", e.to_string()))?;
        let place = format!("job {}, with its scene and robots", self.id);
        BatchError::at_most(place, "bytes", bytes.len() as u64, MAX_JOB_BYTES as u64)?;
        Ok(bytes)
    }

    /// From a message.
    ///
    /// # Errors
    /// A message that is too large, of another version, or no job.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        BatchError::at_most("a job", "bytes", bytes.len() as u64, MAX_JOB_BYTES as u64)?;
        let said = |e: serde_json::Error| BatchError::invalid("a job", e.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(said)?;
        if head.version != u64::from(VERSION) {
            return Err(BatchError::Version { place: "a job".to_owned(), found: head.version, allowed: VERSION });
        }
        let job: Self = serde_json::from_slice(bytes).map_err(said)?;
        job.check()?;
        Ok(job)
    }
}

/// A path that stays inside its folder.
///
/// # Errors
/// Absolute paths, `..`, empty or very long ones.
pub(crate) fn safe_path(text: &str) -> Result<(), BatchError> {
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let plain = !text.is_empty() && text.len() <= MAX_PATH_BYTES && !text.contains(['\\', '\0', '\n']);
    if inside && plain && !text.starts_with('-') {
        return Ok(());
    }
    let what = format!("no path in a job; allowed are relative ones of up to {MAX_PATH_BYTES} bytes without `..`");
    Err(BatchError::invalid(format!("{text:?}"), what))
}

/// The name of a script as a part of an id.
fn slug(path: &str) -> String {
    let stem = Path::new(path).file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    let mut name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(STEM).collect();
    if name.is_empty() {
        name.push('x');
    }
    name
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn plan(text: &str) -> Job {
        let files = vec![JobFile { path: "a/Pick it.ron".to_owned(), text: text.to_owned() }];
        Job::new(Work::Plan { script: "a/Pick it.ron".to_owned(), planner: None }, files, 3, 60).unwrap()
    }

    #[test]
    fn the_same_content_has_the_same_name_and_any_change_another() {
        let id = plan("x").id;
        assert_eq!(id, plan("x").id);
        assert_ne!(id, plan("y").id);
        assert!(id.as_str().starts_with("plan-pick-it-"), "{id}");
        let longer = Job { tries: 9, ..plan("x") };
        assert_eq!(longer.id, id, "how often it is tried is no part of what it is");
    }

    #[test]
    fn a_job_comes_back_as_it_was_sent_and_wrong_ones_are_refused() {
        let job = plan("x");
        assert_eq!(Job::decode(&job.encode().unwrap()).unwrap(), job);
        let text = String::from_utf8(job.encode().unwrap()).unwrap();
        let says = |text: String| Job::decode(text.as_bytes()).unwrap_err().to_string();
        assert!(
            says(text.replace("\"version\":1", "\"version\":7")).contains("version 7; this program reads version 1")
        );
        assert!(says(text.replace("a/Pick", "../Pick")).contains("without `..`"));
        assert!(says(text.replace("a/Pick", "/Pick")).contains("allowed are relative"));
        assert!(says(text.replace("\"tries\":3", "\"tries\":0")).contains("allowed are 1 to"));
        assert!(says(text.replace("\"tries\"", "\"trials\"")).contains("unknown field"));
        assert!(says(text.replace(job.id.as_str(), "Plan/x")).contains("small letters"));
        assert!(says("{}".to_owned()).contains("version"));
        assert!(says("x".repeat(MAX_JOB_BYTES + 1)).contains("allowed are at most"));
    }

    #[test]
    fn what_is_too_much_is_refused_when_the_job_is_made() {
        let file = JobFile { path: "a.ron".to_owned(), text: "x".repeat(MAX_JOB_BYTES) };
        let work = || Work::Walk { script: "a.ron".to_owned(), seed: None };
        let says = |made: Result<Job, BatchError>| made.unwrap_err().to_string();
        assert!(says(Job::new(work(), vec![file], 3, 60)).contains("bytes; allowed are at most"));
        assert!(says(Job::new(work(), Vec::new(), 0, 60)).contains("0 tries"));
        assert!(says(Job::new(work(), Vec::new(), 3, 0)).contains("limit of 0 s"));
        let frames = |scenes| Job::new(Work::Frames { first_seed: 0, scenes }, Vec::new(), 3, 60);
        assert!(says(frames(0)).contains("at least 1"));
        assert!(says(frames(MAX_SCENES + 1)).contains("scenes; allowed are at most"));
        let seeds = |seeds| Work::EvalPlans { families: Vec::new(), seeds, planners: Vec::new() };
        assert!(says(Job::new(seeds((5, 4)), Vec::new(), 3, 60)).contains("the first one first"));
        assert!(Job::new(seeds((5, 5)), Vec::new(), 3, 60).is_ok());
    }
}

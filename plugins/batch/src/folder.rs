//! The folder that results go to: one folder a job, a list of all jobs, what was set aside, and a summary.
//!
//! ```text
//! DIR/batch.json            whose folder this is, with the list of jobs
//! DIR/plan-stack-1f.../     files of a result, with result.json
//! DIR/aside/plan-x-2a.json  why a job was set aside
//! DIR/summary.json          all of it in numbers
//! ```
//!
//! Several processes may write to one folder. A result appears whole or not at all, and nothing that is there is written over
//! but the list, the reasons and the summary of this batch.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::BatchError;
use crate::job::{Job, JobId};
use crate::limits::{MAX_JOBS, MAX_NOTE_BYTES, VERSION};
use crate::result::{Record, verify};

/// Says whose folder it is.
const MARK: &str = "batch.json";
/// Folder of the reasons.
const ASIDE: &str = "aside";
/// Begins the names of folders that are not finished.
const PART: &str = ".part-";
/// The numbers of everything.
pub const SUMMARY: &str = "summary.json";
/// Most bytes of [`MARK`]: a line for each job.
const MAX_MARK_BYTES: u64 = (MAX_JOBS as u64) * 96 + 1024;

/// Whose folder it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    version: u16,
    batch: String,
    jobs: Vec<JobId>,
}

/// Why a job was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aside {
    /// [`VERSION`] of this form.
    pub version: u16,
    /// The job.
    pub job: JobId,
    /// Tries that failed.
    pub tries: u32,
    /// What the last one said.
    pub reason: String,
}

/// All results of a batch in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The batch.
    pub batch: String,
    /// Its jobs.
    pub jobs: usize,
    /// Jobs with a result.
    pub done: usize,
    /// Those of them whose expectations came true.
    pub passed: usize,
    /// Jobs without a result that were not set aside.
    pub missing: Vec<JobId>,
    /// Jobs that were set aside, with the reason.
    pub aside: Vec<Aside>,
    /// The results, without their files' digests.
    pub results: Vec<Row>,
}

/// A result in the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The job.
    pub job: JobId,
    /// Did everything come true that it expects?
    pub passed: bool,
    /// Seconds that it took.
    pub secs: f64,
    /// Failed tries before.
    pub failed_tries: u32,
    /// Who did it.
    pub worker: String,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Summary {
    /// Has every job a result?
    #[must_use]
    pub fn complete(&self) -> bool {
        self.done == self.jobs
    }
}

/// A folder of results.
#[derive(Clone, Debug)]
pub struct OutFolder {
    path: PathBuf,
    batch: String,
    jobs: Vec<JobId>,
}

impl OutFolder {
    /// Takes a folder for a batch: a new or empty one, or that of an earlier call for the same batch, whose list grows if there are more
    /// jobs now.
    ///
    /// # Errors
    /// A folder with something else in it, or of another batch; one that cannot be written.
    pub fn take(path: &Path, batch: &str, jobs: &[JobId]) -> Result<Self, BatchError> {
        std::fs::create_dir_all(path).map_err(BatchError::file("make the output folder", path))?;
        let mark = path.join(MARK);
        let wanted = Mark { version: VERSION, batch: batch.to_owned(), jobs: jobs.to_vec() };
        if !mark.exists() {
            let mut entries = std::fs::read_dir(path).map_err(BatchError::file("read the output folder", path))?;
            let foreign = entries.find_map(|e| e.ok().filter(|e| !e.file_name().to_string_lossy().starts_with(PART)));
            // Another process may have taken it for the same batch just now.
            if let Some(entry) = foreign.filter(|_| !mark.exists()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                let what = format!(
                    "has files of others ({name:?}); allowed are an empty folder, a new one, or that of an earlier call"
                );
                return Err(BatchError::Foreign { path: path.to_path_buf(), what });
            }
            put(path, MARK, &wanted, false)?;
        }
        let found = read_mark(path)?;
        if found.batch != batch {
            let what = format!("has the results of batch {:?}, not of {batch:?}", found.batch);
            return Err(BatchError::Foreign { path: path.to_path_buf(), what });
        }
        if found.jobs != jobs {
            put(path, MARK, &wanted, true)?;
        }
        Ok(Self { path: path.to_path_buf(), batch: batch.to_owned(), jobs: jobs.to_vec() })
    }

    /// Opens a folder that has results.
    ///
    /// # Errors
    /// One that is not there, or is none.
    pub fn open(path: &Path) -> Result<Self, BatchError> {
        let Mark { batch, jobs, .. } = read_mark(path)?;
        Ok(Self { path: path.to_path_buf(), batch, jobs })
    }

    /// The result of a job, if it is there and whole.
    ///
    /// # Errors
    /// A folder of that name that is no whole result of this job: it is left as it is.
    pub fn result(&self, job: &JobId) -> Result<Option<Record>, BatchError> {
        let path = self.path.join(job.as_str());
        if !path.exists() {
            return Ok(None);
        }
        let foreign = |what: String| BatchError::Foreign { path: path.clone(), what };
        let record = verify(&path).map_err(|e| foreign(format!("is not as it was written: {e}")))?;
        if record.job != *job {
            return Err(foreign(format!("has the result of {}", record.job)));
        }
        Ok(Some(record))
    }

    /// An empty folder beside the results, for one that is being made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn part(&self) -> Result<tempfile::TempDir, BatchError> {
        let made = tempfile::Builder::new().prefix(PART).tempdir_in(&self.path);
        made.map_err(BatchError::file("make a folder in", &self.path))
    }

    /// Puts a whole result in its place. If another process was faster, its result stays.
    ///
    /// # Errors
    /// When the place is taken by something else.
    pub fn keep(&self, part: tempfile::TempDir, job: &JobId) -> Result<(), BatchError> {
        let place = self.path.join(job.as_str());
        match std::fs::rename(part.path(), &place) {
            Ok(()) => {
                // It is no temporary folder any more.
                drop(part.keep());
                readable(&place);
                let aside = self.aside_path(job);
                if aside.exists() {
                    std::fs::remove_file(&aside).map_err(BatchError::file("remove", &aside))?;
                }
                Ok(())
            }
            Err(_) if self.result(job)?.is_some() => Ok(()),
            Err(source) => Err(BatchError::file("put the result in its place", &place)(source)),
        }
    }

    fn aside_path(&self, job: &JobId) -> PathBuf {
        self.path.join(ASIDE).join(format!("{job}.json"))
    }

    /// Writes why a job was set aside.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_aside(&self, aside: &Aside) -> Result<(), BatchError> {
        let folder = self.path.join(ASIDE);
        std::fs::create_dir_all(&folder).map_err(BatchError::file("make the folder", &folder))?;
        put(&folder, &format!("{}.json", aside.job), aside, true)
    }

    /// Why a job was set aside, if it was.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn aside(&self, job: &JobId) -> Result<Option<Aside>, BatchError> {
        let path = self.aside_path(job);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read(&path, MAX_NOTE_BYTES as u64)?;
        let said = |e: serde_json::Error| BatchError::invalid(path.display().to_string(), e.to_string());
        serde_json::from_slice(&bytes).map(Some).map_err(said)
    }

    /// Puts a job back that was set aside.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn take_back(&self, job: &JobId) -> Result<(), BatchError> {
        let path = self.aside_path(job);
        if path.exists() { std::fs::remove_file(&path).map_err(BatchError::file("remove", &path)) } else { Ok(()) }
    }

    /// Checks every result that is there, and writes the summary.
    ///
    /// # Errors
    /// A result that is not as it was written; a summary that cannot be written.
    pub fn sum_up(&self) -> Result<Summary, BatchError> {
        let mut sum = Summary { batch: self.batch.clone(), jobs: self.jobs.len(), ..Summary::default() };
        for job in &self.jobs {
            let Some(record) = self.result(job)? else {
                match self.aside(job)? {
                    Some(aside) => sum.aside.push(aside),
                    None => sum.missing.push(job.clone()),
                }
                continue;
            };
            sum.done += 1;
            sum.passed += usize::from(record.passed);
            let bytes = record.bytes();
            let Record { job, passed, secs, failed_tries, worker, .. } = record;
            sum.results.push(Row { job, passed, secs, failed_tries, worker, bytes });
        }
        put(&self.path, SUMMARY, &sum, true)?;
        Ok(sum)
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Temporary folders are for their owner alone; results are as readable as other files of the folder.
fn readable(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Others may not look in then, which is no reason to lose the result.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).ok();
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// The name of a batch that no server knows: it follows from its jobs.
#[must_use]
pub fn local_name(jobs: &[Job]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    jobs.iter().for_each(|job| digest.update(format!("{}\n", job.id)));
    let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("local-{digest}")
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, BatchError> {
    let length = std::fs::metadata(path).map_err(BatchError::file("read", path))?.len();
    BatchError::at_most(path.display().to_string(), "bytes", length, most)?;
    std::fs::read(path).map_err(BatchError::file("read", path))
}

fn read_mark(path: &Path) -> Result<Mark, BatchError> {
    let mark_path = path.join(MARK);
    let bytes = match read(&mark_path, MAX_MARK_BYTES) {
        Err(BatchError::File { .. }) => {
            let what = format!("has no {MARK}: it is no folder of results");
            return Err(BatchError::Foreign { path: path.to_path_buf(), what });
        }
        other => other?,
    };
    let said = |e: serde_json::Error| BatchError::invalid(mark_path.display().to_string(), e.to_string());
    let mark: Mark = serde_json::from_slice(&bytes).map_err(said)?;
    if mark.version != VERSION {
        let (place, found) = (mark_path.display().to_string(), u64::from(mark.version));
        return Err(BatchError::Version { place, found, allowed: VERSION });
    }
    Ok(mark)
}

/// Writes a file whole or not at all; `replace` says whether it may take the place of an earlier one. One that may not and finds
/// its place taken changes nothing.
fn put(folder: &Path, name: &str, content: &impl Serialize, replace: bool) -> Result<(), BatchError> {
    let path = folder.join(name);
    let failed = || BatchError::file("write", &path);
    let text = serde_json::to_vec_pretty(content).map_err(|e| BatchError::invalid(name, e.to_string()))?;
    let mut file = tempfile::Builder::new().prefix(PART).tempfile_in(folder).map_err(failed())?;
    file.write_all(&text).map_err(failed())?;
    readable_file(file.path());
    let kept = if replace { file.persist(&path) } else { file.persist_noclobber(&path) };
    match kept {
        Err(error) if replace || error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed()(error.error)),
        _ => Ok(()),
    }
}

fn readable_file(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As above.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).ok();
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::result::{list, write_record};

    fn id(name: &str) -> JobId {
        JobId::try_from(name.to_owned()).unwrap()
    }

    fn finish(out: &OutFolder, job: &JobId, text: &str) -> Result<(), BatchError> {
        let part = out.part().unwrap();
        std::fs::write(part.path().join("report.ron"), text).unwrap();
        let files = list(part.path()).unwrap();
        let (worker, program) = ("here".to_owned(), "0".to_owned());
        let record = Record {
            version: VERSION,
            job: job.clone(),
            passed: true,
            secs: 1.0,
            failed_tries: 0,
            worker,
            program,
            files,
        };
        write_record(&record, part.path()).unwrap();
        out.keep(part, job)
    }

    #[test]
    fn results_come_whole_stay_as_they_are_and_are_summed_up() {
        let dir = tempfile::tempdir().unwrap();
        let jobs = [id("plan-a-1"), id("plan-b-2"), id("plan-c-3")];
        let out = OutFolder::take(&dir.path().join("out"), "mine", &jobs).unwrap();
        finish(&out, &jobs[0], "first").unwrap();
        // A second worker with the same job comes too late.
        finish(&out, &jobs[0], "second").unwrap();
        assert_eq!(std::fs::read_to_string(out.path().join("plan-a-1/report.ron")).unwrap(), "first");
        let aside = Aside { version: VERSION, job: jobs[1].clone(), tries: 3, reason: "it said no".to_owned() };
        out.set_aside(&aside).unwrap();
        let sum = OutFolder::open(out.path()).unwrap().sum_up().unwrap();
        assert_eq!((sum.jobs, sum.done, sum.passed), (3, 1, 1));
        assert_eq!((sum.aside, sum.missing), (vec![aside], vec![jobs[2].clone()]));
        finish(&out, &jobs[1], "after all").unwrap();
        assert!(out.aside(&jobs[1]).unwrap().is_none());
        let left: Vec<String> = std::fs::read_dir(out.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(PART))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn foreign_files_and_other_batches_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let says = |taken: Result<OutFolder, BatchError>| taken.unwrap_err().to_string();
        std::fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
        assert!(says(OutFolder::take(dir.path(), "a", &[])).contains("thesis.txt"));
        assert!(says(OutFolder::open(dir.path())).contains("no folder of results"));
        let out = dir.path().join("out");
        let jobs = [id("plan-a-1")];
        let taken = OutFolder::take(&out, "a", &jobs).unwrap();
        assert!(says(OutFolder::take(&out, "b", &jobs)).contains("of batch \"a\", not of \"b\""));
        std::fs::create_dir(out.join("plan-a-1")).unwrap();
        std::fs::write(out.join("plan-a-1/own.txt"), "own").unwrap();
        assert!(taken.sum_up().unwrap_err().to_string().contains("is not as it was written"));
        assert!(finish(&taken, &jobs[0], "new").unwrap_err().to_string().contains("is not as it was written"));
        assert_eq!(std::fs::read_to_string(out.join("plan-a-1/own.txt")).unwrap(), "own");
        let more = [id("plan-a-1"), id("plan-b-2")];
        OutFolder::take(&out, "a", &more).unwrap();
        assert_eq!(OutFolder::open(&out).unwrap().jobs, more);
    }
}

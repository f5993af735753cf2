//! Doing a job: the program itself, started again with the job's command line, in a folder with the job's files.
//!
//! A process of its own means that a job which crashes, hangs or takes all memory is one failed try, and that a worker that is
//! stopped can give its job back at once. The child ends with its parent, however that ends: see [`end_with_parent`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::error::BatchError;
use crate::job::Job;
use crate::limits::{MAX_REASON_BYTES, VERSION};
use crate::result::{Record, list};

/// Tells a child that it ends with its parent; the value is the folder that it works in.
const CHILD: &str = "RHEA_BATCH_CHILD";
/// Begins the names of folders that jobs are done in.
const SCRATCH: &str = "rhea-batch-";
/// Exit code of a child whose parent has gone.
const ORPHANED: i32 = 4;
/// What the program prints, as a file of the result.
const OUTPUT: &str = "output.txt";
/// Settings of the worker that are not the job's business.
const NOT_PASSED_ON: [&str; 6] =
    ["RHEA_LOG_FILE", "RHEA_NATS", "RHEA_NATS_TOKEN", "RHEA_NATS_USER", "RHEA_NATS_PASSWORD", "RHEA_NATS_CREDENTIALS"];

/// What does the jobs.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its version, for the record.
    pub version: String,
    /// Set in the environment of every job, such as the model's folder.
    pub environment: Vec<(String, OsString)>,
    /// Who this worker is, for the record.
    pub worker: String,
}

impl Program {
    /// This executable.
    ///
    /// # Errors
    /// When the system does not say where it is.
    pub fn this(version: &str) -> Result<Self, BatchError> {
        let path = std::env::current_exe();
        let path = path.map_err(BatchError::file("find this program", Path::new("the running executable")))?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "this-machine".to_owned());
        let worker = format!("{}-{}", host.trim(), std::process::id());
        Ok(Self { path, version: version.to_owned(), environment: Vec::new(), worker })
    }
}

/// How a try ended.
#[derive(Debug)]
pub enum Tried {
    /// With a result; its files lie in the folder.
    Done {
        /// Where.
        scratch: Scratch,
        /// What it is.
        record: Record,
    },
    /// It failed, with what it said.
    Failed(String),
    /// It was told to stop.
    Stopped,
}

/// The folder of one try; it is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Result<Self, BatchError> {
        let scratch = Self(workplace()?);
        for folder in [scratch.files().join("scenes"), scratch.out()] {
            std::fs::create_dir_all(&folder).map_err(BatchError::file("make the folder", &folder))?;
        }
        Ok(scratch)
    }

    /// The job's files. It has a folder `scenes`, as the repository has, so that scripts find what they bring along first.
    fn files(&self) -> PathBuf {
        self.0.path().join("job")
    }

    /// The files of the result.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Room for the packed result.
    #[must_use]
    pub fn packed(&self) -> PathBuf {
        self.0.path().join("packed")
    }

    fn errors(&self) -> PathBuf {
        self.0.path().join("errors.txt")
    }
}

/// Does a job once. `stop` ends it early.
///
/// # Errors
/// What is no fault of the job: a folder that cannot be written, a program that cannot be started.
pub async fn run(
    job: &Job,
    failed_tries: u32,
    program: &Program,
    stop: impl Future<Output = ()>,
) -> Result<Tried, BatchError> {
    let scratch = Scratch::new()?;
    for file in &job.files {
        let path = scratch.files().join(&file.path);
        let failed = || BatchError::file("write the job's file", &path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed())?;
        std::fs::write(&path, &file.text).map_err(failed())?;
    }
    let output = create(&scratch.out().join(OUTPUT))?;
    let errors = create(&scratch.errors())?;
    let began = Instant::now();
    let mut command = Command::new(&program.path);
    command.args(job.work.words(&scratch.out())).current_dir(scratch.files());
    NOT_PASSED_ON.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    command.env(CHILD, scratch.0.path());
    command.stdin(Stdio::piped()).stdout(output).stderr(errors).kill_on_drop(true);
    // Ctrl+C on a terminal goes to its whole group; the worker decides what becomes of the job.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(BatchError::file("start", &program.path))?;
    // Waiting would close the pipe, and the child would take us for gone.
    let pipe = child.stdin.take();
    let limit = Duration::from_secs(job.limit_secs);
    let ended = tokio::select! {
        ended = child.wait() => Some(ended.map_err(BatchError::file("wait for", &program.path))?),
        () = tokio::time::sleep(limit) => None,
        () = stop => {
            child.kill().await.map_err(BatchError::file("stop", &program.path))?;
            return Ok(Tried::Stopped);
        }
    };
    drop(pipe);
    let Some(status) = ended else {
        child.kill().await.map_err(BatchError::file("stop", &program.path))?;
        return Ok(Tried::Failed(format!("it took longer than {} s and was stopped", job.limit_secs)));
    };
    let said = tail(&scratch.errors())?;
    let passed = match judge(status, &said, job, &scratch) {
        Ok(passed) => passed,
        Err(reason) => return Ok(Tried::Failed(reason)),
    };
    let files = match list(&scratch.out()) {
        Ok(files) => files,
        Err(refused @ BatchError::TooMany { .. }) => return Ok(Tried::Failed(refused.to_string())),
        Err(other) => return Err(other),
    };
    let record = Record {
        version: VERSION,
        job: job.id.clone(),
        passed,
        secs: began.elapsed().as_secs_f64(),
        failed_tries,
        worker: program.worker.clone(),
        program: program.version.clone(),
        files,
    };
    Ok(Tried::Done { scratch, record })
}

/// Was there a result, and did its expectations come true? A program that fails says `error:`; an exit code of 1 without it is that
/// of a plan whose expectations did not come true.
fn judge(status: ExitStatus, said: &str, job: &Job, scratch: &Scratch) -> Result<bool, String> {
    let complained = said.lines().any(|line| line.starts_with("error:"));
    let report = job.work.words(&scratch.out()).iter().any(|word| word == "--report");
    match status.code() {
        Some(0) => Ok(true),
        Some(1) if !complained && report && scratch.out().join("report.ron").is_file() => Ok(false),
        Some(code) => Err(if said.is_empty() { format!("it ended with exit code {code}") } else { said.to_owned() }),
        None => Err(format!("it was ended from outside ({status}) {said}").trim().to_owned()),
    }
}

fn create(path: &Path) -> Result<File, BatchError> {
    File::create(path).map_err(BatchError::file("write", path))
}

/// The end of a file, on one line.
fn tail(path: &Path) -> Result<String, BatchError> {
    let failed = || BatchError::file("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let length = file.metadata().map_err(failed())?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_REASON_BYTES as u64))).map_err(failed())?;
    let mut bytes = Vec::new();
    file.take(MAX_REASON_BYTES as u64).read_to_end(&mut bytes).map_err(failed())?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// A command line of this program as a child that ends with us, for as long as the pipe to its standard input is open; `folder` is
/// what it works in.
///
/// # Errors
/// When the system does not say where this program is.
pub fn tied(words: &[String], folder: &tempfile::TempDir) -> Result<std::process::Command, BatchError> {
    let program = Program::this("")?;
    let mut command = std::process::Command::new(program.path);
    NOT_PASSED_ON.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.args(words).env(CHILD, folder.path()).stdin(Stdio::piped());
    Ok(command)
}

/// A folder for such children, removed with its value or, when we are gone, by them.
///
/// # Errors
/// When it cannot be made.
pub fn workplace() -> Result<tempfile::TempDir, BatchError> {
    let made = tempfile::Builder::new().prefix(&format!("{SCRATCH}{}-", std::process::id())).tempdir();
    made.map_err(BatchError::file("make a folder in", &std::env::temp_dir()))
}

/// Removes the folders of workers that were killed between two jobs, when there was no child to clear up after them. Whether a
/// process lives is known where there is `/proc`; elsewhere nothing is removed.
pub fn sweep() {
    let dead = |name: &str| {
        let process = name.strip_prefix(SCRATCH).and_then(|rest| rest.split_once('-')).map(|(process, _)| process);
        process.is_some_and(|process| process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists())
    };
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(dead) {
            // It may be somebody else's, or being removed by somebody else.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// To be called first thing by the program: one that was started as a child of `run` or by [`tied`] ends when its parent has gone, and clears up
/// what the parent cannot any more.
pub fn end_with_parent() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let watch = move || {
        // Nothing is ever written to this pipe; it ends when the parent does.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SCRATCH));
        if ours && folder.parent() == Some(&std::env::temp_dir()) {
            std::fs::remove_dir_all(&folder).ok();
        }
        std::process::exit(ORPHANED);
    };
    if let Err(error) = std::thread::Builder::new().name("parent".to_owned()).spawn(watch) {
        use std::io::Write as _;
        // Without the thread the job is done all the same.
        writeln!(std::io::stderr(), "warning: cannot watch the parent process: {error}").ok();
    }
}

//! What tests of the batch commands share: the program, a real server, folders.
#![allow(clippy::unwrap_used, dead_code, reason = "tests; not every test uses all of it")]

use std::fs::File;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// `rhea batch` with these words, in the repository, with its folders in `home`.
pub fn rhea(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhea"));
    command.args(words).current_dir(repository()).env("TMPDIR", home.join("tmp")).stdin(Stdio::null());
    for name in ["RHEA_NATS", "RHEA_NATS_TOKEN", "RHEA_NATS_USER", "RHEA_NATS_PASSWORD", "RHEA_NATS_CREDENTIALS"] {
        command.env_remove(name);
    }
    std::fs::create_dir_all(home.join("tmp")).unwrap();
    command
}

/// Runs it to its end.
pub fn done(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Runs it and expects it to go well; returns what it printed.
pub fn good(command: Command) -> String {
    let (code, out, error) = done(command);
    assert_eq!(code, Some(0), "{out}{error}");
    out
}

/// Runs it and expects one error line and one hint; returns both.
pub fn refused(command: Command) -> String {
    let (code, out, error) = done(command);
    assert_eq!(code, Some(1), "{out}{error}");
    assert_eq!(error.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

/// The server's program: `$RHEA_NATS_SERVER`, else the one on the path, else the one in the cache folder.
pub fn nats_server() -> Option<PathBuf> {
    let named = std::env::var_os("RHEA_NATS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let cached = cache.map(|folder| folder.join("rhea-peers/nats-server"));
    let found = named.into_iter().chain(on_path).chain(cached).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no nats-server in $RHEA_NATS_SERVER, on the path, or in rhea-peers/ of the cache folder;");
        eprintln!("tests/peers/fetch_nats_server.sh gets one");
    }
    found
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server with its files in a folder.
pub struct Server {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    more: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts one; `more` are further words of its command line.
    pub fn start(program: &Path, folder: &Path, more: &[&str]) -> Self {
        let (port, more) = (free_port(), more.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let child = spawn(program, folder, port, &more);
        Self { program: program.to_owned(), folder: folder.to_owned(), port, more, child }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it, and starts it again a little later with what it has in files.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        self.child = spawn(&self.program, &self.folder, self.port, &self.more);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(program: &Path, folder: &Path, port: u16, more: &[String]) -> Child {
    std::fs::create_dir_all(folder).unwrap();
    let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    let child = Command::new(program)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(folder.join("store"))
        .args(more)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_for("the server says who it is", Duration::from_secs(20), || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut start = [0; 5];
        stream.read_exact(&mut start).is_ok() && &start == b"INFO "
    });
    child
}

/// Sends a signal to a process. A shell has `kill` built in; bare machines have no program of that name.
pub fn signal(process: u32, what: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{what} {process}")]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "{sent:?}");
}

/// Waits until something holds, looking often.
pub fn wait_for(what: &str, at_most: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < at_most, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A plan by the search planner, one for each seed.
pub fn plan_script(folder: &Path, seed: u64) -> PathBuf {
    let path = folder.join(format!("plan{seed}.ron"));
    std::fs::write(&path, format!("(scene: Generated(family: F1, seed: {seed}), expect: [Reached])")).unwrap();
    path
}

/// A job list of so many plans; `more` are further entries.
pub fn job_list(folder: &Path, plans: u64, more: &str) -> PathBuf {
    let entry = |seed: u64| {
        plan_script(folder, seed);
        format!("Plan(script: \"plan{seed}.ron\", planner: search),\n")
    };
    let entries: String = (0..plans).map(|i| entry(1_000_000 + i)).collect();
    let path = folder.join("jobs.ron");
    std::fs::write(&path, format!("(version: 1, tries: 3, jobs: [\n{entries}{more}\n])")).unwrap();
    path
}

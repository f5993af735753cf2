//! The process: started, listened to, ended.

use std::ffi::OsString;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::ChildError;
use crate::limits;
use crate::message::{FromChild, ToChild};
use crate::watch::Patience;
use crate::wire;

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program: mostly this very one, [`std::env::current_exe`].
    pub program: PathBuf,
    /// Its arguments, which make it call [`crate::serve`].
    pub arguments: Vec<OsString>,
    /// Its arguments when it is started in place of a lost one, where they differ.
    pub again: Option<Vec<OsString>>,
    /// Variables of its environment besides those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub patience: Patience,
}

/// What the thread that listens passes on, and when it came.
pub(crate) struct Heard {
    pub(crate) at: Instant,
    /// `None` when the process hung up.
    pub(crate) message: Result<Option<FromChild>, ChildError>,
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    /// Frames to be written; `None` when the pipe was closed.
    frames: Option<SyncSender<Vec<u8>>>,
    pub(crate) heard: Receiver<Heard>,
    said: Arc<Mutex<Vec<u8>>>,
    complaints: JoinHandle<()>,
    pub(crate) began: Instant,
}

/// How long a process that hung up, or what it wrote last, is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Process {
    /// Starts it and greets it. It opens its model meanwhile; [`FromChild::Ready`] is the first that is heard.
    pub(crate) fn start(launch: &Launch) -> Result<Self, ChildError> {
        Self::start_with(launch, &launch.arguments)
    }

    /// As [`Self::start`], in place of a lost one.
    pub(crate) fn start_again(launch: &Launch) -> Result<Self, ChildError> {
        Self::start_with(launch, launch.again.as_ref().unwrap_or(&launch.arguments))
    }

    fn start_with(launch: &Launch, arguments: &[OsString]) -> Result<Self, ChildError> {
        let failed = |source| ChildError::Start { program: launch.program.clone(), source };
        let mut command = Command::new(&launch.program);
        command.args(arguments).envs(launch.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the caller; the process ends with its pipe.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let began = Instant::now();
        let mut child = command.spawn().map_err(failed)?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        let (to_client, heard) = sync_channel(limits::QUEUE);
        let (frames, to_write) = sync_channel(limits::QUEUE);
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("engine-listener").spawn(move || listen(output, &to_client)).map_err(failed)?;
        // A process that stands still does not read: what is written to it must not hold up the one who waits for it.
        thread("engine-writer").spawn(move || write(input, &to_write)).map_err(failed)?;
        let complaints = thread("engine-complaints").spawn(move || keep(errors, &kept)).map_err(failed)?;
        Ok(Self { child, frames: Some(frames), heard, said, complaints, began })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a message. Whether it arrives shows in the answer.
    ///
    /// # Errors
    /// When the message is over the limit.
    pub(crate) fn send(&mut self, message: &ToChild) -> Result<(), ChildError> {
        let frame = wire::frame(message)?;
        if let Some(frames) = &self.frames {
            // A pipe that is closed or full belongs to a process that is about to be given up.
            frames.try_send(frame).ok();
        }
        Ok(())
    }

    /// Has it ended by itself?
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it whatever it does, and says how it had ended by itself, with the last it wrote to its standard error.
    pub(crate) fn end(mut self) -> (String, String) {
        self.frames = None;
        // A process that hung up is mostly about to end; how shows in a moment.
        let patience = Instant::now() + LAST_WORDS;
        let mut status = self.child.try_wait().ok().flatten();
        while status.is_none() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
            status = self.child.try_wait().ok().flatten();
        }
        let how = status.map_or_else(|| "hung up".to_owned(), describe);
        self.kill();
        let patience = Instant::now() + LAST_WORDS;
        while !self.complaints.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        let said = self.said.lock().map(|said| last_lines(&said)).unwrap_or_default();
        (how, said)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.frames = None;
        // Both fail only where it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes frames until there are no more or nobody reads them.
fn write(mut input: ChildStdin, frames: &Receiver<Vec<u8>>) {
    let mut written = wire::greet(&mut input, limits::PROTOCOL).is_ok();
    while written {
        let Ok(frame) = frames.recv() else { return };
        written = input.write_all(&frame).is_ok();
    }
}

/// Passes messages on until the pipe is closed or broken.
fn listen(output: ChildStdout, to: &SyncSender<Heard>) {
    let mut output = BufReader::new(output);
    let pass = |message: Result<Option<FromChild>, ChildError>| {
        let over = !matches!(message, Ok(Some(_)));
        to.send(Heard { at: Instant::now(), message }).is_err() || over
    };
    match wire::expect_greeting(&mut output) {
        Ok(Some(())) => while !pass(wire::receive(&mut output)) {},
        Ok(None) => drop(pass(Ok(None))),
        Err(error) => drop(pass(Err(error))),
    }
}

/// Keeps the last of what a process complains about.
fn keep(mut errors: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = errors.read(&mut buffer) {
        let Ok(mut kept) = kept.lock() else { return };
        kept.extend_from_slice(&buffer[..n]);
        let spare = kept.len().saturating_sub(limits::COMPLAINT_BYTES);
        kept.drain(..spare);
    }
}

/// The lines that say most, in one: what an allocator or a panic says, or else the last three.
fn last_lines(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let telling = |line: &&str| line.starts_with("memory allocation of") || line.contains("panicked at");
    let from = lines.iter().rposition(telling).unwrap_or(lines.len().saturating_sub(3));
    lines[from..].iter().take(3).copied().collect::<Vec<_>>().join(" / ")
}

/// How a process ended, as the end of "the process ...".
fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match signal {
            9 => "was killed (signal 9: by somebody, or by the system because memory ran out)".to_owned(),
            6 => "ended itself (signal 6: mostly because memory could not be had)".to_owned(),
            4 | 7 | 8 | 11 => format!("crashed (signal {signal})"),
            _ => format!("was ended (signal {signal})"),
        };
    }
    match status.code() {
        Some(101) => "ended with an internal error".to_owned(),
        Some(code) => format!("ended with code {code}"),
        None => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_last_words_those_are_told_that_say_why() {
        let panic = "log\nthread 'main' panicked at a.rs:1:2:\nno pages left\nstack backtrace:\n   0: x\n   1: y\n";
        assert_eq!(
            last_lines(panic.as_bytes()),
            "thread 'main' panicked at a.rs:1:2: / no pages left / stack backtrace:"
        );
        assert_eq!(last_lines(b"memory allocation of 64 bytes failed\n"), "memory allocation of 64 bytes failed");
        assert_eq!(last_lines(b"a\n\n b\nc\nd\n"), "b / c / d");
        assert_eq!(last_lines(b""), "");
    }
}

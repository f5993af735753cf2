//! The process of a model that may go at any time: asked, watched, started again.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use rhea_engine::{Cancel, EngineError, TextPiece};

use crate::answers::Happened;
use crate::error::ChildError;
use crate::limits;
use crate::message::{Answer, Ask, FromChild, Ready, ToChild, Told};
use crate::process::{Heard, Launch, Process};
use crate::watch::{Late, Watch};

/// A model in a process. The process is started again when it is lost.
pub(crate) struct Link {
    launch: Launch,
    ready: Ready,
    process: Option<Process>,
    /// Is the model of the running process open?
    open: bool,
    /// Why the process that opens its model now had to be started.
    pending: Option<String>,
    asked: u64,
    mended: Vec<String>,
    restarts: Vec<Restart>,
}

/// A process that was started in place of a lost one.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// What became of the lost one.
    pub why: String,
    /// From its start until its model was open, seconds.
    pub secs: f64,
}

/// Something that is said before a request is answered.
pub(crate) enum Said<'a> {
    Text(TextPiece<'a>),
    Event(Happened),
}

/// Who listens; what cannot be read is the end of the process.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(Said<'_>) -> Result<(), ChildError>;

/// How a request went wrong.
enum Lost {
    /// The process has to be given up.
    Process(ChildError),
    /// The request alone.
    Request(EngineError),
}

impl From<ChildError> for Lost {
    fn from(error: ChildError) -> Self {
        Self::Process(error)
    }
}

/// What a process is at before its first request.
const OPENING: &str = "opening the model";
/// A process has so many times the usual time to give its first sign of life.
const FIRST_SIGN: u32 = 3;

impl Link {
    /// Starts a process and waits until its model is open.
    ///
    /// # Errors
    /// When the process cannot be started, is no engine, or cannot open its model.
    pub(crate) fn open(launch: Launch) -> Result<Self, EngineError> {
        let mut process = Process::start(&launch)?;
        let mut ready = match opened(&mut process, &launch, &Cancel::default()) {
            Ok((ready, _)) => ready,
            Err(Lost::Request(error)) => return Err(error),
            Err(Lost::Process(error)) => return Err(explained(error, process, OPENING).into()),
        };
        let mended = ready.note.take().into_iter().collect();
        let process = Some(process);
        Ok(Self { launch, ready, process, open: true, pending: None, asked: 0, mended, restarts: Vec::new() })
    }

    /// What is known of the model.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The number of the running process.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The restarts so far; of very many, the latest.
    pub(crate) fn restarts(&self) -> &[Restart] {
        &self.restarts
    }

    /// What was mended since this was last asked.
    pub(crate) fn mended(&mut self) -> Vec<String> {
        std::mem::take(&mut self.mended)
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, ask: Ask, cancel: &Cancel, hear: Hear<'_>) -> Result<Answer, EngineError> {
        self.make_ready(cancel)?;
        let Some(process) = self.process.as_mut() else { return Err(ChildError::Told("no process".to_owned()).into()) };
        self.asked += 1;
        let (id, doing, answers) = (self.asked, ask.doing(), matches!(ask, Ask::Answer(_)));
        process.send(&ToChild::Ask { id, ask: Box::new(ask) })?;
        match answered(process, &self.launch, (id, doing, answers), cancel, hear) {
            Ok(answer) => Ok(answer),
            Err(Lost::Request(error)) => Err(error),
            Err(Lost::Process(error)) => Err(self.lost(error, doing).into()),
        }
    }

    /// As [`Self::ask`] for requests that nobody cancels.
    pub(crate) fn ask_now(&mut self, ask: Ask) -> Result<Answer, EngineError> {
        self.ask(ask, &Cancel::default(), &mut |_| Ok(()))
    }

    /// Gives the process up and starts the next one, which opens its model while the caller deals with the error.
    fn lost(&mut self, error: ChildError, doing: &'static str) -> ChildError {
        let Some(process) = self.process.take() else { return error };
        let error = explained(error, process, doing);
        tracing::warn!(target: "rhea", "{error}");
        self.start_again(error.to_string());
        error
    }

    fn start_again(&mut self, why: String) {
        self.open = false;
        self.pending = Some(why);
        // What prevents it is told when the process is needed.
        self.process = Process::start_again(&self.launch).ok();
    }

    /// Makes sure that there is a process with an open model.
    fn make_ready(&mut self, cancel: &Cancel) -> Result<(), EngineError> {
        if let Some(process) = self.process.take_if(|process| self.open && process.ended()) {
            let error =
                explained(ChildError::Pipe(std::io::ErrorKind::BrokenPipe.into()), process, "nothing was asked of it");
            let why = error.to_string();
            tracing::warn!(target: "rhea", "{why}");
            self.mended.push(why.clone());
            self.start_again(why);
        }
        if self.process.is_some() && self.open {
            return Ok(());
        }
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start_again(&self.launch)?,
        };
        let (mut ready, at) = match opened(&mut process, &self.launch, cancel) {
            Ok(opened) => opened,
            Err(Lost::Request(EngineError::Cancelled)) => {
                // It goes on opening for the next request.
                self.process = Some(process);
                return Err(EngineError::Cancelled);
            }
            Err(Lost::Request(error)) => return Err(error),
            Err(Lost::Process(error)) => return Err(explained(error, process, OPENING).into()),
        };
        self.mended.extend(ready.note.take());
        if ready != self.ready {
            let named = |ready: &Ready| format!("{} {}", ready.name, ready.fingerprint);
            return Err(ChildError::OtherModel { was: named(&self.ready), is: named(&ready) }.into());
        }
        let secs = at.saturating_duration_since(process.began).as_secs_f64();
        tracing::info!(target: "rhea", secs, process = process.id(), "engine started again");
        if self.restarts.len() == limits::RESTARTS {
            self.restarts.remove(0);
        }
        self.restarts.push(Restart { why: self.pending.take().unwrap_or_default(), secs });
        (self.process, self.open) = (Some(process), true);
        Ok(())
    }

    /// An answer of another kind than was asked for; the process that gives it is not asked again.
    pub(crate) fn unexpected(&mut self, asked: &'static str, got: &Answer) -> EngineError {
        self.lost(ChildError::Answer { asked, got: got.kind() }, asked).into()
    }
}

/// Ends a process that was given up, and says of one that hung up how it ended.
fn explained(error: ChildError, mut process: Process, doing: &'static str) -> ChildError {
    let hung_up = matches!(&error, ChildError::Pipe(why) if why.kind() == std::io::ErrorKind::BrokenPipe);
    if !hung_up {
        process.kill();
        return error;
    }
    let (how, said) = process.end();
    ChildError::Died { how, doing, said }
}

/// The next message, if one comes within a tick.
fn next(process: &Process) -> Result<Option<(FromChild, Instant)>, ChildError> {
    let hung_up = || ChildError::Pipe(std::io::ErrorKind::BrokenPipe.into());
    match process.heard.recv_timeout(limits::TICK) {
        Ok(Heard { at, message }) => message?.map_or_else(|| Err(hung_up()), |message| Ok(Some((message, at)))),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(hung_up()),
    }
}

fn late(late: Late, doing: &'static str) -> Lost {
    Lost::Process(match late {
        Late::Silent(secs) => ChildError::Silent { secs, doing },
        Late::Stuck(secs) => ChildError::Stuck { secs, doing },
    })
}

/// Waits until the model of a process is open; says when it was.
fn opened(process: &mut Process, launch: &Launch, cancel: &Cancel) -> Result<(Ready, Instant), Lost> {
    let patience = launch.patience;
    let mut watch = Watch::new(patience.silence * FIRST_SIGN, patience.open, Instant::now());
    loop {
        if cancel.cancelled() {
            return Err(Lost::Request(EngineError::Cancelled));
        }
        match next(process)? {
            Some((FromChild::Ready(ready), at)) => return Ok((ready, at)),
            Some((FromChild::Refused(told), _)) => return Err(Lost::Request(told.into())),
            Some((FromChild::Beat { pulse }, _)) => watch.heard(Some(pulse)),
            _ => {}
        }
        if let Some(why) = watch.waited(Instant::now()) {
            return Err(late(why, OPENING));
        }
    }
}

/// Waits for the answer to a request. One with `answers` ends with what was written until it was cancelled, others then fail.
fn answered(
    process: &mut Process,
    launch: &Launch,
    (asked, doing, answers): (u64, &'static str, bool),
    cancel: &Cancel,
    hear: Hear<'_>,
) -> Result<Answer, Lost> {
    let patience = launch.patience;
    let mut watch = Watch::new(patience.silence, patience.stall, Instant::now());
    let mut told_to_stop = false;
    loop {
        match next(process)?.map(|(message, _)| message) {
            // What is said after the caller has had enough is not passed on: the model inside would not have said it.
            Some(FromChild::Text { id, text, probability }) if id == asked => {
                watch.heard(None);
                if !cancel.cancelled() {
                    hear(Said::Text(TextPiece { text: &text, probability }))?;
                }
            }
            Some(FromChild::Event { id, event }) if id == asked => {
                watch.heard(None);
                hear(Said::Event(event))?;
            }
            Some(FromChild::Done { id, answer }) if id == asked => {
                return match answer {
                    _ if cancel.cancelled() && !answers => Err(Lost::Request(EngineError::Cancelled)),
                    Err(Told::Cancelled) => Err(Lost::Request(EngineError::Cancelled)),
                    Err(Told::Lost(told)) => Err(ChildError::Device { doing, told }.into()),
                    answer => answer.map_err(|told| Lost::Request(told.into())),
                };
            }
            Some(FromChild::Beat { pulse }) => watch.heard(Some(pulse)),
            _ => {}
        }
        if !told_to_stop && cancel.cancelled() {
            told_to_stop = true;
            process.send(&ToChild::Cancel { id: asked })?;
        }
        if let Some(why) = watch.waited(Instant::now()) {
            return Err(late(why, doing));
        }
    }
}

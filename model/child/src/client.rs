//! The caller's end: an engine like any other, in a process that may go at any time.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use rhea_engine::{
    Cancel, CanvasForm, Chosen, EngineError, Filter, Grid, Imagine, Imagined, NarrationRequest, Speak, TextPiece,
    ViewRequest, ViewRoom,
};
use rhea_picture::{Rgbd, Warp};
use rhea_tokens::TextTokenizer;

use crate::error::ChildError;
use crate::limits;
use crate::message::{Answer, Ask, FromChild, Known, Pixels, Ready, ToChild, Told, View, grid};
use crate::process::{Heard, Launch, Process};
use crate::watch::{Late, Watch};

/// A model in a process of its own. The process is started again when it is lost.
pub struct ChildEngine {
    launch: Launch,
    text: TextTokenizer,
    ready: Ready,
    room: Option<ViewRoom>,
    grid: Grid,
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

impl ChildEngine {
    /// Starts a process and waits until its model is open. `text` is the tokenizer of the same folder.
    ///
    /// # Errors
    /// When the process cannot be started, is no engine, or cannot open its model.
    pub fn open(launch: Launch, text: TextTokenizer) -> Result<Self, EngineError> {
        let mut process = Process::start(&launch)?;
        let ready = match opened(&mut process, &launch, &Cancel::default()) {
            Ok((ready, _)) => ready,
            Err(Lost::Request(error)) => return Err(error),
            Err(Lost::Process(error)) => return Err(explained(error, process, OPENING).into()),
        };
        let (room, grid) = (ready.room()?, grid(ready.grid)?);
        let (note, ready) = (ready.note.clone(), Ready { note: None, ..ready });
        Ok(Self {
            launch,
            text,
            ready,
            room,
            grid,
            process: Some(process),
            open: true,
            pending: None,
            asked: 0,
            mended: note.into_iter().collect(),
            restarts: Vec::new(),
        })
    }

    /// The number of the running process.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The restarts so far; of very many, the latest.
    #[must_use]
    pub fn restarts(&self) -> &[Restart] {
        &self.restarts
    }

    /// Asks, and waits for the answer.
    fn ask(
        &mut self,
        ask: Ask,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<Answer, EngineError> {
        self.make_ready(cancel)?;
        let Some(process) = self.process.as_mut() else { return Err(ChildError::Told("no process".to_owned()).into()) };
        self.asked += 1;
        let (id, doing) = (self.asked, ask.doing());
        process.send(&ToChild::Ask { id, ask: Box::new(ask) })?;
        match answered(process, &self.launch, (id, doing), cancel, on_text) {
            Ok(answer) => Ok(answer),
            Err(Lost::Request(error)) => Err(error),
            Err(Lost::Process(error)) => Err(self.lost(error, doing).into()),
        }
    }

    /// As [`Self::ask`] for requests that nobody cancels.
    fn ask_now(&mut self, ask: Ask) -> Result<Answer, EngineError> {
        self.ask(ask, &Cancel::default(), &mut |_| ())
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
    fn unexpected(&mut self, asked: &'static str, got: &Answer) -> EngineError {
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

/// Waits for the answer to a request.
fn answered(
    process: &mut Process,
    launch: &Launch,
    (asked, doing): (u64, &'static str),
    cancel: &Cancel,
    on_text: &mut dyn FnMut(TextPiece<'_>),
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
                    on_text(TextPiece { text: &text, probability });
                }
            }
            Some(FromChild::Done { id, answer }) if id == asked => {
                return match answer {
                    _ if cancel.cancelled() => Err(Lost::Request(EngineError::Cancelled)),
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

impl Imagine for ChildEngine {
    fn name(&self) -> &str {
        &self.ready.name
    }

    fn side_px(&self) -> usize {
        self.ready.side_px as usize
    }

    fn canvas_form(&self) -> Option<CanvasForm> {
        self.ready.canvas_form
    }

    fn reads_views(&self) -> Option<ViewRoom> {
        self.room
    }

    fn mended(&mut self) -> Vec<String> {
        std::mem::take(&mut self.mended)
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        match self.ask(Ask::Imagine(View::from(request)), cancel, &mut |_| ())? {
            Answer::View(view) => Ok(view.into_imagined()?),
            other => Err(self.unexpected("a view", &other)),
        }
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        match self.ask(Ask::from(request), cancel, on_text)? {
            Answer::Text(text) => Ok(text),
            other => Err(self.unexpected("text", &other)),
        }
    }

    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError> {
        match self.ask_now(Ask::RoundTrip { view: Pixels::from(view), memory: memory.map(Known::from) })? {
            Answer::View(view) => Ok(view.into_imagined()?),
            other => Err(self.unexpected("a view", &other)),
        }
    }
}

impl Speak for ChildEngine {
    fn text(&self) -> &TextTokenizer {
        &self.text
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn choose(&mut self, prompt: &[u32], answers: &[Vec<u32>], cancel: &Cancel) -> Result<Chosen, EngineError> {
        let asked = answers.len();
        let ask = Ask::Choose { prompt: prompt.to_vec(), answers: answers.to_vec() };
        match self.ask(ask, cancel, &mut |_| ())? {
            Answer::Chosen { index, log_probability, passes, steered } if index < asked as u64 => {
                Ok(Chosen { index: index as usize, log_probability, passes, steered })
            }
            other => Err(self.unexpected("a choice", &other)),
        }
    }

    fn write_text(
        &mut self,
        prompt: &[u32],
        filter: Filter,
        seed: u64,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        match self.ask(Ask::WriteText { prompt: prompt.to_vec(), filter, seed }, cancel, on_text)? {
            Answer::Text(text) => Ok(text),
            other => Err(self.unexpected("text", &other)),
        }
    }

    fn revise_picture(
        &mut self,
        prompt: &[u32],
        codes: &[u32],
        (filter, passes, seed): (Filter, u32, u64),
        cancel: &Cancel,
    ) -> Result<(Vec<u32>, u32), EngineError> {
        let ask = Ask::Revise { prompt: prompt.to_vec(), codes: codes.to_vec(), filter, passes, seed };
        match self.ask(ask, cancel, &mut |_| ())? {
            Answer::Codes { codes, passes } => Ok((codes, passes)),
            other => Err(self.unexpected("codes", &other)),
        }
    }

    fn encode(&mut self, view: &Rgbd) -> Result<Vec<u32>, EngineError> {
        match self.ask_now(Ask::Encode { view: Pixels::from(view) })? {
            Answer::Codes { codes, .. } => Ok(codes),
            other => Err(self.unexpected("codes", &other)),
        }
    }

    fn picture(&mut self, codes: &[u32], memory: Option<&Warp>) -> Result<Rgbd, EngineError> {
        let ask = Ask::Picture { codes: codes.to_vec(), memory: memory.map(Known::from) };
        match self.ask_now(ask)? {
            Answer::Picture(pixels) => Ok(pixels.into_view()?),
            other => Err(self.unexpected("a picture", &other)),
        }
    }
}

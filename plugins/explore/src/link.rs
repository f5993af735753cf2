//! The window's end of the session thread: bounded queues in, reports out, and the rule for moves that arrive early.
//!
//! The rule: while one command runs, at most [`MOVE_QUEUE`] more wait; further ones are refused and counted. Stop cancels
//! the running command and clears the queue. A command that arrives while the narration is being written cuts the
//! narration short; the view stays. Undo while a view is being drawn only drops that view.
//!
//! Invariant: no call here waits for the session thread, except [`SessionThread::finish`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bevy::prelude::Resource;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use rhea_session::{ScriptStart, StepControl};
use thiserror::Error;

use crate::report::{Opener, Report, Summary};
use crate::worker;

/// Commands that may wait while one is running.
pub const MOVE_QUEUE: usize = 4;
/// Control orders that may wait (undo, pause, new world, shutdown).
const CONTROL_QUEUE: usize = 16;
/// Reports that may wait for the window.
const REPORT_QUEUE: usize = 256;

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The queue is full.
    #[error("{MOVE_QUEUE} moves are waiting already; this one is left out")]
    QueueFull,
    /// The session thread has ended.
    #[error("the session has ended; nothing more can be done in this window")]
    Ended,
}

/// Orders that overtake waiting moves.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Undo,
    Pause(bool),
    Open(ScriptStart),
    Branch(u64),
    Shutdown,
}

/// What the session thread is in the middle of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// A view is being drawn; cancelling drops it.
    Drawing,
    /// The view is stored and is being talked about; cancelling cuts the narration.
    Talking,
}

#[derive(Default)]
pub(crate) struct Running {
    pub(crate) phase: Phase,
    pub(crate) control: StepControl,
}

/// How the window is woken.
type Waker = Box<dyn Fn() + Send + Sync>;

/// What both threads look at.
#[derive(Default)]
pub(crate) struct Shared {
    running: Mutex<Running>,
    pub(crate) closing: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Shared {
    /// The running command. A poisoned lock is taken over: the two fields are always consistent.
    pub(crate) fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the window, if it has said how.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.waker.get() {
            wake();
        }
    }
}

/// The thread's ends of the queues.
pub(crate) struct WorkerEnds {
    pub(crate) moves: Receiver<String>,
    pub(crate) control: Receiver<Control>,
    pub(crate) reports: Sender<Report>,
    pub(crate) shared: Arc<Shared>,
}

/// The window's end of the session thread.
#[derive(Resource)]
pub struct SessionLink {
    moves: Sender<String>,
    waiting: Receiver<String>,
    control: Sender<Control>,
    reports: Receiver<Report>,
    shared: Arc<Shared>,
}

impl SessionLink {
    fn new() -> (Self, WorkerEnds) {
        let (moves, waiting) = bounded(MOVE_QUEUE);
        let (control, control_in) = bounded(CONTROL_QUEUE);
        let (reports_out, reports) = bounded(REPORT_QUEUE);
        let shared = Arc::new(Shared::default());
        let ends = WorkerEnds {
            moves: waiting.clone(),
            control: control_in,
            reports: reports_out,
            shared: Arc::clone(&shared),
        };
        (Self { moves, waiting, control, reports, shared }, ends)
    }

    /// Says how to wake the window when a report arrives. Only the first call counts.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        // A second call would come from a second window on the same session, which does not exist.
        drop(self.shared.waker.set(Box::new(waker)));
    }

    /// Asks for one command of the walking language.
    ///
    /// # Errors
    /// When the queue is full or the session has ended.
    pub fn submit(&self, command: String) -> Result<(), Refusal> {
        self.moves.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::QueueFull,
            TrySendError::Disconnected(_) => Refusal::Ended,
        })?;
        let running = self.shared.running();
        if running.phase == Phase::Talking {
            running.control.hush.cancel();
        }
        Ok(())
    }

    /// Commands that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// May a held key repeat now? Yes when nothing waits and the last view has been shown.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.waiting.is_empty() && self.shared.running().phase != Phase::Drawing
    }

    /// Is nothing done and nothing waiting?
    #[must_use]
    pub fn idle(&self) -> bool {
        self.waiting.is_empty() && self.shared.running().phase == Phase::Idle
    }

    /// Cancels the running command and clears the queue. Returns how many waiting moves were dropped.
    pub fn stop(&self) -> usize {
        let dropped = self.waiting.try_iter().count();
        self.shared.running().control.cancel.cancel();
        dropped
    }

    /// Takes back the last step, or only drops the view that is being drawn. Clears the queue in both cases.
    ///
    /// # Errors
    /// When the control queue is full or the session has ended.
    pub fn undo(&self) -> Result<(), Refusal> {
        let dropped = self.waiting.try_iter().count();
        let drawing = {
            let running = self.shared.running();
            running.control.cancel.cancel();
            running.phase == Phase::Drawing
        };
        if drawing || dropped > 0 { Ok(()) } else { self.order(Control::Undo) }
    }

    /// Holds the walk after the running command, or lets it go on.
    ///
    /// # Errors
    /// When the control queue is full or the session has ended.
    pub fn pause(&self, paused: bool) -> Result<(), Refusal> {
        self.order(Control::Pause(paused))
    }

    /// Ends the walk (its recording is complete) and begins another world in the same window.
    ///
    /// # Errors
    /// When the control queue is full or the session has ended.
    pub fn open(&self, start: ScriptStart) -> Result<(), Refusal> {
        self.stop();
        self.order(Control::Open(start))
    }

    /// Ends the walk (its recording is complete) and begins another one with the world as it was after a step.
    ///
    /// # Errors
    /// When the control queue is full or the session has ended.
    pub fn branch(&self, step: u64) -> Result<(), Refusal> {
        self.stop();
        self.order(Control::Branch(step))
    }

    /// Reports that have arrived, oldest first.
    pub fn reports(&self) -> impl Iterator<Item = Report> + '_ {
        self.reports.try_iter()
    }

    fn order(&self, control: Control) -> Result<(), Refusal> {
        self.control.try_send(control).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::QueueFull,
            TrySendError::Disconnected(_) => Refusal::Ended,
        })
    }
}

/// Owns the session thread; outlives the window.
pub struct SessionThread {
    control: Sender<Control>,
    shared: Arc<Shared>,
    summary: Receiver<Summary>,
    thread: JoinHandle<()>,
}

impl SessionThread {
    /// Starts the thread, which opens the first world at once, or makes ready for one where none is named.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(opener: Box<dyn Opener>, start: Option<ScriptStart>) -> std::io::Result<(Self, SessionLink)> {
        let (link, ends) = SessionLink::new();
        let (summary_out, summary) = bounded(1);
        let shared = Arc::clone(&link.shared);
        let control = link.control.clone();
        let thread = std::thread::Builder::new()
            .name("rhea session".to_owned())
            .spawn(move || drop(summary_out.send(worker::run(opener, start, &ends))))?;
        Ok((Self { control, shared, summary, thread }, link))
    }

    /// Cancels what runs, closes the recording and ends the thread. `None` when it does not answer within `patience`;
    /// every acknowledged step is on disk even then.
    #[must_use]
    pub fn finish(self, patience: Duration) -> Option<Summary> {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.running().control.cancel.cancel();
        // Full or disconnected: the closing flag says the same.
        drop(self.control.try_send(Control::Shutdown));
        let summary = self.summary.recv_timeout(patience).ok()?;
        // The thread has sent its last word; a panic after that has no consequence.
        drop(self.thread.join());
        Some(summary)
    }
}

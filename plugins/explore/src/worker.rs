//! The session thread: takes orders, drives the walk, reports.
//!
//! It is not the session (that is `rhea-session`) and knows no window.
//!
//! Invariant: a panic in the walk ends that walk with a report, never the thread; its recording holds every step that was
//! acknowledged.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::{never, select_biased};
use rhea_session::{ScriptStart, SessionEvent, StepControl};

use crate::link::{Control, Phase, WorkerEnds};
use crate::report::{Ended, Failure, Opener, Report, Summary, WalkEvent, Walker};
use crate::words;

/// The window is woken for pieces of narration at most this often: each frame may cost the processor that writes it.
const TEXT_WAKE: Duration = Duration::from_millis(250);

/// Runs until the window hangs up or asks for the end.
pub(crate) fn run(opener: Box<dyn Opener>, start: Option<ScriptStart>, ends: &WorkerEnds) -> Summary {
    let mut worker = Worker { opener, walker: None, ends, summary: Summary::default() };
    match start {
        Some(start) => worker.open(&start),
        None => worker.prepare(),
    }
    let mut paused = false;
    while !ends.shared.closing.load(Ordering::Acquire) {
        let idle_moves = never();
        let moves = if paused { &idle_moves } else { &ends.moves };
        select_biased! {
            recv(ends.control) -> order => match order {
                // Nothing is drawn, so there is nothing that a second undo could drop instead.
                Ok(Control::Undo) => worker.step("undo", Phase::Idle),
                Ok(Control::Pause(on)) => paused = on,
                Ok(Control::Open(start)) => {
                    paused = false;
                    worker.open(&start);
                }
                Ok(Control::Branch(step)) => {
                    paused = false;
                    worker.branch(step);
                }
                Ok(Control::Shutdown) | Err(_) => break,
            },
            recv(moves) -> command => match command {
                Ok(command) => worker.step(&command, Phase::Drawing),
                Err(_) => break,
            },
        }
    }
    worker.close();
    worker.summary
}

struct Worker<'a> {
    opener: Box<dyn Opener>,
    walker: Option<Box<dyn Walker>>,
    ends: &'a WorkerEnds,
    summary: Summary,
}

impl Worker<'_> {
    /// Nothing is reported: what cannot be made ready now is told when a world is opened.
    fn prepare(&mut self) {
        let opener = &mut self.opener;
        drop(catch_unwind(AssertUnwindSafe(|| opener.prepare())));
    }

    /// Opens a world; the walk before ends only when the new one is there.
    fn open(&mut self, start: &ScriptStart) {
        let what = match start {
            ScriptStart::Scene(path) | ScriptStart::Picture(path) | ScriptStart::World(path) => {
                format!("open {}", path.display())
            }
            ScriptStart::Caption(text) => format!("imagine \"{text}\""),
        };
        let control = self.begin(what, Phase::Drawing);
        let mut teller = Teller::new(self.ends);
        let opener = &mut self.opener;
        let opened = catch_unwind(AssertUnwindSafe(|| opener.open(start, &control, &mut |event| teller.tell(event))));
        match opened {
            Ok(Ok(walker)) => {
                self.close();
                self.walker = Some(walker);
            }
            Ok(Err(ended)) => self.ended(ended),
            Err(panic) => self.report(Report::Failed(panicked("opening the world", panic.as_ref()))),
        }
        self.end();
    }

    /// Opens the world as it was after a step; the walk goes on as it is when that cannot be.
    fn branch(&mut self, step: u64) {
        let forked = match self.walker.as_mut() {
            Some(walker) => catch_unwind(AssertUnwindSafe(|| walker.fork(step)))
                .unwrap_or_else(|panic| Err(panicked("the branch", panic.as_ref()))),
            None => Err(Failure::new(words::NO_WORLD, words::BEGIN_ONE)),
        };
        match forked {
            Ok(world) => self.open(&ScriptStart::World(world)),
            Err(failure) => self.report(Report::Failed(failure)),
        }
    }

    fn step(&mut self, command: &str, phase: Phase) {
        let control = self.begin(command.to_owned(), phase);
        let mut teller = Teller::new(self.ends);
        match self.walker.as_mut() {
            None => self.report(Report::Failed(Failure::new(words::NO_WORLD, words::BEGIN_ONE))),
            Some(walker) => {
                let call = || walker.step(command, &control, &mut |event| teller.tell(event));
                match catch_unwind(AssertUnwindSafe(call)) {
                    Ok(Ok(report)) => {
                        // An undo and a blocked move recall nothing and draw nothing.
                        self.summary.steps += u64::from(report.recall.is_some());
                        self.report(Report::Acknowledged(report));
                    }
                    Ok(Err(ended)) => self.ended(ended),
                    Err(panic) => {
                        self.report(Report::Failed(panicked("the step", panic.as_ref())));
                        self.close();
                    }
                }
            }
        }
        self.end();
    }

    fn ended(&self, ended: Ended) {
        self.report(match ended {
            Ended::Cancelled => Report::Cancelled,
            Ended::Failed(failure) => Report::Failed(failure),
        });
    }

    /// Closes the open world, if any, and notes its recording.
    fn close(&mut self) {
        let Some(walker) = self.walker.take() else { return };
        match catch_unwind(AssertUnwindSafe(|| walker.finish())) {
            Ok(Ok(replay)) => self.summary.replays.extend(replay),
            Ok(Err(failure)) => self.summary.problems.push(failure.what),
            Err(panic) => self.summary.problems.push(panicked("closing the recording", panic.as_ref()).what),
        }
    }

    fn begin(&self, command: String, phase: Phase) -> StepControl {
        let control = StepControl::default();
        {
            let mut running = self.ends.shared.running();
            running.phase = phase;
            running.control = control.clone();
        }
        if self.ends.shared.closing.load(Ordering::Acquire) {
            control.cancel.cancel();
        }
        // The window need not wake for this: it is awake when it sends a command, and a view comes soon.
        drop(self.ends.reports.send(Report::Began { command }));
        control
    }

    fn end(&self) {
        self.ends.shared.running().phase = Phase::Idle;
        self.report(Report::Idle);
    }

    fn report(&self, report: Report) {
        // A window that has closed reads no more reports; the walk itself is not concerned.
        drop(self.ends.reports.send(report));
        self.ends.shared.wake();
    }
}

/// Passes the events of one command on.
struct Teller<'a> {
    ends: &'a WorkerEnds,
    began: Instant,
    woken: Instant,
}

impl<'a> Teller<'a> {
    fn new(ends: &'a WorkerEnds) -> Self {
        let now = Instant::now();
        Self { ends, began: now, woken: now }
    }

    /// Passes an event on, and notes when a view is drawn and only the narration is left to do.
    fn tell(&mut self, event: WalkEvent) {
        if matches!(event, WalkEvent::Session(SessionEvent::ViewReady(_))) {
            let mut running = self.ends.shared.running();
            running.phase = Phase::Talking;
            // The rule for a move that came before the view was ready is the same as for one that comes after it.
            if !self.ends.moves.is_empty() {
                running.control.hush.cancel();
            }
        }
        let is_text = matches!(event, WalkEvent::Session(SessionEvent::NarrationText(_)));
        let report = Report::Event { event, after_secs: self.began.elapsed().as_secs_f32() };
        if is_text {
            // Text is repeated in full at the end of the step, so a slow window may miss pieces.
            drop(self.ends.reports.try_send(report));
        } else {
            drop(self.ends.reports.send(report));
        }
        if !is_text || self.woken.elapsed() >= TEXT_WAKE {
            self.woken = Instant::now();
            self.ends.shared.wake();
        }
    }
}

fn panicked(what: &str, panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::new(words::internal(what, message), words::RESTART)
}

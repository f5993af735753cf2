//! An engine whose process is killed, stopped or refused memory while it works.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::time::Duration;

use rhea_child::ChildEngine;
use rhea_engine::{
    Cancel, CanvasForm, EngineError, Imagine, Imagined, NarrationRequest, Speak, TextPiece, ViewRequest,
};
use rhea_picture::{Rgbd, Warp};

/// What is done to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// `kill -9`, as the system does where memory runs out.
    Kill,
    /// It stands still (`SIGSTOP`).
    Hang,
    /// It may have no more memory: the limits of its address space and data (`prlimit`) are set to nothing before it has drawn
    /// anything, so that its allocator is refused the memory that the request needs. A process that gets by with what it has is ended half a
    /// second later as its allocator would end it (`SIGABRT`).
    OutOfMemory,
}

impl Harm {
    fn strike(self, process: u32) {
        // A shell has `kill` built in; bare machines have no program of that name.
        let kill = |signal: &str| {
            Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).stderr(Stdio::null()).status()
        };
        match self {
            Self::Kill => kill("KILL").unwrap(),
            Self::Hang => kill("STOP").unwrap(),
            Self::OutOfMemory => {
                std::thread::sleep(Duration::from_millis(500));
                kill("ABRT").unwrap()
            }
        };
    }
}

/// A process that is harmed while it draws or talks.
pub struct Harmed {
    pub engine: ChildEngine,
    /// Number of the request from which on it is harmed, how, and how long after the request.
    pub harms: VecDeque<(u64, Harm, Duration)>,
    requests: u64,
    pub struck: Vec<Harm>,
    /// The last one, while it may still come.
    striking: Option<std::thread::JoinHandle<()>>,
    /// Losses that were told while a process was made ready to be harmed.
    pub elsewhere: Vec<String>,
}

impl Harmed {
    pub fn new(engine: ChildEngine, harms: VecDeque<(u64, Harm, Duration)>) -> Self {
        Self { engine, harms, requests: 0, struck: Vec::new(), striking: None, elsewhere: Vec::new() }
    }

    /// Harms the process during the next request, if it is time.
    fn request(&mut self) {
        self.requests += 1;
        if self.harms.front().is_some_and(|(at, ..)| *at <= self.requests) {
            let (_, harm, after) = self.harms.pop_front().unwrap();
            if harm == Harm::OutOfMemory {
                // The harm before this one is to hit another process.
                self.striking.take().map(std::thread::JoinHandle::join);
                // A fresh process with an open model: choosing among one answer reads nothing.
                while let Err(why) = self.engine.choose(&[1], &[vec![1]], &Cancel::default()) {
                    self.elsewhere.push(why.to_string());
                    assert!(self.elsewhere.len() < 100, "no process that answers: {why}");
                }
            }
            let process = self.engine.process_id().unwrap();
            self.struck.push(harm);
            if harm == Harm::OutOfMemory {
                let limits = ["--pid", &process.to_string(), "--as=1:1", "--data=1:1"];
                Command::new("prlimit").args(limits).status().unwrap();
            }
            self.striking = Some(std::thread::spawn(move || {
                std::thread::sleep(after);
                harm.strike(process);
            }));
        }
    }
}

impl Imagine for Harmed {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn side_px(&self) -> usize {
        self.engine.side_px()
    }

    fn canvas_form(&self) -> Option<CanvasForm> {
        self.engine.canvas_form()
    }

    fn mended(&mut self) -> Vec<String> {
        self.engine.mended()
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        self.request();
        self.engine.imagine(request, cancel)
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        self.request();
        self.engine.narrate(request, cancel, on_text)
    }

    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError> {
        self.engine.round_trip(view, memory)
    }
}

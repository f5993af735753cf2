//! The process's own end: opens a model and answers, one request at a time.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhea_engine::generate::{Answers, GenerateEvent};
use rhea_engine::{Cancel, EngineError, NarrationRequest, Speak, TextPiece};
use rhea_tokens::prompts::Task;

use crate::answers::Settings;
use crate::error::ChildError;
use crate::limits;
use crate::message::{Answer, Ask, Drawn, FromChild, Kind, Pixels, Ready, ToChild, Told, known, sides};
use crate::wire;

/// A model, and what it was opened for.
pub enum Model {
    /// Walks and plans.
    Walks(Box<dyn Speak>),
    /// Questions.
    Answers(Box<dyn Answers>),
}

impl Model {
    fn kind(&self) -> Kind {
        match self {
            Self::Walks(model) => {
                let room = model.reads_views().map(|room| {
                    let (rows, cols) = sides(room.grid);
                    (room.context as u64, rows, cols)
                });
                let (side_px, canvas_form, grid) = (model.side_px() as u32, model.canvas_form(), sides(model.grid()));
                Kind::Walks { side_px, canvas_form, room, grid }
            }
            Self::Answers(model) => Kind::Answers {
                only_grid: model.only_grid().map(sides),
                context: model.context() as u64,
                settings: Task::ALL.iter().map(|task| Settings::from(&model.settings_for(*task))).collect(),
            },
        }
    }
}

/// A model that is ready to serve.
pub struct Served {
    /// Its name.
    pub name: String,
    /// The model.
    pub model: Model,
    /// What its files are known by, [`crate::fingerprint`].
    pub fingerprint: String,
    /// What the user should know of how it was opened, such as that it runs on another device than was asked for.
    pub note: Option<String>,
}

/// A request with the flag that its caller can set.
struct Job {
    id: u64,
    ask: Box<Ask>,
    cancel: Cancel,
}

/// What the threads of the process share.
struct Shared<W> {
    output: Mutex<W>,
    busy: AtomicBool,
    /// Grows with every request.
    served: AtomicU64,
    /// The request that came last.
    latest: Mutex<Option<(u64, Cancel)>>,
}

impl<W: Write> Shared<W> {
    fn send(&self, message: &FromChild) -> Result<(), ChildError> {
        wire::send(&mut *locked(&self.output), message)
    }

    /// A number that differs from the last one when the model got on.
    fn pulse(&self) -> u64 {
        let looks = locked(&self.latest).as_ref().map_or(0, |(_, cancel)| cancel.looks());
        self.served.load(Ordering::Relaxed).wrapping_add(looks)
    }
}

/// What is behind these locks is whole after every single change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Greets the caller, opens the model and serves requests until the caller hangs up.
///
/// `on_hangup` is called on the thread that reads as soon as that happens, whatever is being computed: a process ends itself there.
///
/// # Errors
/// When the caller greets otherwise or the output is broken.
pub fn serve<W: Write + Send + 'static>(
    mut input: impl Read + Send + 'static,
    mut output: W,
    open: impl FnOnce() -> Result<Served, EngineError>,
    on_hangup: impl Fn() + Send + 'static,
) -> Result<(), ChildError> {
    match wire::expect_greeting(&mut input) {
        Ok(Some(())) => wire::greet(&mut output, limits::PROTOCOL)?,
        Ok(None) => return Ok(()),
        Err(error) => {
            if matches!(error, ChildError::Version { .. }) {
                // So that the other end can say it, too.
                wire::greet(&mut output, limits::PROTOCOL)?;
            }
            return Err(error);
        }
    }
    let shared = Arc::new(Shared {
        output: Mutex::new(output),
        busy: AtomicBool::new(true),
        served: AtomicU64::new(0),
        latest: Mutex::new(None),
    });
    let (to_serve, jobs) = sync_channel(limits::QUEUE);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let reading = Arc::clone(&shared);
    let read = move || {
        listen(input, &reading, &to_serve);
        on_hangup();
    };
    thread("engine-requests").spawn(read).map_err(ChildError::Pipe)?;
    let beating = Arc::downgrade(&shared);
    let beat = move || {
        while let Some(shared) = beating.upgrade() {
            if shared.busy.load(Ordering::Relaxed) && shared.send(&FromChild::Beat { pulse: shared.pulse() }).is_err() {
                return;
            }
            drop(shared);
            std::thread::sleep(limits::BEAT);
        }
    };
    thread("engine-beat").spawn(beat).map_err(ChildError::Pipe)?;

    let mut served = match open() {
        Ok(served) => served,
        Err(error) => return shared.send(&FromChild::Refused(Told::from(&error))),
    };
    let note = served.note.take();
    let (name, fingerprint) = (served.name.clone(), served.fingerprint.clone());
    let ready = Ready { name, fingerprint, kind: served.model.kind(), note };
    shared.busy.store(false, Ordering::Relaxed);
    shared.send(&FromChild::Ready(ready))?;
    while let Ok(Job { id, ask, cancel }) = jobs.recv() {
        shared.served.fetch_add(1, Ordering::Relaxed);
        shared.busy.store(true, Ordering::Relaxed);
        let answer = match &mut served.model {
            Model::Walks(model) => {
                let mut say = |piece: TextPiece<'_>| {
                    let TextPiece { text, probability } = piece;
                    // A caller that hung up is noticed by the thread that reads.
                    shared.send(&FromChild::Text { id, text: text.to_owned(), probability }).ok();
                };
                answer(model.as_mut(), *ask, &cancel, &mut say)
            }
            Model::Answers(model) => {
                // An event over the limit is the end of its answer: none may be missing.
                let mut unsent = None;
                let mut tell = |event: GenerateEvent| {
                    if let Err(error) = shared.send(&FromChild::Event { id, event: event.into() }) {
                        unsent.get_or_insert(error);
                        cancel.cancel();
                    }
                };
                let written = write(model.as_mut(), *ask, &cancel, &mut tell);
                unsent.map_or(written, |error| Err(error.into()))
            }
        };
        let answer = answer.map_err(|error| Told::from(&error));
        shared.busy.store(false, Ordering::Relaxed);
        match shared.send(&FromChild::Done { id, answer }) {
            Err(error @ ChildError::TooLarge { .. }) => {
                let answer = Err(Told::Other(error.to_string()));
                shared.send(&FromChild::Done { id, answer })?;
            }
            sent => sent?,
        }
    }
    Ok(())
}

/// Takes requests and wishes to cancel until the caller hangs up or says something that cannot be read.
fn listen<W: Write>(mut input: impl Read, shared: &Shared<W>, to_serve: &SyncSender<Job>) {
    while let Ok(Some(message)) = wire::receive(&mut input) {
        match message {
            ToChild::Ask { id, ask } => {
                let cancel = Cancel::default();
                *locked(&shared.latest) = Some((id, cancel.clone()));
                if to_serve.send(Job { id, ask, cancel }).is_err() {
                    return;
                }
            }
            ToChild::Cancel { id } => {
                if let Some((_, cancel)) = locked(&shared.latest).as_ref().filter(|(latest, _)| *latest == id) {
                    cancel.cancel();
                }
            }
        }
    }
}

fn answer(
    model: &mut dyn Speak,
    ask: Ask,
    cancel: &Cancel,
    say: &mut dyn FnMut(TextPiece<'_>),
) -> Result<Answer, EngineError> {
    Ok(match ask {
        Ask::Imagine(view) => Answer::View(Drawn::from(model.imagine(&view.into_request()?, cancel)?)),
        Ask::Narrate { world, prompt, codes, text, seed } => {
            Answer::Text(model.narrate(&NarrationRequest { world, prompt, codes, text, seed }, cancel, say)?)
        }
        Ask::RoundTrip { view, memory } => {
            let memory = known(memory)?;
            Answer::View(Drawn::from(model.round_trip(&view.into_view()?, memory.as_ref())?))
        }
        Ask::Choose { prompt, answers } => Answer::from(model.choose(&prompt, &answers, cancel)?),
        Ask::WriteText { prompt, filter, seed } => Answer::Text(model.write_text(&prompt, filter, seed, cancel, say)?),
        Ask::Revise { prompt, codes, filter, passes, seed } => {
            let (codes, passes) = model.revise_picture(&prompt, &codes, (filter, passes, seed), cancel)?;
            Answer::Codes { codes, passes }
        }
        Ask::Encode { view } => Answer::Codes { codes: model.encode(&view.into_view()?)?, passes: 0 },
        Ask::Picture { codes, memory } => {
            let memory = known(memory)?;
            Answer::Picture(Pixels::from(&model.picture(&codes, memory.as_ref())?))
        }
        other => return Err(not_for_this(&other)),
    })
}

/// Answers a question.
fn write(
    model: &mut dyn Answers,
    ask: Ask,
    cancel: &Cancel,
    tell: &mut dyn FnMut(GenerateEvent),
) -> Result<Answer, EngineError> {
    Ok(match ask {
        Ask::PictureIds { picture, area } => {
            Answer::Codes { codes: model.picture_ids(&picture.into_picture()?, area as usize)?, passes: 0 }
        }
        Ask::Answer(question) => Answer::Written(model.generate(&question.into_request()?, cancel, tell)?.into()),
        other => return Err(not_for_this(&other)),
    })
}

/// What a model was not opened for.
fn not_for_this(ask: &Ask) -> EngineError {
    EngineError::Request(format!("{} is not what this model was opened for", ask.doing()))
}

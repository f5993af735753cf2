//! The thread that reads pictures of a recording, and looks whether the recording has grown.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rhea_picture::Rgbd;
use rhea_session::replay::{Replay, ReplayReader};

/// Views that are kept in memory.
const KEPT: usize = 96;
/// Time between two looks at the length of the file.
const LOOK: Duration = Duration::from_millis(500);
/// Finds that wait for the window; the thread waits when so many do.
const FOUND: usize = 4;
/// Nothing is wanted.
const NOTHING: usize = usize::MAX;
/// Pictures of the strip, and their side, pixels.
pub(crate) const STRIP: usize = 20;
const STRIP_PX: usize = 48;

/// What the thread has found.
pub(crate) enum Found {
    /// The view of a record, or why there is none.
    View(usize, Result<Arc<Rgbd>, String>),
    /// Small pictures of the walk side by side, [`STRIP`] places wide.
    Strip(Rgbd),
    /// The file has grown.
    Grown(Arc<Replay>),
}

/// Reads pictures; ends when it is dropped.
pub(crate) struct Loader {
    /// The record that was asked for last.
    wanted: Arc<AtomicUsize>,
    wake: Sender<()>,
    found: Receiver<Found>,
}

impl Loader {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(replay: Arc<Replay>) -> std::io::Result<Self> {
        let wanted = Arc::new(AtomicUsize::new(NOTHING));
        let (wake, woken) = bounded(1);
        let (out, found) = bounded(FOUND);
        let asked = Arc::clone(&wanted);
        let thread = std::thread::Builder::new().name("recording".to_owned());
        thread.spawn(move || work(replay, (&asked, &woken), &out))?;
        Ok(Self { wanted, wake, found })
    }

    /// Asks for the view of a record; of several only the last one asked for is read.
    pub fn ask(&self, record: usize) {
        self.wanted.store(record, Ordering::Release);
        // One that is to wake up already will see the newest wish.
        self.wake.try_send(()).ok();
    }

    /// What was found since.
    pub fn take(&self) -> Option<Found> {
        self.found.try_recv().ok()
    }
}

fn work(mut replay: Arc<Replay>, (asked, woken): (&AtomicUsize, &Receiver<()>), out: &Sender<Found>) {
    let path: PathBuf = replay.path().to_owned();
    let mut length = length_of(&path);
    let mut kept: VecDeque<(usize, Arc<Rgbd>)> = VecDeque::new();
    if let Some(strip) = strip(&replay)
        && out.send(Found::Strip(strip)).is_err()
    {
        return;
    }
    loop {
        match woken.recv_timeout(LOOK) {
            Ok(()) => {
                let record = asked.swap(NOTHING, Ordering::AcqRel);
                if record == NOTHING {
                    continue;
                }
                let known = kept.iter().find(|(of, _)| *of == record).map(|(_, view)| Arc::clone(view));
                let view = known.map_or_else(|| replay.view(record).map(Arc::new).map_err(|e| e.to_string()), Ok);
                if let Ok(view) = &view
                    && !kept.iter().any(|(of, _)| *of == record)
                {
                    kept.push_back((record, Arc::clone(view)));
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                }
                if out.send(Found::View(record, view)).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = length_of(&path);
                if now <= length {
                    continue;
                }
                length = now;
                // A file that cannot be read just now is looked at again when it has grown further.
                let Ok(longer) = ReplayReader::open(&path) else { continue };
                replay = Arc::new(longer);
                let grown = out.send(Found::Grown(Arc::clone(&replay)));
                let strip = strip(&replay).map_or(Ok(()), |strip| out.send(Found::Strip(strip)));
                if grown.and(strip).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn length_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Small pictures of the walk, evenly over all records; `None` when there are none.
fn strip(replay: &Replay) -> Option<Rgbd> {
    let last = replay.steps.len().checked_sub(1)?;
    let mut strip = Rgbd::filled(STRIP * STRIP_PX, STRIP_PX, [0x1e, 0x23, 0x2c]);
    let mut small: Option<(usize, Rgbd)> = None;
    for place in 0..STRIP {
        // Where a record has no view, that of the last one before it.
        let Some(record) = (0..=place * last / (STRIP - 1)).rev().find(|i| replay.steps[*i].has_view()) else {
            continue;
        };
        if small.as_ref().is_none_or(|(of, _)| *of != record) {
            let view = replay.view(record).ok().and_then(|v| v.centre_square().resized(STRIP_PX, STRIP_PX).ok());
            small = view.map(|view| (record, view));
        }
        let Some((_, small)) = &small else { continue };
        for y in 0..STRIP_PX {
            let to = 3 * (y * STRIP * STRIP_PX + place * STRIP_PX);
            strip.rgb[to..to + 3 * STRIP_PX].copy_from_slice(&small.rgb[3 * y * STRIP_PX..3 * (y + 1) * STRIP_PX]);
        }
    }
    small.map(|_| strip)
}
